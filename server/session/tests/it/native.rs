//! A model asks its user, and shows what it is about to do.

use crate::harness::{Answers, Process, World, given, said};
use boxagnts_protocol::commands::AnswerParams;
use boxagnts_protocol::question::UserAnswer;
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::{PlanItem, PlanStatus, SessionEvent, TurnOutcome};
use boxagnts_session::{Asker, NoAsker};
use serde_json::{Value, json};
use std::sync::Arc;

/// A question with two choices.
fn which() -> Value {
    json!({"question": "Which?", "choices": [{"label": "A", "description": "the first"}, {"label": "B"}]})
}

/// A model that makes these calls in one answer, and a process.
fn calls(calls: &[(&str, Value)], asker: Arc<dyn Asker>) -> (World, Process) {
    let world = World::new(&["a"]);
    let calls: Vec<Value> = calls
        .iter()
        .map(|(name, input)| json!({"name": name, "input": input}))
        .collect();
    world.script(&json!([{"tool_calls": calls}, {"text": "Done."}, {"text": "Again."}]));
    let process = world.process_asking(&json!({}), &json!({}), asker);
    (world, process)
}

/// What the model is told when its user answers so.
async fn check(input: Value, answer: UserAnswer, ok: bool, expect: &str) {
    let user = Answers::new([answer.clone()]);
    let (_world, mut process) = calls(&[("ask_user", input)], user);
    let (_, events) = process.turn(None, "go").await;
    let told = said(&events);
    assert_eq!(told.len(), 1);
    assert!(told[0].0.contains(expect), "{told:?}");
    assert_eq!(told[0].1, ok, "{told:?}");
    let mut pair = events.iter().filter_map(|event| match event {
        SessionEvent::Asked { id, .. } => Some((id, None)),
        SessionEvent::Answered { id, answer, .. } => Some((id, Some(answer))),
        _ => None,
    });
    let ((asked, None), (answered, Some(_))) =
        (pair.next().expect("asked"), pair.next().expect("answered"))
    else {
        panic!("{events:?}");
    };
    assert_eq!(asked, answered);
    assert_eq!(pair.next(), None);
    let Some(SessionEvent::TurnEnded { outcome, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(*outcome, TurnOutcome::Done);
}

#[tokio::test]
async fn answers_go_to_the_model_as_the_users() {
    check(which(), given(&["B"], None), true, "The user chose: \"B\"").await;
    check(
        which(),
        given(&[], Some("```\nneither")),
        true,
        "The user's words:\n````\n```\nneither\n````",
    )
    .await;
    check(
        json!({"question": "Why?"}),
        given(&[], Some("so")),
        true,
        "so",
    )
    .await;
    check(
        which(),
        UserAnswer::Dismissed,
        false,
        "put the question away",
    )
    .await;
    check(which(), UserAnswer::Nobody, false, "nobody can be asked").await;
    // What the question does not let be is no answer.
    check(which(), given(&["C"], None), false, "put the question away").await;
    check(
        which(),
        given(&["A", "B"], None),
        false,
        "put the question away",
    )
    .await;
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_is() {
    let (_world, mut process) = calls(&[("ask_user", which())], Arc::new(NoAsker));
    let (_, events) = process.turn(None, "go").await;
    let told = said(&events);
    assert!(
        told[0].0.contains("nobody can be asked") && !told[0].1,
        "{told:?}"
    );
    let nobody = |event: &SessionEvent| matches!(event, SessionEvent::Answered { answer, .. } if *answer == UserAnswer::Nobody);
    assert_eq!(events.iter().filter(|event| nobody(event)).count(), 1);
}

#[tokio::test]
async fn questions_that_make_no_sense_ask_nobody() {
    let twice = json!({"question": "?", "choices": [{"label": "A"}, {"label": "A "}]});
    let one = json!({"question": "?", "choices": [{"label": "A"}]});
    let mute = json!({"question": "?", "allow_free_text": false});
    let more =
        json!({"question": "?", "choices": [{"label": "A", "mode": "auto"}, {"label": "B"}]});
    let inputs = [twice, one, mute, more, json!({"question": ""}), json!({})];
    let all: Vec<(&str, Value)> = inputs
        .into_iter()
        .map(|input| ("ask_user", input))
        .collect();
    let user = Answers::new([]);
    let (_world, mut process) = calls(&all, Arc::clone(&user) as Arc<dyn Asker>);
    let (_, events) = process.turn(None, "go").await;
    let kinds = events.iter().filter_map(|event| match event {
        SessionEvent::ToolFinished { report, .. } => report.error.as_ref().map(|error| error.kind),
        _ => None,
    });
    let kinds: Vec<FailureKind> = kinds.collect();
    assert_eq!(kinds, vec![FailureKind::InvalidInput; all.len()]);
    assert!(user.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn cancelling_takes_the_question_back_and_a_command_can_answer_it() {
    let user = Answers::new([]);
    let (_world, mut process) = calls(&[("ask_user", which())], user);
    let session = process.begin(None);
    process
        .until(|event| matches!(event, SessionEvent::Asked { .. }))
        .await;
    let open = process
        .sessions
        .open_questions(&session)
        .expect("questions");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].question.question, "Which?");
    process.sessions.cancel(&session).expect("cancelled");
    let event = process
        .until(|event| matches!(event, SessionEvent::Answered { .. }))
        .await;
    let SessionEvent::Answered { answer, .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!(answer, UserAnswer::Withdrawn);
    process
        .until(|event| matches!(event, SessionEvent::TurnEnded { .. }))
        .await;
    let answer = |choice: &str| AnswerParams {
        session: session.clone(),
        id: None,
        choices: vec![choice.to_owned()],
        text: None,
    };
    let late = process.sessions.answer(&answer("A")).unwrap_err();
    assert!(late.to_string().contains("nothing is asked"), "{late}");

    // Another session of the same script.
    let session = process.begin(None);
    process
        .until(|event| matches!(event, SessionEvent::Asked { .. }))
        .await;
    let answer = |choice: &str| AnswerParams {
        session: session.clone(),
        ..answer(choice)
    };
    let wrong = process.sessions.answer(&answer("C")).unwrap_err();
    assert!(
        wrong.to_string().contains("the choices are: A, B"),
        "{wrong}"
    );
    process.sessions.answer(&answer("A")).expect("answered");
    let finished = process
        .until(|event| matches!(event, SessionEvent::ToolFinished { .. }))
        .await;
    assert_eq!(said(&[finished])[0].0, "The user chose: \"A\"");
    process
        .until(|event| matches!(event, SessionEvent::TurnEnded { .. }))
        .await;
}

#[tokio::test]
async fn one_question_at_a_time() {
    let user = Answers::new([given(&["A"], None), given(&["B"], None)]);
    let (_world, mut process) = calls(&[("ask_user", which()), ("ask_user", which())], user);
    let (_, events) = process.turn(None, "go").await;
    let order: Vec<bool> = events
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Asked { .. } => Some(true),
            SessionEvent::Answered { .. } => Some(false),
            _ => None,
        })
        .collect();
    assert_eq!(order, [true, false, true, false]);
}

#[tokio::test]
async fn rules_hold_for_native_tools() {
    let user = Answers::new([]);
    let world = World::new(&["a"]);
    world.script(&json!([{"tool_calls": [{"name": "ask_user", "input": which()}]}, {"text": "."}]));
    let settings = json!({"deny": ["ask_user"]});
    let mut process = world.process_asking(&settings, &json!({}), user);
    let (_, events) = process.turn(None, "go").await;
    let told = said(&events);
    assert!(
        told[0].0.contains("denied by the rule `ask_user`"),
        "{told:?}"
    );
}

#[tokio::test]
async fn steps_are_shown_kept_and_bounded() {
    let item = |text: &str, status: PlanStatus| PlanItem {
        text: text.to_owned(),
        status,
    };
    let items = [
        item("first", PlanStatus::Completed),
        item("second", PlanStatus::InProgress),
        item("third", PlanStatus::Pending),
    ];
    let long = "ä".repeat(500);
    let too_long: Vec<PlanItem> = (0..50).map(|_| item(&long, PlanStatus::Pending)).collect();
    let too_many = json!({"items": vec![&items[0]; 51]});
    let (world, mut process) = calls(
        &[
            ("todo", json!({"items": items})),
            ("todo", json!({"items": too_long})),
            ("todo", too_many),
        ],
        Arc::new(NoAsker),
    );
    let (session, events) = process.turn(None, "go").await;
    let plans: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Plan { items, .. } => Some(items.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(plans, [items.to_vec()]);
    let told = said(&events);
    let expect = "The user sees 3 steps: 1 completed, 1 in progress, 1 pending.";
    assert!(told.contains(&(expect.to_owned(), true)), "{told:?}");
    assert!(
        told.iter().any(|(t, _)| t.contains("at most 16384")),
        "{told:?}"
    );
    assert_eq!(told.iter().filter(|(_, ok)| !ok).count(), 2, "{told:?}");
    assert_eq!(process.sessions.steps(&session).expect("steps"), items);
    // A process that comes later knows them.
    let later = world.process_asking(&json!({}), &json!({}), Arc::new(NoAsker));
    assert_eq!(later.sessions.steps(&session).expect("steps"), items);
}
