//! The loop through scripts of events, and through random ones.

mod compact;
mod journal;
mod nested;
mod random;
mod recounted;
mod remarks;
mod thoughts;

use self::journal::Journal;
use crate::{Config, Effect, Event, Limits, Query, ToolInfo};
use boxagnts_protocol::conversation::{
    Content, Message, Price, Role, StopReason, Thinking, TokenUsage,
};
use boxagnts_protocol::update::SessionEvent;
use expect_test::{Expect, expect};
use std::fmt::Write;
use std::sync::Arc;

const LIMITS: Limits = Limits {
    max_turns: 50,
    max_tool_calls: 500,
    max_tokens_total: 2_000_000,
    max_tokens_recovery_limit: 3,
    total_budget_usd: f64::INFINITY,
    max_answer_bytes: 4 << 20,
    compact_at_percent: 80,
};

fn config(limits: Limits) -> Config {
    let tool = |name: &str, read_only| ToolInfo {
        name: name.to_owned(),
        read_only,
        bytes: 100,
    };
    Config {
        limits,
        price: Some(Price {
            input: 1.0,
            output: 10.0,
            cache_read: 0.1,
            cache_write: 1.25,
        }),
        max_output_tokens: 1000,
        context_window: None,
        system: Arc::from("system"),
        tools: vec![tool("read", true), tool("grep", true), tool("edit", false)],
    }
}

/// One event per line: `prompt TEXT`, `text TEXT`, `call INDEX ID NAME JSON`, `usage IN OUT`,
/// `stop REASON`, `fail TEXT` (where `busy` may pass), `done ID TEXT`, `steer TEXT`, `compact FOCUS`,
/// `facts TEXT`, `full TEXT`, `silent`, `cancel`. `*N` in a text stands for N bytes.
fn event(line: &str) -> Vec<Event> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = &long(rest);
    vec![match word {
        "prompt" => Event::Prompt {
            text: rest.to_owned(),
        },
        "text" => Event::TextDelta(rest.to_owned()),
        "call" => {
            let mut parts = rest.splitn(4, ' ');
            let index = parts.next().unwrap().parse().unwrap();
            let id = parts.next().unwrap().to_owned();
            let name = parts.next().unwrap().to_owned();
            let json = parts.next().unwrap_or("").to_owned();
            return vec![
                Event::ToolCallStarted { index, id, name },
                Event::ToolCallInput { index, json },
            ];
        }
        "think" => Event::Thought(thinking(rest)),
        "usage" => {
            let (input, output) = rest.split_once(' ').unwrap();
            Event::ModelUsage(TokenUsage {
                input_tokens: input.parse().unwrap(),
                output_tokens: output.parse().unwrap(),
                ..TokenUsage::default()
            })
        }
        "stop" => Event::ModelStopped(match rest.as_str() {
            "end_turn" => StopReason::EndTurn,
            "tool_use" => StopReason::ToolUse,
            "max_tokens" => StopReason::MaxTokens,
            "refusal" => StopReason::Refusal,
            other => panic!("{other}"),
        }),
        "fail" => Event::ModelFailed {
            message: rest.to_owned(),
            may_pass: rest == "busy",
        },
        "done" => {
            let (id, output) = rest.split_once(' ').unwrap();
            Event::ToolFinished {
                id: id.to_owned(),
                output: output.to_owned(),
                is_error: false,
            }
        }
        "steer" => Event::Steer {
            text: rest.to_owned(),
        },
        "compact" => Event::Compact {
            text: format!("/compact {rest}"),
            focus: rest.to_owned(),
        },
        "facts" => Event::Facts(rest.to_owned()),
        "full" => Event::ContextFull {
            message: rest.to_owned(),
        },
        "silent" => Event::ModelSilent { limit_ms: 5 },
        "cancel" => Event::Cancel,
        other => panic!("unknown event {other}"),
    }]
}

/// A text in which each word `*N` becomes N bytes.
fn long(text: &str) -> String {
    let word = |word: &str| match word.strip_prefix('*').map(str::parse) {
        Some(Ok(bytes)) => "x".repeat(bytes),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A text that is short again.
fn short(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("xxxxxxxx") {
        let run = rest[at..].bytes().take_while(|byte| *byte == b'x').count();
        let _ = write!(shown, "{}*{run}", &rest[..at]);
        rest = &rest[at + run..];
    }
    shown + rest
}

fn thinking(text: &str) -> Thinking {
    Thinking {
        text: text.to_owned(),
        provider: "test:large".to_owned(),
        opaque: serde_json::json!({"signature": "ü+/=="}),
    }
}

fn check(limits: Limits, script: &str, expect: Expect) {
    check_with(config(limits), script, expect);
}

fn check_with(config: Config, script: &str, expect: Expect) {
    let mut query = Query::new(config.clone());
    let mut journal = Journal::default();
    let mut seen = String::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        for effect in event(line)
            .into_iter()
            .flat_map(|event| journal.step(&mut query, event))
        {
            let _ = match effect {
                Effect::CallModel {
                    step,
                    max_output_tokens,
                    compacting,
                } => {
                    let why = if compacting { " to sum up" } else { "" };
                    writeln!(seen, "model {step} ({max_output_tokens}){why}")
                }
                Effect::Compacted(compaction) => {
                    let trimmed = compaction.trimmed.iter();
                    let trimmed: Vec<_> =
                        trimmed.map(|t| format!("{}:{}", t.id, t.bytes)).collect();
                    writeln!(
                        seen,
                        "compacted {} -> {}, trimmed {trimmed:?}, {}",
                        compaction.tokens_before,
                        compaction.tokens_after,
                        match compaction.summary {
                            Some(_) => format!("summed up but for {}", compaction.kept),
                            None => "not summed up".to_owned(),
                        }
                    )
                }
                Effect::Say { text } => writeln!(seen, "say {text}"),
                Effect::Note { role, text } => writeln!(seen, "note {role:?} {}", short(&text)),
                Effect::Notice { message } => writeln!(seen, "notice {message}"),
                Effect::RunTools { calls } => {
                    let ids: Vec<String> = calls
                        .iter()
                        .map(|call| format!("{} {}", call.id, call.name))
                        .collect();
                    writeln!(seen, "run {}", ids.join(" | "))
                }
                Effect::Refuse {
                    call,
                    message,
                    started,
                    ..
                } => {
                    let how = if started { "ended" } else { "refuse" };
                    writeln!(seen, "{how} {}: {message}", call.id)
                }
                Effect::Keep { answer } => writeln!(seen, "keep {} pieces", answer.len()),
                Effect::Abort => writeln!(seen, "abort"),
                Effect::Lost { usage, cost_usd } => {
                    let cost = cost_usd.map_or_else(String::new, |usd| format!(", {usd} USD"));
                    writeln!(seen, "lost {} tokens{cost}", usage.total())
                }
                Effect::Finish(outcome) => writeln!(seen, "finish {outcome:?}"),
            };
        }
        assert_valid(&query.messages(), !query.is_running());
    }
    journal.check(&query, &config);
    for message in query.messages().iter() {
        let _ = write!(seen, "{:?}:", message.role);
        for content in &message.content {
            let _ = match content {
                Content::Text { text } => write!(seen, " {:?}", short(text)),
                Content::Image(image) => write!(seen, " {}", image.media_type),
                Content::Thinking(thinking) => write!(seen, " ({})", thinking.text),
                Content::ToolCall(call) => write!(seen, " <{} {}>", call.name, call.input),
                Content::ToolResult(result) => {
                    write!(seen, " [{} {:?}]", result.id, short(&result.output))
                }
            };
        }
        seen.push('\n');
    }
    expect.assert_eq(&seen);
}

/// What providers demand of a history.
fn assert_valid(messages: &[Message], at_rest: bool) {
    let mut role = Role::Assistant;
    for (i, message) in messages.iter().enumerate() {
        assert_ne!(message.role, role, "roles alternate");
        role = message.role;
        assert!(!message.content.is_empty(), "no message is empty");
        let calls: Vec<&str> = message
            .content
            .iter()
            .filter_map(|content| match content {
                Content::ToolCall(call) => Some(call.id.as_str()),
                _ => None,
            })
            .collect();
        let results: Vec<&str> = messages.get(i + 1).map_or(Vec::new(), |next| {
            let results = next.content.iter().filter_map(|content| match content {
                Content::ToolResult(result) => Some(result.id.as_str()),
                _ => None,
            });
            results.collect()
        });
        if message.role == Role::Assistant && (at_rest || i + 1 < messages.len()) {
            assert_eq!(calls, results, "every call is answered, in order");
        }
    }
}

#[test]
fn tools_run_in_batches_and_their_results_go_back() {
    check(
        LIMITS,
        r#"
        prompt fix it
        text I look.
        call 0 a read {"path":"x"}
        call 1 b grep {"pattern":"y"}
        call 2 c edit {}
        call 3 d read
        usage 100 20
        stop tool_use
        done b found
        done a text
        done c edited
        done d text
        text Done.
        stop end_turn
        "#,
        expect![[r#"
            model 1 (1000)
            keep 5 pieces
            run a read | b grep
            run c edit
            run d read
            model 2 (1000)
            finish Done
            User: "fix it"
            Assistant: "I look." <read {"path":"x"}> <grep {"pattern":"y"}> <edit {}> <read {}>
            User: [a "text"] [b "found"] [c "edited"] [d "text"]
            Assistant: "Done."
        "#]],
    );
}

#[test]
fn what_cannot_run_is_refused_and_the_model_is_told() {
    check(
        LIMITS,
        r#"
        prompt x
        call 0 a shell {"command":"id"}
        call 1 a read "x"
        call 2 b edit {"path":
        stop tool_use
        "#,
        expect![[r#"
            model 1 (1000)
            keep 3 pieces
            refuse a: there is no tool `shell`; the tools are: read, grep, edit
            refuse a_2: the input of `read` is not a JSON object; call it again
            refuse b: the input of `edit` is not a JSON object; call it again
            model 2 (1000)
            User: "x"
            Assistant: <shell {"command":"id"}> <read "x"> <edit "{\"path\":">
            User: [a "there is no tool `shell`; the tools are: read, grep, edit"] [a_2 "the input of `read` is not a JSON object; call it again"] [b "the input of `edit` is not a JSON object; call it again"]
        "#]],
    );
}

#[test]
fn a_cut_off_answer_is_continued_and_a_cut_off_call_never_runs() {
    check(
        Limits {
            max_tokens_recovery_limit: 1,
            ..LIMITS
        },
        r#"
        prompt x
        text I wri
        call 0 a edit {"path":"x","con
        stop max_tokens
        text te
        stop max_tokens
        "#,
        expect![[r#"
            model 1 (1000)
            note User [Your answer was cut off at the output limit; go on where it stopped. The call of `edit` was cut off and did not run: make it again, in smaller pieces.]
            model 2 (1000)
            finish Limit { limit: "max_tokens_recovery_limit", value: 1.0, used: 2.0 }
            User: "x"
            Assistant: "I wri"
            User: "[Your answer was cut off at the output limit; go on where it stopped. The call of `edit` was cut off and did not run: make it again, in smaller pieces.]"
            Assistant: "te"
        "#]],
    );
}

#[test]
fn each_limit_stops_before_the_step_that_would_exceed_it() {
    let turn = "prompt x\ncall 0 a read {}\nusage 1300 400\nstop tool_use\ndone a text";
    check(
        Limits {
            max_turns: 1,
            ..LIMITS
        },
        turn,
        expect![[r#"
            model 1 (1000)
            run a read
            finish Limit { limit: "max_turns", value: 1.0, used: 1.0 }
            User: "x"
            Assistant: <read {}>
            User: [a "text"]
        "#]],
    );
    // What the prompt may have at most is kept free.
    check(
        Limits {
            max_tokens_total: 2_000,
            ..LIMITS
        },
        turn,
        expect![[r#"
            model 1 (653)
            run a read
            finish Limit { limit: "max_tokens_total", value: 2000.0, used: 1700.0 }
            User: "x"
            Assistant: <read {}>
            User: [a "text"]
        "#]],
    );
    check(
        Limits {
            total_budget_usd: 0.006,
            ..LIMITS
        },
        turn,
        expect![[r#"
            model 1 (431)
            run a read
            finish Limit { limit: "total_budget_usd", value: 0.006, used: 0.0053 }
            User: "x"
            Assistant: <read {}>
            User: [a "text"]
        "#]],
    );
    check(
        Limits {
            max_tool_calls: 0,
            ..LIMITS
        },
        turn,
        expect![[r#"
            model 1 (1000)
            refuse a: not run: the limit `max_tool_calls` is reached
            finish Limit { limit: "max_tool_calls", value: 0.0, used: 0.0 }
            User: "x"
            Assistant: <read {}>
            User: [a "not run: the limit `max_tool_calls` is reached"]
        "#]],
    );
}

#[test]
fn calls_that_are_too_many_together_are_told_to_the_user() {
    check(
        Limits {
            max_tool_calls: 2,
            ..LIMITS
        },
        "prompt x\ncall 0 a read {}\nstop tool_use\ndone a text\n\
         call 0 b read {}\ncall 1 c grep {}\nstop tool_use",
        expect![[r#"
            model 1 (1000)
            run a read
            model 2 (1000)
            keep 2 pieces
            refuse b: not run: the limit `max_tool_calls` is reached
            refuse c: not run: the limit `max_tool_calls` is reached
            notice the model wanted 2 tool calls at once where `max_tool_calls` leaves 1: none of them was run
            finish Limit { limit: "max_tool_calls", value: 2.0, used: 1.0 }
            User: "x"
            Assistant: <read {}>
            User: [a "text"]
            Assistant: <read {}> <grep {}>
            User: [b "not run: the limit `max_tool_calls` is reached"] [c "not run: the limit `max_tool_calls` is reached"]
        "#]],
    );
}

/// What a lost answer counts for, as tokens of its prompt and of itself.
#[test]
fn a_lost_answer_counts_for_what_it_can_have_been() {
    let check = |price: Option<Price>, said: &str, expect: Option<(u64, u64)>| {
        let mut query = Query::new(Config {
            price,
            ..config(LIMITS)
        });
        let script = format!("prompt x\n{said}\ncancel");
        let effects: Vec<Effect> = script
            .lines()
            .flat_map(event)
            .flat_map(|event| query.step(event))
            .collect();
        let lost = effects.iter().find_map(|effect| match effect {
            Effect::Lost { usage, .. } => Some((usage.input_tokens, usage.output_tokens)),
            _ => None,
        });
        assert_eq!(lost, expect, "{said}");
        let usage = query.usage();
        let counted = (usage.input_tokens, usage.output_tokens);
        assert_eq!(counted, expect.unwrap_or_default(), "{said}");
    };
    let priced = config(LIMITS).price;
    check(priced, "text half", Some((1347, 4)));
    // What providers tell when an answer begins is not what it has become.
    check(priced, "usage 100 1\ntext *500", Some((100, 500)));
    check(priced, "usage 100 1", Some((100, 1)));
    // Never more than was held for it.
    check(priced, "usage 100 1\nthink *5000", Some((100, 1000)));
    // Its tokens count where nobody knows what they cost, and not where they cost nothing.
    check(None, "text half", Some((1347, 4)));
    let free = Price {
        input: 0.0,
        output: 0.0,
        cache_read: 0.0,
        cache_write: 0.0,
    };
    check(Some(free), "text half", None);
}

#[test]
fn cancelling_keeps_what_was_said_and_answers_every_call() {
    check(
        LIMITS,
        "prompt x\ntext half\ncancel\ntext late\nprompt y\ncall 0 a read {}\ncall 1 b edit {}\n\
         stop tool_use\ncancel\ndone a late\nprompt z",
        expect![[r#"
            model 1 (1000)
            abort
            lost 1351 tokens, 0.001387 USD
            note Assistant half
            [cancelled by the user]
            finish Cancelled
            model 1 (1000)
            keep 2 pieces
            run a read
            abort
            ended a: cancelled by the user
            refuse b: cancelled by the user
            finish Cancelled
            model 1 (1000)
            User: "x"
            Assistant: "half\n[cancelled by the user]"
            User: "y"
            Assistant: <read {}> <edit {}>
            User: [a "cancelled by the user"] [b "cancelled by the user"] "z"
        "#]],
    );
}

#[test]
fn failures_and_refusals_end_the_turn_with_the_reason() {
    check(
        LIMITS,
        "prompt x\nfail no key\nprompt y\nstop refusal\nprompt z\ntext I will not.\nstop refusal\nprompt a\nfail busy",
        expect![[r#"
            model 1 (1000)
            abort
            note Assistant [no answer: the model failed]
            finish Failed { message: "no key", may_pass: false }
            model 1 (1000)
            finish Failed { message: "the model refused to answer; say it differently or use another model", may_pass: false }
            model 1 (1000)
            finish Failed { message: "the model refused to answer (\"I will not.\"); say it differently or use another model", may_pass: false }
            model 1 (1000)
            abort
            note Assistant [no answer: the model failed]
            finish Failed { message: "busy", may_pass: true }
            User: "x"
            Assistant: "[no answer: the model failed]"
            User: "y"
            Assistant: "[no answer]"
            User: "z"
            Assistant: "I will not."
            User: "a"
            Assistant: "[no answer: the model failed]"
        "#]],
    );
}

#[test]
fn a_conversation_comes_back_from_its_journal() {
    let journal = r#"[
        {"event":"turn_started","turn":1,"prompt":"x","context":"\n[y]","model":"m"},
        {"event":"model_called","turn":1,"step":1},
        {"event":"text_delta","turn":1,"text":"I "},
        {"event":"text_delta","turn":1,"text":"look"},
        {"event":"model_answered","turn":1,"stop":"tool_use","usage":{"input_tokens":3},"cost_usd":0.5},
        {"event":"tool_started","turn":1,"call":{"id":"a","name":"read","input":{}}},
        {"event":"tool_started","turn":1,"call":{"id":"b","name":"read","input":{}}},
        {"event":"tool_finished","turn":1,"id":"b","name":"read","report":
          {"ok":true,"output":"text","error":null,"usage":{"fuel":1,"wall_ms":1,"peak_memory_bytes":1,
           "host_bytes":0,"files_opened":1},"diff":""}}
    ]"#;
    let events: Vec<SessionEvent> = serde_json::from_str(journal).unwrap();
    for cut in 0..=events.len() {
        let mut query = Query::restore(config(LIMITS), &events[..cut]);
        assert_valid(&query.messages(), true);
        query.step(Event::Prompt {
            text: "next".to_owned(),
        });
        assert_valid(&query.messages(), true);
    }
    let query = Query::restore(config(LIMITS), &events);
    assert_eq!(query.usage().input_tokens, 3);
    assert_eq!(query.cost_usd(), Some(0.5));
    let last = format!("{:?}", query.messages().last().unwrap());
    assert!(
        last.contains("interrupted") && last.contains("text"),
        "{last}"
    );
}

#[test]
fn going_in_circles_is_noticed_and_then_stopped() {
    let again =
        |n: usize| format!("call 0 c{n} read {{}}\nusage 10 10\nstop tool_use\ndone c{n} same\n");
    let script: String = (1..=6).map(again).collect();
    check(
        LIMITS,
        &format!("prompt x\n{script}"),
        expect![[r#"
            model 1 (1000)
            run c1 read
            model 2 (1000)
            run c2 read
            model 3 (1000)
            run c3 read
            note User [You have called `read` 3 times with the same input and got the same result each time. Do something else, or say what keeps you.]
            model 4 (1000)
            run c4 read
            model 5 (1000)
            run c5 read
            finish Limit { limit: "identical_tool_calls", value: 5.0, used: 5.0 }
            User: "x"
            Assistant: <read {}>
            User: [c1 "same"]
            Assistant: <read {}>
            User: [c2 "same"]
            Assistant: <read {}>
            User: [c3 "same"] "[You have called `read` 3 times with the same input and got the same result each time. Do something else, or say what keeps you.]"
            Assistant: <read {}>
            User: [c4 "same"]
            Assistant: <read {}>
            User: [c5 "same"]
        "#]],
    );
    // Another result is news.
    let news =
        |n: usize| format!("call 0 c{n} read {{}}\nusage 10 10\nstop tool_use\ndone c{n} {n}\n");
    let mut query = Query::new(config(LIMITS));
    let script: String = (1..=9).map(news).collect();
    for line in format!("prompt x\n{script}").lines() {
        event(line)
            .into_iter()
            .for_each(|event| drop(query.step(event)));
    }
    assert!(query.is_running());
}
