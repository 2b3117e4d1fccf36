//! `boxagnts checkpoint`: what was applied to the workspace, and the way back to a moment before.

mod list;
mod restore;

use crate::exit::{Exit, Failure};
use clap::Subcommand;

/// List what was applied, go back to before one of them.
#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoint {
    List(list::List),
    Restore(restore::Restore),
}

impl Checkpoint {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        match self {
            Checkpoint::List(args) => args.run().await,
            Checkpoint::Restore(args) => args.run().await,
        }
    }
}
