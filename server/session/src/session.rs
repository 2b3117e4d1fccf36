//! The state of one session, and the way every event takes: journal first, then listeners.

use crate::applier::Applier;
use crate::batch::Ground;
use crate::context::Told;
use crate::environment::Environment;
use crate::executors::{Bounds, Executor};
use crate::mode;
use crate::native::Open;
use crate::offer::Offer;
use crate::permission::Asker;
use crate::queue::{Running, Wish};
use crate::sessions::Sessions;
use crate::watch::Watcher;
use crate::worktrees::OwnFiles;
use boxagnts_model::Provider;
use boxagnts_policy::config::Config;
use boxagnts_protocol::conversation::Image;
use boxagnts_protocol::proposal::{Proposal, SessionState};
use boxagnts_protocol::update::{PlanItem, SessionEvent, Update};
use boxagnts_query::{Effect, Event, Query};
use boxagnts_store::StoreError;
use boxagnts_workspace::{Overlay, PageQuery};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

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

    /// Gives the event's number in the journal.
    pub(crate) fn publish(
        &self,
        environment: &Environment,
        session: &str,
        event: SessionEvent,
    ) -> Result<u64, StoreError> {
        // Held across the append, so that listeners hear events in the journal's order.
        let mut listeners = lock(&self.listeners);
        let (seq, result) = match environment.journal(session, &event) {
            Ok(seq) => (seq, Ok(seq)),
            // Listeners still hear how a turn ends when the journal cannot be written; 0 is no
            // place in any journal.
            Err(error) => (0, Err(error)),
        };
        let event = match event {
            // Who listens has it, or has no use for megabytes.
            SessionEvent::Attached { turn, what, image } => SessionEvent::Attached {
                turn,
                what,
                image: Image {
                    data: String::new(),
                    ..image
                },
            },
            event => event,
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
    /// The turn that runs; `None` when none does.
    pub(crate) running: Option<Running>,
    /// What the user asked for since, in order.
    pub(crate) queue: VecDeque<Wish>,
    /// What the model is to be told with the next prompt.
    pub(crate) notes: Vec<String>,
}

/// One conversation.
pub(crate) struct Session {
    pub(crate) id: String,
    /// As it was opened, in the mode that its user chose since: read by [`Session::config`], changed by
    /// [`Session::change_mode`] alone.
    pub(crate) config: Mutex<Arc<Config>>,
    pub(crate) environment: Arc<Environment>,
    pub(crate) overlay: Arc<Overlay>,
    /// Read by [`Session::provider`]; another one only between turns.
    pub(crate) provider: Mutex<Arc<dyn Provider>>,
    pub(crate) applier: Arc<dyn Applier>,
    pub(crate) asker: Arc<dyn Asker>,
    pub(crate) sessions: Weak<Sessions>,
    /// Whose executor it is: another session, which has what it changes.
    pub(crate) manager: Option<String>,
    /// The user's files, with or without a proposal: what guides the model is read there.
    pub(crate) users: Arc<Overlay>,
    /// The worktree that an executor works in.
    pub(crate) files: Option<Arc<OwnFiles>>,
    /// What an executor may spend, and which tools it may use.
    pub(crate) bounds: Mutex<Option<Bounds>>,
    /// The executors of its own turns, by the tool call that wanted each.
    pub(crate) executors: Mutex<BTreeMap<String, Executor>>,
    /// Locked by the running turn for its whole length.
    pub(crate) query: tokio::sync::Mutex<Query>,
    pub(crate) activity: Mutex<Activity>,
    /// What the model says that it is about to do.
    pub(crate) steps: Mutex<Vec<PlanItem>>,
    /// Questions that wait for the user, by the tool call that asks.
    pub(crate) open: Mutex<HashMap<String, Open>>,
    /// One batch of changes in a workspace at a time: a plan holds for the text it was made on.
    pub(crate) applying: Arc<tokio::sync::Mutex<()>>,
    /// What the model was told besides the conversation.
    pub(crate) told_model: Mutex<Told>,
    /// Version of the overlay that the journal knows.
    pub(crate) told: Mutex<u64>,
    /// The states of hunks that listeners know.
    pub(crate) seen: AtomicU64,
    /// Number of the youngest event that is this process's own, or known to it.
    pub(crate) seq: Mutex<u64>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) watcher: Arc<Watcher>,
}

impl Session {
    /// Who speaks for it at this moment.
    pub(crate) fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&lock(&self.provider))
    }

    /// The tools of its model, in the mode of now.
    pub(crate) fn offer(&self) -> Offer {
        let config = self.config();
        let mode = config.mode();
        match (&self.manager, &*lock(&self.bounds)) {
            (None, _) => Offer::of(&self.environment, &config),
            (Some(_), bounds) => {
                let allowed = bounds.as_ref().and_then(|bounds| bounds.tools.as_ref());
                Offer::of_executor(&self.environment, mode, allowed)
            }
        }
    }

    /// Has the conversation take a step, within what it may spend at this moment.
    pub(crate) fn step(&self, query: &mut Query, event: Event) -> Vec<Effect> {
        match &mut *lock(&self.bounds) {
            None => query.step(event),
            Some(bounds) => bounds.purse.step(query, |query| query.step(event)),
        }
    }

    /// Journals an event and tells listeners.
    pub(crate) fn emit(&self, event: SessionEvent) -> Result<(), StoreError> {
        let mut known = lock(&self.seq);
        match self.hub.publish(&self.environment, &self.id, event) {
            Ok(seq) => {
                // A gap is what another process said in between: it is still to be heard.
                if seq == *known + 1 {
                    *known = seq;
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(session = %self.id, %error, "cannot journal");
                Err(error)
            }
        }
    }

    /// Tells what became another in the proposal, and how many hunks wait.
    pub(crate) fn emit_proposal(&self) -> Result<(), StoreError> {
        // Held across the event, so that deltas are journalled in their order.
        let mut told = lock(&self.told);
        let delta = self.overlay.delta(*told);
        *told = delta.version;
        self.seen.store(delta.states, Ordering::Relaxed);
        self.follow();
        self.emit(SessionEvent::ProposalChanged {
            files: delta.files,
            pending: delta.pending,
            conflicted: delta.conflicted,
            changed: delta.changed,
            rivals: delta.rivals,
            last_hunk: delta.last_hunk,
        })
    }

    /// Where batches of it are applied.
    pub(crate) fn ground(&self) -> Ground {
        Ground {
            session: self.id.clone(),
            environment: Arc::clone(&self.environment),
            overlay: Arc::clone(&self.overlay),
            applier: Arc::clone(&self.applier),
        }
    }

    /// Has the files watched that the proposal changes.
    pub(crate) fn follow(&self) {
        self.watcher.follow(&self.id, self.overlay.folders());
    }

    /// Compares the proposal with the user's files of now, and tells when hunks that waited do so no
    /// more, or conflict, or do so no more. Does nothing while a batch is being applied: that tells
    /// by itself how it ended.
    pub(crate) fn look(&self) {
        let Ok(_turnstile) = self.applying.try_lock() else {
            return;
        };
        if self
            .overlay
            .look(self.seen.load(Ordering::Relaxed))
            .is_some()
        {
            let _ = self.emit_proposal();
        }
    }

    /// What the user reviews, as it is now.
    pub(crate) fn proposal(&self, query: &PageQuery) -> Proposal {
        let page = self.overlay.page(query);
        let waits = page.pending + page.conflicted > 0;
        let state = match (lock(&self.activity).running.is_some(), waits) {
            (true, _) => SessionState::Running,
            (false, true) => SessionState::Review,
            (false, false) => SessionState::Idle,
        };
        let mut files = page.files;
        let executors = lock(&self.executors);
        let hunks = files.iter_mut().flat_map(|file| &mut file.hunks);
        for hunk in hunks.filter(|_| !executors.is_empty()) {
            let of = hunk.group.as_ref().and_then(|call| executors.get(call));
            hunk.executor = of.map(|executor| executor.task.clone());
        }
        drop(executors);
        Proposal {
            session: self.id.clone(),
            state,
            mode: mode::to_protocol(self.config().mode()),
            files,
            next: page.next,
            waiting_files: page.waiting_files,
            pending: page.pending,
            conflicted: page.conflicted,
        }
    }
}
