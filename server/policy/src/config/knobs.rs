//! The declaration of every knob: from it come parser, display, JSON Schema and documentation.

use super::{Config, Price, Provider, ProviderKind};
use crate::limits::{self, Limit, Unit};
use crate::permission::Mode;
use serde_json::{Value, json};
use std::fmt::Write;

/// A top-level knob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knob {
    Model,
    Mode,
    MaxOutputTokens,
    Limit(Limit),
}

/// A knob with a value that was checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    Limit(Limit, f64),
    Mode(Mode),
    Model(String),
    MaxOutputTokens(u64),
    Provider(String, Field),
}

/// A field of a provider with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    Kind(ProviderKind),
    BaseUrl(String),
    ApiKeyEnv(String),
    ApiKeyCommand(Vec<String>),
    Price(Price),
}

const FIELDS: &[(&str, &str)] = &[
    (
        "kind",
        "Wire format: `openai` (Chat Completions) or `anthropic` (Messages).",
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
];

impl Knob {
    pub(super) fn all() -> Vec<Knob> {
        let mut all = vec![Knob::Model, Knob::Mode, Knob::MaxOutputTokens];
        all.extend(Limit::ALL.iter().copied().map(Knob::Limit));
        all
    }

    pub(super) fn name(self) -> String {
        match self {
            Knob::Model => "model",
            Knob::Mode => "mode",
            Knob::MaxOutputTokens => "max_output_tokens",
            Knob::Limit(limit) => limit.name(),
        }
        .to_owned()
    }

    pub(super) fn doc(self) -> String {
        match self {
            Knob::Model => {
                "Model as `provider:model`: `builtin`, `anthropic:…`, `openai:…`, `ollama:…`, \
                 `scripted:FILE`, or `NAME:…` of a provider in `[providers.NAME]`."
            }
            Knob::Mode => {
                "`plan` only reads, `review` proposes hunks, `auto` also accepts them at the end \
                 of a turn (never those in dangerous files)."
            }
            Knob::MaxOutputTokens => "Tokens that one answer of the model may have.",
            Knob::Limit(limit) => limit.doc(),
        }
        .to_owned()
    }

    pub(super) fn value(self, config: &Config) -> String {
        match self {
            Knob::Model => config.model.clone(),
            Knob::Mode => mode_name(config.mode).to_owned(),
            Knob::MaxOutputTokens => config.max_output_tokens.to_string(),
            Knob::Limit(limit) => written(limit, config.limits.get(limit)),
        }
    }

    fn schema(self) -> Value {
        let default = self.value(&Config::builtin());
        let mut schema = match self {
            Knob::Model => json!({"type": "string"}),
            Knob::Mode => json!({"enum": ["plan", "review", "auto"]}),
            Knob::MaxOutputTokens => json!({"type": "integer", "minimum": 1}),
            Knob::Limit(limit) if limit.unit() == Unit::Count => {
                let (min, max) = limit.bounds();
                json!({"type": "integer", "minimum": min, "maximum": max})
            }
            Knob::Limit(_) => json!({"type": ["string", "number"]}),
        };
        schema["description"] = json!(self.doc());
        schema["default"] = default.parse::<u64>().map_or(json!(default), |n| json!(n));
        schema
    }
}

/// A limit's value as it would be written in a file.
fn written(limit: Limit, value: f64) -> String {
    match limit.unit() {
        Unit::Milliseconds => format!("{value:.0}ms"),
        Unit::UsDollars if value.is_finite() => format!("{value}"),
        Unit::UsDollars => "none".to_owned(),
        Unit::Count | Unit::Bytes => format!("{value:.0}"),
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Plan => "plan",
        Mode::Review => "review",
        Mode::Auto => "auto",
    }
}

impl Setting {
    pub(super) fn name(&self) -> String {
        match self {
            Setting::Limit(limit, _) => limit.name().to_owned(),
            Setting::Mode(_) => Knob::Mode.name(),
            Setting::Model(_) => Knob::Model.name(),
            Setting::MaxOutputTokens(_) => Knob::MaxOutputTokens.name(),
            Setting::Provider(name, field) => format!("providers.{name}.{}", field.name()),
        }
    }
}

impl Field {
    fn name(&self) -> &'static str {
        match self {
            Field::Kind(_) => "kind",
            Field::BaseUrl(_) => "base_url",
            Field::ApiKeyEnv(_) => "api_key_env",
            Field::ApiKeyCommand(_) => "api_key_command",
            Field::Price(_) => "price",
        }
    }

    pub(super) fn put(&self, provider: &mut Provider) {
        match self.clone() {
            Field::Kind(kind) => provider.kind = Some(kind),
            Field::BaseUrl(url) => provider.base_url = Some(url),
            Field::ApiKeyEnv(name) => provider.api_key_env = Some(name),
            Field::ApiKeyCommand(command) => provider.api_key_command = Some(command),
            Field::Price(price) => provider.price = Some(price),
        }
    }
}

impl Provider {
    /// Name, value and meaning of each field that is set.
    pub(super) fn shown(&self) -> Vec<(&'static str, String, &'static str)> {
        let value = |field: &str| match field {
            "kind" => self.kind.map(|kind| match kind {
                ProviderKind::OpenAi => "openai".to_owned(),
                ProviderKind::Anthropic => "anthropic".to_owned(),
            }),
            "base_url" => self.base_url.clone(),
            "api_key_env" => self.api_key_env.clone(),
            "api_key_command" => self
                .api_key_command
                .as_ref()
                .map(|command| command.join(" ")),
            _ => self
                .price
                .map(|p| format!("{{ input = {}, output = {} }}", p.input, p.output)),
        };
        FIELDS
            .iter()
            .filter_map(|(name, doc)| Some((*name, value(name)?, *doc)))
            .collect()
    }
}

/// Checks one key and its value.
pub(super) fn setting(key: &str, value: &Value) -> Result<Setting, String> {
    if let Some(rest) = key.strip_prefix("providers.") {
        // Names may have dots, fields have none.
        let Some((name, field)) = rest.rsplit_once('.') else {
            return Err(format!(
                "`{key}` needs a field: providers.NAME.base_url, say"
            ));
        };
        if name.is_empty() || name.contains(':') {
            return Err(format!(
                "`{key}`: a provider's name is not empty and has no `:`"
            ));
        }
        return Ok(Setting::Provider(
            name.to_owned(),
            provider_field(key, field, value)?,
        ));
    }
    match Knob::all().into_iter().find(|knob| knob.name() == key) {
        Some(Knob::Model) => {
            let model = text(key, value)?;
            if model.trim().is_empty() {
                return Err("`model` is empty; leave it out for the built-in planner".to_owned());
            }
            Ok(Setting::Model(model))
        }
        Some(Knob::Mode) => match text(key, value)?.as_str() {
            "plan" => Ok(Setting::Mode(Mode::Plan)),
            "review" => Ok(Setting::Mode(Mode::Review)),
            "auto" => Ok(Setting::Mode(Mode::Auto)),
            other => Err(format!(
                "`mode` is `{other}`; expected plan, review or auto"
            )),
        },
        Some(Knob::MaxOutputTokens) => {
            let given = scalar(key, value)?;
            match given.parse() {
                Ok(tokens) if tokens > 0 => Ok(Setting::MaxOutputTokens(tokens)),
                _ => Err(format!(
                    "`{key}` is `{given}`; expected a whole number from 1"
                )),
            }
        }
        Some(Knob::Limit(limit)) => limits::parse(limit, scalar(key, value)?.trim())
            .map(|value| Setting::Limit(limit, value))
            .map_err(|error| error.to_string()),
        None => Err(unknown(key)),
    }
}

fn provider_field(key: &str, field: &str, value: &Value) -> Result<Field, String> {
    Ok(match field {
        "kind" => Field::Kind(match text(key, value)?.as_str() {
            "openai" => ProviderKind::OpenAi,
            "anthropic" => ProviderKind::Anthropic,
            other => {
                return Err(format!(
                    "`{key}` is `{other}`; expected openai or anthropic"
                ));
            }
        }),
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

fn price(key: &str, value: &Value) -> Result<Price, String> {
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

fn text(key: &str, value: &Value) -> Result<String, String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| format!("`{key}` is {value}; expected a text in quotes"))
}

fn scalar(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("`{key}` is {other}; expected a number or a text")),
    }
}

fn unknown(key: &str) -> String {
    let names: Vec<String> = Knob::all().into_iter().map(Knob::name).collect();
    let close = names.iter().min_by_key(|name| distance(name, key));
    match close.filter(|name| distance(name, key) <= 3) {
        Some(name) => format!("unknown key `{key}`; did you mean `{name}`?"),
        None => format!(
            "unknown key `{key}`; known keys: {}, providers",
            names.join(", ")
        ),
    }
}

/// Levenshtein distance in bytes; keys are short.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// JSON Schema of a configuration file and of an editor's settings.
pub fn schema() -> Value {
    let mut properties = serde_json::Map::new();
    for knob in Knob::all() {
        properties.insert(knob.name(), knob.schema());
    }
    let field = |name: &str| match name {
        "kind" => json!({"enum": ["openai", "anthropic"]}),
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
    };
    let mut fields = serde_json::Map::new();
    for (name, doc) in FIELDS {
        let mut schema = field(name);
        schema["description"] = json!(doc);
        fields.insert((*name).to_owned(), schema);
    }
    properties.insert(
        "providers".to_owned(),
        json!({
            "description": "How to reach model providers, by name.",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": false,
                "properties": fields,
            },
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "BoxAgnts configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

/// The documentation of every knob, as a Markdown table.
pub fn docs_markdown() -> String {
    let builtin = Config::builtin();
    let mut table = String::from("| key | default | meaning |\n|---|---|---|\n");
    for knob in Knob::all() {
        let (name, value, doc) = (knob.name(), knob.value(&builtin), knob.doc());
        let _ = writeln!(table, "| `{name}` | `{value}` | {doc} |");
    }
    for (name, doc) in FIELDS {
        let _ = writeln!(table, "| `providers.NAME.{name}` | | {doc} |");
    }
    table
}

/// Proves that every limit can be written and read back.
#[cfg(test)]
pub(super) fn round_trips(limits: &limits::Limits) -> bool {
    Limit::ALL.iter().all(|&limit| {
        limits::parse(limit, &written(limit, limits.get(limit))) == Ok(limits.get(limit))
    })
}
