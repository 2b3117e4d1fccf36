//! Why a scheduled task cannot be set up or run.

/// An expression or a zone that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimesError {
    /// One field is wrong.
    #[error(
        "cannot read the cron expression `{cron}`: the {field} `{given}` means nothing ({reason}); it \
         takes {takes}, lists as 1,2, ranges as 1-5, steps as */10, or *"
    )]
    Field {
        /// The expression.
        cron: String,
        /// Which field.
        field: &'static str,
        /// As given.
        given: String,
        /// What it takes.
        takes: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// It is no expression.
    #[error(
        "cannot read the cron expression `{given}`: {reason}; write minute, hour, day of the month, \
         month and day of the week, as in '*/30 9-17 * * 1-5', with seconds before them if you like, \
         or @hourly, @daily, @weekly, @monthly, @yearly"
    )]
    Cron {
        /// As given.
        given: String,
        /// What the parser says.
        reason: String,
    },
    /// There is no such zone.
    #[error(
        "no time zone `{given}`; give its name in the IANA database, as in Europe/Berlin or UTC"
    )]
    Zone {
        /// As given.
        given: String,
    },
    /// The time never comes.
    #[error("`{cron}` never comes: there is no such day, or its year is over")]
    Never {
        /// The expression.
        cron: String,
    },
}

/// A job that cannot be set up, resumed or run by hand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// When it is due means nothing.
    #[error(transparent)]
    Times(#[from] TimesError),
    /// Something else of it cannot be used.
    #[error("{reason}")]
    Spec {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The journal cannot be used, or does not have the job.
    #[error(transparent)]
    Store(#[from] boxagnts_session::store::StoreError),
}
