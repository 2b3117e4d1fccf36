//! What a tool may do: its level in the session's mode, and what the level grants.

use crate::approval::Approver;
use boxagnts_policy::permission::{Decision, Level, Mode, Question, decide};
use boxagnts_policy::rules::Rules;
use boxagnts_sandbox::Capabilities;

/// Asks policy, and the user where policy says so. `Err` is the reason of a denial.
pub(crate) async fn pass(
    tool: &str,
    level: Level,
    mode: Mode,
    approver: &dyn Approver,
) -> Result<Capabilities, String> {
    let question = Question {
        tool,
        level,
        mode,
        input: &serde_json::Value::Null,
        rules: &Rules::default(),
    };
    match decide(question) {
        Decision::Allow { .. } => Ok(grants(level)),
        Decision::Deny { reason } => Err(reason),
        Decision::Ask { reason } => {
            if approver.approve(tool, &reason).await {
                Ok(grants(level))
            } else {
                Err(format!("{reason}, and it was not approved"))
            }
        }
    }
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
