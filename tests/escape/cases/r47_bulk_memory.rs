//! One instruction that copies for a long time is interrupted by its time, not by its fuel.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R47",
    attack: "`memory.copy` and `memory.fill` of 128 MiB, over and over",
    expect: &["limit: wasm_timeout", "limit: wasm_fuel"],
    within_ms: 500,
    run,
};

fn run(attack: &mut Attack) {
    let copy = "(memory.copy (i32.const 0) (i32.const 65536) (i32.const 0x8000000))";
    let fill = "(memory.fill (i32.const 65536) (i32.const 7) (i32.const 0x8000000))";
    for bulk in [copy, fill] {
        let grow = "(drop (memory.grow (i32.const 2100)))";
        let guest = guests::tool(&format!("{grow} (loop $on {bulk} (br $on)) (i32.const 0)"));
        let call = attack
            .guest(&guest, json!({}))
            .limit("wasm_fuel=9000000000000000000");
        attack.attempt(call);
        // A copy costs what its bytes cost, so that fuel ends it too.
        let call = attack.guest(&guest, json!({})).limit("wasm_fuel=100000000");
        attack.attempt(call);
    }
}
