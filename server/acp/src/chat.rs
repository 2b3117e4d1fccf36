//! One session that the client has open.

use crate::convert;
use crate::folder::Folder;
use crate::options;
use crate::peer::Peer;
use agent_client_protocol::Error;
use agent_client_protocol::v1::schema::{
    AvailableCommand, AvailableCommandInput, AvailableCommandsUpdate, SessionUpdate,
    UnstructuredCommandInput,
};
use boxagnts_protocol::commands::PromptCommand;
use boxagnts_protocol::update::SessionMode;
use boxagnts_session::store::StoreError;
use boxagnts_session::{SessionError, Settled};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// A session that the client has open.
pub(crate) struct Chat {
    /// The session's id, here and in the journal.
    pub(crate) id: String,
    pub(crate) folder: Arc<Folder>,
    pub(crate) peer: Arc<Peer>,
    /// Ends the prompt that runs.
    running: Mutex<Option<CancellationToken>>,
    /// The model that is to answer from the next prompt on.
    wanted: Mutex<Option<String>>,
    /// Hunks, by file, on which the user does not want to decide yet.
    pub(crate) later: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// A prompt that runs; the next one may come when this is gone.
pub(crate) struct Running {
    chat: Arc<Chat>,
    pub(crate) cancel: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        *lock(&self.chat.running) = None;
    }
}

impl Chat {
    pub(crate) fn new(id: String, folder: Arc<Folder>, peer: Arc<Peer>) -> Arc<Chat> {
        folder.followed.add(&id);
        folder.files.use_session(&id);
        Arc::new(Chat {
            id,
            folder,
            peer,
            running: Mutex::default(),
            wanted: Mutex::default(),
            later: Mutex::default(),
        })
    }

    /// Begins a prompt, unless one runs.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Running, Error> {
        let mut running = lock(&self.running);
        if running.is_some() {
            return Err(invalid(format!(
                "session `{}` is busy with a prompt; wait for it or cancel it first",
                self.id
            )));
        }
        let cancel = CancellationToken::new();
        *running = Some(cancel.clone());
        Ok(Running {
            chat: Arc::clone(self),
            cancel,
        })
    }

    /// Ends the prompt that runs, if one does.
    pub(crate) fn cancel(&self) {
        if let Some(cancel) = &*lock(&self.running) {
            cancel.cancel();
        }
    }

    /// Another mode: at once, also for the turn that runs.
    pub(crate) async fn set_mode(&self, mode: SessionMode) -> Result<Settled, SessionError> {
        let id = self.id.clone();
        let set = self
            .folder
            .blocking(move |folder| folder.sessions.set_mode(&id, mode));
        set.await??;
        self.settled().await
    }

    /// Another model: at once, or from the next turn on while one runs.
    pub(crate) async fn set_model(&self, model: String) -> Result<Settled, SessionError> {
        let (id, chosen) = (self.id.clone(), model.clone());
        let set = self
            .folder
            .blocking(move |folder| folder.sessions.set_model(&id, &chosen));
        match set.await? {
            Err(SessionError::Busy { .. }) => *lock(&self.wanted) = Some(model),
            set => {
                set?;
                *lock(&self.wanted) = None;
            }
        }
        self.settled().await
    }

    /// Takes over the model that was chosen while a turn ran.
    pub(crate) async fn set_wanted_model(&self) -> Result<(), SessionError> {
        let wanted = lock(&self.wanted).take();
        if let Some(model) = wanted {
            self.set_model(model).await?;
        }
        Ok(())
    }

    /// What holds for the next prompt.
    pub(crate) async fn settled(&self) -> Result<Settled, SessionError> {
        let id = self.id.clone();
        let settled = self
            .folder
            .blocking(move |folder| folder.sessions.settled(&id));
        let mut settled = settled.await??;
        if let Some(model) = &*lock(&self.wanted) {
            settled.model.clone_from(model);
        }
        Ok(settled)
    }

    /// Tells that mode or model are others.
    pub(crate) fn tell_settled(&self, settled: &Settled) {
        for update in options::changed(settled, self.folder.environment.config()) {
            self.update(update);
        }
    }

    /// Tells what a prompt may begin with.
    pub(crate) async fn tell_commands(&self) {
        let known = self
            .folder
            .blocking(|folder| folder.sessions.commands())
            .await;
        let known = known.and_then(|known| known).unwrap_or_else(|error| {
            tracing::warn!(%error, "commands cannot be read");
            Vec::new()
        });
        let ours = crate::commands::OURS
            .iter()
            .map(|(name, description, hint)| command(name, description, Some(hint)));
        let is_ours = |known: &PromptCommand| {
            crate::commands::OURS
                .iter()
                .any(|(name, ..)| *name == known.name)
        };
        let others = known.iter().filter(|known| !is_ours(known)).map(|known| {
            command(
                &known.name,
                &known.description,
                known.argument_hint.as_deref(),
            )
        });
        let commands = ours.chain(others).collect();
        let update = AvailableCommandsUpdate::new(commands);
        self.update(SessionUpdate::AvailableCommandsUpdate(update));
    }

    pub(crate) fn update(&self, update: SessionUpdate) {
        self.peer.update(&self.id, update);
    }

    /// Says something in the agent's name.
    pub(crate) fn say(&self, text: &str) {
        self.update(convert::said(text));
    }
}

fn command(name: &str, description: &str, hint: Option<&str>) -> AvailableCommand {
    let command = AvailableCommand::new(name, description);
    match hint.filter(|hint| !hint.is_empty()) {
        Some(hint) => {
            let input = UnstructuredCommandInput::new(hint);
            command.input(AvailableCommandInput::Unstructured(input))
        }
        None => command,
    }
}

/// An error of the client's, in words.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(-32602, message)
}

/// An error of a session as the client has it.
pub(crate) fn refused(error: SessionError) -> Error {
    match &error {
        SessionError::UnknownSession { session, .. } => {
            let text =
                format!("no session `{session}` here; session/list has those that there are");
            Error::new(-32002, text)
        }
        SessionError::Store(StoreError::UnknownSession { .. }) => {
            Error::new(-32002, error.to_string())
        }
        SessionError::Store(_) | SessionError::Stopped { .. } => {
            Error::new(-32603, error.to_string())
        }
        _ => invalid(error.to_string()),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
