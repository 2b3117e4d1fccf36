//! What a tool, a file name or a model says is shown to its user without what a terminal would obey.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "T59",
    attack: "Escape sequences in a model's words, in names, errors and progress of tools",
    expect: &["shown harmless"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let evil = "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[8mhidden\u{9b}31m\u{202e}\r";
    let script = json!([
        {"text": evil, "tool_calls": [
            {"name": evil, "input": {}},
            {"name": "read", "input": {"path": evil}},
            {"name": "grep", "input": {"pattern": evil}},
            {"name": "write", "input": {"path": "b.txt", "content": evil}},
        ]},
        {"text": evil},
    ]);
    let file = attack.aside().join("words.json");
    std::fs::write(&file, script.to_string()).unwrap();
    let model = format!("scripted:{}", file.display());
    let ended = attack.command(&["run", "--model", &model, "go on"], 0);
    for character in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r'] {
        assert!(!ended.stderr.contains(character), "{:?}", ended.stderr);
    }
    // The diff is for a program, which gets every byte of it.
    assert!(ended.stdout.contains('\u{1b}'), "{:?}", ended.stdout);
    attack.saw("shown harmless");
}
