//! Scheduled tasks as people and programs see them.

use crate::exit::Failure;
use crate::render;
use crate::terminal::{self, visible};
use boxagnts_protocol::schedule::{Job, JobRun, RunState, SkipReason};
use boxagnts_schedule::Times;
use boxagnts_session::store::{Store, StoredJob, UnreadableJob};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A job with what is known of it, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct JobView {
    #[serde(flatten)]
    pub(super) job: Job,
    /// When it is due next, in milliseconds since the Unix epoch; absent while it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_ms: Option<u64>,
    /// Why its times cannot be read here, so that it never runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    /// What became of its latest time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<JobRun>,
}

impl JobView {
    pub(super) fn of(store: &Store, stored: StoredJob, now: Timestamp) -> Result<JobView, Failure> {
        let spec = &stored.job.spec;
        let times = Times::new(&spec.cron, &spec.zone);
        let problem = times.as_ref().err().map(ToString::to_string);
        let next = times.ok().filter(|_| !stored.job.paused);
        let next = next.and_then(|times| times.after(now));
        Ok(JobView {
            problem,
            last: store.job_runs(stored.key, 1)?.pop(),
            next_ms: next.and_then(|next| u64::try_from(next.as_millisecond()).ok()),
            job: stored.job,
        })
    }

    /// When it is due next, in words.
    pub(super) fn next(&self) -> String {
        match (self.next_ms, &self.problem) {
            (Some(next), _) => moment(next, &self.job.spec.zone),
            (None, _) if self.job.paused => "paused".to_owned(),
            (None, Some(problem)) => format!("never: {problem}"),
            (None, None) => "never".to_owned(),
        }
    }
}

/// A task as `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Listed {
    Job(Box<JobView>),
    /// Another version set it up, and it never runs here.
    Unreadable {
        name: String,
        workspace: String,
        /// Why it cannot be read.
        unreadable: String,
    },
}

impl From<UnreadableJob> for Listed {
    fn from(job: UnreadableJob) -> Listed {
        Listed::Unreadable {
            name: job.name,
            workspace: job.workspace,
            unreadable: job.reason,
        }
    }
}

/// Prints a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    terminal::print(&format!("{}\n", serde_json::to_string(value)?))
}

/// A moment in a job's zone, and on this machine's clock where that shows something else.
pub(crate) fn moment(ms: u64, zone: &str) -> String {
    moment_in(ms, zone, &TimeZone::system())
}

fn moment_in(ms: u64, zone: &str, local: &TimeZone) -> String {
    let at = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX);
    let shown = |zone: TimeZone, format: &str| {
        let at = at.to_zoned_datetime(zone);
        at.strftime(format).to_string()
    };
    let there = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let offset = |zone: &TimeZone| zone.to_offset(at);
    match offset(&there) == offset(local) {
        true => shown(there, "%F %T %Z"),
        false => format!(
            "{} ({} here)",
            shown(there, "%F %T %Z"),
            shown(local.clone(), "%F %T")
        ),
    }
}

/// What became of a time, in words.
pub(crate) fn outcome(run: &JobRun) -> String {
    let how = match run.state {
        RunState::Waiting => "waits",
        RunState::Running => "is running",
        RunState::Done => "done",
        RunState::Limit => "stopped by a limit",
        RunState::Cancelled => "cancelled",
        RunState::Failed => "failed",
        RunState::Timeout => "timed out",
        RunState::Interrupted => "interrupted",
        RunState::Skipped => match run.skipped {
            Some(SkipReason::StillRunning) => "skipped: it was still running",
            Some(SkipReason::Paused) => "skipped: it was paused",
            Some(SkipReason::Budget) => "skipped: the day's allowance was used up",
            Some(SkipReason::Missed) => "missed",
            Some(SkipReason::Replaced) => "skipped: its next time came first",
            None => "skipped",
        },
    };
    let mut parts = vec![how.to_owned()];
    if run.attempt > 1 {
        parts.push(format!("attempt {}", run.attempt));
    }
    if let (Some(started), Some(ended)) = (run.started_ms, run.ended_ms) {
        let took = ended.saturating_sub(started);
        parts.push(render::milliseconds(took as f64));
    }
    if run.missed > 0 {
        parts.push(format!("with {} missed before it", run.missed));
    }
    if run.tokens > 0 {
        parts.push(render::count(run.tokens, "token"));
    }
    if let Some(cost) = run.cost_usd.filter(|cost| *cost > 0.0) {
        parts.push(format!("${cost:.4}"));
    }
    if run.hunks > 0 {
        parts.push(format!("{} to review", render::count(run.hunks, "hunk")));
    }
    if let Some(message) = &run.message {
        parts.push(visible(message).into_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn moments_are_told_in_both_zones() {
        let check = |zone: &str, local: &str, expect: &str| {
            let local = TimeZone::get(local).unwrap();
            assert_eq!(moment_in(1_783_000_000_000, zone, &local), expect);
        };
        check("Europe/Berlin", "Europe/Paris", "2026-07-02 15:46:40 CEST");
        check(
            "Europe/Berlin",
            "Asia/Tokyo",
            "2026-07-02 15:46:40 CEST (2026-07-02 22:46:40 here)",
        );
    }

    #[test]
    fn outcomes_are_told_with_what_they_took() {
        let run = JobRun {
            due_ms: 0,
            attempt: 2,
            state: RunState::Timeout,
            skipped: None,
            missed: 3,
            started_ms: Some(1_000),
            ended_ms: Some(61_000),
            session: None,
            tokens: 1,
            cost_usd: Some(0.5),
            hunks: 2,
            message: Some("it \u{1b}[2J hung".into()),
        };
        assert_eq!(
            outcome(&run),
            "timed out, attempt 2, 60.0 s, with 3 missed before it, 1 token, $0.5000, \
             2 hunks to review, it ␛[2J hung"
        );
        let skipped = JobRun {
            attempt: 1,
            state: RunState::Skipped,
            skipped: Some(SkipReason::Budget),
            missed: 0,
            started_ms: None,
            tokens: 0,
            cost_usd: None,
            hunks: 0,
            message: None,
            ..run
        };
        assert_eq!(
            outcome(&skipped),
            "skipped: the day's allowance was used up"
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_in_json() {
        let listed = Listed::from(UnreadableJob {
            name: "docs".into(),
            workspace: "/w".into(),
            reason: "unknown variant `twice`".into(),
        });
        assert_eq!(
            serde_json::to_value(listed).unwrap(),
            json!({"name": "docs", "workspace": "/w", "unreadable": "unknown variant `twice`"})
        );
    }
}
