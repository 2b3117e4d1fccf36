//! Everything that clients may send and are sent beyond standard LSP: the one list that the server's
//! capabilities, `protocol/PROTOCOL.md`, `protocol/schema.json` and the types of editors are made from.

use crate::commands::*;
use crate::proposal::Proposal;
use crate::question::{self, QuestionParams, QuestionResult};
use crate::schedule::{self, SchedulesParams};
use crate::update::{METHOD, Update};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Version of all this. It goes up when a client that knows the old one would misunderstand the new
/// one; fields and events that are added do not count, for clients pass over what they do not know.
pub const PROTOCOL_VERSION: u32 = 1;

/// The schema of a type, with the types that it uses left to the generator.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A command of `workspace/executeCommand`; each is also a request of its own, see [`Command::method`].
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// As in `boxagnts.ask`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Its one argument; `None` when it has none.
    pub params: Option<SchemaOf>,
    /// What it answers; `None` for `null`.
    pub result: Option<SchemaOf>,
}

impl Command {
    /// The request that does the same, as `boxagnts/ask`.
    pub fn method(&self) -> String {
        self.name.replacen('.', "/", 1)
    }
}

/// A notification of the server.
#[derive(Debug, Clone, Copy)]
pub struct Notification {
    /// Its method.
    pub method: &'static str,
    /// What it tells, in a sentence.
    pub about: &'static str,
    /// Its parameters.
    pub params: SchemaOf,
}

/// The notifications.
pub const NOTIFICATIONS: &[Notification] = &[
    Notification {
        method: METHOD,
        about: "Something happened in a session.",
        params: of::<Update>,
    },
    Notification {
        method: schedule::METHOD,
        about: "Proposals of scheduled tasks wait for their user.",
        params: of::<SchedulesParams>,
    },
];

/// A request of the server, to clients that say in `initialize` that they answer it.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Its method.
    pub method: &'static str,
    /// What it wants, in a sentence.
    pub about: &'static str,
    /// Its parameters.
    pub params: SchemaOf,
    /// Its result, or `null`.
    pub result: SchemaOf,
}

/// The requests of the server.
pub const REQUESTS: &[Request] = &[Request {
    method: question::METHOD,
    about: "Asks the user what a model wants to know, when the client says \
            `experimental.boxagnts.questions`; `null` when the user put the question away.",
    params: of::<QuestionParams>,
    result: of::<QuestionResult>,
}];

/// The commands, as editors are offered them.
pub const ALL: &[Command] = &[
    command(
        ASK,
        "Starts a turn, or says something to one that runs; answers at once.",
        Some(of::<AskParams>),
        Some(of::<AskResult>),
    ),
    command(
        PROPOSAL,
        "What a session proposes.",
        Some(of::<ProposalParams>),
        Some(of::<Proposal>),
    ),
    command(
        ACCEPT,
        "Applies hunks; an update tells what became of each.",
        Some(of::<DecideParams>),
        Some(of::<DecideResult>),
    ),
    command(
        REJECT,
        "Drops hunks; the model hears the comment.",
        Some(of::<DecideParams>),
        Some(of::<DecideResult>),
    ),
    command(
        AMEND,
        "Gives a hunk another text, which also solves a conflict.",
        Some(of::<AmendParams>),
        Some(of::<DecideResult>),
    ),
    command(
        SPLIT,
        "Makes several hunks of one.",
        Some(of::<SplitParams>),
        Some(of::<DecideResult>),
    ),
    command(
        REPROPOSE,
        "Lets rejected hunks wait again.",
        Some(of::<ReproposeParams>),
        Some(of::<DecideResult>),
    ),
    command(
        UNDO,
        "Takes an accepted batch back; an update tells the result.",
        Some(of::<UndoParams>),
        Some(of::<UndoStarted>),
    ),
    command(
        CHECKPOINTS,
        "What was applied and can be taken back, newest first.",
        Some(of::<CheckpointsParams>),
        Some(of::<Vec<Checkpoint>>),
    ),
    command(
        RESTORE,
        "Takes back everything since a checkpoint.",
        Some(of::<RestoreParams>),
        Some(of::<UndoStarted>),
    ),
    command(
        SHOW_PATCH,
        "Shows the proposal as a patch; the answer names the document.",
        Some(of::<SessionParams>),
        Some(of::<TextDocument>),
    ),
    command(
        COMPACT,
        "Has the model sum up a conversation that became long.",
        Some(of::<CompactParams>),
        Some(of::<AskResult>),
    ),
    command(
        CANCEL,
        "Ends the running turn; prompts that wait are dropped.",
        Some(of::<SessionParams>),
        None,
    ),
    command(
        CANCEL_EXECUTOR,
        "Ends one executor of a running turn, or all; the turn goes on with what they had come to.",
        Some(of::<CancelExecutorParams>),
        Some(of::<CancelExecutorResult>),
    ),
    command(
        COMMIT_TO_BRANCH,
        "Commits what a session proposes to a new branch; nothing is checked out.",
        Some(of::<CommitToBranchParams>),
        Some(of::<CommitToBranchResult>),
    ),
    command(
        SESSIONS,
        "The sessions of the workspace.",
        None,
        Some(of::<Vec<SessionSummary>>),
    ),
    command(
        HISTORY,
        "What happened in a session, in pages, to draw the past.",
        Some(of::<HistoryParams>),
        Some(of::<HistoryResult>),
    ),
    command(
        RENAME,
        "Gives a session another title.",
        Some(of::<RenameParams>),
        Some(of::<SessionSummary>),
    ),
    command(
        FORK,
        "Makes a new session with the past of another.",
        Some(of::<ForkParams>),
        Some(of::<SessionSummary>),
    ),
    command(
        DELETE_SESSION,
        "Removes a session from the journal, never a running one.",
        Some(of::<SessionParams>),
        Some(of::<SessionSummary>),
    ),
    command(
        USAGE,
        "Tokens and dollars.",
        Some(of::<UsageParams>),
        Some(of::<UsageResult>),
    ),
    command(
        COMMANDS,
        "What a prompt may begin with, as in `/help`.",
        None,
        Some(of::<Vec<PromptCommand>>),
    ),
    command(
        SET_MODE,
        "Gives a session another mode, from its next step on.",
        Some(of::<SetModeParams>),
        Some(of::<SetModeParams>),
    ),
    command(
        ANSWER,
        "Answers what a model asks.",
        Some(of::<AnswerParams>),
        None,
    ),
];

const fn command(
    name: &'static str,
    about: &'static str,
    params: Option<SchemaOf>,
    result: Option<SchemaOf>,
) -> Command {
    Command {
        name,
        about,
        params,
        result,
    }
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
