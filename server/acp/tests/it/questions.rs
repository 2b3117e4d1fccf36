//! What models ask and tell their user, as clients have it.

use crate::harness::{Behaves, EDITOR, Harness, Reply, TestClient};
use agent_client_protocol::v1::schema::StopReason;
use serde_json::{Value, json};

const FORMS: Behaves = Behaves {
    forms: true,
    ..EDITOR
};

/// What became of a call, in words: its answer goes to the model.
fn result(client: &TestClient) -> String {
    let updates = client.updates();
    let ended = updates
        .iter()
        .find(|u| u["sessionUpdate"] == "tool_call_update")
        .expect("a call that ended");
    ended["content"].to_string()
}

/// A model asks this, and a client that can so much answers so.
async fn check(input: Value, behaves: Behaves, reply: Reply, expect: &str) -> (Vec<Value>, Value) {
    let harness = Harness::new(json!([
        {"tool_calls": [{"name": "ask_user", "input": input}]},
        {"text": "I see."},
    ]));
    let (client, session) = harness.begin(behaves).await;
    client.will_reply([reply]);
    let ended = client.prompt(&session, "go").await;
    assert_eq!(ended, Ok(StopReason::EndTurn));
    let told = result(&client);
    assert!(told.contains(expect), "{told}");
    let asked = (client.questions(), client.forms());
    client.stop().await;
    asked
}

fn which() -> Value {
    json!({"question": "Which?", "multi_select": true, "allow_free_text": true, "choices": [
        {"label": "A", "description": "the first"}, {"label": "B"}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_asks_is_a_form_where_the_client_has_forms() {
    let filled = Reply::Form(json!({"choice": ["A", "B"], "answer": "both of them"}));
    let (questions, forms) = check(which(), FORMS, filled, "both of them").await;
    assert_eq!(questions, Vec::<Value>::new());
    let form = &forms[0];
    assert_eq!(
        (&form["mode"], &form["message"]),
        (&json!("form"), &json!("Which?"))
    );
    let fields = &form["requestedSchema"]["properties"];
    let choices = &fields["choice"]["items"]["anyOf"];
    assert_eq!(choices[0]["const"], "A", "{form:#}");
    assert_eq!(choices[0]["description"], "the first", "{form:#}");
    assert_eq!(fields["answer"]["type"], "string", "{form:#}");

    let chosen = json!({"question": "Which?", "allow_free_text": false,
        "choices": [{"label": "A"}, {"label": "B"}]});
    let (_, forms) = check(
        chosen.clone(),
        FORMS,
        Reply::Form(json!({"choice": "B"})),
        "The user chose: \\\"B\\\"",
    )
    .await;
    assert_eq!(forms[0]["requestedSchema"]["required"], json!(["choice"]));
    // What was not asked for is no answer.
    let away = "put the question away";
    check(
        chosen.clone(),
        FORMS,
        Reply::Form(json!({"choice": "C"})),
        away,
    )
    .await;
    check(chosen, FORMS, Reply::Dismiss, away).await;
    let words = json!({"question": "Why?"});
    check(words, FORMS, Reply::Form(json!({"answer": "so"})), "so").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_asks_is_a_choice_where_the_client_has_no_forms() {
    let chose = "The user chose: \\\"B\\\"";
    let (questions, _) = check(which(), EDITOR, Reply::Option("1"), chose).await;
    let [question] = &questions[..] else {
        panic!("one question: {questions:?}");
    };
    assert_eq!(question["toolCall"]["title"], "Which?");
    let names: Vec<&Value> = question["options"]
        .as_array()
        .expect("options")
        .iter()
        .map(|option| &option["name"])
        .collect();
    assert_eq!(names, ["A", "B", "None of these"]);
    let shown = question["toolCall"]["content"].to_string();
    assert!(shown.contains("**A**: the first"), "{shown}");
    let away = "put the question away";
    check(which(), EDITOR, Reply::Option("skip"), away).await;
    check(which(), EDITOR, Reply::Dismiss, away).await;
    // Words cannot be had.
    let words = json!({"question": "Why?"});
    let (questions, _) = check(words, EDITOR, Reply::Dismiss, "nobody can be asked").await;
    assert_eq!(questions, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_are_told_as_a_plan_also_when_a_session_is_loaded() {
    let harness = Harness::new(json!([
        {"tool_calls": [{"name": "todo", "input": {"items": [
            {"text": "first", "status": "completed"}, {"text": "second", "status": "in_progress"}]}}]},
        {"text": "Done."},
    ]));
    let plan = json!({"sessionUpdate": "plan", "entries": [
        {"content": "first", "priority": "medium", "status": "completed"},
        {"content": "second", "priority": "medium", "status": "in_progress"}]});
    let (client, session) = harness.begin(EDITOR).await;
    let ended = client.prompt(&session, "go").await;
    assert_eq!(ended, Ok(StopReason::EndTurn));
    assert!(client.updates().contains(&plan), "{:#?}", client.updates());
    client.stop().await;

    let client = harness.start(EDITOR).await;
    client.load(&session).await.expect("loaded");
    assert!(client.updates().contains(&plan), "{:#?}", client.updates());
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_is_approved_changes_the_mode_that_is_shown() {
    let mut harness = Harness::new(json!([
        {"tool_calls": [{"name": "propose_plan", "input": {"plan": "# Plan\nChange `b.txt`."}}]},
        {"tool_calls": [{"name": "write", "input": {"path": "b.txt", "content": "cee\n"}}]},
        {"text": "Done."},
    ]));
    harness.settings["mode"] = json!("plan");
    let (client, session) = harness.begin(EDITOR).await;
    client.will_reply([Reply::Option("0"), Reply::Option("accept")]);
    let ended = client.prompt(&session, "go").await;
    assert_eq!(ended, Ok(StopReason::EndTurn), "{:#?}", client.updates());
    let asked = client.questions();
    let shown = asked[0]["toolCall"]["content"].to_string();
    assert!(shown.contains("Change `b.txt`."), "{shown}");
    let modes: Vec<Value> = client
        .updates()
        .iter()
        .filter(|u| u["sessionUpdate"] == "current_mode_update")
        .map(|u| u["currentModeId"].clone())
        .collect();
    assert_eq!(modes, ["review"]);
    assert_eq!(harness.fixture.read("b.txt"), "cee\n");
    client.stop().await;
}
