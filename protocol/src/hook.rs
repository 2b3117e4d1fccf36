//! What a hook is told, and what it answers: a hook is a tool that runs at a point of a session.

use crate::tool::ToolFailure;
use crate::update::TurnOutcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookEvent {
    /// Before a tool call.
    BeforeTool,
    /// After a tool call.
    AfterTool,
    /// When the model has ended its turn, or something else has.
    Stop,
    /// Before accepted hunks are applied.
    Accept,
}

/// The input of a hook's tool. What `input` of its configuration has is put over it. A tool whose
/// schema takes no other fields than its own gets those of these that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookInput {
    /// The session.
    pub session: String,
    /// Number of the turn, or of the latest one.
    pub turn: u64,
    /// What happens.
    #[serde(flatten)]
    pub point: HookPoint,
}

/// What happens where a hook runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum HookPoint {
    /// A tool is about to be called.
    BeforeTool {
        /// The tool.
        tool: String,
        /// Its input.
        input: serde_json::Value,
    },
    /// A tool was called.
    AfterTool {
        /// The tool.
        tool: String,
        /// Its input.
        input: serde_json::Value,
        /// What came of it.
        outcome: HookedCall,
    },
    /// The turn is about to end.
    Stop {
        /// How.
        outcome: TurnOutcome,
    },
    /// Hunks are about to be applied to the user's files.
    Accept {
        /// Their files.
        files: Vec<HookedFile>,
    },
}

/// What came of a tool call, for a hook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookedCall {
    /// Whether the tool did what was asked.
    pub ok: bool,
    /// What it said.
    pub output: String,
    /// What went wrong; `null` when `ok`.
    pub error: Option<ToolFailure>,
    /// Unified diff of what it changed in the proposal.
    pub diff: String,
}

/// A file of which hunks are about to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookedFile {
    /// The file, relative to the workspace.
    pub path: String,
    /// Ids of the hunks.
    pub hunks: Vec<String>,
}

/// What a hook decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookDecision {
    /// It has nothing against it. What asks or denies without it still does.
    #[default]
    Allow,
    /// The call is not made, the hunks are not applied, or the turn goes on.
    Deny,
    /// The user is asked, before a tool call; elsewhere as `deny`.
    Ask,
}

/// The output of a hook's tool. Output that is no object with one of these fields is shown to the
/// user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookAnswer {
    /// What it decides.
    #[serde(default)]
    pub decision: HookDecision,
    /// Why, for the user and the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Told to the model: with the result of the tool call, or as a remark with which the turn goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}
