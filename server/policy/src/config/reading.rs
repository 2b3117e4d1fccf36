//! From TOML and JSON texts to single keys with their values.

use super::ConfigError;
use serde_json::Value;

pub(super) fn parse_toml(origin: &str, text: &str) -> Result<Value, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError {
        origin: origin.to_owned(),
        line: error
            .span()
            .map(|span| 1 + text[..span.start].matches('\n').count()),
        message: error.message().to_owned(),
    })
}

/// The line, from 1, that sets `key`: values are checked after parsing, when places are gone.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let sets = |line: &str| {
        let name = line
            .split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches(['"', '\'']);
        line.contains('=') && name.rsplit('.').next().map(str::trim) == Some(key)
    };
    text.lines().position(sets).map(|at| at + 1)
}

/// `providers.NAME.FIELD` and top-level keys with their values; `null` is left out.
pub(super) fn leaves(value: &Value) -> Result<Vec<(String, Value)>, String> {
    let Value::Object(table) = value else {
        return Err("settings are an object of keys and values".to_owned());
    };
    let mut leaves = Vec::new();
    for (key, value) in table {
        match value {
            Value::Null => {}
            Value::Object(providers) if key == "providers" => {
                for (name, fields) in providers {
                    let Value::Object(fields) = fields else {
                        return Err(format!("`providers.{name}` is a table of fields"));
                    };
                    for (field, value) in fields {
                        leaves.push((format!("providers.{name}.{field}"), value.clone()));
                    }
                }
            }
            other => leaves.push((key.clone(), other.clone())),
        }
    }
    Ok(leaves)
}
