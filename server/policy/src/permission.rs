//! Levels that tools ask for, modes that sessions run in, rules that users write, and the decision
//! that follows.

use crate::rules::{Rules, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much trust a tool asks for, in rising order. What a tool declares is a request only.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Computes on its input alone.
    None,
    /// Reads the workspace.
    Read,
    /// Proposes changes to the workspace.
    Write,
    /// Runs programs.
    Execute,
    /// Talks to the network.
    Network,
    /// May do harm outside of the sandbox.
    Dangerous,
    /// Never runs.
    Forbidden,
}

/// How a session treats what its tools want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Reads only.
    Plan,
    /// Writes go to the overlay and wait for review.
    Review,
    /// As review; what is proposed is accepted at the end of the turn.
    Auto,
}

impl Mode {
    /// As configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Plan => "plan",
            Mode::Review => "review",
            Mode::Auto => "auto",
        }
    }

    /// The one of the two that lets more happen.
    pub fn wider(self, other: Mode) -> Mode {
        match (self, other) {
            (Mode::Auto, _) | (_, Mode::Auto) => Mode::Auto,
            (Mode::Review, _) | (_, Mode::Review) => Mode::Review,
            (Mode::Plan, Mode::Plan) => Mode::Plan,
        }
    }
}

/// The answer of the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Go ahead.
    Allow {
        /// Why, for the journal.
        reason: String,
    },
    /// The user must say.
    Ask {
        /// Why, for the question.
        reason: String,
        /// Whether a rule asks, and not the level alone: what was answered about the level at large
        /// does not answer it.
        #[serde(default)]
        by_rule: bool,
    },
    /// No.
    Deny {
        /// Why, and what would change it.
        reason: String,
    },
}

impl Decision {
    /// Why.
    pub fn reason(&self) -> &str {
        match self {
            Decision::Allow { reason }
            | Decision::Ask { reason, .. }
            | Decision::Deny { reason } => reason,
        }
    }
}

/// What a call is asked about before it runs.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// The level that the tool has.
    pub level: Level,
    /// The session's mode.
    pub mode: Mode,
    /// The call's input.
    pub input: &'a Value,
    /// The session's rules.
    pub rules: &'a Rules,
}

/// Whether a call may run. A denying rule is above everything that could allow, mode `plan` is above
/// asking, and a rule is above what level and mode say.
pub fn decide(question: Question<'_>) -> Decision {
    let Question {
        tool,
        level,
        mode,
        input,
        rules,
    } = question;
    if level == Level::Forbidden {
        return Decision::Deny {
            reason: format!("`{tool}` is forbidden"),
        };
    }
    let ruled = rules.verdict(tool, input);
    if let Some((Verdict::Deny, rule)) = ruled {
        return Decision::Deny {
            reason: format!(
                "`{tool}` is denied by the rule `{rule}`, which only its user takes out of `deny`"
            ),
        };
    }
    if mode == Mode::Plan && level > Level::Read {
        return Decision::Deny {
            reason: match level {
                Level::Write => {
                    format!("`{tool}` writes, and mode `plan` only reads; use mode `review`")
                }
                _ => format!(
                    "`{tool}` leaves the sandbox, and mode `plan` only reads; use mode `review`"
                ),
            },
        };
    }
    match ruled {
        Some((Verdict::Ask, rule)) => Decision::Ask {
            reason: format!("`{tool}` is asked about by the rule `{rule}`"),
            by_rule: true,
        },
        Some((Verdict::Allow, rule)) => Decision::Allow {
            reason: format!("`{tool}` is allowed by the rule `{rule}`"),
        },
        _ => by_level(tool, level),
    }
}

/// Without a rule, and in a mode that takes changes.
fn by_level(tool: &str, level: Level) -> Decision {
    match level {
        Level::None | Level::Read => Decision::Allow {
            reason: format!("`{tool}` only reads"),
        },
        Level::Write => Decision::Allow {
            reason: format!("`{tool}` writes to the overlay, which is reviewed"),
        },
        Level::Execute | Level::Network | Level::Dangerous => Decision::Ask {
            reason: format!("`{tool}` leaves the sandbox"),
            by_rule: false,
        },
        Level::Forbidden => Decision::Deny {
            reason: format!("`{tool}` is forbidden"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rule;
    use serde_json::json;

    fn check_ruled(level: Level, mode: Mode, rules: &Rules, expect: &str) {
        let decision = decide(Question {
            tool: "t",
            level,
            mode,
            input: &json!({"a": "x"}),
            rules,
        });
        let got = match decision {
            Decision::Allow { .. } => "allow",
            Decision::Ask { .. } => "ask",
            Decision::Deny { .. } => "deny",
        };
        assert_eq!(got, expect, "{level:?} in {mode:?}: {}", decision.reason());
        assert!(decision.reason().contains("`t`"));
    }

    fn check(level: Level, mode: Mode, expect: &str) {
        check_ruled(level, mode, &Rules::default(), expect);
    }

    fn rule(text: &str) -> Vec<Rule> {
        vec![Rule::parse(text).unwrap()]
    }

    #[test]
    fn level_and_mode_decide() {
        check(Level::Read, Mode::Plan, "allow");
        check(Level::Write, Mode::Plan, "deny");
        check(Level::Write, Mode::Review, "allow");
        check(Level::Network, Mode::Auto, "ask");
        check(Level::Execute, Mode::Plan, "deny");
        check(Level::Forbidden, Mode::Auto, "deny");
    }

    #[test]
    fn rules_decide_before_level_and_mode() {
        let allow = Rules {
            allow: rule("t"),
            ..Rules::default()
        };
        check_ruled(Level::Network, Mode::Review, &allow, "allow");
        check_ruled(Level::Network, Mode::Plan, &allow, "deny");
        check_ruled(Level::Forbidden, Mode::Auto, &allow, "deny");
        let ask = Rules {
            ask: rule("t(a=x)"),
            ..allow.clone()
        };
        check_ruled(Level::Read, Mode::Plan, &ask, "ask");
        check_ruled(Level::Write, Mode::Plan, &ask, "deny");
        check_ruled(Level::Write, Mode::Auto, &ask, "ask");
        let deny = Rules {
            deny: rule("t(a=x)"),
            ..ask
        };
        check_ruled(Level::None, Mode::Auto, &deny, "deny");
        let other = Rules {
            deny: rule("t(a=y)"),
            ..Rules::default()
        };
        check_ruled(Level::None, Mode::Auto, &other, "allow");
    }

    #[test]
    fn reasons_name_the_rule() {
        let rules = Rules {
            deny: rule("t(a=x*)"),
            ..Rules::default()
        };
        let decision = decide(Question {
            tool: "t",
            level: Level::Read,
            mode: Mode::Review,
            input: &json!({"a": "xy"}),
            rules: &rules,
        });
        assert_eq!(
            decision.reason(),
            "`t` is denied by the rule `t(a=x*)`, which only its user takes out of `deny`"
        );
    }
}
