//! A manager with executors, as editors see it: progress for each, one question at the end, and one
//! proposal.

use crate::harness::{Harness, capabilities};
use boxagnts_test_support::Editor;
use serde_json::{Value, json};

/// A server whose model has two executors, which are the built-in planner.
async fn start(harness: &mut Harness) -> (Editor, String) {
    let spawn = |task: &str| json!({"name": "spawn_executor", "input": {"task": task}});
    let script = json!([
        {"tool_calls": [
            spawn("create one.txt with \"first\""),
            spawn("replace two with zwei in a.txt"),
        ]},
        {"text": "Both are done."},
    ]);
    let mut settings = harness.settings(script);
    settings["executors"] = json!({"default": {"model": "builtin"}});
    let mut editor = harness.start_with(capabilities(), settings).await;
    let asked = editor
        .command("boxagnts.ask", json!({"prompt": "have it done"}))
        .await;
    let session = asked.expect("asked")["session"]
        .as_str()
        .expect("it is there")
        .to_owned();
    editor.turn_end(&session).await;
    (editor, session)
}

#[tokio::test]
async fn an_editor_sees_executors_and_reviews_one_proposal() {
    let mut harness = Harness::new(&[("a.txt", "one\ntwo\nthree\n")]);
    let (mut editor, session) = start(&mut harness).await;
    let of = |event: &str, editor: &Editor| -> Vec<Value> {
        let updates = editor.updates.iter();
        let updates = updates.filter(|u| u["event"] == event && u["session"] == session.as_str());
        updates.cloned().collect()
    };
    assert_eq!(of("executor_queued", &editor).len(), 2);
    let ended = of("executor_ended", &editor);
    assert_eq!(ended.len(), 2);
    let executors: Vec<&str> = ended
        .iter()
        .map(|e| e["executor"].as_str().expect("it is there"))
        .collect();
    for executor in &executors {
        let told = editor.updates.iter().any(|u| u["session"] == *executor);
        assert!(told, "what executors do is told under their own sessions");
    }
    let proposal = editor
        .command("boxagnts.proposal", json!({"session": session}))
        .await
        .expect("a proposal");
    assert_eq!(proposal["pending"], 2);
    let hunk = &proposal["files"][0]["hunks"][0];
    assert_eq!(hunk["executor"], "replace two with zwei in a.txt");

    // What is an executor's is decided where it is proposed.
    let error = editor
        .command(
            "boxagnts.accept",
            json!({"session": executors[0], "all": true}),
        )
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("is an executor's"), "{error:?}");
    let error = editor
        .command(
            "boxagnts.cancelExecutor",
            json!({"session": session, "executor": "x"}),
        )
        .await
        .expect_err("none runs");
    assert!(error.to_string().contains("no executor `x`"), "{error:?}");
    let none = editor
        .command("boxagnts.cancelExecutor", json!({"session": session}))
        .await;
    assert_eq!(none.expect("nothing to end")["cancelled"], json!([]));
    let sessions = editor.command("boxagnts.sessions", Value::Null).await;
    assert_eq!(
        sessions.expect("sessions").as_array().map(Vec::len),
        Some(1)
    );
    harness.stop(editor).await;
}

fn git(folder: &std::path::Path, arguments: &[&str]) -> String {
    let ran = std::process::Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("git runs");
    assert!(ran.status.success(), "git {arguments:?}: {ran:?}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[tokio::test]
async fn a_proposal_becomes_a_branch_when_the_user_wants_it() {
    let mut harness = Harness::new(&[("a.txt", "one\ntwo\nthree\n")]);
    let folder = harness.folder.path().to_path_buf();
    git(&folder, &["init", "-q", "-b", "main"]);
    git(&folder, &["config", "user.name", "Uma"]);
    git(&folder, &["config", "user.email", "uma@example.org"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "first"]);
    // Not committed, and none of the session's.
    std::fs::write(folder.join("own.txt"), "mine\n").expect("it is there");
    let status = git(&folder, &["status", "--porcelain"]);
    let (mut editor, session) = start(&mut harness).await;
    let index = std::fs::read(folder.join(".git/index")).expect("it is there");
    let params = json!({"session": session, "branch": "agent/two", "author": "Agent <agent@example.org>",
        "message": "What the agent did", "signOff": true});
    let made = editor
        .command("boxagnts.commitToBranch", params.clone())
        .await;
    let made = made.expect("a branch");
    assert_eq!(made["files"], 2);
    let shown = git(
        &folder,
        &[
            "show",
            "--stat=80",
            "--format=%an <%ae>|%cn|%B",
            "agent/two",
        ],
    );
    for part in [
        "Agent <agent@example.org>|Uma|What the agent did",
        "Signed-off-by: Uma <uma@example.org>",
        "a.txt",
        "one.txt",
        "2 files changed",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert_eq!(
        git(&folder, &["show", "agent/two:a.txt"]),
        "one\nzwei\nthree\n"
    );
    // Nothing else is another than it was.
    assert_eq!(
        git(&folder, &["rev-parse", "--abbrev-ref", "HEAD"]).trim(),
        "main"
    );
    assert_eq!(
        std::fs::read(folder.join(".git/index")).expect("it is there"),
        index
    );
    assert_eq!(git(&folder, &["status", "--porcelain"]), status);
    assert_eq!(
        std::fs::read_to_string(folder.join("a.txt")).expect("it is there"),
        "one\ntwo\nthree\n"
    );
    for (branch, author, reason) in [
        ("agent/two", "A <a@b>", "it exists already"),
        ("no..branch", "A <a@b>", "no name of a branch"),
        ("other", "nobody", "is no author"),
    ] {
        let mut params = params.clone();
        params["branch"] = json!(branch);
        params["author"] = json!(author);
        let error = editor.command("boxagnts.commitToBranch", params).await;
        let error = error.expect_err("refused").to_string();
        assert!(error.contains(reason), "{error}");
    }
    harness.stop(editor).await;
}
