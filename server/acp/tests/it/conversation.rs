//! From a new session to one that is loaded again: prompts, permissions, review, modes.

use crate::harness::{Behaves, EDITOR, Harness, Reply, calls, edits_both};
use agent_client_protocol::v1::schema::{
    SetSessionConfigOptionRequest, SetSessionModeRequest, StopReason,
};
use boxagnts_test_support::{Answer, ModelServer};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_prompted_asked_about_cancelled_and_loaded() {
    let call =
        json!({"tool_calls": [{"name": "write", "input": {"path": "n.txt", "content": "n\n"}}]});
    let mut harness = Harness::new(json!([call, {"text": "Done."}, call]));
    harness.settings["ask"] = json!(["write"]);
    let (client, session) = harness.begin(EDITOR).await;
    client.will_reply([Reply::Option("allow-once"), Reply::Option("later")]);
    assert_eq!(
        client.prompt(&session, "write it").await,
        Ok(StopReason::EndTurn)
    );
    let [permission, review] = &client.questions()[..] else {
        panic!("two questions")
    };
    let kinds: Vec<&Value> = permission["options"]
        .as_array()
        .expect("options")
        .iter()
        .map(|o| &o["kind"])
        .collect();
    assert_eq!(
        kinds,
        ["allow_once", "allow_always", "reject_once", "reject_always"]
    );
    let call = &permission["toolCall"];
    assert_eq!(
        (&call["kind"], &call["title"]),
        (&json!("edit"), &json!("write n.txt"))
    );
    // The question is about the call that the client was told of before.
    let updates = client.updates();
    let told = updates
        .iter()
        .find(|u| u["sessionUpdate"] == "tool_call")
        .expect("a call");
    assert_eq!(told["toolCallId"], call["toolCallId"]);
    assert_eq!(
        told["locations"][0]["path"],
        json!(client.root.join("n.txt"))
    );
    let diff = &review["toolCall"]["content"][0];
    assert_eq!(
        (&diff["type"], &diff["newText"]),
        (&json!("diff"), &json!("n\n"))
    );
    assert_eq!(diff["oldText"], Value::Null);

    // Another call of it, whose question nobody answers.
    client.will_reply([Reply::Silence]);
    let asked = client.ask(&session, "again");
    client.until_asked(3).await;
    client.cancel(&session);
    assert_eq!(asked.await.expect("no panic"), Ok(StopReason::Cancelled));
    assert!(!harness.fixture.place("n.txt").exists());
    client.kill().await;

    let client = harness.start(EDITOR).await;
    client.load(&session).await.expect("loaded");
    let updates = client.updates();
    let kinds: Vec<&str> = updates
        .iter()
        .map(|u| u["sessionUpdate"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        &kinds[..4],
        [
            "user_message_chunk",
            "tool_call",
            "tool_call_update",
            "agent_message_chunk"
        ]
    );
    assert_eq!(updates[0]["content"]["text"], "write it");
    // The hunk is back.
    client.will_reply([Reply::Option("accept")]);
    assert_eq!(
        client.prompt(&session, "/review").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(harness.fixture.read("n.txt"), "n\n");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_files_one_is_accepted_and_one_rejected() {
    let harness = Harness::new(edits_both());
    let (client, session) = harness.begin(EDITOR).await;
    client.will_reply([Reply::Option("accept"), Reply::Option("reject")]);
    assert_eq!(
        client.prompt(&session, "change both").await,
        Ok(StopReason::EndTurn)
    );
    let titles: Vec<Value> = client
        .questions()
        .iter()
        .map(|q| q["toolCall"]["title"].clone())
        .collect();
    assert_eq!(titles, ["Review a.rs: 2 hunks", "Review b.txt: 1 hunk"]);
    let a = harness.fixture.read("a.rs");
    assert!(a.contains("fn first") && a.contains("fn second"), "{a}");
    assert_eq!(harness.fixture.read("b.txt"), "bee\n");
    assert_eq!(client.written(), ["a.rs"]);
    let ends: Vec<Value> = client
        .updates()
        .into_iter()
        .filter(|u| {
            u["toolCallId"]
                .as_str()
                .is_some_and(|id| id.starts_with("review-"))
        })
        .map(|u| u["status"].clone())
        .collect();
    assert_eq!(
        ends,
        [
            Value::Null,
            json!("completed"),
            Value::Null,
            json!("failed")
        ]
    );
    // Pieces of what the tool did are shown with its call.
    let updates = client.updates();
    let edited = updates
        .iter()
        .find(|u| u["sessionUpdate"] == "tool_call_update" && u["status"] == "completed")
        .expect("a call that ended");
    assert_eq!(edited["content"][0]["type"], "diff");
    assert_eq!(edited["locations"][0]["line"], 1);
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_off_is_asked_about_again_when_wanted() {
    let script = json!([
        {"tool_calls": [{"name": "write", "input": {"path": "b.txt", "content": "cee\n"}}]},
        {"text": "Done."},
        {"text": "Nothing more."},
    ]);
    let harness = Harness::new(script);
    let (client, session) = harness.begin(EDITOR).await;
    client.will_reply([Reply::Option("later")]);
    assert_eq!(
        client.prompt(&session, "write").await,
        Ok(StopReason::EndTurn)
    );
    assert!(client.said().contains("`b.txt`: h1"), "{}", client.said());
    assert_eq!(
        client.prompt(&session, "and?").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(client.questions().len(), 1);
    client.will_reply([Reply::Dismiss]);
    assert_eq!(
        client.prompt(&session, "/review").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(client.questions().len(), 2);
    assert_eq!(harness.fixture.read("b.txt"), "bee\n");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_that_nobody_answers_ends_by_cancelling() {
    let harness = Harness::new(edits_both());
    let (client, session) = harness.begin(Behaves::default()).await;
    client.will_reply([Reply::Silence]);
    let asked = client.ask(&session, "change both");
    client.until_asked(1).await;
    // One prompt at a time.
    let busy = client.prompt(&session, "more").await.expect_err("busy");
    assert!(busy.message.contains("busy"), "{busy}");
    client.cancel(&session);
    assert_eq!(asked.await.expect("no panic"), Ok(StopReason::Cancelled));
    assert!(harness.fixture.read("a.rs").contains("fn one"));
    // And the session goes on.
    client.will_reply([Reply::Option("accept"), Reply::Option("accept")]);
    assert_eq!(
        client.prompt(&session, "/review").await,
        Ok(StopReason::EndTurn)
    );
    assert!(harness.fixture.read("a.rs").contains("fn first"));
    assert_eq!(harness.fixture.read("b.txt"), "bee\ncee\n");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_can_be_cancelled_while_the_model_thinks() {
    let harness = Harness::new(json!([{"text": "never said", "delay_ms": 3_600_000}]));
    let (client, session) = harness.begin(EDITOR).await;
    let asked = client.ask(&session, "think");
    client
        .until(|client| {
            client
                .updates()
                .iter()
                .any(|u| u["sessionUpdate"] == "session_info_update")
        })
        .await;
    client.cancel(&session);
    assert_eq!(asked.await.expect("no panic"), Ok(StopReason::Cancelled));
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modes_hold_from_the_next_prompt_on() {
    let write = |text: &str| {
        [
            json!({"tool_calls": [{"name": "write", "input": {"path": "b.txt", "content": text}}]}),
            json!({"text": "Done."}),
        ]
    };
    let script: Vec<Value> = [write("plan\n"), write("auto\n")].concat();
    let harness = Harness::new(script.into());
    let client = harness.start(EDITOR).await;
    let begun = client.new_session().await;
    let session = begun.session_id.to_string();
    let modes = serde_json::to_value(begun.modes).expect("JSON");
    assert_eq!(modes["currentModeId"], "review");
    let set = |mode: &'static str| {
        client
            .cx
            .send_request(SetSessionModeRequest::new(session.clone(), mode))
            .block_task()
    };
    assert!(
        set("yolo")
            .await
            .expect_err("no mode")
            .message
            .contains("yolo")
    );
    set("plan").await.expect("a mode");
    assert_eq!(
        client.prompt(&session, "write").await,
        Ok(StopReason::EndTurn)
    );
    let updates = client.updates();
    assert!(
        updates.iter().any(|u| u["currentModeId"] == "plan"),
        "{updates:#?}"
    );
    assert!(
        updates.iter().any(|u| u["status"] == "failed"),
        "{updates:#?}"
    );
    assert_eq!(client.questions(), Vec::<Value>::new());
    let option = SetSessionConfigOptionRequest::new(session.clone(), "mode", "auto");
    let options = client
        .cx
        .send_request(option)
        .block_task()
        .await
        .expect("an option");
    let options = serde_json::to_value(options).expect("JSON");
    assert_eq!(options["configOptions"][0]["currentValue"], "auto");
    assert_eq!(
        client.prompt(&session, "write").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(harness.fixture.read("b.txt"), "auto\n");
    assert_eq!(client.questions(), Vec::<Value>::new());
    assert!(client.said().contains("Written: h1"), "{}", client.said());
    client.stop().await;

    // It is what it was when it comes back.
    let client = harness.start(EDITOR).await;
    let request =
        agent_client_protocol::v1::schema::ResumeSessionRequest::new(session, client.root.clone());
    let resumed = client
        .cx
        .send_request(request)
        .block_task()
        .await
        .expect("resumed");
    let resumed = serde_json::to_value(resumed).expect("JSON");
    assert_eq!(resumed["modes"]["currentModeId"], "auto");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_takes_another_model_and_keeps_what_it_proposes() {
    let harness = Harness::new(calls("write", json!({"path": "b.txt", "content": "cee\n"})));
    let (client, session) = harness.begin(EDITOR).await;
    client.will_reply([Reply::Option("later")]);
    assert_eq!(
        client.prompt(&session, "write").await,
        Ok(StopReason::EndTurn)
    );
    let set = |model: &'static str| {
        let option = SetSessionConfigOptionRequest::new(session.clone(), "model", model);
        client.cx.send_request(option).block_task()
    };
    let wrong = set("nobody:nothing").await.expect_err("no such model");
    assert!(wrong.message.contains("nobody"), "{wrong}");
    let options = serde_json::to_value(set("builtin").await.expect("a model")).expect("JSON");
    assert_eq!(options["configOptions"][1]["currentValue"], "builtin");
    client.forget_updates();
    client.will_reply([Reply::Option("accept"), Reply::Option("accept")]);
    let ended = client.prompt(&session, "create c.txt with c").await;
    assert_eq!(ended, Ok(StopReason::EndTurn), "{}", client.said());
    assert_eq!(harness.fixture.read("c.txt").trim(), "c");
    assert_eq!(
        client.prompt(&session, "/accept").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(harness.fixture.read("b.txt"), "cee\n");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_failures_have_their_reasons() {
    let read = json!({"tool_calls": [{"name": "read", "input": {"path": "b.txt"}}]});
    let mut harness = Harness::new(json!([read, read, read]));
    harness.settings["max_turns"] = json!(1);
    let (client, session) = harness.begin(EDITOR).await;
    assert_eq!(
        client.prompt(&session, "read").await,
        Ok(StopReason::MaxTurnRequests)
    );
    assert!(
        client.said().contains("`max_turns` = 1"),
        "{}",
        client.said()
    );
    client.stop().await;

    let server = ModelServer::with(|_| Answer::status(400, None, "no such thing"));
    let mut harness = Harness::new(json!([]));
    harness.settings = json!({"model": "mock:m",
        "providers": {"mock": {"kind": "anthropic", "base_url": server.base_url()}}});
    let (client, session) = harness.begin(EDITOR).await;
    let failed = client
        .prompt(&session, "say")
        .await
        .expect_err("a provider that says no");
    assert!(failed.message.contains("no such thing"), "{failed}");
    client.stop().await;
}
