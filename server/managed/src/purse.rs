//! What one conversation spends of an account, request by request: the worst case of each is held
//! before it is sent, so that those who share an account cannot spend the same twice.

use crate::account::{Account, Allotment, Part};
use crate::lock;
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_query::{Left, Query};
use std::sync::Arc;

/// One conversation's hand on an account.
#[derive(Debug)]
pub struct Purse {
    account: Arc<Account>,
    /// Where the account's content comes from, when it is this conversation's alone.
    allotment: Option<Allotment>,
    /// All that the conversation may spend of it.
    most: Left,
    /// Held for the request that is on its way.
    held: Left,
    /// What of the conversation's use is out of the account already.
    counted: TokenUsage,
    counted_usd: f64,
}

impl Purse {
    /// Spends of what others spend of too.
    pub fn shared(account: &Arc<Account>) -> Purse {
        Purse::of(Arc::clone(account), None)
    }

    /// Spends what was reserved, and gives the rest back at its end.
    pub fn own(allotment: Allotment) -> Purse {
        let account = Arc::<Account>::default();
        account.open(Left {
            tokens: allotment.tokens,
            usd: allotment.usd,
        });
        Purse::of(account, Some(allotment))
    }

    /// Spends at most so much: what is reserved for it, where both are limited. What is not limited, by
    /// `u64::MAX` or infinity, is spent with others, and then nothing is kept from them.
    pub fn at_most(account: &Arc<Account>, most: Left) -> Purse {
        let dollars = most.usd.is_finite() || !account.limits_usd();
        if most.tokens < u64::MAX && dollars {
            let (tokens, usd) = (most.tokens, most.usd);
            return Purse::own(account.reserve(&[Part::Most { tokens, usd }]));
        }
        let mut purse = Purse::shared(account);
        purse.most = most;
        purse
    }

    fn of(account: Arc<Account>, allotment: Option<Allotment>) -> Purse {
        Purse {
            account,
            allotment,
            most: Left {
                tokens: u64::MAX,
                usd: f64::INFINITY,
            },
            held: Left {
                tokens: 0,
                usd: 0.0,
            },
            counted: TokenUsage::default(),
            counted_usd: 0.0,
        }
    }

    /// Lets the conversation take a step within what is left, and holds what that may cost.
    pub fn step<T>(&mut self, query: &mut Query, step: impl FnOnce(&mut Query) -> T) -> T {
        let mut balance = lock(&self.account.balance);
        balance.tokens += self.held.tokens;
        balance.usd += self.held.usd;
        // What was added to it since the last step, beside its own requests.
        self.counted = charge(&mut balance, query, self.counted, &mut self.counted_usd);
        let own = self.most.tokens.saturating_sub(self.counted.total());
        query.allow(Left {
            tokens: balance.tokens.min(own),
            usd: balance.usd.min(self.most.usd - self.counted_usd).max(0.0),
        });
        let done = step(query);
        self.counted = charge(&mut balance, query, self.counted, &mut self.counted_usd);
        self.held = query.reserved();
        balance.tokens = balance.tokens.saturating_sub(self.held.tokens);
        balance.usd -= self.held.usd;
        done
    }
}

/// Takes out of the account what the conversation used since; gives what it has used by now.
fn charge(
    balance: &mut crate::account::Balance,
    query: &Query,
    counted: TokenUsage,
    counted_usd: &mut f64,
) -> TokenUsage {
    let now = query.usage();
    let since = now.since(&counted);
    balance.tokens = balance.tokens.saturating_sub(since.total());
    balance.spent.add(&since);
    if let Some(cost) = query.cost_usd() {
        let more = (cost - *counted_usd).max(0.0);
        balance.usd -= more;
        *balance.spent_usd.get_or_insert(0.0) += more;
        *counted_usd = cost;
    }
    now
}

impl Drop for Purse {
    fn drop(&mut self) {
        let mut balance = lock(&self.account.balance);
        balance.tokens += self.held.tokens;
        balance.usd += self.held.usd;
        drop(balance);
        if let Some(mut allotment) = self.allotment.take() {
            let (usage, cost_usd) = self.account.take_spent();
            allotment.settle(&usage, cost_usd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::conversation::{Price, StopReason};
    use boxagnts_protocol::update::TurnOutcome;
    use boxagnts_query::{Config, Effect, Event, Limits};
    use proptest::prelude::*;

    const PRICE: Price = Price {
        input: 3.0,
        output: 15.0,
        cache_read: 0.3,
        cache_write: 3.75,
    };

    const MOST_TOKENS: Left = Left {
        tokens: 7_000,
        usd: f64::INFINITY,
    };
    const MOST_USD: Left = Left {
        tokens: u64::MAX,
        usd: 0.05,
    };

    /// What is not named of a budget is there for others.
    #[test]
    fn a_part_of_one_kind_takes_nothing_of_the_other() {
        let all = Left {
            tokens: 10_000,
            usd: 1.0,
        };
        let check = |most: Left, left: Left| {
            let account = Arc::new(Account::default());
            account.open(all);
            let purse = Purse::at_most(&account, most);
            let balance = lock(&account.balance);
            assert_eq!(
                (balance.tokens, balance.usd),
                (left.tokens, left.usd),
                "{most:?}"
            );
            drop(balance);
            drop(purse);
            let balance = lock(&account.balance);
            assert_eq!(
                (balance.tokens, balance.usd),
                (all.tokens, all.usd),
                "{most:?}"
            );
        };
        check(MOST_TOKENS, all);
        check(MOST_USD, all);
        check(
            Left {
                tokens: 4_000,
                usd: 0.25,
            },
            Left {
                tokens: 6_000,
                usd: 0.75,
            },
        );
    }

    fn query() -> Query {
        Query::new(Config {
            limits: Limits {
                max_turns: 1000,
                max_tool_calls: 1000,
                max_tokens_total: 0,
                max_tokens_recovery_limit: 1000,
                total_budget_usd: 0.0,
                max_answer_bytes: 1 << 20,
                compact_at_percent: 80,
            },
            price: Some(PRICE),
            max_output_tokens: 2000,
            context_window: None,
            system: "".into(),
            tools: Vec::new(),
        })
    }

    /// One of several conversations, and what it was allowed to answer.
    struct One {
        purse: Purse,
        query: Query,
        answers: Option<u64>,
        over: bool,
    }

    impl One {
        fn tell(&mut self, event: Event) {
            let effects = self.purse.step(&mut self.query, |query| query.step(event));
            self.answers = effects.iter().find_map(|effect| match effect {
                Effect::CallModel {
                    max_output_tokens, ..
                } => Some(*max_output_tokens),
                _ => None,
            });
            self.over |= effects
                .iter()
                .any(|effect| matches!(effect, Effect::Finish(TurnOutcome::Limit { .. })));
        }
    }

    proptest! {
        /// Conversations that share an account, or have parts of it, each with requests on their way at
        /// the same time, use never more than there was.
        #[test]
        fn nothing_is_spent_twice(
            tokens in 5_000..60_000u64,
            usd in prop_oneof![Just(f64::INFINITY), 0.01..1.0f64],
            kind in 0..4u8,
            steps in prop::collection::vec((0..5usize, 0.0..=1.0f64), 1..120),
        ) {
            let account = Arc::new(Account::default());
            account.open(Left { tokens, usd });
            let mut all: Vec<One> = (0..5).map(|_| One {
                purse: match kind {
                    0 => Purse::shared(&account),
                    1 => Purse::own(account.reserve(&[Part::Percent(30)])),
                    2 => Purse::at_most(&account, MOST_TOKENS),
                    _ => Purse::at_most(&account, MOST_USD),
                },
                query: query(),
                answers: None,
                over: false,
            }).collect();
            for (at, share) in steps {
                let one = &mut all[at];
                match one.answers {
                    None => one.tell(Event::Prompt { text: "go on ".repeat(20) }),
                    Some(most) => {
                        let held = one.query.reserved();
                        let output_tokens = (most as f64 * share) as u64;
                        // At most what was reserved for the prompt.
                        let input_tokens = ((held.tokens - most) as f64 * share) as u64;
                        one.tell(Event::ModelUsage(TokenUsage {
                            input_tokens,
                            output_tokens,
                            ..TokenUsage::default()
                        }));
                        one.answers = Some(most);
                        one.tell(Event::ModelStopped(StopReason::EndTurn));
                    }
                }
                for one in &all {
                    let (used, cost) = (one.query.usage().total(), one.query.cost_usd());
                    prop_assert!(kind != 2 || used <= MOST_TOKENS.tokens, "{used}");
                    prop_assert!(kind != 3 || cost.unwrap_or(0.0) <= MOST_USD.usd + 1e-6, "{cost:?}");
                }
                let used: u64 = all.iter().map(|one| one.query.usage().total()).sum();
                let cost: f64 = all.iter().filter_map(|one| one.query.cost_usd()).sum();
                prop_assert!(used <= tokens, "{used} of {tokens}");
                prop_assert!(cost <= usd + 1e-6, "{cost} of {usd}");
            }
            let used: u64 = all.iter().map(|one| one.query.usage().total()).sum();
            drop(all);
            prop_assert_eq!(account.take_spent().0.total(), used);
            let left = lock(&account.balance).tokens;
            prop_assert_eq!(left, tokens - used);
        }
    }
}
