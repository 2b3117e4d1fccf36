//! Models that do not behave: every turn ends, by a limit with its name, and no limit is exceeded.

use crate::harness::World;
use boxagnts_protocol::commands::WhenBusy;
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::{Ask, DiskApplier};
use boxagnts_test_support::{Answer, Fault, ModelServer, Recorded};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// How a turn of a scripted model ends under these settings, and what its session has cost.
async fn check(script: &Value, settings: &Value, limit: &str, value: f64) {
    let world = World::new(&["a.txt"]);
    world.script(script);
    let mut settings = settings.clone();
    settings["model"] = json!(world.model());
    let price = json!({"input": 10, "output": 50, "cache_read": 1, "cache_write": 12});
    settings["models"] = json!({"scripted:*": {"price": price}});
    let mut process = world.process_with(Arc::new(DiskApplier), &settings, None);
    let (session, ended) = process.ask_for_end(None).await;
    let SessionEvent::TurnEnded {
        outcome, cost_usd, ..
    } = ended
    else {
        panic!("{ended:?}")
    };
    let TurnOutcome::Limit {
        limit: name,
        value: set,
        ..
    } = &outcome
    else {
        panic!("{outcome:?}, expected {limit}")
    };
    assert_eq!((name.as_str(), *set), (limit, value), "{outcome:?}");
    let budget = settings["total_budget_usd"]
        .as_f64()
        .unwrap_or(f64::INFINITY);
    assert!(
        cost_usd.is_some_and(|cost| cost <= budget),
        "{cost_usd:?} of {budget}"
    );
    answered_once(&process.journal(&session));
    // The session is still usable.
    world.script(&json!([]));
    process.conversation(&session);
}

/// Every call has exactly one result.
fn answered_once(events: &[SessionEvent]) {
    let mut results: HashMap<&str, u32> = HashMap::new();
    for event in events {
        match event {
            SessionEvent::ToolStarted { call, .. } => {
                let before = results.insert(&call.id, 0);
                assert_eq!(before, None, "{} began twice", call.id);
            }
            SessionEvent::ToolFinished { id, .. } => {
                *results.get_mut(id.as_str()).expect("a call that began") += 1;
            }
            _ => {}
        }
    }
    for (id, count) in results {
        assert_eq!(count, 1, "results of {id}");
    }
}

fn calls(n: usize, input: impl Fn(usize) -> Value) -> Value {
    let call = |i| json!({"name": "read", "input": input(i)});
    json!({"tool_calls": (0..n).map(call).collect::<Vec<_>>(), "usage": {"input_tokens": 500, "output_tokens": 50}})
}

#[tokio::test]
async fn a_model_that_does_not_stop_is_stopped() {
    let reads = |turns: usize, same: bool| {
        let turn = |t| {
            calls(
                1,
                |_| json!({"path": "a.txt", "limit": if same { 1 } else { t + 1 }}),
            )
        };
        Value::from((0..turns).map(turn).collect::<Vec<_>>())
    };
    // One that always calls a tool, in a circle or not.
    check(&reads(99, true), &json!({}), "identical_tool_calls", 5.0).await;
    check(
        &reads(99, false),
        &json!({"max_turns": 7}),
        "max_turns",
        7.0,
    )
    .await;
    let budget = json!({"total_budget_usd": 0.2});
    check(&reads(99, false), &budget, "total_budget_usd", 0.2).await;
    let tokens = json!({"max_tokens_total": 20_000});
    check(&reads(99, false), &tokens, "max_tokens_total", 20_000.0).await;
    // One that is always cut off.
    let cut = json!({"text": "more", "stop": "max_tokens", "usage": {"output_tokens": 9}});
    let script = Value::from(vec![cut; 9]);
    check(&script, &json!({}), "max_tokens_recovery_limit", 3.0).await;
    // One that writes 10 MB into one input.
    let huge = json!([{"tool_calls": [{"name": "write",
        "input": {"path": "b.txt", "content": "x".repeat(10 << 20)}}]}]);
    check(&huge, &json!({}), "max_answer_bytes", f64::from(4 << 20)).await;
    // One that calls 200 tools at once.
    let many = json!([calls(200, |i| json!({"path": "a.txt", "limit": i + 1}))]);
    check(
        &many,
        &json!({"max_tool_calls": 150}),
        "max_tool_calls",
        150.0,
    )
    .await;
    // One that never says a thing.
    let silent = json!([{"text": "late", "delay_ms": 86_400_000}]);
    check(
        &silent,
        &json!({"model_timeout": "50ms"}),
        "model_timeout",
        50.0,
    )
    .await;
}

#[tokio::test]
async fn two_hundred_calls_of_one_answer_all_run() {
    let world = World::new(&["a.txt"]);
    world.script(
        &json!([calls(200, |i| json!({"path": "a.txt", "limit": i + 1})), {"text": "Done."}]),
    );
    let mut process = world.process(Arc::new(DiskApplier));
    let (session, ended) = process.ask_for_end(None).await;
    assert!(
        matches!(
            ended,
            SessionEvent::TurnEnded {
                outcome: TurnOutcome::Done,
                ..
            }
        ),
        "{ended:?}"
    );
    let journal = process.journal(&session);
    answered_once(&journal);
    let worked = |event: &&SessionEvent| matches!(event, SessionEvent::ToolFinished { report, .. } if report.ok);
    assert_eq!(journal.iter().filter(worked).count(), 200);
}

#[tokio::test]
async fn a_server_that_never_sends_a_byte_is_not_waited_for() {
    for fault in [
        Fault::Stall { after: 0 },
        Fault::Stall { after: 2 },
        Fault::KeepAlives { after: 0 },
    ] {
        let stalling = fault.clone();
        let server = ModelServer::with(move |_| Answer::fault(stalling.clone()));
        let world = World::new(&[]);
        let settings = json!({
            "model": "local:large", "model_timeout": "80ms",
            "providers": {"local": {"kind": "anthropic", "base_url": server.base_url()}},
        });
        let mut process = world.process_with(Arc::new(DiskApplier), &settings, None);
        let (_, ended) = process.ask_for_end(None).await;
        let SessionEvent::TurnEnded { outcome, .. } = ended else {
            panic!("{ended:?}")
        };
        match (&outcome, &fault) {
            (TurnOutcome::Limit { limit, value, .. }, _) => {
                assert_eq!(
                    (limit.as_str(), *value),
                    ("model_timeout", 80.0),
                    "{fault:?}"
                );
            }
            // The connection may be given up in the same moment.
            (TurnOutcome::Failed { message, .. }, Fault::Stall { after: 2 }) => {
                assert!(message.contains("nothing came"), "{message}");
            }
            _ => panic!("{fault:?}: {outcome:?}"),
        }
    }
}

/// A stream of numbers that a seed decides (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What a model might say to this, and what an honest provider would count.
fn any_answer(request: &Recorded, bytes_of_token: u64, seed: u64) -> Answer {
    let mut random = Random(seed | 1);
    let bytes = request.body.to_string().len() as u64;
    let most = request.body["max_tokens"].as_u64().unwrap_or(1);
    // A token is a byte at least, and what is around the texts is none. The same text has the same.
    let input = bytes / bytes_of_token;
    let (cached, fresh) = match random.below(3) {
        0 => (0, input),
        1 => (input / 2, input - input / 2),
        _ => (input, 0),
    };
    let call = |random: &mut Random| match random.below(6) {
        0 => json!({"name": "read", "input": {"path": "a.txt", "limit": 1 + random.below(3)}}),
        1 => json!({"name": "read", "input": {"path": "missing"}}),
        2 => json!({"name": "list", "input": {}}),
        3 => json!({"name": "nope", "input": {}}),
        4 => {
            json!({"name": "write", "input": {"path": "b.txt", "content": "b\n".repeat(random.below(900) as usize)}})
        }
        _ => json!({"name": "read", "input": {"pth": 1}}),
    };
    let count = match random.below(4) {
        0 => 0,
        n => random.below(n * n + 1),
    };
    let mut calls: Vec<Value> = (0..count).map(|_| call(&mut random)).collect();
    let mut text = "words ".repeat((random.below(60) * random.below(4)) as usize);
    // An answer has as many tokens as it will have in the next prompt, and no more than it may.
    let said = |calls: &[Value]| {
        calls
            .iter()
            .map(|call| call.to_string().len() as u64)
            .sum::<u64>()
    };
    if said(&calls) + text.len() as u64 > most.saturating_mul(bytes_of_token) {
        calls.clear();
        text.truncate(usize::try_from(most * bytes_of_token).unwrap_or(usize::MAX));
    }
    let said = (said(&calls) + text.len() as u64) / bytes_of_token;
    let output = most.min(said.max(random.below(400)));
    let usage = json!({
        "input_tokens": fresh, "output_tokens": output,
        "cache_read_tokens": cached / 2, "cache_write_tokens": cached - cached / 2,
    });
    let stop = match random.below(7) {
        0 => json!("max_tokens"),
        1 => json!("refusal"),
        _ => Value::Null,
    };
    let thinking = if random.one_in(4) { "hm" } else { "" };
    let answer = Answer::turn(json!({
        "thinking": thinking, "text": text, "tool_calls": calls, "stop": stop, "usage": usage,
    }));
    match random.below(14) {
        0 => answer.with(Fault::EndMidStream { after: 1 }),
        1 => Answer::status(400, None, "no"),
        2 => Answer::status(400, None, "prompt is too long"),
        3 => answer.with(Fault::TruncatedToolJson),
        _ => answer,
    }
}

async fn random_session(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let salt = random.below(u64::MAX);
    let bytes_of_token = 2 + random.below(4);
    let served = std::sync::atomic::AtomicU64::new(0);
    let server = ModelServer::with(move |request| {
        let n = served.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        any_answer(
            request,
            bytes_of_token,
            salt.wrapping_add(n.wrapping_mul(0x2545_F491_4F6C_DD1D)),
        )
    });
    let world = World::new(&["a.txt"]);
    let budget = (1 + random.below(400)) as f64 / 100.0;
    let (turns, calls) = (1 + random.below(6), random.below(12));
    let tokens = 1 + random.below(150_000);
    let settings = json!({
        "model": "local:large",
        "max_turns": turns, "max_tool_calls": calls, "max_tokens_total": tokens,
        "max_tokens_recovery_limit": random.below(3), "total_budget_usd": budget,
        "max_output_tokens": 2 + random.below(2000),
        "max_answer_bytes": 1024 + random.below(9000),
        "providers": {"local": {"kind": "anthropic", "base_url": server.base_url()}},
        "models": {"local:large": {
            "context_window": 1 + random.below(30_000),
            "price": {"input": 10, "output": 50, "cache_read": 1, "cache_write": 12},
        }},
    });
    let mut process = world.process_with(Arc::new(DiskApplier), &settings, None);
    let mut session: Option<String> = None;
    for _ in 0..4 {
        let prompt = match random.below(6) {
            0 => "/compact",
            _ => "go on",
        };
        let asked = process.say(session.as_deref(), prompt, WhenBusy::Refuse);
        if random.one_in(3) {
            // When it comes too late it is a turn of its own, and when the turn is ending, nothing.
            let _ = process.sessions.ask(Ask {
                prompt: "and this".to_owned(),
                session: Some(asked.session.clone()),
                when_busy: WhenBusy::Steer,
                ..Ask::default()
            });
        }
        if random.one_in(6) {
            process.sessions.cancel(&asked.session).expect("cancelled");
        }
        process.rest(&asked.session).await;
        session = Some(asked.session);
    }
    let session = session.expect("a session");
    let journal = process.journal(&session);
    within(&journal, turns, calls, tokens, budget, seed);
    answered_once(&journal);
    server
        .requests()
        .iter()
        .for_each(|request| valid(request, seed));
    let now = process.conversation(&session);
    let restored = world.process_with(Arc::new(DiskApplier), &settings, None);
    assert_eq!(restored.conversation(&session), now, "seed {seed}");
}

/// No turn of the journal exceeds these limits.
fn within(journal: &[SessionEvent], turns: u64, calls: u64, tokens: u64, budget: f64, seed: u64) {
    let (mut requests, mut ran) = (0, 0);
    for event in journal {
        match event {
            SessionEvent::TurnStarted { .. } => (requests, ran) = (0, 0),
            SessionEvent::ModelCalled { .. } => requests += 1,
            SessionEvent::ToolFinished { report, .. } => {
                let kind = report.error.as_ref().map(|error| error.kind);
                ran += u64::from(kind != Some(FailureKind::Limit));
            }
            SessionEvent::TurnEnded {
                usage, cost_usd, ..
            } => {
                assert!(
                    usage.total() <= tokens,
                    "seed {seed}: {usage:?} of {tokens}"
                );
                let cost = cost_usd.expect("a price");
                assert!(cost <= budget + 1e-9, "seed {seed}: {cost} of {budget}");
            }
            _ => {}
        }
        assert!(
            requests <= turns,
            "seed {seed}: {requests} requests of {turns}"
        );
        assert!(ran <= calls, "seed {seed}: {ran} calls of {calls}");
    }
}

/// In what is sent roles alternate, and every call is answered once in the message behind it.
fn valid(request: &Recorded, seed: u64) {
    let messages = request.body["messages"].as_array().expect("messages");
    let ids = |message: &Value, kind: &str, key: &str| -> Vec<String> {
        let content = message["content"].as_array().cloned().unwrap_or_default();
        let of_kind = content.iter().filter(|piece| piece["type"] == kind);
        of_kind
            .map(|piece| piece[key].as_str().expect("an id").to_owned())
            .collect()
    };
    let mut open = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        assert_eq!(message["role"], role, "seed {seed}: {messages:#?}");
        let results = ids(message, "tool_result", "tool_use_id");
        assert_eq!(results, open, "seed {seed}: {messages:#?}");
        open = ids(message, "tool_use", "id");
    }
    assert!(open.is_empty(), "seed {seed}");
}

/// `BOXAGNTS_RANDOM_SEED` and `BOXAGNTS_RANDOM_SESSIONS` try others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_script_exceeds_a_limit_or_loses_a_result() {
    let number = |name: &str, default: u64| {
        let given = std::env::var(name).ok();
        given
            .and_then(|given| given.parse().ok())
            .unwrap_or(default)
    };
    let first = number("BOXAGNTS_RANDOM_SEED", 1);
    for seed in first..first + number("BOXAGNTS_RANDOM_SESSIONS", 40) {
        random_session(seed).await;
    }
}
