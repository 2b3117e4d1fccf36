//! The methods of ACP, and what the connection has open.

use crate::chat::{Chat, invalid, lock, refused};
use crate::folder::Folder;
use crate::history;
use crate::options;
use crate::peer::Peer;
use crate::transport;
use crate::turn;
use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::schema::{
    AgentCapabilities, AuthenticateRequest, CancelNotification, CloseSessionRequest,
    CloseSessionResponse, DeleteSessionRequest, DeleteSessionResponse, Implementation,
    InitializeRequest, InitializeResponse, ListSessionsRequest, ListSessionsResponse,
    LoadSessionRequest, LoadSessionResponse, McpServer, NewSessionRequest, NewSessionResponse,
    PromptCapabilities, PromptRequest, PromptResponse, ResumeSessionRequest, ResumeSessionResponse,
    SessionCapabilities, SessionCloseCapabilities, SessionConfigOption, SessionDeleteCapabilities,
    SessionInfo, SessionListCapabilities, SessionModeState, SessionResumeCapabilities,
    SetSessionConfigOptionRequest, SetSessionConfigOptionResponse, SetSessionModeRequest,
    SetSessionModeResponse,
};
use agent_client_protocol::v1::{ConnectionTo, Responder};
use agent_client_protocol::{
    Agent, Client, Error, JsonRpcResponse, Lines, on_receive_notification, on_receive_request,
};
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::update::SessionMode;
use boxagnts_schedule::Serving;
use boxagnts_session::{Environment, Settled};
use dashmap::DashMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sessions on one page of a list.
const PAGE: usize = 100;
/// How long the key of a model may be looked for when a session begins.
const KEY: Duration = Duration::from_secs(20);

/// Makes what sessions of a workspace folder share.
pub trait Connector: Send + Sync {
    /// The environment of a folder.
    ///
    /// # Errors
    /// Settings that cannot be used, in words for the user.
    fn connect(&self, root: &Path) -> Result<Arc<Environment>, String>;
}

/// Serves one client until it closes its end. Must be called inside a tokio runtime with more than one
/// thread.
pub async fn serve(
    input: impl AsyncRead + Send + 'static,
    output: impl AsyncWrite + Send + 'static,
    connector: Arc<dyn Connector>,
) {
    let server = Arc::new(Server {
        connector,
        peer: OnceLock::new(),
        folders: Mutex::default(),
        chats: DashMap::new(),
        begun: Mutex::default(),
        jobs: Serving::default(),
    });
    // Each method in a task of its own, so that the next message can be read.
    macro_rules! method {
        ($method:ident: $request:ty) => {{
            let server = Arc::clone(&server);
            async move |request: $request, responder: Responder<_>, _: ConnectionTo<Client>| {
                let server = Arc::clone(&server);
                answer(responder, async move { server.$method(request).await });
                Ok(())
            }
        }};
    }
    // Methods behind whose answer more is to be told.
    macro_rules! opening {
        ($method:ident: $request:ty) => {{
            let server = Arc::clone(&server);
            async move |request: $request, responder: Responder<_>, _: ConnectionTo<Client>| {
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    match server.$method(request).await {
                        Ok((response, opened)) => {
                            log(responder.respond(response));
                            opened.greet().await;
                        }
                        Err(error) => log(responder.respond_with_error(error)),
                    }
                });
                Ok(())
            }
        }};
    }
    let (starting, prompting, cancelling) = (
        Arc::clone(&server),
        Arc::clone(&server),
        Arc::clone(&server),
    );
    let agent = Agent
        .v1()
        .name("boxagnts")
        .on_receive_request(
            async move |request: InitializeRequest,
                        responder: Responder<InitializeResponse>,
                        connection: ConnectionTo<Client>| {
                responder.respond(starting.initialize(&request, connection))
            },
            on_receive_request!(),
        )
        .on_receive_request(
            method!(authenticate: AuthenticateRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            opening!(new_session: NewSessionRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            opening!(load_session: LoadSessionRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            opening!(resume_session: ResumeSessionRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            method!(list_sessions: ListSessionsRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            method!(close_session: CloseSessionRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            method!(delete_session: DeleteSessionRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            method!(set_mode: SetSessionModeRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            method!(set_config_option: SetSessionConfigOptionRequest),
            on_receive_request!(),
        )
        .on_receive_request(
            async move |request: PromptRequest,
                        responder: Responder<PromptResponse>,
                        _: ConnectionTo<Client>| {
                prompting.prompt(request, responder);
                Ok(())
            },
            on_receive_request!(),
        )
        .on_receive_notification(
            async move |cancelled: CancelNotification, _: ConnectionTo<Client>| {
                if let Some(chat) = cancelling.chats.get(&*cancelled.session_id.0) {
                    chat.cancel();
                }
                Ok(())
            },
            on_receive_notification!(),
        );
    let lines = Lines::new(transport::outgoing(output), transport::incoming(input));
    if let Err(error) = agent.connect_to(lines).await {
        tracing::info!(%error, "the connection ended");
    }
    server.end().await;
}

/// Answers with what the work comes to.
fn answer<T: JsonRpcResponse + Send + 'static>(
    responder: Responder<T>,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) {
    // Work that panics drops the responder, and that answers with an error.
    tokio::spawn(async move { log(responder.respond_with_result(work.await)) });
}

fn log(sent: Result<(), Error>) {
    if let Err(error) = sent {
        tracing::debug!(%error, "the client hears no answer");
    }
}

/// What one connection has open.
struct Server {
    connector: Arc<dyn Connector>,
    peer: OnceLock<Arc<Peer>>,
    folders: Mutex<HashMap<PathBuf, Arc<Folder>>>,
    chats: DashMap<String, Arc<Chat>>,
    /// Sessions that were begun here.
    begun: Mutex<Vec<String>>,
    /// The scheduled tasks of the folders.
    jobs: Serving,
}

/// A session that was opened, and what its client is told behind the answer.
struct Opened {
    chat: Arc<Chat>,
    settled: Settled,
    notices: Vec<String>,
}

impl Opened {
    /// Mode and model as the answer shows them.
    fn shown(&self) -> (SessionModeState, Vec<SessionConfigOption>) {
        let config = self.chat.folder.environment.config();
        (
            options::modes(self.settled.mode),
            options::config_options(&self.settled, config),
        )
    }

    async fn greet(&self) {
        self.chat.tell_commands().await;
        let folders = self.chat.folder.enter(&self.chat.id);
        for notice in self.notices.iter().chain(&folders) {
            self.chat.peer.notice(&self.chat.id, notice);
        }
        // Behind it, for it may be an old one that was loaded.
        drop(self.chat.folder.sessions.forget_old());
    }
}

impl Server {
    fn initialize(
        &self,
        request: &InitializeRequest,
        connection: ConnectionTo<Client>,
    ) -> InitializeResponse {
        let peer = Peer::new(connection, &request.client_capabilities);
        // A client that says hello again is the one that it was.
        let _ = self.peer.set(Arc::new(peer));
        let sessions = SessionCapabilities::new()
            .list(SessionListCapabilities::new())
            .delete(SessionDeleteCapabilities::new())
            .resume(SessionResumeCapabilities::new())
            .close(SessionCloseCapabilities::new());
        let capabilities = AgentCapabilities::new()
            .load_session(true)
            .prompt_capabilities(PromptCapabilities::new().embedded_context(true).image(true))
            .session_capabilities(sessions);
        let version = env!("CARGO_PKG_VERSION");
        InitializeResponse::new(ProtocolVersion::V1)
            .agent_capabilities(capabilities)
            .agent_info(Implementation::new("boxagnts", version).title("BoxAgnts".to_owned()))
    }

    async fn authenticate(
        &self,
        _request: AuthenticateRequest,
    ) -> Result<agent_client_protocol::v1::schema::AuthenticateResponse, Error> {
        Err(invalid(
            "there is nothing to log in to; the keys of models come from your configuration",
        ))
    }

    async fn new_session(
        &self,
        request: NewSessionRequest,
    ) -> Result<(NewSessionResponse, Opened), Error> {
        let folder = self.folder(&request.cwd).await?;
        check_key(&folder.environment).await?;
        let begun = folder.blocking(|folder| folder.sessions.begin());
        let id = begun.await.and_then(|begun| begun).map_err(refused)?;
        lock(&self.begun).push(id.clone());
        let notices = unused(&request.mcp_servers, &request.additional_directories);
        let opened = self.open(id.clone(), folder, notices).await?;
        let (modes, options) = opened.shown();
        let response = NewSessionResponse::new(id)
            .modes(modes)
            .config_options(options);
        Ok((response, opened))
    }

    async fn load_session(
        &self,
        request: LoadSessionRequest,
    ) -> Result<(LoadSessionResponse, Opened), Error> {
        let folder = self.folder(&request.cwd).await?;
        let notices = unused(&request.mcp_servers, &request.additional_directories);
        let opened = self
            .open(request.session_id.to_string(), folder, notices)
            .await?;
        history::replay(&opened.chat).await?;
        let (modes, options) = opened.shown();
        let response = LoadSessionResponse::new()
            .modes(modes)
            .config_options(options);
        Ok((response, opened))
    }

    async fn resume_session(
        &self,
        request: ResumeSessionRequest,
    ) -> Result<(ResumeSessionResponse, Opened), Error> {
        let folder = self.folder(&request.cwd).await?;
        let notices = unused(&request.mcp_servers, &request.additional_directories);
        let opened = self
            .open(request.session_id.to_string(), folder, notices)
            .await?;
        let (modes, options) = opened.shown();
        let response = ResumeSessionResponse::new()
            .modes(modes)
            .config_options(options);
        Ok((response, opened))
    }

    async fn list_sessions(
        &self,
        request: ListSessionsRequest,
    ) -> Result<ListSessionsResponse, Error> {
        let begin: usize = match &request.cursor {
            Some(cursor) => cursor
                .parse()
                .map_err(|_| invalid("no page has that cursor"))?,
            None => 0,
        };
        let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let cwd = request.cwd.clone().unwrap_or(here);
        let folder = self.folder(&cwd).await?;
        let everywhere = request.cwd.is_none();
        let listed = folder.blocking(move |folder| match everywhere {
            true => Ok(folder.environment.store().sessions(None)?),
            false => folder.sessions.sessions(),
        });
        let mut sessions = listed.await.and_then(|listed| listed).map_err(refused)?;
        // In the others nothing was said yet.
        sessions.retain(|session| !session.title.is_empty());
        let next = (sessions.len() > begin.saturating_add(PAGE)).then(|| begin + PAGE);
        let page = sessions.into_iter().skip(begin).take(PAGE).map(info);
        let response = ListSessionsResponse::new(page.collect());
        Ok(response.next_cursor(next.map(|next| next.to_string())))
    }

    async fn close_session(
        &self,
        request: CloseSessionRequest,
    ) -> Result<CloseSessionResponse, Error> {
        let chat = self.chat(&request.session_id.0)?;
        chat.cancel();
        chat.folder.leave(&chat.id);
        self.chats.remove(&chat.id);
        Ok(CloseSessionResponse::new())
    }

    async fn delete_session(
        &self,
        request: DeleteSessionRequest,
    ) -> Result<DeleteSessionResponse, Error> {
        let id = request.session_id.to_string();
        let folder = match self.chats.get(&id).map(|chat| Arc::clone(&chat.folder)) {
            Some(folder) => folder,
            None => {
                let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
                let any = self.folder(&here).await?;
                let wanted = id.clone();
                let found = any.blocking(move |folder| folder.environment.store().session(&wanted));
                let found = found.await.map_err(refused)?;
                let found = found.map_err(|error| refused(error.into()))?;
                self.folder(Path::new(&found.workspace)).await?
            }
        };
        let deleted = {
            let id = id.clone();
            folder.blocking(move |folder| folder.sessions.delete(&id))
        };
        deleted.await.and_then(|deleted| deleted).map_err(refused)?;
        folder.leave(&id);
        self.chats.remove(&id);
        Ok(DeleteSessionResponse::new())
    }

    async fn set_mode(
        &self,
        request: SetSessionModeRequest,
    ) -> Result<SetSessionModeResponse, Error> {
        let chat = self.chat(&request.session_id.0)?;
        let mode = mode(&request.mode_id.0)?;
        chat.set_mode(mode).await.map_err(refused)?;
        Ok(SetSessionModeResponse::new())
    }

    async fn set_config_option(
        &self,
        request: SetSessionConfigOptionRequest,
    ) -> Result<SetSessionConfigOptionResponse, Error> {
        let chat = self.chat(&request.session_id.0)?;
        let value = request
            .value
            .as_value_id()
            .ok_or_else(|| invalid("the value is no id"))?;
        let settled = match &*request.config_id.0 {
            // The client hears of it when it happens.
            options::MODE => chat.set_mode(mode(&value.0)?).await.map_err(refused)?,
            options::MODEL => {
                let settled = chat.set_model(value.to_string()).await.map_err(refused)?;
                chat.tell_settled(&settled);
                settled
            }
            other => return Err(invalid(format!("there is no option `{other}`"))),
        };
        let options = options::config_options(&settled, chat.folder.environment.config());
        Ok(SetSessionConfigOptionResponse::new(options))
    }

    /// Begins at once, so that a cancellation behind it finds it.
    fn prompt(&self, request: PromptRequest, responder: Responder<PromptResponse>) {
        let chat = match self.chat(&request.session_id.0) {
            Ok(chat) => chat,
            Err(error) => return log(responder.respond_with_error(error)),
        };
        let running = match chat.begin() {
            Ok(running) => running,
            Err(error) => return log(responder.respond_with_error(error)),
        };
        let request_cancelled = responder.cancellation();
        let cancel = running.cancel.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = request_cancelled.cancelled() => cancel.cancel(),
                () = cancel.cancelled() => {}
            }
        });
        tokio::spawn(async move {
            let cancel = running.cancel.clone();
            // In a task of its own: a panic ends the prompt, and the next one can come.
            let ended = tokio::spawn(turn::run(chat, request.prompt, running)).await;
            cancel.cancel();
            log(match ended {
                Ok(Ok(reason)) => responder.respond(PromptResponse::new(reason)),
                Ok(Err(error)) => responder.respond_with_error(error),
                Err(_) => {
                    let text = "an internal error ended the prompt; the log has the details";
                    responder.respond_with_error(Error::new(-32603, text))
                }
            });
        });
    }

    fn chat(&self, id: &str) -> Result<Arc<Chat>, Error> {
        let chat = self.chats.get(id).map(|chat| Arc::clone(&chat));
        chat.ok_or_else(|| {
            let text = format!("session `{id}` is not open; session/load opens it");
            Error::new(-32002, text)
        })
    }

    async fn open(
        &self,
        id: String,
        folder: Arc<Folder>,
        notices: Vec<String>,
    ) -> Result<Opened, Error> {
        let peer = Arc::clone(self.peer()?);
        let session = id.clone();
        let settled = folder.blocking(move |folder| folder.sessions.settled(&session));
        let settled = settled.await.and_then(|settled| settled).map_err(refused)?;
        // A client that opens a session again has it once.
        let chat = self
            .chats
            .entry(id.clone())
            .or_insert_with(|| Chat::new(id, folder, peer));
        let chat = Arc::clone(&chat);
        Ok(Opened {
            chat,
            settled,
            notices,
        })
    }

    fn peer(&self) -> Result<&Arc<Peer>, Error> {
        let missing = || Error::new(-32600, "the first request is `initialize`");
        self.peer.get().ok_or_else(missing)
    }

    /// The folder of that name, opened when it is not.
    async fn folder(&self, cwd: &Path) -> Result<Arc<Folder>, Error> {
        let peer = Arc::clone(self.peer()?);
        if !cwd.is_absolute() {
            return Err(invalid(format!("`{}` is no absolute path", cwd.display())));
        }
        if let Some(folder) = lock(&self.folders).get(cwd) {
            return Ok(Arc::clone(folder));
        }
        let (connector, root) = (Arc::clone(&self.connector), cwd.to_path_buf());
        let opened = tokio::task::spawn_blocking(move || {
            let environment = connector.connect(&root).map_err(invalid)?;
            Folder::open(&peer, environment, &root).map_err(refused)
        });
        let opened = opened
            .await
            .map_err(|error| Error::new(-32603, error.to_string()))??;
        let folder = {
            let mut folders = lock(&self.folders);
            // Who was first has it.
            Arc::clone(
                folders
                    .entry(cwd.to_path_buf())
                    .or_insert(Arc::clone(&opened)),
            )
        };
        if Arc::ptr_eq(&folder, &opened) {
            folder.recover().await;
            folder.serve(&self.jobs);
        }
        Ok(folder)
    }

    /// The client is gone: turns end, and sessions in which nothing was said go.
    async fn end(&self) {
        for chat in &self.chats {
            chat.cancel();
        }
        self.jobs.finish().await;
        let begun = std::mem::take(&mut *lock(&self.begun));
        let folders: Vec<Arc<Folder>> = lock(&self.folders).values().cloned().collect();
        let cleaning = tokio::task::spawn_blocking(move || {
            for id in begun {
                let of = |folder: &&Arc<Folder>| {
                    let summary = folder.sessions.summary(&id);
                    summary.is_ok_and(|summary| summary.title.is_empty())
                };
                if let Some(folder) = folders.iter().find(of)
                    && let Err(error) = folder.sessions.delete(&id)
                {
                    tracing::debug!(%error, "an empty session stays");
                }
            }
        });
        let _ = cleaning.await;
    }
}

fn mode(id: &str) -> Result<SessionMode, Error> {
    options::mode(id).ok_or_else(|| {
        invalid(format!(
            "`{id}` is no mode; there are plan, review and auto"
        ))
    })
}

/// Before anything is said: who has no key hears of it now.
async fn check_key(environment: &Environment) -> Result<(), Error> {
    let checked = tokio::time::timeout(KEY, environment.check_model()).await;
    match checked {
        Ok(Err(error)) => Err(Error::new(-32000, error.to_string())),
        // Slow is not wrong: the first prompt tells.
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}

/// What of a request is not used, in words.
fn unused(servers: &[McpServer], directories: &[PathBuf]) -> Vec<String> {
    let mut notices = Vec::new();
    if !servers.is_empty() {
        let names = servers.iter().map(|server| match server {
            McpServer::Stdio(server) => server.name.as_str(),
            McpServer::Http(server) => server.name.as_str(),
            McpServer::Sse(server) => server.name.as_str(),
            _ => "one of an unknown kind",
        });
        let names: Vec<&str> = names.collect();
        notices.push(format!(
            "MCP servers are not used yet: {} will not be called.",
            names.join(", ")
        ));
    }
    if !directories.is_empty() {
        notices.push(
            "More folders than one are not used; `map_dirs` in your configuration mounts them."
                .to_owned(),
        );
    }
    notices
}

fn info(session: SessionSummary) -> SessionInfo {
    let updated = i64::try_from(session.updated_ms).ok();
    let updated = updated.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    SessionInfo::new(session.session, session.workspace)
        .title(session.title)
        .updated_at(updated.map(|at| at.to_string()))
}
