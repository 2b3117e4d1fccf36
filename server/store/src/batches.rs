//! Batches of accepted hunks: recorded before the user's files change, with what each file was and
//! will be, and closed afterwards. What is closed is a checkpoint; what its process did not live to
//! close is recovered by another.

use crate::blobs::{Hash, NewBlobs};
use crate::error::StoreError;
use crate::store::{Store, now_ms};
use boxagnts_protocol::proposal::ChangeKind;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, ToSql, Transaction, params};
use std::borrow::Cow;
use std::fmt;

/// A body as long as its content is the content, a shorter one is packed. A claim is an accepted
/// hunk that was not undone; it outlives its batch, for a hunk whose checkpoint was pruned is still
/// accepted.
pub(crate) const SCHEMA: &str = "
CREATE TABLE blobs (
  hash BLOB PRIMARY KEY,
  size INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  session INTEGER NOT NULL REFERENCES sessions (key),
  at_ms INTEGER NOT NULL,
  kind TEXT NOT NULL,
  label TEXT NOT NULL,
  owner TEXT NOT NULL,
  state TEXT NOT NULL
) STRICT;
CREATE INDEX batches_by_session ON batches (session);
CREATE INDEX batches_applying ON batches (owner) WHERE state = 'applying';
CREATE TABLE batch_files (
  batch INTEGER NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  path TEXT NOT NULL,
  moved_from TEXT,
  before BLOB REFERENCES blobs (hash),
  after BLOB REFERENCES blobs (hash),
  mode INTEGER,
  hunks TEXT NOT NULL,
  applied INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  PRIMARY KEY (batch, place),
  UNIQUE (batch, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_files_before ON batch_files (before);
CREATE INDEX batch_files_after ON batch_files (after);
CREATE TABLE claims (
  session INTEGER NOT NULL REFERENCES sessions (key),
  hunk TEXT NOT NULL,
  batch INTEGER NOT NULL,
  PRIMARY KEY (session, hunk)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_batch ON claims (batch);
";

/// Number of a batch, ascending over the whole journal and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

impl fmt::Display for BatchId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ToSql for BatchId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for BatchId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<BatchId> {
        u64::column_result(value).map(BatchId)
    }
}

/// An enum that the journal has as words.
macro_rules! words {
    ($type:ident, $($variant:ident = $word:literal),+) => {
        impl $type {
            /// As the journal has it and as the user may see it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $word),+
                }
            }
        }

        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$type> {
                match value.as_str()? {
                    $($word => Ok($type::$variant),)+
                    other => Err(FromSqlError::Other(format!("unknown word `{other}`").into())),
                }
            }
        }
    };
}

/// What a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchKind {
    /// It brings accepted hunks, which nobody else may bring meanwhile.
    Accept,
    /// It takes one batch or a part of it back.
    Undo,
    /// It brings files back to what they were at a checkpoint.
    Restore,
}
words!(
    BatchKind,
    Accept = "accept",
    Undo = "undo",
    Restore = "restore"
);

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchState {
    /// The user's files may have some of it.
    Applying,
    /// Closed, and at least one file has it: a checkpoint.
    Applied,
    /// Closed, and no file has it.
    Failed,
}
words!(
    BatchState,
    Applying = "applying",
    Applied = "applied",
    Failed = "failed"
);

/// One file of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchFile<'a> {
    /// Its path afterwards, in the words of the caller. Once in a batch.
    pub path: String,
    /// Its path before, when the batch moves it.
    pub moved_from: Option<String>,
    /// What is in it before; `None` when it is not there.
    pub before: Option<Cow<'a, [u8]>>,
    /// What is in it afterwards; `None` when it is no longer there.
    pub after: Option<Cow<'a, [u8]>>,
    /// Its Unix mode, where it is known.
    pub mode: Option<u32>,
    /// The hunks that it gets, or that are taken back from it.
    pub hunks: Vec<String>,
}

/// A batch that is to be applied.
#[derive(Debug, Clone, Copy)]
pub struct NewBatch<'a> {
    /// Id of its session.
    pub session: &'a str,
    /// What it is for.
    pub kind: BatchKind,
    /// What the user sees of it in a list.
    pub label: &'a str,
    /// Its files, in the order in which they are applied.
    pub files: &'a [BatchFile<'a>],
}

/// What became of a file in a batch, without contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchFileSummary {
    /// Its path afterwards.
    pub path: String,
    /// Its path before, when the batch moves it.
    pub moved_from: Option<String>,
    /// What happens to it.
    pub kind: ChangeKind,
    /// Its Unix mode, where it is known.
    pub mode: Option<u32>,
    /// The hunks that it gets, or that are taken back from it.
    pub hunks: Vec<String>,
    /// Whether it was found as it should be.
    pub applied: bool,
    /// Why it was not; `None` also when nobody has tried yet.
    pub reason: Option<String>,
}

/// A batch without contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSummary {
    /// Its number.
    pub id: BatchId,
    /// Id of its session.
    pub session: String,
    /// What it is for.
    pub kind: BatchKind,
    /// What the user sees of it in a list.
    pub label: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How far it is.
    pub state: BatchState,
    /// Its hunks that cannot be accepted again, because they are being applied or were and are not
    /// undone.
    pub claimed: Vec<String>,
    /// Its files, in their order.
    pub files: Vec<BatchFileSummary>,
}

/// A batch with contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What is known of it.
    pub summary: BatchSummary,
    /// Its files with contents, in the order of `summary.files`. Where a file became something else
    /// than planned, `after` is what it became.
    pub files: Vec<BatchFile<'static>>,
}

/// Who has a hunk that another batch wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A batch whose process lives.
    Applying,
    /// A batch whose process died: take it over with [`Store::abandoned_batches`], close it, and
    /// try again.
    Abandoned,
    /// A batch that was applied and not undone.
    Applied,
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Claim::Applying => "is being applied",
            Claim::Abandoned => "was being applied by a process that died; try again in a moment",
            Claim::Applied => "was accepted already",
        })
    }
}

impl Store {
    /// Records a batch that is going to be applied. When it returns, the record survives a power
    /// cut; this waits for the disk.
    ///
    /// # Errors
    /// [`StoreError::Claimed`] when a batch that accepts has a hunk that another one of its session
    /// has, applying or applied and not undone, here or in another process. An unknown session, a
    /// path that comes twice, or a journal that cannot be written. Nothing is recorded then, and
    /// nothing may be applied.
    pub fn begin_batch<'a>(&self, batch: &NewBatch<'a>) -> Result<BatchId, StoreError> {
        let mut blobs = NewBlobs::default();
        let mut hashes: Vec<[Option<Hash>; 2]> = Vec::new();
        for file in batch.files {
            let mut add = |content: &'a Option<Cow<'a, [u8]>>| match content {
                Some(content) => blobs.add(self, content).map(Some),
                None => Ok(None),
            };
            hashes.push([add(&file.before)?, add(&file.after)?]);
        }
        self.write_durably(|transaction| {
            let owner = self.owner.register(transaction)?;
            let row: Option<(BatchId, i64)> = transaction
                .prepare_cached(
                    "INSERT INTO batches (session, at_ms, kind, label, owner, state)
                     SELECT key, ?2, ?3, ?4, ?5, ?6 FROM sessions WHERE id = ?1
                     RETURNING id, session",
                )?
                .query_row(
                    params![
                        batch.session,
                        now_ms(),
                        batch.kind,
                        batch.label,
                        owner,
                        BatchState::Applying
                    ],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let (id, session) = row.ok_or_else(|| StoreError::UnknownSession {
                session: batch.session.to_owned(),
            })?;
            if batch.kind == BatchKind::Accept {
                for hunk in batch.files.iter().flat_map(|file| &file.hunks) {
                    self.claim(transaction, session, id, hunk)?;
                }
            }
            blobs.put(transaction)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO batch_files
                 (batch, place, path, moved_from, before, after, mode, hunks)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for (place, (file, [before, after])) in batch.files.iter().zip(hashes).enumerate() {
                let hunks = serde_json::to_string(&file.hunks)?;
                let BatchFile {
                    path,
                    moved_from,
                    mode,
                    ..
                } = file;
                insert.execute(params![
                    id, place, path, moved_from, before, after, mode, hunks
                ])?;
            }
            Ok(id)
        })
    }

    fn claim(
        &self,
        transaction: &Transaction<'_>,
        session: i64,
        batch: BatchId,
        hunk: &str,
    ) -> Result<(), StoreError> {
        let claimed = transaction
            .prepare_cached(
                "INSERT INTO claims (session, hunk, batch) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![session, hunk, batch])?;
        if claimed == 1 {
            return Ok(());
        }
        let (holder, state, owner) = transaction
            .prepare_cached(
                "SELECT c.batch, b.state, b.owner FROM claims c LEFT JOIN batches b ON b.id = c.batch
                 WHERE c.session = ?1 AND c.hunk = ?2",
            )?
            .query_row(params![session, hunk], |row| {
                let state: Option<BatchState> = row.get(1)?;
                let owner: Option<String> = row.get(2)?;
                Ok((row.get(0)?, state, owner))
            })?;
        if holder == batch {
            return Ok(());
        }
        let claim = match (state, owner) {
            (Some(BatchState::Applying), Some(owner)) => {
                match self.owner.lives(&owner, transaction) {
                    true => Claim::Applying,
                    false => Claim::Abandoned,
                }
            }
            _ => Claim::Applied,
        };
        Err(StoreError::Claimed {
            hunk: hunk.to_owned(),
            batch: holder,
            claim,
        })
    }

    /// Records what became of one file: `Ok(None)` when it was found as planned, `Ok(Some(_))` with
    /// what is in it when that is something else, `Err` with the reason when it is not applied.
    ///
    /// # Errors
    /// The batch is not being applied by this store or has no such file, or the journal cannot be
    /// written.
    pub fn file_applied(
        &self,
        batch: BatchId,
        path: &str,
        result: Result<Option<&[u8]>, &str>,
    ) -> Result<(), StoreError> {
        let mut blobs = NewBlobs::default();
        let after = match result {
            Ok(Some(content)) => Some(blobs.add(self, content)?),
            Ok(None) | Err(_) => None,
        };
        self.write(|transaction| {
            self.check_applying(transaction, batch)?;
            blobs.put(transaction)?;
            let changed = transaction
                .prepare_cached(
                    "UPDATE batch_files
                     SET applied = ?3, reason = ?4, after = coalesce(?5, after)
                     WHERE batch = ?1 AND path = ?2",
                )?
                .execute(params![batch, path, result.is_ok(), result.err(), after])?;
            match changed {
                0 => Err(StoreError::UnknownBatchFile {
                    batch,
                    path: path.to_owned(),
                }),
                _ => Ok(()),
            }
        })
    }

    /// Closes a batch: applied when at least one of its files was, else failed. The hunks of files
    /// that were not applied may be accepted again.
    ///
    /// # Errors
    /// The batch is not being applied by this store, or the journal cannot be written.
    pub fn finish_batch(&self, batch: BatchId) -> Result<BatchState, StoreError> {
        self.write(|transaction| {
            self.check_applying(transaction, batch)?;
            transaction
                .prepare_cached(
                    "DELETE FROM claims WHERE batch = ?1 AND hunk IN
                     (SELECT value FROM batch_files, json_each(hunks)
                      WHERE batch = ?1 AND NOT applied)",
                )?
                .execute([batch])?;
            let state = transaction
                .prepare_cached(
                    "UPDATE batches SET state = CASE
                       WHEN EXISTS (SELECT 1 FROM batch_files WHERE batch = ?1 AND applied)
                       THEN ?2 ELSE ?3 END
                     WHERE id = ?1 RETURNING state",
                )?
                .query_row(
                    params![batch, BatchState::Applied, BatchState::Failed],
                    |row| row.get(0),
                )?;
            Ok(state)
        })
    }

    /// Only who applies a batch may say what became of it: a process that was thought dead may find
    /// that its batch is another's now.
    fn check_applying(
        &self,
        transaction: &Transaction<'_>,
        batch: BatchId,
    ) -> Result<(), StoreError> {
        let own: bool = transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM batches WHERE id = ?1 AND owner = ?2 AND state = ?3)",
            )?
            .query_row(
                params![batch, self.owner.id(), BatchState::Applying],
                |row| row.get(0),
            )?;
        match own {
            true => Ok(()),
            false => Err(StoreError::NotApplying { batch }),
        }
    }

    /// Hunks of this batch that were undone may be accepted again. Those that it does not have are
    /// left alone; gives how many it had.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn release_hunks(&self, batch: BatchId, hunks: &[String]) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let mut statement =
                transaction.prepare_cached("DELETE FROM claims WHERE batch = ?1 AND hunk = ?2")?;
            let mut released = 0;
            for hunk in hunks {
                released += statement.execute(params![batch, hunk])?;
            }
            Ok(released)
        })
    }

    /// Takes over the batches of a workspace that a dead process was applying, the oldest first:
    /// they are this store's from now on, and no other gets them while it lives. Look at each file,
    /// say with [`Store::file_applied`] what it is, and close the batch.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn abandoned_batches(&self, workspace: &str) -> Result<Vec<BatchSummary>, StoreError> {
        // Most often there are none, and then nobody waits for a lock.
        let any: bool = self
            .connection()
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM batches b JOIN sessions s ON s.key = b.session
                 WHERE b.state = 'applying' AND b.owner <> ?1 AND s.workspace = ?2)",
            )?
            .query_row([self.owner.id(), workspace], |row| row.get(0))?;
        if !any {
            return Ok(Vec::new());
        }
        self.write(|transaction| {
            let owners: Vec<String> = transaction
                .prepare_cached(
                    "SELECT DISTINCT b.owner FROM batches b JOIN sessions s ON s.key = b.session
                     WHERE b.state = 'applying' AND s.workspace = ?1",
                )?
                .query_map([workspace], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut take = transaction.prepare_cached(
                "UPDATE batches SET owner = ?1 WHERE state = 'applying' AND owner = ?2
                 AND session IN (SELECT key FROM sessions WHERE workspace = ?3) RETURNING id",
            )?;
            let mut taken: Vec<BatchId> = Vec::new();
            for owner in &owners {
                if !self.owner.lives(owner, transaction) {
                    let own = self.owner.register(transaction)?;
                    let rows = take.query_map([own, owner, workspace], |row| row.get(0))?;
                    taken.extend(rows.collect::<Result<Vec<BatchId>, _>>()?);
                }
            }
            taken.sort_unstable();
            let summaries = taken
                .into_iter()
                .map(|id| crate::checkpoints::summary(transaction, id));
            summaries.collect()
        })
    }
}
