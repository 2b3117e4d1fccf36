//! How model providers are reached: the fields of `[providers.NAME]`.

use super::knobs::text;
use serde_json::{Value, json};

/// Wire formats of model providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// Messages.
    Anthropic,
    /// OpenAI's Responses.
    OpenAiResponses,
    /// Chat Completions.
    OpenAiChat,
    /// Gemini's own.
    Gemini,
    /// Ollama's own.
    Ollama,
}

/// Names of wire formats. The first name of each is the one that is shown.
const KINDS: &[(&str, ProviderKind)] = &[
    ("anthropic", ProviderKind::Anthropic),
    ("openai-responses", ProviderKind::OpenAiResponses),
    ("openai-chat", ProviderKind::OpenAiChat),
    ("gemini", ProviderKind::Gemini),
    ("ollama", ProviderKind::Ollama),
    ("openai", ProviderKind::OpenAiChat),
];

/// How much models are to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A little.
    Low,
    /// Some.
    Medium,
    /// A lot.
    High,
}

const EFFORTS: &[(&str, Effort)] = &[
    ("low", Effort::Low),
    ("medium", Effort::Medium),
    ("high", Effort::High),
];

/// The value of a name out of a few.
pub(super) fn choice<T: Copy>(key: &str, value: &Value, names: &[(&str, T)]) -> Result<T, String> {
    let given = text(key, value)?;
    let found = names.iter().find(|(name, _)| *name == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        format!("`{key}` is `{given}`; expected one of {}", names.join(", "))
    })
}

pub(super) fn name_of<T: Copy + PartialEq>(value: T, names: &[(&str, T)]) -> Option<String> {
    let found = names.iter().find(|(_, other)| *other == value);
    found.map(|(name, _)| (*name).to_owned())
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Input tokens.
    pub input: f64,
    /// Output tokens.
    pub output: f64,
    /// Cached input tokens, read; as `input` when not set.
    pub cache_read: f64,
    /// Cached input tokens, written; as `input` when not set.
    pub cache_write: f64,
}

impl Price {
    /// As it would be written in a file.
    pub(super) fn shown(self) -> String {
        let Price {
            input,
            output,
            cache_read,
            cache_write,
        } = self;
        format!(
            "{{ input = {input}, output = {output}, cache_read = {cache_read}, \
             cache_write = {cache_write} }}"
        )
    }
}

/// How to reach a model provider. A field that is not set has the provider's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provider {
    /// Its wire format.
    pub kind: Option<ProviderKind>,
    /// Where its API lives.
    pub base_url: Option<String>,
    /// Environment variable that has the key.
    pub api_key_env: Option<String>,
    /// Program and arguments that print the key.
    pub api_key_command: Option<Vec<String>>,
    /// What it costs.
    pub price: Option<Price>,
    /// How much its models are to think.
    pub effort: Option<Effort>,
}

/// A field of a provider with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    Kind(ProviderKind),
    BaseUrl(String),
    ApiKeyEnv(String),
    ApiKeyCommand(Vec<String>),
    Price(Price),
    Effort(Effort),
}

pub(super) const FIELDS: &[(&str, &str)] = &[
    (
        "kind",
        "Wire format: `anthropic` (Messages), `openai-responses`, `openai-chat` (Chat Completions, \
         as most services speak it; also `openai`), `gemini`, or `ollama`.",
    ),
    (
        "base_url",
        "Where the API lives, e.g. `http://localhost:8080/v1`.",
    ),
    ("api_key_env", "Environment variable that has the key."),
    (
        "api_key_command",
        "Program and arguments that print the key.",
    ),
    (
        "price",
        "US dollars per million tokens: `{ input, output, cache_read?, cache_write? }`.",
    ),
    (
        "effort",
        "How much models that can think are to think: `low`, `medium` or `high`; the provider \
         decides when it is not set.",
    ),
];

impl Field {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Field::Kind(_) => "kind",
            Field::BaseUrl(_) => "base_url",
            Field::ApiKeyEnv(_) => "api_key_env",
            Field::ApiKeyCommand(_) => "api_key_command",
            Field::Price(_) => "price",
            Field::Effort(_) => "effort",
        }
    }

    pub(super) fn put(&self, provider: &mut Provider) {
        match self.clone() {
            Field::Kind(kind) => provider.kind = Some(kind),
            Field::BaseUrl(url) => provider.base_url = Some(url),
            Field::ApiKeyEnv(name) => provider.api_key_env = Some(name),
            Field::ApiKeyCommand(command) => provider.api_key_command = Some(command),
            Field::Price(price) => provider.price = Some(price),
            Field::Effort(effort) => provider.effort = Some(effort),
        }
    }
}

impl Provider {
    /// Name, value and meaning of each field that is set.
    pub(super) fn shown(&self) -> Vec<(&'static str, String, &'static str)> {
        let value = |field: &str| match field {
            "kind" => self.kind.and_then(|kind| name_of(kind, KINDS)),
            "effort" => self.effort.and_then(|effort| name_of(effort, EFFORTS)),
            "base_url" => self.base_url.clone(),
            "api_key_env" => self.api_key_env.clone(),
            "api_key_command" => self
                .api_key_command
                .as_ref()
                .map(|command| command.join(" ")),
            _ => self.price.map(Price::shown),
        };
        FIELDS
            .iter()
            .filter_map(|(name, doc)| Some((*name, value(name)?, *doc)))
            .collect()
    }
}

pub(super) fn provider_field(key: &str, field: &str, value: &Value) -> Result<Field, String> {
    Ok(match field {
        "kind" => Field::Kind(choice(key, value, KINDS)?),
        "effort" => Field::Effort(choice(key, value, EFFORTS)?),
        "base_url" => {
            let url = text(key, value)?;
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(format!(
                    "`{key}` is `{url}`; expected a URL with http:// or https://"
                ));
            }
            Field::BaseUrl(url)
        }
        "api_key_env" => Field::ApiKeyEnv(text(key, value)?),
        "api_key_command" => {
            let words: Option<Vec<String>> = match value {
                Value::String(line) => Some(line.split_whitespace().map(str::to_owned).collect()),
                Value::Array(words) => words
                    .iter()
                    .map(|word| word.as_str().map(str::to_owned))
                    .collect(),
                _ => None,
            };
            match words {
                Some(words) if !words.is_empty() => Field::ApiKeyCommand(words),
                _ => return Err(format!("`{key}` is a list: the program and its arguments")),
            }
        }
        "price" => Field::Price(price(key, value)?),
        "api_key" => {
            return Err(format!(
                "`{key}`: keys do not belong into configuration; use api_key_env or \
                 api_key_command"
            ));
        }
        _ => {
            let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "unknown key `{key}`; fields of a provider: {}",
                known.join(", ")
            ));
        }
    })
}

pub(super) fn price(key: &str, value: &Value) -> Result<Price, String> {
    let expected = || {
        format!(
            "`{key}` is a table of dollars per million tokens: input, output, cache_read, cache_write"
        )
    };
    let Value::Object(table) = value else {
        return Err(expected());
    };
    let known = ["input", "output", "cache_read", "cache_write"];
    if table.keys().any(|name| !known.contains(&name.as_str())) {
        return Err(expected());
    }
    let dollars = |name: &str| -> Result<Option<f64>, String> {
        match table.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .filter(|d| *d >= 0.0 && d.is_finite())
                .map(Some)
                .ok_or_else(expected),
        }
    };
    let input = dollars("input")?.ok_or_else(expected)?;
    Ok(Price {
        input,
        output: dollars("output")?.ok_or_else(expected)?,
        cache_read: dollars("cache_read")?.unwrap_or(input),
        cache_write: dollars("cache_write")?.unwrap_or(input),
    })
}

pub(super) fn names_schema<T>(names: &[(&str, T)]) -> Value {
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    json!({"enum": names})
}

/// JSON Schema of a field's value.
pub(super) fn field_schema(name: &str) -> Value {
    match name {
        "kind" => names_schema(KINDS),
        "effort" => names_schema(EFFORTS),
        "api_key_command" => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
        "price" => json!({
            "type": "object",
            "required": ["input", "output"],
            "additionalProperties": false,
            "properties": {
                "input": {"type": "number", "minimum": 0},
                "output": {"type": "number", "minimum": 0},
                "cache_read": {"type": "number", "minimum": 0},
                "cache_write": {"type": "number", "minimum": 0},
            },
        }),
        _ => json!({"type": "string"}),
    }
}
