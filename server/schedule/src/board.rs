//! The jobs of a journal as one process sees them: decides on their times, begins their runs, and
//! writes down how they ended. It knows no task and no clock: callers say what time it is.

use crate::clock::{from_ms, to_ms};
use crate::plan;
use crate::retry;
use crate::times::Times;
use boxagnts_protocol::schedule::{Job, JobRun, RunState};
use boxagnts_session::store::{Begun, Claimed, Jobs, RunEnd, Store, StoreError, StoredJob};
use jiff::Timestamp;
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Whose jobs a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of every folder.
    All,
    /// Those of one workspace folder, by its absolute path without links.
    Workspace(String),
}

impl Scope {
    /// The jobs of a workspace folder.
    pub fn workspace(root: &Path) -> Scope {
        Scope::Workspace(root.display().to_string())
    }

    fn folder(&self) -> Option<&str> {
        match self {
            Scope::All => None,
            Scope::Workspace(folder) => Some(folder),
        }
    }
}

/// The jobs of a journal.
pub(crate) struct Board {
    store: Arc<Store>,
    scope: Scope,
    /// What was said of jobs that cannot run: once is enough.
    told: Mutex<HashSet<String>>,
}

/// What a look at the jobs brought.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Runs that begin now.
    pub(crate) begun: Vec<Begun>,
    /// Runs of killed processes that were found to have ended.
    pub(crate) interrupted: Vec<(Job, JobRun)>,
    /// The earliest moment at which there is something to do.
    pub(crate) next: Option<Timestamp>,
}

/// How a run ended, as its runner says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// `Done`, `Limit`, `Cancelled`, `Failed`, `Timeout` or `Interrupted`.
    pub state: RunState,
    /// What else is to be said.
    pub message: Option<String>,
    /// Whether the same may work later, after a failure.
    pub may_pass: bool,
}

impl Ended {
    /// An end of that state, of which nothing else is to be said.
    pub fn new(state: RunState) -> Ended {
        Ended {
            state,
            message: None,
            may_pass: false,
        }
    }

    /// A failure.
    pub fn failed(message: impl Into<String>, may_pass: bool) -> Ended {
        Ended {
            state: RunState::Failed,
            message: Some(message.into()),
            may_pass,
        }
    }
}

impl Board {
    pub(crate) fn new(store: Arc<Store>, scope: Scope) -> Board {
        Board {
            store,
            scope,
            told: Mutex::default(),
        }
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Decides on what is due, and begins at most `room` runs, and nothing more as soon as `over` says
    /// that the process is to end.
    ///
    /// # Errors
    /// The journal cannot be read or written, and nothing was begun. What was begun before a failure is
    /// given, and the look ends there.
    pub(crate) fn look(
        &self,
        now: Timestamp,
        room: usize,
        over: impl Fn() -> bool,
    ) -> Result<Look, StoreError> {
        let mut look = Look {
            interrupted: end_interrupted(&self.store, now)?,
            ..Look::default()
        };
        let Jobs { jobs, unreadable } = self.store.jobs(self.scope.folder())?;
        for job in unreadable {
            self.tell_once(&job.name, &job.to_string());
        }
        for stored in jobs {
            if over() {
                break;
            }
            if stored.job.paused {
                continue;
            }
            let spec = &stored.job.spec;
            let times = match Times::new(&spec.cron, &spec.zone) {
                Ok(times) => times,
                Err(error) => {
                    // It was good when it was set up: the zones of this machine may be others.
                    self.tell_once(&stored.job.name, &error.to_string());
                    continue;
                }
            };
            let may_begin = || look.begun.len() < room && !over();
            match self.look_at(&stored, &times, now, may_begin) {
                Ok((begun, next)) => {
                    look.begun.extend(begun);
                    look.next = look.next.into_iter().chain(next).min();
                }
                // Those before it have begun, and want to be run.
                Err(error) if !look.begun.is_empty() => {
                    tracing::error!(job = %stored.job.name, %error, "a task cannot be looked at");
                    return Ok(look);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(look)
    }

    /// Decides on what is due of one job and begins a run of it, if it may; and when to look again.
    fn look_at(
        &self,
        stored: &StoredJob,
        times: &Times,
        now: Timestamp,
        may_begin: impl Fn() -> bool,
    ) -> Result<(Option<Begun>, Option<Timestamp>), StoreError> {
        self.decide(stored, times, now)?;
        // First: a run that has begun must not be lost by what fails behind it.
        let waiting = self.store.next_waiting(stored.key)?.map(from_ms);
        let waiting = waiting.filter(|at| *at > now);
        let next = times.after(now).into_iter().chain(waiting).min();
        let begun = match may_begin() {
            true => self.begin(stored, times, now)?,
            false => None,
        };
        Ok((begun, next))
    }

    fn tell_once(&self, job: &str, reason: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(format!("{job}: {reason}")) {
            tracing::warn!(job, reason, "a scheduled task cannot run");
        }
    }

    fn decide(&self, stored: &StoredJob, times: &Times, now: Timestamp) -> Result<(), StoreError> {
        let catch_up = stored.job.spec.catch_up;
        let Some(plan) = plan::plan(times, catch_up, (stored.since_ms, stored.decided_ms), now)
        else {
            return Ok(());
        };
        // Where somebody else was faster, the times are theirs.
        self.store.decide_firings(
            stored.key,
            stored.decided_ms,
            plan.decided_ms,
            &plan.firings,
            to_ms(now),
        )?;
        Ok(())
    }

    fn begin(
        &self,
        stored: &StoredJob,
        times: &Times,
        now: Timestamp,
    ) -> Result<Option<Begun>, StoreError> {
        let day = times.start_of_day(now);
        self.store.begin_run(stored.key, to_ms(now), to_ms(day))
    }

    /// Writes down how a run of this process ended. `None` when its job was removed meanwhile.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub(crate) fn end(
        &self,
        begun: &Begun,
        ended: &Ended,
        now: Timestamp,
    ) -> Result<Option<JobRun>, StoreError> {
        let retry = match ended.state {
            RunState::Failed => ended.may_pass,
            RunState::Interrupted => true,
            _ => false,
        };
        let end = RunEnd {
            state: ended.state,
            message: ended.message.clone(),
            ended_ms: to_ms(now),
            retry_ms: retry
                .then(|| retry_ms(&begun.job, &begun.claimed, now))
                .flatten(),
        };
        self.store.end_run(&begun.claimed, &end)
    }
}

/// Ends the runs of killed processes in the journal; those with attempts left are tried again.
///
/// # Errors
/// The journal cannot be read or written.
pub fn end_interrupted(store: &Store, now: Timestamp) -> Result<Vec<(Job, JobRun)>, StoreError> {
    store.end_interrupted_runs(to_ms(now), |job, run| retry_ms(job, run, now))
}

fn retry_ms(job: &Job, run: &Claimed, now: Timestamp) -> Option<u64> {
    let wait = retry::wait(run, job.spec.retries)?;
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Some(to_ms(now).saturating_add(wait))
}

#[cfg(test)]
mod tests;
