//! What a model asks is put to the editor's user: by a message with choices, by the client's own dialogue
//! where it has one, and by a command for words.

use crate::harness::{Harness, capabilities};
use boxagnts_test_support::Editor;
use serde_json::{Value, json};

const REVIEW: &str = "Approve, review changes";

/// A model that asks which of two.
fn asks() -> Value {
    json!([
        {"tool_calls": [{"name": "ask_user", "input": {"question": "Which?", "choices": [
            {"label": "A", "description": "the first"}, {"label": "B"}]}}]},
        {"text": "Thanks."},
    ])
}

fn with_questions() -> Value {
    let mut all = capabilities();
    all["experimental"] = json!({"boxagnts": {"questions": true, "review": true}});
    all
}

/// What the tool of a turn said, and whether it worked.
async fn tool(editor: &mut Editor, session: &str) -> (String, bool) {
    let finished = editor
        .update(|update| update["event"] == "tool_finished" && update["session"] == session)
        .await;
    let report = &finished["report"];
    let said = report["output"].as_str().expect("text").to_owned();
    let failure = report["error"]["message"].as_str().unwrap_or_default();
    (format!("{said}{failure}"), report["ok"] == true)
}

/// Asks in a new session, and does not wait.
async fn begin(editor: &mut Editor) -> String {
    let asked = editor.command("boxagnts.ask", json!({"prompt": "go"}));
    let asked = asked.await.expect("asked");
    asked["session"].as_str().expect("a session").to_owned()
}

#[tokio::test]
async fn every_client_can_choose() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.start(capabilities(), asks()).await;
    for (answer, ok, expect) in [
        (Some("B"), true, "The user chose: \"B\""),
        (Some("Skip"), false, "put the question away"),
        (None, false, "put the question away"),
    ] {
        editor.will_answer(answer);
        let session = begin(&mut editor).await;
        let (said, worked) = tool(&mut editor, &session).await;
        assert!(said.contains(expect) && worked == ok, "{said}");
        editor.turn_end(&session).await;
    }
    let question = &editor.questions[0];
    let message = question["message"].as_str().expect("a message");
    assert!(
        message.contains("Which?") && message.contains("A: the first"),
        "{message}"
    );
    let actions = json!([{"title": "A"}, {"title": "B"}, {"title": "Skip"}]);
    assert_eq!(question["actions"], actions);
    harness.stop(editor).await;
}

#[tokio::test]
async fn words_come_by_a_command() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.start(capabilities(), asks()).await;
    let session = begin(&mut editor).await;
    editor.until(|editor| !editor.questions.is_empty()).await;
    // As typed at an editor's prompt.
    let answered = editor.command("boxagnts.answer", json!("neither of them"));
    answered.await.expect("answered");
    let (said, worked) = tool(&mut editor, &session).await;
    assert!(worked && said.contains("neither of them"), "{said}");
    editor.turn_end(&session).await;
    let late = editor.command(
        "boxagnts.answer",
        json!({"session": session, "text": "late"}),
    );
    let late = late.await.expect_err("nothing is asked");
    assert!(
        late["message"].to_string().contains("nothing is asked"),
        "{late}"
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_client_with_a_dialogue_gets_the_whole_question() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.start(with_questions(), asks()).await;
    editor
        .replies
        .push_back(json!({"choices": ["A"], "text": "for now"}));
    editor.replies.push_back(Value::Null);
    let session = begin(&mut editor).await;
    let (said, worked) = tool(&mut editor, &session).await;
    assert!(
        worked && said.contains("\"A\"") && said.contains("for now"),
        "{said}"
    );
    editor.turn_end(&session).await;
    let question = editor
        .requests
        .iter()
        .find(|r| r["method"] == "boxagnts/question");
    let params = &question.expect("a question")["params"].clone();
    assert_eq!(
        (&params["session"], &params["question"]),
        (&json!(session), &json!("Which?"))
    );
    assert_eq!(params["choices"][0]["description"], "the first");
    let asked = editor.update(|update| update["event"] == "asked").await;
    let answered = editor.update(|update| update["event"] == "answered").await;
    assert_eq!(
        (&asked["id"], &answered["id"]),
        (&params["id"], &params["id"])
    );
    assert_eq!(answered["answer"]["text"], "for now");
    // Put away.
    let session = begin(&mut editor).await;
    assert!(!tool(&mut editor, &session).await.1);
    editor.turn_end(&session).await;
    assert!(editor.questions.is_empty(), "{:?}", editor.questions);
    harness.stop(editor).await;
}

#[tokio::test]
async fn cancelling_closes_the_question_and_a_client_that_resumes_sees_it() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.start(with_questions(), asks()).await;
    let session = begin(&mut editor).await;
    editor.update(|update| update["event"] == "asked").await;
    let history = editor.command("boxagnts.history", json!({"session": session}));
    let history = history.await.expect("the past");
    let updates = history["updates"].as_array().expect("updates").clone();
    assert!(updates.iter().any(|u| u["event"] == "asked"), "{updates:?}");
    assert!(
        updates.iter().all(|u| u["event"] != "answered"),
        "{updates:?}"
    );
    let cancelled = editor.command("boxagnts.cancel", json!({"session": session}));
    cancelled.await.expect("cancelled");
    let answered = editor.update(|update| update["event"] == "answered").await;
    assert_eq!(answered["answer"]["kind"], "withdrawn");
    let ended = editor.turn_end(&session).await;
    assert_eq!(ended["outcome"]["kind"], "cancelled");
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_plan_is_approved_in_the_editor_and_a_command_goes_back() {
    let mut harness = Harness::new(&[("a.txt", "a\n")]);
    let mut settings = harness.settings(json!([
        {"tool_calls": [{"name": "propose_plan", "input": {"plan": "# The plan"}}]},
        {"tool_calls": [{"name": "write", "input": {"path": "a.txt", "content": "b\n"}}]},
        {"text": "Done."},
        {"tool_calls": [{"name": "write", "input": {"path": "a.txt", "content": "c\n"}}]},
        {"text": "I cannot."},
    ]));
    settings["mode"] = json!("plan");
    let mut editor = harness.start_with(capabilities(), settings).await;
    editor.will_answer(Some(REVIEW));
    // That about the proposal.
    editor.will_answer(None);
    let session = begin(&mut editor).await;
    let changed = editor
        .update(|update| update["event"] == "mode_changed")
        .await;
    assert_eq!(changed["mode"], "review");
    editor.turn_end(&session).await;
    let message = editor.questions[0]["message"].as_str().expect("a message");
    assert!(message.contains("# The plan"), "{message}");
    let proposal = editor.proposal(&session).await;
    assert_eq!(proposal["pending"], 1, "{proposal}");
    assert_eq!(harness.read("a.txt"), "a\n");
    let wrong = json!({"session": session, "mode": "yolo"});
    let wrong = editor
        .command("boxagnts.setMode", wrong)
        .await
        .expect_err("no mode");
    assert!(wrong["message"].to_string().contains("yolo"), "{wrong}");
    let back = json!({"session": session, "mode": "plan"});
    let set = editor.command("boxagnts.setMode", back.clone()).await;
    assert_eq!(set.expect("set"), back);
    let again = json!({"prompt": "again", "session": session});
    editor.will_answer(None);
    editor.command("boxagnts.ask", again).await.expect("asked");
    editor
        .update(|update| {
            update["event"] == "tool_finished"
                && update["report"]["error"]["kind"] == "unknown_tool"
        })
        .await;
    editor.turn_end(&session).await;
    harness.stop(editor).await;
}

#[tokio::test]
async fn steps_are_told() {
    let mut harness = Harness::new(&[]);
    let items = json!([{"text": "first", "status": "in_progress"}]);
    let script = json!([
        {"tool_calls": [{"name": "todo", "input": {"items": items}}]},
        {"text": "Done."},
    ]);
    let mut editor = harness.start(with_questions(), script).await;
    let session = begin(&mut editor).await;
    let plan = editor.update(|update| update["event"] == "plan").await;
    assert_eq!((&plan["items"], &plan["turn"]), (&items, &json!(1)));
    editor.turn_end(&session).await;
    harness.stop(editor).await;
}
