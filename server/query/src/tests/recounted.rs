//! What a provider counted holds for the prompt that it counted, and for no other.

use super::{LIMITS, config, event};
use crate::{Config, Effect, Limits, Query, ToolInfo};
use boxagnts_protocol::conversation::{StopReason, TokenUsage};
use boxagnts_protocol::update::{SessionEvent, SessionMode};

/// Tokens that the second answer may have, when something changes behind the first.
fn allowed(first: &str, change: impl FnOnce(&mut Query, Config)) -> u64 {
    let limits = Limits {
        max_tokens_total: 100_000,
        ..LIMITS
    };
    let config = Config {
        max_output_tokens: 1_000_000,
        ..config(limits)
    };
    let mut query = Query::new(config.clone());
    let mut last = 0;
    let mut step = |query: &mut Query, line: &str| {
        for effect in event(line).into_iter().flat_map(|event| query.step(event)) {
            if let Effect::CallModel {
                max_output_tokens, ..
            } = effect
            {
                last = max_output_tokens;
            }
        }
    };
    for line in first.lines().map(str::trim).filter(|line| !line.is_empty()) {
        step(&mut query, line);
    }
    change(&mut query, config);
    step(&mut query, "prompt again");
    last
}

const COUNTED: &str = "
    prompt *5000
    text hi
    usage 1000 10
    stop end_turn
";

#[test]
fn more_tools_than_were_counted_are_added() {
    let same = allowed(COUNTED, |_, _| {});
    let more = allowed(COUNTED, |query, config| {
        let new = ToolInfo {
            name: "new".to_owned(),
            read_only: true,
            bytes: 7_000,
        };
        query.set_tools(config.tools.into_iter().chain([new]).collect());
    });
    assert_eq!(same - more, 7_000);
    let fewer = allowed(COUNTED, |query, _| query.set_tools(Vec::new()));
    assert_eq!(fewer, same, "it may be less, and nobody knows by how much");
    let longer = allowed(COUNTED, |query, _| query.set_system("x".repeat(506).into()));
    assert_eq!(same - longer, 500);
}

#[test]
fn another_model_counts_anew() {
    let same = allowed(COUNTED, |_, _| {});
    let other = allowed(COUNTED, |query, config| query.set_model(config));
    // A token for each byte, as if nobody had counted.
    assert!(same - other > 3_500, "{same} {other}");
}

#[test]
fn a_session_that_comes_back_counts_anew_what_changed_since() {
    let said = |changed: Option<SessionEvent>| {
        let counted = [
            SessionEvent::TurnStarted {
                turn: 1,
                prompt: "x".repeat(5_000),
                context: None,
                model: "m".to_owned(),
            },
            SessionEvent::ModelAnswered {
                turn: 1,
                stop: StopReason::EndTurn,
                usage: TokenUsage {
                    input_tokens: 1_000,
                    output_tokens: 10,
                    ..TokenUsage::default()
                },
                cost_usd: None,
            },
        ];
        let events: Vec<SessionEvent> = counted.into_iter().chain(changed).collect();
        allowed("", |query, config| *query = Query::restore(config, &events))
    };
    let same = said(None);
    let mode = SessionEvent::ModeChanged {
        mode: SessionMode::Review,
        plan: None,
    };
    let settings = serde_json::json!({"model": "other:m"});
    for changed in [mode, SessionEvent::Configured { settings }] {
        let anew = said(Some(changed));
        assert!(same - anew > 3_500, "{same} {anew}");
    }
}

#[test]
fn what_was_lost_was_not_counted() {
    let lost = "
        prompt *5000
        text hi
        fail the connection was lost
    ";
    // What it had is estimated for the bill, and not for what fits.
    let counted = allowed(COUNTED, |_, _| {});
    assert!(counted - allowed(lost, |_, _| {}) > 3_500);
}
