//! What the user knows of models, by patterns over `provider:model`: the fields of
//! `[models."PATTERN"]`.

use super::knobs::{scalar, text};
use super::providers::{Price, choice, field_schema, name_of, names_schema, price};
use serde_json::{Value, json};

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingStyle {
    /// It cannot think.
    None,
    /// By a number of tokens.
    Budget,
    /// By a level: low, medium, high.
    Level,
}

const STYLES: &[(&str, ThinkingStyle)] = &[
    ("none", ThinkingStyle::None),
    ("budget", ThinkingStyle::Budget),
    ("level", ThinkingStyle::Level),
];

/// What is known of models. A field that is not set is as the program knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownModel {
    /// Tokens that a request may have, answer included.
    pub context_window: Option<u64>,
    /// Tokens that an answer may have.
    pub max_output: Option<u64>,
    /// What they cost.
    pub price: Option<Price>,
    /// Whether they take pictures.
    pub images: Option<bool>,
    /// How they are told to think.
    pub thinking: Option<ThinkingStyle>,
}

/// A field with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KnownField {
    ContextWindow(u64),
    MaxOutput(u64),
    Price(Price),
    Images(bool),
    Thinking(ThinkingStyle),
}

pub(super) const KNOWN_FIELDS: &[(&str, &str)] = &[
    (
        "context_window",
        "Tokens that a request may have, its answer included. PATTERN is over `provider:model`, `*` \
         stands for anything; the entry with the most other characters counts, field by field above \
         what the program knows.",
    ),
    ("max_output", "Tokens that an answer may have."),
    (
        "price",
        "US dollars per million tokens: `{ input, output, cache_read?, cache_write? }`. Where no price \
         is known, the limits on tokens govern.",
    ),
    ("images", "Whether it takes pictures."),
    (
        "thinking",
        "How it is told to think: `none` (it cannot), `budget` (a number of tokens) or `level`.",
    ),
];

impl KnownField {
    pub(super) fn name(&self) -> &'static str {
        match self {
            KnownField::ContextWindow(_) => "context_window",
            KnownField::MaxOutput(_) => "max_output",
            KnownField::Price(_) => "price",
            KnownField::Images(_) => "images",
            KnownField::Thinking(_) => "thinking",
        }
    }

    pub(super) fn put(&self, known: &mut KnownModel) {
        match *self {
            KnownField::ContextWindow(tokens) => known.context_window = Some(tokens),
            KnownField::MaxOutput(tokens) => known.max_output = Some(tokens),
            KnownField::Price(price) => known.price = Some(price),
            KnownField::Images(takes) => known.images = Some(takes),
            KnownField::Thinking(style) => known.thinking = Some(style),
        }
    }
}

impl KnownModel {
    /// Name, value and meaning of each field that is set.
    pub(super) fn shown(&self) -> Vec<(&'static str, String, &'static str)> {
        let value = |field: &str| match field {
            "context_window" => self.context_window.map(|tokens| tokens.to_string()),
            "max_output" => self.max_output.map(|tokens| tokens.to_string()),
            "images" => self.images.map(|takes| takes.to_string()),
            "thinking" => self.thinking.and_then(|style| name_of(style, STYLES)),
            _ => self.price.map(Price::shown),
        };
        KNOWN_FIELDS
            .iter()
            .filter_map(|(name, doc)| Some((*name, value(name)?, *doc)))
            .collect()
    }
}

pub(super) fn known_field(key: &str, field: &str, value: &Value) -> Result<KnownField, String> {
    let tokens = || {
        let given = scalar(key, value)?;
        let tokens = given.replace('_', "").parse().ok().filter(|t| *t > 0);
        tokens.ok_or_else(|| {
            format!("`{key}` is `{given}`; expected a whole number of tokens from 1")
        })
    };
    Ok(match field {
        "context_window" => KnownField::ContextWindow(tokens()?),
        "max_output" => KnownField::MaxOutput(tokens()?),
        "price" => KnownField::Price(price(key, value)?),
        "thinking" => KnownField::Thinking(choice(key, value, STYLES)?),
        "images" => KnownField::Images(match value {
            Value::Bool(takes) => *takes,
            // As on the command line.
            other => match text(key, other)?.as_str() {
                "true" => true,
                "false" => false,
                given => return Err(format!("`{key}` is `{given}`; expected true or false")),
            },
        }),
        _ => {
            let known: Vec<&str> = KNOWN_FIELDS.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "unknown key `{key}`; fields of a model: {}",
                known.join(", ")
            ));
        }
    })
}

/// JSON Schema of a field's value.
pub(super) fn known_schema(name: &str) -> Value {
    match name {
        "context_window" | "max_output" => json!({"type": "integer", "minimum": 1}),
        "images" => json!({"type": "boolean"}),
        "thinking" => names_schema(STYLES),
        _ => field_schema(name),
    }
}
