//! Which sessions are at work, in this process or in another: nobody may remove them. What a killed
//! process left does not count.

use crate::error::StoreError;
use crate::store::Store;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

impl Store {
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

    /// Whether a turn of the session runs, or a batch of it is being applied.
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

/// A turn of the session has ended.
pub(crate) fn end_running(connection: &Connection, session: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM running WHERE session = (SELECT key FROM sessions WHERE id = ?1)",
        )?
        .execute([session])?;
    Ok(())
}
