//! `boxagnts session show`: everything that happened in a session.

use super::decisions::{self, Decision};
use super::transcript;
use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, Theme};
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_session::flat;
use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

/// Read what happened in a session: words, tool calls, decisions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session show k3v9
  boxagnts session show k3v9 --decisions
  boxagnts session show k3v9 --json | jq '.events[] | select(.event == \"decided\")'")]
pub(crate) struct Show {
    /// The session; the beginning of its id is enough.
    #[arg(value_name = "ID")]
    session: String,
    /// Show what was decided, and why: each tool call at the gate, and the hunks.
    #[arg(long)]
    decisions: bool,
    /// Print one JSON object: session, events; with --decisions: session, decisions.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    session: SessionSummary,
    events: Vec<Value>,
}

#[derive(Serialize)]
struct JsonDecisions<'a> {
    session: SessionSummary,
    decisions: Vec<Decision<'a>>,
}

impl Show {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let journal = setup::journal()?;
        let session = journal.session(&self.session)?;
        let entries = journal.events(&session.session, 0)?;
        let text = if self.decisions && self.json {
            let decisions = decisions::all(&entries);
            let json = JsonDecisions { session, decisions };
            format!("{}\n", serde_json::to_string(&json)?)
        } else if self.decisions {
            decisions::write(&entries, Theme::stdout(), &TimeZone::system())
        } else if self.json {
            let events = entries.into_iter().map(flat).collect();
            format!("{}\n", serde_json::to_string(&Json { session, events })?)
        } else {
            transcript::write(&session, &entries, Theme::stdout(), TimeZone::system())
        };
        terminal::print(&text)?;
        Ok(Exit::Done)
    }
}
