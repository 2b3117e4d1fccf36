//! `boxagnts tool describe`: what one tool says of itself.

use super::list::{Described, level_name};
use crate::args::GovernanceArgs;
use crate::exit::{Exit, Failure};
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_session::policy::permission::Level;
use clap::Args;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Show what a tool does, what it may do, and what input it takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts tool describe grep
  boxagnts tool describe ./my-tool.wasm --json")]
pub(crate) struct Describe {
    /// Name of a tool, or a component file (FILE.wasm).
    #[arg(value_name = "NAME|FILE.wasm")]
    name: String,
    /// Print one JSON object: name, description, input_schema, level.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    governance: GovernanceArgs,
}

impl Describe {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let toolbox = setup::toolbox()?;
        let (spec, level) = if super::is_file(&self.name) {
            let overrides = Overrides {
                governance: self.governance,
                ..Overrides::default()
            };
            let config = settings::load(Path::new("."), None, &overrides)?.config;
            let opened = toolbox
                .open_file(Path::new(&self.name), config.limits())
                .await?;
            (opened.spec, opened.level)
        } else {
            let specs = toolbox.specs();
            let found = specs.iter().find(|spec| spec.name == self.name).cloned();
            found.zip(toolbox.level(&self.name)).ok_or_else(|| {
                let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
                Failure::usage(format!(
                    "there is no tool `{}`; the tools are: {}",
                    self.name,
                    names.join(", ")
                ))
            })?
        };
        let text = match self.json {
            true => serde_json::to_string(&Described { spec: &spec, level })?,
            false => describe(&spec, level, Theme::stdout()),
        };
        terminal::print(&format!("{}\n", text.trim_end()))?;
        Ok(Exit::Done)
    }
}

fn describe(spec: &ToolSpec, level: Level, theme: Theme) -> String {
    let mut text = format!(
        "{}  {}\n\n{}\n",
        paint(theme.bold, visible(&spec.name)),
        paint(theme.dim, format!("level {}", level_name(level))),
        visible(&spec.description)
    );
    let fields = spec
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
        return text;
    };
    let required = spec.input_schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|field| field == name));
    text.push_str("\nInput:\n");
    // What must be given comes first.
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by_key(|(name, _)| !is_required(name));
    for (name, schema) in sorted {
        let optional = if is_required(name) { "" } else { ", optional" };
        let kind = format!("({}{optional})", type_of(schema));
        let _ = write!(
            text,
            "  {} {}",
            paint(theme.bold, visible(name)),
            paint(theme.dim, kind)
        );
        if let Some(meaning) = schema.get("description").and_then(Value::as_str) {
            let _ = write!(text, "  {}", visible(meaning));
        }
        text.push('\n');
    }
    text
}

fn type_of(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ if schema.get("enum").is_some() || schema.get("oneOf").is_some() => "choice".to_owned(),
        _ => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn required_fields_come_first() {
        let spec = ToolSpec {
            name: "read".into(),
            description: "Read a file.".into(),
            input_schema: json!({
                "properties": {
                    "limit": {"type": ["integer", "null"]},
                    "path": {"type": "string", "description": "The file."},
                },
                "required": ["path"],
            }),
        };
        expect![[r#"
            read  level read

            Read a file.

            Input:
              path (string)  The file.
              limit (integer or null, optional)
        "#]]
        .assert_eq(&describe(&spec, Level::Read, Theme::plain()));
    }
}
