//! Sessions as their user manages them: looked up, named, forked, removed. None of it asks a model or
//! touches a file of the workspace.

use crate::error::SessionError;
use crate::portable::flat;
use crate::session::lock;
use crate::sessions::Sessions;
use boxagnts_protocol::commands::{HistoryParams, HistoryResult, SessionSummary};
use boxagnts_store::StoreError;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;

/// Events of a page of the history when nobody says how many, and at most.
const PAGE: usize = 500;
const MAX_PAGE: usize = 5000;
/// Bytes of a page, as the journal has them; one event may have more.
const MAX_PAGE_BYTES: usize = 1 << 20;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Sessions {
    /// What the journal has of a session, whether its model can be had or not.
    ///
    /// # Errors
    /// Unknown session, or one of another workspace.
    pub fn summary(&self, session: &str) -> Result<SessionSummary, SessionError> {
        match self.environment().store().session(session) {
            Ok(found) if found.session == session && found.workspace == self.workspace() => {
                Ok(found)
            }
            Ok(_)
            | Err(StoreError::UnknownSession { .. } | StoreError::AmbiguousSession { .. }) => {
                Err(SessionError::UnknownSession {
                    session: session.to_owned(),
                    workspace: self.workspace(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The sessions of this workspace in which all of the words are, newest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn search(&self, text: &str) -> Result<Vec<SessionSummary>, SessionError> {
        let store = self.environment().store();
        Ok(store.search_sessions(Some(&self.workspace()), text)?)
    }

    /// What happened in a session, a page at a time.
    ///
    /// # Errors
    /// Unknown session, or the journal cannot be read.
    pub fn history(&self, params: &HistoryParams) -> Result<HistoryResult, SessionError> {
        let session = self.summary(&params.session)?;
        let limit = params.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
        let store = self.environment().store();
        let after = params.after.unwrap_or(0);
        let (entries, more) = store.events_page(&session.session, after, limit, MAX_PAGE_BYTES)?;
        let next = entries.last().map(|entry| entry.seq).filter(|_| more);
        let updates = entries.into_iter().map(|entry| {
            let mut update = flat(entry);
            if let Some(update) = update.as_object_mut() {
                update.insert("session".to_owned(), session.session.as_str().into());
            }
            update
        });
        Ok(HistoryResult {
            updates: updates.collect(),
            next,
            session,
        })
    }

    /// Gives a session another title.
    ///
    /// # Errors
    /// Unknown session, an empty title, or the journal cannot be written.
    pub fn rename(&self, session: &str, title: &str) -> Result<SessionSummary, SessionError> {
        if title.trim().is_empty() {
            return Err(SessionError::EmptyTitle);
        }
        let mut summary = self.summary(session)?;
        let store = self.environment().store();
        summary.title = store.rename_session(session, title)?;
        Ok(summary)
    }

    /// Makes a session with the past of another up to and with a turn, or all that have ended.
    ///
    /// # Errors
    /// Unknown session, no such turn, or the journal cannot be written.
    pub fn fork(&self, session: &str, turn: Option<u64>) -> Result<SessionSummary, SessionError> {
        let source = self.summary(session)?;
        let store = self.environment().store();
        let fork = store.fork_session(&source.session, turn)?;
        self.summary(&fork)
    }

    /// Removes a session from the journal. The user's files stay as they are.
    ///
    /// # Errors
    /// Unknown session, one that is at work, or the journal cannot be written.
    pub fn delete(&self, session: &str) -> Result<SessionSummary, SessionError> {
        let summary = self.summary(session)?;
        if self.is_busy(session) {
            let session = session.to_owned();
            return Err(StoreError::Running { session }.into());
        }
        self.environment().store().delete_session(session)?;
        self.close(session);
        Ok(summary)
    }

    /// Removes, in the background, the sessions of this workspace that are older than the
    /// configuration keeps them, unless they are open here, at work anywhere, or have hunks that
    /// wait. The task's result is how many. Call it once the session that is to be continued is.
    pub fn forget_old(self: &Arc<Self>) -> JoinHandle<usize> {
        let sessions = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let days = sessions.environment().config().session_retention_days();
            if days == 0 {
                return 0;
            }
            let before = now_ms().saturating_sub(days.saturating_mul(DAY_MS));
            sessions.forget_before(before).unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot remove old sessions");
                0
            })
        })
    }

    /// Removes the sessions of this workspace in which nothing happened since, but for those that
    /// [`Sessions::forget_old`] keeps.
    ///
    /// # Errors
    /// The journal cannot be used.
    pub fn forget_before(&self, before_ms: u64) -> Result<usize, SessionError> {
        let store = self.environment().store();
        let mut count = 0;
        for session in store.old_sessions(&self.workspace(), before_ms)? {
            if !self.is_open(&session) && store.delete_old_session(&session, before_ms)? {
                tracing::info!(session, "an old session is removed");
                count += 1;
            }
        }
        Ok(count)
    }

    /// Whether a turn of the session runs in this process, or is about to.
    fn is_busy(&self, session: &str) -> bool {
        let live = self.opened(session);
        live.is_some_and(|session| lock(&session.activity).running.is_some())
    }

    fn is_open(&self, session: &str) -> bool {
        self.opened(session).is_some()
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
