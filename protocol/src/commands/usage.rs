//! What models used and cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `USAGE` and `boxagnts usage` add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// Days, in the time zone of this machine.
    #[default]
    Day,
    /// Sessions.
    Session,
    /// Models.
    Model,
}

/// Parameters of `USAGE`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageParams {
    /// What to add up; days when absent.
    #[serde(default)]
    pub by: UsageBy,
    /// Only from this day on, as in `2026-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// `true` for the sessions of every folder, else those of the editor's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// Result of `USAGE`. What a session took over from another is not in it: it was spent there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageResult {
    /// Days in order; sessions and models with the most expensive first.
    pub rows: Vec<UsageRow>,
    /// All of them together; its `key` is empty.
    pub total: UsageRow,
    /// The calls whose price is not known, by model: what they cost is in no sum of dollars.
    pub unpriced: Vec<UnpricedCalls>,
}

/// What was used in a day, by a session or of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageRow {
    /// The day as `2026-01-31`, the session's id, or `provider:model`.
    pub key: String,
    /// The title of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Answers of models.
    pub calls: u64,
    /// Their tokens.
    pub tokens: crate::conversation::TokenUsage,
    /// US dollars for the calls whose price is known; `null` when there is none.
    pub cost_usd: Option<f64>,
    /// Calls whose price is not known.
    pub unpriced_calls: u64,
}

/// Calls of a model whose price is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnpricedCalls {
    /// `provider:model`.
    pub model: String,
    /// How many.
    pub calls: u64,
}
