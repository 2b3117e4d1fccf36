//! When a tool has been stopped and the program has ended, nothing of either is left: no child, no
//! thread that holds it open.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;
use std::fs;

pub(crate) const CASE: Case = Case {
    id: "E29",
    attack: "A tool that is at work when its time is up: nothing runs on",
    expect: &["limit: wasm_timeout"],
    within_ms: 300,
    run,
};

fn run(attack: &mut Attack) {
    let spin = guests::tool("(loop $spin (br $spin)) (i32.const 0)");
    let sleep =
        guests::command("(call $block (call $after (i64.const 3600000000000))) (i32.const 0)");
    for guest in [spin, sleep] {
        let call = attack
            .guest(&guest, json!({}))
            .limit("wasm_fuel=9000000000000000000");
        attack.attempt(call);
        // Every process of this case has its own home among its variables.
        #[cfg(target_os = "linux")]
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let home = format!("HOME={}", attack.place("home").display());
            let found = environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == home.as_bytes());
            assert!(!found, "{} still runs", entry.path().display());
        }
    }
}
