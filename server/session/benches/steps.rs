//! The state machine alone, behind a conversation of 500 turns.

use crate::table::{Table, median};
use boxagnts_protocol::conversation::{StopReason, TokenUsage};
use boxagnts_query::{Config, Effect, Event, Limits, Query, ToolInfo};
use criterion::{BatchSize, Criterion};
use std::time::Duration;

const TURNS: usize = 500;
/// Pieces in which an answer comes.
const PIECES: usize = 200;

fn config() -> Config {
    Config {
        limits: Limits {
            max_turns: 1000,
            max_tool_calls: 1000,
            max_tokens_total: u64::MAX >> 1,
            max_tokens_recovery_limit: 3,
            total_budget_usd: f64::INFINITY,
            max_answer_bytes: 4 << 20,
            compact_at_percent: 80,
        },
        price: None,
        max_output_tokens: 8192,
        context_window: Some(100_000_000),
        system: "You are an agent. ".repeat(200).into(),
        tools: vec![ToolInfo {
            name: "read".to_owned(),
            read_only: true,
            bytes: 700,
        }],
    }
}

/// A turn with a call and an answer, driven as a session does it; gives what it was asked to do.
fn turn(query: &mut Query, number: usize) -> usize {
    let prompt = format!("{number}: {}", "please do it ".repeat(20));
    let mut effects = query.step(Event::Prompt { text: prompt });
    let mut asked = 0;
    while let Some(effect) = effects.pop() {
        asked += 1;
        let mut events = Vec::new();
        match effect {
            Effect::CallModel { step, .. } => {
                let request = query.request();
                let piece = || Event::TextDelta("a few words ".to_owned());
                events.extend((0..PIECES).map(|_| piece()));
                if step == 1 {
                    let (index, id) = (0, format!("call_{number}"));
                    let json = format!("{{\"path\":\"a.txt\",\"limit\":{number}}}");
                    events.push(Event::ToolCallStarted {
                        index,
                        id,
                        name: "read".to_owned(),
                    });
                    events.push(Event::ToolCallInput { index, json });
                }
                let input_tokens = request.len() as u64 * 700;
                events.push(Event::ModelUsage(TokenUsage {
                    input_tokens,
                    output_tokens: 600,
                    ..TokenUsage::default()
                }));
                drop(request);
                events.push(Event::ModelStopped(match step {
                    1 => StopReason::ToolUse,
                    _ => StopReason::EndTurn,
                }));
            }
            Effect::RunTools { calls } => {
                events.extend(calls.into_iter().map(|call| Event::ToolFinished {
                    id: call.id,
                    output: "a line of the file\n".repeat(100),
                    is_error: false,
                }))
            }
            _ => {}
        }
        effects.extend(events.into_iter().flat_map(|event| query.step(event)));
    }
    asked
}

/// A turn of two requests and a call, the first one and the one behind 500 others.
pub fn of_one_turn(criterion: &mut Criterion, table: &mut Table) {
    let mut group = criterion.benchmark_group("loop");
    for (name, before) in [("first", 0), ("behind_500", TURNS)] {
        let mut query = Query::new(config());
        for number in 0..before {
            turn(&mut query, number);
        }
        let mut number = before;
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    number += 1;
                    number
                },
                |number| turn(&mut query, number),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    let (first, late) = (median("loop", "first"), median("loop", "behind_500"));
    let what =
        "the loop's own time for a turn of two requests, 400 pieces and a call, behind 500 turns";
    table.time(what, late, Duration::from_millis(1));
    let ratio = late.as_secs_f64() / first.as_secs_f64();
    table.ratio(format!("{ratio:.2} × the same in a young conversation"));
}
