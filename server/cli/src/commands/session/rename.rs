//! `boxagnts session rename`: another title.

use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, visible};
use clap::Args;

/// Give a session another title.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  boxagnts session rename k3v9 \"order totals\"")]
pub(crate) struct Rename {
    /// The session; the beginning of its id is enough.
    #[arg(value_name = "ID")]
    session: String,
    /// What it is to be called, in one line.
    #[arg(value_name = "TITLE", required = true, num_args = 1..)]
    title: Vec<String>,
}

impl Rename {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let title = self.title.join(" ");
        if title.trim().is_empty() {
            return Err(Failure::usage(
                "the title is empty; say what the session is to be called",
            ));
        }
        let journal = setup::journal()?;
        let session = journal.session(&self.session)?.session;
        let title = journal.rename_session(&session, &title)?;
        terminal::say(&format!("{session} is called {}\n", visible(&title)));
        Ok(Exit::Done)
    }
}
