//! The official SDKs against the model server of the tests: what it speaks is what they understand.

use crate::review;
use boxagnts_test_support::{Answer, ModelServer, SIGNATURE};
use serde_json::{Value, json};
use std::process::Command;

const TEXT: &str = "Several words, ünd ein päar Umlaute 🦀, in several pieces.";
const THOUGHTS: &str = "There is more than one thing to consider.";

/// Answers with two calls when there are tools, and with text when there are none.
fn answer(tools: bool) -> Answer {
    let usage = json!({
        "input_tokens": 10, "output_tokens": 20, "cache_read_tokens": 300, "cache_write_tokens": 7,
    });
    Answer::turn(match tools {
        false => json!({"thinking": THOUGHTS, "text": TEXT, "usage": usage}),
        true => json!({
            "thinking": THOUGHTS,
            "tool_calls": [
                {"name": "read", "input": {"path": "ä/\"b\".rs"}},
                {"name": "read", "input": {}},
            ],
            "usage": usage,
        }),
    })
}

/// What an SDK is to have understood.
fn expected(stop: &str, usage: [u64; 4], signed: bool, tools: bool) -> Value {
    let calls = json!([["read", {"path": "ä/\"b\".rs"}], ["read", {}]]);
    json!({
        "text": if tools { "" } else { TEXT },
        "thinking": THOUGHTS,
        "signatures": if signed { json!([SIGNATURE]) } else { json!([]) },
        "calls": if tools { calls } else { json!([]) },
        "stop": stop,
        "usage": usage,
    })
}

#[test]
fn official_sdks_understand_the_model_server() {
    let python = review::editors().join("sdks/bin/python");
    if !python.is_file() {
        return review::skip("official SDKs", "sdks");
    }
    // No tools are none, or an empty list.
    let tools = |body: &Value| {
        body["tools"]
            .as_array()
            .is_some_and(|tools| !tools.is_empty())
    };
    let server = ModelServer::with(move |request| answer(tools(&request.body)));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/it/sdks/sdks.py");
    let output = Command::new(python)
        .arg(script)
        .arg(server.base_url())
        // Nothing of the user's own is asked, and no proxy is between.
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let heard: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let check = |sdk: &str, stops: [&str; 2], usage: [u64; 4], signed: bool| {
        for (name, stop, tools) in [("text", stops[0], false), ("tools", stops[1], true)] {
            let expect = expected(stop, usage, signed, tools);
            assert_eq!(heard[sdk][name], expect, "{sdk}: {name}");
        }
    };
    check(
        "anthropic",
        ["end_turn", "tool_use"],
        [10, 300, 7, 20],
        true,
    );
    check(
        "openai-chat",
        ["stop", "tool_calls"],
        [317, 300, 7, 20],
        false,
    );
    check(
        "openai-responses",
        ["completed", "completed"],
        [317, 300, 7, 20],
        true,
    );
    check("gemini", ["STOP", "STOP"], [310, 300, 0, 20], true);
    check("ollama", ["stop", "stop"], [310, 0, 0, 20], false);
}
