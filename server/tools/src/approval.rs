//! Asking the user before a call goes where level, mode and rules do not let it go by themselves.

use async_trait::async_trait;
use boxagnts_policy::permission::Level;
use serde_json::Value;

/// What the user is asked about.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalRequest<'a> {
    /// The call's id.
    pub call: &'a str,
    /// The tool's name.
    pub tool: &'a str,
    /// SHA-256 of its component: an answer for later holds for this tool alone.
    pub sha256: &'a str,
    /// The level that it has.
    pub level: Level,
    /// The call's input.
    pub input: &'a Value,
    /// Why the user is asked.
    pub reason: &'a str,
    /// Whether a rule asks, and not the level alone.
    pub by_rule: bool,
}

/// The user's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Whether the call may run.
    pub approved: bool,
    /// How the answer came about, for the journal.
    pub reason: String,
}

/// Whoever can ask the user.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Whether the user lets a call run.
    async fn approve(&self, request: &ApprovalRequest<'_>) -> Approval;
}

/// Nobody to ask: no.
#[derive(Debug, Clone, Copy)]
pub struct DenyAll;

#[async_trait]
impl Approver for DenyAll {
    async fn approve(&self, _request: &ApprovalRequest<'_>) -> Approval {
        Approval {
            approved: false,
            reason: "nobody could be asked".to_owned(),
        }
    }
}
