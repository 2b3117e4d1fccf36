//! What several conversations may spend together. Each is given a part before it begins and gives back
//! what it did not use, so that all of them never spend more than there is.

use crate::lock;
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_query::Left;
use std::sync::{Arc, Mutex};

/// What is left, shared by those who spend it.
#[derive(Debug, Default)]
pub struct Account {
    pub(crate) balance: Mutex<Balance>,
}

#[derive(Debug, Default)]
pub(crate) struct Balance {
    /// What is given to nobody.
    pub(crate) tokens: u64,
    pub(crate) usd: f64,
    /// What was spent, and not yet told to the budgets behind the account.
    pub(crate) spent: TokenUsage,
    pub(crate) spent_usd: Option<f64>,
}

/// How much of what is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// So many hundredths.
    Percent(u64),
    /// As much as is named, or what is left when that is less.
    Most {
        /// Tokens, all kinds together.
        tokens: u64,
        /// US dollars; infinity for all.
        usd: f64,
    },
}

impl Account {
    /// Nothing is given to anybody at this moment, and so much is left.
    pub fn open(&self, left: Left) {
        let mut balance = lock(&self.balance);
        balance.tokens = left.tokens;
        balance.usd = left.usd;
    }

    /// What was spent since it was asked last.
    pub fn take_spent(&self) -> (TokenUsage, Option<f64>) {
        let mut balance = lock(&self.balance);
        (std::mem::take(&mut balance.spent), balance.spent_usd.take())
    }

    /// Whether dollars are limited.
    pub(crate) fn limits_usd(&self) -> bool {
        lock(&self.balance).usd.is_finite()
    }

    /// Reserves what all of these parts leave: the least of them.
    pub fn reserve(self: &Arc<Account>, parts: &[Part]) -> Allotment {
        let mut balance = lock(&self.balance);
        let (mut tokens, mut usd) = (balance.tokens, balance.usd.max(0.0));
        for part in parts {
            let (most_tokens, most_usd) = match *part {
                Part::Percent(percent) => {
                    let of = u128::from(balance.tokens) * u128::from(percent.min(100)) / 100;
                    let of = u64::try_from(of).unwrap_or(u64::MAX);
                    (of, balance.usd * percent.min(100) as f64 / 100.0)
                }
                Part::Most { tokens, usd } => (tokens, usd),
            };
            tokens = tokens.min(most_tokens);
            // Nobody is given less than nothing: that would be more for others.
            usd = usd.min(most_usd.max(0.0));
        }
        balance.tokens -= tokens;
        // A part of no limit is no limit.
        if balance.usd.is_finite() {
            balance.usd -= usd;
        }
        let limited = balance.usd.is_finite();
        drop(balance);
        Allotment {
            account: Arc::clone(self),
            tokens,
            usd,
            limited,
        }
    }
}

/// What one conversation may spend.
#[derive(Debug)]
pub struct Allotment {
    account: Arc<Account>,
    /// Tokens, all kinds together.
    pub tokens: u64,
    /// US dollars; infinity for no limit.
    pub usd: f64,
    /// Whether the dollars were taken out of the account.
    limited: bool,
}

impl Allotment {
    /// Ends it: what was spent is spent, what was not is given back.
    pub fn settle(&mut self, usage: &TokenUsage, cost_usd: Option<f64>) {
        let mut balance = lock(&self.account.balance);
        balance.spent.add(usage);
        if let Some(cost) = cost_usd {
            *balance.spent_usd.get_or_insert(0.0) += cost;
        }
        balance.tokens += self.tokens.saturating_sub(usage.total());
        if self.limited {
            balance.usd += (self.usd - cost_usd.unwrap_or(0.0)).max(0.0);
        }
        self.tokens = 0;
        self.usd = 0.0;
        self.limited = false;
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

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            (0..150u64).prop_map(Part::Percent),
            (
                0..500_000u64,
                prop_oneof![Just(f64::INFINITY), Just(f64::NAN), -50.0..50.0f64]
            )
                .prop_map(|(tokens, usd)| Part::Most { tokens, usd }),
        ]
    }

    proptest! {
        /// Whatever is reserved and settled in whatever order, and however much of it is used.
        #[test]
        fn all_together_never_spend_more_than_is_left(
            tokens in 0..2_000_000u64,
            usd in prop_oneof![Just(f64::INFINITY), 0.0..100.0f64],
            steps in prop::collection::vec((prop::option::of(part()), 0.0..=1.0f64), 0..60),
        ) {
            let account = Arc::new(Account::default());
            account.open(Left { tokens, usd });
            let mut open: Vec<Allotment> = Vec::new();
            let (mut spent, mut cost) = (0, 0.0);
            for (begins, share) in steps {
                if let Some(part) = begins {
                    open.push(account.reserve(&[part, Part::Percent(50)]));
                } else if let Some(mut allotment) = open.pop() {
                    let tokens = (allotment.tokens as f64 * share) as u64;
                    let usd = if allotment.usd.is_finite() { allotment.usd * share } else { 1.0 };
                    spent += tokens;
                    cost += usd;
                    allotment.settle(&used(tokens), Some(usd));
                }
                let reserved: u64 = open.iter().map(|allotment| allotment.tokens).sum();
                prop_assert!(spent + reserved <= tokens);
                if usd.is_finite() {
                    let reserved: f64 = open.iter().map(|allotment| allotment.usd).sum();
                    prop_assert!(cost + reserved <= usd + 1e-6);
                }
            }
            let told = account.take_spent();
            prop_assert_eq!(told.0.total(), spent);
            prop_assert!((told.1.unwrap_or(0.0) - cost).abs() < 1e-6);
            prop_assert_eq!(account.take_spent(), (TokenUsage::default(), None));
        }
    }
}
