//! What is in an answer.

use crate::{ALL, Heard, hear};
use boxagnts_model::ProviderKind;
use boxagnts_protocol::conversation::StopReason;
use boxagnts_test_support::{Answer, Fault};
use serde_json::{Value, json};

async fn check(turn: Value, expect: impl Fn(ProviderKind, &Heard)) {
    for kind in ALL {
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
    for kind in ALL {
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
