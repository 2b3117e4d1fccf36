//! Who is asked first what a tool is: the tool itself by our ABI, its `NAME.toml`, its help text.

use super::arguments::Invocation;
use super::file::Declared;
use super::help::{self, Help};
use super::{Asked, bounded, field, tool_name};
use boxagnts_policy::limits::Limits;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_sandbox::{Tool, ToolKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who described a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescribedBy {
    /// The tool, by `describe` of our ABI.
    Itself,
    /// `NAME.toml` beside it.
    File,
    /// Its help text.
    Help,
    /// Nobody: nothing is known of it.
    Nobody,
}

/// All that is known of a tool before it runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Description {
    pub(crate) spec: ToolSpec,
    /// What it asks for.
    pub(crate) level: Level,
    /// Hosts that it asks to talk to.
    pub(crate) hosts: Vec<String>,
    pub(crate) invocation: Invocation,
    pub(crate) by: DescribedBy,
}

/// Describes a tool. `stem` is its file's name without the extension.
///
/// # Errors
/// Why it cannot be described: it fails to, or it asks for what there is not.
pub(crate) async fn describe(
    tool: &Arc<Tool>,
    stem: &str,
    declared: Option<Declared>,
    limits: &Limits,
) -> Result<Description, String> {
    match tool.kind() {
        ToolKind::World => by_itself(tool, declared.unwrap_or_default(), limits).await,
        ToolKind::WasiCommand => command(tool, stem, declared, limits).await,
    }
}

/// A tool of our ABI knows itself best; of a file only the hosts are taken.
async fn by_itself(
    tool: &Arc<Tool>,
    declared: Declared,
    limits: &Limits,
) -> Result<Description, String> {
    let described = tool.describe(limits).await;
    let described = described.map_err(|failure| failure.to_string())?;
    let input_schema = serde_json::from_str(&described.input_schema)
        .map_err(|error| format!("its input schema: {error}"))?;
    bounded(&input_schema).map_err(|reason| format!("its input schema {reason}"))?;
    Ok(Description {
        spec: ToolSpec {
            name: described.name,
            description: described.description,
            input_schema,
        },
        level: described.level,
        hosts: declared.hosts,
        invocation: Invocation::default(),
        by: DescribedBy::Itself,
    })
}

async fn command(
    tool: &Arc<Tool>,
    stem: &str,
    declared: Option<Declared>,
    limits: &Limits,
) -> Result<Description, String> {
    let by_file = declared.is_some();
    let declared = declared.unwrap_or_default();
    let help = match declared.input {
        Some(_) if declared.description.is_some() => None,
        _ => help_of(tool, limits).await?,
    };
    let level = match (
        declared.level,
        help.as_ref().and_then(|help| help.level.clone()),
    ) {
        (Some(level), _) => level,
        (None, Some(Asked::Level(level))) => level,
        (None, Some(Asked::Unknown(word))) => {
            return Err(format!(
                "its help text asks for the level {word:?}, and there is no such level; \
                 say `level = …` in {stem}.toml"
            ));
        }
        // It sees the overlay's files and leaves nothing else.
        (None, None) => Level::Write,
    };
    let by = match (by_file, &help) {
        (true, _) => DescribedBy::File,
        (false, Some(_)) => DescribedBy::Help,
        (false, None) => DescribedBy::Nobody,
    };
    let named = declared.name.or_else(|| help.as_ref()?.name.clone());
    let name = named.or_else(|| tool_name(stem)).ok_or_else(|| {
        format!("`{stem}` is no name for a tool; rename the file, or say `name = …` in {stem}.toml")
    })?;
    let spec = help.as_ref().map(|help| help.spec(&name));
    let mut spec = spec.unwrap_or_else(|| unknown(&name));
    let mut invocation = help.map(|help| help.invocation).unwrap_or_default();
    if let Some(description) = declared.description {
        spec.description = description;
    }
    if let Some((schema, declared)) = declared.input {
        (spec.input_schema, invocation) = (schema, declared);
    }
    if let Some(positional) = declared.positional {
        let known = spec
            .input_schema
            .get("properties")
            .and_then(|all| all.as_object());
        if let Some(known) = known
            && let Some(wrong) = positional.iter().find(|field| !known.contains_key(*field))
        {
            return Err(format!(
                "{stem}.toml: `positional` names {wrong:?}, which the help text does not have"
            ));
        }
        invocation.positional = positional;
    }
    Ok(Description {
        spec,
        level,
        hosts: declared.hosts,
        invocation,
        by,
    })
}

/// The help text, from wherever the command says it.
async fn help_of(tool: &Arc<Tool>, limits: &Limits) -> Result<Option<Help>, String> {
    let text = tool
        .help(limits)
        .await
        .map_err(|failure| failure.to_string())?;
    let read = [text.stdout, text.stderr]
        .into_iter()
        .map(|text| help::parse(&text));
    Ok(read.into_iter().find(|help| help.is_help))
}

/// What is said of a command that says nothing of itself.
fn unknown(name: &str) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: format!(
            "The command `{name}`, which does not describe itself. Fields of the input become its \
             flags: {{\"file\": \"a\", \"all\": true}} is --file=a --all."
        ),
        input_schema: field::anything(),
    }
}
