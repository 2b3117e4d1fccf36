//! Several changes of the journal as one, and waiting for those of other processes.

use crate::error::StoreError;
use crate::store::Store;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use std::time::{Duration, Instant};

/// How long to wait for others who write.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

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

/// Has changes written beside the journal first, so that others read meanwhile. The file remembers
/// it; SQLite does not wait for others who open a new file at the same time, so this does.
pub(crate) fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match connection.execute_batch("PRAGMA journal_mode = WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            result => return result,
        }
    }
}
