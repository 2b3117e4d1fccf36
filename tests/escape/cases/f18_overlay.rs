//! What a tool writes, moves and deletes stays in the overlay until the user accepts it.

use crate::harness::{Attack, Case, script};
use serde_json::json;
use std::fs;

pub(crate) const CASE: Case = Case {
    id: "F18",
    attack: "Write, edit, delete, rename of files and folders, then read them back",
    expect: &["ok", "waits for the user"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/dir/b.txt", "b\n");
    attack.file("workspace/gone.txt", "gone\n");
    let calls = [
        ("write", json!({"path": "new/file", "content": "new\n"})),
        ("write", json!({"path": "a.txt", "content": "other\n"})),
        ("delete", json!({"path": "gone.txt"})),
        ("rename", json!({"from": "dir", "to": "moved"})),
        ("read", json!({"path": "moved/b.txt"})),
        ("read", json!({"path": "a.txt"})),
    ];
    let read = attack.attempts(&calls);
    assert_eq!(read[4].output(), "1\tb\n");
    assert_eq!(read[5].output(), "1\tother\n");
    // Accepting is what writes, and nothing else: this is the control.
    let turn = attack.turn(script(&calls), |call| call);
    assert_eq!(turn.result["applied"], false);
    attack.saw("waits for the user");
    let session = turn.result["session"].as_str().unwrap().to_owned();
    let mut accept = attack.plain(&["session", "review", &session, "--accept-all"]);
    for path in [
        "new/file",
        "new",
        "a.txt",
        "gone.txt",
        "dir/b.txt",
        "dir",
        "moved/b.txt",
        "moved",
    ] {
        accept = accept.may_change(&format!("workspace/{path}"));
    }
    attack.command_with(accept, 0);
    let root = attack.workspace();
    assert_eq!(fs::read_to_string(root.join("a.txt")).unwrap(), "other\n");
    assert!(!root.join("gone.txt").exists() && !root.join("dir/b.txt").exists());
    assert_eq!(fs::read_to_string(root.join("moved/b.txt")).unwrap(), "b\n");
}
