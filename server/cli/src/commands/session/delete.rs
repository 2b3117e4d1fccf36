//! `boxagnts session delete`: removes a session from the journal.

use crate::asking::confirm;
use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal::{self, visible};
use clap::Args;

/// Remove a session from the journal. Your files stay as they are.
///
/// What was accepted in it cannot be taken back by `boxagnts undo` any more, and hunks of it that wait
/// are gone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session delete k3v9
  boxagnts session delete k3v9 --yes")]
pub(crate) struct Delete {
    /// The session; the beginning of its id is enough.
    #[arg(value_name = "ID")]
    session: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

impl Delete {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let journal = setup::journal()?;
        let session = journal.session(&self.session)?;
        let id = session.session.as_str();
        let title = visible(&session.title);
        if !self.yes {
            let waiting = match journal.waiting_hunks(id)? {
                0 => String::new(),
                n => format!(", of which {} left to decide", render::count(n, "hunk")),
            };
            if !terminal::can_ask() {
                return Err(Failure::usage(format!(
                    "there is no terminal to ask on; --yes removes {id}{waiting}"
                )));
            }
            let question = format!("Remove {id} ({title}){waiting}? Your files stay. [y/N] ");
            if !confirm(question).await {
                terminal::say("it stays\n");
                return Ok(Exit::Cancelled);
            }
        }
        journal.delete_session(id)?;
        terminal::say(&format!("{id} is removed ({title})\n"));
        Ok(Exit::Done)
    }
}
