//! Why the journal cannot do what was asked.

use std::path::PathBuf;

/// Errors of [`crate::Store`]. None of them changes the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file or its folder cannot be used.
    #[error("cannot open the journal {path}: {reason}; set BOXAGNTS_STATE_DIR to another folder, \
             or move the file away to begin a new journal", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite says.
        reason: String,
    },
    /// A newer BoxAgnts wrote the file.
    #[error("the journal {path} has format {found} and this program knows {known}; use the newer \
             boxagnts, or set BOXAGNTS_STATE_DIR to another folder", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Format of the file.
        found: i64,
        /// Newest format that this program knows.
        known: i64,
    },
    /// There is no such session.
    #[error("no session `{session}`; `boxagnts session list` shows them")]
    UnknownSession {
        /// As given.
        session: String,
    },
    /// A prefix fits more than one session.
    #[error("`{session}` is the beginning of {count} sessions; give more of the id")]
    AmbiguousSession {
        /// As given.
        session: String,
        /// How many.
        count: usize,
    },
    /// Reading or writing failed.
    #[error("the journal cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// An event cannot be written down.
    #[error("an event cannot be journalled: {0}")]
    Encode(#[from] serde_json::Error),
    /// The operating system gives no random numbers.
    #[error("cannot make a session id: {0}")]
    Random(String),
}
