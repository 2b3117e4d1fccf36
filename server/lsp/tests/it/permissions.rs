//! What a rule asks about is put to the editor's user, and an answer for later is kept: for this
//! workspace, this tool and this input.

use crate::harness::{Harness, capabilities};
use boxagnts_test_support::Editor;
use serde_json::{Value, json};

/// A model that writes one file in each turn.
fn writes(turns: usize) -> Value {
    let turn = |_| {
        [
            json!({"tool_calls": [{"name": "write", "input": {"path": "n.txt", "content": "n\n"}}]}),
            json!({"text": "Done."}),
        ]
    };
    Value::Array((0..turns).flat_map(turn).collect())
}

/// One turn with as many questions as there are answers; gives the decision on its call and whether
/// the call worked.
async fn turn(editor: &mut Editor, answers: &[Option<&str>]) -> (String, String, bool) {
    let before = editor.questions.len();
    answers
        .iter()
        .for_each(|answer| editor.will_answer(*answer));
    let asked = editor.command("boxagnts.ask", json!({"prompt": "write it"}));
    let asked = asked.await.expect("asked");
    let session = asked["session"].as_str().expect("a session").to_owned();
    let finished = editor
        .update(|update| update["event"] == "tool_finished" && update["session"] == session)
        .await;
    editor.turn_end(&session).await;
    let ok = finished["report"]["ok"].as_bool().expect("a boolean");
    let all = before + answers.len();
    editor.until(|editor| editor.questions.len() >= all).await;
    assert_eq!(editor.questions.len(), all);
    let decision = &finished["report"]["decision"];
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&decision["verdict"]), text(&decision["reason"]), ok)
}

/// A session whose rule asks about `write`.
async fn start(harness: &mut Harness) -> Editor {
    let mut settings = harness.settings(writes(1));
    settings["ask"] = json!(["write"]);
    harness.start_with(capabilities(), settings).await
}

/// Answers the question, and puts away the one about the proposal.
async fn check(editor: &mut Editor, answer: Option<&str>, verdict: &str, reason: &str) {
    let questions = editor.questions.len();
    let answers = match verdict {
        "approved" => vec![answer, None],
        _ => vec![answer],
    };
    let (got, why, ok) = turn(editor, &answers).await;
    assert_eq!(got, verdict, "{why}");
    assert!(why.contains(reason), "{why}");
    assert_eq!(ok, verdict == "approved");
    let question = &editor.questions[questions];
    let text = question["message"].as_str().expect("a message");
    assert!(
        text.contains("rule `write`") && text.contains("n.txt"),
        "{text}"
    );
    assert_eq!(question["actions"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn the_user_is_asked_and_the_answer_holds_for_what_was_asked() {
    let mut harness = Harness::new(&[("a.txt", "a\n")]);
    let mut editor = start(&mut harness).await;
    check(&mut editor, Some("Deny"), "denied", "the user said no").await;
    check(&mut editor, None, "denied", "the user said no").await;
    check(&mut editor, Some("Allow once"), "approved", "once").await;
    check(
        &mut editor,
        Some("Always allow"),
        "approved",
        "always run here",
    )
    .await;
    let (verdict, reason, _) = turn(&mut editor, &[None]).await;
    assert_eq!(verdict, "approved");
    assert!(reason.contains("said always earlier"), "{reason}");
    harness.stop(editor).await;
    // A server that starts later knows it, too.
    let mut editor = start(&mut harness).await;
    assert_eq!(turn(&mut editor, &[None]).await.0, "approved");
    harness.stop(editor).await;
}

#[tokio::test]
async fn cancelling_the_turn_takes_the_question_back() {
    let mut harness = Harness::new(&[("a.txt", "a\n")]);
    let mut editor = start(&mut harness).await;
    let asked = editor.command("boxagnts.ask", json!({"prompt": "write it"}));
    let session = asked.await.expect("asked")["session"].clone();
    editor.until(|editor| !editor.questions.is_empty()).await;
    let cancelled = editor.command("boxagnts.cancel", json!({"session": session}));
    cancelled.await.expect("cancelled");
    let ended = editor.turn_end(session.as_str().expect("text")).await;
    assert_eq!(ended["outcome"]["kind"], "cancelled");
    let proposal = editor.proposal(session.as_str().expect("text")).await;
    assert_eq!(proposal["files"], json!([]));
    harness.stop(editor).await;
}
