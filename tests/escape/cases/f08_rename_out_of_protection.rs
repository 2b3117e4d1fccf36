//! What a tool may not write under its name it may not move to another one either, nor move
//! something into its place.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F08",
    attack: "Protected and secret files moved to another name and back, with the folders around them",
    expect: &["denied", "failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let canary = attack.canary();
    attack.file("workspace/.boxagntsignore", "private\n");
    attack.file("workspace/.boxagnts/config.toml", "max_turns = 40\n");
    attack.file("workspace/.git/config", "[core]\n");
    attack.file("workspace/private", &canary);
    attack.file("workspace/sub/.env", &canary);
    attack.file("workspace/sub/seen", "seen\n");
    for path in [
        ".boxagntsignore",
        ".boxagnts/config.toml",
        ".boxagnts",
        ".git",
        ".git/config",
        "private",
        "sub/.env",
    ] {
        attack.attempts(&[
            ("rename", json!({"from": path, "to": "plain"})),
            ("read", json!({"path": "plain"})),
            ("rename", json!({"from": "a.txt", "to": path})),
            ("rename", json!({"from": "sub", "to": path})),
        ]);
    }
    // With the folder around it, a secret stays where it is.
    attack.controls(&[("rename", json!({"from": "sub", "to": "moved"}))]);
    attack.attempts(&[
        ("rename", json!({"from": "sub/.env", "to": "plain"})),
        ("read", json!({"path": "moved/.env"})),
    ]);
}
