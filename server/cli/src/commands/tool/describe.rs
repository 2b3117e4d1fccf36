//! `boxagnts tool describe`: what one tool says of itself.

use super::list::{Described, level_name};
use crate::args::GovernanceArgs;
use crate::exit::{Exit, Failure};
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_session::policy::permission::Level;
use boxagnts_session::tools::{Candidate, DescribedBy, Standing, Toolbox};
use clap::Args;
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

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
    /// The workspace whose tools can be named.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    #[command(flatten)]
    governance: GovernanceArgs,
}

impl Describe {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let root = setup::workspace(&self.workspace)?;
        let toolbox = setup::tools_of(&root)?;
        let specs = toolbox.specs();
        let known = specs.iter().find(|spec| spec.name == self.name);
        let known = known.cloned().zip(toolbox.level(&self.name));
        let (spec, level, by) = match (known, self.file(&toolbox)?) {
            (Some((spec, level)), None) => (spec, level, None),
            (_, Some(file)) => {
                let overrides = Overrides {
                    governance: self.governance,
                    ..Overrides::default()
                };
                let config = settings::load(&root, None, &overrides)?.config;
                let opened = toolbox.open_file(&file, config.limits()).await?;
                (opened.spec, opened.level, Some(opened.described_by))
            }
            (None, None) => {
                let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
                return Err(Failure::usage(format!(
                    "there is no tool `{}`; the tools are: {}",
                    self.name,
                    names.join(", ")
                )));
            }
        };
        let native = by.is_none() && toolbox.is_native(&spec.name);
        let text = match self.json {
            true => serde_json::to_string(&Described {
                spec: &spec,
                level,
                native,
            })?,
            false => {
                let text = describe(&spec, level, Theme::stdout());
                let by = by.map(|by| format!("\nDescribed by {}.\n", described_by(by)));
                let native = match native {
                    true => {
                        "\nNative: sessions carry it out, for the models that they speak with.\n"
                    }
                    false => "",
                };
                format!("{text}{}{native}", by.unwrap_or_default())
            }
        };
        terminal::print(&format!("{}\n", text.trim_end()))?;
        Ok(Exit::Done)
    }

    /// The file that is meant: one that is named, or one in the folders for tools that was not
    /// approved as it is.
    fn file(&self, toolbox: &Toolbox) -> Result<Option<PathBuf>, Failure> {
        if super::is_file(&self.name) {
            return Ok(Some(PathBuf::from(&self.name)));
        }
        let candidates = setup::registry(toolbox)?.candidates();
        let waits = |candidate: &&Candidate| {
            let waits = matches!(candidate.standing, Standing::Unapproved | Standing::Changed);
            candidate.name == self.name && waits
        };
        Ok(candidates
            .iter()
            .find(waits)
            .map(|candidate| candidate.path.clone()))
    }
}

/// Who said what a tool is, as the end of a sentence.
pub(super) fn described_by(by: DescribedBy) -> &'static str {
    match by {
        DescribedBy::Itself => "the tool itself",
        DescribedBy::File => "the .toml file beside it",
        DescribedBy::Help => "its help text",
        DescribedBy::Nobody => "nobody: it has no help text",
    }
}

pub(super) fn describe(spec: &ToolSpec, level: Level, theme: Theme) -> String {
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
