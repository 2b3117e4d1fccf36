//! A guest that sleeps runs no code that could be interrupted, and one that only makes cheap calls
//! of the host burns no fuel to speak of: the clock ends both.

use crate::guests;
use crate::harness::{Attack, Case};
use crate::preview1::{Step, module};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R46",
    attack: "Sleeping or polling for ever; endless cheap calls of the host",
    expect: &["limit: wasm_timeout"],
    within_ms: 300,
    run,
};

fn run(attack: &mut Attack) {
    let sleep = "(call $block (call $after (i64.const 3600000000000))) (i32.const 0)";
    let naps = "(loop $on (call $block (call $after (i64.const 1000))) (br $on)) (i32.const 0)";
    let report = "(loop $on (call $report (i32.const 0) (i32.const 1)) (br $on)) (i32.const 0)";
    let stat = r#"(data (i32.const 2048) "a.txt") --- (loop $on
        (global.set $heap (i32.const 32768))
        (call $stat (i32.const 2048) (i32.const 5) (i32.const 16)) (br $on)) (i32.const 0)"#;
    // One subscription, to a clock, in an hour; and the time, over and over.
    let poll = Step::Code(
        "(i64.store (i32.const 256) (i64.const 0)) (i64.store (i32.const 264) (i64.const 0))
         (i32.store (i32.const 272) (i32.const 1))
         (i64.store (i32.const 280) (i64.const 3600000000000))
         (call $poll_oneoff (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 0))",
    );
    let clock = Step::Code(
        "(loop $on (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 256)))
         (br $on)) (i32.const 0)",
    );
    for guest in [
        guests::command(sleep),
        guests::command(naps),
        guests::tool(report),
        guests::tool(stat),
        module(&[poll]),
        module(&[clock]),
    ] {
        let call = attack
            .guest(&guest, json!({}))
            .limit("wasm_fuel=9000000000000000000");
        attack.attempt(call);
    }
    let nap = "(call $block (call $after (i64.const 1000000))) (i32.const 0)";
    let call = attack.guest(&guests::command(nap), json!({}));
    attack.control(call);
}
