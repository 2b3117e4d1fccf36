//! What a turn and its session have used, and whether the next step may be taken.

use crate::Limits;
use boxagnts_protocol::conversation::{Price, TokenUsage};
use boxagnts_protocol::update::TurnOutcome;

/// Counters behind the limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget {
    /// Tokens of the session's finished model calls.
    pub(crate) usage: TokenUsage,
    /// US dollars of the session's model calls of known price.
    pub(crate) cost_usd: f64,
    /// Model requests of this turn.
    pub(crate) requests: u64,
    /// Tool calls of this turn.
    pub(crate) tool_calls: u64,
    /// Cut-off answers of this turn.
    pub(crate) cut_off: u64,
}

impl Budget {
    /// Forgets what counts by the turn.
    pub(crate) fn new_turn(&mut self) {
        (self.requests, self.tool_calls, self.cut_off) = (0, 0, 0);
    }

    /// Takes one more model request and says how many tokens its answer may have.
    pub(crate) fn take_request(
        &mut self,
        limits: &Limits,
        price: Option<&Price>,
        wanted: u64,
    ) -> Result<u64, TurnOutcome> {
        if self.requests >= limits.max_turns {
            return Err(stop(
                "max_turns",
                limits.max_turns as f64,
                self.requests as f64,
            ));
        }
        let used = self.usage.total();
        if used >= limits.max_tokens_total {
            return Err(stop(
                "max_tokens_total",
                limits.max_tokens_total as f64,
                used as f64,
            ));
        }
        let mut allowed = wanted.min(limits.max_tokens_total - used);
        if let Some(price) = price {
            let left = limits.total_budget_usd - self.cost_usd;
            // A budget of nothing still lets a free model work.
            let free = price.cost(&ONE_OF_EACH) <= 0.0;
            if left <= 0.0 && !free {
                return Err(stop(
                    "total_budget_usd",
                    limits.total_budget_usd,
                    self.cost_usd,
                ));
            }
            if price.output > 0.0 && left.is_finite() {
                let affordable = (left / price.output * 1e6) as u64;
                if affordable == 0 {
                    return Err(stop(
                        "total_budget_usd",
                        limits.total_budget_usd,
                        self.cost_usd,
                    ));
                }
                allowed = allowed.min(affordable);
            }
        }
        self.requests += 1;
        Ok(allowed.max(1))
    }

    /// Takes `count` more tool calls.
    pub(crate) fn take_tool_calls(
        &mut self,
        limits: &Limits,
        count: u64,
    ) -> Result<(), TurnOutcome> {
        if self.tool_calls.saturating_add(count) > limits.max_tool_calls {
            let limit = limits.max_tool_calls as f64;
            return Err(stop("max_tool_calls", limit, self.tool_calls as f64));
        }
        self.tool_calls += count;
        Ok(())
    }

    /// Takes one more continuation of a cut-off answer.
    pub(crate) fn take_recovery(&mut self, limits: &Limits) -> Result<(), TurnOutcome> {
        self.cut_off += 1;
        if self.cut_off > limits.max_tokens_recovery_limit {
            let limit = limits.max_tokens_recovery_limit as f64;
            return Err(stop(
                "max_tokens_recovery_limit",
                limit,
                self.cut_off as f64,
            ));
        }
        Ok(())
    }

    /// Adds a finished model call.
    pub(crate) fn add(&mut self, usage: &TokenUsage, cost_usd: Option<f64>) {
        self.usage.add(usage);
        self.cost_usd += cost_usd.unwrap_or(0.0);
    }
}

const ONE_OF_EACH: TokenUsage = TokenUsage {
    input_tokens: 1,
    output_tokens: 1,
    cache_read_tokens: 1,
    cache_write_tokens: 1,
};

fn stop(limit: &str, value: f64, used: f64) -> TurnOutcome {
    TurnOutcome::Limit {
        limit: limit.to_owned(),
        value,
        used,
    }
}
