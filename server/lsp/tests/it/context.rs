//! What an editor tells of itself with a question, and the commands that it can offer.

use crate::harness::{Harness, capabilities};
use serde_json::{Value, json};

/// What the model is told behind the prompt.
async fn told(editor: &mut boxagnts_test_support::Editor, params: Value) -> String {
    let asked = editor.command("boxagnts.ask", params).await.expect("asked");
    let session = asked["session"].as_str().expect("a session").to_owned();
    let started = editor
        .update(|u| u["event"] == "turn_started" && u["session"] == session.as_str())
        .await;
    editor.turn_end(&session).await;
    started["context"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn open_documents_and_diagnostics_are_told() {
    let mut harness = Harness::new(&[("a.rs", "fn a() {}\n"), ("b.rs", "b\n"), (".env", "S\n")]);
    let script = json!([{"text": "Fine."}]);
    let mut editor = harness.start(capabilities(), script).await;
    for path in ["a.rs", "b.rs", ".env"] {
        editor.open(path, "x\n").await;
    }
    let uri = editor.uri("a.rs");
    let at = |line: u32| json!({"line": line, "character": 0});
    let diagnostic = json!({
        "range": {"start": at(1), "end": at(2)}, "severity": 1, "code": 7, "tags": [1],
        "source": "rustc", "message": "mismatched types",
    });
    let params = json!({
        "prompt": "fix @diagnostics", "textDocument": {"uri": uri}, "diagnostics": [diagnostic],
    });
    let context = told(&mut editor, params).await;
    let lines = "\n\n[The user is looking at `a.rs`]\n\n[The user's open files: `b.rs`]";
    assert!(context.starts_with(lines), "{context}");
    let fenced = "```\na.rs:2: error: mismatched types (rustc)\n```";
    assert!(context.ends_with(fenced), "{context}");
    // Unsaved text is what a mention shows, and the file that was asked about is the latest.
    let context = told(&mut editor, json!({"prompt": "see @b.rs"})).await;
    assert!(context.contains("open files: `a.rs`, `b.rs`]"), "{context}");
    assert!(context.ends_with("`b.rs`:]\n```\nx\n```"), "{context}");
    harness.stop(editor).await;
}

#[tokio::test]
async fn commands_are_listed_for_completion() {
    let text = "---\ndescription: Fixes an issue\nargument-hint: NUMBER\n---\nFix $1";
    let mut harness = Harness::new(&[(".boxagnts/commands/fix.md", text)]);
    let mut editor = harness.start(capabilities(), json!([])).await;
    for listed in [
        editor.command("boxagnts.commands", json!(null)).await,
        editor.request("boxagnts/commands", json!(null)).await,
    ] {
        let listed = listed.expect("commands");
        let fix = json!({
            "name": "fix", "description": "Fixes an issue", "argument_hint": "NUMBER",
            "origin": "project",
        });
        assert_eq!(listed[0]["name"], "help");
        assert_eq!(listed[0]["origin"], "built_in");
        assert_eq!(listed.as_array().expect("a list").last(), Some(&fix));
    }
    harness.stop(editor).await;
}
