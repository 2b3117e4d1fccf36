//! Parameters and results of the `boxagnts.*` commands.

mod sessions;
mod usage;

use crate::proposal::{HunkState, Range};
use crate::update::SessionMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use sessions::{
    ForkParams, HistoryParams, HistoryResult, OriginKind, RenameParams, SessionOrigin,
    SessionSummary,
};
pub use usage::{UnpricedCalls, UsageBy, UsageParams, UsageResult, UsageRow};

/// `boxagnts.ask`: starts a turn and answers at once.
pub const ASK: &str = "boxagnts.ask";
/// `boxagnts.proposal`: what a session proposes.
pub const PROPOSAL: &str = "boxagnts.proposal";
/// `boxagnts.accept`: applies hunks.
pub const ACCEPT: &str = "boxagnts.accept";
/// `boxagnts.reject`: drops hunks.
pub const REJECT: &str = "boxagnts.reject";
/// `boxagnts.amend`: another text for a hunk.
pub const AMEND: &str = "boxagnts.amend";
/// `boxagnts.split`: several hunks of one.
pub const SPLIT: &str = "boxagnts.split";
/// `boxagnts.repropose`: rejected hunks wait again.
pub const REPROPOSE: &str = "boxagnts.repropose";
/// `boxagnts.undo`: takes an accepted batch back.
pub const UNDO: &str = "boxagnts.undo";
/// `boxagnts.checkpoints`: what was applied to the workspace, and can be taken back.
pub const CHECKPOINTS: &str = "boxagnts.checkpoints";
/// `boxagnts.restore`: takes back everything since a checkpoint.
pub const RESTORE: &str = "boxagnts.restore";
/// `boxagnts.showPatch`: the proposal as a patch file in the editor; saving it amends.
pub const SHOW_PATCH: &str = "boxagnts.showPatch";
/// `boxagnts.compact`: has the model sum up a conversation that became long.
pub const COMPACT: &str = "boxagnts.compact";
/// `boxagnts.cancel`: ends the running turn.
pub const CANCEL: &str = "boxagnts.cancel";
/// Commits what a session proposes to a new branch.
pub const COMMIT_TO_BRANCH: &str = "boxagnts.commitToBranch";
/// Ends one executor of a running turn, or all.
pub const CANCEL_EXECUTOR: &str = "boxagnts.cancelExecutor";
/// `boxagnts.sessions`: the sessions of this workspace.
pub const SESSIONS: &str = "boxagnts.sessions";
/// `boxagnts.history`: what happened in a session, in pages.
pub const HISTORY: &str = "boxagnts.history";
/// `boxagnts.rename`: another title for a session.
pub const RENAME: &str = "boxagnts.rename";
/// `boxagnts.fork`: a new session with the past of another.
pub const FORK: &str = "boxagnts.fork";
/// `boxagnts.deleteSession`: removes a session from the journal.
pub const DELETE_SESSION: &str = "boxagnts.deleteSession";
/// `boxagnts.usage`: tokens and dollars.
pub const USAGE: &str = "boxagnts.usage";
/// `boxagnts.commands`: what a prompt may begin with, as in `/help`.
pub const COMMANDS: &str = "boxagnts.commands";

/// `boxagnts.setMode`: another mode for a session.
pub const SET_MODE: &str = "boxagnts.setMode";
/// `boxagnts.answer`: answers what a model asks.
pub const ANSWER: &str = "boxagnts.answer";

/// Parameters of [`SET_MODE`]; they are its result, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetModeParams {
    /// The session.
    pub session: String,
    /// The mode from its next step on.
    pub mode: SessionMode,
}

/// Parameters of [`ANSWER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerParams {
    /// The session.
    pub session: String,
    /// The tool call that asks, as in the event `asked`; the only one that is open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Labels of what is chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The user's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

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
    /// What the editor's language servers say of the document: the model is shown it where the prompt
    /// says `@diagnostics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Vec<Diagnostic>>,
    /// What is done when a turn of the session runs.
    #[serde(default)]
    pub when_busy: WhenBusy,
    /// Pictures that the model is to see: at most 8, each of at most 3,750,000 bytes, in PNG, JPEG, GIF
    /// or WebP. A file in the prompt, as `@shot.png`, is another way to show one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageParam>,
    /// For a new session: settings of its own over those of the editor, with the same keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<serde_json::Value>,
}

/// What is done with a prompt for a session in which a turn runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenBusy {
    /// It is refused.
    #[default]
    Refuse,
    /// The model hears it with its next request, in the turn that runs.
    Steer,
    /// It waits for the end of the turn, behind those that wait already.
    Queue,
    /// The running turn is ended, and it is the next one.
    Interrupt,
}

/// What was done with a prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// A turn began.
    #[default]
    Started,
    /// The running turn hears it.
    Steers,
    /// It waits.
    Queued,
}

/// A picture of [`AskParams`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    rename_all_fields = "camelCase",
    deny_unknown_fields,
    expecting = "an image is an object with `mediaType` and `data`, or with `uri`"
)]
pub enum ImageParam {
    /// The picture itself.
    Data {
        /// As `image/png`.
        media_type: String,
        /// Its bytes in base64.
        data: String,
    },
    /// A file of the workspace, which tools may read.
    File {
        /// Where.
        uri: String,
    },
}

/// A diagnostic, as LSP has it; other fields are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// The document, where it is another one than that of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Where.
    pub range: Range,
    /// From 1, an error, to 4, a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What.
    pub message: String,
}

/// Who wrote a command.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CommandOrigin {
    /// It comes with the program.
    BuiltIn,
    /// The user.
    User,
    /// Whoever wrote the repository.
    Project,
}

/// One entry of the result of [`COMMANDS`]: a prompt may begin with `/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromptCommand {
    /// Without the slash.
    pub name: String,
    /// What it does, in a line; may be empty.
    pub description: String,
    /// What to write behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument_hint: Option<String>,
    /// Who wrote it.
    pub origin: CommandOrigin,
}

/// Result of [`ASK`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskResult {
    /// The session.
    pub session: String,
    /// The turn that was started, numbered from 1 in its session; or the one that it steers; or the one
    /// that it will be when the others that wait have had theirs.
    pub turn: u64,
    /// What was done with the prompt.
    #[serde(default)]
    pub taken: Taken,
}

/// Parameters of [`COMPACT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompactParams {
    /// The session.
    pub session: String,
    /// What the summary should pay attention to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<String>,
}

/// Parameters of commands that take a session alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionParams {
    /// The session.
    pub session: String,
}

/// Parameters of [`COMMIT_TO_BRANCH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitToBranchParams {
    /// The session whose proposal is committed, without what conflicts.
    pub session: String,
    /// The new branch, as in `agent/rename`; none that exists is touched.
    pub branch: String,
    /// What the commit says; the session's title when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who made the change, as `Name <address>`; as `commit_author` says, when absent. The user of the
    /// repository commits in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Whether the user of the repository signs it off in the message; as `commit_sign_off` says, when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_off: Option<bool>,
}

/// Result of [`COMMIT_TO_BRANCH`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitToBranchResult {
    /// The branch.
    pub branch: String,
    /// The commit, in hexadecimal.
    pub commit: String,
    /// Files in it.
    pub files: u64,
    /// What is not in it, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Parameters of [`CANCEL_EXECUTOR`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelExecutorParams {
    /// The session whose turn has executors.
    pub session: String,
    /// The executor, by its session or by the tool call that wanted it; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
}

/// Result of [`CANCEL_EXECUTOR`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CancelExecutorResult {
    /// The tool calls whose executors end.
    pub cancelled: Vec<String>,
}

/// Parameters of [`PROPOSAL`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProposalParams {
    /// The session.
    pub session: String,
    /// Only these files: URIs, or paths relative to the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
    /// Only files behind this one: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many files; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `true` for what waits for a decision alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
}

/// Parameters of [`AMEND`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendParams {
    /// The session.
    pub session: String,
    /// The hunk.
    pub hunk: String,
    /// What it puts in place of the lines at which it is shown.
    pub text: String,
    /// `true` to accept it at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept: bool,
}

/// Parameters of [`SPLIT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitParams {
    /// The session.
    pub session: String,
    /// The hunk.
    pub hunk: String,
}

/// Parameters of [`REPROPOSE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReproposeParams {
    /// The session.
    pub session: String,
    /// Hunks that were rejected.
    pub hunks: Vec<String>,
}

/// Parameters of [`UNDO`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoParams {
    /// The checkpoint; the latest accepted batch that was not taken back when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Without `checkpoint`: only batches of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// Parameters of [`RESTORE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreParams {
    /// The files become what they were before it.
    pub checkpoint: u64,
}

/// Parameters of [`CHECKPOINTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointsParams {
    /// Only those of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// At most so many, the newest; 100 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What made a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointKind {
    /// Hunks were accepted.
    Accept,
    /// A batch was taken back.
    Undo,
    /// Everything since a checkpoint was taken back.
    Restore,
}

/// One batch of changes that was applied to the user's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// Its number, unique in the journal.
    pub checkpoint: u64,
    /// The session.
    pub session: String,
    /// What made it.
    pub kind: CheckpointKind,
    /// In words.
    pub label: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Whether it was taken back since.
    pub undone: bool,
    /// The files that were changed, relative to the workspace.
    pub files: Vec<String>,
}

/// Answer of [`UNDO`] and [`RESTORE`], at once; an update tells the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UndoStarted {
    /// The checkpoints that are being taken back, the newest first.
    pub checkpoints: Vec<u64>,
}

/// What came of [`UNDO`] or [`RESTORE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UndoResult {
    /// The checkpoint that was made by that: undoing it brings back what was taken back. Absent when
    /// no file had to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<u64>,
    /// Files that are as they were.
    pub files: Vec<String>,
    /// Files that could not be taken back, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedFile>,
    /// Hunks that wait for a decision again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<String>,
}

/// A file that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedFile {
    /// The file, relative to the workspace.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Parameters of [`ACCEPT`] and [`REJECT`]. Exactly one of `hunks`, `files`, `groups`, `all` is given.
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
    /// Ids of tool calls: all hunks that they made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
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
