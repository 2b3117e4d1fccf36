//! `boxagnts session fork`: a new session with the past of another.

use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal;
use clap::Args;

/// Make a new session with the past of another, which stays as it is.
///
/// The id of the new one goes to standard output. Hunks that waited then wait in both; each is written
/// once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session fork k3v9
  boxagnts session fork k3v9 --turn 2
  boxagnts run --session \"$(boxagnts session fork k3v9 --turn 2)\" \"try it with a map instead\"")]
pub(crate) struct Fork {
    /// The session; the beginning of its id is enough.
    #[arg(value_name = "ID")]
    session: String,
    /// The last turn that the new one has; all that have ended by default.
    #[arg(long, value_name = "N")]
    turn: Option<u64>,
    /// Print one JSON object: the session as in `session list --json`.
    #[arg(long)]
    json: bool,
}

impl Fork {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let journal = setup::journal()?;
        let source = journal.session(&self.session)?.session;
        let fork = journal.fork_session(&source, self.turn)?;
        if self.json {
            let fork = journal.session(&fork)?;
            terminal::print(&format!("{}\n", serde_json::to_string(&fork)?))?;
            return Ok(Exit::Done);
        }
        terminal::print(&format!("{fork}\n"))?;
        terminal::say(&format!(
            "it is a fork of {source}; `boxagnts run --session {fork} PROMPT` goes on\n"
        ));
        Ok(Exit::Done)
    }
}
