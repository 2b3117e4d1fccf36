//! Sessions as they are listed, read, named and branched off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry of the result of `SESSIONS` and of `boxagnts session list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSummary {
    /// The session.
    pub session: String,
    /// First words of its first prompt, or what the user calls it.
    pub title: String,
    /// Absolute path of its workspace.
    pub workspace: String,
    /// `provider:model`.
    pub model: String,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// Where its past comes from, when that is another session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SessionOrigin>,
    /// Hunks that wait for a decision, as the journal was last told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: u64,
    /// With a search: the place that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where the past of a session comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionOrigin {
    /// How it was taken over.
    pub kind: OriginKind,
    /// The other session, which may be gone, or in the journal of somebody else.
    pub session: String,
    /// Events that were taken over: the first ones.
    pub events: u64,
}

/// How a session took over the past of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// It was forked from it.
    Fork,
    /// It was imported from a file.
    Import,
    /// It is the session of an executor, and the other one's turn wanted it; no event is taken over.
    Executor,
}

/// Parameters of `HISTORY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryParams {
    /// The session.
    pub session: String,
    /// Only what is behind this event: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many events; 500 when absent, and never more than 5,000. A page ends earlier when it
    /// has 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Result of `HISTORY`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryResult {
    /// The session.
    pub session: SessionSummary,
    /// Its events in order: what `boxagnts/update` told of each, and `at_ms`, milliseconds since the
    /// Unix epoch. Events of another version of the program are among them as they are.
    pub updates: Vec<serde_json::Value>,
    /// What to give as `after` for the next page; absent behind the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Parameters of `RENAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameParams {
    /// The session.
    pub session: String,
    /// Its new title.
    pub title: String,
}

/// Parameters of `FORK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkParams {
    /// The session.
    pub session: String,
    /// The last turn of the past that is taken over; all that have ended when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
}
