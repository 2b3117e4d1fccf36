//! What the configuration is, for people and for editors: a Markdown table and a JSON Schema.

use super::Config;
use super::executors::{EXECUTOR_FIELDS, executor_schema};
use super::knobs::{Knob, limit_schema, list_schema};
use super::models::{KNOWN_FIELDS, known_schema};
use super::providers::{FIELDS, field_schema};
use super::tools;
use crate::limits::Limit;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// JSON Schema of a configuration file and of an editor's settings.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for knob in Knob::all() {
        properties.insert(knob.name(), knob.schema());
    }
    let described = |name: &str, doc: &str, mut schema: Value| {
        schema["description"] = json!(doc);
        (name.to_owned(), schema)
    };
    let fields = FIELDS.iter();
    let fields = fields.map(|(name, doc)| described(name, doc, field_schema(name)));
    let about = "How to reach model providers, by name.";
    properties.insert("providers".to_owned(), tables(about, fields.collect()));
    let fields = KNOWN_FIELDS.iter();
    let fields = fields.map(|(name, doc)| described(name, doc, known_schema(name)));
    let about = "What models cost and can do, by patterns over `provider:model`.";
    properties.insert("models".to_owned(), tables(about, fields.collect()));
    let keys = tools::keys().into_iter().map(|key| {
        let schema = Limit::from_name(&key).map_or_else(|_| list_schema(), limit_schema);
        described(&key, &format!("As `{key}`, for this tool alone."), schema)
    });
    let about = "Limits and hosts of single tools, by name.";
    properties.insert("tools".to_owned(), tables(about, keys.collect()));
    let fields = EXECUTOR_FIELDS.iter();
    let fields = fields.map(|(name, doc)| described(name, doc, executor_schema(name)));
    let about = "Kinds of executors that a model may have work for it, by name; `default` is for those \
                 without a kind.";
    properties.insert("executors".to_owned(), tables(about, fields.collect()));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "BoxAgnts configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A table of tables with these fields.
fn tables(about: &str, fields: Map<String, Value>) -> Value {
    json!({
        "description": about,
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "properties": fields,
        },
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
    for key in tools::keys() {
        let _ = writeln!(
            table,
            "| `tools.NAME.{key}` | | As `{key}`, for the tool NAME alone. |"
        );
    }
    for (of, fields) in [
        ("providers.NAME", FIELDS),
        ("models.\"PATTERN\"", KNOWN_FIELDS),
        ("executors.NAME", EXECUTOR_FIELDS),
    ] {
        for (name, doc) in fields {
            let _ = writeln!(table, "| `{of}.{name}` | | {doc} |");
        }
    }
    table
}
