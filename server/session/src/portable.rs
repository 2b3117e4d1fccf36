//! Sessions as files: written for other journals, and read from strangers. What a file says is shown
//! and told to models like any text; nothing of it is carried out, and no setting of it holds.

use crate::context::Picture;
use crate::error::SessionError;
use crate::manage::now_ms;
use crate::sessions::{Sessions, proposed};
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::{Entry, NewPast, Recorded};
use boxagnts_workspace::{FsErrorCode, diff};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// What such a file calls itself.
const FORMAT: &str = "boxagnts-session";

/// The version of the format that this program writes, and the newest that it reads.
const VERSION: u64 = 1;

/// Numbers of hunks that a session may have come to.
const MAX_HUNK: u64 = u32::MAX as u64;

/// Longest id, title and name of a model, and longest summary of a session, in bytes.
const MAX_WORD: usize = 1024;
const MAX_HEAD: usize = 64 * 1024;

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
        let waits = self.check_proposal(&past.events)?;
        count(&mut past.events, waits);
        let now = now_ms();
        for (at_ms, _) in &mut past.events {
            // Nothing that happened is younger than now; it would be the latest for ever.
            *at_ms = (*at_ms).min(now);
        }
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

    /// What is proposed must be what a tool could have proposed here. Gives how many hunks wait, and
    /// how many conflict.
    fn check_proposal(&self, events: &[(u64, SessionEvent)]) -> Result<(u64, u64), SessionError> {
        let (files, last) = proposed(events.iter().map(|(_, event)| event));
        let overlay = self.overlay()?;
        // By what the diffs name, not by what fits now: what does not may fit when it is continued.
        let mut call = overlay.begin("import");
        for file in &files {
            // What cannot be read never fits.
            let patches = diff::parse(file.diff.as_bytes()).unwrap_or_default();
            let paths = patches.iter().flat_map(|patch| [&patch.from, &patch.to]);
            for path in paths.flatten() {
                let path = path.to_string();
                if let Err(error) = call.may_write(&path)
                    && matches!(error.code, FsErrorCode::Denied | FsErrorCode::InvalidPath)
                {
                    return Err(SessionError::Import(format!(
                        "it proposes a change of `{path}`, which no tool may: {error}"
                    )));
                }
            }
        }
        drop(call);
        // What does not fit is told when the session is continued.
        overlay.restore(&files, last);
        let mut ids = HashSet::new();
        let (mut pending, mut conflicted) = (0, 0);
        for hunk in overlay.proposal().iter().flat_map(|file| &file.hunks) {
            if !ids.insert(hunk.id.clone()) {
                let twice = &hunk.id;
                return Err(SessionError::Import(format!(
                    "two hunks are called `{twice}`"
                )));
            }
            match hunk.state {
                HunkState::Conflicted => conflicted += 1,
                _ => pending += 1,
            }
        }
        Ok((pending, conflicted))
    }
}

/// The numbers of what waits as they are, not as the file says: they tell whether a session may be
/// removed when it is old.
fn count(events: &mut [(u64, SessionEvent)], (waits, conflicts): (u64, u64)) {
    let last = events.iter_mut().rev().find_map(|(_, event)| match event {
        SessionEvent::ProposalChanged {
            pending,
            conflicted,
            ..
        } => Some((pending, conflicted)),
        _ => None,
    });
    if let Some((pending, conflicted)) = last {
        (*pending, *conflicted) = (waits, conflicts);
    }
}

/// The events of a file as they are read, one by one: of what stands in a list, most may be no event.
#[derive(Default)]
struct Events {
    taken: Vec<(u64, SessionEvent)>,
    turns: u64,
    settings: bool,
    system: bool,
    rivals: bool,
}

impl<'de> Visitor<'de> for Events {
    type Value = Events;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Events, A::Error> {
        let mut number = 0u64;
        while let Some(text) = list.next_element::<&RawValue>()? {
            number += 1;
            self.take(text.get())
                .map_err(|reason| A::Error::custom(format!("event {number}: {reason}")))?;
        }
        Ok(self)
    }
}

impl Events {
    fn take(&mut self, text: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        #[serde(expecting = "an event")]
        struct At {
            at_ms: Option<Value>,
        }
        let at: At = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let at_ms = at.at_ms.as_ref().and_then(Value::as_u64);
        let at_ms = at_ms.filter(|at_ms| i64::try_from(*at_ms).is_ok());
        let at_ms = at_ms.ok_or("`at_ms` is no time")?;
        let event: SessionEvent = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match event {
            // They could run programs, allow tools, and accept by themselves.
            SessionEvent::Configured { .. } | SessionEvent::ModeChanged { .. } => {
                self.settings = true;
            }
            // A model obeys it more than anything else.
            SessionEvent::Instructed {
                turn,
                system,
                shown,
            } if !system.is_empty() => {
                self.system = true;
                let system = Vec::new();
                let rest = SessionEvent::Instructed {
                    turn,
                    system,
                    shown,
                };
                self.taken.push((at_ms, rest));
            }
            mut event => {
                // They stand on texts of other executors, not on the user's.
                if let SessionEvent::ProposalChanged { rivals, .. } = &mut event {
                    self.rivals |= rivals.take().is_some_and(|rivals| !rivals.is_empty());
                }
                let event = taken(event, &mut self.turns)?;
                self.taken.push((at_ms, event));
            }
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<Past, String> {
    let file: BTreeMap<String, &RawValue> = match serde_json::from_str(text) {
        Ok(file) => file,
        // A text, a number, a list.
        Err(error) if error.is_data() => BTreeMap::new(),
        Err(error) => return Err(format!("it is no JSON: {error}")),
    };
    let field = |name: &str| -> Option<Value> {
        let text = file.get(name)?.get();
        // No more of it than is looked at.
        (text.len() <= MAX_HEAD)
            .then(|| serde_json::from_str(text).ok())
            .flatten()
    };
    if field("format").as_ref().and_then(Value::as_str) != Some(FORMAT) {
        return Err(format!(
            "it is no session; `boxagnts session export --format json` writes one, with \
             \"format\": \"{FORMAT}\""
        ));
    }
    match field("version") {
        Some(version) if version.as_u64() == Some(VERSION) => {}
        Some(version) => {
            return Err(format!(
                "it has version {version} of the format and this program reads {VERSION}; use the \
                 version of boxagnts that wrote it"
            ));
        }
        None => return Err("it says no version of its format".to_owned()),
    }
    let session = field("session").unwrap_or_default();
    let word = |name: &str| {
        let found = session.get(name).and_then(Value::as_str);
        let found = found.filter(|word| word.len() <= MAX_WORD);
        let found = found.map(str::to_owned);
        found.ok_or_else(|| format!("`session.{name}` is no text of at most {MAX_WORD} bytes"))
    };
    let (origin, title, model) = (word("session")?, word("title")?, word("model")?);
    if origin.is_empty() || !origin.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("`session.session` is no id of a session".to_owned());
    }
    let list = file.get("events").map_or("null", |list| list.get());
    if !list.starts_with('[') {
        return Err("`events` is no list".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_str(list);
    let events = (&mut reader).deserialize_seq(Events::default());
    let events = events.map_err(|error| error.to_string())?;
    let mut left_out = Vec::new();
    if events.settings {
        left_out.push("its own settings; yours hold".to_owned());
    }
    if events.rivals {
        left_out.push("changes of executors that did not fit what else was proposed".to_owned());
    }
    if events.system {
        left_out
            .push("its system prompt; it gets one as a session does that begins here".to_owned());
    }
    Ok(Past {
        origin,
        title,
        model,
        events: events.taken,
        left_out,
    })
}

/// An event as it is taken over.
fn taken(event: SessionEvent, turns: &mut u64) -> Result<SessionEvent, String> {
    let check = |cost: Option<f64>| match cost {
        // Budgets are what is left of them.
        Some(cost) if !(cost.is_finite() && cost >= 0.0) => Err(format!("{cost} is no cost")),
        _ => Ok(()),
    };
    Ok(match event {
        SessionEvent::TurnStarted { turn, .. } => {
            *turns += 1;
            if turn != *turns {
                return Err(format!("turn {turn} begins where turn {turns} should"));
            }
            event
        }
        SessionEvent::ModelAnswered { cost_usd, .. }
        | SessionEvent::ExecutorEnded { cost_usd, .. }
        | SessionEvent::TurnEnded { cost_usd, .. } => {
            check(cost_usd)?;
            event
        }
        SessionEvent::Nested { ref inner, .. } => {
            if let SessionEvent::ModelAnswered { cost_usd, .. } = **inner {
                check(cost_usd)?;
            }
            event
        }
        SessionEvent::ProposalChanged {
            ref changed,
            last_hunk,
            files,
            pending,
            conflicted,
            rivals: _,
        } => {
            let counts = [last_hunk, files, pending, conflicted];
            if let Some(count) = counts.into_iter().find(|count| *count > MAX_HUNK) {
                return Err(format!("no session has {count} hunks"));
            }
            let hunks = changed.iter().flat_map(|file| &file.hunks);
            hunks.map(|hunk| &hunk.id).try_for_each(check_hunk)?;
            event
        }
        // It is sent to a model as what it says that it is.
        SessionEvent::Attached { ref image, .. } => {
            Picture::from_base64(&image.media_type, &image.data)?;
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
    })
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
