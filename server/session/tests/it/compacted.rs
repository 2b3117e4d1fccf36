//! Long conversations over a real provider: room is made, the journal keeps everything, and a session
//! that comes back is the very same.

use crate::harness::{Process, World};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::DiskApplier;
use boxagnts_test_support::{Answer, ModelServer, Recorded};
use serde_json::{Value, json};
use std::sync::Arc;

const WINDOW: u64 = 30_000;

fn process(world: &World, server: &ModelServer, window: u64) -> Process {
    let settings = json!({
        "model": "local:large",
        "max_output_tokens": 1000,
        "providers": {"local": {"kind": "openai", "base_url": server.base_url()}},
        "models": {"local:large": {"context_window": window}},
    });
    world.process_with(Arc::new(DiskApplier), &settings, None)
}

/// A process that brings the session back has the same conversation.
fn comes_back(process: &Process, world: &World, server: &ModelServer, session: &str) {
    let now = process.conversation(session);
    let restored = self::process(world, server, WINDOW);
    assert_eq!(restored.conversation(session), now);
}

fn is_summary(request: &Recorded) -> bool {
    let body = request.body["messages"].to_string();
    body.contains("This conversation becomes too long for you")
}

/// Tokens as an honest provider counts them: four bytes each.
fn tokens(request: &Recorded) -> u64 {
    request.body.to_string().len() as u64 / 4
}

/// Reads a file over and over, and sums up when asked to.
fn reader(request: &Recorded) -> Answer {
    let usage = json!({"input_tokens": tokens(request), "output_tokens": 20});
    if is_summary(request) {
        return Answer::turn(json!({"text": "Task: go on. Nothing is open.", "usage": usage}));
    }
    let messages = request.body["messages"].as_array().expect("messages");
    let fresh = messages.last().is_some_and(|last| last["role"] == "user");
    Answer::turn(match fresh {
        true => json!({
            "text": "I look. ".repeat(40),
            "tool_calls": [{"name": "read", "input": {"path": "a.txt", "limit": 1 + messages.len()}}],
            "usage": usage,
        }),
        false => json!({"text": "Seen. ".repeat(80), "usage": usage}),
    })
}

#[tokio::test]
async fn a_long_conversation_stays_in_its_window_and_comes_back() {
    let server = ModelServer::with(reader);
    let world = World::new(&[]);
    let text = ("A line of the file that is read.".repeat(4) + "\n").repeat(120);
    std::fs::write(world.folder.path().join("a.txt"), text).expect("a file");
    let mut process = process(&world, &server, WINDOW);
    let mut session = None;
    for _ in 0..60 {
        let (id, ended) = process.ask_for_end(session.as_deref()).await;
        let SessionEvent::TurnEnded { outcome, .. } = ended else {
            panic!("{ended:?}")
        };
        assert_eq!(outcome, TurnOutcome::Done);
        session = Some(id);
    }
    let session = session.expect("a session");
    let requests = server.requests();
    let largest = requests.iter().map(tokens).max();
    assert!(
        largest.is_some_and(|largest| largest < WINDOW),
        "{largest:?}"
    );
    assert!(requests.iter().any(is_summary));
    let compactions: Vec<_> = process
        .journal(&session)
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::Compacted { compaction, .. } => Some(compaction),
            _ => None,
        })
        .collect();
    assert!(
        compactions
            .iter()
            .any(|c| c.summary.is_none() && !c.trimmed.is_empty())
    );
    let summary = compactions.iter().find_map(|c| c.summary.as_deref());
    let summary = summary.expect("a summary");
    assert!(summary.contains("Nothing is open."), "{summary}");
    assert!(
        summary.contains("Files that were read: `a.txt`"),
        "{summary}"
    );
    // The journal has all turns, and brings back what the model knows.
    let turns = |event: &SessionEvent| matches!(event, SessionEvent::TurnStarted { .. });
    assert_eq!(
        process
            .journal(&session)
            .iter()
            .filter(|event| turns(event))
            .count(),
        60
    );
    comes_back(&process, &world, &server, &session);
}

#[tokio::test]
async fn a_provider_that_says_that_it_is_full_makes_room() {
    let full = "This model's maximum context length is 9000 tokens.";
    let server = ModelServer::with(move |request| match tokens(request) > 9_000 {
        true => Answer::status(400, None, full),
        false if is_summary(request) => Answer::turn(json!({"text": "Task: go on."})),
        false => {
            let messages = request.body["messages"].as_array().map_or(0, Vec::len);
            // Each of them fits, and two do not.
            let call = json!({"name": "read", "input": {"path": "a.txt", "limit": 600 + messages}});
            let calls = if messages < 5 { vec![call] } else { Vec::new() };
            Answer::turn(json!({"text": "I look.", "tool_calls": calls}))
        }
    });
    let world = World::new(&[]);
    let text = "A line of the file that is read.\n".repeat(700);
    std::fs::write(world.folder.path().join("a.txt"), text).expect("a file");
    let mut process = process(&world, &server, 1_000_000);
    let (session, ended) = process.ask_for_end(None).await;
    let notices: Vec<_> = process
        .journal(&session)
        .into_iter()
        .filter(|event| {
            matches!(
                event,
                SessionEvent::Notice { .. } | SessionEvent::Compacted { .. }
            )
        })
        .collect();
    let SessionEvent::TurnEnded { outcome, .. } = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(outcome, TurnOutcome::Done, "{notices:?}");
    assert!(!notices.is_empty());
    comes_back(&process, &world, &server, &session);
}

#[tokio::test]
async fn the_user_compacts_and_the_session_goes_on() {
    let server = ModelServer::with(reader);
    let world = World::new(&["a.txt"]);
    let mut process = process(&world, &server, 1_000_000);
    let session = process.ask(None).await;
    process.say(Some(&session), "/compact the names", Default::default());
    assert_eq!(process.end().await, TurnOutcome::Done);
    let asked = server.requests().last().map(|request| request.body.clone());
    let asked = asked.as_ref().map(Value::to_string).unwrap_or_default();
    assert!(
        asked.contains("pays attention to this: the names"),
        "{asked}"
    );
    let now = process.conversation(&session);
    assert!(
        now.contains("Nothing is open.") && !now.contains("I look"),
        "{now}"
    );
    process.ask(Some(&session)).await;
    comes_back(&process, &world, &server, &session);
}
