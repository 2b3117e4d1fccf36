//! Asking the editor's user whether a tool call may run.

use async_trait::async_trait;
use boxagnts_session::{Asker, Choice, Question};
use tower_lsp::Client;
use tower_lsp::ls_types::{MessageActionItem, MessageType};

const ONCE: &str = "Allow once";
const ALWAYS: &str = "Always allow";
const NO: &str = "Deny";
const NEVER: &str = "Never allow";

/// Asks by `window/showMessageRequest`.
pub(crate) struct EditorAsker {
    pub(crate) client: Client,
}

#[async_trait]
impl Asker for EditorAsker {
    async fn ask(&self, question: &Question) -> Choice {
        let text = format!(
            "BoxAgnts: {}. Let it run?\n{}\n(“Always” and “Never” hold for {}.)",
            question.reason, question.input, question.scope
        );
        let action = |title: &str| MessageActionItem {
            title: title.to_owned(),
            properties: Default::default(),
        };
        let actions = [ONCE, ALWAYS, NO, NEVER].map(action).to_vec();
        let kind = MessageType::WARNING;
        let answer = self
            .client
            .show_message_request(kind, &text, Some(actions))
            .await;
        match answer {
            Ok(Some(action)) => match action.title.as_str() {
                ONCE => Choice::Once,
                ALWAYS => Choice::Always,
                NEVER => Choice::Never,
                _ => Choice::No,
            },
            // Put away without an answer.
            Ok(None) => Choice::No,
            Err(error) => {
                tracing::info!(%error, "the client cannot ask");
                Choice::Nobody
            }
        }
    }
}
