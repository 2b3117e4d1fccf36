//! Mode `plan` ends in a plan that the user approves; the mode changes by the user's word alone, and
//! stays changed.

use crate::harness::{Answers, World, given, said};
use boxagnts_protocol::question::UserAnswer;
use boxagnts_protocol::update::{SessionEvent, SessionMode, TurnOutcome};
use boxagnts_session::{Asker, NoAsker};
use serde_json::{Value, json};
use std::sync::Arc;

const REVIEW: &str = "Approve, review changes";
const AUTO: &str = "Approve, accept changes";
const KEEP: &str = "Keep planning";

fn write(content: &str) -> Value {
    json!({"name": "write", "input": {"path": "a", "content": content}})
}

fn propose() -> Value {
    json!({"name": "propose_plan", "input": {"plan": "# Plan\nChange `a`."}})
}

fn modes(events: &[SessionEvent]) -> Vec<(SessionMode, bool)> {
    let modes = events.iter().filter_map(|event| match event {
        SessionEvent::ModeChanged { mode, plan } => Some((*mode, plan.is_some())),
        _ => None,
    });
    modes.collect()
}

fn plan_mode() -> Value {
    json!({"mode": "plan"})
}

#[tokio::test]
async fn an_approved_plan_is_carried_out_in_the_same_turn_and_the_mode_stays() {
    let world = World::new(&["a"]);
    world.script(&json!([
        // Nothing is written before the user has said so, not even behind the plan.
        {"tool_calls": [propose(), write("too early\n")]},
        {"tool_calls": [write("A\n")]},
        {"text": "Done."},
        {"tool_calls": [write("B\n")]},
        {"text": "Done."},
    ]));
    let user = Answers::new([given(&[REVIEW], Some("but carefully"))]);
    let asker = Arc::clone(&user) as Arc<dyn Asker>;
    let mut process = world.process_asking(&plan_mode(), &json!({}), asker);
    let (session, events) = process.turn(None, "go").await;
    let asked = user.asked.lock().unwrap()[0].question.clone();
    assert_eq!(asked.detail.as_deref(), Some("# Plan\nChange `a`."));
    let labels: Vec<&str> = asked.choices.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, [REVIEW, AUTO, KEEP]);
    assert_eq!(modes(&events), [(SessionMode::Review, true)]);
    let told = said(&events);
    let (early, approved, wrote) = (&told[0], &told[1], &told[2]);
    assert!(early.0.contains("there is no tool `write`"), "{told:?}");
    assert!(approved.0.contains("The mode is now `review`"), "{told:?}");
    assert!(approved.0.contains("but carefully"), "{told:?}");
    assert!(wrote.1, "{told:?}");
    assert_eq!(process.waiting(&session), ["a"]);
    assert_eq!(world.read("a"), "a\n");

    // It comes back as it was, whatever the configuration says of new sessions.
    let mut later = world.process_asking(&plan_mode(), &json!({}), Answers::new([]));
    assert_eq!(later.sessions.mode(&session).unwrap(), SessionMode::Review);
    let (_, events) = later.turn(Some(&session), "again").await;
    assert!(said(&events)[0].1, "{events:?}");
    let Some(SessionEvent::TurnStarted { context, .. }) = events.first() else {
        panic!("{events:?}");
    };
    let context = context.as_deref().unwrap_or_default();
    assert!(context.contains("The user changed the mode"), "{context}");
}

#[tokio::test]
async fn the_user_can_let_it_plan_on_and_then_accept_all() {
    let world = World::new(&["a"]);
    world.script(&json!([
        {"tool_calls": [propose()]},
        {"tool_calls": [propose()]},
        {"tool_calls": [propose()]},
        {"tool_calls": [write("A\n")]},
        {"text": "Done."},
    ]));
    let answers = [
        given(&[KEEP], None),
        // Words alone approve nothing.
        given(&[], Some("Approve, review changes")),
        given(&[AUTO], None),
    ];
    let user = Answers::new(answers);
    let mut process = world.process_asking(&plan_mode(), &json!({}), user);
    let (_, events) = process.turn(None, "go").await;
    let told = said(&events);
    assert!(
        told[0].0.contains("They did not say what is missing"),
        "{told:?}"
    );
    assert!(told[1].0.contains("did not approve"), "{told:?}");
    assert_eq!(modes(&events), [(SessionMode::Auto, true)]);
    assert_eq!(world.read("a"), "A\n", "accepted at the end of the turn");
}

/// The turn ends with the plan, and the model is asked no more.
async fn check_ends(asker: Arc<dyn Asker>) {
    let world = World::new(&["a"]);
    world.script(&json!([{"tool_calls": [propose()]}, {"text": "What else?"}, {"text": "More."}]));
    let mut process = world.process_asking(&plan_mode(), &json!({}), asker);
    let (session, events) = process.turn(None, "go").await;
    let asked = |events: &[SessionEvent]| {
        let calls = events.iter();
        let calls = calls.filter(|event| matches!(event, SessionEvent::ModelCalled { .. }));
        calls.count()
    };
    assert_eq!(asked(&events), 1);
    let Some(SessionEvent::TurnEnded { outcome, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(*outcome, TurnOutcome::Done);
    assert!(
        said(&events)[0].1 && modes(&events).is_empty(),
        "{events:?}"
    );
    // The conversation goes on.
    let (_, events) = process.turn(Some(&session), "and?").await;
    assert_eq!(asked(&events), 1);
    assert_eq!(
        process.sessions.mode(&session).expect("a mode"),
        SessionMode::Plan
    );
}

#[tokio::test]
async fn without_a_decision_the_turn_ends_with_the_plan() {
    check_ends(Arc::new(NoAsker)).await;
    check_ends(Answers::new([UserAnswer::Dismissed])).await;
}

#[tokio::test]
async fn nobody_makes_the_mode_wider_than_the_configuration_allows() {
    let world = World::new(&["a"]);
    world.script(
        &json!([{"tool_calls": [propose()]}, {"tool_calls": [write("A\n")]}, {"text": "."}]),
    );
    // An answer that was not offered is none.
    let user = Answers::new([given(&[REVIEW], None)]);
    let asker = Arc::clone(&user) as Arc<dyn Asker>;
    let mut process = world.process_asking(&json!({}), &plan_mode(), asker);
    let (session, events) = process.turn(None, "go").await;
    assert!(modes(&events).is_empty());
    let asked = user.asked.lock().unwrap()[0].question.clone();
    let labels: Vec<&str> = asked.choices.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, [KEEP]);
    let refused = process.sessions.set_mode(&session, SessionMode::Review);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("wider than the project's configuration"),
        "{refused}"
    );
    let (_, events) = process.turn(Some(&session), "/mode auto").await;
    let Some(SessionEvent::TextDelta { text, .. }) = events.get(1) else {
        panic!("{events:?}");
    };
    assert!(text.starts_with("The mode stays `plan`"), "{text}");
    // A project that allows `review` allows no `auto`.
    let process = world.process_asking(&json!({"mode": "auto"}), &json!({"mode": "review"}), user);
    let set = |mode| process.sessions.set_mode(&session, mode);
    assert!(set(SessionMode::Auto).is_err());
    assert!(set(SessionMode::Review).is_ok() && set(SessionMode::Plan).is_ok());
}

#[tokio::test]
async fn a_command_switches_the_mode_and_a_model_cannot() {
    let world = World::new(&["a"]);
    world.script(&json!([
        {"tool_calls": [propose()]},
        {"text": "There is no such tool."},
        {"text": "answered by the command"},
        {"tool_calls": [write("A\n")]},
        {"text": "I cannot."},
    ]));
    let user = Answers::new([]);
    let mut process = world.process_asking(&json!({}), &json!({}), user);
    let (session, events) = process.turn(None, "go").await;
    assert!(
        said(&events)[0]
            .0
            .contains("there is no tool `propose_plan`")
    );
    let (_, events) = process.turn(Some(&session), "/mode plan").await;
    assert_eq!(modes(&events), [(SessionMode::Plan, false)]);
    let (_, events) = process.turn(Some(&session), "go on").await;
    assert!(
        said(&events)[0].0.contains("there is no tool `write`"),
        "{events:?}"
    );
    let (_, events) = process.turn(Some(&session), "/mode sudo").await;
    assert!(modes(&events).is_empty());
    process
        .sessions
        .set_mode(&session, SessionMode::Plan)
        .unwrap();
    assert_eq!(process.sessions.mode(&session).unwrap(), SessionMode::Plan);
}
