//! Turns while the user goes on: typing, cancelling, leaving and coming back.

use crate::harness::{Harness, TWO, capabilities, edits_two};
use serde_json::{Value, json};

#[tokio::test]
async fn documents_stay_in_step_while_many_turns_run() {
    const TURNS: usize = 32;
    const CHANGES: usize = 3000;
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let script = json!([
        {"text": "Reading.", "delay_ms": 50,
         "tool_calls": [{"name": "read", "input": {"path": "a.rs"}}]},
        {"text": "Read.", "delay_ms": 50},
    ]);
    let mut editor = harness.start(capabilities(), script).await;
    editor.open("a.rs", "x\n").await;
    let mut sessions = Vec::new();
    for _ in 0..TURNS {
        let asked = editor
            .command("boxagnts.ask", json!({"prompt": "read it"}))
            .await;
        sessions.push(
            asked.expect("asked")["session"]
                .as_str()
                .expect("a session")
                .to_owned(),
        );
    }
    let uri = editor.uri("a.rs");
    for n in 0..CHANGES {
        let end = json!({"line": 0, "character": 0});
        let change = json!([{"range": {"start": end, "end": end}, "text": format!("{n},")}]);
        editor.change(&uri, change).await;
    }
    for session in &sessions {
        let ended = editor.turn_end(session).await;
        assert_eq!(ended["outcome"]["kind"], "done");
    }
    // The builtin view of the text is the client's own.
    let asked = editor
        .command("boxagnts.ask", json!({"prompt": "read it"}))
        .await
        .expect("asked");
    let session = asked["session"].as_str().expect("a session").to_owned();
    let read = editor
        .update(|u| u["event"] == "tool_finished" && u["session"] == session.as_str())
        .await;
    let shown = read["report"]["output"].as_str().expect("output");
    let first = editor.text("a.rs").lines().next().expect("a line");
    let cut: String = first.chars().take(2000).collect();
    assert_eq!(shown.lines().next(), Some(format!("1\t{cut}…").as_str()));
    editor.turn_end(&session).await;
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_turn_is_cancelled_by_command_and_by_progress() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let script = json!([{"text": "never said", "delay_ms": 3_600_000}]);
    let mut editor = harness.start(capabilities(), script).await;
    for by_progress in [false, true] {
        let asked = editor
            .command("boxagnts.ask", json!({"prompt": "wait"}))
            .await
            .expect("asked");
        let session = asked["session"].as_str().expect("a session").to_owned();
        let busy = json!({"prompt": "more", "session": session});
        let error = editor
            .command("boxagnts.ask", busy)
            .await
            .expect_err("busy");
        assert!(
            error["message"]
                .as_str()
                .expect("text")
                .contains("is busy with turn 1")
        );
        if by_progress {
            let token = format!("boxagnts/{session}/1");
            let begun =
                |n: &Value| n["method"] == "$/progress" && n["params"]["token"] == token.as_str();
            editor
                .until(|editor| editor.notifications.iter().any(begun))
                .await;
            editor
                .notify("window/workDoneProgress/cancel", json!({"token": token}))
                .await;
        } else {
            editor
                .command("boxagnts.cancel", json!({"session": session}))
                .await
                .expect("cancelled");
        }
        let ended = editor.turn_end(&session).await;
        assert_eq!(ended["outcome"]["kind"], "cancelled");
    }
    harness.stop(editor).await;
}

#[tokio::test]
async fn progress_begins_reports_and_ends() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    let session = editor.ask("rename both").await;
    let token = format!("boxagnts/{session}/1");
    let kinds = |editor: &boxagnts_test_support::Editor| -> Vec<String> {
        let ours = editor
            .notifications
            .iter()
            .filter(|n| n["method"] == "$/progress" && n["params"]["token"] == token.as_str());
        ours.map(|n| {
            n["params"]["value"]["kind"]
                .as_str()
                .expect("a kind")
                .to_owned()
        })
        .collect()
    };
    editor
        .until(|editor| kinds(editor).last().is_some_and(|kind| kind == "end"))
        .await;
    let kinds = kinds(&editor);
    assert_eq!(kinds.first().map(String::as_str), Some("begin"));
    assert!(
        editor
            .requests
            .iter()
            .any(|r| r["method"] == "window/workDoneProgress/create")
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_session_outlives_its_server() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut script = edits_two("a.rs");
    script
        .as_array_mut()
        .expect("turns")
        .push(json!({"text": "Back again."}));
    let mut editor = harness.start(capabilities(), script.clone()).await;
    let session = editor.ask("rename both").await;
    let before = editor.proposal(&session).await;
    harness.stop(editor).await;

    let mut editor = harness.start(capabilities(), script).await;
    let listed = editor
        .command("boxagnts.sessions", json!(null))
        .await
        .expect("sessions");
    assert_eq!(listed[0]["session"], session.as_str());
    assert_eq!(listed[0]["title"], "rename both");
    let after = editor.proposal(&session).await;
    let texts = |proposal: &Value| -> Vec<Value> {
        let hunks = proposal["files"][0]["hunks"]
            .as_array()
            .expect("hunks")
            .iter();
        hunks.map(|hunk| hunk["new_text"].clone()).collect()
    };
    assert_eq!(texts(&before), texts(&after));
    let asked = json!({"session": session, "prompt": "go on"});
    let asked = editor.command("boxagnts.ask", asked).await.expect("asked");
    assert_eq!(asked["turn"], 2);
    editor.turn_end(&session).await;
    editor
        .command("boxagnts.accept", json!({"session": session, "all": true}))
        .await
        .expect("ok");
    editor.update(|update| update["event"] == "decided").await;
    assert_eq!(
        harness.read("a.rs"),
        TWO.replace("one", "first").replace("two", "second")
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn answers_without_changes_are_shown() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness
        .start(capabilities(), json!([{"text": "It adds two numbers."}]))
        .await;
    editor.ask("explain").await;
    let shown = editor.notification("window/showMessage").await;
    assert_eq!(shown["message"], "It adds two numbers.");
    harness.stop(editor).await;
}

#[tokio::test]
async fn rules_that_are_never_met_are_shown() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut settings = harness.settings(json!([{"text": "ok"}]));
    settings["deny"] = json!(["wirte(path=secret/**)"]);
    let mut editor = harness.start_with(capabilities(), settings).await;
    editor.open("a.rs", TWO).await;
    let shown = editor.notification("window/showMessage").await;
    let message = shown["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("BoxAgnts: the rule `wirte("), "{shown}");
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_selection_is_read_as_it_was_when_asked() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), json!([{"text": "ok"}])).await;
    editor.open("a.rs", TWO).await;
    let range = json!({"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 6}});
    let params = json!({"command": "boxagnts.ask", "arguments": [{
        "prompt": "explain", "textDocument": {"uri": editor.uri("a.rs")}, "range": range}]});
    editor
        .send_request("workspace/executeCommand", params)
        .await;
    editor.type_over("a.rs", "fn one() {}\n", "").await;
    let started = editor
        .update(|update| update["event"] == "turn_started")
        .await;
    let context = started["context"].as_str().expect("context");
    assert!(
        context.contains("`a.rs`, lines 1-1") && context.contains("\none\n"),
        "{context}"
    );
}

#[tokio::test]
async fn pictures_come_with_a_question_or_are_refused_by_name() {
    let mut harness = Harness::new(&[("a.rs", TWO), ("shot.gif", "GIF89a")]);
    let script = json!([{"text": "Seen."}]);
    let mut editor = harness.start(capabilities(), script).await;
    let gif = json!({"mediaType": "image/gif", "data": "R0lGODlh"});
    for (image, part) in [
        (
            json!({"mediaType": "image/png", "data": "R0lGODlh"}),
            "images[1]: ",
        ),
        (
            json!({"uri": "file:///elsewhere/shot.gif"}),
            "is no file of the workspace",
        ),
        (json!({"url": "x"}), "an image is an object with"),
    ] {
        let ask = json!({"prompt": "look", "images": [gif, image]});
        let error = editor.command("boxagnts.ask", ask).await.expect_err("no");
        let message = error["message"].as_str().expect("text");
        assert!(message.contains(part), "{message}");
    }
    let file = json!({"uri": editor.uri("shot.gif")});
    let ask = json!({"prompt": "look", "images": [gif, file]});
    let asked = editor.command("boxagnts.ask", ask).await.expect("asked");
    let session = asked["session"].as_str().expect("a session").to_owned();
    for what in ["picture 1", "shot.gif"] {
        let update = editor.update(|u| u["event"] == "attached").await;
        assert_eq!(
            (&update["what"], &update["image"]["data"]),
            (&json!(what), &json!(""))
        );
    }
    editor.turn_end(&session).await;
    harness.stop(editor).await;
}
