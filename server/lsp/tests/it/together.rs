//! Two editors on one workspace and one journal.

use crate::harness::{Harness, TWO, capabilities, edits_two};
use boxagnts_test_support::Editor;
use serde_json::{Value, json};

async fn decided(editor: &mut Editor) -> Vec<Value> {
    let update = editor.update(|update| update["event"] == "decided").await;
    update["hunks"].as_array().expect("hunks").clone()
}

#[tokio::test]
async fn a_hunk_is_applied_once_whoever_accepts_it() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let settings = harness.settings(edits_two("a.rs"));
    let mut one = harness.start_with(capabilities(), settings.clone()).await;
    let session = one.ask("rename both").await;
    let (mut two, mut second) = harness.another(capabilities(), settings).await;
    // Both know the proposal; the second editor holds the file.
    two.open("a.rs", TWO).await;
    let seen = two.proposal(&session).await;
    assert_eq!(seen["pending"], 2);

    let accept = |hunk: &str| json!({"session": session, "hunks": [hunk]});
    one.command("boxagnts.accept", accept("h1"))
        .await
        .expect("accepted");
    assert_eq!(decided(&mut one).await[0]["state"], "accepted");
    assert_eq!(harness.read("a.rs"), TWO.replace("one", "first"));
    // The second one hears of it when it decides: the hunk waits no more.
    let again = two.command("boxagnts.accept", accept("h1")).await;
    let error = again.expect_err("it is decided").to_string();
    assert!(error.contains("h1"), "{error}");
    assert_eq!(
        two.text("a.rs"),
        TWO,
        "its user has not loaded the file anew"
    );

    two.command("boxagnts.accept", accept("h2"))
        .await
        .expect("accepted");
    assert_eq!(decided(&mut two).await[0]["state"], "accepted");
    assert_eq!(two.text("a.rs"), TWO.replace("two", "second"));
    // What the other editor accepted is taken back by this one, on disk.
    let proposal = one.proposal(&session).await;
    assert_eq!(proposal["pending"], 0, "{proposal}");
    second.stop(two).await;
    harness.stop(one).await;
}

#[tokio::test]
async fn sessions_that_propose_the_same_do_not_double_it() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut script = edits_two("a.rs").as_array().expect("turns").clone();
    script.extend(script.clone());
    let mut editor = harness.start(capabilities(), json!(script)).await;
    editor.open("a.rs", TWO).await;
    let first = editor.ask("rename both").await;
    let asked = editor
        .command("boxagnts.ask", json!({"prompt": "rename both"}))
        .await;
    let second = asked.expect("asked")["session"]
        .as_str()
        .expect("a session")
        .to_owned();
    editor.turn_end(&second).await;
    let all = |session: &str| json!({"session": session, "all": true});
    editor
        .command("boxagnts.accept", all(&first))
        .await
        .expect("accepted");
    decided(&mut editor).await;
    let renamed = TWO.replace("one", "first").replace("two", "second");
    assert_eq!(editor.text("a.rs"), renamed);
    let proposal = editor.proposal(&second).await;
    assert_eq!(
        (&proposal["pending"], &proposal["conflicted"]),
        (&json!(0), &json!(0)),
        "{proposal}"
    );
    assert_eq!(editor.text("a.rs"), renamed);
    harness.stop(editor).await;
}

#[tokio::test]
async fn what_was_accepted_last_is_taken_back_in_whatever_folder() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let other = Harness::new(&[("a.rs", TWO)]);
    let mut script = edits_two("a.rs").as_array().expect("turns").clone();
    script.extend(script.clone());
    let mut editor = harness.start(capabilities(), json!(script)).await;
    let uri = format!("file://{}", other.folder.path().display());
    let added = json!({"event": {"added": [{"uri": uri, "name": "o"}], "removed": []}});
    editor
        .notify("workspace/didChangeWorkspaceFolders", added)
        .await;
    for folder in [&harness, &other] {
        let file = format!("file://{}/a.rs", folder.folder.path().display());
        let ask = json!({"prompt": "rename both", "textDocument": {"uri": file}});
        let asked = editor.command("boxagnts.ask", ask).await.expect("asked");
        let session = asked["session"].as_str().expect("a session").to_owned();
        editor.turn_end(&session).await;
        let all = json!({"session": session, "all": true});
        editor
            .command("boxagnts.accept", all)
            .await
            .expect("accepted");
        decided(&mut editor).await;
    }
    let renamed = TWO.replace("one", "first").replace("two", "second");
    assert_eq!(
        (harness.read("a.rs"), other.read("a.rs")),
        (renamed.clone(), renamed.clone())
    );
    for expect in [(renamed.as_str(), TWO), (TWO, TWO)] {
        let undo = editor.command("boxagnts.undo", json!({})).await;
        undo.expect("something");
        editor.update(|update| update["event"] == "undone").await;
        let found = (harness.read("a.rs"), other.read("a.rs"));
        assert_eq!((found.0.as_str(), found.1.as_str()), expect);
    }
    harness.stop(editor).await;
}
