//! Asking the user whether a call may run, and remembering the answer where the user wants that: for
//! this workspace, for this very tool, and for no more than was asked.

use crate::session::Session;
use async_trait::async_trait;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::canonical;
use boxagnts_protocol::question::{QuestionParams, UserAnswer};
use boxagnts_tools::{Approval, ApprovalRequest, Approver};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Longest input in a question, in characters.
const MAX_SHOWN: usize = 600;

/// A question to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The session that the call is of; empty for a call without one.
    pub session: String,
    /// The call's id, as in its events.
    pub call: String,
    /// The tool's name.
    pub tool: String,
    /// Why the user is asked.
    pub reason: String,
    /// The call's input as JSON, cut where it is long.
    pub input: String,
    /// What an answer for later would hold for, in words.
    pub scope: String,
}

/// The user's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Let this call run.
    Once,
    /// Let it run, and every later one of the same scope in this workspace.
    Always,
    /// Not now.
    No,
    /// Not now, and no later one of the same scope in this workspace.
    Never,
    /// There is nobody who could be asked.
    Nobody,
}

/// Whoever can put a question to the user.
#[async_trait]
pub trait Asker: Send + Sync {
    /// Waits for the user. Dropping the future takes the question back, where that can be done.
    async fn ask(&self, question: &Question) -> Choice;

    /// Puts a question of the model's to the user, as [`Asker::ask`] does with one about a call.
    async fn inquire(&self, _question: &QuestionParams) -> UserAnswer {
        UserAnswer::Nobody
    }
}

/// Nobody to ask.
#[derive(Debug, Clone, Copy)]
pub struct NoAsker;

#[async_trait]
impl Asker for NoAsker {
    async fn ask(&self, _question: &Question) -> Choice {
        Choice::Nobody
    }
}

/// What an answer for later holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    /// Every call of the tool.
    Tool,
    /// Calls with this very input: what runs programs is never allowed at large, and what a rule asks
    /// about is asked for its own sake.
    Input(String),
}

impl Scope {
    fn of(request: &ApprovalRequest<'_>) -> Scope {
        match request.level {
            Level::Network if !request.by_rule => Scope::Tool,
            _ => {
                let digest = Sha256::digest(canonical::text(request.input).as_bytes());
                Scope::Input(digest.iter().map(|byte| format!("{byte:02x}")).collect())
            }
        }
    }

    /// As the journal has it. The name is in it: the same program under another is another tool.
    fn key(&self, tool: &str) -> String {
        match self {
            Scope::Tool => format!("tool {tool}"),
            Scope::Input(hash) => format!("input of {tool} {hash}"),
        }
    }

    fn words(&self, tool: &str) -> String {
        match self {
            Scope::Tool => format!("every call of `{tool}` in this workspace"),
            Scope::Input(_) => format!("calls of `{tool}` with this very input in this workspace"),
        }
    }
}

/// Asks the user of one session.
pub(crate) struct SessionApprover<'a> {
    pub(crate) session: &'a Arc<Session>,
}

#[async_trait]
impl Approver for SessionApprover<'_> {
    async fn approve(&self, request: &ApprovalRequest<'_>) -> Approval {
        let session = self.session;
        let store = session.environment.store();
        let workspace = session.users.root().display().to_string();
        let scope = Scope::of(request);
        let remembered = store.permission(&workspace, request.sha256, &scope.key(request.tool));
        match remembered {
            Ok(Some(allowed)) => {
                let answer = if allowed { "always" } else { "never" };
                return Approval {
                    approved: allowed,
                    reason: format!("the user said {answer} earlier"),
                };
            }
            Ok(None) => {}
            // Asking once more is safe.
            Err(error) => tracing::warn!(%error, "remembered permissions cannot be read"),
        }
        // Users know the session that they talk to.
        let (asking, reason) = match &session.manager {
            None => (&session.id, request.reason.to_owned()),
            Some(manager) => (manager, format!("{}; an executor wants it", request.reason)),
        };
        let question = Question {
            session: asking.clone(),
            call: request.call.to_owned(),
            tool: request.tool.to_owned(),
            reason,
            input: shown(&request.input.to_string()),
            scope: scope.words(request.tool),
        };
        let choice = session.asker.ask(&question).await;
        if let Choice::Always | Choice::Never = choice {
            let allowed = choice == Choice::Always;
            let kept = store.remember_permission(
                &workspace,
                request.tool,
                request.sha256,
                &scope.key(request.tool),
                allowed,
            );
            if let Err(error) = kept {
                tracing::error!(%error, "the answer cannot be remembered");
            }
        }
        let (approved, reason) = match choice {
            Choice::Once => (true, "the user let it run once"),
            Choice::Always => (true, "the user lets it always run here"),
            Choice::No => (false, "the user said no"),
            Choice::Never => (false, "the user said never"),
            Choice::Nobody => (
                false,
                "nobody could be asked; a rule in `allow` of your configuration can let it run",
            ),
        };
        Approval {
            approved,
            reason: reason.to_owned(),
        }
    }
}

/// Both ends of what is long: what matters may be at either.
pub(crate) fn shown(input: &str) -> String {
    let all: Vec<char> = input.chars().collect();
    if all.len() <= MAX_SHOWN {
        return input.to_owned();
    }
    let part = MAX_SHOWN / 2;
    let left_out = all.len() - 2 * part;
    let (head, tail) = (&all[..part], &all[all.len() - part..]);
    format!(
        "{} … {left_out} characters left out … {}",
        head.iter().collect::<String>(),
        tail.iter().collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_input_is_shown_from_both_ends() {
        assert_eq!(shown("short"), "short");
        let long = format!("head{}tail", "é".repeat(10_000));
        let text = shown(&long);
        assert!(text.starts_with("head") && text.ends_with("tail"), "{text}");
        assert!(text.contains("9408 characters left out") && text.len() < 2_000);
    }
}
