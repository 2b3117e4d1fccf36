//! A file with a second name outside is a file of the workspace like any other: it can be read, and
//! an accepted change goes to a file of its own.

use crate::harness::{Attack, Case, script};
use serde_json::json;
use std::fs;

pub(crate) const CASE: Case = Case {
    id: "F10",
    attack: "A hard link to a file outside, written through and accepted",
    expect: &["ok"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("outside/shared", "outside\n");
    attack.user(|host| {
        fs::hard_link(host.join("outside/shared"), host.join("workspace/hard")).unwrap();
        fs::hard_link(host.join("outside/shared"), host.join("workspace/edited")).unwrap();
    });
    let calls = [
        ("write", json!({"path": "hard", "content": "mine\n"})),
        (
            "edit",
            json!({"path": "edited", "edits": [{"old_text": "outside", "new_text": "mine"}]}),
        ),
    ];
    attack.attempts(&calls);
    let turn = attack.turn(script(&calls), |call| {
        call.mode("auto")
            .may_change("workspace/hard")
            .may_change("workspace/edited")
    });
    assert_eq!(turn.result["applied"], true, "{}", turn.result);
    for (path, text) in [
        ("workspace/hard", "mine\n"),
        ("workspace/edited", "mine\n"),
        ("outside/shared", "outside\n"),
    ] {
        assert_eq!(fs::read_to_string(attack.place(path)).unwrap(), text);
    }
}
