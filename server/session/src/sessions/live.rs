//! Sessions that this process has: begun, or brought back from the journal.

use super::Sessions;
use crate::context::Told;
use crate::error::SessionError;
use crate::executors;
use crate::mode;
use crate::native;
use crate::offer::Offer;
use crate::session::{Activity, Session, lock};
use crate::undo;
use crate::worktrees::OwnFiles;
use boxagnts_model::Provider;
use boxagnts_policy::config::Config;
use boxagnts_protocol::commands::OriginKind;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::{ProposedDiff, SessionEvent};
use boxagnts_query::{self as query, Query};
use boxagnts_store::StoreError;
use boxagnts_workspace::Overlay;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

/// What a session begins with.
pub(crate) struct Past<'a> {
    /// What it proposes, and the files whose proposals are lost.
    pub(crate) overlay: (Arc<Overlay>, Vec<String>),
    /// What happened in it.
    pub(crate) events: &'a [SessionEvent],
    /// Number of the last of them.
    pub(crate) seq: u64,
    /// Whose executor it is.
    pub(crate) manager: Option<String>,
    /// The worktree that it works in, and the user's files.
    pub(crate) files: Option<(Arc<OwnFiles>, Arc<Overlay>)>,
}

impl Past<'_> {
    /// Nothing happened yet.
    pub(crate) fn none(overlay: (Arc<Overlay>, Vec<String>)) -> Past<'static> {
        Past {
            overlay,
            events: &[],
            seq: 0,
            manager: None,
            files: None,
        }
    }
}

impl Sessions {
    /// The live session of that id, brought back from the journal when it is not live.
    pub(crate) fn get(&self, id: &str) -> Result<Arc<Session>, SessionError> {
        let live = self.live.get(id).map(|session| Arc::clone(&session));
        if let Some(session) = live
            && self.is_current(&session)?
        {
            return Ok(session);
        }
        let unknown = || SessionError::UnknownSession {
            session: id.to_owned(),
            workspace: self.root.display().to_string(),
        };
        let store = self.environment.store();
        let summary = match store.session(id) {
            Ok(summary) if summary.session == id && summary.workspace == self.workspace() => {
                summary
            }
            Ok(_) | Err(StoreError::UnknownSession { .. }) => return Err(unknown()),
            Err(error) => return Err(error.into()),
        };
        // Before it is read: from now on it does not grow old.
        store.hold_session(id)?;
        let entries = store.events(id, 0)?;
        let seq = entries.last().map_or(0, |entry| entry.seq);
        let events: Vec<SessionEvent> = entries
            .into_iter()
            .filter_map(|entry| entry.event.known())
            .collect();
        let settings = settings(&events);
        let config = mode::restored(self.config(settings)?, &events);
        // The one that the session began with, unless its user took another since.
        let chosen = settings.and_then(|settings| settings.get("model")?.as_str());
        let model = chosen.unwrap_or(&summary.model);
        let provider = self.environment.connect(&config, model)?;
        let overlay = self.restored(&config, &events)?;
        let manager = summary
            .origin
            .filter(|from| from.kind == OriginKind::Executor);
        let with = Past {
            overlay,
            events: &events,
            seq,
            manager: manager.map(|manager| manager.session),
            files: None,
        };
        let session = self.assemble(summary.session, config, provider, with);
        let mut entry = self
            .live
            .entry(id.to_owned())
            .or_insert(Arc::clone(&session));
        // Two faces may ask for the same session at once: the first one stays, and one whose turn
        // has begun meanwhile.
        if lock(&entry.activity).running.is_none() && *lock(&entry.seq) < seq {
            *entry = session;
        }
        let session = Arc::clone(&entry);
        drop(entry);
        session.follow();
        self.put_count_right(&session, summary.waiting)?;
        Ok(session)
    }

    /// Tells how many hunks wait of a session that was brought back, where the journal counts
    /// otherwise: the user may have applied or undone some of them by other ways.
    fn put_count_right(&self, session: &Session, counted: u64) -> Result<(), SessionError> {
        let now = session.overlay.delta(u64::MAX);
        // What an executor proposes waits with its manager, and who is at work tells by itself.
        let same = now.pending + now.conflicted == counted;
        if !same
            && session.manager.is_none()
            && !self.environment.store().is_at_work(&session.id)?
        {
            session.emit_proposal()?;
        }
        Ok(())
    }

    /// Whether a live session is what the journal says: another process may have gone on with it.
    /// What that decided is taken over; where it did more, the session is to be brought back anew.
    fn is_current(&self, session: &Session) -> Result<bool, SessionError> {
        let store = self.environment.store();
        let known = *lock(&session.seq);
        if store.last_seq(&session.id)? <= known {
            return Ok(true);
        }
        let news = store.events(&session.id, known)?;
        // Our own turn goes on in this process alone.
        let ours =
            lock(&session.activity).running.is_some() || session.applying.try_lock().is_err();
        if !ours {
            return Ok(false);
        }
        let last = news.last().map_or(0, |entry| entry.seq);
        for entry in news {
            match entry.event.known() {
                Some(SessionEvent::Decided { hunks, .. }) => {
                    session.overlay.decided_elsewhere(&hunks);
                }
                Some(SessionEvent::ModeChanged { mode, .. }) => session.mode_elsewhere(mode),
                _ => {}
            }
        }
        let mut known = lock(&session.seq);
        *known = (*known).max(last);
        Ok(true)
    }

    pub(super) fn live(&self) -> Vec<Arc<Session>> {
        self.live.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    /// The configuration of a session with settings of its own.
    pub(super) fn config(
        &self,
        settings: Option<&serde_json::Value>,
    ) -> Result<Config, SessionError> {
        let config = self.environment.config();
        match settings {
            None => Ok(config.clone()),
            Some(settings) => Ok(config.for_session(settings)?),
        }
    }

    pub(super) fn create(
        &self,
        model: Option<&str>,
        settings: Option<serde_json::Value>,
    ) -> Result<Arc<Session>, SessionError> {
        let config = self.config(settings.as_ref())?;
        // The model first: a session that cannot speak is not worth a place in the journal.
        let provider = self
            .environment
            .connect(&config, model.unwrap_or_else(|| config.model()))?;
        let id = self
            .environment
            .store()
            .create_session(&self.workspace(), provider.id())?;
        self.environment.store().hold_session(&id)?;
        let overlay = self.restored(&config, &[])?;
        let session = self.assemble(id.clone(), config, provider, Past::none(overlay));
        // First of all: what comes back from the journal is as strict as it was.
        if let Some(settings) = settings {
            session.emit(SessionEvent::Configured { settings })?;
        }
        self.live.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// The overlay with what the events say is proposed, and the files whose proposals are lost.
    fn restored(
        &self,
        config: &Config,
        events: &[SessionEvent],
    ) -> Result<(Arc<Overlay>, Vec<String>), SessionError> {
        let overlay = Overlay::open(&self.root, config.mounts(), Arc::clone(&self.buffers))?;
        let (files, last_hunk) = proposed(events);
        let mut lost = overlay.restore(&files, last_hunk);
        lost.extend(overlay.restore_rivals(rivals(events)));
        Ok((overlay, lost))
    }

    /// A session with that past.
    pub(crate) fn assemble(
        &self,
        id: String,
        config: Config,
        provider: Arc<dyn Provider>,
        past: Past<'_>,
    ) -> Arc<Session> {
        let Past {
            overlay: (overlay, lost),
            events,
            seq,
            manager,
            files,
        } = past;
        let (files, users) = files.unzip();
        let mut notes = Vec::new();
        if !lost.is_empty() {
            tracing::warn!(session = %id, files = ?lost, "proposals cannot come back");
            notes.push(format!(
                "[The user's files changed while the session was away; your proposals for these \
                 files are gone: {}]",
                lost.join(", ")
            ));
        }
        // What was read from the journal need not be told to it.
        let past = overlay.delta(u64::MAX);
        let (told, seen) = (past.version, past.states);
        notes.extend(undelivered(events));
        let turns = events
            .iter()
            .filter(|e| matches!(e, SessionEvent::TurnStarted { .. }))
            .count();
        let told_model = Told::of(events);
        let system = told_model.system();
        let query = self.query_config(&config, provider.as_ref(), system);
        let mut query = Query::restore(query, events);
        for executor in executors::unended(events) {
            let (usage, cost_usd) = executors::spent(self.environment.store(), executor);
            query.spend(&usage, cost_usd);
        }
        let activity = Activity {
            turn: turns as u64,
            running: None,
            queue: VecDeque::new(),
            notes,
        };
        Arc::new(Session {
            id,
            config: Mutex::new(Arc::new(config)),
            environment: Arc::clone(&self.environment),
            provider: Mutex::new(provider),
            applier: Arc::clone(&self.applier),
            asker: Arc::clone(&self.asker),
            sessions: self.me.clone(),
            manager,
            users: users.unwrap_or_else(|| Arc::clone(&overlay)),
            overlay,
            files,
            bounds: Mutex::default(),
            executors: Mutex::new(executors::known(events)),
            query: tokio::sync::Mutex::new(query),
            activity: Mutex::new(activity),
            steps: Mutex::new(native::latest(events)),
            open: Mutex::default(),
            applying: Arc::clone(&self.applying),
            told_model: Mutex::new(told_model),
            told: Mutex::new(told),
            seen: AtomicU64::new(seen),
            seq: Mutex::new(seq),
            hub: Arc::clone(&self.hub),
            watcher: Arc::clone(&self.watcher),
        })
    }

    pub(super) fn query_config(
        &self,
        config: &Config,
        provider: &dyn Provider,
        system: Arc<str>,
    ) -> query::Config {
        let limits = config.limits();
        query::Config {
            limits: query::Limits {
                max_turns: limits.max_turns,
                max_tool_calls: limits.max_tool_calls,
                max_tokens_total: limits.max_tokens_total,
                max_tokens_recovery_limit: limits.max_tokens_recovery_limit,
                total_budget_usd: limits.total_budget_usd,
                max_answer_bytes: limits.max_answer_bytes,
                compact_at_percent: limits.compact_at_percent,
            },
            price: provider.price(),
            max_output_tokens: provider.max_output_tokens(),
            context_window: provider.info().and_then(|info| info.context_window),
            system,
            tools: Offer::of(&self.environment, config).known,
        }
    }
}

/// The settings that a session has: the last ones that were journalled.
pub(super) fn settings(events: &[SessionEvent]) -> Option<&serde_json::Value> {
    events.iter().rev().find_map(|event| match event {
        SessionEvent::Configured { settings } => Some(settings),
        _ => None,
    })
}

/// The journalled proposal: the diff of each file with its base, and the number of the youngest
/// hunk.
pub(crate) fn proposed<'a>(
    events: impl IntoIterator<Item = &'a SessionEvent>,
) -> (Vec<ProposedDiff>, u64) {
    let mut files: BTreeMap<&str, (&ProposedDiff, Option<&String>)> = BTreeMap::new();
    let mut last = 0;
    for event in events {
        if let SessionEvent::ProposalChanged {
            changed, last_hunk, ..
        } = event
        {
            for file in changed {
                let known = files.get(file.path.as_str()).and_then(|(_, base)| *base);
                let base = file.base.as_ref().or(known);
                files.insert(&file.path, (file, base));
            }
            last = *last_hunk;
        }
    }
    let waiting = files
        .into_values()
        .filter(|(file, _)| !file.diff.is_empty());
    let whole = waiting.map(|(file, base)| ProposedDiff {
        base: base.cloned(),
        ..file.clone()
    });
    (whole.collect(), last)
}

/// The journalled hunks that did not fit what else was proposed.
fn rivals(events: &[SessionEvent]) -> &[ProposedDiff] {
    let latest = events.iter().rev().find_map(|event| match event {
        SessionEvent::ProposalChanged { rivals, .. } => rivals.as_deref(),
        _ => None,
    });
    latest.unwrap_or_default()
}

/// Decisions that the model has not heard of yet.
fn undelivered(events: &[SessionEvent]) -> Vec<String> {
    let mut notes = Vec::new();
    for event in events {
        match event {
            // A turn without a word of ours went to no model.
            SessionEvent::TurnStarted { context, .. } if context.is_some() => notes.clear(),
            SessionEvent::Undone { result, .. } => notes.extend(undo::note(result)),
            SessionEvent::Decided { hunks, comment, .. } => {
                let rejected = hunks
                    .iter()
                    .filter(|hunk| hunk.state == HunkState::Rejected);
                let count = rejected.count();
                if count > 0 {
                    let says = comment.as_deref().map(|text| format!(" and says: {text}"));
                    let says = says.unwrap_or_default();
                    notes.push(format!(
                        "[The user rejected {count} hunks of your proposal; they are undone{says}]"
                    ));
                }
            }
            _ => {}
        }
    }
    notes
}
