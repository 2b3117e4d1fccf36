//! What a call may do: rules, then its level in the session's mode, then the user.

use crate::approval::{ApprovalRequest, Approver};
use boxagnts_policy::config::Config;
use boxagnts_policy::permission::{Decision, Level, Question, decide};
use boxagnts_protocol::tool::{GateDecision, Verdict};
use boxagnts_sandbox::Capabilities;
use serde_json::Value;

/// A call before the gate.
pub(crate) struct Wish<'a> {
    pub(crate) call: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) level: Level,
    pub(crate) input: &'a Value,
    /// Why the user is asked where policy would let it run.
    pub(crate) ask: Option<&'a str>,
}

/// Asks policy, and the user where policy says so. What is granted is empty after a denial.
pub(crate) async fn pass(
    wish: &Wish<'_>,
    config: &Config,
    approver: &dyn Approver,
) -> (GateDecision, Option<Capabilities>) {
    let decided = decide(Question {
        tool: wish.tool,
        level: wish.level,
        mode: config.mode(),
        input: wish.input,
        rules: config.rules(),
    });
    let decided = match (decided, wish.ask) {
        (Decision::Allow { .. } | Decision::Ask { .. }, Some(reason)) => Decision::Ask {
            reason: reason.to_owned(),
            by_rule: true,
        },
        (decided, _) => decided,
    };
    let (verdict, reason) = match decided {
        Decision::Allow { reason } => (Verdict::Allowed, reason),
        Decision::Deny { reason } => (Verdict::Denied, reason),
        Decision::Ask { reason, by_rule } => {
            let approval = approver
                .approve(&ApprovalRequest {
                    call: wish.call,
                    tool: wish.tool,
                    sha256: wish.sha256,
                    level: wish.level,
                    input: wish.input,
                    reason: &reason,
                    by_rule,
                })
                .await;
            let why = approval.reason;
            match approval.approved {
                true => (Verdict::Approved, format!("{reason}; {why}")),
                false => (
                    Verdict::Denied,
                    format!("{reason}, and it was not approved: {why}"),
                ),
            }
        }
    };
    let granted = (verdict != Verdict::Denied).then(|| grants(wish.level));
    (GateDecision { verdict, reason }, granted)
}

/// The host interfaces that a level grants; a component that imports another is not even linked.
fn grants(level: Level) -> Capabilities {
    Capabilities {
        workspace_read: level >= Level::Read && level < Level::Forbidden,
        workspace_write: level >= Level::Write && level < Level::Forbidden,
        http: level >= Level::Network && level < Level::Forbidden,
        progress: level < Level::Forbidden,
    }
}
