//! Checking a tool's input against its JSON Schema before the tool sees it.

use jsonschema::Validator;
use serde_json::Value;
use std::sync::OnceLock;

/// Problems that are named in one message; the rest would only bury them.
const MAX_PROBLEMS: usize = 3;

/// References that a foreign schema may have: each can double the work of checking an input.
pub(crate) const MAX_REFERENCES: usize = 32;

/// How often a schema refers to another place.
pub(crate) fn references(schema: &Value) -> usize {
    match schema {
        Value::Object(fields) => {
            let below = |(name, value): (&String, &Value)| {
                usize::from(name.starts_with('$') && name.to_lowercase().ends_with("ref"))
                    + references(value)
            };
            fields.iter().map(below).sum()
        }
        Value::Array(items) => items.iter().map(references).sum(),
        _ => 0,
    }
}

/// A schema, compiled when the first input comes.
#[derive(Debug, Default)]
pub(crate) struct InputSchema {
    compiled: OnceLock<Result<Validator, String>>,
}

impl InputSchema {
    /// Compiles the schema now, so that a first input does not wait for it.
    pub(crate) fn compile(&self, schema: &Value) -> &Result<Validator, String> {
        let compile = || jsonschema::validator_for(schema).map_err(|error| error.to_string());
        self.compiled.get_or_init(compile)
    }

    /// `Err` says which fields are wrong and why.
    pub(crate) fn check(&self, tool: &str, schema: &Value, input: &Value) -> Result<(), String> {
        let validator = match self.compile(schema) {
            Ok(validator) => validator,
            Err(error) => {
                return Err(format!(
                    "`{tool}` declares an unusable input schema: {error}"
                ));
            }
        };
        let mut errors = validator.iter_errors(input);
        let problems: Vec<String> = errors
            .by_ref()
            .take(MAX_PROBLEMS)
            .map(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() {
                    String::new()
                } else {
                    format!("{place}: ")
                };
                format!("{place}{}", short(&error.to_string()))
            })
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        let more = match errors.count() {
            0 => String::new(),
            count => format!("; and {count} more"),
        };
        Err(format!(
            "the input of `{tool}` does not fit: {}{more}",
            problems.join("; ")
        ))
    }
}

/// The validator's messages quote the value, which may be a whole file.
fn short(message: &str) -> String {
    const MAX: usize = 300;
    if message.chars().count() <= MAX {
        return message.to_owned();
    }
    let tail: String = message.chars().rev().take(MAX / 2).collect();
    let head: String = message.chars().take(MAX / 2).collect();
    format!("{head} … {}", tail.chars().rev().collect::<String>())
}
