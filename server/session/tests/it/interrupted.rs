//! The process dies between "accepted" and "applied": the batch is whole or not there, and says so.

use crate::harness::World;
use async_trait::async_trait;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::workspace::{FilePlan, Overlay, apply_to_disk};
use boxagnts_session::{Applier, DiskApplier, Selection};
use std::sync::Arc;
use tokio::sync::Notify;

/// Carries out some plans, and then nothing happens any more.
struct Dying {
    after: usize,
    dead: Arc<Notify>,
}

#[async_trait]
impl Applier for Dying {
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        for plan in &plans[..self.after] {
            apply_to_disk(overlay, plan).expect("applied");
        }
        self.dead.notify_one();
        std::future::pending().await
    }
}

/// Kills a process after it has written `written` of three files; `meddle` is what happens to the
/// files before the next one starts.
fn check(
    written: usize,
    meddle: &[(&str, &str)],
    applied: bool,
    files: [&str; 3],
    waiting: &[&str],
) {
    let world = World::new(&["a", "b", "c"]);
    let dead = Arc::new(Notify::new());
    let dying = Dying {
        after: written,
        dead: Arc::clone(&dead),
    };
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let first = runtime();
    let session = first.block_on(async {
        let mut process = world.process(Arc::new(dying));
        let session = process.asked().await;
        let accepted = process.sessions.accept(&session, &Selection::All);
        drop(accepted.expect("accepted"));
        dead.notified().await;
        session
    });
    // With the runtime go all tasks, and with them the journal and its lock.
    drop(first);
    for (file, text) in meddle {
        std::fs::write(world.folder.path().join(file), text).expect("written");
    }
    runtime().block_on(async {
        let mut process = world.process(Arc::new(DiskApplier));
        let events = process.sessions.recover().await.expect("recovered");
        let [SessionEvent::Recovered { applied: whole, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(*whole, applied);
        let told = process
            .until(|event| matches!(event, SessionEvent::Recovered { .. }))
            .await;
        assert_eq!(told, events[0]);
        assert_eq!(
            ["a", "b", "c"].map(|file| world.read(file)),
            files.map(str::to_owned)
        );
        assert_eq!(process.waiting(&session), waiting);
        assert_eq!(
            process.sessions.recover().await.expect("nothing"),
            [],
            "once"
        );
        // It goes on as if nothing had been.
        let (_, task) = process
            .sessions
            .accept(&session, &Selection::All)
            .expect("accepted");
        task.await.expect("applied");
        for file in ["a", "b", "c"] {
            assert!(
                world.read(file).contains(&file.to_uppercase()),
                "{}",
                world.read(file)
            );
        }
        let undone = process.sessions.undo(None, None).expect("something");
        undone.task.await.expect("ended").expect("undone");
    });
}

#[test]
fn a_batch_that_was_not_begun_is_not_there() {
    check(0, &[], false, ["a\n", "b\n", "c\n"], &["a", "b", "c"]);
}

#[test]
fn half_a_batch_is_taken_back() {
    check(1, &[], false, ["a\n", "b\n", "c\n"], &["a", "b", "c"]);
    check(2, &[], false, ["a\n", "b\n", "c\n"], &["a", "b", "c"]);
}

#[test]
fn what_others_wrote_meanwhile_stays() {
    check(
        1,
        &[("a", "mine\nA\n")],
        false,
        ["mine\na\n", "b\n", "c\n"],
        &["a", "b", "c"],
    );
}

#[test]
fn hunks_that_were_looked_at_before_wait_all_the_same() {
    let world = World::new(&["a", "b"]);
    let session = killed(&world, 1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let process = world.process(Arc::new(DiskApplier));
        // The editor asks at once; `a` has its hunk by now.
        assert_eq!(process.waiting(&session), ["b"]);
        process.sessions.recover().await.expect("recovered");
        assert_eq!(world.read("a"), "a\n");
        assert_eq!(process.waiting(&session), ["a", "b"]);
        let accepted = process.sessions.accept(&session, &Selection::All);
        accepted.expect("accepted").1.await.expect("applied");
        assert_eq!(
            (world.read("a"), world.read("b")),
            ("A\n".into(), "B\n".into())
        );
    });
}

/// Kills a process that has applied some files of a batch; gives the session.
fn killed(world: &World, after: usize) -> String {
    let dead = Arc::new(Notify::new());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let applier = Dying {
            after,
            dead: Arc::clone(&dead),
        };
        let mut process = world.process(Arc::new(applier));
        let session = process.asked().await;
        let accepted = process.sessions.accept(&session, &Selection::All);
        drop(accepted.expect("accepted"));
        dead.notified().await;
        session
    })
}

#[test]
fn a_batch_that_was_finished_is_whole() {
    let world = World::new(&["a", "b"]);
    let session = killed(&world, 2);
    let second = tokio::runtime::Runtime::new().expect("a runtime");
    second.block_on(async {
        let process = world.process(Arc::new(DiskApplier));
        let events = process.sessions.recover().await.expect("recovered");
        let whole =
            |event: &SessionEvent| matches!(event, SessionEvent::Recovered { applied: true, .. });
        assert!(events.iter().all(whole) && events.len() == 1, "{events:?}");
        assert_eq!(
            (world.read("a"), world.read("b")),
            ("A\n".to_owned(), "B\n".to_owned())
        );
        assert_eq!(process.waiting(&session), Vec::<String>::new());
        // It is a checkpoint like any other.
        let undone = process.sessions.undo(None, None).expect("something");
        undone.task.await.expect("ended").expect("undone");
        assert_eq!(
            (world.read("a"), world.read("b")),
            ("a\n".to_owned(), "b\n".to_owned())
        );
    });
}
