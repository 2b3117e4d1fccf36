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
