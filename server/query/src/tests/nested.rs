//! What tool calls spend in the session's name, and calls that end a turn.

use super::{LIMITS, assert_valid, config, event};
use crate::{Effect, Event, Left, Limits, Query};
use boxagnts_protocol::conversation::{StopReason, TokenUsage};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};

fn play(query: &mut Query, script: &str) -> Vec<Effect> {
    let lines = script.lines().map(str::trim);
    let events = lines.filter(|line| !line.is_empty()).flat_map(event);
    let effects = events.map(|event| query.step(event));
    effects.last().unwrap_or_default()
}

fn used(tokens: u64) -> TokenUsage {
    TokenUsage {
        output_tokens: tokens,
        ..TokenUsage::default()
    }
}

#[test]
fn what_others_spend_is_gone() {
    let limits = Limits {
        max_tokens_total: 10_000,
        total_budget_usd: 1.0,
        ..LIMITS
    };
    let mut query = Query::new(config(limits));
    let all = Left {
        tokens: 10_000,
        usd: 1.0,
    };
    assert_eq!(query.left(), all);
    play(
        &mut query,
        "prompt go
         call 0 a read {}
         usage 0 1000
         stop tool_use",
    );
    let left = Left {
        tokens: 9_000,
        usd: 0.99,
    };
    assert_eq!(query.left(), left);
    query.spend(&used(8_999), Some(0.5));
    assert_eq!(
        query.left(),
        Left {
            tokens: 1,
            usd: 0.49
        }
    );
    assert_eq!(query.cost_usd(), Some(0.51));
    let ended = play(&mut query, "done a text");
    let expect = TurnOutcome::Limit {
        limit: "max_tokens_total".into(),
        value: 10_000.0,
        used: 9_999.0,
    };
    assert_eq!(ended, [Effect::Finish(expect)]);
    query.spend(&used(50_000), Some(7.0));
    assert_eq!(
        query.left(),
        Left {
            tokens: 0,
            usd: 0.0
        }
    );
}

#[test]
fn a_call_ends_the_turn_when_its_batch_has_ended() {
    let mut query = Query::new(config(LIMITS));
    // Nothing runs yet.
    query.end_turn();
    play(
        &mut query,
        "prompt go
         call 0 a read {}
         call 1 b grep {}
         call 2 c edit {}
         stop tool_use",
    );
    query.end_turn();
    assert_eq!(play(&mut query, "done a the plan"), []);
    let ended = play(&mut query, "done b text");
    let [
        Effect::Refuse { call, .. },
        Effect::Finish(TurnOutcome::Done),
    ] = &ended[..]
    else {
        panic!("{ended:?}")
    };
    assert_eq!(call.id, "c", "what had not begun is answered");
    assert!(!query.is_running());
    assert_valid(&query.messages(), true);
    // The next turn is one like any other.
    let next = play(&mut query, "prompt go on");
    assert!(matches!(next[..], [Effect::CallModel { step: 1, .. }]));
    query.step(Event::TextDelta("Done.".into()));
    let ended = query.step(Event::ModelStopped(StopReason::EndTurn));
    assert_eq!(ended, [Effect::Finish(TurnOutcome::Done)]);
    assert_valid(&query.messages(), true);
}

#[test]
fn what_was_spent_before_the_process_died_is_still_spent() {
    let answered = |usage| SessionEvent::ModelAnswered {
        turn: 1,
        stop: StopReason::ToolUse,
        usage,
        cost_usd: Some(0.25),
    };
    let events = [
        SessionEvent::TurnStarted {
            turn: 1,
            prompt: "go".into(),
            context: None,
            model: "m".into(),
        },
        answered(used(10)),
        SessionEvent::Nested {
            inner: Box::new(answered(used(100))),
            turn: 1,
            parent: "a".into(),
        },
    ];
    let query = Query::restore(config(LIMITS), &events);
    assert_eq!((query.usage().total(), query.cost_usd()), (110, Some(0.5)));
    let said = |message: &boxagnts_protocol::conversation::Message| message.content.len();
    assert_eq!(query.messages().iter().map(said).sum::<usize>(), 2);
}
