//! What happens in a session, as it happens: journalled, sent as `boxagnts/update`, printed by
//! `boxagnts run --json`.

use crate::commands::{HunkStatus, RefusedFile, UndoResult};
use crate::conversation::{AnswerPiece, Compaction, Image, Role, StopReason, TokenUsage, ToolCall};
use crate::hook::{HookAnswer, HookEvent};
use crate::question::{UserAnswer, UserQuestion};
use crate::tool::ToolReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The notification's method.
pub const METHOD: &str = "boxagnts/update";

/// One event of a session with its place in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Update {
    /// The session.
    pub session: String,
    /// Number of the event in its session, from 1, without gaps.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: SessionEvent,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TurnOutcome {
    /// The model said that it is done.
    Done,
    /// A limit stopped it.
    Limit {
        /// The limit's name, as in the configuration.
        limit: String,
        /// Its value.
        value: f64,
        /// What was used.
        used: f64,
    },
    /// The user cancelled.
    Cancelled,
    /// Provider or internal error.
    Failed {
        /// What went wrong and what to do.
        message: String,
        /// Whether the same may work later: the provider could not be reached, was busy, or broke off.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        may_pass: bool,
    },
}

/// What is proposed for one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposedDiff {
    /// The file, relative to the workspace: where it will be after the change.
    pub path: String,
    /// Unified diff from `base` to the proposed text; empty when nothing is proposed any more.
    pub diff: String,
    /// The text that the change was made on, unless it is the one in the event before of this
    /// path, or binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Its hunks that wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<NamedHunk>,
}

/// The identity of a hunk, and the lines that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedHunk {
    /// Its id.
    pub id: String,
    /// The tool call that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Start and end of its lines in the base, then in the proposed text: zero-based, half-open.
    /// Absent when it is one of the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<[u64; 4]>,
}

/// A named part of a system prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromptPart {
    /// What it is about.
    pub name: String,
    /// What the model reads.
    pub text: String,
}

/// Something that the model was shown without asking for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// What: a path in the workspace, a URL, the name of what the user mentioned.
    pub what: String,
    /// Bytes of it that the model was shown.
    pub bytes: u64,
    /// SHA-256 of these, in hexadecimal.
    pub sha256: String,
}

/// How a session treats what its tools want, as the configuration's `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// Reads only.
    Plan,
    /// Changes wait for review.
    Review,
    /// As review; what is proposed is accepted at the end of the turn.
    Auto,
}

/// Where an executor works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// On the user's files, with changes in memory.
    #[default]
    Overlay,
    /// In files of its own, outside of the user's.
    Worktree,
}

/// How far a step of a model's plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Not begun.
    Pending,
    /// Being worked on.
    InProgress,
    /// Done.
    Completed,
}

/// A step of a model's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct PlanItem {
    /// What is to be done.
    #[schemars(length(min = 1, max = 500))]
    pub text: String,
    /// How far it is.
    pub status: PlanStatus,
}

/// What can happen in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
// One at a time is on its way; the journal has the others.
#[expect(clippy::large_enum_variant)]
pub enum SessionEvent {
    /// The session has settings of its own. A later event of this kind replaces an earlier one.
    Configured {
        /// Keys and values as in a configuration file.
        settings: serde_json::Value,
    },
    /// The model is told more than the user's words: the text of all but the system prompt is in the
    /// `context` of the turn.
    Instructed {
        /// The turn.
        turn: u64,
        /// The system prompt of the whole session, in the first event of this kind alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        system: Vec<PromptPart>,
        /// Where its text comes from, as far as it is neither ours nor the user's words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shown: Vec<Shown>,
    },
    /// The user asked.
    TurnStarted {
        /// Number of the turn, from 1.
        turn: u64,
        /// What the user asked.
        prompt: String,
        /// What the model is told along with it: where the user looks, what was rejected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        /// `provider:model`.
        model: String,
    },
    /// The model is shown a picture with the prompt.
    Attached {
        /// The turn.
        turn: u64,
        /// What the user calls it.
        what: String,
        /// The picture. Its data is in the journal alone, and empty where this is told while it happens.
        image: Image,
    },
    /// A request goes to the model.
    ModelCalled {
        /// The turn.
        turn: u64,
        /// Number of the request in the turn, from 1.
        step: u64,
        /// Whether it asks for a summary of the conversation, which nobody is shown.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        compacting: bool,
    },
    /// The conversation became too long for the model, and room was made in it. The journal keeps all of
    /// it.
    Compacted {
        /// The turn.
        turn: u64,
        /// How.
        compaction: Compaction,
    },
    /// The user said something while the turn ran; the model hears it with its next request.
    Steered {
        /// The turn.
        turn: u64,
        /// What the user said.
        prompt: String,
    },
    /// The user asked for something while a turn ran; a turn of its own will follow.
    Queued {
        /// What the user asked.
        prompt: String,
        /// How many prompts wait before it.
        behind: u64,
    },
    /// Prompts that waited were dropped.
    Dropped {
        /// What the user asked, in order.
        prompts: Vec<String>,
    },
    /// The runtime put something into the conversation that is in no other event.
    Noted {
        /// The turn.
        turn: u64,
        /// On whose side: behind what the user said, or as the model's answer in place of what it said.
        role: Role,
        /// The text.
        text: String,
    },
    /// The model said more.
    TextDelta {
        /// The turn.
        turn: u64,
        /// What it said.
        text: String,
    },
    /// The provider failed and is asked again.
    ModelRetry {
        /// The turn.
        turn: u64,
        /// Number of the attempt that failed, from 1.
        attempt: u32,
        /// How long we wait, in milliseconds.
        wait_ms: u64,
        /// Why.
        reason: String,
    },
    /// The model's answer is complete, or was lost.
    ModelAnswered {
        /// The turn.
        turn: u64,
        /// Why it stopped.
        stop: StopReason,
        /// Its tokens.
        usage: TokenUsage,
        /// US dollars, where the price is known.
        cost_usd: Option<f64>,
    },
    /// The model's complete answer in its order, where the other events do not tell it: there are
    /// thoughts in it, which are kept for the provider and are not part of what it said, or several
    /// calls.
    Thought {
        /// The turn.
        turn: u64,
        /// All of the answer, in order.
        answer: Vec<AnswerPiece>,
    },
    /// A tool begins.
    ToolStarted {
        /// The turn.
        turn: u64,
        /// The call.
        call: ToolCall,
    },
    /// A tool has ended.
    ToolFinished {
        /// The turn.
        turn: u64,
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
        /// What came of it.
        report: ToolReport,
    },
    /// A hook has run.
    Hooked {
        /// The turn, or the latest one.
        turn: u64,
        /// When it ran.
        hook: HookEvent,
        /// The tool that it is.
        tool: String,
        /// The tool call that it ran for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// What it answered, where that was an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<HookAnswer>,
        /// What the model is told, so that the turn goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remark: Option<String>,
        /// What came of the tool.
        report: Box<ToolReport>,
    },
    /// The user is asked; what becomes of it is told by [`SessionEvent::Answered`]. The question is
    /// open until then, or until another turn begins: the process may have died.
    Asked {
        /// The turn.
        turn: u64,
        /// The tool call that asks.
        id: String,
        /// What is asked.
        question: UserQuestion,
    },
    /// A question is open no more.
    Answered {
        /// The turn.
        turn: u64,
        /// As in [`SessionEvent::Asked`].
        id: String,
        /// What became of it.
        answer: UserAnswer,
    },
    /// The model says what it is about to do and how far it is; the list before is void.
    Plan {
        /// The turn.
        turn: u64,
        /// All steps, in order.
        items: Vec<PlanItem>,
    },
    /// The user chose another mode for the session.
    ModeChanged {
        /// The mode from now on.
        mode: SessionMode,
        /// The tool call by which a plan was approved; absent when the user chose the mode directly.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<String>,
    },
    /// Something happened in a conversation of its own that a tool call has: a sub-question.
    Nested {
        /// What: a model call or a tool call, from `model_called` to `tool_finished`. It comes first:
        /// the journal finds by that what was paid for.
        inner: Box<SessionEvent>,
        /// The turn.
        turn: u64,
        /// The tool call.
        parent: String,
    },
    /// The model wants a task done by an executor: another agent, with a conversation of its own. It
    /// begins when one of the places of `max_concurrent_executors` is free.
    ExecutorQueued {
        /// The turn.
        turn: u64,
        /// The tool call that wants it; hunks that come of it have it as their `group`.
        call: String,
        /// Its own session: what it does is told there.
        executor: String,
        /// What it is to do, in a line.
        task: String,
        /// `provider:model`.
        model: String,
        /// Where it works.
        isolation: Isolation,
    },
    /// An executor begins.
    ExecutorStarted {
        /// The turn.
        turn: u64,
        /// As in [`SessionEvent::ExecutorQueued`].
        call: String,
        /// Its own session.
        executor: String,
    },
    /// An executor has ended, also one that never began.
    ExecutorEnded {
        /// The turn.
        turn: u64,
        /// As in [`SessionEvent::ExecutorQueued`].
        call: String,
        /// Its own session.
        executor: String,
        /// How.
        outcome: TurnOutcome,
        /// What it used.
        usage: TokenUsage,
        /// US dollars, where prices are known.
        cost_usd: Option<f64>,
        /// Hunks of it that are proposed.
        hunks: u64,
        /// Hunks of it that do not fit what else is proposed.
        conflicts: u64,
    },
    /// The set of hunks, or their states, changed.
    ProposalChanged {
        /// Files with hunks that await a decision.
        files: u64,
        /// Hunks that await a decision.
        pending: u64,
        /// Hunks that conflict.
        conflicted: u64,
        /// The files whose change is another than in the event before: together they bring the
        /// proposal back after a restart.
        changed: Vec<ProposedDiff>,
        /// All hunks that do not fit what else is proposed, on the text that they were made on; absent
        /// when they are as in the event before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rivals: Option<Vec<ProposedDiff>>,
        /// Number of the youngest hunk; ids are never used twice.
        last_hunk: u64,
    },
    /// The user decided on hunks.
    Decided {
        /// The hunks and what became of them.
        hunks: Vec<HunkStatus>,
        /// The user's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
        /// The checkpoint by which the accepted ones can be taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<u64>,
    },
    /// The user took accepted changes back, or took that back.
    Undone {
        /// The checkpoints that were taken back, the newest first.
        checkpoints: Vec<u64>,
        /// What came of it.
        result: UndoResult,
    },
    /// The process died while accepted hunks were being applied; this is what became of them.
    Recovered {
        /// The batch.
        checkpoint: u64,
        /// Whether all of it is in the user's files; else nothing of it is, but for `refused`.
        applied: bool,
        /// Its files.
        files: Vec<String>,
        /// Files that could not be brought back to what they were, with the reason.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<RefusedFile>,
    },
    /// Something that the user should know.
    Notice {
        /// What.
        message: String,
    },
    /// A turn has ended.
    TurnEnded {
        /// The turn.
        turn: u64,
        /// How.
        outcome: TurnOutcome,
        /// Tokens of the whole session so far.
        usage: TokenUsage,
        /// US dollars of the session so far, where prices are known.
        cost_usd: Option<f64>,
    },
}
