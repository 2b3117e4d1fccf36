//! Why a session cannot do what was asked.

/// Errors of [`crate::Sessions`]. Nothing was changed when one is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No session of that id belongs to this workspace.
    #[error("no session `{session}` in workspace {workspace}; `boxagnts.sessions` lists them")]
    UnknownSession {
        /// As given.
        session: String,
        /// The workspace.
        workspace: String,
    },
    /// The session is an executor's.
    #[error(
        "session `{session}` is an executor's; what it changes is in the proposal of `{manager}`, which \
         is also who to talk to"
    )]
    OfExecutor {
        /// As given.
        session: String,
        /// The session whose turn wanted it.
        manager: String,
    },
    /// Files of their own cannot be had.
    #[error("{0}")]
    Worktree(String),
    /// No such executor runs.
    #[error("no executor `{executor}` of session `{session}` runs or waits; they are: {running}")]
    UnknownExecutor {
        /// The session.
        session: String,
        /// As given.
        executor: String,
        /// Those that could be named.
        running: String,
    },
    /// A turn of the session runs already.
    #[error("session `{session}` is busy with turn {turn}; wait for it or cancel it first")]
    Busy {
        /// The session.
        session: String,
        /// The running turn.
        turn: u64,
    },
    /// A turn is being ended, and listens no more.
    #[error("the running turn is being ended; ask again when it has, or have the prompt queued")]
    Ending,
    /// Too many prompts wait.
    #[error("{waiting} prompts wait already; cancel the session to drop them")]
    QueueFull {
        /// How many.
        waiting: usize,
    },
    /// Settings come with the first prompt.
    #[error("settings are for new sessions; leave `session` out, or `settings`")]
    SettingsTooLate,
    /// Settings that cannot be used.
    #[error(transparent)]
    Settings(#[from] boxagnts_policy::config::ConfigError),
    /// The session may not have that mode.
    #[error(transparent)]
    Mode(#[from] boxagnts_policy::config::ModeError),
    /// An answer to a question that is not open, or does not fit it.
    #[error("{reason}")]
    Answer {
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// There is nothing to do.
    #[error("the prompt is empty; say what you want done")]
    EmptyPrompt,
    /// What comes with a prompt cannot be shown.
    #[error("{0}")]
    Attached(String),
    /// A session is to have no title.
    #[error("the title is empty; say what the session is to be called")]
    EmptyTitle,
    /// A file is no session that can be taken over.
    #[error("cannot import: {0}")]
    Import(String),
    /// A day cannot be read.
    #[error("`{given}` is no day; write it as in 2026-01-31")]
    Day {
        /// As given.
        given: String,
    },
    /// The selection names hunks or files that the proposal does not have.
    #[error(transparent)]
    Selection(#[from] boxagnts_workspace::DecideError),
    /// A patch file cannot be written, or what the user made of it cannot be used.
    #[error("{0}")]
    Patch(String),
    /// There is nothing to take back.
    #[error("{0}")]
    NothingToUndo(String),
    /// What is to be taken back may need a configuration that cannot be read.
    #[error("{what}; nothing was taken back: mend the configuration first ({reason})")]
    Unconfigured {
        /// What it is needed for.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A task of ours ended before its time.
    #[error("an internal error; the log has the details: {reason}")]
    Stopped {
        /// What the runtime says.
        reason: String,
    },
    /// The workspace cannot be used.
    #[error(transparent)]
    Workspace(#[from] boxagnts_workspace::OpenError),
    /// The journal cannot be written or read.
    #[error(transparent)]
    Store(#[from] boxagnts_store::StoreError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] boxagnts_model::ModelError),
}
