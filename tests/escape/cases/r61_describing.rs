//! A component that is asked what it is runs code of its own: the same limits hold, and it sees no
//! files.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R61",
    attack: "`describe` that loops, recurses, floods, reads files, or has a schema of references",
    expect: &["failed"],
    within_ms: 500,
    run,
};

fn run(attack: &mut Attack) {
    let describe =
        |body: &str| format!(r#"(func (export "describe") (result i32) {body}) --- (i32.const 0)"#);
    let recursion = r#"(func $f (result i32) (i32.add (call $f) (i32.const 1)))
        (func (export "describe") (result i32) (call $f)) --- (i32.const 0)"#;
    let grow = "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) (i32.const 0)";
    // A schema of two hundred megabytes.
    let schema = "(drop (memory.grow (i32.const 3201)))
        (i32.store (i32.const 144) (i32.const 65536))
        (i32.store (i32.const 148) (i32.const 209715200)) (i32.const 128)";
    let reads = r#"(data (i32.const 2048) "a.txt") (func (export "describe") (result i32)
        (call $read (i32.const 2048) (i32.const 5) (i64.const 9) (i32.const 16))
        (i32.store (i32.const 144) (i32.load (i32.const 24)))
        (i32.store (i32.const 148) (i32.load (i32.const 28))) (i32.const 128)) --- (i32.const 0)"#;
    for (guest, message) in [
        (
            describe("(loop $spin (br $spin)) (i32.const 0)"),
            "wasm_timeout",
        ),
        (recursion.to_owned(), "wasm_max_wasm_stack"),
        (describe(grow), "wasm_max_memory_size"),
        (describe(schema), "max_output_bytes"),
        (describe("(unreachable)"), "unreachable"),
        // What it is told instead of the file is no schema.
        (reads.to_owned(), "its input schema"),
    ] {
        let guest = guests::tool(&guest);
        let call = attack
            .guest(&guest, json!({}))
            .limit("wasm_fuel=9000000000000000000");
        let outcome = attack.attempt(call);
        assert!(outcome.message().contains(message), "{outcome:#?}");
    }
}
