//! A guest that calls itself for ever has a stack of its own to fill, and the process lives.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R45",
    attack: "Recursion without an end, also between calls of the host, on stacks up to 16 MiB",
    expect: &["limit: wasm_max_wasm_stack"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let deep = "(func $f (param i32) (result i32) (if (result i32) (local.get 0)
          (then (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
          (else (i32.const 0))))";
    let in_host = "(func $f (param i32) (result i32)
        (call $report (i32.const 0) (i32.const 9)) (i32.add (call $f (i32.const 0)) (i32.const 1)))";
    let call = "(call $say (i32.const 0) (i32.and (i32.const 0) (call $f (i32.const -1))))";
    for (set, functions) in [
        ("64KiB", deep),
        ("1MiB", in_host),
        ("16MiB", deep),
        ("16MiB", in_host),
    ] {
        let guest = guests::tool(&format!("{functions} --- {call}"));
        let call = attack
            .guest(&guest, json!({}))
            .limit(&format!("wasm_max_wasm_stack={set}"));
        attack.attempt(call);
    }
    let shallow = call.replace("-1", "100");
    let guest = guests::tool(&format!("{deep} --- {shallow}"));
    let call = attack
        .guest(&guest, json!({}))
        .limit("wasm_max_wasm_stack=64KiB");
    attack.control(call);
}
