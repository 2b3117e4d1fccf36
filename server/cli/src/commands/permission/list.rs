//! `boxagnts permission list`: the answers that are remembered.

use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal::{self, visible};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;

/// List the answers that are remembered for a workspace.
///
/// Each holds for the tool as its file was when you answered, and for no more calls than the question
/// named.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts permission list
  boxagnts permission list --all --json")]
pub(crate) struct List {
    /// The workspace.
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "all")]
    workspace: PathBuf,
    /// Those of every workspace.
    #[arg(long)]
    all: bool,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let folder = match self.all {
            true => None,
            false => Some(setup::workspace(&self.workspace)?.display().to_string()),
        };
        let found = setup::journal()?.permissions(folder.as_deref())?;
        let mut text = String::new();
        if self.json {
            let all: Vec<_> = found
                .iter()
                .map(|p| {
                    json!({
                        "workspace": p.workspace, "tool": p.tool, "tool_sha256": p.tool_sha256,
                        "scope": p.scope, "allowed": p.allowed, "at_ms": p.at_ms,
                    })
                })
                .collect();
            let _ = writeln!(text, "{}", serde_json::to_string(&all)?);
        } else if found.is_empty() {
            text.push_str("nothing is remembered\n");
        }
        for permission in found.iter().filter(|_| !self.json) {
            let answer = if permission.allowed {
                "always"
            } else {
                "never "
            };
            let place = match self.all {
                true => format!("  {}", visible(&permission.workspace)),
                false => String::new(),
            };
            let zone = TimeZone::system();
            let _ = writeln!(
                text,
                "{answer}  {}  {:.12}  {:.18}  {}{place}",
                visible(&permission.tool),
                permission.tool_sha256,
                permission.scope,
                render::time(permission.at_ms, &zone, "%Y-%m-%d %H:%M")
            );
        }
        terminal::print(&text)?;
        Ok(Exit::Done)
    }
}
