//! What a user can do with a proposal besides taking and dropping: amend, split, bring back, undo,
//! edit it as a patch.

use crate::harness::{Harness, TWO, capabilities, edits_two};
use boxagnts_test_support::{Applies, Editor};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A session that proposes to rename both functions of `a.rs`, which is open.
async fn proposed(harness: &mut Harness) -> (Editor, String) {
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    editor.open("a.rs", TWO).await;
    let session = editor.ask("rename both").await;
    (editor, session)
}

async fn command(editor: &mut Editor, name: &str, argument: Value) -> Value {
    let answer = editor.command(name, argument).await;
    answer.unwrap_or_else(|error| panic!("{name}: {error}"))
}

async fn event(editor: &mut Editor, name: &str) -> Value {
    editor.update(|update| update["event"] == name).await
}

/// `id state` of each hunk that waits.
async fn waiting(editor: &mut Editor, session: &str) -> Vec<String> {
    let proposal = json!({"session": session, "waiting": true});
    let proposal = command(editor, "boxagnts.proposal", proposal).await;
    let files = proposal["files"].as_array().expect("files").iter();
    let hunks = files.flat_map(|file| file["hunks"].as_array().expect("hunks"));
    let show = |hunk: &Value| format!("{} {}", hunk["id"], hunk["state"]).replace('"', "");
    hunks.map(show).collect()
}

async fn accept(editor: &mut Editor, session: &str, hunks: &[&str]) -> Value {
    let hunks = json!({"session": session, "hunks": hunks});
    command(editor, "boxagnts.accept", hunks).await;
    event(editor, "decided").await
}

#[tokio::test]
async fn an_amended_hunk_arrives_as_the_user_wrote_it() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let (mut editor, session) = proposed(&mut harness).await;
    let amend = json!({"session": session, "hunk": "h1", "text": "fn uno() {}", "accept": true});
    command(&mut editor, "boxagnts.amend", amend).await;
    event(&mut editor, "decided").await;
    assert_eq!(editor.text("a.rs"), TWO.replace("one", "uno"));
    assert_eq!(waiting(&mut editor, &session).await, ["h2 pending"]);
    let none = editor.command(
        "boxagnts.amend",
        json!({"session": session, "hunk": "h9", "text": ""}),
    );
    let error = none.await.expect_err("there is none");
    assert!(
        error["message"]
            .as_str()
            .expect("words")
            .contains("waiting: h2"),
        "{error}"
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn what_the_user_typed_by_hand_takes_no_other_hunk_along() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let (mut editor, session) = proposed(&mut harness).await;
    editor.applies = Applies::WhileTypingTheSame;
    let decided = accept(&mut editor, &session, &["h1", "h2"]).await;
    let states = decided["hunks"].as_array().expect("hunks").iter();
    let accepted = |hunk: &Value| hunk["state"] == "accepted";
    assert!(states.clone().all(accepted), "{decided}");
    let both = TWO.replace("one", "first").replace("two", "second");
    assert_eq!(editor.text("a.rs"), both);
    harness.stop(editor).await;
}

#[tokio::test]
async fn hunks_are_decided_on_while_the_turn_runs() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut script = edits_two("a.rs");
    script[1] = json!({"text": "never said", "delay_ms": 3_600_000});
    let mut editor = harness.start(capabilities(), script).await;
    editor.open("a.rs", TWO).await;
    let ask = json!({"prompt": "rename both"});
    let asked = command(&mut editor, "boxagnts.ask", ask).await;
    let session = asked["session"].as_str().expect("a session").to_owned();
    editor
        .update(|update| update["event"] == "model_called" && update["step"] == 2)
        .await;
    accept(&mut editor, &session, &["h1"]).await;
    assert_eq!(editor.text("a.rs"), TWO.replace("one", "first"));
    let reject = json!({"session": session, "hunks": ["h2"], "comment": "keep two"});
    command(&mut editor, "boxagnts.reject", reject).await;
    assert_eq!(waiting(&mut editor, &session).await, Vec::<String>::new());
    command(&mut editor, "boxagnts.cancel", json!({"session": session})).await;
    editor.turn_end(&session).await;
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_rejected_hunk_can_be_proposed_again() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let (mut editor, session) = proposed(&mut harness).await;
    let all = json!({"session": session, "all": true});
    command(&mut editor, "boxagnts.reject", all).await;
    event(&mut editor, "decided").await;
    assert_eq!(waiting(&mut editor, &session).await, Vec::<String>::new());
    let back = json!({"session": session, "hunks": ["h2"]});
    command(&mut editor, "boxagnts.repropose", back).await;
    assert_eq!(waiting(&mut editor, &session).await, ["h2 pending"]);
    accept(&mut editor, &session, &["h2"]).await;
    assert_eq!(editor.text("a.rs"), TWO.replace("two", "second"));
    harness.stop(editor).await;
}

#[tokio::test]
async fn states_follow_what_the_user_types_by_themselves() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let (mut editor, session) = proposed(&mut harness).await;
    let changed = |conflicted: u64| {
        move |update: &Value| {
            update["event"] == "proposal_changed" && update["conflicted"] == conflicted
        }
    };
    editor
        .type_over("a.rs", "fn one() {}", "fn eins() {}")
        .await;
    editor.update(changed(1)).await;
    assert_eq!(
        waiting(&mut editor, &session).await,
        ["h1 conflicted", "h2 pending"]
    );
    editor
        .type_over("a.rs", "fn eins() {}", "fn one() {}")
        .await;
    editor.update(changed(0)).await;
    assert_eq!(
        waiting(&mut editor, &session).await,
        ["h1 pending", "h2 pending"]
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn states_follow_files_that_others_change() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    let session = editor.ask("rename both").await;
    harness.write("a.rs", &TWO.replace("fn two", "fn zwei"));
    editor
        .update(|update| update["event"] == "proposal_changed" && update["conflicted"] == 1)
        .await;
    assert_eq!(
        waiting(&mut editor, &session).await,
        ["h1 pending", "h2 conflicted"]
    );
    harness.write("a.rs", TWO);
    editor
        .update(|update| update["event"] == "proposal_changed" && update["conflicted"] == 0)
        .await;
    harness.stop(editor).await;
}

#[tokio::test]
async fn accepted_hunks_are_taken_back_and_wait_again() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let (mut editor, session) = proposed(&mut harness).await;
    accept(&mut editor, &session, &["h1"]).await;
    accept(&mut editor, &session, &["h2"]).await;
    editor.type_over("a.rs", "// b", "// b, as I typed").await;
    let typed = TWO.replace("// b", "// b, as I typed");

    let started = command(&mut editor, "boxagnts.undo", json!({})).await;
    let undone = event(&mut editor, "undone").await;
    assert_eq!(started["checkpoints"], undone["checkpoints"]);
    assert_eq!(undone["result"]["files"], json!(["a.rs"]));
    assert_eq!(editor.text("a.rs"), typed.replace("one", "first"));
    assert_eq!(waiting(&mut editor, &session).await, ["h2 pending"]);

    command(&mut editor, "boxagnts.undo", json!({})).await;
    event(&mut editor, "undone").await;
    assert_eq!(editor.text("a.rs"), typed);
    assert_eq!(
        waiting(&mut editor, &session).await,
        ["h1 pending", "h2 pending"]
    );
    let error = editor
        .command("boxagnts.undo", json!({}))
        .await
        .expect_err("nothing is left");
    assert!(
        error["message"]
            .as_str()
            .expect("words")
            .contains("nothing"),
        "{error}"
    );

    // What was taken back can be accepted again.
    accept(&mut editor, &session, &["h1", "h2"]).await;
    assert_eq!(
        editor.text("a.rs"),
        typed.replace("one", "first").replace("two", "second")
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn an_undo_can_be_undone_also_by_the_next_server() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    let session = editor.ask("rename both").await;
    accept(&mut editor, &session, &["h1", "h2"]).await;
    let after = harness.read("a.rs");
    command(&mut editor, "boxagnts.undo", json!({})).await;
    let undone = event(&mut editor, "undone").await;
    assert_eq!(harness.read("a.rs"), TWO);
    harness.stop(editor).await;

    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    let all = command(&mut editor, "boxagnts.checkpoints", json!({})).await;
    let shown: Vec<_> = all
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| (&c["kind"], &c["undone"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!("undo"), &json!(false)),
            (&json!("accept"), &json!(true))
        ]
    );
    let of_undo = json!({"checkpoint": undone["result"]["checkpoint"]});
    command(&mut editor, "boxagnts.undo", of_undo).await;
    event(&mut editor, "undone").await;
    assert_eq!(harness.read("a.rs"), after);
    assert_eq!(waiting(&mut editor, &session).await, Vec::<String>::new());

    // Back to before everything.
    let first = json!({"checkpoint": all[1]["checkpoint"]});
    command(&mut editor, "boxagnts.restore", first).await;
    event(&mut editor, "undone").await;
    assert_eq!(harness.read("a.rs"), TWO);
    harness.stop(editor).await;
}

#[tokio::test]
async fn created_and_deleted_files_are_taken_back() {
    let mut harness = Harness::new(&[("gone", "x\n")]);
    let script = json!([
        {"tool_calls": [
            {"name": "write", "input": {"path": "new/file", "content": "n\n"}},
            {"name": "delete", "input": {"path": "gone"}},
        ]},
        {"text": "Done."},
    ]);
    let mut editor = harness.start(capabilities(), script).await;
    let session = editor.ask("go").await;
    command(
        &mut editor,
        "boxagnts.accept",
        json!({"session": session, "all": true}),
    )
    .await;
    event(&mut editor, "decided").await;
    assert!(!harness.folder.path().join("gone").exists());
    assert_eq!(harness.read("new/file"), "n\n");
    command(&mut editor, "boxagnts.undo", json!({})).await;
    event(&mut editor, "undone").await;
    assert_eq!(harness.read("gone"), "x\n");
    assert!(!harness.folder.path().join("new").exists());
    assert_eq!(waiting(&mut editor, &session).await.len(), 2);
    harness.stop(editor).await;
}

/// What an editor says that moves and deletes files itself, or one that does not.
fn resourceful(moves_files: bool) -> Value {
    let mut can = capabilities();
    if moves_files {
        let operations = json!(["create", "rename", "delete"]);
        can["workspace"]["workspaceEdit"]["resourceOperations"] = operations;
    }
    can
}

/// Accepts and takes back what `calls` do, by `undo` or `restore`, where the editor keeps `old.txt` open
/// all the time, and its user types `typed` in front before it is taken back; gives the result.
async fn check_taken_back(
    moves_files: bool,
    calls: &Value,
    how: &str,
    typed: &str,
    expect: [Option<&str>; 2],
) -> Value {
    let mut harness = Harness::new(&[("old.txt", "x\n")]);
    let script = json!([{"tool_calls": calls}, {"text": "Done."}]);
    let mut editor = harness.start(resourceful(moves_files), script).await;
    editor.keeps_open = true;
    editor.open("old.txt", "x\n").await;
    let session = editor.ask("go").await;
    let all = json!({"session": session, "all": true});
    command(&mut editor, "boxagnts.accept", all).await;
    let checkpoint = event(&mut editor, "decided").await["checkpoint"].clone();
    let root = harness.folder.path().to_path_buf();
    assert!(!root.join("old.txt").exists(), "{calls}");
    if !typed.is_empty() {
        let typed = format!("{typed}x");
        editor.type_over("old.txt", "x", &typed).await;
    }
    let which = match how {
        "restore" => json!({"checkpoint": checkpoint}),
        _ => json!({}),
    };
    command(&mut editor, &format!("boxagnts.{how}"), which).await;
    let undone = event(&mut editor, "undone").await;
    let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
    let found = [read("old.txt"), read("sub/new.txt")];
    let found = found.each_ref().map(|text| text.as_deref());
    assert_eq!(found, expect, "{moves_files} {calls}: {undone}");
    harness.stop(editor).await;
    undone["result"].clone()
}

#[tokio::test]
async fn files_that_stay_open_come_back_on_disk() {
    let deletes = json!([{"name": "delete", "input": {"path": "old.txt"}}]);
    let moves = json!([
        {"name": "rename", "input": {"from": "old.txt", "to": "sub/new.txt"}},
    ]);
    let mut edits = moves.clone();
    edits.as_array_mut().expect("calls").push(json!(
        {"name": "edit", "input": {"path": "sub/new.txt",
            "edits": [{"old_text": "x", "new_text": "y"}]}}
    ));
    let back = [Some("x\n"), None];
    for moves_files in [false, true] {
        for calls in [&deletes, &moves, &edits] {
            for how in ["undo", "restore"] {
                let result = check_taken_back(moves_files, calls, how, "", back).await;
                assert!(result["checkpoint"].is_i64(), "{result}");
                assert_eq!(result["files"].as_array().expect("files").len(), 1);
            }
        }
        // What was typed there since is nowhere else.
        for (calls, stays) in [
            (&deletes, [None, None]),
            (&moves, [None, Some("x\n")]),
            (&edits, [None, Some("y\n")]),
        ] {
            let result = check_taken_back(moves_files, calls, "undo", "mine", stays).await;
            assert_eq!(result["files"], json!([]), "{result}");
            let reason = result["refused"][0]["reason"].as_str().expect("a reason");
            assert!(reason.contains("is open with other text"), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_new_file_that_stays_open_waits_when_it_is_taken_back() {
    let mut harness = Harness::new(&[]);
    let script = json!([
        {"tool_calls": [{"name": "write", "input": {"path": "a.txt", "content": "x\n"}}]},
        {"text": "Done."},
    ]);
    let mut editor = harness.start(capabilities(), script).await;
    let session = editor.ask("go").await;
    let all = json!({"session": session, "all": true});
    let place = harness.folder.path().join("a.txt");
    for _ in 0..2 {
        command(&mut editor, "boxagnts.accept", all.clone()).await;
        event(&mut editor, "decided").await;
        assert_eq!(harness.read("a.txt"), "x\n");
        editor.open("a.txt", "x\n").await;
        command(&mut editor, "boxagnts.undo", json!({})).await;
        event(&mut editor, "undone").await;
        assert!(!place.exists());
        assert_eq!(waiting(&mut editor, &session).await.len(), 1);
    }
    harness.stop(editor).await;
}

#[tokio::test]
async fn what_the_user_changed_since_is_not_taken_back() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let (mut editor, session) = proposed(&mut harness).await;
    accept(&mut editor, &session, &["h1", "h2"]).await;
    editor
        .type_over("a.rs", "fn first() {}", "fn mine() {}")
        .await;
    let text = editor.text("a.rs").to_owned();
    command(&mut editor, "boxagnts.undo", json!({})).await;
    let undone = event(&mut editor, "undone").await;
    let refused = &undone["result"]["refused"][0];
    assert_eq!(refused["path"], "a.rs");
    assert!(
        refused["reason"]
            .as_str()
            .expect("words")
            .contains("line 1"),
        "{undone}"
    );
    assert_eq!(editor.text("a.rs"), text);
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_batch_over_several_documents_is_one_edit() {
    let mut harness = Harness::new(&[("a.rs", TWO), ("b.rs", TWO), ("c.rs", TWO)]);
    let edit = |path: &str| edits_two(path)[0]["tool_calls"][0].clone();
    let script = json!([
        {"tool_calls": [edit("a.rs"), edit("b.rs"), edit("c.rs")]},
        {"text": "Done."},
    ]);
    let mut editor = harness.start(capabilities(), script).await;
    editor.open("a.rs", TWO).await;
    editor.open("b.rs", TWO).await;
    let session = editor.ask("go").await;
    editor.applies = Applies::Never;
    command(
        &mut editor,
        "boxagnts.accept",
        json!({"session": session, "all": true}),
    )
    .await;
    let decided = event(&mut editor, "decided").await;
    assert_eq!(editor.edits.len(), 1, "{:?}", editor.edits);
    assert_eq!(
        editor.edits[0]["edit"]["documentChanges"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    // The editor took nothing, so nothing of the batch is written.
    assert_eq!(harness.read("c.rs"), TWO);
    let reasons = decided["hunks"].as_array().expect("hunks").iter();
    assert_eq!(
        reasons
            .filter(|hunk| hunk["state"] == "pending" && hunk["reason"].is_string())
            .count(),
        6
    );

    editor.applies = Applies::Honestly;
    command(
        &mut editor,
        "boxagnts.accept",
        json!({"session": session, "all": true}),
    )
    .await;
    event(&mut editor, "decided").await;
    let renamed = TWO.replace("one", "first").replace("two", "second");
    assert_eq!(
        (editor.text("a.rs"), editor.text("b.rs")),
        (&*renamed, &*renamed)
    );
    assert_eq!(harness.read("c.rs"), renamed);
    harness.stop(editor).await;
}

#[tokio::test]
async fn saving_the_patch_amends_the_proposal() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let (mut editor, session) = proposed(&mut harness).await;
    let shown = command(
        &mut editor,
        "boxagnts.showPatch",
        json!({"session": session}),
    )
    .await;
    editor
        .until(|editor| {
            editor
                .requests
                .iter()
                .any(|request| request["method"] == "window/showDocument")
        })
        .await;
    let path = shown["uri"]
        .as_str()
        .expect("a URI")
        .strip_prefix("file://")
        .expect("a file");
    let path = PathBuf::from(path);
    let patch = std::fs::read_to_string(&path).expect("a patch");
    assert!(
        patch.contains("+fn first() {}") && patch.contains("+fn second() {}"),
        "{patch}"
    );
    // One hunk is rewritten, the other taken out.
    let at = patch
        .rfind("@@ -")
        .filter(|at| patch[..*at].contains("@@ -"));
    let edited = match at {
        Some(at) => patch[..at].to_owned(),
        None => patch.replace("-fn two() {}\n+fn second() {}\n", " fn two() {}\n"),
    };
    std::fs::write(&path, edited.replace("first", "uno")).expect("saved");
    editor
        .update(|update| update["event"] == "proposal_changed" && update["pending"] == 1)
        .await;
    let proposal = editor.proposal(&session).await;
    let hunks = proposal["files"][0]["hunks"].as_array().expect("hunks");
    let waiting: Vec<_> = hunks
        .iter()
        .filter(|hunk| hunk["state"] == "pending")
        .collect();
    assert_eq!(waiting[0]["new_text"], "fn uno() {}\n");

    std::fs::write(
        &path,
        "diff --git a/other b/other\n--- a/other\n+++ b/other\n@@ -1 +1 @@\n-a\n+b\n",
    )
    .expect("saved");
    let notice = event(&mut editor, "notice").await;
    assert!(
        notice["message"]
            .as_str()
            .expect("words")
            .contains("`other` is not in the proposal"),
        "{notice}"
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_proposal_can_be_read_as_documents() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut can = capabilities();
    can["workspace"]["textDocumentContent"] = json!({});
    let mut editor = harness.start(can, edits_two("a.rs")).await;
    let session = editor.ask("rename both").await;
    let shown = command(
        &mut editor,
        "boxagnts.showPatch",
        json!({"session": session}),
    )
    .await;
    assert_eq!(shown["uri"], format!("boxagnts:/{session}/proposal.diff"));
    let read = |uri: String| json!({"uri": uri});
    let method = "workspace/textDocumentContent";
    let diff = editor.request(method, read(format!("boxagnts:/{session}/proposal.diff")));
    assert!(
        diff.await.expect("a text")["text"]
            .as_str()
            .expect("text")
            .contains("+fn first")
    );
    let base = editor.request(method, read(format!("boxagnts:/{session}/base/a.rs")));
    assert_eq!(base.await.expect("a text")["text"], TWO);
    let proposed = editor.request(method, read(format!("boxagnts:/{session}/proposed/a.rs")));
    let renamed = TWO.replace("one", "first").replace("two", "second");
    assert_eq!(proposed.await.expect("a text")["text"], renamed);
    for uri in [
        format!("boxagnts:/{session}/x"),
        "file:///etc/passwd".to_owned(),
        format!("boxagnts:/{session}/base/../../etc/passwd"),
    ] {
        assert!(editor.request(method, read(uri)).await.is_err());
    }
    harness.stop(editor).await;
}

#[tokio::test]
async fn a_large_proposal_comes_in_pages() {
    let mut harness = Harness::new(&[]);
    let call =
        |n: usize| json!({"name": "write", "input": {"path": format!("f{n:02}"), "content": "x"}});
    let calls: Vec<Value> = (0..12).map(call).collect();
    let mut editor = harness
        .start(
            capabilities(),
            json!([{"tool_calls": calls}, {"text": "Done."}]),
        )
        .await;
    let session = editor.ask("go").await;
    let mut files = Vec::new();
    let mut after = Value::Null;
    loop {
        let mut page = json!({"session": session, "limit": 5});
        if !after.is_null() {
            page["after"] = after;
        }
        let page = command(&mut editor, "boxagnts.proposal", page).await;
        assert_eq!(page["pending"], 12);
        files.extend(
            page["files"]
                .as_array()
                .expect("files")
                .iter()
                .map(|file| file["path"].clone()),
        );
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(files.len(), 12);
    harness.stop(editor).await;
}
