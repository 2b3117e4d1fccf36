//! What is said between the user, the model and the tools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The user, or the results of tools that the assistant called.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub content: Vec<Content>,
}

/// A piece of a [`Message`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Prose.
    Text {
        /// The prose itself.
        text: String,
    },
    /// A picture; always in a message of [`Role::User`].
    Image(Image),
    /// What the model thought on the way to its answer; no part of what it says.
    Thinking(Thinking),
    /// The assistant asks for a tool.
    ToolCall(ToolCall),
    /// What a tool answered; always in a message of [`Role::User`].
    ToolResult(ToolResult),
}

/// A picture for the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// As `image/png`.
    pub media_type: String,
    /// Its bytes in base64.
    pub data: String,
}

/// What a provider wants to get back with the conversation, unchanged and in its place: thoughts
/// with their signature. It means nothing to any other model, which is not sent it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thinking {
    /// The thoughts, as far as the provider shows them.
    pub text: String,
    /// The model that thought, as `provider:model`.
    pub provider: String,
    /// The provider's own state.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub opaque: serde_json::Value,
}

/// A piece of an answer, in short: texts and calls are told by other events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerPiece {
    /// The next so many bytes of the answer's text.
    Text {
        /// How many.
        bytes: u64,
    },
    /// Thoughts, in full.
    Thinking(Thinking),
    /// A tool call.
    ToolCall {
        /// Its id.
        id: String,
    },
}

/// A request of the model to run a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCall {
    /// Unique within the session; ties the result to the call.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Input as the model gave it, not yet validated. Text that was not JSON arrives as a string.
    pub input: serde_json::Value,
}

/// The answer to a [`ToolCall`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolResult {
    /// The call's id.
    pub id: String,
    /// Text for the model.
    pub output: String,
    /// Whether `output` tells of a failure.
    pub is_error: bool,
}

/// How room was made in a conversation that became too long for its model. Who does the same with the
/// same conversation gets the same one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compaction {
    /// Results of tools of which only the beginning stays, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trimmed: Vec<Trimmed>,
    /// What stands in place of the older messages; absent when all of them stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// With a summary: so many messages at the end stay as they are.
    #[serde(default)]
    pub kept: u64,
    /// Tokens of the conversation before, about.
    pub tokens_before: u64,
    /// Tokens of the conversation after it, about.
    pub tokens_after: u64,
}

/// A result of a tool of which only the beginning stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trimmed {
    /// Id of the call.
    pub id: String,
    /// Bytes of it that stay, at most.
    pub bytes: u64,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It said all that it had to say.
    EndTurn,
    /// It waits for tools.
    ToolUse,
    /// Its answer was cut off at the output limit.
    MaxTokens,
    /// It refused.
    Refusal,
    /// It was lost on its way, or nobody wanted the rest of it: its tokens are those that it can have had.
    Lost,
}

/// Tokens of one model call. A field that a provider does not report is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TokenUsage {
    /// Prompt tokens billed in full.
    pub input_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
    /// Prompt tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write_tokens: u64,
}

impl TokenUsage {
    /// All tokens, cached or not.
    pub fn total(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.output_tokens)
            .saturating_add(self.cache_read_tokens)
            .saturating_add(self.cache_write_tokens)
    }

    /// Adds another call's tokens to these.
    pub fn add(&mut self, other: &TokenUsage) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_tokens = self
            .cache_read_tokens
            .saturating_add(other.cache_read_tokens);
        self.cache_write_tokens = self
            .cache_write_tokens
            .saturating_add(other.cache_write_tokens);
    }

    /// What is more here than in an earlier count.
    pub fn since(&self, earlier: &TokenUsage) -> TokenUsage {
        TokenUsage {
            input_tokens: self.input_tokens.saturating_sub(earlier.input_tokens),
            output_tokens: self.output_tokens.saturating_sub(earlier.output_tokens),
            cache_read_tokens: self
                .cache_read_tokens
                .saturating_sub(earlier.cache_read_tokens),
            cache_write_tokens: self
                .cache_write_tokens
                .saturating_sub(earlier.cache_write_tokens),
        }
    }
}

/// What providers ask per million tokens, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// Input tokens.
    pub input: f64,
    /// Output tokens.
    pub output: f64,
    /// Cached input tokens, read.
    pub cache_read: f64,
    /// Cached input tokens, written.
    pub cache_write: f64,
}

impl Price {
    /// US dollars for `usage`.
    pub fn cost(&self, usage: &TokenUsage) -> f64 {
        (usage.input_tokens as f64 * self.input
            + usage.output_tokens as f64 * self.output
            + usage.cache_read_tokens as f64 * self.cache_read
            + usage.cache_write_tokens as f64 * self.cache_write)
            / 1e6
    }
}
