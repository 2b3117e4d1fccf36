//! Asking the user before a tool leaves the sandbox.

use async_trait::async_trait;

/// Whoever can ask the user.
#[async_trait]
pub trait Approver: Send + Sync {
    /// Whether the user lets `tool` run. `reason` says what it wants.
    async fn approve(&self, tool: &str, reason: &str) -> bool;
}

/// Nobody to ask: no.
#[derive(Debug, Clone, Copy)]
pub struct DenyAll;

#[async_trait]
impl Approver for DenyAll {
    async fn approve(&self, _tool: &str, _reason: &str) -> bool {
        false
    }
}
