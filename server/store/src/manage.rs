//! Sessions as their user manages them: named, forked, taken over from a file, removed.

use crate::error::StoreError;
use crate::running::is_interrupted;
use crate::store::{Store, key, now_ms, random_id, title};
use boxagnts_protocol::commands::OriginKind;
use boxagnts_protocol::update::SessionEvent;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Events of a kind begin alike, so that an index of them alone is small.
pub(crate) const SCHEMA: &str = r#"
ALTER TABLE sessions ADD COLUMN origin_kind TEXT;
ALTER TABLE sessions ADD COLUMN origin TEXT;
ALTER TABLE sessions ADD COLUMN inherited INTEGER NOT NULL DEFAULT 0;
CREATE TABLE running (
  session INTEGER PRIMARY KEY REFERENCES sessions (key),
  owner TEXT NOT NULL
) STRICT;
CREATE INDEX events_started ON events (session, seq)
  WHERE substr(body, 1, 22) = '{"event":"turn_started';
CREATE INDEX events_answered ON events (at_ms)
  WHERE substr(body, 1, 24) = '{"event":"model_answered';
CREATE VIRTUAL TABLE words USING fts5 (said, tokenize = 'trigram');
CREATE TABLE indexed (
  session INTEGER PRIMARY KEY REFERENCES sessions (key),
  seq INTEGER NOT NULL
) STRICT;
"#;

/// How a past was taken over, as the journal has it.
pub(crate) struct Origin(pub(crate) OriginKind);

impl FromSql for Origin {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Origin> {
        match value.as_str()? {
            "fork" => Ok(Origin(OriginKind::Fork)),
            "import" => Ok(Origin(OriginKind::Import)),
            "executor" => Ok(Origin(OriginKind::Executor)),
            other => Err(FromSqlError::Other(
                format!("unknown word `{other}`").into(),
            )),
        }
    }
}

/// A session with a past that comes from elsewhere.
#[derive(Debug, Clone)]
pub struct NewPast<'a> {
    /// Its workspace.
    pub workspace: &'a str,
    /// `provider:model`.
    pub model: &'a str,
    /// Its title; the first prompt when it is empty.
    pub title: &'a str,
    /// What it was called there.
    pub origin: &'a str,
    /// What happened, with the time of each in milliseconds since the Unix epoch.
    pub events: &'a [(u64, SessionEvent)],
}

impl Store {
    /// Gives a session another title, of which the first line counts.
    ///
    /// # Errors
    /// Unknown session, a title of which nothing is left, or a journal that cannot be written.
    pub fn rename_session(&self, session: &str, name: &str) -> Result<String, StoreError> {
        let name = title(name);
        if name.is_empty() {
            return Err(StoreError::EmptyTitle);
        }
        let changed = self
            .connection()
            .prepare_cached("UPDATE sessions SET title = ?2 WHERE id = ?1")?
            .execute(params![session, name])?;
        match changed {
            0 => Err(unknown(session)),
            _ => Ok(name),
        }
    }

    /// Makes a session with the past of another, up to and with a turn and what was decided before
    /// the next one. Without a turn: all of it, but for a turn that runs. The other one stays as it
    /// is. Gives the new one's id.
    ///
    /// # Errors
    /// Unknown session, no such turn or one that runs, or a journal that cannot be written.
    pub fn fork_session(&self, session: &str, turn: Option<u64>) -> Result<String, StoreError> {
        let id = random_id()?;
        self.write(|transaction| {
            let source = key(transaction, session)?;
            let last = self.end_of_past(transaction, session, source, turn)?;
            let fork: i64 = transaction.query_row(
                "INSERT INTO sessions
                 (id, workspace, model, title, created_ms, origin_kind, origin, inherited)
                 SELECT ?2, workspace, model, title, ?3, 'fork', id, ?4
                 FROM sessions WHERE key = ?1 RETURNING key",
                params![source, id, now_ms(), last],
                |row| row.get(0),
            )?;
            transaction.execute(
                "INSERT INTO events (session, seq, at_ms, body)
                 SELECT ?2, seq, at_ms, body FROM events WHERE session = ?1 AND seq <= ?3",
                params![source, fork, last],
            )?;
            Ok(())
        })?;
        Ok(id)
    }

    /// The number of the last event that a fork takes over.
    fn end_of_past(
        &self,
        transaction: &Transaction<'_>,
        session: &str,
        source: i64,
        turn: Option<u64>,
    ) -> Result<u64, StoreError> {
        let mut started: Vec<(u64, u64)> = transaction
            .prepare_cached(
                r#"SELECT seq, json_extract(body, '$.turn') FROM events
                   WHERE session = ?1 AND substr(body, 1, 22) = '{"event":"turn_started'
                   ORDER BY seq"#,
            )?
            .query_map([source], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let last: u64 = transaction.query_row(
            "SELECT coalesce(max(seq), 0) FROM events WHERE session = ?1",
            [source],
            |row| row.get(0),
        )?;
        let mut end = last;
        if self.is_running(transaction, source)?
            && let Some((seq, _)) = started.pop_if(|(seq, _)| {
                // A batch that is being applied runs between turns.
                open_since(transaction, source, *seq).unwrap_or(true)
            })
        {
            end = seq.saturating_sub(1);
        }
        let wanted = match turn {
            Some(turn) => started.iter().position(|(_, number)| *number == turn),
            None => started.len().checked_sub(1),
        };
        let Some(at) = wanted else {
            let (turn, turns) = (turn.unwrap_or(1), started.len() as u64);
            let session = session.to_owned();
            return Err(StoreError::UnknownTurn {
                session,
                turn,
                turns,
            });
        };
        Ok(started.get(at + 1).map_or(end, |(next, _)| next - 1))
    }

    /// Makes a session of what another journal told, and gives its id.
    ///
    /// # Errors
    /// The journal cannot be written; nothing of it is there then.
    pub fn import_session(&self, past: &NewPast<'_>) -> Result<String, StoreError> {
        let id = random_id()?;
        let prompt = past.events.iter().find_map(|(_, event)| match event {
            SessionEvent::TurnStarted { prompt, .. } => Some(prompt.as_str()),
            _ => None,
        });
        let name = match title(past.title) {
            name if name.is_empty() => title(prompt.unwrap_or_default()),
            name => name,
        };
        self.write(|transaction| {
            let session: i64 = transaction.query_row(
                "INSERT INTO sessions
                 (id, workspace, model, title, created_ms, origin_kind, origin, inherited)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'import', ?6, ?7) RETURNING key",
                params![
                    id,
                    past.workspace,
                    past.model,
                    name,
                    now_ms(),
                    past.origin,
                    past.events.len()
                ],
                |row| row.get(0),
            )?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events (session, seq, at_ms, body) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (at, (at_ms, event)) in past.events.iter().enumerate() {
                let at_ms = i64::try_from(*at_ms).unwrap_or(i64::MAX);
                let body = serde_json::to_string(event)?;
                insert.execute(params![session, at + 1, at_ms, body])?;
            }
            Ok(())
        })?;
        Ok(id)
    }

    /// Removes a session from the journal, with its batches and what files were before them. The
    /// user's files stay as they are; what was accepted cannot be taken back any more.
    ///
    /// # Errors
    /// Unknown session, one that is at work or has a batch that a killed process left, or a journal
    /// that cannot be written.
    pub fn delete_session(&self, session: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let key = key(transaction, session)?;
            let session = session.to_owned();
            if self.is_running(transaction, key)? {
                return Err(StoreError::Running { session });
            }
            // It alone knows what half-written files were.
            if is_interrupted(transaction, key)? {
                return Err(StoreError::Interrupted { session });
            }
            delete(transaction, key)
        })
    }

    /// The sessions of a workspace in which nothing happened since `before_ms`, where no hunk waits
    /// and that are not at work; the oldest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn old_sessions(&self, workspace: &str, before_ms: u64) -> Result<Vec<String>, StoreError> {
        let mut old: Vec<_> = self.sessions(Some(workspace))?;
        old.retain(|session| session.updated_ms < before_ms);
        old.reverse();
        let mut ids = Vec::new();
        for session in old {
            if self.waiting_hunks(&session.session)? == 0 {
                ids.push(session.session);
            }
        }
        Ok(ids)
    }

    /// Removes a session as [`Store::delete_session`] does, if nothing happened in it since
    /// `before_ms`, no hunk of it waits, no process that lives has it open and no batch of it was
    /// interrupted. Says whether it did.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn delete_old_session(&self, session: &str, before_ms: u64) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let found: Option<(i64, u64)> = transaction
                .prepare_cached(
                    "SELECT key, max(created_ms, coalesce(
                       (SELECT max(at_ms) FROM events WHERE session = key), 0))
                     FROM sessions WHERE id = ?1",
                )?
                .query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((key, at_ms)) = found else {
                return Ok(false);
            };
            let kept = at_ms >= before_ms
                || self.is_running(transaction, key)?
                || self.is_held(transaction, key)?
                || is_interrupted(transaction, key)?
                || waiting(transaction, key)? > 0;
            if !kept {
                delete(transaction, key)?;
            }
            Ok(!kept)
        })
    }

    /// Hunks of a session that wait for a decision, as the journal was last told.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be read.
    pub fn waiting_hunks(&self, session: &str) -> Result<u64, StoreError> {
        let connection = self.connection();
        let key = key(&connection, session)?;
        waiting(&connection, key)
    }
}

/// SQL of the hunks that wait in a row of `sessions`, as the journal was last told. It is asked often:
/// `likely` has SQLite take the index of such events, where by itself it walks back over all of a session.
pub(crate) const WAITING: &str = r#"coalesce((
    SELECT coalesce(json_extract(body, '$.pending'), 0)
         + coalesce(json_extract(body, '$.conflicted'), 0)
    FROM events
    WHERE likely(session = sessions.key) AND substr(body, 1, 26) = '{"event":"proposal_changed'
    ORDER BY seq DESC LIMIT 1), 0)"#;

pub(crate) fn waiting(connection: &Connection, key: i64) -> Result<u64, StoreError> {
    let waiting: Option<u64> = connection
        .prepare_cached(&format!("SELECT {WAITING} FROM sessions WHERE key = ?1"))?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(waiting.unwrap_or(0))
}

/// Whether the turn that began with that event has not ended.
fn open_since(transaction: &Transaction<'_>, session: i64, seq: u64) -> Result<bool, StoreError> {
    let ended: bool = transaction
        .prepare_cached(
            r#"SELECT EXISTS (SELECT 1 FROM events WHERE session = ?1 AND seq > ?2
                 AND substr(body, 1, 20) = '{"event":"turn_ended')"#,
        )?
        .query_row(params![session, seq], |row| row.get(0))?;
    Ok(!ended)
}

/// Removes a session, and those of its executors.
fn delete(transaction: &Transaction<'_>, key: i64) -> Result<(), StoreError> {
    let executors: Vec<i64> = transaction
        .prepare_cached(
            "SELECT key FROM sessions WHERE origin_kind = 'executor'
             AND origin = (SELECT id FROM sessions WHERE key = ?1)",
        )?
        .query_map([key], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for key in executors.into_iter().chain([key]) {
        delete_one(transaction, key)?;
    }
    transaction.execute(
        "DELETE FROM blobs
         WHERE NOT EXISTS (SELECT 1 FROM batch_files WHERE before = hash)
           AND NOT EXISTS (SELECT 1 FROM batch_files WHERE after = hash)",
        [],
    )?;
    Ok(())
}

fn delete_one(transaction: &Transaction<'_>, key: i64) -> Result<(), StoreError> {
    for rows in [
        "DELETE FROM claims WHERE session = ?1",
        // With their files.
        "DELETE FROM batches WHERE session = ?1",
        "DELETE FROM events WHERE session = ?1",
        "DELETE FROM running WHERE session = ?1",
        "DELETE FROM opened WHERE session = ?1",
        "DELETE FROM indexed WHERE session = ?1",
        "DELETE FROM words WHERE rowid = ?1",
        "DELETE FROM sessions WHERE key = ?1",
    ] {
        transaction.prepare_cached(rows)?.execute([key])?;
    }
    Ok(())
}

fn unknown(session: &str) -> StoreError {
    StoreError::UnknownSession {
        session: session.to_owned(),
    }
}
