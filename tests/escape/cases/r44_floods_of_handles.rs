//! Handles, instances, memories and tables cost the host memory of its own: each has a number.

use crate::guests;
use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "R44",
    attack: "Floods of instances, memories, tables, timers, streams, open walks",
    expect: &["trap", "limit: max_open_files"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    for flood in [
        "(loop $on (drop (call $after (i64.const 0))) (br $on)) (i32.const 0)",
        "(loop $on (drop (call $stdout)) (br $on)) (i32.const 0)",
    ] {
        let call = attack.guest(&guests::command(flood), json!({}));
        let outcome = attack.attempt(call);
        assert!(outcome.message().contains("no free keys"), "{outcome:#?}");
    }
    for (fields, message) in [
        ("", "instance count too high"),
        ("(memory 0) (memory 0)", "memory count too high"),
        (
            "(table 0 funcref) (table 0 funcref)",
            "table count too high",
        ),
    ] {
        let call = attack.guest(&instances(fields, 120), json!({}));
        let outcome = attack.attempt(call);
        assert!(outcome.message().contains(message), "{outcome:#?}");
    }
    let call = attack.guest(&instances("", 20), json!({}));
    attack.control(call);

    let walks = "(loop $on (call $walk (i32.const 0) (i32.const 0) (i32.const 16)) (br $on))
        (i32.const 0)";
    let call = attack.guest(&guests::tool(walks), json!({}));
    attack.attempt(call);
}

/// A command of this many instances.
fn instances(fields: &str, count: usize) -> Vec<u8> {
    let many = "(core instance (instantiate $many))".repeat(count);
    let text = format!(
        r#"(component (core module $many {fields}) {many}
        (core module $m (func (export "f") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "f")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli)))"#
    );
    wat::parse_str(text).unwrap()
}
