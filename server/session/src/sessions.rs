//! The sessions of one workspace folder: what faces call.

use crate::applier::Applier;
use crate::batch::Ground;
use crate::context::{self, Around, Context, Diagnosed, Told};
use crate::decide;
use crate::environment::Environment;
use crate::error::SessionError;
use crate::patch::Patches;
use crate::permission::Asker;
use crate::session::{Activity, Hub, Session, lock};
use crate::turn::{self, Turn};
use crate::undo;
use crate::watch::Watcher;
use boxagnts_model::Provider;
use boxagnts_policy::config::Config;
use boxagnts_policy::permission::{Level, Mode};
use boxagnts_protocol::commands::{
    AskResult, DecideResult, HunkStatus, PromptCommand, SessionSummary,
};
use boxagnts_protocol::proposal::{HunkState, Proposal};
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_protocol::update::{PromptPart, ProposedDiff, SessionEvent, Update};
use boxagnts_query::{self as query, Query, ToolInfo};
use boxagnts_store::StoreError;
use boxagnts_workspace::{Buffers, Content, Overlay, PageQuery, Selection};
use dashmap::DashMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often an idle task asks whether its sessions are still there.
const IDLE: Duration = Duration::from_secs(60);

/// A user's wish.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// What the user wants.
    pub prompt: String,
    /// The session to continue; a new one when absent.
    pub session: Option<String>,
    /// What the user looks at.
    pub context: Option<Context>,
    /// Files that are open in the editor, relative to the workspace, most recent first.
    pub open: Vec<String>,
    /// What the editor's language servers say, for a prompt that mentions it.
    pub diagnostics: Vec<Diagnosed>,
    /// `provider:model` for a new session, instead of the configured one.
    pub model: Option<String>,
    /// Settings of a new session over the configured ones, with the same keys.
    pub settings: Option<serde_json::Value>,
}

/// Both texts of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// As the user has it.
    pub base: String,
    /// As it would be.
    pub proposed: String,
}

/// The sessions of one workspace folder.
pub struct Sessions {
    environment: Arc<Environment>,
    root: PathBuf,
    buffers: Arc<dyn Buffers>,
    applier: Arc<dyn Applier>,
    asker: Arc<dyn Asker>,
    live: DashMap<String, Arc<Session>>,
    hub: Arc<Hub>,
    applying: Arc<tokio::sync::Mutex<()>>,
    watcher: Arc<Watcher>,
    patches: Patches,
}

impl Sessions {
    /// Opens a workspace folder; costs the same for any number of files.
    ///
    /// # Errors
    /// `root` is no directory, or cannot be opened.
    pub fn open(
        environment: Arc<Environment>,
        root: &Path,
        buffers: Arc<dyn Buffers>,
        applier: Arc<dyn Applier>,
        asker: Arc<dyn Asker>,
    ) -> Result<Arc<Sessions>, SessionError> {
        // Opened once to find out now whether the folder can be used, and what it is called.
        let root = Overlay::open(root, environment.config().mounts(), Arc::clone(&buffers))?
            .root()
            .to_path_buf();
        let sessions = Arc::new(Sessions {
            environment,
            root,
            buffers,
            applier,
            asker,
            live: DashMap::new(),
            hub: Arc::new(Hub::default()),
            applying: Arc::default(),
            watcher: Arc::default(),
            patches: Patches::default(),
        });
        // A caller without a runtime reads only.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(follow_files(Arc::downgrade(&sessions)));
        }
        Ok(sessions)
    }

    /// Absolute path of the workspace folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Starts a turn and returns at once. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Empty prompt, unknown or busy session, a model that cannot be used, a journal that cannot
    /// be written.
    pub fn ask(self: &Arc<Self>, ask: Ask) -> Result<AskResult, SessionError> {
        if ask.prompt.trim().is_empty() {
            return Err(SessionError::EmptyPrompt);
        }
        let cancel = CancellationToken::new();
        let (session, number) = match &ask.session {
            Some(_) if ask.settings.is_some() => return Err(SessionError::SettingsTooLate),
            Some(id) => loop {
                let session = self.get(id)?;
                let number = session.start(&cancel)?;
                // From now on nobody brings it back anew; who just did has another one.
                if self
                    .live
                    .get(id)
                    .is_some_and(|live| Arc::ptr_eq(&live, &session))
                {
                    break (session, number);
                }
                lock(&session.activity).running = None;
            },
            None => {
                let session = self.create(ask.model.as_deref(), ask.settings)?;
                let number = session.start(&cancel)?;
                (session, number)
            }
        };
        let result = AskResult {
            session: session.id.clone(),
            turn: number,
        };
        let specs = self.specs(&session.config);
        let turn = Turn {
            number,
            prompt: ask.prompt,
            around: Around {
                looked_at: ask.context,
                open: ask.open,
                diagnostics: ask.diagnostics,
            },
            cancel,
            tools: self.known(&specs),
            specs,
        };
        tokio::spawn(turn::run(session, turn));
        Ok(result)
    }

    /// What a session proposes, with every hunk where it is now.
    ///
    /// # Errors
    /// Unknown session.
    pub fn proposal(&self, session: &str) -> Result<Proposal, SessionError> {
        self.page(session, &PageQuery::default())
    }

    /// A part of what a session proposes.
    ///
    /// # Errors
    /// Unknown session.
    pub fn page(&self, session: &str, query: &PageQuery) -> Result<Proposal, SessionError> {
        Ok(self.get(session)?.proposal(query))
    }

    /// How many hunks of each tool call wait for a decision.
    ///
    /// # Errors
    /// Unknown session.
    pub fn group_sizes(&self, session: &str) -> Result<HashMap<Arc<str>, usize>, SessionError> {
        Ok(self.get(session)?.overlay.group_sizes())
    }

    /// Compares what the sessions of this process propose with the user's files of now, and tells of
    /// hunks that conflict by now, or no more. Faces call it when documents change; files that no
    /// document holds are watched.
    pub fn look(&self) {
        self.live().iter().for_each(|session| session.look());
    }

    /// Unified diff of what waits for a decision.
    ///
    /// # Errors
    /// Unknown session.
    pub fn diff(&self, session: &str) -> Result<String, SessionError> {
        Ok(self.get(session)?.overlay.diff())
    }

    /// A file as the user has it, and with everything that is proposed for it and fits. What is
    /// binary, or is no file, is empty.
    ///
    /// # Errors
    /// Unknown session, or a file that it does not change.
    pub fn sides(&self, session: &str, path: &str) -> Result<Sides, SessionError> {
        let session = self.get(session)?;
        let plans = session
            .overlay
            .plan(&Selection::Files(vec![path.to_owned()]))?;
        let text = |content: Option<&Content>| {
            content
                .and_then(Content::text)
                .unwrap_or_default()
                .to_owned()
        };
        let plan = plans.first();
        Ok(Sides {
            base: text(plan.and_then(|plan| plan.before.as_ref())),
            proposed: text(plan.and_then(|plan| plan.after.as_ref())),
        })
    }

    /// Checks the selection at once and applies it in a task; the task's result says what became
    /// of each hunk, and an update tells everyone else.
    ///
    /// # Errors
    /// Unknown session, or a selection that names what the proposal does not have.
    pub fn accept(
        self: &Arc<Self>,
        session: &str,
        selection: &Selection,
    ) -> Result<(DecideResult, JoinHandle<Vec<HunkStatus>>), SessionError> {
        decide::accept(self, &self.get(session)?, selection.clone())
    }

    /// Drops hunks; the model hears of it, and of the comment, with the next prompt.
    ///
    /// # Errors
    /// Unknown session, or a selection that names what the proposal does not have.
    pub fn reject(
        &self,
        session: &str,
        selection: &Selection,
        comment: Option<String>,
    ) -> Result<DecideResult, SessionError> {
        decide::reject(&*self.get(session)?, selection, comment)
    }

    /// Makes a hunk propose `text` for the lines at which it is shown; solves a conflict by that.
    ///
    /// # Errors
    /// Unknown session; no such hunk waits, or it is none of text.
    pub fn amend(
        &self,
        session: &str,
        hunk: &str,
        text: &str,
    ) -> Result<DecideResult, SessionError> {
        decide::amend(&*self.get(session)?, hunk, text)
    }

    /// Makes several hunks of one.
    ///
    /// # Errors
    /// Unknown session; no such hunk waits, or it has no parts.
    pub fn split(&self, session: &str, hunk: &str) -> Result<DecideResult, SessionError> {
        decide::split(&*self.get(session)?, hunk)
    }

    /// Proposes rejected hunks again, under their old ids.
    ///
    /// # Errors
    /// Unknown session; a hunk was not rejected, or the file changed at its place.
    pub fn repropose(&self, session: &str, hunks: &[String]) -> Result<DecideResult, SessionError> {
        decide::repropose(&*self.get(session)?, hunks)
    }

    /// Ends the running turn, if one runs.
    ///
    /// # Errors
    /// Unknown session.
    pub fn cancel(&self, session: &str) -> Result<(), SessionError> {
        let session = self.get(session)?;
        if let Some(running) = &lock(&session.activity).running {
            running.cancel();
        }
        Ok(())
    }

    /// The journalled sessions of this workspace, newest first.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionSummary>, SessionError> {
        Ok(self.environment.store().sessions(Some(&self.workspace()))?)
    }

    /// What a prompt may begin with here, as in `/help`. Reads files.
    ///
    /// # Errors
    /// The workspace cannot be opened.
    pub fn commands(&self) -> Result<Vec<PromptCommand>, SessionError> {
        let user = self.environment.user_folder();
        let config = self.environment.config();
        Ok(context::prompt_commands(&*self.overlay()?, config, user))
    }

    /// The parts of the system prompt that a session would have that begins now, and what of the
    /// instructions here cannot be used. Reads files.
    ///
    /// # Errors
    /// The workspace cannot be opened.
    pub fn system_prompt(&self) -> Result<(Vec<PromptPart>, Vec<String>), SessionError> {
        let user = self.environment.user_folder();
        let config = self.environment.config();
        let composed = context::compose(&*self.overlay()?, config, user);
        Ok((composed.parts, composed.problems))
    }

    /// Every event of every session of this workspace, from now on.
    pub fn subscribe(&self) -> UnboundedReceiver<Update> {
        self.hub.subscribe()
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
        let config = self.config(settings(&events))?;
        let provider = self.environment.connect(&config, &summary.model)?;
        let session = self.assemble(summary.session, config, provider, (&events, seq))?;
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
        Ok(session)
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
        let mut known = lock(&session.seq);
        for entry in news {
            *known = (*known).max(entry.seq);
            if let Some(SessionEvent::Decided { hunks, .. }) = entry.event.known() {
                session.overlay.decided_elsewhere(&hunks);
            }
        }
        Ok(true)
    }

    fn live(&self) -> Vec<Arc<Session>> {
        self.live.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    /// The configuration of a session with settings of its own.
    fn config(&self, settings: Option<&serde_json::Value>) -> Result<Config, SessionError> {
        let config = self.environment.config();
        match settings {
            None => Ok(config.clone()),
            Some(settings) => Ok(config.for_session(settings)?),
        }
    }

    fn create(
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
        let session = self.assemble(id.clone(), config, provider, (&[], 0))?;
        // First of all: what comes back from the journal is as strict as it was.
        if let Some(settings) = settings {
            session.emit(SessionEvent::Configured { settings })?;
        }
        self.live.insert(id, Arc::clone(&session));
        Ok(session)
    }

    /// A session with the past that the events tell; the number is that of the last one.
    fn assemble(
        &self,
        id: String,
        config: Config,
        provider: Arc<dyn Provider>,
        (events, seq): (&[SessionEvent], u64),
    ) -> Result<Arc<Session>, SessionError> {
        let overlay = Overlay::open(&self.root, config.mounts(), Arc::clone(&self.buffers))?;
        let mut notes = Vec::new();
        let (files, last_hunk) = proposed(events);
        let lost = overlay.restore(&files, last_hunk);
        if !lost.is_empty() {
            tracing::warn!(session = %id, files = ?lost, "proposals cannot come back");
            notes.push(format!(
                "[The user's files changed while the session was away; your proposals for these \
                 files are gone: {}]",
                lost.join(", ")
            ));
        }
        // What was read from the journal need not be told to it.
        let told = overlay.delta(u64::MAX).version;
        let seen = overlay.look(0).unwrap_or(0);
        notes.extend(undelivered(events));
        let turns = events
            .iter()
            .filter(|e| matches!(e, SessionEvent::TurnStarted { .. }))
            .count();
        let told_model = Told::of(events);
        let system = told_model.system();
        let query = self.query_config(&config, provider.as_ref(), system);
        let query = Query::restore(query, events);
        let activity = Activity {
            turn: turns as u64,
            running: None,
            notes,
        };
        Ok(Arc::new(Session {
            id,
            config,
            environment: Arc::clone(&self.environment),
            overlay,
            provider,
            applier: Arc::clone(&self.applier),
            asker: Arc::clone(&self.asker),
            query: tokio::sync::Mutex::new(query),
            activity: Mutex::new(activity),
            applying: Arc::clone(&self.applying),
            told_model: Mutex::new(told_model),
            told: Mutex::new(told),
            seen: AtomicU64::new(seen),
            seq: Mutex::new(seq),
            hub: Arc::clone(&self.hub),
            watcher: Arc::clone(&self.watcher),
        }))
    }

    fn query_config(
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
            },
            price: provider.price(),
            max_output_tokens: provider.max_output_tokens(),
            system,
            tools: self.known(&self.specs(config)),
        }
    }

    /// What the loop is told of these tools.
    fn known(&self, specs: &[ToolSpec]) -> Vec<ToolInfo> {
        let toolbox = self.environment.toolbox();
        let known = |spec: &ToolSpec| ToolInfo {
            name: spec.name.clone(),
            read_only: toolbox.level(&spec.name).is_some_and(|l| l <= Level::Read),
            bytes: (spec.name.len() + spec.description.len()) as u64
                + spec.input_schema.to_string().len() as u64,
        };
        specs.iter().map(known).collect()
    }

    /// The tools that the mode lets a model use; naming others would only invite refusals.
    fn specs(&self, config: &Config) -> Arc<[ToolSpec]> {
        let toolbox = self.environment.toolbox();
        let all = toolbox.specs();
        if config.mode() != Mode::Plan {
            return all;
        }
        let reads = |spec: &&ToolSpec| toolbox.level(&spec.name).is_some_and(|l| l <= Level::Read);
        all.iter().filter(reads).cloned().collect()
    }

    /// The session of that id, when this process has it open.
    pub(crate) fn opened(&self, session: &str) -> Option<Arc<Session>> {
        self.live.get(session).map(|session| Arc::clone(&session))
    }

    /// Forgets a session that is no longer in the journal.
    pub(crate) fn close(&self, session: &str) {
        self.live.remove(session);
        for watched in [session.to_owned(), format!("{session}.diff")] {
            self.watcher.follow(&watched, BTreeSet::new());
        }
    }

    pub(crate) fn workspace(&self) -> String {
        self.root.display().to_string()
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn patches(&self) -> &Patches {
        &self.patches
    }

    /// Looks at the patch file of a session whenever its folder changes.
    pub(crate) fn watch_patch(&self, session: &str, folder: &Path) {
        let of_patch = format!("{session}.diff");
        self.watcher
            .follow(&of_patch, [folder.to_path_buf()].into());
    }

    pub(crate) fn applier(&self) -> &dyn Applier {
        &*self.applier
    }

    pub(crate) fn applying(&self) -> &tokio::sync::Mutex<()> {
        &self.applying
    }

    /// Where batches are applied in the name of a session that is not live.
    pub(crate) fn ground(&self, session: &str) -> Result<Ground, SessionError> {
        Ok(Ground {
            session: session.to_owned(),
            environment: Arc::clone(&self.environment),
            overlay: self.overlay()?,
            applier: Arc::clone(&self.applier),
        })
    }

    /// The user's files, with nothing proposed.
    pub(crate) fn overlay(&self) -> Result<Arc<Overlay>, SessionError> {
        let mounts = self.environment.config().mounts();
        Ok(Overlay::open(
            &self.root,
            mounts,
            Arc::clone(&self.buffers),
        )?)
    }

    /// Journals an event of a session that need not be live.
    pub(crate) fn publish(&self, session: &str, event: SessionEvent) -> Result<(), SessionError> {
        match self.live.get(session).map(|session| Arc::clone(&session)) {
            Some(session) => Ok(session.emit(event)?),
            None => {
                self.hub.publish(&self.environment, session, event)?;
                Ok(())
            }
        }
    }
}

/// Looks again whenever files with pending hunks change, for as long as the sessions are there.
async fn follow_files(sessions: Weak<Sessions>) {
    loop {
        let Some(watcher) = sessions
            .upgrade()
            .map(|sessions| Arc::clone(&sessions.watcher))
        else {
            return;
        };
        tokio::select! {
            () = watcher.changed() => {}
            // Only to notice that the sessions are gone.
            () = tokio::time::sleep(IDLE) => continue,
        }
        let Some(sessions) = sessions.upgrade() else {
            return;
        };
        let looked = tokio::task::spawn_blocking(move || {
            sessions.take_patches();
            sessions.look();
            // Folders come and go.
            sessions.live().iter().for_each(|session| session.follow());
        });
        if let Err(error) = looked.await {
            tracing::error!(%error, "looking at changed files stopped");
        }
    }
}

/// The settings that a session was begun with.
fn settings(events: &[SessionEvent]) -> Option<&serde_json::Value> {
    events.iter().find_map(|event| match event {
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
