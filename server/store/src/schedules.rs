//! Scheduled tasks as their user set them up, and the decisions on their times, which several
//! processes may be about to make at once.

use crate::error::StoreError;
use crate::store::Store;
use boxagnts_protocol::schedule::{Job, JobSpec, SkipReason, WaitingProposal};
use rusqlite::{OptionalExtension, Row, Transaction, params};

mod row;
mod runs;

pub use runs::{Begun, Claimed, RunEnd, SessionFacts};

/// A run's key is its time: whatever a clock does, none begins twice. `since_ms` is when
/// times began to count, `decided_ms` the last one that was decided on, `pruned_ms` the last one whose runs
/// were forgotten.
pub(crate) const SCHEMA: &str = "
CREATE TABLE jobs (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  workspace TEXT NOT NULL,
  spec TEXT NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  since_ms INTEGER NOT NULL,
  decided_ms INTEGER NOT NULL,
  pruned_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE job_runs (
  job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
  due_ms INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  state TEXT NOT NULL,
  owner TEXT,
  not_before_ms INTEGER NOT NULL,
  started_ms INTEGER,
  ended_ms INTEGER,
  session TEXT,
  tokens INTEGER NOT NULL DEFAULT 0,
  cost_usd REAL,
  hunks INTEGER NOT NULL DEFAULT 0,
  skipped TEXT,
  missed INTEGER NOT NULL DEFAULT 0,
  message TEXT,
  PRIMARY KEY (job, due_ms, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_runs_open ON job_runs (job, state) WHERE state IN ('waiting', 'running');
CREATE INDEX job_runs_proposed ON job_runs (session) WHERE hunks > 0;
";

/// What users wished of runs: that one is by hand, that one is to end. And where hunks were counted:
/// servers ask again and again which proposals wait.
pub(crate) const WISHES: &str = r#"
ALTER TABLE job_runs ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job_runs ADD COLUMN unwanted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX events_proposed ON events (session, seq)
  WHERE substr(body, 1, 26) = '{"event":"proposal_changed';
"#;

/// How long ended runs are remembered.
const REMEMBERED_MS: u64 = 90 * 24 * 3_600_000;

/// A job with what only schedulers need.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    /// Its key in the journal; never given to another job.
    pub key: i64,
    /// As its user set it up.
    pub job: Job,
    /// When its times began to count: when it was set up, or resumed.
    pub since_ms: u64,
    /// The last of its times that was decided on, or when it was set up, in milliseconds since the Unix
    /// epoch.
    pub decided_ms: u64,
}

/// The jobs of a journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jobs {
    /// Those that can run, by name.
    pub jobs: Vec<StoredJob>,
    /// Those that another version set up and this one cannot read, by name.
    pub unreadable: Vec<UnreadableJob>,
}

/// A job that another version set up and this one cannot read: it never runs here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read the scheduled task `{name}`: {reason}; use the boxagnts that set it up, or remove it: \
     boxagnts schedule remove {name}"
)]
pub struct UnreadableJob {
    /// Its name.
    pub name: String,
    /// Absolute path of its folder.
    pub workspace: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What is to become of one of a job's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firing {
    /// The time, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// Earlier times that were missed and that this one stands for.
    pub missed: u64,
    /// What becomes of it.
    pub what: FiringKind,
}

/// What becomes of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiringKind {
    /// A run, unless one has not ended.
    Run,
    /// A run, behind those that have not ended.
    Queue,
    /// No run.
    Skip(SkipReason),
}

impl Store {
    /// Keeps a new job. Its times count from `now_ms` on.
    ///
    /// # Errors
    /// A job of that name is there, or the journal cannot be written.
    pub fn add_job(
        &self,
        name: &str,
        workspace: &str,
        spec: &JobSpec,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let body = serde_json::to_string(spec)?;
        let added = self
            .connection()
            .prepare_cached(
                "INSERT OR IGNORE INTO jobs
                   (name, workspace, spec, created_ms, since_ms, decided_ms)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?4)",
            )?
            .execute(params![name, workspace, body, now_ms])?;
        match added {
            0 => Err(StoreError::JobExists {
                job: name.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The jobs, of one workspace or of all.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn jobs(&self, workspace: Option<&str>) -> Result<Jobs, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "{JOB} WHERE ?1 IS NULL OR workspace = ?1 ORDER BY name"
        ))?;
        let mut jobs = Jobs::default();
        for job in statement.query_map([workspace], stored)? {
            match job? {
                Ok(job) => jobs.jobs.push(job),
                Err(unreadable) => jobs.unreadable.push(unreadable),
            }
        }
        Ok(jobs)
    }

    /// The job of that name.
    ///
    /// # Errors
    /// No such job, one that this version cannot read, or a journal that cannot be read.
    pub fn job(&self, name: &str) -> Result<StoredJob, StoreError> {
        let connection = self.connection();
        let found = connection
            .prepare_cached(&format!("{JOB} WHERE name = ?1"))?
            .query_row([name], stored)
            .optional()?;
        Ok(found.ok_or_else(|| unknown(name))??)
    }

    /// Forgets a job and its runs. Their sessions stay. One that runs is forgotten only when `running`
    /// says so; whoever runs it cancels it then ([`Store::is_wanted`]).
    ///
    /// # Errors
    /// No such job, one that runs, or a journal that cannot be written.
    pub fn remove_job(&self, name: &str, running: bool) -> Result<(), StoreError> {
        self.write(|transaction| {
            let (key, _) = find(transaction, name)?;
            if !running && self.has_running(transaction, key)? {
                return Err(StoreError::JobBusy {
                    job: name.to_owned(),
                });
            }
            transaction.execute("DELETE FROM jobs WHERE key = ?1", [key])?;
            Ok(())
        })
    }

    /// Has a job's run end that goes on, by whoever runs it, and those never begin that wait. Says
    /// whether there was any.
    ///
    /// # Errors
    /// No such job, or a journal that cannot be written.
    pub fn cancel_job(&self, name: &str, now_ms: u64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let (key, _) = find(transaction, name)?;
            let waiting = transaction
                .prepare_cached(
                    "UPDATE job_runs SET state = 'cancelled', ended_ms = ?2
                     WHERE job = ?1 AND state = 'waiting'",
                )?
                .execute(params![key, now_ms])?;
            let running = transaction
                .prepare_cached(
                    "UPDATE job_runs SET unwanted = 1 WHERE job = ?1 AND state = 'running'",
                )?
                .execute([key])?;
            Ok(waiting + running > 0)
        })
    }

    /// Has the times of a job pass without a run from now on; what waits to begin is skipped. Says
    /// whether it was not paused already.
    ///
    /// # Errors
    /// No such job, or a journal that cannot be written.
    pub fn pause_job(&self, name: &str, now_ms: u64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let (key, paused) = find(transaction, name)?;
            if paused {
                return Ok(false);
            }
            transaction.execute("UPDATE jobs SET paused = 1 WHERE key = ?1", [key])?;
            runs::skip_waiting(transaction, key, 1, SkipReason::Paused, now_ms)?;
            Ok(true)
        })
    }

    /// Has the times of a job count again from `now_ms` on. `passed` is the last of those that passed
    /// meanwhile, with how many there were before it. Says whether it was paused.
    ///
    /// # Errors
    /// No such job, or a journal that cannot be written.
    pub fn resume_job(
        &self,
        name: &str,
        passed: Option<(u64, u64)>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let (key, paused) = find(transaction, name)?;
            if !paused {
                return Ok(false);
            }
            if let Some((due_ms, missed)) = passed {
                let firing = Firing {
                    due_ms,
                    missed,
                    what: FiringKind::Skip(SkipReason::Paused),
                };
                runs::claim(transaction, key, &firing, false, now_ms)?;
            }
            transaction.execute(
                "UPDATE jobs SET paused = 0, since_ms = ?2, decided_ms = ?2 WHERE key = ?1",
                params![key, now_ms],
            )?;
            Ok(true)
        })
    }

    /// Decides on times of a job: each is claimed once, whoever else is about to. `seen_ms` is what
    /// [`StoredJob::decided_ms`] was when the firings were found, `decided_ms` what it becomes. When
    /// somebody else was faster nothing happens, and it says `false`.
    ///
    /// # Errors
    /// The journal cannot be written; nothing is claimed then.
    pub fn decide_firings(
        &self,
        key: i64,
        seen_ms: u64,
        decided_ms: u64,
        firings: &[Firing],
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let decided = transaction
                .prepare_cached(
                    "UPDATE jobs SET decided_ms = ?3
                     WHERE key = ?1 AND decided_ms = ?2 AND NOT paused",
                )?
                .execute(params![key, seen_ms, decided_ms])?;
            if decided == 0 {
                return Ok(false);
            }
            let mut busy = self.is_busy(transaction, key)?;
            for firing in firings {
                busy |= runs::claim(transaction, key, firing, busy, now_ms)?;
            }
            runs::prune(transaction, key, now_ms.saturating_sub(REMEMBERED_MS))?;
            Ok(true)
        })
    }

    /// The proposals of scheduled tasks that wait for their user, in one workspace or in all, the
    /// latest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn waiting_proposals(
        &self,
        workspace: Option<&str>,
    ) -> Result<Vec<WaitingProposal>, StoreError> {
        let found: Vec<WaitingProposal> = {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT j.name, j.workspace, r.session, coalesce(r.ended_ms, 0)
                 FROM job_runs r JOIN jobs j ON j.key = r.job JOIN sessions s ON s.id = r.session
                 WHERE r.hunks > 0 AND (?1 IS NULL OR j.workspace = ?1)
                 ORDER BY r.ended_ms DESC",
            )?;
            let rows = statement.query_map([workspace], |row| {
                Ok(WaitingProposal {
                    job: row.get(0)?,
                    workspace: row.get(1)?,
                    session: row.get(2)?,
                    hunks: 0,
                    ended_ms: row.get(3)?,
                })
            })?;
            rows.collect::<Result<_, _>>()?
        };
        let mut waiting = Vec::new();
        for mut proposal in found {
            // The user may have decided since.
            proposal.hunks = self.waiting_hunks(&proposal.session)?;
            if proposal.hunks > 0 {
                waiting.push(proposal);
            }
        }
        Ok(waiting)
    }
}

const JOB: &str = "SELECT key, name, workspace, spec, paused, created_ms, since_ms, decided_ms \
                   FROM jobs";

fn stored(row: &Row<'_>) -> rusqlite::Result<Result<StoredJob, UnreadableJob>> {
    let (name, workspace): (String, String) = (row.get(1)?, row.get(2)?);
    let spec = match serde_json::from_str(row.get_ref(3)?.as_str()?) {
        Ok(spec) => spec,
        Err(error) => {
            let reason = error.to_string();
            return Ok(Err(UnreadableJob {
                name,
                workspace,
                reason,
            }));
        }
    };
    Ok(Ok(StoredJob {
        key: row.get(0)?,
        job: Job {
            name,
            workspace,
            paused: row.get(4)?,
            created_ms: row.get(5)?,
            spec,
        },
        since_ms: row.get(6)?,
        decided_ms: row.get(7)?,
    }))
}

/// Key of a job, and whether it is paused.
fn find(transaction: &Transaction<'_>, name: &str) -> Result<(i64, bool), StoreError> {
    transaction
        .prepare_cached("SELECT key, paused FROM jobs WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> StoreError {
    StoreError::UnknownJob {
        job: name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
