//! Turns that have ended, for whoever sends traces of them elsewhere.

use crate::session::lock;
use crate::trace::{Span, trace};
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::Sender;

/// A turn whose end is in the journal.
#[derive(Clone)]
pub struct EndedTurn {
    store: Arc<Store>,
    session: String,
    /// Number of the event before its first.
    after: u64,
}

impl EndedTurn {
    /// What took how long in it. Reads the journal, so not for a thread that others wait for.
    ///
    /// # Errors
    /// The journal cannot be read, or the session is not in it any more.
    pub fn spans(&self) -> Result<Vec<Span>, StoreError> {
        let session = self.store.session(&self.session)?;
        let entries = self.store.events(&self.session, self.after)?;
        let mut spans = trace(&session, &entries);
        // The next turn may have begun.
        let next = |span: &Span| span.parent_span_id.is_none();
        if let Some(at) = spans.iter().skip(1).position(next) {
            spans.truncate(at + 1);
        }
        Ok(spans)
    }
}

/// Tells of turns that have ended. Waits for nobody: what finds the queue full is not told.
pub(crate) struct EndedTurns {
    listener: Sender<EndedTurn>,
    /// The first events of turns that run, by session.
    running: Mutex<HashMap<String, u64>>,
}

impl EndedTurns {
    pub(crate) fn new(listener: Sender<EndedTurn>) -> EndedTurns {
        EndedTurns {
            listener,
            running: Mutex::default(),
        }
    }

    /// Hears of an event that is in the journal.
    pub(crate) fn journalled(
        &self,
        store: &Arc<Store>,
        session: &str,
        seq: u64,
        event: &SessionEvent,
    ) {
        match event {
            SessionEvent::TurnStarted { .. } => {
                lock(&self.running).insert(session.to_owned(), seq);
            }
            SessionEvent::TurnEnded { .. } => {
                let Some(first) = lock(&self.running).remove(session) else {
                    return;
                };
                let ended = EndedTurn {
                    store: Arc::clone(store),
                    session: session.to_owned(),
                    after: first.saturating_sub(1),
                };
                if self.listener.try_send(ended).is_err() {
                    tracing::warn!(%session, "the trace of a turn is not sent: the exporter lags behind");
                }
            }
            _ => {}
        }
    }
}
