//! Questions to the user while a turn runs: what a model asks, and what the user answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The request by which a client is asked that says `experimental.boxagnts.questions` in `initialize`;
/// [`QuestionParams`] go there, [`QuestionResult`] or `null` come back.
pub const METHOD: &str = "boxagnts/question";

/// What the user is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserQuestion {
    /// The question.
    pub question: String,
    /// A text in Markdown that it is about: the plan that is to be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What can be chosen; empty for a question that is answered in words alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<AnswerChoice>,
    /// Whether more than one can be chosen.
    #[serde(default)]
    pub multi_select: bool,
    /// Whether the user may answer in words, besides or instead of choosing.
    #[serde(default)]
    pub allow_free_text: bool,
}

/// One answer that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct AnswerChoice {
    /// A few words, unlike those of the others.
    #[schemars(length(min = 1, max = 100))]
    pub label: String,
    /// What it means or leads to.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub description: String,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum UserAnswer {
    /// The user answered.
    Given {
        /// Labels of what was chosen.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        choices: Vec<String>,
        /// The user's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// The user put it away without an answer.
    Dismissed,
    /// There is nobody who could be asked.
    Nobody,
    /// The turn ended before there was an answer.
    Withdrawn,
}

/// Parameters of [`METHOD`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuestionParams {
    /// The session.
    pub session: String,
    /// The tool call that asks, as in the event `asked`.
    pub id: String,
    /// What is asked.
    #[serde(flatten)]
    pub question: UserQuestion,
}

/// Result of [`METHOD`]; `null` when the user put the question away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuestionResult {
    /// Labels of what was chosen.
    #[serde(default)]
    pub choices: Vec<String>,
    /// The user's words.
    #[serde(default)]
    pub text: Option<String>,
}
