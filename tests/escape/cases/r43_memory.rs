//! Memories and tables of a call are one sum: many small ones are as much as a large one.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R43",
    attack: "Memory bombs: growing, large from the start, many small ones, tables, allocating for ever",
    expect: &["limit: wasm_max_memory_size"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let done = "(i32.const 0)";
    let many = format!("{} --- {done}", "(memory 20)".repeat(20));
    let table = "(table $t 0 funcref) --- (loop $more
        (drop (table.grow $t (ref.null func) (i32.const 10000))) (br $more)) (i32.const 0)";
    let allocates = "(loop $more
        (drop (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 60000)))
        (br $more)) (i32.const 0)";
    let grow = "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) (i32.const 0)";
    for guest in [
        guests::tool(grow),
        guests::command(grow),
        guests::command(r#"(memory (export "memory") 300) --- (i32.const 0)"#),
        guests::command(&many),
        guests::tool(table),
        guests::command(&format!(
            "{} --- {done}",
            "(table 100000 funcref)".repeat(20)
        )),
        guests::tool(allocates),
    ] {
        let call = attack
            .guest(&guest, json!({}))
            .limit("wasm_max_memory_size=16MiB");
        let outcome = attack.attempt(call);
        let peak = outcome.report["usage"]["peak_memory_bytes"].as_u64();
        assert!(peak.unwrap() <= 16 << 20, "{outcome:#?}");
    }
    let call = attack.guest(&guests::command(&many), json!({}));
    attack.control(call.limit("wasm_max_memory_size=64MiB"));
}
