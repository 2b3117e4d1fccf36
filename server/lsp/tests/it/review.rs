//! From a proposal to the user's text: only what was accepted, and only when it really arrived.

use crate::harness::{Harness, TWO, capabilities, edits_two};
use boxagnts_test_support::{Applies, Editor};
use serde_json::{Value, json};

/// Ids of the hunks of a proposal with their states.
fn hunks(proposal: &Value) -> Vec<(String, String)> {
    let files = proposal["files"].as_array().expect("files").iter();
    let hunks = files.flat_map(|file| file["hunks"].as_array().expect("hunks"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    hunks
        .map(|hunk| (text(&hunk["id"]), text(&hunk["state"])))
        .collect()
}

async fn decided(editor: &mut Editor, hunk: &str) -> (String, Option<String>) {
    let update = editor.update(|update| update["event"] == "decided").await;
    let hunks = update["hunks"].as_array().expect("hunks").iter();
    let found = hunks
        .into_iter()
        .find(|status| status["id"] == hunk)
        .expect("the hunk");
    let reason = found["reason"].as_str().map(str::to_owned);
    (found["state"].as_str().expect("a state").to_owned(), reason)
}

#[tokio::test]
async fn one_accepted_hunk_arrives_in_a_text_that_has_moved_on() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    let session = editor.ask("rename both").await;
    editor
        .type_over("a.rs", "// b", "// b, as I typed\n// and more")
        .await;

    let proposal = editor.proposal(&session).await;
    assert_eq!(proposal["state"], "review");
    let ids = hunks(&proposal);
    assert_eq!(ids.len(), 2, "{proposal}");
    let second = &proposal["files"][0]["hunks"][1];
    assert_eq!(
        second["range"]["start"]["line"], 6,
        "where it is now: {second}"
    );

    let answer = editor.command(
        "boxagnts.accept",
        json!({"session": session, "hunks": [ids[1].0]}),
    );
    let answer = answer.await.expect("accepted");
    assert_eq!(
        answer["hunks"],
        json!([{"id": ids[1].0, "state": "pending"}])
    );
    assert_eq!(
        decided(&mut editor, &ids[1].0).await,
        ("accepted".to_owned(), None)
    );

    let wanted = TWO
        .replace("// b", "// b, as I typed\n// and more")
        .replace("two", "second");
    assert_eq!(editor.text("a.rs"), wanted);
    assert_eq!(harness.read("a.rs"), TWO, "the editor saves, not we");
    let change = &editor.edits[0]["edit"]["documentChanges"][0];
    assert_eq!(editor.edits.len(), 1);
    assert_eq!(change["textDocument"]["version"], 2);
    assert_eq!(change["edits"].as_array().map(Vec::len), Some(1));
    let states = hunks(&editor.proposal(&session).await);
    assert!(
        states.contains(&(ids[0].0.clone(), "pending".to_owned())),
        "{states:?}"
    );
    assert!(
        states.contains(&(ids[1].0.clone(), "accepted".to_owned())),
        "{states:?}"
    );
    harness.stop(editor).await;
}

/// Accepts the first hunk in a client that behaves so; gives what became of the hunk.
async fn check(applies: Applies, versions: bool) -> (String, Option<String>, String) {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut can = capabilities();
    can["workspace"]["workspaceEdit"]["documentChanges"] = json!(versions);
    let mut editor = harness.start(can, edits_two("a.rs")).await;
    editor.applies = applies;
    editor.open("a.rs", TWO).await;
    let session = editor.ask("rename both").await;
    let id = hunks(&editor.proposal(&session).await)[0].0.clone();
    let accepted = json!({"session": session, "hunks": [id]});
    editor
        .command("boxagnts.accept", accepted)
        .await
        .expect("accepted");
    let (state, reason) = decided(&mut editor, &id).await;
    let text = editor.text("a.rs").to_owned();
    assert_eq!(harness.read("a.rs"), TWO);
    harness.stop(editor).await;
    (state, reason, text)
}

#[tokio::test]
async fn what_the_client_says_is_not_believed() {
    let first = TWO.replace("one", "first");
    for versions in [true, false] {
        for applies in [
            Applies::Honestly,
            Applies::AnsweringFirst,
            Applies::WhateverTheVersion,
        ] {
            let (state, reason, text) = check(applies, versions).await;
            assert_eq!(
                (state.as_str(), reason, &text),
                ("accepted", None, &first),
                "{applies:?}"
            );
        }
    }
    let (state, reason, text) = check(Applies::WhileTyping(6), true).await;
    assert_eq!((state.as_str(), reason), ("accepted", None));
    assert_eq!(text, first.replace("// b", "xxxxxx// b"));
    let (state, reason, text) = check(Applies::Never, true).await;
    assert_eq!((state.as_str(), text.as_str()), ("pending", TWO));
    assert!(reason.expect("a reason").contains("did not apply"));
    let (state, reason, text) = check(Applies::Lying, true).await;
    assert_eq!((state.as_str(), text.as_str()), ("pending", TWO));
    assert!(
        reason
            .expect("a reason")
            .contains("its text does not show it")
    );
    let (state, reason, _) = check(Applies::Wrongly, true).await;
    assert_ne!(state, "accepted");
    assert!(reason.is_some());
}

#[tokio::test]
async fn files_that_no_document_holds_are_written_after_approval() {
    let mut harness = Harness::new(&[("a.rs", TWO), ("gone.txt", "x\n"), ("old.txt", "y\n")]);
    let script = json!([
        {"tool_calls": [
            {"name": "write", "input": {"path": "new/b.txt", "content": "new\n"}},
            {"name": "delete", "input": {"path": "gone.txt"}},
            {"name": "rename", "input": {"from": "old.txt", "to": "moved.txt"}},
            {"name": "edit", "input": {"path": "a.rs",
                "edits": [{"old_text": "one", "new_text": "first"}]}},
        ]},
        {"text": "Done."},
    ]);
    let mut editor = harness.start(capabilities(), script).await;
    let session = editor.ask("tidy up").await;
    let root = harness.folder.path();
    assert!(!root.join("new").exists() && root.join("gone.txt").exists());
    assert_eq!(harness.read("a.rs"), TWO);

    let all = json!({"session": session, "all": true});
    editor
        .command("boxagnts.accept", all)
        .await
        .expect("accepted");
    editor.update(|update| update["event"] == "decided").await;
    assert_eq!(harness.read("new/b.txt"), "new\n");
    assert_eq!(harness.read("moved.txt"), "y\n");
    assert_eq!(harness.read("a.rs"), TWO.replace("one", "first"));
    assert!(!root.join("gone.txt").exists() && !root.join("old.txt").exists());
    assert!(editor.edits.is_empty());
    harness.stop(editor).await;
}

/// An editor that moves and deletes files, and a session that proposes to move one that it shows and to
/// delete `gone.txt`, which it shows too.
async fn tidied(harness: &mut Harness, from: &str, to: &str) -> (Editor, String) {
    let script = json!([
        {"tool_calls": [
            {"name": "rename", "input": {"from": from, "to": to}},
            {"name": "delete", "input": {"path": "gone.txt"}},
        ]},
        {"text": "Done."},
    ]);
    let mut can = capabilities();
    can["workspace"]["workspaceEdit"]["resourceOperations"] = json!(["rename", "delete"]);
    let mut editor = harness.start(can, script).await;
    editor.open(from, "y\n").await;
    editor.open("gone.txt", "x\n").await;
    let session = editor.ask("tidy up").await;
    (editor, session)
}

/// Accepts moves and deletions of open files in an editor that moves and deletes files, or says so.
async fn check_files_follow(applies: Applies) {
    // A byte-order mark is the file's, and none of the document's.
    let mut harness = Harness::new(&[("old/file.txt", "\u{feff}y\n"), ("gone.txt", "x\n")]);
    let (mut editor, session) = tidied(&mut harness, "old/file.txt", "new/moved.txt").await;
    editor.applies = applies;
    let root = harness.folder.path().to_path_buf();
    assert!(root.join("gone.txt").exists() && root.join("old/file.txt").exists());

    let all = json!({"session": session, "all": true});
    let accepted = editor.command("boxagnts.accept", all).await;
    accepted.expect("accepted");
    let decided = editor.update(|update| update["event"] == "decided").await;
    let hunks = decided["hunks"].as_array().expect("hunks");
    assert!(
        hunks.iter().all(|hunk| hunk["state"] == "accepted"),
        "{decided}"
    );
    assert_eq!(harness.read("new/moved.txt"), "\u{feff}y\n");
    assert!(!root.join("gone.txt").exists() && !root.join("old").exists());
    let asked: Vec<&Value> = editor
        .edits
        .iter()
        .map(|edit| &edit["edit"]["documentChanges"][0]["kind"])
        .collect();
    assert_eq!(asked, ["delete", "rename"]);
    harness.stop(editor).await;
}

#[tokio::test]
async fn open_files_are_moved_and_deleted_by_editors_that_can() {
    check_files_follow(Applies::Honestly).await;
}

/// What others wrote on disk, and a folder that became a link, where the editor shows something else.
#[cfg(unix)]
#[tokio::test]
async fn editors_are_not_asked_to_move_what_nobody_looked_at() {
    let mut harness = Harness::new(&[("old.txt", "y\n"), ("gone.txt", "x\n")]);
    let (mut editor, session) = tidied(&mut harness, "old.txt", "sub/moved.txt").await;
    harness.write("gone.txt", "of somebody else\n");
    let outside = tempfile::TempDir::new().expect("a folder");
    let link = harness.folder.path().join("sub");
    std::os::unix::fs::symlink(outside.path(), link).expect("a link");

    let all = json!({"session": session, "all": true});
    let accepted = editor.command("boxagnts.accept", all).await;
    accepted.expect("answered");
    let decided = editor.update(|update| update["event"] == "decided").await;
    let hunks = decided["hunks"].as_array().expect("hunks");
    assert!(
        hunks.iter().all(|hunk| hunk["state"] != "accepted"),
        "{decided}"
    );
    assert_eq!(editor.edits, Vec::<Value>::new());
    assert_eq!(harness.read("gone.txt"), "of somebody else\n");
    assert_eq!(harness.read("old.txt"), "y\n");
    assert_eq!(
        std::fs::read_dir(outside.path()).expect("a folder").count(),
        0
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn an_editor_that_moves_no_file_is_not_believed() {
    check_files_follow(Applies::Never).await;
    check_files_follow(Applies::Lying).await;
}

#[tokio::test]
async fn unsaved_text_is_what_tools_read_and_what_a_delete_spares() {
    let mut harness = Harness::new(&[("a.rs", "on disk\n")]);
    let script = json!([
        {"tool_calls": [{"name": "edit", "input": {"path": "a.rs",
            "edits": [{"old_text": "in the editor", "new_text": "edited"}]}}]},
        {"tool_calls": [{"name": "delete", "input": {"path": "a.rs"}}]},
        {"text": "Done."},
    ]);
    let mut editor = harness.start(capabilities(), script).await;
    editor.open("a.rs", "in the editor\n").await;
    let session = editor.ask("go").await;
    let proposal = editor.proposal(&session).await;
    assert_eq!(proposal["files"][0]["kind"], "delete");
    let id = hunks(&proposal)[0].0.clone();
    editor
        .command("boxagnts.accept", json!({"session": session, "all": true}))
        .await
        .expect("ok");
    let (state, reason) = decided(&mut editor, &id).await;
    assert_eq!(state, "pending");
    assert!(reason.expect("a reason").contains("unsaved changes"));
    assert_eq!(harness.read("a.rs"), "on disk\n");
    harness.stop(editor).await;
}

#[tokio::test]
async fn rejected_hunks_are_gone_and_the_model_hears_why() {
    let mut script = edits_two("a.rs");
    script
        .as_array_mut()
        .expect("turns")
        .push(json!({"text": "I see."}));
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), script).await;
    let session = editor.ask("rename both").await;
    let reject = json!({"session": session, "all": true, "comment": "use snake case"});
    editor
        .command("boxagnts.reject", reject)
        .await
        .expect("rejected");
    let proposal = editor.proposal(&session).await;
    assert_eq!(proposal["state"], "idle");
    assert!(
        hunks(&proposal)
            .iter()
            .all(|(_, state)| state == "rejected"),
        "{proposal}"
    );

    let again = json!({"session": session, "prompt": "again"});
    let asked = editor.command("boxagnts.ask", again).await.expect("asked");
    assert_eq!(asked["turn"], 2);
    let started = editor
        .update(|u| u["event"] == "turn_started" && u["turn"] == 2)
        .await;
    assert!(
        started["context"]
            .as_str()
            .expect("context")
            .contains("use snake case")
    );
    editor.turn_end(&session).await;
    assert!(editor.edits.is_empty());
    assert_eq!(harness.read("a.rs"), TWO);
    harness.stop(editor).await;
}

#[tokio::test]
async fn text_that_the_user_changed_conflicts_and_is_kept() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    let session = editor.ask("rename both").await;
    editor.type_over("a.rs", "fn one()", "fn mine()").await;
    let proposal = editor.proposal(&session).await;
    let ids = hunks(&proposal);
    assert_eq!(ids[0].1, "conflicted");
    editor
        .command("boxagnts.accept", json!({"session": session, "all": true}))
        .await
        .expect("ok");
    let (state, _) = decided(&mut editor, &ids[0].0).await;
    assert_eq!(state, "conflicted");
    let wanted = TWO.replace("one", "mine").replace("two", "second");
    assert_eq!(editor.text("a.rs"), wanted);
    // Back to what it was: the hunk fits again, under the same id.
    editor.type_over("a.rs", "fn mine()", "fn one()").await;
    let states = hunks(&editor.proposal(&session).await);
    assert!(
        states.contains(&(ids[0].0.clone(), "pending".to_owned())),
        "{states:?}"
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_client_without_a_plugin_is_asked() {
    // Accept all.
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    editor.will_answer(Some("Accept all"));
    editor.ask("rename both").await;
    editor.until(|editor| editor.edits.len() == 1).await;
    editor.update(|update| update["event"] == "decided").await;
    assert_eq!(
        editor.text("a.rs"),
        TWO.replace("one", "first").replace("two", "second")
    );
    let question = &editor.questions[0];
    let titles: Vec<_> = question["actions"]
        .as_array()
        .expect("actions")
        .iter()
        .map(|action| action["title"].as_str().expect("a title"))
        .collect();
    assert_eq!(titles, ["Review", "Accept all", "Reject all"]);
    assert!(
        question["message"]
            .as_str()
            .expect("text")
            .starts_with("BoxAgnts proposes 2 hunks in 1 file.")
    );
    harness.stop(editor).await;

    // Hunk by hunk.
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    for answer in ["Review", "Reject", "Accept"] {
        editor.will_answer(Some(answer));
    }
    let session = editor.ask("rename both").await;
    editor.until(|editor| editor.edits.len() == 1).await;
    editor
        .update(|update| update["event"] == "decided" && update["hunks"][0]["state"] == "accepted")
        .await;
    assert_eq!(editor.text("a.rs"), TWO.replace("two", "second"));
    assert_eq!(editor.questions.len(), 3);
    let states: Vec<_> = hunks(&editor.proposal(&session).await)
        .into_iter()
        .map(|h| h.1)
        .collect();
    assert_eq!(states, ["rejected", "accepted"]);
    harness.stop(editor).await;

    // No answer, or a dismissed question: nothing.
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    editor.will_answer(None);
    let session = editor.ask("rename both").await;
    editor.until(|editor| editor.questions.len() == 1).await;
    assert!(
        hunks(&editor.proposal(&session).await)
            .iter()
            .all(|(_, state)| state == "pending")
    );
    assert!(editor.edits.is_empty());
    harness.stop(editor).await;

    // A client that reviews by itself is not asked.
    let mut can = capabilities();
    can["experimental"] = json!({"boxagnts": {"review": true}});
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(can, edits_two("a.rs")).await;
    editor.ask("rename both").await;
    editor
        .request("shutdown", Value::Null)
        .await
        .expect("shutdown");
    assert!(editor.questions.is_empty());
}

#[tokio::test]
async fn pending_hunks_show_as_actions_lenses_and_diagnostics() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    let session = editor.ask("rename both").await;
    let ids = hunks(&editor.proposal(&session).await);
    let shown = editor.notification("textDocument/publishDiagnostics").await;
    let diagnostics = shown["diagnostics"].as_array().expect("diagnostics");
    assert_eq!(diagnostics.len(), 2);
    assert_eq!(diagnostics[0]["code"], ids[0].0.as_str());
    assert!(
        diagnostics[0]["message"]
            .as_str()
            .expect("text")
            .contains("+ fn first() {}")
    );

    let at = |line: u32| json!({"start": {"line": line, "character": 0}, "end": {"line": line, "character": 3}});
    let uri = editor.uri("a.rs");
    let document = json!({"uri": uri});
    let params = json!({"textDocument": document, "range": at(5), "context": {"diagnostics": [
        {"range": at(5), "message": "unused", "source": "rustc"}]}});
    let actions = editor
        .request("textDocument/codeAction", params)
        .await
        .expect("actions");
    let titles: Vec<_> = actions
        .as_array()
        .expect("actions")
        .iter()
        .map(|action| action["title"].as_str().expect("a title"))
        .collect();
    let accept = format!("Accept hunk {}", ids[1].0);
    let reject = format!("Reject hunk {}", ids[1].0);
    let split = format!("Split hunk {}", ids[1].0);
    let expect = [
        accept.as_str(),
        reject.as_str(),
        "Accept all 2 hunks of this change",
        split.as_str(),
        "Show the whole proposal",
        "Accept all hunks in this file",
        "Reject all hunks in this file",
        "Fix this diagnostic with BoxAgnts",
        "Ask BoxAgnts…",
        "Explain with BoxAgnts",
    ];
    assert_eq!(titles, expect);
    let lenses = editor
        .request("textDocument/codeLens", json!({"textDocument": document}))
        .await;
    assert_eq!(lenses.expect("lenses").as_array().map(Vec::len), Some(4));

    // An action's command works as it is.
    let command = &actions[0]["command"];
    let (name, argument) = (
        command["command"].as_str().expect("a name"),
        command["arguments"][0].clone(),
    );
    editor.command(name, argument).await.expect("accepted");
    assert_eq!(decided(&mut editor, &ids[1].0).await.0, "accepted");
    assert_eq!(editor.text("a.rs"), TWO.replace("two", "second"));
    harness.stop(editor).await;
}

#[tokio::test]
async fn hunks_are_placed_in_the_clients_own_units() {
    for encoding in ["utf-8", "utf-16", "utf-32"] {
        let text = "😀 one";
        let mut harness = Harness::new(&[("a.txt", text)]);
        let script = json!([
            {"tool_calls": [{"name": "edit", "input": {"path": "a.txt",
                "edits": [{"old_text": "one", "new_text": "ünö\ntwo"}]}}]},
            {"text": "Done."},
        ]);
        let mut can = capabilities();
        can["general"] = json!({"positionEncodings": [encoding]});
        let mut editor = harness.start(can, script).await;
        editor.open("a.txt", text).await;
        let session = editor.ask("go").await;
        editor
            .command("boxagnts.accept", json!({"session": session, "all": true}))
            .await
            .expect("ok");
        let update = editor.update(|update| update["event"] == "decided").await;
        assert_eq!(
            update["hunks"][0]["state"], "accepted",
            "{encoding}: {update}"
        );
        assert_eq!(editor.text("a.txt"), "😀 ünö\ntwo", "{encoding}");
        harness.stop(editor).await;
    }
}

#[tokio::test]
async fn lenses_are_renewed_for_clients_that_show_them() {
    let mut can = capabilities();
    can["textDocument"] = json!({"codeLens": {}});
    can["workspace"]["codeLens"] = json!({"refreshSupport": true});
    for shows in [false, true] {
        let mut harness = Harness::new(&[("a.rs", TWO)]);
        let mut editor = harness.start(can.clone(), edits_two("a.rs")).await;
        editor.open("a.rs", TWO).await;
        if shows {
            let document = json!({"textDocument": {"uri": editor.uri("a.rs")}});
            let lenses = editor.request("textDocument/codeLens", document).await;
            assert_eq!(lenses.expect("lenses"), json!([]));
        }
        editor.ask("rename both").await;
        let refresh = |editor: &Editor| {
            let mut requests = editor.requests.iter();
            requests.any(|request| request["method"] == "workspace/codeLens/refresh")
        };
        if shows {
            editor.until(refresh).await;
        }
        assert_eq!(refresh(&editor), shows);
        harness.stop(editor).await;
    }
}

#[tokio::test]
async fn overlapping_decisions_are_all_carried_out() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    let session = editor.ask("rename both").await;
    let ids = hunks(&editor.proposal(&session).await);
    // Sent before the first one is carried out, which takes the editor's answer.
    for selected in [vec![&ids[0].0], vec![&ids[0].0, &ids[1].0]] {
        let params = json!({"command": "boxagnts.accept",
            "arguments": [{"session": session, "hunks": selected}]});
        editor
            .send_request("workspace/executeCommand", params)
            .await;
    }
    let wanted = TWO.replace("one", "first").replace("two", "second");
    // Whichever of the two comes first: the other has less to do then, or nothing.
    while editor.text("a.rs") != wanted {
        let message = editor.update(|update| update["event"] == "decided").await;
        assert!(
            message["hunks"]
                .as_array()
                .is_some_and(|hunks| !hunks.is_empty())
        );
    }
    harness.stop(editor).await;
}
