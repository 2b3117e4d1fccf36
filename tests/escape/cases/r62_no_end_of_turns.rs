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
    let read = json!({"name": "read", "input": {"path": "a.txt"}});
    let step = json!({"tool_calls": [read]});
    let hundred = json!({"tool_calls": vec![read.clone(); 100]});
    let tokens = json!({"tool_calls": [read], "usage": {"input_tokens": 1000, "output_tokens": 1000,
        "cache_read_tokens": 0, "cache_write_tokens": 0}});
    for (step, limit, value, most) in [
        (step, "max_turns", 5, 5),
        (hundred, "max_tool_calls", 150, 150),
        (tokens, "max_tokens_total", 10_000, 6),
    ] {
        let turn = attack.turn(Value::Array(vec![step; 40]), |call| {
            call.limit(&format!("{limit}={value}"))
        });
        let (outcome, worked) = (&turn.result["outcome"], turn.calls.iter());
        assert_eq!(outcome["limit"], limit, "{}", turn.result);
        let worked = worked.filter(|outcome| outcome.label == "ok").count();
        assert!(worked <= most, "{worked} calls before {limit}");
        attack.saw(&format!("limit: {limit}"));
    }
}
