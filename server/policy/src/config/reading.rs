//! From TOML and JSON texts to single keys with their values.

use super::ConfigError;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

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
    let document = DeTable::parse(text).ok()?;
    let path = match key.split_once('.') {
        // Names may have dots, fields have none.
        Some((table, rest)) if TABLES.contains(&table) => match rest.rsplit_once('.') {
            Some((name, field)) => vec![table, name, field],
            None => vec![table, rest],
        },
        _ => vec![key],
    };
    let mut table = document.get_ref();
    let mut place = None;
    for (at, name) in path.iter().enumerate() {
        let found = table.iter().find(|(key, _)| key.get_ref() == name);
        let Some((key, value)) = found else { break };
        place = Some(key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) if at + 1 < path.len() => table = inner,
            _ => break,
        }
    }
    place.map(|place| 1 + text[..place].matches('\n').count())
}

/// Keys that have a table for each name.
const TABLES: [&str; 4] = ["providers", "models", "tools", "executors"];

/// `providers.NAME.FIELD`, `models.PATTERN.FIELD`, `tools.NAME.KEY` and top-level keys with their values; `null` is left
/// out.
pub(super) fn leaves(value: &Value) -> Result<Vec<(String, Value)>, String> {
    let Value::Object(table) = value else {
        return Err("settings are an object of keys and values".to_owned());
    };
    let mut leaves = Vec::new();
    for (key, value) in table {
        match value {
            Value::Null => {}
            Value::Object(names) if TABLES.contains(&key.as_str()) => {
                for (name, fields) in names {
                    let Value::Object(fields) = fields else {
                        leaves.push((format!("{key}.{name}"), fields.clone()));
                        continue;
                    };
                    for (field, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                        leaves.push((format!("{key}.{name}.{field}"), value.clone()));
                    }
                }
            }
            other => leaves.push((key.clone(), other.clone())),
        }
    }
    Ok(leaves)
}
