//! Sub-questions: conversations of their own that only read, within the session's budgets.

use crate::harness::{Process, World};
use boxagnts_protocol::commands::{UsageBy, UsageParams};
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::{DiskApplier, trace};
use boxagnts_test_support::{Answer, Fault, ModelServer, Recorded};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Answers of the model that asks, then of the one that is asked, each by how far its conversation is.
fn models(outer: Vec<Value>, inner: Vec<Value>) -> ModelServer {
    ModelServer::with(move |request| {
        let script = if is_nested(request) { &inner } else { &outer };
        let messages = request.body["messages"].as_array().map_or(0, Vec::len);
        match script.get(messages / 2) {
            Some(turn) if turn == "stall" => Answer::fault(Fault::Stall { after: 1 }),
            Some(turn) => Answer::turn(turn.clone()),
            None => Answer::turn(json!({"text": "Nothing more."})),
        }
    })
}

fn is_nested(request: &Recorded) -> bool {
    let system = request.body["system"].to_string();
    system.contains("You answer one question")
}

fn process(world: &World, server: &ModelServer, more: &Value) -> Process {
    let mut settings = json!({
        "model": "local:m",
        "max_output_tokens": 1000,
        "providers": {"local": {"kind": "anthropic", "base_url": server.base_url()}},
        "models": {"local:m": {"price": {"input": 1_000_000, "output": 1_000_000,
            "cache_read": 1_000_000, "cache_write": 1_000_000}}},
    });
    if let (Some(all), Some(more)) = (settings.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    world.process_with(Arc::new(DiskApplier), &settings, None)
}

fn asks(prompts: &[&str]) -> Value {
    let call = |prompt: &&str| json!({"name": "question", "input": {"prompt": prompt}});
    let calls: Vec<Value> = prompts.iter().map(call).collect();
    json!({"tool_calls": calls, "usage": {"input_tokens": 1, "output_tokens": 2}})
}

fn reads(path: &str) -> Value {
    json!({"tool_calls": [{"name": "read", "input": {"path": path}}],
        "usage": {"input_tokens": 10, "output_tokens": 20}})
}

fn says(text: &str) -> Value {
    json!({"text": text, "usage": {"input_tokens": 100, "output_tokens": 200}})
}

fn nested(events: &[SessionEvent]) -> Vec<&SessionEvent> {
    let nested = events.iter().filter_map(|event| match event {
        SessionEvent::Nested { inner, .. } => Some(&**inner),
        _ => None,
    });
    nested.collect()
}

#[tokio::test]
async fn a_sub_question_is_answered_and_everything_of_it_is_counted() {
    let world = World::new(&["a"]);
    let server = models(
        vec![asks(&["What is in a?"]), says("It is an a.")],
        vec![
            // What only a session can do, or what writes, is no tool of it.
            json!({"tool_calls": [
                {"name": "read", "input": {"path": "a"}},
                {"name": "question", "input": {"prompt": "deeper"}},
                {"name": "write", "input": {"path": "a", "content": "x"}},
            ], "usage": {"input_tokens": 10, "output_tokens": 20}}),
            says("`a` has the line a."),
        ],
    );
    let mut process = process(&world, &server, &json!({}));
    let (session, events) = process.turn(None, "go").await;

    let requests = server.requests();
    let inner: Vec<&Recorded> = requests.iter().filter(|r| is_nested(r)).collect();
    assert_eq!((requests.len(), inner.len()), (4, 2));
    let tools = inner[0].body["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["read", "list", "glob", "grep"]);
    let first = inner[0].body["messages"].to_string();
    assert!(
        first.contains("What is in a?") && !first.contains("\"go\""),
        "{first}"
    );

    let reports: Vec<bool> = nested(&events)
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::ToolFinished { report, .. } => Some(report.ok),
            _ => None,
        })
        .collect();
    assert_eq!(reports, [false, false, true]);
    let outer = events.iter().filter_map(|event| match event {
        SessionEvent::ToolFinished { report, .. } => Some(report),
        _ => None,
    });
    let outer: Vec<_> = outer.collect();
    assert_eq!(outer.len(), 1);
    assert_eq!(
        (outer[0].output.as_str(), outer[0].ok),
        ("`a` has the line a.", true)
    );
    let Some(SessionEvent::TurnEnded {
        usage, cost_usd, ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(usage.total(), 3 + 30 + 300 + 300);
    assert_eq!(*cost_usd, Some(633.0));

    let params = UsageParams {
        by: UsageBy::Session,
        ..UsageParams::default()
    };
    let counted = process.sessions.usage(&params, [process.sessions.root()]);
    let counted = counted.expect("usage");
    assert_eq!(
        (counted.total.calls, counted.total.tokens.total()),
        (4, 633)
    );
    let summary = process.sessions.summary(&session).expect("known");
    let entries = process.store().events(&session, 0).expect("events");
    let spans = trace(&summary, &entries);
    let question = spans.iter().find(|s| s.name == "execute_tool question");
    let question = question.expect("a span");
    let below: Vec<&str> = spans
        .iter()
        .filter(|span| span.parent_span_id.as_ref() == Some(&question.span_id))
        .map(|span| span.name.as_str())
        .collect();
    assert_eq!(below.iter().filter(|n| n.starts_with("chat ")).count(), 2);
    assert!(below.contains(&"execute_tool read"), "{below:?}");

    // The budget of a session that comes back has all of it.
    let later = self::process(&world, &server, &json!({"max_tokens_total": 633}));
    drop(process);
    let mut later = later;
    let (_, events) = later.turn(Some(&session), "more").await;
    let Some(SessionEvent::TurnEnded { outcome, .. }) = events.last() else {
        panic!("{events:?}");
    };
    let TurnOutcome::Limit { limit, used, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((limit.as_str(), *used), ("max_tokens_total", 633.0));
}

#[tokio::test]
async fn together_they_spend_no_more_than_is_left() {
    let world = World::new(&["a"]);
    // Each would go on for ever; what a call uses is at most what it was let have.
    let server = ModelServer::with(|request| {
        let most = request.body["max_tokens"].as_u64().unwrap_or(0);
        let all = request.body.to_string().len() as u64;
        let usage = json!({"input_tokens": all / 2, "output_tokens": most});
        let turn = match is_nested(request) {
            true => {
                json!({"tool_calls": [{"name": "read", "input": {"path": "a"}}], "usage": usage})
            }
            false => json!({"tool_calls": asks(&["x", "y", "z"])["tool_calls"], "usage": usage}),
        };
        Answer::turn(turn)
    });
    for limit in [
        json!({"max_tokens_total": 150_000}),
        json!({"total_budget_usd": 0.15, "models": {"local:m": {"price":
            {"input": 1, "output": 1, "cache_read": 1, "cache_write": 1}}}}),
    ] {
        let mut process = process(&world, &server, &limit);
        let (_, events) = process.turn(None, "go").await;
        let Some(SessionEvent::TurnEnded { usage, .. }) = events.last() else {
            panic!("{events:?}");
        };
        assert!(usage.total() <= 150_000, "{limit}: {}", usage.total());
        let stopped = events.iter().filter(|event| match event {
            SessionEvent::ToolFinished { report, .. } => report
                .error
                .as_ref()
                .is_some_and(|error| error.kind == FailureKind::Limit),
            _ => false,
        });
        assert!(stopped.count() >= 3, "{limit}");
        let asked = |event: &&&SessionEvent| matches!(event, SessionEvent::ModelAnswered { .. });
        assert!(nested(&events).iter().filter(asked).count() >= 3, "{limit}");
    }
}

#[tokio::test]
async fn cancelling_reaches_it_and_what_it_used_is_counted() {
    let world = World::new(&["a"]);
    let server = models(
        vec![asks(&["What is in a?"])],
        vec![reads("a"), json!("stall")],
    );
    let mut process = process(&world, &server, &json!({}));
    let session = process.begin(None);
    process
        .until(|event| match event {
            SessionEvent::Nested { inner, .. } => {
                matches!(**inner, SessionEvent::ModelCalled { step: 2, .. })
            }
            _ => false,
        })
        .await;
    // Its first words come, which nothing tells of.
    tokio::time::sleep(Duration::from_millis(200)).await;
    process.sessions.cancel(&session).expect("cancelled");
    let ended = process
        .until(|event| matches!(event, SessionEvent::TurnEnded { .. }))
        .await;
    let SessionEvent::TurnEnded { outcome, usage, .. } = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(outcome, TurnOutcome::Cancelled);
    assert!(usage.total() >= 3 + 30, "{usage:?}");
    // The answer that was on its way, too.
    let mut journalled = TokenUsage::default();
    for event in process.journal(&session) {
        let event = match event {
            SessionEvent::Nested { inner, .. } => *inner,
            other => other,
        };
        if let SessionEvent::ModelAnswered { usage, .. } = event {
            journalled.add(&usage);
        }
    }
    assert_eq!(journalled, usage);
}
