//! How a tool presents itself, and what one call of it cost and brought.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a tool says of itself; given to the model as is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolSpec {
    /// Name, unique among the tools of a session.
    pub name: String,
    /// What it does, written for the model.
    pub description: String,
    /// JSON Schema of its input.
    pub input_schema: serde_json::Value,
}

/// The outcome of one tool call with what it used: the object of `boxagnts tool run --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolReport {
    /// Whether the tool did what was asked.
    pub ok: bool,
    /// Text for the model. With an error this is what the tool had said before it.
    pub output: String,
    /// What went wrong; `null` when `ok`.
    pub error: Option<ToolFailure>,
    /// What the call used.
    pub usage: ToolUsage,
    /// Unified diff of what the call changed in the overlay; empty when it changed nothing.
    pub diff: String,
    /// What the gate decided; `null` when the call did not get that far (no such tool, input that
    /// does not fit).
    #[serde(default)]
    pub decision: Option<GateDecision>,
    /// What the call was and what it touched.
    #[serde(default)]
    pub audit: Audit,
}

/// What the gate can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Policy let it run.
    Allowed,
    /// The user let it run, now or earlier.
    Approved,
    /// Policy or the user said no.
    Denied,
}

/// A decision of the gate in front of a tool, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateDecision {
    /// What was decided.
    pub verdict: Verdict,
    /// Why: the rule, the level, the user's answer.
    pub reason: String,
}

/// Paths and hosts that one list of an [`Audit`] names; the others are counted.
pub const MAX_AUDITED: usize = 1000;

/// The record of one call: what ran, with what, and what it touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Audit {
    /// SHA-256 of the component, in hexadecimal; empty when none ran.
    pub tool_sha256: String,
    /// SHA-256 of the input as JSON text, in hexadecimal.
    pub input_sha256: String,
    /// Host interfaces that were granted.
    pub granted: Vec<String>,
    /// Files that were read, relative to the workspace, sorted.
    pub files_read: Vec<String>,
    /// Files that were written, removed or moved, sorted. They are changed in the overlay alone, and
    /// there only when the call succeeded.
    pub files_written: Vec<String>,
    /// Paths that were refused, sorted.
    pub files_denied: Vec<String>,
    /// Connections that were made or refused, in order.
    pub hosts: Vec<HostContact>,
    /// Entries that did not fit into the lists.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A connection of a guest, or one that it did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostContact {
    /// `scheme://host:port`.
    pub target: String,
    /// The address that was connected to or refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// Whether policy let it happen.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl ToolReport {
    /// What the model reads of it: the output, and behind it what went wrong.
    pub fn for_model(&self) -> String {
        match &self.error {
            None => self.output.clone(),
            Some(error) if self.output.is_empty() => error.message.clone(),
            Some(error) => format!("{}\n{}", self.output, error.message),
        }
    }

    /// The report of a call that never ran.
    pub fn refused(kind: FailureKind, message: impl Into<String>) -> ToolReport {
        ToolReport {
            ok: false,
            output: String::new(),
            error: Some(ToolFailure {
                kind,
                message: message.into(),
                limit: None,
                value: None,
                used: None,
            }),
            usage: ToolUsage::default(),
            diff: String::new(),
            decision: None,
            audit: Audit::default(),
        }
    }
}

/// Kinds of failure of a tool call. Exit codes and the journal go by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The input does not fit the tool's schema.
    InvalidInput,
    /// No such tool.
    UnknownTool,
    /// Policy said no: a path, a level, a rule.
    Denied,
    /// A limit stopped it; `limit`, `value` and `used` say which.
    Limit,
    /// The guest trapped (unreachable, out-of-bounds, …).
    Trap,
    /// The tool ran and could not do what was asked (file not found, text not unique, …).
    Failed,
    /// The user cancelled.
    Cancelled,
    /// A fault of BoxAgnts itself.
    Internal,
}

/// Why a tool call failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolFailure {
    /// The kind.
    pub kind: FailureKind,
    /// For people and the model: thing, place, remedy.
    pub message: String,
    /// Name of the limit that stopped it, for [`FailureKind::Limit`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<String>,
    /// The limit's value, in the limit's own unit (instructions, ms, bytes, count).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<u64>,
    /// What was used when it was stopped, same unit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub used: Option<u64>,
}

/// What one call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolUsage {
    /// Instructions, as wasmtime counts fuel.
    pub fuel: u64,
    /// Wall clock in milliseconds, host calls included.
    pub wall_ms: f64,
    /// Largest sum of linear memories and tables, in bytes.
    pub peak_memory_bytes: u64,
    /// Bytes written to the overlay.
    pub host_bytes: u64,
    /// Files opened.
    pub files_opened: u64,
}
