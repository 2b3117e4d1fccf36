//! What the user reviews: changed files and their hunks.

use crate::update::SessionMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of one hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HunkState {
    /// Awaits a decision.
    Pending,
    /// Accepted and found in the user's text.
    Accepted,
    /// Rejected; the tools no longer see it.
    Rejected,
    /// The user's text changed at the same place, or something else is proposed there: needs a look.
    Conflicted,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A new file.
    Create,
    /// Changed content.
    Modify,
    /// Removed.
    Delete,
    /// Moved, perhaps with changed content.
    Rename,
}

/// A position as in LSP: zero-based line and character in UTF-16 code units.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Position {
    /// Zero-based line.
    pub line: u32,
    /// Zero-based offset in the line, in UTF-16 code units.
    pub character: u32,
}

/// A half-open range of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Range {
    /// First position.
    pub start: Position,
    /// Position behind the last.
    pub end: Position,
}

/// One reviewable change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hunk {
    /// Stable within the session, e.g. `h3`.
    pub id: String,
    /// Its state.
    pub state: HunkState,
    /// Where it applies in the file as the user has it **now** (pending, conflicted), or had when
    /// it was decided. Always at line starts.
    pub range: Range,
    /// The text that it replaces; empty for a pure insertion, and for the whole-file hunks of
    /// binary files and moves.
    pub old_text: String,
    /// The text that it puts there.
    pub new_text: String,
    /// For hunks that conflict: what the user has there by now, or what else is proposed there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub live_text: Option<String>,
    /// For whole-file hunks (create, delete, move, binary): what it does, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// The tool call that made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// The task of the executor that made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub executor: Option<String>,
}

/// The proposed change of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileProposal {
    /// The file's URI: where it will be after the change.
    pub uri: String,
    /// The same, relative to the workspace, `/`-separated.
    pub path: String,
    /// For a move: where it was, relative to the workspace.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
    /// What happens to it.
    pub kind: ChangeKind,
    /// The hunks, in file order; decided ones stay listed.
    pub hunks: Vec<Hunk>,
}

/// State of a session as its user sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// A turn runs.
    Running,
    /// No turn runs and hunks wait for a decision.
    Review,
    /// No turn runs, nothing waits.
    Idle,
}

/// Everything that a session proposes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// The session.
    pub session: String,
    /// Its state.
    pub state: SessionState,
    /// Its mode.
    pub mode: SessionMode,
    /// Changed files, sorted by path.
    pub files: Vec<FileProposal>,
    /// Where the next page begins; absent behind the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Files with hunks that wait, on all pages.
    pub waiting_files: u64,
    /// Hunks that wait and fit, on all pages.
    pub pending: u64,
    /// Hunks that wait and conflict, on all pages.
    pub conflicted: u64,
}
