//! Runs of scheduled tasks: claimed once, begun by one process that others can see live, ended with
//! what they used.

use super::row::{self, COLUMNS, Word};
use super::{Firing, FiringKind, stored, unknown};
use crate::error::StoreError;
use crate::manage;
use crate::store::{Store, key as session_key};
use boxagnts_protocol::schedule::{Allowance, CatchUp, Job, JobRun, RunState, SkipReason};
use boxagnts_protocol::update::SessionEvent;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// How late a retry still begins of a job that makes up for nothing.
const RETRY_KEPT_MS: u64 = 5 * 60_000;

/// A run that this process has begun, or is to say the end of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claimed {
    /// Key of the job.
    pub key: i64,
    /// Its time, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// 1, or more for a retry.
    pub attempt: u32,
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// Which one.
    pub claimed: Claimed,
    /// Its job, as it is at this moment.
    pub job: Job,
    /// What it may use: the job's allowance for one run, or what is left of the day's when that is
    /// less.
    pub may_use: Allowance,
    /// Whether its user began it, whatever its times are.
    pub by_hand: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// One of the states that are an end.
    pub state: RunState,
    /// What else is to be said.
    pub message: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub ended_ms: u64,
    /// When it is tried again; `None` when it is not. What a user began by hand or cancelled never is.
    pub retry_ms: Option<u64>,
}

/// What the journal says of a session: what it used, and what waits in it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SessionFacts {
    /// Tokens of all answers.
    pub tokens: u64,
    /// US dollars, where prices were known.
    pub cost_usd: Option<f64>,
    /// Hunks that wait.
    pub hunks: u64,
}

impl Store {
    /// Begins the next run of a job that waits for its time, when none of the job runs. `day_ms` is when
    /// the day began in the job's zone. Times for which nothing is left of the day's allowance are
    /// skipped, and so are late retries of a job that makes up for nothing.
    ///
    /// # Errors
    /// The journal cannot be written, or others cannot be shown that this process lives.
    pub fn begin_run(
        &self,
        key: i64,
        now_ms: u64,
        day_ms: u64,
    ) -> Result<Option<Begun>, StoreError> {
        self.write(|transaction| {
            let Some(job) = job(transaction, key)?.filter(|job| !job.paused) else {
                return Ok(None);
            };
            if self.has_running(transaction, key)? {
                return Ok(None);
            }
            if job.spec.catch_up == CatchUp::Skip {
                skip_late_retries(transaction, key, now_ms)?;
            }
            let next: Option<(u64, u32)> = transaction
                .prepare_cached(
                    "SELECT due_ms, attempt FROM job_runs
                     WHERE job = ?1 AND state = 'waiting' AND not_before_ms <= ?2
                     ORDER BY due_ms, attempt LIMIT 1",
                )?
                .query_row(params![key, now_ms], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((due_ms, attempt)) = next else {
                return Ok(None);
            };
            let Some(may_use) = left(transaction, key, &job, day_ms)? else {
                skip_waiting(transaction, key, 1, SkipReason::Budget, now_ms)?;
                return Ok(None);
            };
            let claimed = Claimed {
                key,
                due_ms,
                attempt,
            };
            let owner = self.owner.register(transaction)?;
            transaction
                .prepare_cached(
                    "UPDATE job_runs SET state = 'running', owner = ?4, started_ms = ?5
                     WHERE job = ?1 AND due_ms = ?2 AND attempt = ?3",
                )?
                .execute(params![key, due_ms, attempt, owner, now_ms])?;
            Ok(Some(Begun {
                claimed,
                job,
                may_use,
                by_hand: false,
            }))
        })
    }

    /// Begins a run of a job at once, as its user wishes, paused or not. `now_ms` is its time.
    ///
    /// # Errors
    /// No such job, one that runs, one that has used up its allowance for the day, or a journal that
    /// cannot be written.
    pub fn begin_run_now(&self, name: &str, now_ms: u64, day_ms: u64) -> Result<Begun, StoreError> {
        self.write(|transaction| {
            let (key, _) = super::find(transaction, name)?;
            let job = job(transaction, key)?.ok_or_else(|| unknown(name))?;
            if self.has_running(transaction, key)? {
                return Err(StoreError::JobRunning {
                    job: name.to_owned(),
                });
            }
            let Some(may_use) = left(transaction, key, &job, day_ms)? else {
                return Err(StoreError::JobBudget {
                    job: name.to_owned(),
                });
            };
            let owner = self.owner.register(transaction)?;
            // Of two within one millisecond the second one comes a little later.
            let due_ms: u64 = transaction.query_row(
                "SELECT max(?2, 1 + coalesce((SELECT max(due_ms) FROM job_runs
                                              WHERE job = ?1 AND due_ms BETWEEN ?2 AND ?2 + 1000), 0))",
                params![key, now_ms],
                |row| row.get(0),
            )?;
            transaction.execute(
                "INSERT INTO job_runs
                   (job, due_ms, attempt, state, owner, not_before_ms, started_ms, by_hand)
                 VALUES (?1, ?2, 1, 'running', ?3, ?2, ?4, 1)",
                params![key, due_ms, owner, now_ms],
            )?;
            Ok(Begun {
                claimed: Claimed {
                    key,
                    due_ms,
                    attempt: 1,
                },
                job,
                may_use,
                by_hand: true,
            })
        })
    }

    /// Whether a run of this process is to go on: its job is there, and nobody cancelled it.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn is_wanted(&self, run: &Claimed) -> Result<bool, StoreError> {
        let wanted = self
            .connection()
            .prepare_cached(
                "SELECT 1 FROM job_runs WHERE job = ?1 AND due_ms = ?2 AND attempt = ?3
                   AND state = 'running' AND owner = ?4 AND NOT unwanted",
            )?
            .exists(params![run.key, run.due_ms, run.attempt, self.owner.id()])?;
        Ok(wanted)
    }

    /// Keeps which session a run has, so that it is known even when this process is killed.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn set_run_session(&self, run: &Claimed, session: &str) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(
                "UPDATE job_runs SET session = ?4 WHERE job = ?1 AND due_ms = ?2 AND attempt = ?3",
            )?
            .execute(params![run.key, run.due_ms, run.attempt, session])?;
        Ok(())
    }

    /// Says how a run of this process ended; what it used and left is what the journal says of its
    /// session. Gives the run as it is now, or `None` when its job was removed meanwhile.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn end_run(&self, run: &Claimed, end: &RunEnd) -> Result<Option<JobRun>, StoreError> {
        self.write(|transaction| {
            let ours = transaction
                .prepare_cached(
                    "SELECT 1 FROM job_runs WHERE job = ?1 AND due_ms = ?2 AND attempt = ?3
                       AND state = 'running' AND owner = ?4",
                )?
                .exists(params![run.key, run.due_ms, run.attempt, self.owner.id()])?;
            if !ours {
                return Ok(None);
            }
            end_run(transaction, run, end)?;
            one(transaction, run)
        })
    }

    /// Ends the runs of killed processes, and gives those whose job this version can read. `retry` says
    /// when one is tried again.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn end_interrupted_runs(
        &self,
        now_ms: u64,
        retry: impl Fn(&Job, &Claimed) -> Option<u64>,
    ) -> Result<Vec<(Job, JobRun)>, StoreError> {
        let others = "SELECT job, due_ms, attempt, owner FROM job_runs
                      WHERE state = 'running' AND owner <> ?1";
        let any = self
            .connection()
            .prepare_cached(others)?
            .exists([self.owner.id()])?;
        // Mostly nobody else is at work, and then nobody is held up.
        if !any {
            return Ok(Vec::new());
        }
        self.write(|transaction| {
            let running: Vec<(Claimed, String)> = transaction
                .prepare_cached(others)?
                .query_map([self.owner.id()], |row| {
                    let claimed = Claimed {
                        key: row.get(0)?,
                        due_ms: row.get(1)?,
                        attempt: row.get(2)?,
                    };
                    Ok((claimed, row.get(3)?))
                })?
                .collect::<Result<_, _>>()?;
            let mut ended = Vec::new();
            for (claimed, owner) in running {
                if self.owner.lives(&owner, transaction) {
                    continue;
                }
                let job = match job(transaction, claimed.key) {
                    // It is not tried again here, but it ends: nothing of it holds up other tasks.
                    Err(StoreError::UnreadableJob(_)) => None,
                    job => job?,
                };
                let end = RunEnd {
                    state: RunState::Interrupted,
                    message: None,
                    ended_ms: now_ms,
                    retry_ms: job.as_ref().and_then(|job| retry(job, &claimed)),
                };
                end_run(transaction, &claimed, &end)?;
                let run = one(transaction, &claimed)?;
                ended.extend(job.zip(run));
            }
            Ok(ended)
        })
    }

    /// The runs of a job, the latest time first, at most `limit` of them.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn job_runs(&self, key: i64, limit: usize) -> Result<Vec<JobRun>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM job_runs WHERE job = ?1
             ORDER BY due_ms DESC, attempt DESC LIMIT ?2"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let runs = statement.query_map(params![key, limit], row::run)?;
        Ok(runs.collect::<Result<_, _>>()?)
    }

    /// When the first of the runs that wait may begin, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn next_waiting(&self, key: i64) -> Result<Option<u64>, StoreError> {
        let next = self
            .connection()
            .prepare_cached(
                "SELECT min(not_before_ms) FROM job_runs WHERE job = ?1 AND state = 'waiting'",
            )?
            .query_row([key], |row| row.get(0))?;
        Ok(next)
    }

    /// What the journal says of a session: what it used, and what waits in it.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be read.
    pub fn session_facts(&self, session: &str) -> Result<SessionFacts, StoreError> {
        facts(&self.connection(), session)
    }

    /// Whether a run of the job has not ended, or is to begin at the first attempt.
    pub(super) fn is_busy(
        &self,
        transaction: &Transaction<'_>,
        key: i64,
    ) -> Result<bool, StoreError> {
        let waiting = transaction
            .prepare_cached(
                "SELECT 1 FROM job_runs WHERE job = ?1 AND state = 'waiting' AND attempt = 1",
            )?
            .exists([key])?;
        Ok(waiting || self.has_running(transaction, key)?)
    }

    /// Whether a process that lives runs the job.
    pub(super) fn has_running(
        &self,
        transaction: &Transaction<'_>,
        key: i64,
    ) -> Result<bool, StoreError> {
        let owners: Vec<String> = transaction
            .prepare_cached(
                "SELECT coalesce(owner, '') FROM job_runs WHERE job = ?1 AND state = 'running'",
            )?
            .query_map([key], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(owners
            .iter()
            .any(|owner| self.owner.lives(owner, transaction)))
    }
}

fn job(transaction: &Transaction<'_>, key: i64) -> Result<Option<Job>, StoreError> {
    let found = transaction
        .prepare_cached(&format!("{} WHERE key = ?1", super::JOB))?
        .query_row([key], stored)
        .optional()?;
    Ok(found.transpose()?.map(|stored| stored.job))
}

fn one(transaction: &Transaction<'_>, run: &Claimed) -> Result<Option<JobRun>, StoreError> {
    let found = transaction
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM job_runs WHERE job = ?1 AND due_ms = ?2 AND attempt = ?3"
        ))?
        .query_row(params![run.key, run.due_ms, run.attempt], row::run)
        .optional()?;
    Ok(found)
}

/// Claims a time, if nobody ever has. Says whether a run came of it.
pub(super) fn claim(
    transaction: &Transaction<'_>,
    key: i64,
    firing: &Firing,
    busy: bool,
    now_ms: u64,
) -> Result<bool, StoreError> {
    let skipped = match firing.what {
        FiringKind::Skip(reason) => Some(reason),
        FiringKind::Run if busy => Some(SkipReason::StillRunning),
        FiringKind::Run | FiringKind::Queue => None,
    };
    let (state, ended) = match skipped {
        Some(_) => (RunState::Skipped, Some(now_ms)),
        None => (RunState::Waiting, None),
    };
    let claimed = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO job_runs
               (job, due_ms, attempt, state, not_before_ms, ended_ms, skipped, missed)
             SELECT ?1, ?2, 1, ?3, ?2, ?4, ?5, ?6 FROM jobs WHERE key = ?1 AND pruned_ms < ?2",
        )?
        .execute(params![
            key,
            firing.due_ms,
            Word(state),
            ended,
            skipped.map(Word),
            firing.missed
        ])?;
    let runs = claimed > 0 && skipped.is_none();
    if runs {
        // Two runs of the same prompt close to each other help nobody.
        skip_waiting(transaction, key, 2, SkipReason::Replaced, now_ms)?;
    }
    Ok(runs)
}

/// Skips retries whose time passed while nobody could begin them.
fn skip_late_retries(
    transaction: &Transaction<'_>,
    key: i64,
    now_ms: u64,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE job_runs SET state = 'skipped', skipped = ?2, ended_ms = ?3
             WHERE job = ?1 AND state = 'waiting' AND attempt > 1 AND not_before_ms < ?4",
        )?
        .execute(params![
            key,
            Word(SkipReason::Missed),
            now_ms,
            now_ms.saturating_sub(RETRY_KEPT_MS)
        ])?;
    Ok(())
}

/// Skips what waits to begin, from that attempt on.
pub(super) fn skip_waiting(
    transaction: &Transaction<'_>,
    key: i64,
    attempt: u32,
    reason: SkipReason,
    now_ms: u64,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE job_runs SET state = 'skipped', skipped = ?3, ended_ms = ?4
             WHERE job = ?1 AND state = 'waiting' AND attempt >= ?2",
        )?
        .execute(params![key, attempt, Word(reason), now_ms])?;
    Ok(())
}

/// Forgets what ended before `before_ms`, but not that it was claimed.
pub(super) fn prune(
    transaction: &Transaction<'_>,
    key: i64,
    before_ms: u64,
) -> Result<(), StoreError> {
    let old = "job = ?1 AND due_ms < ?2 AND state NOT IN ('waiting', 'running')";
    let last: Option<u64> = transaction
        .prepare_cached(&format!("SELECT max(due_ms) FROM job_runs WHERE {old}"))?
        .query_row(params![key, before_ms], |row| row.get(0))?;
    if let Some(last) = last {
        transaction.execute(
            &format!("DELETE FROM job_runs WHERE {old}"),
            params![key, before_ms],
        )?;
        transaction.execute(
            "UPDATE jobs SET pruned_ms = max(pruned_ms, ?2) WHERE key = ?1",
            params![key, last],
        )?;
    }
    Ok(())
}

/// What the next run may use; `None` when nothing is left of the day's allowance.
fn left(
    transaction: &Transaction<'_>,
    key: i64,
    job: &Job,
    day_ms: u64,
) -> Result<Option<Allowance>, StoreError> {
    let (run, day) = (job.spec.per_run, job.spec.per_day);
    let (tokens, usd): (u64, f64) = transaction
        .prepare_cached(
            "SELECT coalesce(sum(tokens), 0), coalesce(sum(cost_usd), 0.0) FROM job_runs
             WHERE job = ?1 AND started_ms >= ?2",
        )?
        .query_row(params![key, day_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let tokens = day.tokens.map(|most| most.saturating_sub(tokens));
    let usd = day.usd.map(|most| most - usd);
    if tokens == Some(0) || usd.is_some_and(|usd| usd <= 0.0) {
        return Ok(None);
    }
    Ok(Some(Allowance {
        tokens: run.tokens.into_iter().chain(tokens).min(),
        usd: run.usd.into_iter().chain(usd).reduce(f64::min),
    }))
}

fn end_run(transaction: &Transaction<'_>, run: &Claimed, end: &RunEnd) -> Result<(), StoreError> {
    let (session, once): (Option<String>, bool) = transaction
        .prepare_cached(
            "SELECT session, by_hand OR unwanted FROM job_runs
             WHERE job = ?1 AND due_ms = ?2 AND attempt = ?3",
        )?
        .query_row(params![run.key, run.due_ms, run.attempt], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let facts = match &session {
        Some(session) => match facts(transaction, session) {
            // Its user may have removed it already.
            Err(StoreError::UnknownSession { .. }) => SessionFacts::default(),
            facts => facts?,
        },
        None => SessionFacts::default(),
    };
    transaction
        .prepare_cached(
            "UPDATE job_runs SET state = ?4, message = ?5, ended_ms = ?6, owner = NULL,
                    tokens = ?7, cost_usd = ?8, hunks = ?9
             WHERE job = ?1 AND due_ms = ?2 AND attempt = ?3",
        )?
        .execute(params![
            run.key,
            run.due_ms,
            run.attempt,
            Word(end.state),
            end.message,
            end.ended_ms,
            facts.tokens,
            facts.cost_usd,
            facts.hunks
        ])?;
    if let Some(retry_ms) = end.retry_ms.filter(|_| !once) {
        // Nothing that waits already: the job's next time came before the failure was known.
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO job_runs (job, due_ms, attempt, state, not_before_ms)
                 SELECT ?1, ?2, ?3, 'waiting', ?4 FROM jobs WHERE key = ?1 AND NOT paused
                   AND NOT EXISTS (SELECT 1 FROM job_runs WHERE job = ?1 AND state = 'waiting')",
            )?
            .execute(params![run.key, run.due_ms, run.attempt + 1, retry_ms])?;
    }
    Ok(())
}

fn facts(connection: &Connection, session: &str) -> Result<SessionFacts, StoreError> {
    let key = session_key(connection, session)?;
    let mut facts = SessionFacts {
        hunks: manage::waiting(connection, key)?,
        ..SessionFacts::default()
    };
    let mut statement = connection.prepare_cached(
        // Its executors answer in sessions of their own.
        r#"SELECT body FROM events WHERE session IN (
             SELECT ?1 UNION ALL SELECT key FROM sessions
             WHERE origin_kind = 'executor' AND origin = (SELECT id FROM sessions WHERE key = ?1))
           AND (substr(body, 1, 24) = '{"event":"model_answered'
             OR substr(body, 1, 51) = '{"event":"nested","inner":{"event":"model_answered"')"#,
    )?;
    let mut rows = statement.query([key])?;
    while let Some(row) = rows.next()? {
        let event = match serde_json::from_str(row.get_ref(0)?.as_str().unwrap_or_default()) {
            Ok(SessionEvent::Nested { inner, .. }) => *inner,
            Ok(event) => event,
            // Another version may have written it.
            Err(_) => continue,
        };
        if let SessionEvent::ModelAnswered {
            usage, cost_usd, ..
        } = event
        {
            facts.tokens = facts.tokens.saturating_add(usage.total());
            if let Some(cost) = cost_usd {
                facts.cost_usd = Some(facts.cost_usd.unwrap_or(0.0) + cost);
            }
        }
    }
    Ok(facts)
}
