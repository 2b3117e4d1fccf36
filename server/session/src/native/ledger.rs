//! What the sub-questions of a turn may spend: each is given a part before it begins, and gives back
//! what it did not use, so that all of them together never spend more than is left.

use crate::session::lock;
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_query::Left;
use std::sync::{Arc, Mutex};

/// Most tokens of one sub-question.
const MOST_TOKENS: u64 = 400_000;

/// Shared by the sub-questions of a turn.
#[derive(Default)]
pub(super) struct Ledger {
    accounts: Mutex<Accounts>,
}

#[derive(Default)]
struct Accounts {
    /// What is given to nobody.
    tokens: u64,
    usd: f64,
    /// What was spent, and not yet told to the session's budgets.
    spent: TokenUsage,
    spent_usd: Option<f64>,
}

impl Ledger {
    /// Nothing is given to anybody at this moment, and so much is left.
    pub(super) fn open(&self, left: Left) {
        let mut accounts = lock(&self.accounts);
        accounts.tokens = left.tokens;
        accounts.usd = left.usd;
    }

    /// What was spent since it was asked last.
    pub(super) fn take_spent(&self) -> (TokenUsage, Option<f64>) {
        let mut accounts = lock(&self.accounts);
        (
            std::mem::take(&mut accounts.spent),
            accounts.spent_usd.take(),
        )
    }

    /// Reserves a part of what is left: half of it, so that whoever asked can go on with the answer,
    /// and at most [`MOST_TOKENS`].
    pub(super) fn reserve(self: &Arc<Ledger>) -> Allotment {
        let mut accounts = lock(&self.accounts);
        let tokens = (accounts.tokens / 2).min(MOST_TOKENS);
        let usd = accounts.usd / 2.0;
        accounts.tokens -= tokens;
        // Half of no limit is no limit.
        if usd.is_finite() {
            accounts.usd -= usd;
        }
        Allotment {
            ledger: Arc::clone(self),
            tokens,
            usd,
        }
    }
}

/// What one sub-question may spend.
pub(super) struct Allotment {
    ledger: Arc<Ledger>,
    /// Tokens, all kinds together.
    pub(super) tokens: u64,
    /// US dollars; infinity for no limit.
    pub(super) usd: f64,
}

impl Allotment {
    /// Ends it: what was spent is spent, what was not is given back.
    pub(super) fn settle(&mut self, usage: &TokenUsage, cost_usd: Option<f64>) {
        let mut accounts = lock(&self.ledger.accounts);
        accounts.spent.add(usage);
        if let Some(cost) = cost_usd {
            *accounts.spent_usd.get_or_insert(0.0) += cost;
        }
        accounts.tokens += self.tokens.saturating_sub(usage.total());
        if self.usd.is_finite() {
            accounts.usd += (self.usd - cost_usd.unwrap_or(0.0)).max(0.0);
        }
        self.tokens = 0;
        self.usd = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn used(tokens: u64) -> TokenUsage {
        TokenUsage {
            output_tokens: tokens,
            ..TokenUsage::default()
        }
    }

    proptest! {
        /// Whatever is reserved and settled in whatever order, and however much of it is used.
        #[test]
        fn all_together_never_spend_more_than_is_left(
            tokens in 0..2_000_000u64,
            usd in prop_oneof![Just(f64::INFINITY), 0.0..100.0f64],
            steps in prop::collection::vec((any::<bool>(), 0.0..=1.0f64), 0..60),
        ) {
            let ledger = Arc::new(Ledger::default());
            ledger.open(Left { tokens, usd });
            let mut open: Vec<Allotment> = Vec::new();
            let (mut spent, mut cost) = (0, 0.0);
            for (begins, share) in steps {
                if begins {
                    open.push(ledger.reserve());
                } else if let Some(mut allotment) = open.pop() {
                    let tokens = (allotment.tokens as f64 * share) as u64;
                    let usd = if allotment.usd.is_finite() { allotment.usd * share } else { 1.0 };
                    spent += tokens;
                    cost += usd;
                    allotment.settle(&used(tokens), Some(usd));
                }
                let reserved: u64 = open.iter().map(|allotment| allotment.tokens).sum();
                prop_assert!(spent + reserved <= tokens);
                let reserved: f64 = open.iter().map(|allotment| allotment.usd).sum();
                prop_assert!(cost + reserved <= usd + 1e-6);
            }
            let told = ledger.take_spent();
            prop_assert_eq!(told.0.total(), spent);
            prop_assert!((told.1.unwrap_or(0.0) - cost).abs() < 1e-6);
            prop_assert_eq!(ledger.take_spent(), (TokenUsage::default(), None));
        }
    }
}
