//! Asking the client's user: whether a tool call may run, and what a model wants to know.

use crate::convert;
use crate::observer::Announced;
use crate::peer::{Filled, Peer};
use agent_client_protocol::v1::schema::{
    CreateElicitationRequest, ElicitationContentValue, ElicitationFormMode, ElicitationSchema,
    ElicitationSessionScope, EnumOption, MultiSelectPropertySchema, PermissionOption,
    PermissionOptionKind, RequestPermissionRequest, StringPropertySchema, ToolCallStatus,
    ToolCallUpdate, ToolCallUpdateFields,
};
use async_trait::async_trait;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::question::{AnswerChoice, QuestionParams, UserAnswer, UserQuestion};
use boxagnts_session::{Asker, Choice, Question};
use std::path::PathBuf;
use std::sync::Arc;

const ONCE: &str = "allow-once";
const ALWAYS: &str = "allow-always";
const NO: &str = "reject-once";
const NEVER: &str = "reject-always";

/// Fields of a form.
const CHOICE: &str = "choice";
const WORDS: &str = "answer";
/// The answer that is none of the choices.
const SKIP: &str = "skip";

/// Asks by `session/request_permission`.
pub(crate) struct ClientAsker {
    pub(crate) peer: Arc<Peer>,
    pub(crate) announced: Arc<Announced>,
    pub(crate) root: PathBuf,
}

#[async_trait]
impl Asker for ClientAsker {
    async fn ask(&self, question: &Question) -> Choice {
        // A call that is told behind the question would put the question away.
        self.announced.wait(&question.session, &question.call).await;
        let option = |id: &'static str, name: String, kind| PermissionOption::new(id, name, kind);
        let options = vec![
            option(ONCE, "Allow once".into(), PermissionOptionKind::AllowOnce),
            option(
                ALWAYS,
                format!("Always allow {}", question.scope),
                PermissionOptionKind::AllowAlways,
            ),
            option(NO, "Reject".into(), PermissionOptionKind::RejectOnce),
            option(
                NEVER,
                format!("Never allow {}", question.scope),
                PermissionOptionKind::RejectAlways,
            ),
        ];
        let call = ToolCall {
            id: question.call.clone(),
            name: question.tool.clone(),
            // Cut where it is long, and no JSON then.
            input: serde_json::from_str(&question.input)
                .unwrap_or_else(|_| question.input.as_str().into()),
        };
        let call = convert::tool_call(&call, &self.root)
            .status(ToolCallStatus::Pending)
            .content(vec![format!("{}. Let it run?", question.reason).into()]);
        let request = RequestPermissionRequest::new(question.session.clone(), call.into(), options);
        match self.peer.ask(request).await {
            Ok(Some(answer)) => match answer.as_str() {
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
        self.announced.wait(&asked.session, &asked.id).await;
        if self.peer.forms {
            match self.peer.fill(form(asked)).await {
                Ok(Some(filled)) => return given(&asked.question, &filled),
                Ok(None) => return UserAnswer::Dismissed,
                Err(error) => tracing::info!(%error, "the client cannot show forms as it said"),
            }
        }
        self.by_permission(asked).await
    }
}

impl ClientAsker {
    /// As every client can: one choice, and no words.
    async fn by_permission(&self, asked: &QuestionParams) -> UserAnswer {
        let QuestionParams {
            session,
            id,
            question,
        } = asked;
        if question.choices.is_empty() {
            return UserAnswer::Nobody;
        }
        let choice = |(at, choice): (usize, &AnswerChoice)| {
            let kind = PermissionOptionKind::AllowOnce;
            PermissionOption::new(at.to_string(), choice.label.clone(), kind)
        };
        let choices = question.choices.iter().enumerate().map(choice);
        let skip = PermissionOption::new(SKIP, "None of these", PermissionOptionKind::RejectOnce);
        let options = choices.chain([skip]).collect();
        let fields = ToolCallUpdateFields::new()
            .title(question.question.clone())
            .status(ToolCallStatus::Pending)
            .content(vec![text(question).into()]);
        let call = ToolCallUpdate::new(id.clone(), fields);
        let request = RequestPermissionRequest::new(session.clone(), call, options);
        match self.peer.ask(request).await {
            Ok(Some(chosen)) => {
                let chosen = chosen.parse::<usize>().ok();
                match chosen.and_then(|at| question.choices.get(at)) {
                    Some(choice) => UserAnswer::Given {
                        choices: vec![choice.label.clone()],
                        text: None,
                    },
                    None => UserAnswer::Dismissed,
                }
            }
            Ok(None) => UserAnswer::Dismissed,
            Err(error) => {
                tracing::info!(%error, "the client cannot ask");
                UserAnswer::Nobody
            }
        }
    }
}

/// The question with what it is about and what its choices mean, in Markdown.
fn text(question: &UserQuestion) -> String {
    let mut parts = vec![question.question.clone()];
    parts.extend(question.detail.clone());
    let described = question
        .choices
        .iter()
        .filter(|c| !c.description.is_empty());
    let described = described.map(|c| format!("- **{}**: {}", c.label, c.description));
    let described: Vec<String> = described.collect();
    if !described.is_empty() {
        parts.push(described.join("\n"));
    }
    parts.join("\n\n")
}

fn form(asked: &QuestionParams) -> CreateElicitationRequest {
    let question = &asked.question;
    let options = question.choices.iter().map(|choice| {
        let description = Some(choice.description.clone()).filter(|text| !text.is_empty());
        EnumOption::new(choice.label.clone(), choice.label.clone()).description(description)
    });
    let options: Vec<EnumOption> = options.collect();
    let mut schema = ElicitationSchema::new();
    // Who may answer in words need not choose.
    let must = !question.allow_free_text;
    if question.multi_select && !options.is_empty() {
        schema = schema.property(CHOICE, MultiSelectPropertySchema::titled(options), must);
    } else if !options.is_empty() {
        schema = schema.property(CHOICE, StringPropertySchema::new().one_of(options), must);
    }
    if question.allow_free_text || question.choices.is_empty() {
        let title = match question.choices.is_empty() {
            true => "Answer",
            false => "In your words",
        };
        let words = StringPropertySchema::new().title(title.to_owned());
        schema = schema.property(WORDS, words, question.choices.is_empty());
    }
    let scope = ElicitationSessionScope::new(asked.session.clone());
    let scope = scope.tool_call_id(Some(asked.id.clone().into()));
    let message = match &question.detail {
        Some(detail) => format!("{}\n\n{detail}", question.question),
        None => question.question.clone(),
    };
    CreateElicitationRequest::new(ElicitationFormMode::new(scope, schema), message)
}

/// What was filled in, as far as it was asked for.
fn given(question: &UserQuestion, filled: &Filled) -> UserAnswer {
    let chosen = match filled.get(CHOICE) {
        Some(ElicitationContentValue::String(label)) => vec![label.clone()],
        Some(ElicitationContentValue::StringArray(labels)) => labels.clone(),
        _ => Vec::new(),
    };
    let known = |label: &String| question.choices.iter().any(|c| c.label == *label);
    let mut choices: Vec<String> = chosen.into_iter().filter(known).collect();
    if !question.multi_select {
        choices.truncate(1);
    }
    let text = match filled.get(WORDS) {
        Some(ElicitationContentValue::String(words)) if !words.trim().is_empty() => {
            Some(words.clone())
        }
        _ => None,
    };
    match choices.is_empty() && text.is_none() {
        true => UserAnswer::Dismissed,
        false => UserAnswer::Given { choices, text },
    }
}
