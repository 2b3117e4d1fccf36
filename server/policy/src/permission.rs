//! Levels that tools ask for, modes that sessions run in, and the decision that follows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    },
    /// No.
    Deny {
        /// Why, and what would change it.
        reason: String,
    },
}

/// What a tool of `level` may do in a session of `mode`.
pub fn decide(tool: &str, level: Level, mode: Mode) -> Decision {
    match (level, mode) {
        (Level::None | Level::Read, _) => Decision::Allow {
            reason: format!("`{tool}` only reads"),
        },
        (Level::Write, Mode::Review | Mode::Auto) => Decision::Allow {
            reason: format!("`{tool}` writes to the overlay, which is reviewed"),
        },
        (Level::Write, Mode::Plan) => Decision::Deny {
            reason: format!("`{tool}` writes, and mode `plan` only reads; use mode `review`"),
        },
        (Level::Execute | Level::Network | Level::Dangerous, Mode::Plan) => Decision::Deny {
            reason: format!("`{tool}` leaves the sandbox, and mode `plan` only reads"),
        },
        (Level::Execute | Level::Network | Level::Dangerous, _) => Decision::Ask {
            reason: format!("`{tool}` leaves the sandbox"),
        },
        (Level::Forbidden, _) => Decision::Deny {
            reason: format!("`{tool}` is forbidden"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(level: Level, mode: Mode, expect: &str) {
        let got = match decide("t", level, mode) {
            Decision::Allow { .. } => "allow",
            Decision::Ask { .. } => "ask",
            Decision::Deny { .. } => "deny",
        };
        assert_eq!(got, expect, "{level:?} in {mode:?}");
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
}
