//! The real agent with a client that is made of the official JavaScript SDK.

use crate::review;
use boxagnts_test_support::{Fixture, script};
use boxagnts_tests::World;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const FILES: &str = "
    //- /a.txt
    one
    two
    three
    //- /b.txt
    bee
";

#[test]
fn the_official_sdk_reviews_kills_and_loads() {
    let sdk = review::editors().join("acp/node_modules/@agentclientprotocol/sdk");
    let (Some(node), true) = (review::program("node"), sdk.is_dir()) else {
        return review::skip("the JavaScript SDK of ACP", "acp");
    };
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let script = script(json!([
        {"tool_calls": [
            {"name": "edit", "input": {"path": "a.txt", "edits": [
                {"old_text": "two", "new_text": "zwei"}]}},
            {"name": "write", "input": {"path": "b.txt", "content": "bee\ncee\n"}},
        ]},
        {"text": "Both are changed."},
        {"text": "never said", "delay_ms": 3_600_000},
    ]));
    let mut command = Command::new(node);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/it/acp/client.js"))
        .arg(sdk.join("dist/v1/stable/acp.js"))
        .arg(fixture.path())
        .arg(boxagnts_tests::binary())
        .args(["acp", "--model", &script.model()])
        .env_clear()
        .envs(world.environment())
        .stdin(Stdio::null());
    let output = command.output().expect("node runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");

    assert_eq!(seen["hello"]["protocolVersion"], 1, "{seen:#}");
    assert_eq!(seen["hello"]["agentInfo"]["name"], "boxagnts");
    assert_eq!(seen["stop"], "end_turn");
    let questions = [
        "Review a.txt: 1 hunk",
        "Review b.txt: 1 hunk",
        "Review b.txt: 1 hunk",
    ];
    assert_eq!(seen["questions"], json!(questions));
    assert_eq!(seen["diffs"], json!(["a.txt", "b.txt", "b.txt"]));
    assert_eq!(seen["written"], json!(["a.txt", "b.txt"]));
    // What was typed and not saved was seen, and is kept.
    assert_eq!(fixture.read("a.txt"), "typed\none\nzwei\nthree\n");
    assert!(
        seen["wrong"]
            .as_str()
            .is_some_and(|text| text.contains("yolo")),
        "{seen:#}"
    );
    assert_eq!(seen["cancelled"], "cancelled");
    assert_eq!(seen["killed"], "SIGKILL");
    // After the kill the session is there, and so is its hunk.
    assert_eq!(seen["listed"], json!(["change both"]));
    let kinds = seen["kinds"].as_array().expect("an array");
    assert_eq!(
        &kinds[..3],
        ["user_message_chunk", "tool_call", "tool_call_update"].map(Value::from),
        "{seen:#}"
    );
    assert_eq!(seen["again"], "end_turn");
    assert_eq!(fixture.read("b.txt"), "bee\ncee\n");
    assert_eq!(seen["ended"], 0);
}
