//! Looking at batches, and forgetting old ones.

use crate::batches::{Batch, BatchFile, BatchFileSummary, BatchId, BatchSummary};
use crate::blobs::Hash;
use crate::error::StoreError;
use crate::store::{Store, now_ms};
use boxagnts_protocol::proposal::ChangeKind;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::borrow::Cow;

/// What [`Store::prune_batches`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Batches.
    pub batches: usize,
    /// Contents.
    pub blobs: usize,
    /// Bytes that these contents took.
    pub bytes: u64,
}

impl Store {
    /// The latest batches of a workspace or of one session in it, the newest first. Those that
    /// failed or are being applied are among them.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn batches(
        &self,
        workspace: &str,
        session: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BatchSummary>, StoreError> {
        let mut connection = self.connection();
        // What others write meanwhile is not seen in parts.
        let snapshot = connection.transaction()?;
        let ids: Vec<BatchId> = snapshot
            .prepare_cached(
                "SELECT b.id FROM batches b JOIN sessions s ON s.key = b.session
                 WHERE s.workspace = ?1 AND (?2 IS NULL OR s.id = ?2)
                 ORDER BY b.id DESC LIMIT ?3",
            )?
            .query_map(
                params![workspace, session, i64::try_from(limit).unwrap_or(i64::MAX)],
                |row| row.get(0),
            )?
            .collect::<Result<_, _>>()?;
        ids.into_iter().map(|id| summary(&snapshot, id)).collect()
    }

    /// A batch with the contents of its files.
    ///
    /// # Errors
    /// No such batch, a content that is damaged, or a journal that cannot be read.
    pub fn batch(&self, id: BatchId) -> Result<Batch, StoreError> {
        let (summary, hashes) = {
            let mut connection = self.connection();
            let snapshot = connection.transaction()?;
            let summary = summary(&snapshot, id)?;
            let hashes: Vec<[Option<Hash>; 2]> = snapshot
                .prepare_cached(
                    "SELECT before, after FROM batch_files WHERE batch = ?1 ORDER BY place",
                )?
                .query_map([id], |row| Ok([row.get(0)?, row.get(1)?]))?
                .collect::<Result<_, _>>()?;
            (summary, hashes)
        };
        let content = |hash: Option<Hash>| match hash {
            Some(hash) => self.blob(&hash).map(|bytes| Some(Cow::Owned(bytes))),
            None => Ok(None),
        };
        let mut files = Vec::new();
        for (file, [before, after]) in summary.files.iter().zip(hashes) {
            files.push(BatchFile {
                path: file.path.clone(),
                moved_from: file.moved_from.clone(),
                before: content(before)?,
                after: content(after)?,
                mode: file.mode,
                hunks: file.hunks.clone(),
            });
        }
        Ok(Batch { summary, files })
    }

    /// Forgets closed batches, the oldest first: those that are older than `keep_ms`, and then as
    /// many as it takes until all contents together have no more than `keep_bytes` in the journal.
    /// Their hunks stay accepted. The file does not become smaller; the room in it is used again.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn prune_batches(&self, keep_bytes: u64, keep_ms: u64) -> Result<Pruned, StoreError> {
        let since = now_ms().saturating_sub(i64::try_from(keep_ms).unwrap_or(i64::MAX));
        self.write(|transaction| {
            let (count, bytes) = stored(transaction)?;
            let mut batches = transaction.execute(
                "DELETE FROM batches WHERE state <> 'applying' AND at_ms < ?1",
                [since],
            )?;
            transaction.execute(
                "DELETE FROM blobs
                 WHERE NOT EXISTS (SELECT 1 FROM batch_files WHERE before = hash)
                   AND NOT EXISTS (SELECT 1 FROM batch_files WHERE after = hash)",
                [],
            )?;
            let mut left = stored(transaction)?.1;
            while left > keep_bytes {
                let Some(freed) = forget_oldest(transaction)? else {
                    break;
                };
                batches += 1;
                left = left.saturating_sub(freed);
            }
            let (count_left, bytes_left) = stored(transaction)?;
            Ok(Pruned {
                batches,
                blobs: count.saturating_sub(count_left),
                bytes: bytes.saturating_sub(bytes_left),
            })
        })
    }
}

/// How many contents there are, and their bytes in the journal.
fn stored(connection: &Connection) -> Result<(usize, u64), StoreError> {
    let stored = "SELECT count(*), coalesce(sum(length(body)), 0) FROM blobs";
    Ok(connection.query_row(stored, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Removes the oldest closed batch and the contents that only it had; gives the bytes of these.
fn forget_oldest(connection: &Connection) -> Result<Option<u64>, StoreError> {
    let oldest: Option<BatchId> = connection
        .prepare_cached("SELECT id FROM batches WHERE state <> 'applying' ORDER BY id LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(oldest) = oldest else {
        return Ok(None);
    };
    let hashes: Vec<Option<Hash>> = connection
        .prepare_cached(
            "SELECT before FROM batch_files WHERE batch = ?1
             UNION SELECT after FROM batch_files WHERE batch = ?1",
        )?
        .query_map([oldest], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    connection
        .prepare_cached("DELETE FROM batches WHERE id = ?1")?
        .execute([oldest])?;
    let mut unused = connection.prepare_cached(
        "SELECT length(body) FROM blobs WHERE hash = ?1
           AND NOT EXISTS (SELECT 1 FROM batch_files WHERE before = ?1)
           AND NOT EXISTS (SELECT 1 FROM batch_files WHERE after = ?1)",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM blobs WHERE hash = ?1")?;
    let mut freed = 0;
    for hash in hashes.into_iter().flatten() {
        let bytes: Option<u64> = unused.query_row([hash], |row| row.get(0)).optional()?;
        if let Some(bytes) = bytes {
            freed += bytes;
            delete.execute([hash])?;
        }
    }
    Ok(Some(freed))
}

/// What is known of a batch.
pub(crate) fn summary(connection: &Connection, id: BatchId) -> Result<BatchSummary, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT s.id, b.kind, b.label, b.at_ms, b.state
             FROM batches b JOIN sessions s ON s.key = b.session WHERE b.id = ?1",
        )?
        .query_row([id], |row| {
            Ok(BatchSummary {
                id,
                session: row.get(0)?,
                kind: row.get(1)?,
                label: row.get(2)?,
                at_ms: row.get(3)?,
                state: row.get(4)?,
                claimed: Vec::new(),
                files: Vec::new(),
            })
        })
        .optional()?;
    let mut summary = found.ok_or(StoreError::UnknownBatch { batch: id })?;
    summary.claimed = connection
        .prepare_cached("SELECT hunk FROM claims WHERE batch = ?1 ORDER BY hunk")?
        .query_map([id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    summary.files = connection
        .prepare_cached(
            "SELECT path, moved_from, before IS NULL, after IS NULL, mode, hunks, applied, reason
             FROM batch_files WHERE batch = ?1 ORDER BY place",
        )?
        .query_map([id], file)?
        .collect::<Result<_, _>>()?;
    Ok(summary)
}

fn file(row: &Row<'_>) -> rusqlite::Result<BatchFileSummary> {
    let moved_from: Option<String> = row.get(1)?;
    let Hunks(hunks) = row.get(5)?;
    Ok(BatchFileSummary {
        path: row.get(0)?,
        kind: match (row.get(2)?, row.get(3)?) {
            (true, false) => ChangeKind::Create,
            (false, true) => ChangeKind::Delete,
            _ if moved_from.is_some() => ChangeKind::Rename,
            _ => ChangeKind::Modify,
        },
        moved_from,
        mode: row.get(4)?,
        hunks,
        applied: row.get(6)?,
        reason: row.get(7)?,
    })
}

/// Ids of hunks, a JSON array in the journal.
struct Hunks(Vec<String>);

impl FromSql for Hunks {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Hunks> {
        serde_json::from_str(value.as_str()?)
            .map(Hunks)
            .map_err(|error| FromSqlError::Other(error.into()))
    }
}
