//! `boxagnts session show`: everything that happened in a session.

use super::decisions::{self, Decision};
use super::transcript;
use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, Theme};
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_session::store::{Entry, Recorded};
use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};

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
            let events = entries.into_iter().map(flat).collect::<Result<_, _>>()?;
            format!("{}\n", serde_json::to_string(&Json { session, events })?)
        } else {
            transcript::write(&session, &entries, Theme::stdout(), TimeZone::system())
        };
        terminal::print(&text)?;
        Ok(Exit::Done)
    }
}

/// The event with its place in one object.
fn flat(entry: Entry) -> Result<Value, serde_json::Error> {
    let event = match entry.event {
        Recorded::Known(event) => serde_json::to_value(event)?,
        Recorded::Unknown(value) => value,
    };
    let mut object = Map::new();
    object.insert("seq".to_owned(), entry.seq.into());
    object.insert("at_ms".to_owned(), entry.at_ms.into());
    match event {
        Value::Object(fields) => object.extend(fields),
        other => {
            object.insert("event".to_owned(), other);
        }
    }
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::update::SessionEvent;
    use serde_json::json;

    #[test]
    fn events_are_flat_objects() {
        let check = |event, expect: Value| {
            assert_eq!(
                flat(Entry {
                    seq: 1,
                    at_ms: 2,
                    event
                })
                .unwrap(),
                expect
            );
        };
        let known = SessionEvent::ModelCalled { turn: 1, step: 3 };
        check(
            Recorded::Known(Box::new(known)),
            json!({"seq": 1, "at_ms": 2, "event": "model_called", "turn": 1, "step": 3}),
        );
        let future = json!({"event": "from_the_future", "x": 1});
        check(
            Recorded::Unknown(future),
            json!({"seq": 1, "at_ms": 2, "event": "from_the_future", "x": 1}),
        );
    }
}
