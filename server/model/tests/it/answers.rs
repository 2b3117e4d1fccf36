//! What is in an answer.

use crate::{BOTH, Heard, hear};
use boxagnts_model::ProviderKind;
use boxagnts_protocol::conversation::{StopReason, TokenUsage};
use boxagnts_test_support::{Answer, Fault};
use serde_json::{Value, json};

async fn check(turn: Value, expect: impl Fn(ProviderKind, &Heard)) {
    for kind in BOTH {
        let heard = hear(kind, &[Answer::turn(turn.clone())]).await;
        assert_eq!(heard.error(), "", "{kind:?}");
        expect(kind, &heard);
    }
}

#[tokio::test]
async fn text_streams() {
    let words = "Several words, ünd ein päar Umlaute 🦀, so that there is more than one piece.";
    check(json!({"text": words}), |_, heard| {
        assert_eq!(heard.text, words);
        assert_eq!(heard.stop, Some(StopReason::EndTurn));
        assert!(heard.calls.is_empty());
    })
    .await;
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let turn = json!({
        "text": "päär 🦀",
        "tool_calls": [{"name": "write", "input": {"path": "ä", "content": "\"\n🦀"}}],
    });
    for kind in BOTH {
        let heard = hear(kind, &[Answer::turn(turn.clone()).with(Fault::SlowDrip)]).await;
        assert_eq!(heard.text, "päär 🦀");
        let input: Value = serde_json::from_str(heard.calls()[0].1).expect("JSON");
        assert_eq!(input, turn["tool_calls"][0]["input"]);
        assert_eq!(heard.stop, Some(StopReason::ToolUse));
    }
}

#[tokio::test]
async fn several_tools_are_called() {
    let calls = json!([
        {"name": "read", "input": {"path": "src/main.rs", "limit": 100}},
        {"name": "list"},
        {"name": "grep", "input": {"pattern": "fn \\w+\\(\""}},
    ]);
    check(
        json!({"text": "I look.", "tool_calls": calls}),
        |kind, heard| {
            assert_eq!(heard.text, "I look.");
            let got: Vec<(&str, Value)> = heard
                .calls()
                .into_iter()
                .map(|(name, json)| (name, serde_json::from_str(json).expect("JSON")))
                .collect();
            let expect = [
                ("read", calls[0]["input"].clone()),
                ("list", json!({})),
                ("grep", calls[2]["input"].clone()),
            ];
            assert_eq!(got, expect, "{kind:?}");
            let ids: std::collections::BTreeSet<&String> =
                heard.calls.values().map(|(id, _, _)| id).collect();
            assert_eq!(ids.len(), 3, "ids differ");
            assert_eq!(heard.stop, Some(StopReason::ToolUse));
        },
    )
    .await;
}

#[tokio::test]
async fn tokens_are_counted_apart() {
    let usage = json!({
        "input_tokens": 10, "output_tokens": 20, "cache_read_tokens": 300, "cache_write_tokens": 7,
    });
    check(json!({"text": "x", "usage": usage}), |kind, heard| {
        // OpenAI's caches cost nothing to write.
        let cache_write_tokens = if kind == ProviderKind::Anthropic {
            7
        } else {
            0
        };
        let expect = TokenUsage {
            input_tokens: 10,
            output_tokens: 20,
            cache_read_tokens: 300,
            cache_write_tokens,
        };
        assert_eq!(heard.usage, expect, "{kind:?}");
    })
    .await;
}

#[tokio::test]
async fn every_reason_to_stop() {
    for (stop, expect) in [
        ("end_turn", StopReason::EndTurn),
        ("max_tokens", StopReason::MaxTokens),
        ("refusal", StopReason::Refusal),
    ] {
        check(json!({"text": "x", "stop": stop}), |_, heard| {
            assert_eq!((heard.text.as_str(), heard.stop), ("x", Some(expect)));
        })
        .await;
    }
    check(json!({}), |_, heard| {
        assert_eq!(heard.stop, Some(StopReason::EndTurn))
    })
    .await;
}

#[tokio::test]
async fn a_cut_off_tool_call_is_told_as_it_came() {
    for kind in BOTH {
        let heard = hear(kind, &[Answer::fault(Fault::TruncatedToolJson)]).await;
        assert_eq!(heard.stop, Some(StopReason::MaxTokens), "{kind:?}");
        let (name, json) = heard.calls()[0];
        assert_eq!(name, "read");
        assert!(
            !json.is_empty() && serde_json::from_str::<Value>(json).is_err(),
            "{json}"
        );
    }
}
