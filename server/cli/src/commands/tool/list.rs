//! `boxagnts tool list`: the tools that come with the program.

use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, Theme, paint};
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_session::policy::permission::Level;
use clap::Args;
use serde::Serialize;

/// List the tools that come with boxagnts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts tool list
  boxagnts tool list --json")]
pub(crate) struct List {
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

/// A tool with the level that it asks for.
#[derive(Serialize)]
pub(super) struct Described<'a> {
    #[serde(flatten)]
    pub(super) spec: &'a ToolSpec,
    pub(super) level: Level,
}

impl List {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let toolbox = setup::toolbox()?;
        let specs = toolbox.specs();
        let described = specs.iter().filter_map(|spec| {
            Some(Described {
                spec,
                level: toolbox.level(&spec.name)?,
            })
        });
        if self.json {
            let all: Vec<Described<'_>> = described.collect();
            terminal::print(&format!("{}\n", serde_json::to_string(&all)?))?;
            return Ok(Exit::Done);
        }
        let theme = Theme::stdout();
        let width = specs.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for Described { spec, level } in described {
            let name = paint(theme.bold, format!("{:width$}", spec.name));
            let level = paint(theme.dim, format!("{:7}", level_name(level)));
            let first = spec.description.lines().next().unwrap_or_default();
            text.push_str(&format!("{name}  {level}  {first}\n"));
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
