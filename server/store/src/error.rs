//! Why the journal cannot do what was asked.

use crate::batches::{BatchId, Claim};
use crate::schedules::UnreadableJob;
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
    /// A turn of the session runs, here or in another process, or a batch is being applied.
    #[error("session `{session}` is at work; wait for it or cancel it first")]
    Running {
        /// Its id.
        session: String,
    },
    /// Nothing of a title can be shown.
    #[error("the title is empty; say what the session is to be called")]
    EmptyTitle,
    /// A killed process left a batch of the session half done.
    #[error(
        "accepted changes of session `{session}` were interrupted; `boxagnts session review \
         {session}` brings them to an end first"
    )]
    Interrupted {
        /// Its id.
        session: String,
    },
    /// The session has no such turn.
    #[error("session `{session}` has no turn {turn} that has ended; it has {turns}")]
    UnknownTurn {
        /// Its id.
        session: String,
        /// As asked.
        turn: u64,
        /// How many have ended.
        turns: u64,
    },
    /// A hunk belongs to another batch.
    #[error("hunk `{hunk}` {claim} (batch {batch})")]
    Claimed {
        /// The hunk.
        hunk: String,
        /// The batch that has it.
        batch: BatchId,
        /// How it has it.
        claim: Claim,
    },
    /// There is no such batch, or not any more.
    #[error("no batch {batch} in the journal; it may be so old that it was removed")]
    UnknownBatch {
        /// As given.
        batch: BatchId,
    },
    /// A batch does not have such a file.
    #[error("batch {batch} has no file `{path}`")]
    UnknownBatchFile {
        /// The batch.
        batch: BatchId,
        /// As given.
        path: String,
    },
    /// Only who applies a batch may say what became of it.
    #[error(
        "batch {batch} is not being applied here: it is closed, or another process took it over"
    )]
    NotApplying {
        /// The batch.
        batch: BatchId,
    },
    /// What a file was cannot be read back.
    #[error(
        "the journal's copy {hash} of a file is damaged: {reason}; checkpoints with it cannot \
             be restored, all others can"
    )]
    Damaged {
        /// BLAKE3 of the content, in hexadecimal digits.
        hash: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Other processes cannot be shown that this one lives.
    #[error("cannot make and lock {path}: {reason}; set BOXAGNTS_STATE_DIR to a folder on a local \
             disk", path = path.display())]
    Owner {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// There is no such scheduled task.
    #[error("no scheduled task `{job}`; `boxagnts schedule list` shows them")]
    UnknownJob {
        /// As given.
        job: String,
    },
    /// There is one of that name.
    #[error(
        "there is a scheduled task `{job}`; give another name, or remove that one first: boxagnts \
         schedule remove {job}"
    )]
    JobExists {
        /// Its name.
        job: String,
    },
    /// A run of it has not ended, here or in another process.
    #[error(
        "the scheduled task `{job}` is running; wait for its end: boxagnts schedule show {job}"
    )]
    JobRunning {
        /// Its name.
        job: String,
    },
    /// Nothing is left of what its runs of a day may use.
    #[error(
        "the scheduled task `{job}` has used up its allowance for the day; run it tomorrow, or set \
         it up anew with a larger one"
    )]
    JobBudget {
        /// Its name.
        job: String,
    },
    /// A run of it has not ended, and would be left alone.
    #[error(
        "the scheduled task `{job}` is running; cancel that first: boxagnts schedule cancel {job}, or \
         give --force, which has it cancelled, too"
    )]
    JobBusy {
        /// Its name.
        job: String,
    },
    /// Another version set it up.
    #[error(transparent)]
    UnreadableJob(#[from] UnreadableJob),
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
