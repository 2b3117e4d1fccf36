//! Parameters and results of the `boxagnts.*` commands.

use crate::proposal::{HunkState, Range};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `boxagnts.ask`: starts a turn and answers at once.
pub const ASK: &str = "boxagnts.ask";
/// `boxagnts.proposal`: what a session proposes.
pub const PROPOSAL: &str = "boxagnts.proposal";
/// `boxagnts.accept`: applies hunks.
pub const ACCEPT: &str = "boxagnts.accept";
/// `boxagnts.reject`: drops hunks.
pub const REJECT: &str = "boxagnts.reject";
/// `boxagnts.cancel`: ends the running turn.
pub const CANCEL: &str = "boxagnts.cancel";
/// `boxagnts.sessions`: the sessions of this workspace.
pub const SESSIONS: &str = "boxagnts.sessions";

/// A document by URI, as in LSP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextDocument {
    /// Its URI.
    pub uri: String,
}

/// Parameters of [`ASK`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskParams {
    /// What the user wants.
    pub prompt: String,
    /// The document that the user looks at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_document: Option<TextDocument>,
    /// The selection in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// The session to continue; a new one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// For a new session: settings of its own over those of the editor, with the same keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Value>,
}

/// Result of [`ASK`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskResult {
    /// The session.
    pub session: String,
    /// The turn that was started, numbered from 1 in its session.
    pub turn: u64,
}

/// Parameters of commands that take a session alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionParams {
    /// The session.
    pub session: String,
}

/// Parameters of [`ACCEPT`] and [`REJECT`]. Exactly one of `hunks`, `files`, `all` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideParams {
    /// The session.
    pub session: String,
    /// Hunk ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hunks: Option<Vec<String>>,
    /// File URIs, or paths relative to the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
    /// `true` for everything that is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// With reject: why. The model is told in the next turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Result of [`ACCEPT`] and [`REJECT`]: the commands answer at once; an accepted hunk becomes
/// `accepted` once the editor's text proves it, which an update tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecideResult {
    /// The session.
    pub session: String,
    /// The hunks that the decision covers, with their state at this moment.
    pub hunks: Vec<HunkStatus>,
}

/// A hunk's state in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HunkStatus {
    /// The hunk.
    pub id: String,
    /// Its state.
    pub state: HunkState,
    /// Why it is not what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One entry of the result of [`SESSIONS`] and of `boxagnts session list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionSummary {
    /// The session.
    pub session: String,
    /// First words of its first prompt.
    pub title: String,
    /// Absolute path of its workspace.
    pub workspace: String,
    /// `provider:model`.
    pub model: String,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub updated_ms: u64,
}
