//! `boxagnts tool list`: the tools that come with the program, and those of a workspace and its user.

use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_session::policy::permission::Level;
use boxagnts_session::tools::{Candidate, Standing};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// List the tools that can be called, and those that were not approved.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts tool list
  boxagnts tool list --json")]
pub(crate) struct List {
    /// Print one JSON array; a tool that cannot be called has `standing` and `reason`.
    #[arg(long)]
    json: bool,
    /// The workspace whose tools are listed too.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
}

/// A tool with the level that it asks for.
#[derive(Serialize)]
pub(super) struct Described<'a> {
    #[serde(flatten)]
    pub(super) spec: &'a ToolSpec,
    pub(super) level: Level,
    /// Whether it is a service of sessions, and no guest.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) native: bool,
}

/// A tool that cannot be called.
#[derive(Serialize)]
struct Refused {
    name: String,
    path: String,
    standing: &'static str,
    reason: String,
}

impl Refused {
    fn of(candidate: &Candidate) -> Option<Refused> {
        let standing = match candidate.standing {
            Standing::Usable => return None,
            Standing::Unapproved => "not approved",
            Standing::Changed => "changed",
            Standing::Gone => "gone",
            Standing::Rejected(_) => "rejected",
        };
        Some(Refused {
            name: candidate.name.clone(),
            path: candidate.path.display().to_string(),
            standing,
            reason: candidate.why(),
        })
    }
}

impl List {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let toolbox = setup::tools_of(&setup::workspace(&self.workspace)?)?;
        let specs = toolbox.specs();
        let candidates = setup::registry(&toolbox)?.candidates();
        let refused: Vec<Refused> = candidates.iter().filter_map(Refused::of).collect();
        let described = specs.iter().filter_map(|spec| {
            Some(Described {
                spec,
                level: toolbox.level(&spec.name)?,
                native: toolbox.is_native(&spec.name),
            })
        });
        if self.json {
            let mut all = Vec::new();
            for tool in described {
                all.push(serde_json::to_value(tool)?);
            }
            for tool in &refused {
                all.push(serde_json::to_value(tool)?);
            }
            terminal::print(&format!("{}\n", serde_json::to_string(&all)?))?;
            return Ok(Exit::Done);
        }
        let theme = Theme::stdout();
        let width = specs.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Described {
            spec,
            level,
            native,
        } in described
        {
            let name = paint(theme.bold, format!("{:width$}", spec.name));
            let level = paint(theme.dim, format!("{:7}", level_name(level)));
            let first = spec.description.lines().next().unwrap_or_default();
            let native = if native { "(native) " } else { "" };
            text.push_str(&format!("{name}  {level}  {native}{}\n", visible(first)));
        }
        if !refused.is_empty() {
            text.push_str("\nNot to be called:\n");
        }
        for Refused { name, reason, .. } in &refused {
            let name = paint(theme.bold, format!("{:width$}", visible(name)));
            text.push_str(&format!("{name}  {}\n", visible(reason)));
        }
        terminal::print(&text)?;
        Ok(Exit::Done)
    }
}

/// The level as configuration and reports write it.
pub(super) fn level_name(level: Level) -> String {
    serde_json::to_value(level)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}
