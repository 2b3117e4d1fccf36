//! Asking on the terminal whether a tool call may run; where there is no terminal the answer is no.

use crate::terminal::{self, visible};
use async_trait::async_trait;
use boxagnts_session::policy::permission::Level;
use boxagnts_session::tools::{Approval, ApprovalRequest, Approver};
use boxagnts_session::{Asker, Choice, Question};

/// For calls of a session, whose answers can be remembered.
pub(crate) struct TerminalAsker;

#[async_trait]
impl Asker for TerminalAsker {
    async fn ask(&self, question: &Question) -> Choice {
        if !terminal::can_ask() {
            return Choice::Nobody;
        }
        let text = format!(
            "{}\n  {}\n  always and never hold for {}\nLet it run? [y]es once, [a]lways, [N]o, \
             ne[v]er: ",
            visible(&question.reason),
            visible(&question.input),
            visible(&question.scope)
        );
        match line(text).await.as_str() {
            "y" | "yes" => Choice::Once,
            "a" | "always" => Choice::Always,
            "v" | "never" => Choice::Never,
            _ => Choice::No,
        }
    }
}

/// For a single call without a session.
pub(crate) struct TerminalApprover {
    /// The user said yes on the command line.
    pub(crate) yes: bool,
    /// The user named hosts on the command line, for this one tool.
    pub(crate) hosts: bool,
}

#[async_trait]
impl Approver for TerminalApprover {
    async fn approve(&self, request: &ApprovalRequest<'_>) -> Approval {
        let answer = |approved, reason: &str| Approval {
            approved,
            reason: reason.to_owned(),
        };
        if self.yes {
            return answer(true, "the command line said --yes");
        }
        if self.hosts && request.level == Level::Network && !request.by_rule {
            return answer(true, "the command line names the hosts");
        }
        if !terminal::can_ask() {
            return answer(false, "nobody could be asked; --yes lets it run");
        }
        let text = format!("{}. Let it run? [y/N] ", visible(request.reason));
        match line(text).await.as_str() {
            "y" | "yes" => answer(true, "the user let it run once"),
            _ => answer(false, "the user said no"),
        }
    }
}

/// Whether the user says yes.
pub(crate) async fn confirm(question: String) -> bool {
    matches!(line(question).await.as_str(), "y" | "yes")
}

/// A line of the user's, in lower case; empty when there is none.
async fn line(question: String) -> String {
    let asking = tokio::task::spawn_blocking(move || {
        terminal::say(&question);
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(_) => answer.trim().to_lowercase(),
            Err(_) => String::new(),
        }
    });
    asking.await.unwrap_or_default()
}
