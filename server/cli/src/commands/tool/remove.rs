//! `boxagnts tool remove`: a tool that was added is one no more.

use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, visible};
use boxagnts_session::tools::{Place, Removed};
use clap::Args;
use std::path::PathBuf;

/// Take back what `tool add` did.
///
/// Files that `tool add` copied are deleted; those that were there before stay and cannot be called.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts tool remove wc
  boxagnts tool remove wc --user")]
pub(crate) struct Remove {
    /// Name of the tool.
    #[arg(value_name = "NAME")]
    name: String,
    /// Only the tool that is yours in every workspace.
    #[arg(long)]
    user: bool,
    /// The workspace that loses it.
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "user")]
    workspace: PathBuf,
}

impl Remove {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let root = setup::workspace(&self.workspace)?;
        let toolbox = setup::tools_to_change(&root)?;
        let place = self.user.then_some(Place::User);
        let removed = setup::registry(&toolbox)?.remove(&self.name, place)?;
        let became = match removed {
            Removed::Deleted(path) => format!("{} is deleted", path.display()),
            Removed::Kept(path) => format!("{} stays and cannot be called", path.display()),
            Removed::Gone => "its file was gone before".to_owned(),
        };
        let name = visible(&self.name);
        terminal::print(&format!("removed {name}: {}\n", visible(&became)))?;
        Ok(Exit::Done)
    }
}
