//! Opening a FIFO waits for its other end, reading a terminal for a key, a device has no end: none
//! of them is opened so that it could wait, and none is read.

use crate::harness::{Attack, Case};
use serde_json::json;
use std::process::Command;

pub(crate) const CASE: Case = Case {
    id: "F11",
    attack: "FIFO, socket, device: read, written, searched, listed",
    expect: &["failed"],
    within_ms: 1_000,
    run,
};

fn run(attack: &mut Attack) {
    let mut paths = vec!["fifo", "socket"];
    attack.fifo("workspace/fifo");
    attack.user(|host| {
        let root = host.join("workspace");
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        // Only root makes devices.
        let zero = Command::new("mknod")
            .arg(root.join("zero"))
            .args(["c", "1", "5"])
            .output();
        if zero.is_ok_and(|made| made.status.success()) {
            paths.push("zero");
        }
    });
    for path in paths {
        attack.attempts(&[
            ("read", json!({"path": path})),
            ("list", json!({"path": path})),
            ("glob", json!({"pattern": "*", "path": path})),
            ("grep", json!({"pattern": ".", "path": path})),
            ("write", json!({"path": path, "content": "x"})),
            (
                "edit",
                json!({"path": path, "edits": [{"old_text": "a", "new_text": "x"}]}),
            ),
            ("delete", json!({"path": path})),
            ("rename", json!({"from": path, "to": "taken"})),
            ("read", json!({"path": format!("{path}/below")})),
        ]);
        // By hand as well: the process must come to its end with no thread that is stuck.
        let call = attack.tool("read", json!({"path": path}));
        attack.attempt(call);
    }
    let found = attack.controls(&[
        ("grep", json!({"pattern": ""})),
        ("list", json!({"path": "."})),
    ]);
    assert_eq!(found[0].output(), "a.txt:1:one\na.txt:2:two\n");
    assert!(found[1].output().contains("fifo\t[no regular file]"));
}
