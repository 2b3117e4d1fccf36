//! TypeScript from JSON Schema, as far as schemas of serde types go. What has no counterpart becomes
//! `unknown`, never a wrong type.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// A module with every type, the names of commands, and the version.
pub(crate) fn module(schema: &Value, version: u32) -> String {
    let mut text = format!(
        "// Made by `cargo xtask protocol`; what is written here by hand is lost.\n\n\
         export const PROTOCOL_VERSION = {version};\n"
    );
    for (_, body) in definitions(schema) {
        let _ = write!(text, "\n{body}");
    }
    for (name, key, of_key) in [("Params", "params", "null"), ("Results", "result", "null")] {
        let _ = write!(text, "\nexport interface {name} {{\n");
        for (command, entry) in entries(&schema["commands"]) {
            let kind = match &entry[key] {
                Value::Null => of_key.to_owned(),
                schema => of(schema),
            };
            let _ = writeln!(text, "  '{command}': {kind};");
        }
        text.push_str("}\n");
    }
    text.push_str("\nexport interface Notifications {\n");
    for (method, entry) in entries(&schema["notifications"]) {
        let _ = writeln!(text, "  '{method}': {};", of(&entry["params"]));
    }
    text.push_str("}\n");
    text
}

/// Each type of `$defs` with its declaration.
pub(crate) fn definitions(schema: &Value) -> Vec<(String, String)> {
    let declared = entries(&schema["$defs"]).map(|(name, schema)| {
        let body = format!(
            "{}export type {name} = {};\n",
            comment(schema, ""),
            of(schema)
        );
        (name.clone(), body)
    });
    declared.collect()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The type of a schema, in one line where it has no properties.
pub(crate) fn of(schema: &Value) -> String {
    typed(schema, 0)
}

fn typed(schema: &Value, depth: usize) -> String {
    let Some(object) = schema.as_object() else {
        return "unknown".to_owned();
    };
    let mut parts = Vec::new();
    if let Some(name) = object.get("$ref").and_then(Value::as_str) {
        parts.push(name.rsplit('/').next().unwrap_or(name).to_owned());
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(variants) = object.get(key).and_then(Value::as_array) {
            let variants: Vec<String> = variants.iter().map(|v| typed(v, depth)).collect();
            parts.push(union(variants));
        }
    }
    if let Some(constant) = object.get("const") {
        parts.push(literal(constant));
    } else if let Some(values) = object.get("enum").and_then(Value::as_array) {
        parts.push(union(values.iter().map(literal).collect()));
    } else if let Some(kind) = object.get("type") {
        let kinds = match kind {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => Vec::from_iter(kind.as_str()),
        };
        let kinds = kinds.into_iter().map(|kind| simple(kind, object, depth));
        parts.push(union(kinds.collect()));
    } else if object.contains_key("properties") {
        parts.push(simple("object", object, depth));
    }
    match parts.len() {
        0 => "unknown".to_owned(),
        1 => parts.remove(0),
        _ => parts
            .iter()
            .map(|part| bracketed(part))
            .collect::<Vec<_>>()
            .join(" & "),
    }
}

/// A type as a part of a larger one.
fn bracketed(part: &str) -> String {
    match part.contains(" | ") {
        true => format!("({part})"),
        false => part.to_owned(),
    }
}

fn union(mut variants: Vec<String>) -> String {
    variants.dedup();
    variants.join(" | ")
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        other => other.to_string(),
    }
}

fn simple(kind: &str, schema: &Map<String, Value>, depth: usize) -> String {
    match kind {
        "string" | "boolean" | "null" => kind.to_owned(),
        "integer" | "number" => "number".to_owned(),
        "array" => match schema.get("items") {
            Some(items) => {
                let item = typed(items, depth);
                match item.contains(' ') {
                    true => format!("({item})[]"),
                    false => format!("{item}[]"),
                }
            }
            None => match schema.get("prefixItems").and_then(Value::as_array) {
                Some(items) => {
                    let items: Vec<String> = items.iter().map(|i| typed(i, depth)).collect();
                    format!("[{}]", items.join(", "))
                }
                None => "unknown[]".to_owned(),
            },
        },
        "object" => record(schema, depth),
        _ => "unknown".to_owned(),
    }
}

fn record(schema: &Map<String, Value>, depth: usize) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        let values = match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => typed(values, depth),
            _ => "unknown".to_owned(),
        };
        return format!("Record<string, {values}>");
    };
    let required = schema.get("required").and_then(Value::as_array);
    let indent = "  ".repeat(depth + 1);
    let mut text = "{\n".to_owned();
    for (name, property) in properties {
        let must = required.is_some_and(|all| all.iter().any(|one| one == name));
        let mark = if must { "" } else { "?" };
        let kind = typed(property, depth + 1);
        text.push_str(&comment(property, &indent));
        let _ = writeln!(text, "{indent}{name}{mark}: {kind};");
    }
    text + &"  ".repeat(depth) + "}"
}

fn comment(schema: &Value, indent: &str) -> String {
    let Some(said) = schema.get("description").and_then(Value::as_str) else {
        return String::new();
    };
    // Links of rustdoc mean nothing here.
    let said = said.replace("[`", "`").replace("`]", "`");
    let said = said.replace("*/", "* /").replace('\n', " ");
    format!("{indent}/** {said} */\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: Value, expect: &str) {
        assert_eq!(of(&schema), expect, "{schema}");
    }

    #[test]
    fn schemas_become_types() {
        check(json!({"type": ["string", "null"]}), "string | null");
        check(json!({"$ref": "#/$defs/Hunk"}), "Hunk");
        check(
            json!({"type": "array", "items": {"enum": ["a", "it's"]}}),
            "('a' | 'it\\'s')[]",
        );
        check(
            json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"const": "x"}}, "required": ["b"]}),
            "{\n  a?: number;\n  b: 'x';\n}",
        );
        check(
            json!({"oneOf": [{"const": "a"}, {"const": "b"}], "type": "object", "properties": {}}),
            "('a' | 'b') & {\n}",
        );
        check(json!(true), "unknown");
        check(
            json!({"type": "object", "additionalProperties": {"type": "number"}}),
            "Record<string, number>",
        );
    }
}
