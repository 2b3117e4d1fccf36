//! Decisions that meet each other: on hunks that are on their way into the user's files, on hunks that
//! are gone by then, with an applier that breaks.

use crate::harness::{Process, World};
use async_trait::async_trait;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::workspace::{FilePlan, Overlay, apply_to_disk};
use boxagnts_session::{Applier, Ask, DiskApplier, Selection};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Says when it begins, and goes on when it is told so.
#[derive(Default)]
struct Held {
    begun: Notify,
    go: Notify,
}

#[async_trait]
impl Applier for Held {
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        self.begun.notify_one();
        self.go.notified().await;
        DiskApplier.apply(overlay, plans).await
    }
}

/// Breaks the first time.
#[derive(Default)]
struct Broken(AtomicBool);

#[async_trait]
impl Applier for Broken {
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        assert!(self.0.swap(true, Ordering::Relaxed), "broken");
        DiskApplier.apply(overlay, plans).await
    }
}

/// Leaves `b` as it is when something is taken back.
struct Stubborn;

#[async_trait]
impl Applier for Stubborn {
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        let mut results = Vec::new();
        for plan in plans {
            let stays = plan.hunks.is_empty() && plan.path.as_str() == "b";
            results.push(match stays {
                true => Err("no".to_owned()),
                false => apply_to_disk(overlay, plan).map_err(|error| error.to_string()),
            });
        }
        results
    }
}

/// The hunk of a file.
fn hunk(process: &Process, session: &str, file: &str) -> String {
    let proposal = process.sessions.proposal(session).expect("a proposal");
    let mut files = proposal.files.iter();
    let file = files.find(|other| other.path == file).expect("the file");
    file.hunks[0].id.clone()
}

#[tokio::test]
async fn a_hunk_that_is_being_applied_is_decided() {
    let world = World::new(&["a", "b"]);
    let held = Arc::new(Held::default());
    let mut process = world.process(Arc::clone(&held) as Arc<dyn Applier>);
    let session = process.asked().await;
    let id = hunk(&process, &session, "a");
    let one = Selection::Hunks(vec![id.clone()]);
    let sessions = &process.sessions;
    let (_, task) = sessions.accept(&session, &one).expect("accepted");
    held.begun.notified().await;
    let refused = [
        sessions.reject(&session, &one, None).map(drop),
        sessions.amend(&session, &id, "x\n").map(drop),
        sessions.split(&session, &id).map(drop),
    ];
    for refused in refused {
        let error = refused.expect_err("it is under way").to_string();
        assert!(error.contains("being applied"), "{error}");
    }
    // Everything else can be.
    let rejected = sessions.reject(&session, &Selection::All, None);
    let rejected = rejected.expect("rejected").hunks;
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    held.go.notify_one();
    let ended = task.await.expect("ended");
    assert_eq!(ended[0].state, HunkState::Accepted, "{ended:?}");
    assert_eq!(
        (world.read("a"), world.read("b")),
        ("A\n".into(), "b\n".into())
    );
    let none: [&str; 0] = [];
    assert_eq!(process.waiting(&session), none);
}

#[tokio::test]
async fn what_is_gone_of_a_selection_is_told_and_the_rest_applied() {
    let world = World::new(&["a", "b", "c"]);
    let held = Arc::new(Held::default());
    let mut process = world.process(Arc::clone(&held) as Arc<dyn Applier>);
    let session = process.asked().await;
    let [a, b, c] = ["a", "b", "c"].map(|file| hunk(&process, &session, file));
    let accept = |ids: &[&String]| {
        let ids = ids.iter().map(|id| (*id).clone()).collect();
        let accepted = process.sessions.accept(&session, &Selection::Hunks(ids));
        accepted.expect("accepted").1
    };
    let first = accept(&[&a]);
    let second = accept(&[&b, &c]);
    held.begun.notified().await;
    // What the user has is proposed no more.
    let amended = process.sessions.amend(&session, &b, "b\n");
    amended.expect("amended");
    held.go.notify_one();
    first.await.expect("ended");
    held.go.notify_one();
    let ended = second.await.expect("ended");
    let state = |id: &str| {
        ended
            .iter()
            .find(|hunk| hunk.id == id)
            .map(|hunk| hunk.state)
    };
    assert_eq!(state(&b), Some(HunkState::Conflicted), "{ended:?}");
    assert_eq!(state(&c), Some(HunkState::Accepted), "{ended:?}");
    assert_eq!(
        (world.read("b"), world.read("c")),
        ("b\n".into(), "C\n".into())
    );
    let told = |event: &SessionEvent| match event {
        SessionEvent::Decided { hunks, .. } => hunks.iter().any(|hunk| hunk.id == b),
        _ => false,
    };
    process.until(told).await;
}

#[tokio::test]
async fn hunks_wait_again_when_the_applier_breaks() {
    let world = World::new(&["a"]);
    let mut process = world.process(Arc::new(Broken::default()));
    let session = process.asked().await;
    for state in [HunkState::Pending, HunkState::Accepted] {
        let accepted = process.sessions.accept(&session, &Selection::All);
        let ended = accepted.expect("accepted").1.await.expect("ended");
        assert_eq!(ended[0].state, state, "{ended:?}");
    }
    assert_eq!(world.read("a"), "A\n");
}

#[tokio::test]
async fn what_is_left_of_a_batch_is_taken_back_and_nothing_else() {
    let world = World::new(&["a", "b"]);
    let mut process = world.process(Arc::new(Stubborn));
    let session = process.asked().await;
    let sessions = Arc::clone(&process.sessions);
    let all = Selection::All;
    let accept = || async {
        let (_, task) = sessions.accept(&session, &all).expect("accepted");
        task.await.expect("ended")
    };
    accept().await;
    let first = sessions.checkpoints(None, 9).expect("checkpoints")[0].checkpoint;
    let undo = || async {
        let undoing = sessions.undo(Some(first), None).expect("something");
        undoing.task.await.expect("ended").expect("taken back")
    };
    let result = undo().await;
    assert_eq!(
        (&result.files[..], &result.refused[0].path[..]),
        (&["a".to_owned()][..], "b")
    );
    assert_eq!(process.waiting(&session), ["a"]);
    // The hunk of `a` is in a batch of its own now.
    accept().await;
    let result = undo().await;
    assert_eq!(result.files, Vec::<String>::new(), "{result:?}");
    assert_eq!(
        (world.read("a"), world.read("b")),
        ("A\n".into(), "B\n".into())
    );
    let latest = sessions.undo(None, None).expect("something");
    latest.task.await.expect("ended").expect("taken back");
    assert_eq!(world.read("a"), "a\n");
    let ended = accept().await;
    assert_eq!(ended[0].state, HunkState::Accepted, "{ended:?}");
}

#[tokio::test]
async fn a_checkpoint_is_taken_back_once() {
    let world = World::new(&["a"]);
    let mut process = world.process(Arc::new(DiskApplier));
    let session = process.asked().await;
    let sessions = &process.sessions;
    let accept = || {
        let accepted = sessions.accept(&session, &Selection::All);
        accepted.expect("accepted").1
    };
    accept().await.expect("ended");
    // All of it in a row, as an impatient user does.
    let first = sessions.undo(None, None).expect("something").task;
    let second = sessions.undo(None, None).expect("something").task;
    first.await.expect("ended").expect("taken back");
    let again = accept();
    let error = second
        .await
        .expect("ended")
        .expect_err("it is done already");
    assert!(error.to_string().contains("already"), "{error}");
    again.await.expect("ended");
    assert_eq!(world.read("a"), "A\n");
}

#[tokio::test]
async fn a_model_hears_of_what_another_process_took_back() {
    let world = World::new(&["a"]);
    let mut first = world.process(Arc::new(DiskApplier));
    let session = first.asked().await;
    let (_, task) = first
        .sessions
        .accept(&session, &Selection::All)
        .expect("accepted");
    task.await.expect("ended");
    let second = world.process(Arc::new(DiskApplier));
    let undoing = second.sessions.undo(None, None).expect("something");
    undoing.task.await.expect("ended").expect("taken back");
    assert_eq!(first.waiting(&session), ["a"]);
    let ask = Ask {
        prompt: "and now?".to_owned(),
        session: Some(session),
        ..Ask::default()
    };
    first.sessions.ask(ask).expect("asked");
    let started = |event: &SessionEvent| matches!(event, SessionEvent::TurnStarted { .. });
    let SessionEvent::TurnStarted { context, .. } = first.until(started).await else {
        panic!("another event")
    };
    let context = context.expect("a context");
    assert!(context.contains("took accepted changes back"), "{context}");
}
