//! `boxagnts permission forget`: the user is asked again.

use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal;
use clap::Args;
use std::path::PathBuf;

/// Forget the answers about a tool, or about all; you are asked again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts permission forget web_fetch
  boxagnts permission forget --workspace ~/src/project")]
pub(crate) struct Forget {
    /// Name of the tool; all when it is left out.
    #[arg(value_name = "TOOL")]
    tool: Option<String>,
    /// The workspace.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
}

impl Forget {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let folder = setup::workspace(&self.workspace)?.display().to_string();
        let count = setup::journal()?.forget_permissions(&folder, self.tool.as_deref())?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        terminal::print(&format!("forgot {}\n", render::count(count, "answer")))?;
        Ok(Exit::Done)
    }
}
