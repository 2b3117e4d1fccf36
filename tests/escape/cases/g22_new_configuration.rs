//! A configuration file that is not there yet is as protected as one that is, and one that another
//! agent obeys is never accepted without its user.

use crate::harness::{Attack, Case, script};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "G22",
    attack: "Agent configuration that did not exist: ours, and that of other agents, in mode `auto`",
    expect: &["denied", "waits for the user"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let write = |path: &str| {
        (
            "write",
            json!({"path": path, "content": "{\"hooks\": {}}\n"}),
        )
    };
    attack.attempts(&[
        write(".boxagnts/config.toml"),
        write(".BoxAgnts/config.toml"),
        write(".boxagnts/tools/x.wasm"),
        write("sub/.boxagnts/config.toml"),
        write(".boxagntsignore"),
        write("sub/.boxagntsignore"),
        ("rename", json!({"from": "a.txt", "to": ".boxagnts"})),
    ]);
    waits(
        attack,
        &[
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".CLAUDE/hooks/x.sh",
            ".cursor/mcp.json",
            ".codex/config.toml",
            ".gemini/settings.json",
            ".continue/config.json",
            ".aider.conf.yml",
            ".mcp.json",
            "sub/.mcp.json",
        ],
    );
}

/// Proposes every file in mode `auto`, beside a harmless one, which alone is written.
pub(super) fn waits(attack: &mut Attack, paths: &[&str]) {
    let harmless = ("write", json!({"path": "harmless.txt", "content": "x\n"}));
    let write = |path: &&str| {
        (
            "write",
            json!({"path": path, "content": "{\"run\": \"evil\"}\n"}),
        )
    };
    let mut calls: Vec<_> = paths.iter().map(write).collect();
    // Two steps to the same place.
    calls.push(("write", json!({"path": "plain", "content": "{}\n"})));
    calls.push(("rename", json!({"from": "plain", "to": ".lldbinit"})));
    calls.push(harmless);
    let turn = attack.turn(script(&calls), |call| {
        call.mode("auto").may_change("workspace/harmless.txt")
    });
    for outcome in &turn.calls {
        assert_eq!(outcome.label, "ok", "{outcome:#?}");
    }
    assert_eq!(turn.result["applied"], false, "{}", turn.result);
    assert!(
        attack.place("workspace/harmless.txt").exists(),
        "the control"
    );
    attack.saw("waits for the user");
}
