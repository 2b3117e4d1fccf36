//! A tool is approved as it is: when its file changes, it is not called until it is approved again.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;
use std::fs;

pub(crate) const CASE: Case = Case {
    id: "T57",
    attack: "An approved tool's file is changed, replaced by a link, or put there without approval",
    expect: &["unknown_tool", "denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let say = |word: &str| {
        guests::tool(&format!(
            r#"(data (i32.const 2048) "{word}") --- (call $say (i32.const 2048) (i32.const 4))"#
        ))
    };
    let file = attack.aside().join("mine.wasm");
    fs::write(&file, say("good")).unwrap();
    let file = file.display().to_string();
    let add = |attack: &mut Attack| {
        let call = attack.plain(&["tool", "add", &file, "--name", "mine", "--yes"]);
        let call = call.may_change("workspace/.boxagnts/tools/mine.wasm");
        let call = call
            .may_change("workspace/.boxagnts/tools")
            .may_change("workspace/.boxagnts");
        attack.command_with(call, 0);
    };
    add(attack);
    let place = "workspace/.boxagnts/tools/mine.wasm";
    let call = attack.tool("mine", json!({}));
    assert_eq!(attack.control(call).output(), "good");

    attack.file(place, say("evil"));
    let call = attack.tool("mine", json!({}));
    attack.attempt(call);
    attack.attempts(&[("mine", json!({}))]);
    attack.remove(place);
    attack.file("outside/mine.wasm", say("good"));
    attack.link("../../../outside/mine.wasm", place);
    attack.attempts(&[("mine", json!({}))]);
    attack.remove(place);
    attack.file("workspace/.boxagnts/tools/other.wasm", say("evil"));
    attack.attempts(&[("other", json!({}))]);
    attack.file(place, say("good"));
    attack.controls(&[("mine", json!({}))]);
}
