//! The query loop as a pure state machine: events in, effects out. It does no I/O and knows no
//! clock; every limit on a turn is decided here, before the step that would exceed it.

mod answer;
mod budget;
mod calls;
mod compact;
mod nested;
mod query;
mod record;
mod repeats;
mod restore;

#[cfg(test)]
mod tests;

pub use nested::Left;
pub use query::Query;

use boxagnts_protocol::conversation::{
    AnswerPiece, Compaction, Price, Role, StopReason, Thinking, TokenUsage, ToolCall,
};
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::TurnOutcome;
use std::sync::Arc;

/// The limits that the loop enforces; names and meaning as in the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Model requests of one turn.
    pub max_turns: u64,
    /// Tool calls of one turn.
    pub max_tool_calls: u64,
    /// Tokens of the session, all kinds together.
    pub max_tokens_total: u64,
    /// How often a cut-off answer is continued in one turn.
    pub max_tokens_recovery_limit: u64,
    /// US dollars of the session; infinity for none.
    pub total_budget_usd: f64,
    /// Bytes of one answer of the model, inputs of calls included.
    pub max_answer_bytes: u64,
    /// Percent of the model's context window at which room is made in it.
    pub compact_at_percent: u64,
}

/// What the loop knows of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolInfo {
    /// Its name.
    pub name: String,
    /// Whether its calls may run at the same time as others of their kind.
    pub read_only: bool,
    /// Bytes of its description and schema, as the model is told of it.
    pub bytes: u64,
}

/// What a loop is made from.
#[derive(Debug, Clone)]
pub struct Config {
    /// The limits.
    pub limits: Limits,
    /// What the model costs; when it is unknown the token limit governs.
    pub price: Option<Price>,
    /// Tokens that one answer may have, before budgets cut it.
    pub max_output_tokens: u64,
    /// Tokens of prompt and answer together that the model can take; `None` when nobody knows: then
    /// room is made only when the model says that there is none left.
    pub context_window: Option<u64>,
    /// The system prompt.
    pub system: Arc<str>,
    /// Tools that the model may call.
    pub tools: Vec<ToolInfo>,
}

/// What the loop is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The user speaks: a turn begins.
    Prompt {
        /// The whole message for the model.
        text: String,
    },
    /// The user speaks while a turn runs: the model hears it with its next request of this turn.
    Steer {
        /// The whole message for the model.
        text: String,
    },
    /// The user has the conversation summed up, which is a turn of its own.
    Compact {
        /// What the user said.
        text: String,
        /// What the summary should pay attention to; may be empty.
        focus: String,
    },
    /// What the runtime knows and a summary must not lose; for the summary that is being made.
    Facts(String),
    /// Somebody has something to say about a turn that is done: it goes on, and nothing is counted
    /// anew.
    Remark {
        /// What the model is told.
        text: String,
    },
    /// The model said more.
    TextDelta(String),
    /// The model thought, at this place of its answer.
    Thought(Thinking),
    /// The model begins a tool call.
    ToolCallStarted {
        /// Its place in the answer; ties the fragments of its input to it.
        index: usize,
        /// The provider's id of the call.
        id: String,
        /// The tool.
        name: String,
    },
    /// A fragment of a tool call's input.
    ToolCallInput {
        /// As in `ToolCallStarted`.
        index: usize,
        /// The fragment.
        json: String,
    },
    /// Tokens of the running model call so far.
    ModelUsage(TokenUsage),
    /// The answer is complete.
    ModelStopped(StopReason),
    /// There will be no (more) answer.
    ModelFailed {
        /// What went wrong and what to do.
        message: String,
        /// Whether the same may work later.
        may_pass: bool,
    },
    /// The model says that the conversation is too long for it.
    ContextFull {
        /// What it said.
        message: String,
    },
    /// The model has said nothing for so long that nobody waits for it any more.
    ModelSilent {
        /// How long that is, in milliseconds.
        limit_ms: u64,
    },
    /// A tool call has ended.
    ToolFinished {
        /// The call's id.
        id: String,
        /// Text for the model.
        output: String,
        /// Whether it tells of a failure.
        is_error: bool,
    },
    /// The user cancels.
    Cancel,
}

/// What the loop wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send [`Query::system`] and [`Query::messages`] to the model.
    CallModel {
        /// Number of the request in the turn, from 1.
        step: u64,
        /// Tokens that the answer may have.
        max_output_tokens: u64,
        /// Whether the answer is a summary of the conversation, which nobody is shown. The loop is
        /// then to be told [`Event::Facts`] first.
        compacting: bool,
    },
    /// Record that room was made in the conversation.
    Compacted(Compaction),
    /// Show this to the user as the answer.
    Say {
        /// The answer, or more of it.
        text: String,
    },
    /// Record what was put into the conversation that no other event tells.
    Note {
        /// On whose side: behind what the user said, or as the model's answer in place of what it said.
        role: Role,
        /// The text.
        text: String,
    },
    /// Record what an answer can have cost that was lost on its way.
    Lost {
        /// Its tokens, at most.
        usage: TokenUsage,
        /// US dollars, where the price is known.
        cost_usd: Option<f64>,
    },
    /// Tell the user.
    Notice {
        /// What.
        message: String,
    },
    /// Record the order of a complete answer that has thoughts in it: they must come back as they
    /// were. It comes before anything that the answer asks for.
    Keep {
        /// The answer, in order.
        answer: Vec<AnswerPiece>,
    },
    /// Run these calls at the same time. The next batch comes when all have finished.
    RunTools {
        /// The calls.
        calls: Vec<ToolCall>,
    },
    /// A call that does not run, or no more; the loop has recorded the answer to it.
    Refuse {
        /// The call.
        call: ToolCall,
        /// Whether it was running, and was so recorded.
        started: bool,
        /// What kind of failure it is.
        kind: FailureKind,
        /// What the model is told.
        message: String,
    },
    /// Drop the model's stream or the running tools.
    Abort,
    /// The turn is over.
    Finish(TurnOutcome),
}
