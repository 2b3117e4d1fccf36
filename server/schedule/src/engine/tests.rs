//! The engine with a clock that the test moves, and runs that do as they are told.

use super::*;
use crate::clock::to_ms;
use async_trait::async_trait;
use boxagnts_protocol::schedule::{Allowance, CatchUp, JobSpec, SkipReason};
use boxagnts_protocol::update::SessionMode;
use jiff::SignedDuration;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, oneshot};

/// A clock that stands still until the test moves it.
struct FakeClock {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// What it shows.
    wall: Timestamp,
    /// Time that passed.
    passed: Duration,
    sleepers: Vec<(Duration, oneshot::Sender<()>)>,
}

impl FakeClock {
    fn new() -> Arc<FakeClock> {
        Arc::new(FakeClock {
            state: Mutex::new(State {
                wall: start(),
                passed: Duration::ZERO,
                sleepers: Vec::new(),
            }),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sleepers.retain(|(_, wake)| !wake.is_closed());
        state
    }

    /// Waits until so many sleep.
    async fn asleep(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.state().sleepers.len() == count {
                return;
            }
            changed.await;
        }
    }

    fn begin_sleep(&self, time: Duration, wake: oneshot::Sender<()>) {
        let mut state = self.state();
        let at = state.passed + time;
        state.sleepers.push((at, wake));
    }

    /// Time passes.
    fn pass(&self, time: Duration) {
        let mut state = self.state();
        state.passed += time;
        state.wall += SignedDuration::try_from(time).unwrap();
        let now = state.passed;
        let (due, later) = std::mem::take(&mut state.sleepers)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        state.sleepers = later;
        drop(state);
        for (_, wake) in due {
            let _ = wake.send(());
        }
    }

    /// Somebody sets the clock.
    fn set(&self, wall: Timestamp) {
        self.state().wall = wall;
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.state().wall
    }

    async fn sleep(&self, time: Duration) {
        let (wake, woken) = oneshot::channel();
        self.begin_sleep(time, wake);
        self.changed.notify_waiters();
        let _ = woken.await;
    }
}

fn start() -> Timestamp {
    "2026-07-01T00:00:00Z".parse().unwrap()
}

/// What a run does; the prompt says it.
struct Fake;

#[async_trait]
impl Runner for Fake {
    async fn run(&self, running: &RunningJob, cancel: &CancellationToken) -> Ended {
        match running.job().spec.prompt.as_str() {
            "end" => Ended::new(RunState::Done),
            "fail" => Ended::failed("the provider is busy", true),
            "panic" => panic!("as the test wants"),
            "obey" => {
                cancel.cancelled().await;
                Ended::new(RunState::Cancelled)
            }
            "drop" => {
                cancel.cancelled().await;
                Ended {
                    message: Some(DROPPED.to_owned()),
                    ..Ended::new(RunState::Cancelled)
                }
            }
            "finish" => {
                cancel.cancelled().await;
                Ended::new(RunState::Done)
            }
            "exceed" => {
                cancel.cancelled().await;
                Ended::new(RunState::Limit)
            }
            "break" => {
                cancel.cancelled().await;
                Ended::failed("the workspace is gone", false)
            }
            _ => std::future::pending().await,
        }
    }
}

/// An engine at work.
struct World {
    store: Arc<Store>,
    clock: Arc<FakeClock>,
    happened: UnboundedReceiver<Happened>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    /// With a job for each prompt, due at every full minute.
    fn new(prompts: &[&str]) -> World {
        let (store, clock) = (Arc::new(Store::in_memory().unwrap()), FakeClock::new());
        for prompt in prompts {
            let spec = JobSpec {
                prompt: (*prompt).to_owned(),
                cron: "* * * * *".into(),
                zone: "UTC".into(),
                model: None,
                mode: SessionMode::Review,
                timeout_ms: if *prompt == "wait" { 600_000 } else { 20_000 },
                retries: 1,
                catch_up: CatchUp::Once,
                per_run: Allowance::default(),
                per_day: Allowance::default(),
            };
            crate::add(&store, prompt, "/w", &spec, start()).unwrap();
        }
        let (engine, happened) = Engine::new(
            Arc::clone(&store),
            Scope::All,
            clock.clone(),
            Arc::new(Fake),
        );
        let stop = CancellationToken::new();
        World {
            store,
            clock,
            happened,
            task: tokio::spawn(engine.run(stop.clone())),
            stop,
        }
    }

    /// The next run that ends.
    async fn ended(&mut self) -> JobRun {
        loop {
            match self.happened.recv().await.expect("the engine runs") {
                Happened::Ended { run, .. } => return run,
                Happened::Began { .. } => {}
            }
        }
    }

    /// The next run that begins.
    async fn began(&mut self) -> u32 {
        loop {
            match self.happened.recv().await.expect("the engine runs") {
                Happened::Began { attempt, .. } => return attempt,
                Happened::Ended { .. } => {}
            }
        }
    }

    async fn pass(&self, sleepers: usize, seconds: u64) {
        self.clock.asleep(sleepers).await;
        self.clock.pass(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn it_wakes_for_each_time() {
    let mut world = World::new(&["end"]);
    for minute in 1..=3 {
        // Never longer than half a minute, for clocks may change.
        world.pass(1, 30).await;
        world.clock.asleep(1).await;
        world.clock.pass(Duration::from_millis(30_001));
        let run = world.ended().await;
        assert_eq!((run.state, run.due_ms % 60_000), (RunState::Done, 0));
        assert_eq!(run.due_ms / 60_000, world.minute(minute));
    }
}

impl World {
    fn minute(&self, after: u64) -> u64 {
        u64::try_from(start().as_second()).unwrap() / 60 + after
    }
}

#[tokio::test]
async fn a_set_clock_is_noticed_within_half_a_minute() {
    let mut world = World::new(&["end"]);
    world.clock.asleep(1).await;
    world.clock.set(start() + SignedDuration::from_secs(59));
    world.clock.pass(Duration::from_secs(30));
    assert_eq!(world.ended().await.due_ms / 60_000, world.minute(1));
    // Back: the same time does not come again.
    world.clock.asleep(1).await;
    world.clock.set(start());
    world.clock.pass(Duration::from_secs(30));
    for _ in 0..2 {
        world.pass(1, 30).await;
    }
    world.clock.asleep(1).await;
    world.clock.pass(Duration::from_millis(30_001));
    assert_eq!(world.ended().await.due_ms / 60_000, world.minute(2));
    let key = world.store.job("end").unwrap().key;
    assert_eq!(world.store.job_runs(key, 10).unwrap().len(), 2);
}

/// A run that begins at the first full minute, with what time does to it then: how many sleep, and the
/// seconds that pass. While it runs those are the engine, its time-out, and who looks whether it is wanted.
async fn check(prompt: &str, passes: &[(usize, u64)], expect: (RunState, Option<&str>)) {
    let mut world = World::new(&[prompt]);
    world.pass(1, 61).await;
    world.began().await;
    for (sleepers, seconds) in passes {
        world.pass(*sleepers, *seconds).await;
    }
    let run = world.ended().await;
    assert_eq!(
        (run.state, run.message.as_deref()),
        expect,
        "{prompt}: {run:?}"
    );
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_ended() {
    check("obey", &[(3, 20)], (RunState::Timeout, None)).await;
    check("finish", &[(3, 20)], (RunState::Done, None)).await;
    check("exceed", &[(3, 20)], (RunState::Timeout, None)).await;
    let dropped = "it did not end when it was cancelled, and was dropped";
    // Its runner has dropped it.
    check("drop", &[(3, 20)], (RunState::Timeout, Some(dropped))).await;
    // Its runner does not, either.
    check(
        "hang",
        &[(3, 20), (2, 40)],
        (RunState::Timeout, Some(dropped)),
    )
    .await;
}

#[tokio::test]
async fn a_panic_ends_its_run_alone() {
    let internal = "an internal error ended the run; the log has the details";
    check("panic", &[], (RunState::Failed, Some(internal))).await;
}

#[tokio::test]
async fn a_failure_is_tried_again_later() {
    let mut world = World::new(&["fail"]);
    world.pass(1, 61).await;
    assert_eq!(world.ended().await.attempt, 1);
    world.pass(1, 30).await;
    world.pass(1, 9).await;
    let again = world.ended().await;
    assert_eq!((again.attempt, again.state), (2, RunState::Failed));
    let key = world.store.job("fail").unwrap().key;
    assert_eq!(world.store.job_runs(key, 10).unwrap().len(), 2);
}

#[tokio::test]
async fn a_job_that_still_runs_is_not_begun_again() {
    let mut world = World::new(&["wait"]);
    world.pass(1, 61).await;
    world.began().await;
    world.pass(3, 30).await;
    world.pass(3, 30).await;
    world.clock.asleep(3).await;
    world.stop.cancel();
    let passing = async {
        loop {
            world.clock.pass(GRACE);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = &mut world.task => ended.unwrap(),
        () = passing => {}
    }
    let key = world.store.job("wait").unwrap().key;
    let runs = world.store.job_runs(key, 10).unwrap();
    assert_eq!(runs[0].skipped, Some(SkipReason::StillRunning), "{runs:?}");
    // With another attempt in front of it.
    assert_eq!(runs[2].state, RunState::Interrupted, "{runs:?}");
}

/// The end of a run whose process is ended, and what its message begins with. `again` is whether it is tried again.
async fn check_stopped(prompt: &str, expect: RunState, says: &str, again: bool) {
    let mut world = World::new(&[prompt]);
    world.pass(1, 61).await;
    world.began().await;
    world.clock.asleep(3).await;
    world.stop.cancel();
    let run = world.ended().await;
    world.task.await.unwrap();
    assert_eq!(run.state, expect, "{prompt}");
    let message = run.message.unwrap_or_default();
    assert!(message.starts_with(says), "{prompt}: {message}");
    let key = world.store.job(prompt).unwrap().key;
    let runs = world.store.job_runs(key, 10).unwrap().into_iter();
    let waiting = runs.filter(|run| (run.attempt, run.state) == (2, RunState::Waiting));
    assert_eq!(waiting.count(), usize::from(again), "{prompt}");
}

#[tokio::test]
async fn it_ends_when_its_runs_have_and_they_are_tried_again() {
    check_stopped("obey", RunState::Interrupted, "boxagnts was ended", true).await;
    // What would end in the same way again is not.
    check_stopped("finish", RunState::Done, "", false).await;
    check_stopped("exceed", RunState::Limit, "", false).await;
    check_stopped("break", RunState::Failed, "the workspace is gone", false).await;
}

#[tokio::test]
async fn what_its_user_wants_no_more_is_ended_within_seconds() {
    let mut world = World::new(&["obey"]);
    world.pass(1, 61).await;
    world.began().await;
    world.pass(3, 3).await;
    world.clock.asleep(3).await;
    let now_ms = to_ms(world.clock.now());
    assert!(world.store.cancel_job("obey", now_ms).unwrap());
    world.clock.pass(LOOK_AGAIN);
    let run = world.ended().await;
    assert_eq!((run.state, run.message), (RunState::Cancelled, None));
    let key = world.store.job("obey").unwrap().key;
    assert_eq!(world.store.job_runs(key, 10).unwrap().len(), 1);
    assert!(!world.store.cancel_job("obey", now_ms).unwrap());

    // Removed: nothing is written down.
    world.pass(1, 61).await;
    world.began().await;
    world.clock.asleep(3).await;
    world.store.remove_job("obey", true).unwrap();
    world.clock.pass(LOOK_AGAIN);
    // The engine alone is left.
    world.clock.asleep(1).await;
    world.stop.cancel();
    world.task.await.unwrap();
    assert_eq!(world.happened.recv().await, None);
}

#[tokio::test]
async fn what_was_begun_by_hand_is_its_users_alone() {
    for (prompt, expect) in [("obey", RunState::Cancelled), ("fail", RunState::Failed)] {
        let world = World::new(&[prompt]);
        world.stop.cancel();
        world.task.await.unwrap();
        let begun = crate::begin_now(&world.store, prompt, start()).unwrap();
        let (store, stop) = (Arc::clone(&world.store), CancellationToken::new());
        let (engine, _) = Engine::new(store, Scope::All, world.clock, Arc::new(Fake));
        if prompt == "obey" {
            stop.cancel();
        }
        let run = engine.run_once(begun, stop).await.unwrap();
        assert_eq!(run.state, expect);
        let key = world.store.job(prompt).unwrap().key;
        assert_eq!(world.store.job_runs(key, 10).unwrap().len(), 1, "{prompt}");
    }
}
