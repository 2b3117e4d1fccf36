//! What tool calls spend that have a conversation of their own, and calls that end a turn.

use crate::Query;
use boxagnts_protocol::conversation::TokenUsage;

/// What is left of a session's budgets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// Tokens, all kinds together.
    pub tokens: u64,
    /// US dollars; infinity for no limit.
    pub usd: f64,
}

impl Query {
    /// What the session may still spend. While tools run the conversation itself spends nothing.
    pub fn left(&self) -> Left {
        let limits = &self.config.limits;
        let used = self.budget.usage.total();
        Left {
            tokens: limits.max_tokens_total.saturating_sub(used),
            usd: (limits.total_budget_usd - self.budget.cost_usd).max(0.0),
        }
    }

    /// Counts what others spent in the session's name.
    pub fn spend(&mut self, usage: &TokenUsage, cost_usd: Option<f64>) {
        self.budget.add(usage, cost_usd);
    }

    /// Ends the turn well when the calls that run now have ended: what one of them brings is its
    /// result. Does nothing when no calls run.
    pub fn end_turn(&mut self) {
        if let Some(calling) = self.calling() {
            calling.ends = true;
        }
    }
}
