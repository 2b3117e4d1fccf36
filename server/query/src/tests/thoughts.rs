//! Thoughts of models: kept for them, and never taken for what was said.

use super::{LIMITS, assert_valid, check, config, event};
use crate::{Effect, Event, Query};
use boxagnts_protocol::conversation::{StopReason, TokenUsage, ToolCall};
use boxagnts_protocol::update::SessionEvent;
use expect_test::expect;

#[test]
fn thoughts_stay_in_their_place_and_are_nothing_that_was_said() {
    check(
        LIMITS,
        r#"
        prompt x
        think hm
        text I lo
        text ok.
        think and
        call 0 a read {}
        stop tool_use
        done a text
        think only
        stop end_turn
        prompt y
        think lost
        text half
        cancel
        "#,
        expect![[r#"
            model 1 (1000)
            keep 4 pieces
            run a read
            model 2 (1000)
            keep 1 pieces
            finish Done
            model 1 (1000)
            abort
            lost 1589 tokens, 0.001661 USD
            note Assistant half
            [cancelled by the user]
            finish Cancelled
            User: "x"
            Assistant: (hm) "I look." (and) <read {}>
            User: [a "text"]
            Assistant: (only) "[no answer]"
            User: "y"
            Assistant: "half\n[cancelled by the user]"
        "#]],
    );
}

/// What the journal has of this answer brings back the very same conversation.
#[test]
fn thoughts_come_back_from_the_journal_byte_for_byte() {
    let mut query = Query::new(config(LIMITS));
    let call = |id: &str, name: &str| SessionEvent::ToolStarted {
        turn: 1,
        call: ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            input: serde_json::json!({}),
        },
    };
    let text = |text: &str| SessionEvent::TextDelta {
        turn: 1,
        text: text.to_owned(),
    };
    let script = "think a\ntext I\ntext  lö\nthink b\ntext ok\ncall 0 x read {}\nthink c\n\
                  call 1 y nope {}\nstop tool_use";
    query.step(Event::Prompt { text: "p".into() });
    let effects = script.lines().flat_map(event);
    let effects: Vec<Effect> = effects.flat_map(|event| query.step(event)).collect();
    let Some(Effect::Keep { answer }) = effects.first().cloned() else {
        panic!("{effects:?}")
    };
    let finished = |id: &str, ok: bool, output: &str| {
        let report = serde_json::json!({
            "ok": ok, "output": output, "error": null, "diff": "",
            "usage": {"fuel": 1, "wall_ms": 1, "peak_memory_bytes": 1, "host_bytes": 0,
                      "files_opened": 1},
        });
        let event = serde_json::json!({
            "event": "tool_finished", "turn": 1, "id": id, "name": "n", "report": report,
        });
        serde_json::from_value::<SessionEvent>(event).unwrap()
    };
    let events = [
        SessionEvent::TurnStarted {
            turn: 1,
            prompt: "p".into(),
            context: None,
            model: "m".into(),
        },
        SessionEvent::ModelCalled {
            turn: 1,
            step: 1,
            compacting: false,
        },
        text("I"),
        text(" lö"),
        text("ok"),
        SessionEvent::ModelAnswered {
            turn: 1,
            stop: StopReason::ToolUse,
            usage: TokenUsage::default(),
            cost_usd: None,
        },
        SessionEvent::Thought { turn: 1, answer },
        // What is refused is told first.
        call("y", "nope"),
        call("x", "read"),
        finished("x", true, "text"),
    ];
    // Through JSON, as in the journal.
    let journal = serde_json::to_string(&events).unwrap();
    let events: Vec<SessionEvent> = serde_json::from_str(&journal).unwrap();
    let restored = Query::restore(config(LIMITS), &events);
    assert_eq!(restored.messages()[1], query.messages()[1]);
    assert_valid(&restored.messages(), true);
    for cut in 0..events.len() {
        assert_valid(
            &Query::restore(config(LIMITS), &events[..cut]).messages(),
            true,
        );
    }
}
