//! Several changes of the journal as one.

use crate::error::StoreError;
use crate::store::Store;
use rusqlite::{Connection, Transaction, TransactionBehavior};

impl Store {
    /// One transaction that nobody else writes in, and none when `work` fails.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        write(&mut self.connection(), work)
    }

    /// As [`Store::write`], and a power cut takes nothing of it any more, nor of what was before.
    pub(crate) fn write_durably<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        connection.pragma_update(None, "synchronous", "FULL")?;
        let result = write(&mut connection, work);
        // What is committed is no failure; at worst the events behind it take longer.
        let _ = connection.pragma_update(None, "synchronous", "NORMAL");
        result
    }
}

fn write<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}
