//! What the user says while a turn runs.

use crate::harness::{Process, World};
use boxagnts_protocol::commands::{Taken, WhenBusy};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::DiskApplier;
use boxagnts_test_support::{Answer, Fault, ModelServer};
use serde_json::{Value, json};
use std::sync::Arc;

fn process(world: &World, server: &ModelServer) -> Process {
    let settings = json!({
        "model": "local:large",
        "providers": {"local": {"kind": "openai", "base_url": server.base_url()}},
    });
    world.process_with(Arc::new(DiskApplier), &settings, None)
}

/// A process that brings the session back has the same conversation.
fn comes_back(process: &Process, world: &World, server: &ModelServer, session: &str) {
    let now = process.conversation(session);
    assert_eq!(self::process(world, server).conversation(session), now);
}

/// What the user and tools said, of each request: the last message.
fn last_messages(server: &ModelServer) -> Vec<String> {
    let last = |body: &Value| {
        let messages = body["messages"].as_array().expect("messages");
        messages.last().expect("a message")["content"].to_string()
    };
    let requests = server.requests();
    requests.iter().map(|request| last(&request.body)).collect()
}

/// The model has begun to answer.
async fn answering(process: &mut Process) {
    process
        .until(|event| matches!(event, SessionEvent::TextDelta { .. }))
        .await;
}

#[tokio::test]
async fn a_turn_hears_what_is_said_meanwhile_and_goes_on() {
    let server = ModelServer::start([
        Answer::turn(json!({"text": "One. ".repeat(300)})).with(Fault::SlowDrip),
        Answer::turn(json!({"text": "Two."})),
    ]);
    let world = World::new(&[]);
    let mut process = process(&world, &server);
    let session = process.begin(None);
    answering(&mut process).await;
    let said = process.say(Some(&session), "use tabs", WhenBusy::Steer);
    assert_eq!((said.turn, said.taken), (1, Taken::Steers));
    assert_eq!(process.end().await, TurnOutcome::Done);
    let heard = last_messages(&server);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(
        heard[1].contains("[The user says while you work:]\\nuse tabs"),
        "{heard:?}"
    );
    comes_back(&process, &world, &server, &session);
}

#[tokio::test]
async fn prompts_wait_for_their_turn_and_one_interrupts() {
    let stall = Answer::turn(json!({"text": "I begin"})).with(Fault::Stall { after: 1 });
    let server = ModelServer::start([stall]);
    let world = World::new(&[]);
    let mut process = process(&world, &server);
    let session = process.begin(None);
    answering(&mut process).await;
    let later = process.say(Some(&session), "later", WhenBusy::Queue);
    let now = process.say(Some(&session), "now", WhenBusy::Interrupt);
    assert_eq!((later.turn, later.taken), (2, Taken::Queued));
    assert_eq!((now.turn, now.taken), (2, Taken::Queued));
    assert_eq!(process.end().await, TurnOutcome::Cancelled);
    for (turn, expect) in [(2, "now"), (3, "later")] {
        let started = process
            .until(|event| matches!(event, SessionEvent::TurnStarted { .. }))
            .await;
        let SessionEvent::TurnStarted {
            turn: number,
            prompt,
            ..
        } = started
        else {
            panic!("{started:?}")
        };
        assert_eq!((number, prompt.as_str()), (turn, expect));
        assert_eq!(process.end().await, TurnOutcome::Done);
    }
    comes_back(&process, &world, &server, &session);
}

#[tokio::test]
async fn cancelling_drops_what_waits_and_says_so() {
    let stall = Answer::turn(json!({"text": "I begin"})).with(Fault::Stall { after: 1 });
    let server = ModelServer::start([stall]);
    let world = World::new(&[]);
    let mut process = process(&world, &server);
    let session = process.begin(None);
    answering(&mut process).await;
    process.say(Some(&session), "one", WhenBusy::Queue);
    process.say(Some(&session), "two", WhenBusy::Queue);
    process.sessions.cancel(&session).expect("cancelled");
    let dropped = process
        .until(|event| matches!(event, SessionEvent::Dropped { .. }))
        .await;
    let prompts = vec!["one".to_owned(), "two".to_owned()];
    assert_eq!(dropped, SessionEvent::Dropped { prompts });
    assert_eq!(process.end().await, TurnOutcome::Cancelled);
    assert_eq!(server.requests().len(), 1);
    // And it is free again.
    process.begin(Some(&session));
    assert_eq!(process.end().await, TurnOutcome::Done);
}

#[tokio::test]
async fn a_turn_that_is_abandoned_ends_once_and_the_session_goes_on() {
    let server = ModelServer::start([
        Answer::turn(json!({"text": "One. ".repeat(3_000)})).with(Fault::SlowDrip),
        Answer::turn(json!({"text": "Two."})),
    ]);
    let world = World::new(&[]);
    let mut process = process(&world, &server);
    let session = process.begin(None);
    answering(&mut process).await;
    process.sessions.abandon(&session).expect("abandoned");
    assert_eq!(process.end().await, TurnOutcome::Cancelled);
    process.say(Some(&session), "go on", WhenBusy::Refuse);
    assert_eq!(process.end().await, TurnOutcome::Done);
    let events = process.journal(&session);
    let ends = |event: &&SessionEvent| matches!(event, SessionEvent::TurnEnded { .. });
    assert_eq!(events.iter().filter(ends).count(), 2);
}
