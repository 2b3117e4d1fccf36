//! Asking the editor's user: whether a tool call may run, and what a model wants to know.

use crate::capabilities::ClientCan;
use async_trait::async_trait;
use boxagnts_protocol::question::{self, QuestionParams, QuestionResult, UserAnswer, UserQuestion};
use boxagnts_session::{Asker, Choice, Question};
use std::fmt::Write;
use tower_lsp::Client;
use tower_lsp::ls_types::request::Request;
use tower_lsp::ls_types::{MessageActionItem, MessageType};

const ONCE: &str = "Allow once";
const ALWAYS: &str = "Always allow";
const NO: &str = "Deny";
const NEVER: &str = "Never allow";

/// The answer to a question that has no choices, or none that fits.
const SKIP: &str = "Skip";
/// Longest text that a question is about in a message, in characters.
const MAX_DETAIL: usize = 4000;

/// `boxagnts/question`.
enum QuestionRequest {}

impl Request for QuestionRequest {
    type Params = QuestionParams;
    type Result = Option<QuestionResult>;
    const METHOD: &'static str = question::METHOD;
}

/// Asks by `window/showMessageRequest`, or as the client can.
pub(crate) struct EditorAsker {
    pub(crate) client: Client,
    pub(crate) can: ClientCan,
}

fn action(title: &str) -> MessageActionItem {
    MessageActionItem {
        title: title.to_owned(),
        properties: Default::default(),
    }
}

#[async_trait]
impl Asker for EditorAsker {
    async fn ask(&self, question: &Question) -> Choice {
        let text = format!(
            "BoxAgnts: {}. Let it run?\n{}\n(“Always” and “Never” hold for {}.)",
            question.reason, question.input, question.scope
        );
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

    async fn inquire(&self, asked: &QuestionParams) -> UserAnswer {
        if self.can.questions {
            let answer = self.client.send_request::<QuestionRequest>(asked.clone());
            match answer.await {
                Ok(Some(QuestionResult { choices, text })) => {
                    return UserAnswer::Given { choices, text };
                }
                Ok(None) => return UserAnswer::Dismissed,
                Err(error) => tracing::info!(%error, "the client cannot ask as it said"),
            }
        }
        self.by_message(&asked.question).await
    }
}

impl EditorAsker {
    /// As every client can: one choice, and no words. Those come by the command `boxagnts.answer`.
    async fn by_message(&self, question: &UserQuestion) -> UserAnswer {
        let titles = question.choices.iter().map(|choice| choice.label.as_str());
        let skip = question.allow_free_text.then_some(SKIP);
        let skip = skip.filter(|skip| question.choices.iter().all(|c| c.label != *skip));
        let actions = titles.chain(skip).map(action).collect();
        let text = message(question);
        let asking = self
            .client
            .show_message_request(MessageType::INFO, &text, Some(actions));
        match asking.await {
            Ok(Some(chosen)) if question.choices.iter().any(|c| c.label == chosen.title) => {
                UserAnswer::Given {
                    choices: vec![chosen.title],
                    text: None,
                }
            }
            Ok(_) => UserAnswer::Dismissed,
            Err(error) => {
                tracing::info!(%error, "the client cannot ask");
                UserAnswer::Nobody
            }
        }
    }
}

fn message(question: &UserQuestion) -> String {
    let mut text = format!("BoxAgnts asks: {}", question.question);
    if let Some(detail) = &question.detail {
        let shown: String = detail.chars().take(MAX_DETAIL).collect();
        let more = if shown.len() < detail.len() {
            "…"
        } else {
            ""
        };
        let _ = write!(text, "\n\n{shown}{more}\n");
    }
    for choice in &question.choices {
        if !choice.description.is_empty() {
            let _ = write!(text, "\n- {}: {}", choice.label, choice.description);
        }
    }
    if question.allow_free_text {
        text.push_str("\n(The command boxagnts.answer answers in words.)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::question::AnswerChoice;

    #[test]
    fn a_message_has_all_that_is_needed_to_choose() {
        let question = UserQuestion {
            question: "Which?".into(),
            detail: Some("x".repeat(MAX_DETAIL + 1)),
            choices: vec![AnswerChoice {
                label: "A".into(),
                description: "the first".into(),
            }],
            multi_select: false,
            allow_free_text: true,
        };
        let text = message(&question);
        assert!(text.starts_with("BoxAgnts asks: Which?\n\nxxx"), "{text}");
        let end = "x…\n\n- A: the first\n(The command boxagnts.answer answers in words.)";
        assert!(text.ends_with(end), "{text}");
    }
}
