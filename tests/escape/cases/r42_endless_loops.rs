//! A loop without an end: fuel ends it, and with fuel without end the clock.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R42",
    attack: "Endless loops: in `run`, in a start function, in a WASI program",
    expect: &["limit: wasm_fuel", "limit: wasm_timeout"],
    within_ms: 500,
    run,
};

const SPIN: &str = "(loop $spin (br $spin)) (i32.const 0)";

fn run(attack: &mut Attack) {
    let start = "(func $start (loop $spin (br $spin))) (start $start) --- (i32.const 0)";
    let preview1 = r#"(module (memory (export "memory") 1)
        (func (export "_start") (loop $spin (br $spin))))"#;
    for guest in [
        guests::tool(SPIN),
        guests::command(SPIN),
        guests::command(start),
        wat::parse_str(preview1).unwrap(),
    ] {
        for limit in ["wasm_fuel=1000000", "wasm_fuel=9000000000000000000"] {
            let call = attack.guest(&guest, json!({})).limit(limit);
            attack.attempt(call);
        }
    }
    let counted = "(loop $on (br_if $on (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
        (call $say (i32.const 0) (i32.const 0))";
    let call = attack.guest(&guests::tool(counted), json!({}));
    attack.control(call.limit("wasm_fuel=1000000"));
}
