//! Sessions as files: written for other journals, and read from strangers. What a file says is shown
//! and told to models like any text; nothing of it is carried out, and no setting of it holds.

use crate::error::SessionError;
use crate::sessions::{Sessions, proposed};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::{Entry, NewPast, Recorded};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// What such a file calls itself.
const FORMAT: &str = "boxagnts-session";

/// The version of the format that this program writes, and the newest that it reads.
const VERSION: u64 = 1;

/// Numbers of hunks that a session may have come to.
const MAX_HUNK: u64 = u32::MAX as u64;

/// A session that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// As it is in this journal.
    pub session: SessionSummary,
    /// What was not taken over, for the user.
    pub left_out: Vec<String>,
    /// Hunks that wait for a decision.
    pub waiting: u64,
}

/// An event with its place and time in one object.
pub fn flat(entry: Entry) -> Value {
    let event = match entry.event {
        // What came from JSON goes back to it.
        Recorded::Known(event) => serde_json::to_value(event).unwrap_or_default(),
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
    Value::Object(object)
}

/// A session as JSON that [`Sessions::import`] reads: a line for each event.
pub fn export(session: &SessionSummary, entries: Vec<Entry>) -> String {
    let head = json!({
        "format": FORMAT,
        "version": VERSION,
        "program": concat!("boxagnts ", env!("CARGO_PKG_VERSION")),
        "session": session,
    });
    let mut text = head.to_string();
    text.pop();
    text.push_str(",\"events\":[");
    for (at, entry) in entries.into_iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        text.push_str(&flat(entry).to_string());
    }
    text.push_str("\n]}\n");
    text
}

/// What a file has, as far as it is taken over.
#[derive(Debug, PartialEq)]
struct Past {
    origin: String,
    title: String,
    model: String,
    events: Vec<(u64, SessionEvent)>,
    left_out: Vec<String>,
}

impl Sessions {
    /// Takes over a session that [`export`] wrote, as one of this workspace with an id of its own.
    /// Its settings are left out: they may let tools do what this user asks about. Its model is this
    /// user's, unless the file's can be had here and is no file itself.
    ///
    /// # Errors
    /// What is wrong with the text, and where; or the journal cannot be written.
    pub fn import(&self, text: &str, model: Option<&str>) -> Result<Imported, SessionError> {
        let mut past = read(text).map_err(SessionError::Import)?;
        self.check_proposal(&past.events)?;
        let config = self.environment().config();
        let theirs = past.model.as_str();
        let reads_files = ["scripted:", "replay:"];
        let usable = !reads_files.iter().any(|kind| theirs.starts_with(kind))
            && self.environment().connect(config, theirs).is_ok();
        let model = match model {
            Some(model) => {
                self.environment().connect(config, model)?;
                model
            }
            None if usable => theirs,
            None => {
                let ours = config.model();
                past.left_out.push(format!(
                    "its model `{theirs}`, which cannot be taken from a file or is not configured \
                     here; it goes on with `{ours}`"
                ));
                ours
            }
        };
        let store = self.environment().store();
        let id = store.import_session(&NewPast {
            workspace: &self.workspace(),
            model,
            title: &past.title,
            origin: &past.origin,
            events: &past.events,
        })?;
        Ok(Imported {
            waiting: store.waiting_hunks(&id)?,
            session: self.summary(&id)?,
            left_out: past.left_out,
        })
    }

    /// What is proposed must be what a tool could have proposed.
    fn check_proposal(&self, events: &[(u64, SessionEvent)]) -> Result<(), SessionError> {
        let (files, last) = proposed(events.iter().map(|(_, event)| event));
        let overlay = self.overlay()?;
        // What does not fit is told when the session is continued.
        overlay.restore(&files, last);
        let mut ids = HashSet::new();
        for file in overlay.proposal() {
            if let Some(twice) = file.hunks.iter().find(|hunk| !ids.insert(hunk.id.clone())) {
                let twice = &twice.id;
                return Err(SessionError::Import(format!(
                    "two hunks are called `{twice}`"
                )));
            }
            for path in [Some(&file.path), file.from.as_ref()].into_iter().flatten() {
                let refused = match WorkspacePath::parse(path) {
                    Ok(path) => path.protected().or(path.secret()).map(str::to_owned),
                    Err(error) => Some(error.to_string()),
                };
                if let Some(reason) = refused {
                    return Err(SessionError::Import(format!(
                        "it proposes a change of `{path}`, which no tool may: {reason}"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<Past, String> {
    let file: Value =
        serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    if file.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(format!(
            "it is no session; `boxagnts session export --format json` writes one, with \
             \"format\": \"{FORMAT}\""
        ));
    }
    match file.get("version") {
        Some(version) if version.as_u64() == Some(VERSION) => {}
        Some(version) => {
            return Err(format!(
                "it has version {version} of the format and this program reads {VERSION}; use the \
                 version of boxagnts that wrote it"
            ));
        }
        None => return Err("it says no version of its format".to_owned()),
    }
    let word = |name: &str| {
        let found = file.pointer(&format!("/session/{name}"));
        let found = found.and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| format!("`session.{name}` is no text"))
    };
    let listed = file.get("events").and_then(Value::as_array);
    let listed = listed.ok_or("`events` is no list")?;
    let mut past = Past {
        origin: word("session")?,
        title: word("title")?,
        model: word("model")?,
        events: Vec::new(),
        left_out: Vec::new(),
    };
    if past.origin.is_empty() || !past.origin.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("`session.session` is no id of a session".to_owned());
    }
    let (mut turns, mut settings) = (0, false);
    for (at, value) in listed.iter().enumerate() {
        let wrong = |reason: String| format!("event {}: {reason}", at + 1);
        let at_ms = value.get("at_ms").and_then(Value::as_u64);
        let at_ms = at_ms.filter(|at_ms| i64::try_from(*at_ms).is_ok());
        let at_ms = at_ms.ok_or_else(|| wrong("`at_ms` is no time".to_owned()))?;
        let event: SessionEvent =
            serde_json::from_value(value.clone()).map_err(|error| wrong(error.to_string()))?;
        match taken(event, &mut turns).map_err(wrong)? {
            Some(event) => past.events.push((at_ms, event)),
            None => settings = true,
        }
    }
    if settings {
        let left_out = "its own settings; yours hold".to_owned();
        past.left_out.push(left_out);
    }
    Ok(past)
}

/// An event as it is taken over; `None` for one that is not.
fn taken(event: SessionEvent, turns: &mut u64) -> Result<Option<SessionEvent>, String> {
    let check = |cost: Option<f64>| match cost {
        // Budgets are what is left of them.
        Some(cost) if !(cost.is_finite() && cost >= 0.0) => Err(format!("{cost} is no cost")),
        _ => Ok(()),
    };
    Ok(Some(match event {
        // They could run programs, allow tools, and accept by themselves.
        SessionEvent::Configured { .. } => return Ok(None),
        SessionEvent::TurnStarted { turn, .. } => {
            *turns += 1;
            if turn != *turns {
                return Err(format!("turn {turn} begins where turn {turns} should"));
            }
            event
        }
        SessionEvent::ModelAnswered { cost_usd, .. } | SessionEvent::TurnEnded { cost_usd, .. } => {
            check(cost_usd)?;
            event
        }
        SessionEvent::ProposalChanged {
            ref changed,
            last_hunk,
            ..
        } => {
            if last_hunk > MAX_HUNK {
                return Err(format!("no session has {last_hunk} hunks"));
            }
            let hunks = changed.iter().flat_map(|file| &file.hunks);
            hunks.map(|hunk| &hunk.id).try_for_each(check_hunk)?;
            event
        }
        // Their checkpoints are not ours.
        SessionEvent::Decided { hunks, comment, .. } => {
            hunks.iter().map(|hunk| &hunk.id).try_for_each(check_hunk)?;
            SessionEvent::Decided {
                hunks,
                comment,
                checkpoint: None,
            }
        }
        SessionEvent::Undone { mut result, .. } => {
            result.checkpoint = None;
            SessionEvent::Undone {
                checkpoints: Vec::new(),
                result,
            }
        }
        event => event,
    }))
}

/// Ids of hunks are shown as they are, and typed.
fn check_hunk(id: &String) -> Result<(), String> {
    let number = id.strip_prefix('h').and_then(|number| number.parse().ok());
    match number.filter(|number: &u64| *number <= MAX_HUNK && *id == format!("h{number}")) {
        Some(_) => Ok(()),
        None => Err(format!("{id:?} is no id of a hunk")),
    }
}

#[cfg(test)]
mod tests;
