//! What tool calls spend that have a conversation of their own, and calls that end a turn.

use crate::Query;
use crate::query::Phase;
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

    /// Says what may be spent from now on, where that is not the session's alone.
    pub fn allow(&mut self, left: Left) {
        let used = self.budget.usage.total();
        let limits = &mut self.config.limits;
        limits.max_tokens_total = used.saturating_add(left.tokens);
        limits.total_budget_usd = self.budget.cost_usd + left.usd;
    }

    /// Lets each turn make no more than so many model requests.
    pub fn at_most(&mut self, requests: u64) {
        let limits = &mut self.config.limits;
        limits.max_turns = limits.max_turns.min(requests);
    }

    /// What the request that is on its way may cost at most; nothing when none is.
    pub fn reserved(&self) -> Left {
        let (tokens, usd) = match self.phase {
            Phase::Answering { .. } | Phase::Compacting(_) => self.budget.reserved(),
            Phase::Idle | Phase::Calling(_) => (0, 0.0),
        };
        Left { tokens, usd }
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
