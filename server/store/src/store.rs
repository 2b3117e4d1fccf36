//! The database behind the journal.

use crate::error::StoreError;
use crate::manage::{Origin, WAITING};
use crate::owner::Owner;
use crate::running::end_running;
use crate::transaction::{PATIENCE, write_ahead};
use boxagnts_protocol::commands::{SessionOrigin, SessionSummary};
use boxagnts_protocol::update::SessionEvent;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Format of the file, kept in SQLite's `user_version`.
const FORMAT: i64 = 9;

/// Longest title of a session, in characters.
const TITLE_CHARS: usize = 80;

const SESSIONS: &str = "
CREATE TABLE sessions (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  workspace TEXT NOT NULL,
  model TEXT NOT NULL,
  title TEXT NOT NULL DEFAULT '',
  created_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE events (
  session INTEGER NOT NULL REFERENCES sessions (key),
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;
";

/// What brings a journal from each format to the next, from the empty file on.
const MIGRATIONS: &[&str] = &[
    SESSIONS,
    crate::permissions::SCHEMA,
    crate::approved::SCHEMA,
    crate::batches::SCHEMA,
    crate::manage::SCHEMA,
    crate::running::SCHEMA,
    crate::spent::SCHEMA,
    crate::schedules::SCHEMA,
    crate::schedules::WISHES,
];

/// The journal. Several processes may use one file at the same time.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    pub(crate) owner: Owner,
}

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Number in its session, from 1, without gaps.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What happened.
    pub event: Recorded,
}

/// An event as the journal has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// One that this program knows.
    Known(Box<SessionEvent>),
    /// One that another version wrote.
    Unknown(serde_json::Value),
}

impl Recorded {
    /// The event, when this program knows it.
    pub fn known(self) -> Option<SessionEvent> {
        match self {
            Recorded::Known(event) => Some(*event),
            Recorded::Unknown(_) => None,
        }
    }
}

impl Store {
    /// Opens the journal, and makes it and its folder (for its owner alone) when they are not
    /// there.
    ///
    /// # Errors
    /// The folder cannot be made, the file is no journal, or a newer program wrote it. A file that
    /// cannot be used stays as it is.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let failed = |reason: String| StoreError::Open {
            path: path.to_path_buf(),
            reason,
        };
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            make_private_folder(folder).map_err(|error| failed(error.to_string()))?;
        }
        make_private_file(path).map_err(|error| failed(error.to_string()))?;
        let connection = Connection::open(path).map_err(|error| failed(error.to_string()))?;
        let real = path
            .canonicalize()
            .map_err(|error| failed(error.to_string()))?;
        Store::prepare(connection, path, Owner::new(Some(&real))?)
    }

    /// A journal that is gone with the value: for tests and for runs that ask for none.
    ///
    /// # Errors
    /// SQLite cannot allocate.
    pub fn in_memory() -> Result<Store, StoreError> {
        let path = Path::new(":memory:");
        Store::prepare(Connection::open_in_memory()?, path, Owner::new(None)?)
    }

    fn prepare(mut connection: Connection, path: &Path, owner: Owner) -> Result<Store, StoreError> {
        let failed = |error: rusqlite::Error| StoreError::Open {
            path: path.into(),
            reason: error.to_string(),
        };
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        write_ahead(&connection).map_err(failed)?;
        // With WAL, NORMAL survives the death of the process; only a power cut may take the last
        // events, and an fsync for each streamed word would be felt. Where the system's fsync stops
        // short of the disk, `fullfsync` does not; and a large batch leaves no large side file.
        connection
            .execute_batch(
                "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA fullfsync = ON;
                 PRAGMA journal_size_limit = 16777216;",
            )
            .map_err(failed)?;
        let version = |connection: &Connection| {
            connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        };
        if version(&connection).map_err(failed)? < FORMAT {
            // Decided inside of a write transaction: two processes may be here at once.
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed)?;
            let found = version(&transaction).map_err(failed)?;
            let missing = MIGRATIONS
                .iter()
                .skip(usize::try_from(found).unwrap_or(usize::MAX));
            for migration in missing {
                transaction.execute_batch(migration).map_err(failed)?;
            }
            if found < FORMAT {
                transaction
                    .pragma_update(None, "user_version", FORMAT)
                    .map_err(failed)?;
            }
            transaction.commit().map_err(failed)?;
        }
        let found = version(&connection).map_err(failed)?;
        if found > FORMAT {
            return Err(StoreError::Newer {
                path: PathBuf::from(path),
                found,
                known: FORMAT,
            });
        }
        Ok(Store {
            connection: Mutex::new(connection),
            owner,
        })
    }

    /// Begins a session and gives its id.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn create_session(&self, workspace: &str, model: &str) -> Result<String, StoreError> {
        let id = random_id()?;
        self.connection()
            .prepare_cached(
                "INSERT INTO sessions (id, workspace, model, created_ms) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![id, workspace, model, now_ms()])?;
        Ok(id)
    }

    /// Begins the session of an executor of another session, and gives its id.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn create_executor(
        &self,
        workspace: &str,
        model: &str,
        manager: &str,
    ) -> Result<String, StoreError> {
        let id = random_id()?;
        self.connection()
            .prepare_cached(
                "INSERT INTO sessions (id, workspace, model, created_ms, origin_kind, origin)
                 VALUES (?1, ?2, ?3, ?4, 'executor', ?5)",
            )?
            .execute(params![id, workspace, model, now_ms(), manager])?;
        Ok(id)
    }

    /// Appends an event and gives its number.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be written.
    pub fn append(&self, session: &str, event: &SessionEvent) -> Result<u64, StoreError> {
        let body = serde_json::to_string(event)?;
        match event {
            SessionEvent::TurnStarted { prompt, .. } => self.write(|transaction| {
                let seq = insert(transaction, session, &body, Some(now_ms()))?;
                transaction
                    .prepare_cached("UPDATE sessions SET title = ?2 WHERE id = ?1 AND title = ''")?
                    .execute(params![session, title(prompt)])?;
                self.begin_running(transaction, session)?;
                Ok(seq)
            }),
            SessionEvent::TurnEnded { .. } => self.write(|transaction| {
                let seq = insert(transaction, session, &body, Some(now_ms()))?;
                end_running(transaction, session)?;
                Ok(seq)
            }),
            // Only a count is put right: nothing happened, and the session stays as old as it is.
            SessionEvent::ProposalChanged {
                changed,
                rivals: None,
                ..
            } if changed.is_empty() => insert(&self.connection(), session, &body, None),
            _ => insert(&self.connection(), session, &body, Some(now_ms())),
        }
    }

    /// The events of a session behind number `after`, in order.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be read.
    pub fn events(&self, session: &str, after: u64) -> Result<Vec<Entry>, StoreError> {
        let (entries, _) = self.events_page(session, after, usize::MAX, usize::MAX)?;
        Ok(entries)
    }

    /// As [`Store::events`], the first `limit` of them, and no more than `max_bytes` of JSON unless the
    /// first alone has more. Says whether there are others behind them.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be read.
    pub fn events_page(
        &self,
        session: &str,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(Vec<Entry>, bool), StoreError> {
        let connection = self.connection();
        let key = key(&connection, session)?;
        let mut statement = connection.prepare_cached(
            "SELECT seq, at_ms, body FROM events WHERE session = ?1 AND seq > ?2
             ORDER BY seq LIMIT ?3",
        )?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        // One more tells whether there are others.
        let most = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![key, after, most], |row| {
            Ok((
                row.get::<_, u64>(0)?,
                row.get::<_, u64>(1)?,
                row.get::<_, String>(2)?,
            ))
        })?;
        let mut entries = Vec::new();
        let mut bytes = 0usize;
        for row in rows {
            let (seq, at_ms, body) = row?;
            bytes = bytes.saturating_add(body.len());
            if entries.len() >= limit || (bytes > max_bytes && !entries.is_empty()) {
                return Ok((entries, true));
            }
            let event = match serde_json::from_str(&body) {
                Ok(event) => Recorded::Known(Box::new(event)),
                Err(_) => Recorded::Unknown(
                    serde_json::from_str(&body).unwrap_or(serde_json::Value::String(body)),
                ),
            };
            entries.push(Entry { seq, at_ms, event });
        }
        Ok((entries, false))
    }

    /// The number of the last event of a session; 0 when there is none.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be read.
    pub fn last_seq(&self, session: &str) -> Result<u64, StoreError> {
        let connection = self.connection();
        let key = key(&connection, session)?;
        let last = connection
            .prepare_cached("SELECT coalesce(max(seq), 0) FROM events WHERE session = ?1")?
            .query_row([key], |row| row.get(0))?;
        Ok(last)
    }

    /// The sessions, of one workspace or of all, those with the latest events first; those of executors
    /// are found through the session that wanted them.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn sessions(&self, workspace: Option<&str>) -> Result<Vec<SessionSummary>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&summaries(&format!(
            "WHERE (?1 IS NULL OR workspace = ?1) AND {NO_EXECUTOR}
             ORDER BY updated_ms DESC, key DESC"
        )))?;
        let rows = statement.query_map([workspace], summary)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The session of that id, or the only one whose id begins so.
    ///
    /// # Errors
    /// No session or several fit, or the journal cannot be read.
    pub fn session(&self, id: &str) -> Result<SessionSummary, StoreError> {
        let unknown = || StoreError::UnknownSession {
            session: id.to_owned(),
        };
        if id.is_empty() {
            return Err(unknown());
        }
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached(&summaries("WHERE substr(id, 1, length(?1)) = ?1"))?;
        let mut found: Vec<SessionSummary> = statement
            .query_map([id], summary)?
            .collect::<Result<_, _>>()?;
        if let Some(exact) = found.iter().position(|session| session.session == id) {
            return Ok(found.swap_remove(exact));
        }
        match found.len() {
            0 | 1 => found.pop().ok_or_else(unknown),
            count => Err(StoreError::AmbiguousSession {
                session: id.to_owned(),
                count,
            }),
        }
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        // SQLite rolls back what a panicking holder left; the connection stays good.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without a time, it is that of the event before.
fn insert(
    connection: &Connection,
    session: &str,
    body: &str,
    at_ms: Option<i64>,
) -> Result<u64, StoreError> {
    let seq: Option<u64> = connection
        .prepare_cached(
            "INSERT INTO events (session, seq, at_ms, body)
             SELECT s.key,
                    1 + coalesce((SELECT max(seq) FROM events WHERE session = s.key), 0),
                    coalesce(?2, (SELECT at_ms FROM events WHERE session = s.key
                                  ORDER BY seq DESC LIMIT 1), s.created_ms), ?3
             FROM sessions s WHERE s.id = ?1
             RETURNING seq",
        )?
        .query_row(params![session, at_ms, body], |row| row.get(0))
        .optional()?;
    seq.ok_or_else(|| StoreError::UnknownSession {
        session: session.to_owned(),
    })
}

/// A session's key in the tables.
pub(crate) fn key(connection: &Connection, session: &str) -> Result<i64, StoreError> {
    let key: Option<i64> = connection
        .prepare_cached("SELECT key FROM sessions WHERE id = ?1")?
        .query_row([session], |row| row.get(0))
        .optional()?;
    key.ok_or_else(|| StoreError::UnknownSession {
        session: session.to_owned(),
    })
}

/// The query of what [`summary`] reads, of the sessions that `rest` selects. A session that took over a
/// past is as young as itself.
pub(crate) fn summaries(rest: &str) -> String {
    format!(
        "SELECT id, title, workspace, model, created_ms,
                max(created_ms,
                    coalesce((SELECT at_ms FROM events WHERE session = key
                              ORDER BY seq DESC LIMIT 1), 0)) AS updated_ms,
                origin_kind, origin, inherited, key, {WAITING} AS waiting
         FROM sessions {rest}"
    )
}

/// Sessions that users begin.
pub(crate) const NO_EXECUTOR: &str = "origin_kind IS NOT 'executor'";

pub(crate) fn summary(row: &Row<'_>) -> rusqlite::Result<SessionSummary> {
    let kind: Option<Origin> = row.get(6)?;
    let other: Option<String> = row.get(7)?;
    let events = row.get(8)?;
    Ok(SessionSummary {
        session: row.get(0)?,
        title: row.get(1)?,
        workspace: row.get(2)?,
        model: row.get(3)?,
        created_ms: row.get(4)?,
        updated_ms: row.get(5)?,
        origin: kind.zip(other).map(|(kind, session)| SessionOrigin {
            kind: kind.0,
            session,
            events,
        }),
        waiting: row.get("waiting")?,
        found: None,
    })
}

/// The first line of a prompt, cut. What steers terminals or the direction of text is a space:
/// scripts print titles as they are.
pub(crate) fn title(prompt: &str) -> String {
    let line = prompt.trim().lines().next().unwrap_or_default();
    let plain: String = line
        .chars()
        .map(|c| if steers(c) { ' ' } else { c })
        .collect();
    let line = plain.trim();
    let mut title: String = line.chars().take(TITLE_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    title
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Twelve characters, 60 random bits: short enough to type, never guessed twice.
pub(crate) fn random_id() -> Result<String, StoreError> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Random(error.to_string()))?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect())
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// SQLite makes its side files with the mode of the main one. A file that is there stays closed:
/// on Unix, closing it again would take the locks from another connection of this process.
pub(crate) fn make_private_file(path: &Path) -> std::io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests;
