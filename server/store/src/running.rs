//! Which sessions are at work, in this process or in another: nobody may remove them; and which are
//! open: they do not grow old. What a killed process left does not count.

use crate::error::StoreError;
use crate::store::{Store, key};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// A session may be open in several processes.
pub(crate) const SCHEMA: &str = "
CREATE TABLE opened (
  session INTEGER NOT NULL REFERENCES sessions (key),
  owner TEXT NOT NULL,
  PRIMARY KEY (session, owner)
) STRICT, WITHOUT ROWID;
";

impl Store {
    /// Tells other processes that this one has the session open, for as long as the store is there.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be written.
    pub fn hold_session(&self, session: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            let key = key(transaction, session)?;
            // As for turns: a session is worth more than the proof that somebody has it.
            let Ok(own) = self.owner.register(transaction) else {
                return Ok(());
            };
            for owner in owners(transaction, key)? {
                if owner != own && !self.owner.lives(&owner, transaction) {
                    transaction
                        .prepare_cached("DELETE FROM opened WHERE session = ?1 AND owner = ?2")?
                        .execute(params![key, owner])?;
                }
            }
            transaction
                .prepare_cached("INSERT OR IGNORE INTO opened (session, owner) VALUES (?1, ?2)")?
                .execute(params![key, own])?;
            Ok(())
        })
    }

    /// Whether a process that lives has the session open.
    pub(crate) fn is_held(
        &self,
        transaction: &Transaction<'_>,
        key: i64,
    ) -> Result<bool, StoreError> {
        let owners = owners(transaction, key)?;
        Ok(owners
            .iter()
            .any(|owner| self.owner.lives(owner, transaction)))
    }

    /// A turn of the session begins.
    pub(crate) fn begin_running(
        &self,
        transaction: &Transaction<'_>,
        session: &str,
    ) -> Result<(), StoreError> {
        // Where nobody can be shown that this process lives, a turn is still worth more than that.
        let Ok(owner) = self.owner.register(transaction) else {
            return Ok(());
        };
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO running (session, owner)
                 SELECT key, ?2 FROM sessions WHERE id = ?1",
            )?
            .execute(params![session, owner])?;
        Ok(())
    }

    /// Whether a turn of the session runs, here or in another process, or a batch of it is being applied.
    ///
    /// # Errors
    /// Unknown session, or a journal that cannot be used.
    pub fn is_at_work(&self, session: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let key = key(transaction, session)?;
            self.is_running(transaction, key)
        })
    }

    /// As [`Store::is_at_work`].
    pub(crate) fn is_running(
        &self,
        transaction: &Transaction<'_>,
        key: i64,
    ) -> Result<bool, StoreError> {
        let mut owners: Vec<String> = transaction
            .prepare_cached("SELECT owner FROM batches WHERE session = ?1 AND state = 'applying'")?
            .query_map([key], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let turn: Option<String> = transaction
            .prepare_cached("SELECT owner FROM running WHERE session = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        owners.extend(turn);
        Ok(owners
            .iter()
            .any(|owner| self.owner.lives(owner, transaction)))
    }
}

fn owners(transaction: &Transaction<'_>, key: i64) -> Result<Vec<String>, StoreError> {
    let mut statement =
        transaction.prepare_cached("SELECT owner FROM opened WHERE session = ?1")?;
    let owners = statement.query_map([key], |row| row.get(0))?;
    Ok(owners.collect::<Result<_, _>>()?)
}

/// Whether a batch of the session has not come to its end, whoever applied it.
pub(crate) fn is_interrupted(transaction: &Transaction<'_>, key: i64) -> Result<bool, StoreError> {
    let interrupted = transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM batches WHERE session = ?1 AND state = 'applying')",
        )?
        .query_row([key], |row| row.get(0))?;
    Ok(interrupted)
}

/// A turn of the session has ended.
pub(crate) fn end_running(connection: &Connection, session: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM running WHERE session = (SELECT key FROM sessions WHERE id = ?1)",
        )?
        .execute([session])?;
    Ok(())
}
