//! The sessions of one workspace folder: what faces call.

use crate::applier::Applier;
use crate::batch::Ground;
use crate::context::{self, Around, Attachment, Context, Diagnosed};
use crate::decide;
use crate::environment::Environment;
use crate::error::SessionError;
use crate::patch::Patches;
use crate::permission::Asker;
use crate::queue::{self, Wish};
use crate::session::{Hub, Session, lock};
use crate::watch::Watcher;
use boxagnts_protocol::commands::{
    AskResult, DecideResult, HunkStatus, PromptCommand, SessionSummary, WhenBusy,
};
use boxagnts_protocol::conversation::Message;
use boxagnts_protocol::proposal::Proposal;
use boxagnts_protocol::update::{PromptPart, SessionEvent, Update};
use boxagnts_workspace::{Buffers, Content, Overlay, PageQuery, Selection};
use dashmap::DashMap;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

mod live;
mod settled;

pub(crate) use live::{Past, proposed};
pub use settled::Settled;

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
    /// Pictures and files that come with it.
    pub attached: Vec<Attachment>,
    /// `provider:model` for a new session, instead of the configured one.
    pub model: Option<String>,
    /// What is done when a turn of the session runs.
    pub when_busy: WhenBusy,
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
    me: Weak<Sessions>,
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
        let sessions = Arc::new_cyclic(|me| Sessions {
            me: me.clone(),
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

    /// Starts a turn, or has the running one hear it, and returns at once. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Empty prompt, unknown or busy session, a model that cannot be used, a journal that cannot
    /// be written.
    pub fn ask(self: &Arc<Self>, ask: Ask) -> Result<AskResult, SessionError> {
        if ask.prompt.trim().is_empty() {
            return Err(SessionError::EmptyPrompt);
        }
        if let Some(reason) = context::too_many(ask.attached.len()) {
            return Err(SessionError::Attached(reason));
        }
        let mut wish = Wish {
            prompt: ask.prompt,
            around: Around {
                looked_at: ask.context,
                open: ask.open,
                diagnostics: ask.diagnostics,
                attached: ask.attached,
            },
            by_model: false,
        };
        let (session, (result, turn)) = match &ask.session {
            Some(_) if ask.settings.is_some() => return Err(SessionError::SettingsTooLate),
            Some(id) => loop {
                let session = self.own(id)?;
                let (result, turn) = session.take(wish, ask.when_busy)?;
                // From now on nobody brings it back anew; who just did has another one.
                let live = self.live.get(id);
                let is_live = live.is_some_and(|live| Arc::ptr_eq(&live, &session));
                match turn {
                    Some(turn) if !is_live => {
                        lock(&session.activity).running = None;
                        wish = turn.wish;
                    }
                    turn => break (session, (result, turn)),
                }
            },
            None => {
                let session = self.create(ask.model.as_deref(), ask.settings)?;
                let taken = session.take(wish, WhenBusy::Refuse)?;
                (session, taken)
            }
        };
        if let Some(turn) = turn {
            queue::run(session, turn);
        }
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
        decide::accept(self, &self.own(session)?, selection.clone())
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
        decide::reject(&*self.own(session)?, selection, comment)
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
        decide::amend(&*self.own(session)?, hunk, text)
    }

    /// Makes several hunks of one.
    ///
    /// # Errors
    /// Unknown session; no such hunk waits, or it has no parts.
    pub fn split(&self, session: &str, hunk: &str) -> Result<DecideResult, SessionError> {
        decide::split(&*self.own(session)?, hunk)
    }

    /// Proposes rejected hunks again, under their old ids.
    ///
    /// # Errors
    /// Unknown session; a hunk was not rejected, or the file changed at its place.
    pub fn repropose(&self, session: &str, hunks: &[String]) -> Result<DecideResult, SessionError> {
        decide::repropose(&*self.own(session)?, hunks)
    }

    /// Ends the running turn, if one runs, and drops the prompts that wait for its end.
    ///
    /// # Errors
    /// Unknown session.
    pub fn cancel(&self, session: &str) -> Result<(), SessionError> {
        self.get(session)?.cancel();
        Ok(())
    }

    /// As [`Sessions::cancel`], for a turn that did not end by that: it is dropped at the next moment at
    /// which it waits for something, and the journal says that it was cancelled.
    ///
    /// # Errors
    /// Unknown session.
    pub fn abandon(&self, session: &str) -> Result<(), SessionError> {
        self.get(session)?.abandon();
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

    /// What the model of a session would be sent with the next prompt: its system prompt, empty before the
    /// first turn, and the conversation.
    ///
    /// # Errors
    /// Unknown session, or one in which a turn runs.
    pub fn conversation(
        &self,
        session: &str,
    ) -> Result<(Arc<str>, Arc<Vec<Message>>), SessionError> {
        let session = self.get(session)?;
        let query = session.query.try_lock().map_err(|_| SessionError::Busy {
            session: session.id.clone(),
            turn: lock(&session.activity).turn,
        })?;
        Ok((query.system(), query.messages()))
    }

    /// Every event of every session of this workspace, from now on.
    pub fn subscribe(&self) -> UnboundedReceiver<Update> {
        self.hub.subscribe()
    }
}

impl Sessions {
    /// The session of that id, when this process has it open.
    pub(crate) fn opened(&self, session: &str) -> Option<Arc<Session>> {
        self.live.get(session).map(|session| Arc::clone(&session))
    }

    /// The session of that id, which its user may talk to and decide on.
    pub(crate) fn own(&self, session: &str) -> Result<Arc<Session>, SessionError> {
        let found = self.get(session)?;
        match &found.manager {
            None => Ok(found),
            Some(manager) => Err(SessionError::OfExecutor {
                session: session.to_owned(),
                manager: manager.clone(),
            }),
        }
    }

    /// Makes a session known that began.
    pub(crate) fn opens(&self, session: &Arc<Session>) {
        self.live.insert(session.id.clone(), Arc::clone(session));
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

    /// What the sessions share with those of other folders.
    pub fn environment(&self) -> &Environment {
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
