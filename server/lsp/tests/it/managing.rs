//! The past of sessions over the protocol: pages of it, names, forks, the end, and what it cost.

use crate::harness::{Harness, TWO, capabilities, edits_two};
use boxagnts_test_support::Editor;
use serde_json::{Value, json};

async fn ok(editor: &mut Editor, command: &str, argument: Value) -> Value {
    editor.command(command, argument).await.expect(command)
}

async fn check_error(editor: &mut Editor, command: &str, argument: Value, part: &str) {
    let error = editor.command(command, argument).await.expect_err(command);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(part), "{command}: {message}");
}

#[tokio::test]
async fn a_client_can_draw_the_past_and_change_it() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    let session = editor.ask("rename both").await;
    harness.stop(editor).await;

    // An editor that comes later heard none of it.
    let settings = harness.settings(edits_two("a.rs"));
    let mut editor = harness.start_with(capabilities(), settings).await;
    let mut past = Vec::new();
    let mut after = 0;
    loop {
        let asked = json!({"session": session, "after": after, "limit": 4});
        let page = ok(&mut editor, "boxagnts.history", asked).await;
        assert_eq!(page["session"]["title"], "rename both");
        past.extend(page["updates"].as_array().expect("updates").clone());
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    let numbers: Vec<u64> = past
        .iter()
        .filter_map(|update| update["seq"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=past.len() as u64).collect::<Vec<_>>());
    assert!(
        past.iter()
            .all(|update| update["session"] == session.as_str())
    );
    assert!(past.iter().all(|update| update["at_ms"].as_u64() > Some(0)));
    assert_eq!(past[0]["event"], "turn_started");
    assert_eq!(past.last().expect("an end")["event"], "turn_ended");
    // As a method, and as words.
    let asked = json!({"session": session});
    let whole = editor
        .request("boxagnts/history", asked)
        .await
        .expect("history");
    assert_eq!(whole["updates"], json!(past));
    let typed = ok(&mut editor, "boxagnts.history", json!(session)).await;
    assert_eq!(typed["updates"], json!(past));

    let named = json!({"session": session, "title": "two\nlines"});
    assert_eq!(
        ok(&mut editor, "boxagnts.rename", named).await["title"],
        "two"
    );
    let fork = ok(
        &mut editor,
        "boxagnts.fork",
        json!({"session": session, "turn": 1}),
    )
    .await;
    assert_eq!(fork["origin"]["session"], session.as_str());
    let fork = fork["session"].as_str().expect("an id").to_owned();
    let sessions = ok(&mut editor, "boxagnts.sessions", json!(null)).await;
    assert_eq!(sessions.as_array().map(Vec::len), Some(2));
    let waiting = editor.proposal(&fork).await["pending"].clone();
    assert_eq!(waiting, 2);

    let usage = ok(&mut editor, "boxagnts.usage", json!({"by": "session"})).await;
    assert_eq!(usage["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(usage["rows"][0]["key"], session.as_str());
    assert_eq!(
        (&usage["total"]["calls"], &usage["total"]["cost_usd"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(usage["unpriced"][0]["calls"], 2);
    let days = ok(&mut editor, "boxagnts.usage", json!(null)).await;
    assert_eq!(days["rows"].as_array().map(Vec::len), Some(1));

    let deleted = ok(
        &mut editor,
        "boxagnts.deleteSession",
        json!({"session": fork}),
    )
    .await;
    assert_eq!(deleted["session"], fork.as_str());
    let unknown = format!("no session `{fork}`");
    for command in [
        "boxagnts.deleteSession",
        "boxagnts.history",
        "boxagnts.fork",
        "boxagnts.proposal",
    ] {
        check_error(&mut editor, command, json!({"session": fork}), &unknown).await;
    }
    check_error(
        &mut editor,
        "boxagnts.deleteSession",
        json!(null),
        "there is no session yet",
    )
    .await;
    let empty = json!({"session": session, "title": " "});
    check_error(&mut editor, "boxagnts.rename", empty, "the title is empty").await;
    let far = json!({"session": session, "turn": 5});
    check_error(&mut editor, "boxagnts.fork", far, "has no turn 5").await;
    check_error(
        &mut editor,
        "boxagnts.usage",
        json!({"since": "x"}),
        "`x` is no day",
    )
    .await;
    check_error(
        &mut editor,
        "boxagnts.usage",
        json!({"by": "week"}),
        "unknown variant",
    )
    .await;
    assert_eq!(harness.read("a.rs"), TWO);
    harness.stop(editor).await;
}

#[tokio::test]
async fn the_marks_of_a_removed_session_go_and_a_running_one_stays() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let script = json!([
        edits_two("a.rs")[0],
        {"text": "Done."},
        {"text": "never said", "delay_ms": 3_600_000},
    ]);
    let mut editor = harness.start(capabilities(), script).await;
    editor.open("a.rs", TWO).await;
    let session = editor.ask("rename both").await;
    let marks = async |editor: &mut Editor, count: usize| loop {
        let marked = editor.notification("textDocument/publishDiagnostics").await;
        if marked["diagnostics"].as_array().map(Vec::len) == Some(count) {
            break;
        }
    };
    marks(&mut editor, 2).await;
    let again = json!({"prompt": "on", "session": session});
    ok(&mut editor, "boxagnts.ask", again).await;
    let deleted = json!({"session": session});
    check_error(
        &mut editor,
        "boxagnts.deleteSession",
        deleted.clone(),
        "is at work",
    )
    .await;
    ok(&mut editor, "boxagnts.cancel", deleted.clone()).await;
    editor.turn_end(&session).await;
    ok(&mut editor, "boxagnts.deleteSession", deleted).await;
    marks(&mut editor, 0).await;
    harness.stop(editor).await;
}

/// An editor without a plugin knows no ids: what is said without one is about the latest session.
#[tokio::test]
async fn after_a_restart_the_latest_session_goes_on_without_its_id() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    check_error(
        &mut editor,
        "boxagnts.proposal",
        json!(null),
        "there is no session yet",
    )
    .await;
    let session = editor.ask("rename both").await;
    harness.stop(editor).await;

    let settings = harness.settings(json!([]));
    let mut editor = harness.start_with(capabilities(), settings).await;
    editor.open("a.rs", TWO).await;
    let proposal = ok(&mut editor, "boxagnts.proposal", json!(null)).await;
    assert_eq!(proposal["session"], session.as_str());
    let marked = editor.notification("textDocument/publishDiagnostics").await;
    assert_eq!(marked["diagnostics"].as_array().map(Vec::len), Some(2));
    harness.stop(editor).await;
}
