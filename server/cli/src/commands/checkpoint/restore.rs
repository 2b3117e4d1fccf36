//! `boxagnts checkpoint restore`: takes back everything since a checkpoint.

use crate::commands::undo;
use crate::exit::{Exit, Failure};
use crate::setup;
use clap::Args;
use std::path::PathBuf;

/// Take back a checkpoint and everything that was applied since. What you changed since stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts checkpoint restore 12

It is a checkpoint itself, so that it can be taken back too.")]
pub(crate) struct Restore {
    /// The checkpoint, as `boxagnts checkpoint list` shows it.
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: u64,
    /// The workspace folder; the current one by default.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
}

impl Restore {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let sessions = setup::sessions_to_undo(&self.workspace).await?;
        undo::finish(&sessions, sessions.restore(self.checkpoint)).await
    }
}
