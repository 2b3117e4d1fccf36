//! What a call is given, and what comes of it.

use crate::network::{Contacts, Network};
use boxagnts_policy::limits::{Limit, Limits};
use boxagnts_policy::permission::Level;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Hears each progress message of a guest.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// Host interfaces: what a component imports, or what a call grants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// `workspace-read`.
    pub workspace_read: bool,
    /// `workspace-write`.
    pub workspace_write: bool,
    /// `http`.
    pub http: bool,
    /// `progress`.
    pub progress: bool,
}

impl Capabilities {
    /// Names of those that are there.
    pub fn names(self) -> Vec<&'static str> {
        self.beyond(Capabilities::default())
    }

    /// Names of those that are in `self` and not in `granted`.
    pub(crate) fn beyond(self, granted: Capabilities) -> Vec<&'static str> {
        [
            (
                self.workspace_read,
                granted.workspace_read,
                "workspace-read",
            ),
            (
                self.workspace_write,
                granted.workspace_write,
                "workspace-write",
            ),
            (self.http, granted.http, "http"),
            (self.progress, granted.progress, "progress"),
        ]
        .into_iter()
        .filter_map(|(wants, has, name)| (wants && !has).then_some(name))
        .collect()
    }
}

/// What a guest is told; taken as already validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// JSON, for a tool of our ABI.
    Json(String),
    /// Arguments, for a command; its name is put before them.
    Arguments(Vec<String>),
}

/// One call.
pub struct CallRequest<F> {
    /// What the guest is told.
    pub input: Input,
    /// Every limit.
    pub limits: Limits,
    /// What the guest may import.
    pub grants: Capabilities,
    /// The guest's files.
    pub fs: F,
    /// Where it may connect to.
    pub network: Network,
    /// Ends the call.
    pub cancel: CancellationToken,
    /// Hears progress.
    pub progress: Option<Progress>,
}

/// What a tool says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema, as text; not checked.
    pub input_schema: String,
    /// The level that it asks for.
    pub level: Level,
    /// What it says that it wants; its imports tell the truth.
    pub capabilities: Capabilities,
}

/// The answer of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// For the model.
    pub text: String,
    /// Whether the tool left something out.
    pub truncated: bool,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Instructions, as wasmtime counts fuel.
    pub fuel: u64,
    /// Wall clock, host calls included.
    pub wall: Duration,
    /// Largest sum of memories and tables, in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes written through the file system.
    pub host_bytes: u64,
    /// Files and walks opened.
    pub files_opened: u64,
}

/// What came of a call.
#[derive(Debug)]
pub struct CallReport<F> {
    /// The answer, or why there is none.
    pub outcome: Result<ToolOutput, CallFailure>,
    /// What was said before a limit on output stopped the call.
    pub partial: String,
    /// What it used.
    pub usage: Usage,
    /// What it wanted of the network.
    pub contacts: Contacts,
    /// Paths that a command was refused before its files were asked, escaped.
    pub refused: Vec<String>,
    /// The files; `None` when the call was stuck in one of their operations and was abandoned.
    pub fs: Option<F>,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFailure {
    /// The guest cannot use its input.
    InvalidInput(String),
    /// The guest could not do what was asked.
    Failed(String),
    /// The guest wanted what it may not have.
    Denied(String),
    /// A limit stopped it.
    Limit {
        /// Which.
        limit: Limit,
        /// Its value, in its own unit.
        value: u64,
        /// What was used, or asked for, when it was stopped.
        used: u64,
    },
    /// The guest trapped.
    Trap(String),
    /// The user cancelled.
    Cancelled,
    /// A fault of ours.
    Internal(String),
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallFailure::InvalidInput(message)
            | CallFailure::Failed(message)
            | CallFailure::Denied(message)
            | CallFailure::Internal(message) => f.write_str(message),
            CallFailure::Trap(message) => write!(f, "trapped: {message}"),
            CallFailure::Cancelled => f.write_str("cancelled"),
            CallFailure::Limit { limit, value, used } => {
                write!(
                    f,
                    "stopped by the limit `{}`: {used} of {value}",
                    limit.name()
                )
            }
        }
    }
}
