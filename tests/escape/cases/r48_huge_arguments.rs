//! What a guest hands to the host, or asks it for, is bounded before the host has it.

use crate::guests;
use crate::harness::{Attack, Case};
use crate::preview1::{Step, module};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R48",
    attack: "Strings of a gigabyte, lists that lie in no memory, a terabyte of random bytes",
    expect: &["trap", "limit: wasm_max_memory_size"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    for guest in [
        "(call $report (i32.const 0) (i32.const 0x40000000)) (i32.const 0)",
        "(call $report (i32.const -1) (i32.const 2)) (i32.const 0)",
        "(call $read (i32.const 0) (i32.const -1) (i64.const 1) (i32.const 16)) (i32.const 0)",
        "(call $write (i32.const 0) (i32.const 1) (i32.const 9) (i32.const -9) (i32.const 16))
         (i32.const 0)",
        "(drop (memory.grow (i32.const 20000))) (call $say (i32.const 0) (i32.const 0x40000000))",
        "(call $say (i32.const 16) (i32.const -1))",
        "(call $next (i32.const 7) (i32.const 1) (i32.const 16)) (i32.const 0)",
        "(i32.const -4)",
    ] {
        let call = attack.guest(&guests::tool(guest), json!({}));
        let outcome = attack.attempt(call);
        assert!(
            !outcome.message().contains("0x"),
            "an address: {outcome:#?}"
        );
    }
    let random = "(call $random (i64.const 0x10000000000) (i32.const 16)) (i32.const 0)";
    let call = attack.guest(&guests::command(random), json!({}));
    attack.attempt(call);
    let few = module(&[Step::Code(
        "(call $random_get (i32.const 65536) (i32.const 4096))",
    )]);
    let call = attack.guest(&few, json!({}));
    attack.control(call);
}
