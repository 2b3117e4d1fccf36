//! Scheduled tasks: prompts that run at times, without a user, and leave their proposal for review. A
//! job is what the user set up; a run is what became of one of its times.

use crate::update::SessionMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The notification that tells of proposals of scheduled tasks.
pub const METHOD: &str = "boxagnts/schedules";

/// What may be used; absent is not limited here, though still by the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Allowance {
    /// Tokens, in and out together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// US dollars, where the price of the model is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
}

/// What is done about times that passed while nothing could run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing.
    Skip,
    /// One run stands for all of them.
    #[default]
    Once,
    /// The latest ten of them run, one after the other.
    All,
}

/// What a job does, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobSpec {
    /// What the model is asked.
    pub prompt: String,
    /// When: minute, hour, day of the month, month, day of the week, perhaps with seconds before and a
    /// year behind; or a name like `@daily`.
    pub cron: String,
    /// The time zone that `cron` is of, as in `Europe/Berlin`.
    pub zone: String,
    /// `provider:model`; the configured one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `review` or `plan`: nobody is there who could accept.
    pub mode: SessionMode,
    /// Milliseconds after which a run is ended.
    pub timeout_ms: u64,
    /// How often a run that failed for a reason that may pass is tried again.
    pub retries: u32,
    /// What is done about times that were missed.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What one run may use.
    #[serde(default)]
    pub per_run: Allowance,
    /// What all runs of a day may use together, from midnight in the job's zone.
    #[serde(default)]
    pub per_day: Allowance,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// What its user calls it; no two jobs have the same name.
    pub name: String,
    /// Absolute path of the folder that it works in.
    pub workspace: String,
    /// Whether its times pass without a run.
    pub paused: bool,
    /// When it was set up, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What it does, and when.
    #[serde(flatten)]
    pub spec: JobSpec,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It is to begin: at once, or when a retry's time comes.
    Waiting,
    /// It runs in some process.
    Running,
    /// The model said that it is done.
    Done,
    /// A limit stopped it.
    Limit,
    /// Its user cancelled it.
    Cancelled,
    /// A provider or something else failed.
    Failed,
    /// It took longer than the job allows, and was ended.
    Timeout,
    /// The process that ran it ended, or was killed.
    Interrupted,
    /// It never began; [`JobRun::skipped`] says why.
    Skipped,
}

/// Why a time passed without a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The run of an earlier time had not ended.
    StillRunning,
    /// The job was paused.
    Paused,
    /// The job's allowance for the day was used up.
    Budget,
    /// Nothing ran that could have run it.
    Missed,
    /// A retry waited for its time, and the job's next time came first.
    Replaced,
}

/// What became of one of a job's times, or of a retry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobRun {
    /// The time, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// 1, or more for a retry.
    pub attempt: u32,
    /// How far it came.
    pub state: RunState,
    /// Why it never began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReason>,
    /// Earlier times that were missed and have no run of their own; at most 1,000 are counted.
    #[serde(default)]
    pub missed: u64,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    /// When it ended, or was found to have been interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// The session that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Tokens that it used.
    #[serde(default)]
    pub tokens: u64,
    /// US dollars that it cost, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Hunks that waited when it ended.
    #[serde(default)]
    pub hunks: u64,
    /// What else is to be said of how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A proposal that a scheduled task left and that waits for its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingProposal {
    /// The job's name.
    pub job: String,
    /// Absolute path of the folder.
    pub workspace: String,
    /// The session; it can be opened like any other.
    pub session: String,
    /// Hunks that wait at this moment.
    pub hunks: u64,
    /// When the run ended, in milliseconds since the Unix epoch.
    pub ended_ms: u64,
}

/// Parameters of `boxagnts/schedules`, sent when an editor has started, and when a scheduled task ends
/// that left a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchedulesParams {
    /// The proposals that wait, the latest first.
    pub waiting: Vec<WaitingProposal>,
}
