//! A model that never says that it is done is stopped between its steps.

use crate::harness::{Attack, Case};
use serde_json::{Value, json};

pub(crate) const CASE: Case = Case {
    id: "R62",
    attack: "A model that calls tools for ever, a hundred at a time, or burns tokens",
    expect: &[
        "limit: max_turns",
        "limit: max_tool_calls",
        "limit: max_tokens_total",
    ],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    // Never the same call: one that goes in circles is stopped earlier.
    let read = |n: usize| json!({"name": "glob", "input": {"pattern": format!("a{n}*")}});
    let step = |n: usize| json!({"tool_calls": [read(n)]});
    let hundred = |n: usize| {
        let calls: Vec<Value> = (0..100).map(|at| read(n * 100 + at)).collect();
        json!({ "tool_calls": calls })
    };
    let tokens = |n: usize| {
        json!({"tool_calls": [read(n)], "usage": {"input_tokens": 1000, "output_tokens": 1000,
            "cache_read_tokens": 0, "cache_write_tokens": 0}})
    };
    let steps: [&dyn Fn(usize) -> Value; 3] = [&step, &hundred, &tokens];
    for (step, (limit, value, most)) in steps.into_iter().zip([
        ("max_turns", 5, 5),
        ("max_tool_calls", 150, 150),
        ("max_tokens_total", 20_000, 10),
    ]) {
        let turn = attack.turn((0..40).map(step).collect(), |call| {
            call.limit(&format!("{limit}={value}"))
        });
        let (outcome, worked) = (&turn.result["outcome"], turn.calls.iter());
        assert_eq!(outcome["limit"], limit, "{}", turn.result);
        let worked = worked.filter(|outcome| outcome.label == "ok").count();
        assert!(worked <= most, "{worked} calls before {limit}");
        attack.saw(&format!("limit: {limit}"));
    }
}
