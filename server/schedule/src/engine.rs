//! Runs the jobs of a journal at their times, for as long as a process is up.

use crate::board::{Board, Ended, Scope};
use crate::clock::Clock;
use crate::runner::{DROPPED, Runner, RunningJob};
use boxagnts_protocol::schedule::{Job, JobRun, RunState};
use boxagnts_session::store::{Begun, Store, StoreError};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long it sleeps at most: clocks change, machines sleep, and other processes set up jobs.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How long a run that was cancelled may take to end before it is dropped: longer than runners take that
/// drop a turn themselves and wait for what it spent.
const GRACE: Duration = Duration::from_secs(40);
/// How often it is looked whether a run is to go on.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// How long to wait before an end is written down again that could not be.
const AGAIN: Duration = Duration::from_secs(5);
/// How often that is tried when the process is to end.
const LAST_TRIES: u32 = 3;
/// Runs at the same time in one process.
const MOST_AT_ONCE: usize = 4;

/// What an engine does, for who shows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// A run begins.
    Began {
        /// Its job.
        job: Job,
        /// Its time, in milliseconds since the Unix epoch.
        due_ms: u64,
        /// 1, or more for a retry.
        attempt: u32,
    },
    /// A run ended, or was found to have been interrupted.
    Ended {
        /// Its job.
        job: Job,
        /// What became of it.
        run: JobRun,
    },
}

/// What the tasks of an engine share.
struct Shared {
    board: Board,
    clock: Arc<dyn Clock>,
    runner: Arc<dyn Runner>,
    listener: UnboundedSender<Happened>,
}

/// Runs jobs at their times.
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// An engine for these jobs, and what it tells of them.
    pub fn new(
        store: Arc<Store>,
        scope: Scope,
        clock: Arc<dyn Clock>,
        runner: Arc<dyn Runner>,
    ) -> (Engine, UnboundedReceiver<Happened>) {
        let (listener, happened) = unbounded_channel();
        let shared = Arc::new(Shared {
            board: Board::new(store, scope),
            clock,
            runner,
            listener,
        });
        (Engine { shared }, happened)
    }

    /// Runs jobs until `stop`; then cancels those that run, and returns when it is written down how
    /// they ended. Must be called inside a tokio runtime.
    pub async fn run(self, stop: CancellationToken) {
        let shared = self.shared;
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            let room = MOST_AT_ONCE.saturating_sub(running.len());
            let (begun, sleep) = look(&shared, room, &stop).await;
            for begun in begun {
                running.spawn(carry_out(Arc::clone(&shared), begun, stop.clone()));
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(_) = running.join_next() => {}
                () = shared.clock.sleep(sleep) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Carries out one run that its user began by hand. Gives how it ended; `None` when its job was
    /// removed meanwhile.
    pub async fn run_once(self, begun: Begun, stop: CancellationToken) -> Option<JobRun> {
        carry_out(self.shared, begun, stop).await
    }
}

/// What begins now, and how long there is nothing else to do.
async fn look(
    shared: &Arc<Shared>,
    room: usize,
    stop: &CancellationToken,
) -> (Vec<Begun>, Duration) {
    let (now, stop) = (shared.clock.now(), stop.clone());
    let looked = with_board(shared, move |board| {
        board.look(now, room, || stop.is_cancelled())
    });
    let looked = looked.await;
    let look = match looked {
        Ok(look) => look,
        Err(reason) => {
            tracing::error!(%reason, "cannot look at the scheduled tasks");
            return (Vec::new(), LONGEST_SLEEP);
        }
    };
    for (job, run) in look.interrupted {
        let _ = shared.listener.send(Happened::Ended { job, run });
    }
    let next = look.next.map_or(LONGEST_SLEEP, |next| until(now, next));
    (look.begun, next.min(LONGEST_SLEEP))
}

/// How long from `now` to `next`, rounded up: a sleep that ends before would find nothing to do.
fn until(now: Timestamp, next: Timestamp) -> Duration {
    let left = Duration::try_from(next.duration_since(now)).unwrap_or_default();
    left + Duration::from_millis(1)
}

/// Carries a run out and writes down how it ended.
async fn carry_out(shared: Arc<Shared>, begun: Begun, stop: CancellationToken) -> Option<JobRun> {
    let _ = shared.listener.send(Happened::Began {
        job: begun.job.clone(),
        due_ms: begun.claimed.due_ms,
        attempt: begun.claimed.attempt,
    });
    let ended = watch(&shared, &begun, &stop).await;
    let mut tries = 0;
    loop {
        let (written, end, now) = (begun.clone(), ended.clone(), shared.clock.now());
        match with_board(&shared, move |board| board.end(&written, &end, now)).await {
            Ok(None) => {
                tracing::info!(job = %begun.job.name, "a task was removed while it ran");
                return None;
            }
            Ok(Some(run)) => {
                let (job, told) = (begun.job, run.clone());
                let _ = shared.listener.send(Happened::Ended { job, run: told });
                return Some(run);
            }
            Err(reason) => {
                tracing::error!(job = %begun.job.name, %reason, "cannot write down how a run ended");
                tries += 1;
                // Whoever comes next finds a run of a process that is gone.
                if stop.is_cancelled() && tries >= LAST_TRIES {
                    return None;
                }
                shared.clock.sleep(AGAIN).await;
            }
        }
    }
}

/// Waits for a run's end, and ends it when it takes too long, its user wants it no more, or the process
/// is to end.
async fn watch(shared: &Arc<Shared>, begun: &Begun, stop: &CancellationToken) -> Ended {
    let running = RunningJob::new(begun.clone(), Arc::clone(shared.board.store()));
    let (cancel, runner) = (CancellationToken::new(), Arc::clone(&shared.runner));
    let cancelled = cancel.clone();
    // A task of its own: a panic ends this run and nothing else.
    let run = tokio::spawn(async move { runner.run(&running, &cancelled).await });
    let mut run = AbortOnDropHandle::new(run);
    let timeout = Duration::from_millis(begun.job.spec.timeout_ms);
    let why = tokio::select! {
        biased;
        ended = &mut run => return ended.unwrap_or_else(|error| panicked(&error)),
        () = stop.cancelled() => stopped(begun),
        () = unwanted(shared, begun) => Ended::new(RunState::Cancelled),
        () = shared.clock.sleep(timeout) => Ended::new(RunState::Timeout),
    };
    cancel.cancel();
    tokio::select! {
        biased;
        ended = &mut run => match ended {
            // It was about to end by itself.
            Ok(ended) if ended.state == RunState::Done => ended,
            // Another attempt would end as this one, whoever ended the process.
            Ok(ended)
                if why.state == RunState::Interrupted
                    && matches!(ended.state, RunState::Limit | RunState::Failed) =>
            {
                ended
            }
            Ok(ended) if ended.state == RunState::Cancelled => Ended {
                message: ended.message.or(why.message),
                ..why
            },
            _ => why,
        },
        () = shared.clock.sleep(GRACE) => {
            tracing::error!(job = %begun.job.name, "a run did not end when it was cancelled");
            Ended {
                message: Some(DROPPED.to_owned()),
                ..why
            }
        }
    }
}

/// What becomes of a run when whoever runs it is to end: nobody but its user cancels it, and a user who
/// began it has ended it now.
fn stopped(begun: &Begun) -> Ended {
    if begun.by_hand {
        return Ended::new(RunState::Cancelled);
    }
    Ended {
        message: Some("boxagnts was ended, or its folder was closed".to_owned()),
        ..Ended::new(RunState::Interrupted)
    }
}

/// Ends when a run is not to go on: its user cancelled it, or removed its job.
async fn unwanted(shared: &Arc<Shared>, begun: &Begun) {
    loop {
        shared.clock.sleep(LOOK_AGAIN).await;
        let claimed = begun.claimed.clone();
        match with_board(shared, move |board| board.store().is_wanted(&claimed)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(reason) => {
                tracing::warn!(job = %begun.job.name, %reason, "cannot tell whether a run is wanted");
            }
        }
    }
}

fn panicked(error: &tokio::task::JoinError) -> Ended {
    tracing::error!(%error, "a run stopped");
    Ended::failed(
        "an internal error ended the run; the log has the details",
        false,
    )
}

/// Works with the journal where it holds up nobody.
async fn with_board<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Board) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, String> {
    let shared = Arc::clone(shared);
    match tokio::task::spawn_blocking(move || work(&shared.board)).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
