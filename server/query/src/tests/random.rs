//! Whatever a model and its tools do: no limit is exceeded, no history is broken, and the journal brings
//! back the very same.

use super::journal::Journal;
use super::{LIMITS, assert_valid, config, thinking};
use crate::{Config, Effect, Event, Limits, Query};
use boxagnts_protocol::conversation::{Content, Message, StopReason, TokenUsage};
use boxagnts_protocol::update::TurnOutcome;
use proptest::prelude::*;

fn any_event() -> impl Strategy<Value = Event> {
    let id = prop_oneof![Just("a"), Just("b"), Just("")].prop_map(str::to_owned);
    let name = prop_oneof![Just("read"), Just("edit"), Just("nope")].prop_map(str::to_owned);
    let json = prop_oneof![Just("{}"), Just("{\"a\":"), Just("1}"), Just("3")];
    let stop = prop_oneof![
        Just(StopReason::EndTurn),
        Just(StopReason::ToolUse),
        Just(StopReason::MaxTokens),
        Just(StopReason::Refusal)
    ];
    prop_oneof![
        2 => Just(Event::Prompt { text: "p".to_owned() }),
        2 => Just(Event::TextDelta("t".to_owned())),
        1 => Just(Event::Thought(thinking("t"))),
        4 => (0usize..3, id, name)
            .prop_map(|(index, id, name)| Event::ToolCallStarted { index, id, name }),
        3 => (0usize..3, json)
            .prop_map(|(index, json)| Event::ToolCallInput { index, json: json.to_owned() }),
        2 => (0u64..9, 0u64..9).prop_map(|(input_tokens, output_tokens)| Event::ModelUsage(
            TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() })),
        4 => stop.prop_map(Event::ModelStopped),
        1 => Just(Event::ModelFailed { message: "f".to_owned(), may_pass: false }),
        1 => Just(Event::Cancel),
        1 => Just(Event::Steer { text: "s".to_owned() }),
        1 => Just(Event::Compact { text: "/compact".to_owned(), focus: String::new() }),
        1 => Just(Event::ContextFull { message: "c".to_owned() }),
        1 => Just(Event::ModelSilent { limit_ms: 1 }),
        1 => Just(Event::TextDelta("t".repeat(50))),
    ]
}

/// A provider that counts a token for every so many bytes, and answers as long as it may.
struct Counting {
    bytes_per_token: u64,
    fixed: u64,
}

impl Counting {
    fn tokens(&self, messages: &[Message]) -> u64 {
        let bytes =
            messages
                .iter()
                .flat_map(|message| &message.content)
                .map(|content| match content {
                    Content::Text { text } => text.len(),
                    Content::ToolCall(call) => call.name.len() + call.input.to_string().len(),
                    Content::ToolResult(result) => result.output.len(),
                    Content::Image(_) | Content::Thinking(_) => 0,
                });
        self.fixed + bytes.sum::<usize>() as u64 / self.bytes_per_token
    }
}

proptest! {
    /// Whatever is said, a budget of known prices is never exceeded, nor is that of tokens.
    #[test]
    fn the_worst_case_fits_what_is_left(
        budget in 0.0f64..0.2,
        tokens in 0u64..60_000,
        bytes_per_token in 1u64..5,
        cached in any::<bool>(),
        said in proptest::collection::vec((0usize..4_000, 0usize..3_000, any::<bool>()), 1..30),
    ) {
        let limits = Limits { total_budget_usd: budget, max_tokens_total: tokens, ..LIMITS };
        let mut query = Query::new(config(limits));
        let provider = Counting { bytes_per_token, fixed: 300 };
        for (prompt, output, calls) in said {
            let mut effects = query.step(Event::Prompt { text: "p".repeat(prompt) });
            let mut events = Vec::new();
            while let Some(effect) = effects.pop() {
                if let Effect::CallModel { max_output_tokens, .. } = effect {
                    let input = provider.tokens(&query.messages());
                    let output_tokens = (output as u64).min(max_output_tokens);
                    // An answer has as many bytes as its tokens stand for.
                    let text = "a".repeat((output_tokens * bytes_per_token) as usize);
                    events.push(Event::TextDelta(text));
                    events.push(Event::ModelUsage(match cached {
                        true => TokenUsage { cache_write_tokens: input, output_tokens, ..TokenUsage::default() },
                        false => TokenUsage { input_tokens: input, output_tokens, ..TokenUsage::default() },
                    }));
                    events.push(Event::ModelStopped(match calls {
                        true => StopReason::MaxTokens,
                        false => StopReason::EndTurn,
                    }));
                }
                if effects.is_empty() {
                    effects = events.drain(..).flat_map(|event| query.step(event)).collect();
                }
                prop_assert!(query.cost_usd().unwrap() <= budget + 1e-9, "{:?} of {budget}", query.cost_usd());
                prop_assert!(query.usage().total() <= tokens, "{:?} of {tokens}", query.usage());
            }
        }
    }

    #[test]
    fn no_events_break_the_history_or_a_limit(
        events in proptest::collection::vec(any_event(), 0..80),
        finish in any::<bool>(),
        window in prop_oneof![Just(None), (20u64..2000).prop_map(Some)],
    ) {
        let limits = Limits {
            max_turns: 4, max_tool_calls: 5, max_tokens_total: 4_000, max_answer_bytes: 40, ..LIMITS
        };
        let config = Config { context_window: window, ..config(limits) };
        let mut query = Query::new(config.clone());
        let mut journal = Journal::default();
        let (mut requests, mut calls) = (0, 0);
        for event in events {
            if matches!(event, Event::Prompt { .. } | Event::Compact { .. }) && !query.is_running() {
                (requests, calls) = (0, 0);
            }
            let mut effects = journal.step(&mut query, event);
            effects.reverse();
            while let Some(effect) = effects.pop() {
                match effect {
                    Effect::CallModel { max_output_tokens, .. } => {
                        requests += 1;
                        let left = limits.max_tokens_total - query.usage().total();
                        prop_assert!(max_output_tokens < left);
                    }
                    Effect::RunTools { calls: batch } => {
                        calls += batch.len();
                        prop_assert!(batch.len() == 1 || batch.iter().all(|c| c.name == "read"));
                        if finish {
                            for call in batch {
                                let id = call.id;
                                let output = String::new();
                                let done = Event::ToolFinished { id, output, is_error: false };
                                let mut more = journal.step(&mut query, done);
                                more.reverse();
                                more.append(&mut effects);
                                effects = more;
                            }
                        }
                    }
                    Effect::Finish(outcome) => {
                        prop_assert!(!query.is_running());
                        prop_assert!(outcome != TurnOutcome::Done || effects.is_empty());
                    }
                    _ => {}
                }
            }
            prop_assert!(requests <= 4 && calls <= 5);
            journal.check(&query, &config);
            assert_valid(&query.messages(), !query.is_running());
        }
    }
}
