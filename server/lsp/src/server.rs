//! The language server itself: what it knows of its client, and one handler per LSP method.

use crate::actions;
use crate::capabilities::{self, ClientCan};
use crate::commands;
use crate::convert;
use crate::documents::Documents;
use crate::folder::{Folder, FolderNames};
use crate::managing;
use crate::observer;
use crate::patch::{self, ContentParams};
use crate::positions::Encoding;
use crate::schedules;
use crate::transport;
use boxagnts_protocol::commands::{
    AmendParams, AnswerParams, AskParams, CheckpointsParams, DecideParams, ForkParams,
    HistoryParams, ProposalParams, RenameParams, ReproposeParams, RestoreParams, SessionParams,
    SetModeParams, SplitParams, UndoParams, UsageParams,
};
use boxagnts_schedule::{OpenFolder, Serving};
use boxagnts_session::{Environment, SessionError};
use dashmap::DashMap;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::*;
use tower_lsp::{Client, LanguageServer, LspService};

/// Gives a workspace folder what its sessions need. The command line provides it.
pub trait Connector: Send + Sync {
    /// The environment for `root` with the editor's `settings` (`null` when it sends none).
    ///
    /// # Errors
    /// For the user: which setting, file or folder is wrong and what to do.
    fn connect(
        &self,
        root: &Path,
        settings: &Value,
    ) -> std::result::Result<Arc<Environment>, String>;
}

/// Serves one client until it says `exit` or closes the input.
pub async fn serve<I, O>(input: I, output: O, connector: Arc<dyn Connector>)
where
    I: AsyncRead + Unpin,
    O: AsyncWrite,
{
    let jobs = Arc::new(Serving::default());
    let (service, socket) = LspService::build(|client| Server {
        shared: Shared::new(client, connector, Arc::clone(&jobs)),
    })
    .custom_method("boxagnts/ask", Server::ask)
    .custom_method("boxagnts/proposal", Server::proposal)
    .custom_method("boxagnts/accept", Server::accept)
    .custom_method("boxagnts/reject", Server::reject)
    .custom_method("boxagnts/amend", Server::amend)
    .custom_method("boxagnts/split", Server::split)
    .custom_method("boxagnts/repropose", Server::repropose)
    .custom_method("boxagnts/undo", Server::undo)
    .custom_method("boxagnts/checkpoints", Server::checkpoints)
    .custom_method("boxagnts/restore", Server::restore)
    .custom_method("boxagnts/showPatch", Server::show_patch)
    .custom_method("workspace/textDocumentContent", Server::content)
    .custom_method("boxagnts/cancel", Server::cancel)
    .custom_method("boxagnts/sessions", Server::sessions)
    .custom_method("boxagnts/history", Server::history)
    .custom_method("boxagnts/rename", Server::rename)
    .custom_method("boxagnts/fork", Server::fork)
    .custom_method("boxagnts/deleteSession", Server::delete_session)
    .custom_method("boxagnts/usage", Server::usage)
    .custom_method("boxagnts/commands", Server::prompt_commands)
    .custom_method("boxagnts/setMode", Server::set_mode)
    .custom_method("boxagnts/answer", Server::answer)
    .custom_method("window/workDoneProgress/cancel", Server::progress_cancel)
    .finish();
    transport::serve(input, output, service, socket).await;
    jobs.finish().await;
}

struct Server {
    shared: Arc<Shared>,
}

/// What handlers and tasks share.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) documents: Arc<Documents>,
    /// Whether the client has ever asked for code lenses: then it wants to hear of new ones.
    pub(crate) shows_lenses: AtomicBool,
    /// Whether this process has applied something that can be taken back.
    pub(crate) applied: AtomicBool,
    /// Rung when a document changed: pending hunks may have moved.
    pub(crate) moved: Notify,
    connector: Arc<dyn Connector>,
    /// The scheduled tasks of the folders.
    pub(crate) jobs: Arc<Serving>,
    can: OnceLock<ClientCan>,
    settings: OnceLock<Value>,
    folders: Mutex<Vec<Arc<Slot>>>,
    /// The folder of each session that this process has started or looked at.
    sessions: DashMap<String, Arc<Folder>>,
    latest: Mutex<Option<String>>,
}

/// A workspace folder of the editor; connected when it is first needed.
struct Slot {
    names: Arc<FolderNames>,
    folder: Mutex<Option<Arc<Folder>>>,
    /// For its scheduled tasks.
    open: OpenFolder,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(client: Client, connector: Arc<dyn Connector>, jobs: Arc<Serving>) -> Arc<Shared> {
        Arc::new(Shared {
            client,
            documents: Arc::new(Documents::new()),
            shows_lenses: AtomicBool::new(false),
            applied: AtomicBool::new(false),
            moved: Notify::new(),
            connector,
            jobs,
            can: OnceLock::new(),
            settings: OnceLock::new(),
            folders: Mutex::default(),
            sessions: DashMap::new(),
            latest: Mutex::default(),
        })
    }

    /// What the client can do.
    pub(crate) fn can(&self) -> ClientCan {
        self.can.get().copied().unwrap_or_default()
    }

    fn add_folder(&self, root: &Path) {
        let names = Arc::new(FolderNames::new(root));
        let mut folders = lock(&self.folders);
        if folders.iter().all(|slot| slot.names.given() != root) {
            folders.push(Arc::new(Slot {
                names,
                folder: Mutex::default(),
                open: self.jobs.open(),
            }));
        }
    }

    fn remove_folder(&self, root: &Path) {
        lock(&self.folders).retain(|slot| {
            let stays = slot.names.given() != root;
            if !stays {
                slot.open.close();
            }
            stays
        });
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        lock(&self.folders).clone()
    }

    /// Connects a folder; does I/O the first time. A failure is not kept: the user may mend it.
    fn connect(self: &Arc<Self>, slot: &Slot) -> Result<Arc<Folder>> {
        let mut connected = lock(&slot.folder);
        if let Some(folder) = &*connected {
            return Ok(Arc::clone(folder));
        }
        let settings = self.settings.get().cloned().unwrap_or_default();
        let environment = self
            .connector
            .connect(slot.names.given(), &settings)
            .map_err(|reason| failure(ErrorCode::InternalError, reason))?;
        let names = Arc::clone(&slot.names);
        let folder =
            Folder::open(self, Arc::clone(&environment), names).map_err(commands::error)?;
        observer::watch(self, &folder);
        schedules::serve(self, &environment, &folder, &slot.open);
        self.warn(environment.problems());
        tokio::spawn(observer::recover(Arc::clone(self), Arc::clone(&folder)));
        *connected = Some(Arc::clone(&folder));
        Ok(folder)
    }

    /// Tells the user of problems that stop nothing.
    fn warn(self: &Arc<Self>, problems: Vec<String>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            for problem in problems {
                let message = format!("BoxAgnts: {problem}");
                let client = &shared.client;
                client.show_message(MessageType::WARNING, message).await;
            }
        });
    }

    /// Every folder that can be used; what is wrong with the others is logged.
    pub(crate) fn folders(self: &Arc<Self>) -> Vec<Arc<Folder>> {
        let connect = |slot: Arc<Slot>| {
            let connected = self.connect(&slot);
            if let Err(error) = &connected {
                let folder = slot.names.given().display();
                tracing::warn!(%folder, error = %error.message, "cannot use the workspace folder");
            }
            connected.ok()
        };
        self.slots().into_iter().filter_map(connect).collect()
    }

    /// The folders that sessions have been opened in; connects none.
    pub(crate) fn known_folders(&self) -> Vec<Arc<Folder>> {
        self.slots()
            .iter()
            .filter_map(|slot| lock(&slot.folder).clone())
            .collect()
    }

    /// The first workspace folder.
    pub(crate) fn first_folder(self: &Arc<Self>) -> Result<Arc<Folder>> {
        let first = self.slots().into_iter().next().ok_or_else(|| {
            let reason = "no workspace folder is open; open a folder in the editor and ask again";
            failure(ErrorCode::InvalidParams, reason)
        })?;
        self.connect(&first)
    }

    /// The innermost folder that has the document, else the first one.
    pub(crate) fn folder_of_document(self: &Arc<Self>, uri: &str) -> Result<Arc<Folder>> {
        let holds = |slot: &Arc<Slot>| Some((slot.names.relative(uri)?.len(), Arc::clone(slot)));
        let innermost = self
            .slots()
            .iter()
            .filter_map(holds)
            .min_by_key(|(below, _)| *below);
        match innermost {
            Some((_, slot)) => self.connect(&slot),
            None => self.first_folder(),
        }
    }

    /// The folder of a session, of this process or of the journal.
    pub(crate) fn folder_of_session(self: &Arc<Self>, session: &str) -> Result<Arc<Folder>> {
        if let Some(folder) = self.sessions.get(session) {
            return Ok(Arc::clone(&folder));
        }
        // Without a folder that can be used, the reason is why.
        self.first_folder()?;
        let mut answer = failure(ErrorCode::InvalidParams, format!("no session `{session}`"));
        for folder in self.folders() {
            match folder.sessions.proposal(session) {
                Ok(_) => {
                    self.remember(session, &folder);
                    // Its hunks are shown from now on.
                    self.moved.notify_one();
                    return Ok(folder);
                }
                Err(error @ SessionError::UnknownSession { .. }) => answer = commands::error(error),
                Err(error) => return Err(commands::error(error)),
            }
        }
        Err(answer)
    }

    /// Keeps where a session lives, and that it is the latest one.
    pub(crate) fn remember(&self, session: &str, folder: &Arc<Folder>) {
        self.sessions.insert(session.to_owned(), Arc::clone(folder));
        *lock(&self.latest) = Some(session.to_owned());
    }

    /// Nothing is known of a session any more; what the editor shows of its hunks goes.
    pub(crate) fn forget(&self, session: &str) {
        self.sessions.remove(session);
        let mut latest = lock(&self.latest);
        if latest.as_deref() == Some(session) {
            *latest = None;
        }
        drop(latest);
        self.moved.notify_one();
    }

    /// The session that was last started or looked at. Where this process knows none yet, the latest
    /// one of the journal: an editor without a plugin goes on after a restart. Then it does I/O.
    pub(crate) fn latest(self: &Arc<Self>) -> Option<String> {
        if let Some(known) = lock(&self.latest).clone() {
            return Some(known);
        }
        let folders = self.folders();
        let all = folders
            .iter()
            .filter_map(|folder| folder.sessions.sessions().ok());
        let newest = all.flatten().max_by_key(|session| session.updated_ms)?;
        Some(newest.session)
    }

    /// The sessions of a folder that this process knows.
    pub(crate) fn sessions_of(&self, folder: &Folder) -> Vec<String> {
        let here = self.sessions.iter();
        let here = here.filter(|entry| std::ptr::eq(Arc::as_ptr(entry.value()), folder));
        here.map(|entry| entry.key().clone()).collect()
    }
}

fn failure(code: ErrorCode, message: impl Into<String>) -> Error {
    Error {
        code,
        message: message.into().into(),
        data: None,
    }
}

/// Runs what may take time where it holds up nobody.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "a handler panicked");
        Err(failure(
            ErrorCode::InternalError,
            "an internal error; the log has the details",
        ))
    })
}

#[allow(deprecated)]
fn roots(params: &InitializeParams) -> Vec<PathBuf> {
    if let Some(folders) = params
        .workspace_folders
        .as_ref()
        .filter(|folders| !folders.is_empty())
    {
        return folders
            .iter()
            .filter_map(|folder| convert::file_path(folder.uri.as_str()))
            .collect();
    }
    let by_uri = params
        .root_uri
        .as_ref()
        .and_then(|uri| convert::file_path(uri.as_str()));
    by_uri
        .or_else(|| params.root_path.as_ref().map(PathBuf::from))
        .into_iter()
        .collect()
}

impl LanguageServer for Server {
    async fn initialize(&self, params: InitializeParams) -> Result<InitializeResult> {
        let shared = &self.shared;
        let offered = params.capabilities.general.as_ref();
        let offered = offered.and_then(|general| general.position_encodings.as_deref());
        let encoding = Encoding::negotiate(offered);
        shared.documents.set_encoding(encoding);
        let _ = shared.can.set(ClientCan::read(&params.capabilities));
        for root in roots(&params) {
            shared.add_folder(&root);
        }
        let _ = shared
            .settings
            .set(params.initialization_options.unwrap_or_default());
        Ok(InitializeResult {
            capabilities: capabilities::server(encoding),
            server_info: Some(ServerInfo {
                name: "boxagnts".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            ..InitializeResult::default()
        })
    }

    async fn initialized(&self, _: InitializedParams) {
        let shared = Arc::clone(&self.shared);
        observer::follow_documents(&shared);
        // The first request should find everything open.
        tokio::task::spawn_blocking(move || {
            for folder in shared.folders() {
                drop(folder.sessions.forget_old());
            }
        });
    }

    async fn shutdown(&self) -> Result<()> {
        for entry in &self.shared.sessions {
            if let Err(error) = entry.value().sessions.cancel(entry.key()) {
                tracing::warn!(session = %entry.key(), %error, "cannot cancel");
            }
        }
        Ok(())
    }

    async fn did_change_workspace_folders(&self, params: DidChangeWorkspaceFoldersParams) {
        let path = |folder: &WorkspaceFolder| convert::file_path(folder.uri.as_str());
        for root in params.event.removed.iter().filter_map(path) {
            self.shared.remove_folder(&root);
        }
        for root in params.event.added.iter().filter_map(path) {
            self.shared.add_folder(&root);
        }
    }

    async fn did_open(&self, params: DidOpenTextDocumentParams) {
        let TextDocumentItem {
            uri,
            language_id,
            version,
            text,
        } = params.text_document;
        let uri = convert::normalize(uri.as_str());
        self.shared
            .documents
            .opened(uri.clone(), language_id, version, &text);
        self.shared.moved.notify_one();
        if let Some(path) = convert::file_path(&uri) {
            let documents = Arc::clone(&self.shared.documents);
            tokio::task::spawn_blocking(move || documents.settle(&uri, &path));
        }
    }

    async fn did_change(&self, params: DidChangeTextDocumentParams) {
        let VersionedTextDocumentIdentifier { uri, version } = params.text_document;
        let key = convert::normalize(uri.as_str());
        if self
            .shared
            .documents
            .changed(&key, version, &params.content_changes)
            .is_err()
        {
            tracing::warn!(uri = %key, "a change of a document that is not open");
        }
        self.shared.moved.notify_one();
    }

    async fn did_save(&self, params: DidSaveTextDocumentParams) {
        let uri = convert::normalize(params.text_document.uri.as_str());
        self.shared.documents.saved(&uri, params.text.as_deref());
        self.shared.moved.notify_one();
    }

    async fn did_close(&self, params: DidCloseTextDocumentParams) {
        self.shared
            .documents
            .closed(&convert::normalize(params.text_document.uri.as_str()));
        self.shared.moved.notify_one();
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        let job = commands::prepare(&self.shared, &params.command, &params.arguments)?;
        blocking(job).await.map(Some)
    }

    async fn code_action(&self, params: CodeActionParams) -> Result<Option<CodeActionResponse>> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let folder =
                shared.folder_of_document(&convert::normalize(params.text_document.uri.as_str()));
            Ok(folder
                .ok()
                .map(|folder| actions::code_actions(&shared, &folder, &params)))
        })
        .await
    }

    async fn code_lens(&self, params: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        self.shared.shows_lenses.store(true, Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        let uri = convert::normalize(params.text_document.uri.as_str());
        blocking(move || {
            let folder = shared.folder_of_document(&uri);
            Ok(folder
                .ok()
                .map(|folder| actions::code_lenses(&shared, &folder, &uri)))
        })
        .await
    }
}

/// The commands as methods of their own, for clients that speak `boxagnts/*`.
impl Server {
    async fn ask(&self, params: AskParams) -> Result<Value> {
        blocking(commands::ask(&self.shared, params)).await
    }

    async fn proposal(&self, params: ProposalParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::proposal(&shared, &params)).await
    }

    async fn amend(&self, params: AmendParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::amend(&shared, &params)).await
    }

    async fn split(&self, params: SplitParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::split(&shared, &params)).await
    }

    async fn repropose(&self, params: ReproposeParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::repropose(&shared, &params)).await
    }

    async fn undo(&self, params: UndoParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::undo(&shared, &params)).await
    }

    async fn checkpoints(&self, params: CheckpointsParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::checkpoints(&shared, &params)).await
    }

    async fn restore(&self, params: RestoreParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::restore(&shared, &params)).await
    }

    async fn show_patch(&self, params: SessionParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || patch::show(&shared, &params)).await
    }

    /// The text of a `boxagnts:` document.
    async fn content(&self, params: ContentParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || patch::content(&shared, &params)).await
    }

    async fn accept(&self, params: DecideParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::accept(&shared, &params)).await
    }

    async fn reject(&self, params: DecideParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::reject(&shared, params)).await
    }

    async fn cancel(&self, params: SessionParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::cancel(&shared, &params)).await
    }

    async fn sessions(&self) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::sessions(&shared)).await
    }

    async fn history(&self, params: HistoryParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || managing::history(&shared, &params)).await
    }

    async fn rename(&self, params: RenameParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || managing::rename(&shared, &params)).await
    }

    async fn fork(&self, params: ForkParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || managing::fork(&shared, &params)).await
    }

    async fn delete_session(&self, params: SessionParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || managing::delete(&shared, &params)).await
    }

    async fn usage(&self, params: UsageParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || managing::usage(&shared, &params)).await
    }

    async fn prompt_commands(&self) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::prompt_commands(&shared)).await
    }

    async fn set_mode(&self, params: SetModeParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::set_mode(&shared, &params)).await
    }

    async fn answer(&self, params: AnswerParams) -> Result<Value> {
        let shared = Arc::clone(&self.shared);
        blocking(move || commands::answer(&shared, &params)).await
    }

    async fn progress_cancel(&self, params: WorkDoneProgressCancelParams) {
        let Some(session) = observer::session_of(&params.token) else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        let cancelled =
            blocking(move || commands::cancel(&shared, &SessionParams { session })).await;
        if let Err(error) = cancelled {
            tracing::warn!(error = %error.message, "cannot cancel");
        }
    }
}
