//! What is said beyond the limit is cut, and the call is stopped: nobody has to read it.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R49",
    attack: "Output without an end on stdout; on stderr; one answer of 100 MiB",
    expect: &["limit: max_output_bytes", "limit: wasm_timeout"],
    within_ms: 2_000,
    run,
};

fn run(attack: &mut Attack) {
    let flood = |stream: &str| {
        guests::command(&format!(
            "(local $to i32) (memory.fill (i32.const 2048) (i32.const 120) (i32.const 4096))
             (local.set $to (call {stream}))
             (loop $on (call $print (local.get $to) (i32.const 2048) (i32.const 4096)) (br $on))
             (i32.const 0)"
        ))
    };
    let answer = guests::tool(
        "(drop (memory.grow (i32.const 1700)))
         (memory.fill (i32.const 2048) (i32.const 120) (i32.const 0x6400000))
         (call $say (i32.const 2048) (i32.const 0x6400000))",
    );
    for guest in [flood("$stdout"), answer.clone()] {
        let call = attack
            .guest(&guest, json!({}))
            .limit("max_output_bytes=100KiB");
        let outcome = attack.attempt(call);
        assert_eq!(outcome.output(), "x".repeat(100 << 10));
    }
    // It goes nowhere, so there is nothing to cut.
    let call = attack.guest(&flood("$stderr"), json!({}));
    attack.attempt(call.limit("wasm_fuel=9000000000000000000"));
    let call = attack.guest(&answer, json!({}));
    attack.control(call.limit("max_output_bytes=200MiB"));
}
