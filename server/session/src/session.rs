//! The state of one session, and the way every event takes: journal first, then listeners.

use crate::applier::Applier;
use crate::environment::Environment;
use crate::permission::Asker;
use boxagnts_model::Provider;
use boxagnts_policy::config::Config;
use boxagnts_protocol::proposal::{HunkState, Proposal, SessionState};
use boxagnts_protocol::update::{SessionEvent, Update};
use boxagnts_query::Query;
use boxagnts_store::StoreError;
use boxagnts_workspace::Overlay;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// Locks a mutex whose data stays valid even when a holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends events to the journal and tells listeners, in the same order for all.
#[derive(Default)]
pub(crate) struct Hub {
    listeners: Mutex<Vec<UnboundedSender<Update>>>,
}

impl Hub {
    /// Every event from now on. A listener that goes away is forgotten.
    pub(crate) fn subscribe(&self) -> UnboundedReceiver<Update> {
        let (sender, receiver) = unbounded_channel();
        lock(&self.listeners).push(sender);
        receiver
    }

    fn publish(
        &self,
        environment: &Environment,
        session: &str,
        event: SessionEvent,
    ) -> Result<(), StoreError> {
        // Held across the append, so that listeners hear events in the journal's order.
        let mut listeners = lock(&self.listeners);
        let (seq, result) = match environment.store().append(session, &event) {
            Ok(seq) => (seq, Ok(())),
            // Listeners still hear how a turn ends when the journal cannot be written; 0 is no
            // place in any journal.
            Err(error) => (0, Err(error)),
        };
        let update = Update {
            session: session.to_owned(),
            seq,
            event,
        };
        listeners.retain(|listener| listener.send(update.clone()).is_ok());
        result
    }
}

/// What a session is doing.
#[derive(Default)]
pub(crate) struct Activity {
    /// Number of the latest turn; 0 before the first.
    pub(crate) turn: u64,
    /// Ends the running turn; `None` when none runs.
    pub(crate) running: Option<CancellationToken>,
    /// What the model is to be told with the next prompt.
    pub(crate) notes: Vec<String>,
}

/// One conversation.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) config: Config,
    pub(crate) environment: Arc<Environment>,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) applier: Arc<dyn Applier>,
    pub(crate) asker: Arc<dyn Asker>,
    /// Locked by the running turn for its whole length.
    pub(crate) query: tokio::sync::Mutex<Query>,
    pub(crate) activity: Mutex<Activity>,
    /// One batch of accepted hunks at a time: a plan holds for the text it was made on.
    pub(crate) applying: tokio::sync::Mutex<()>,
    /// Version of the overlay that the journal knows.
    pub(crate) told: Mutex<u64>,
    pub(crate) hub: Arc<Hub>,
}

impl Session {
    /// Journals an event and tells listeners.
    pub(crate) fn emit(&self, event: SessionEvent) -> Result<(), StoreError> {
        let result = self.hub.publish(&self.environment, &self.id, event);
        if let Err(error) = &result {
            tracing::error!(session = %self.id, %error, "cannot journal");
        }
        result
    }

    /// Tells what became another in the proposal, and how many hunks wait.
    pub(crate) fn emit_proposal(&self) -> Result<(), StoreError> {
        // Held across the event, so that deltas are journalled in their order.
        let mut told = lock(&self.told);
        let delta = self.overlay.delta(*told);
        *told = delta.version;
        self.emit(SessionEvent::ProposalChanged {
            files: delta.files,
            pending: delta.pending,
            conflicted: delta.conflicted,
            changed: delta.changed,
            last_hunk: delta.last_hunk,
        })
    }

    /// What the user reviews, as it is now.
    pub(crate) fn proposal(&self) -> Proposal {
        let files = self.overlay.proposal();
        let undecided = |state| matches!(state, HunkState::Pending | HunkState::Conflicted);
        let waits = files
            .iter()
            .flat_map(|file| &file.hunks)
            .any(|hunk| undecided(hunk.state));
        let state = match (lock(&self.activity).running.is_some(), waits) {
            (true, _) => SessionState::Running,
            (false, true) => SessionState::Review,
            (false, false) => SessionState::Idle,
        };
        Proposal {
            session: self.id.clone(),
            state,
            files,
        }
    }
}
