//! An agent in this process with its own workspace and journal, and a client for it.

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    CancelNotification, ClientCapabilities, ContentBlock, CreateElicitationRequest,
    CreateElicitationResponse, ElicitationAcceptAction, ElicitationAction, ElicitationCapabilities,
    ElicitationFormCapabilities, FileSystemCapabilities, InitializeRequest, InitializeResponse,
    LoadSessionRequest, NewSessionRequest, NewSessionResponse, PromptRequest, ReadTextFileRequest,
    ReadTextFileResponse, RequestPermissionOutcome, RequestPermissionRequest,
    RequestPermissionResponse, SelectedPermissionOutcome, SessionNotification, SessionUpdate,
    StopReason, WriteTextFileRequest, WriteTextFileResponse,
};
use agent_client_protocol::{
    Agent, Client, Error, Lines, on_receive_notification, on_receive_request,
};
use boxagnts_acp::{Connector, serve};
use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::store::Store;
use boxagnts_session::tools::{Sandbox, Toolbox};
use boxagnts_session::{Environment, EnvironmentParts};
use boxagnts_test_support::Fixture;
use futures::{StreamExt, sink};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Two functions far enough apart to be two hunks, and another file.
pub const FILES: &str = "
    //- /a.rs
    fn one() {}
    // a
    // b
    // c
    // d
    fn two() {}
    //- /b.txt
    bee
";

/// One for all tests of the process: tools are compiled once.
fn toolbox() -> Arc<Toolbox> {
    static TOOLBOX: OnceLock<Arc<Toolbox>> = OnceLock::new();
    Arc::clone(TOOLBOX.get_or_init(|| {
        let cache = std::env::temp_dir().join("boxagnts-test-cache");
        Toolbox::new(Sandbox::new(Some(cache))).expect("the embedded tools can be read")
    }))
}

struct TestConnector {
    journal: PathBuf,
    settings: Value,
}

impl Connector for TestConnector {
    fn connect(&self, _root: &Path) -> Result<Arc<Environment>, String> {
        let mut builder = Config::builder();
        let added = builder.add_json(Layer::User, "test", &self.settings);
        added.map_err(|error| error.to_string())?;
        let store = Store::open(&self.journal).map_err(|error| error.to_string())?;
        Ok(Environment::new(EnvironmentParts {
            config: builder.build(),
            store,
            toolbox: toolbox(),
        }))
    }
}

/// A workspace, a journal, and agents for them.
pub struct Harness {
    pub fixture: Fixture,
    state: TempDir,
    pub settings: Value,
}

impl Harness {
    /// A workspace with [`FILES`]; the model says what the script says.
    pub fn new(script: Value) -> Harness {
        let state = TempDir::new().expect("a folder");
        let path = state.path().join("script.json");
        std::fs::write(&path, script.to_string()).expect("the script");
        Harness {
            fixture: Fixture::new(FILES),
            settings: json!({"model": format!("scripted:{}", path.display())}),
            state,
        }
    }

    /// Another process' way to the journal.
    pub fn store(&self) -> Store {
        Store::open(&self.state.path().join("journal.db")).expect("the journal")
    }

    /// Starts an agent; gives the client's end, and what ends with the agent.
    pub fn serve(&self) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (read, write) = tokio::io::split(server);
        let connector = Arc::new(TestConnector {
            journal: self.state.path().join("journal.db"),
            settings: self.settings.clone(),
        });
        (client, tokio::spawn(serve(read, write, connector)))
    }

    /// A client that has said hello.
    pub async fn start(&self, behaves: Behaves) -> TestClient {
        let (stream, serving) = self.serve();
        let mut client = TestClient::connect(stream, serving, behaves).await;
        client.root = self.fixture.path().to_path_buf();
        client
    }

    /// A client with a session.
    pub async fn begin(&self, behaves: Behaves) -> (TestClient, String) {
        let client = self.start(behaves).await;
        let session = client.new_session().await.session_id.to_string();
        (client, session)
    }
}

/// What a client can and does.
#[derive(Clone, Copy, Default)]
pub struct Behaves {
    pub reads: bool,
    pub writes: bool,
    /// Shows forms.
    pub forms: bool,
    /// Never answers requests about files.
    pub is_silent: bool,
    /// Says that it wrote, and does not.
    pub lies: bool,
    /// Refuses to write.
    pub refuses: bool,
    /// Shows text without carriage returns, and keeps those of the disk, as Zed does.
    pub hides_returns: bool,
}

/// A client with a file system, as most editors are.
pub const EDITOR: Behaves = Behaves {
    reads: true,
    writes: true,
    forms: false,
    is_silent: false,
    lies: false,
    refuses: false,
    hides_returns: false,
};

/// What a client says to a question.
pub enum Reply {
    Option(&'static str),
    /// What is filled in.
    Form(Value),
    Dismiss,
    Silence,
}

#[derive(Default)]
struct State {
    updates: Vec<(String, SessionUpdate)>,
    questions: Vec<RequestPermissionRequest>,
    forms: Vec<CreateElicitationRequest>,
    replies: VecDeque<Reply>,
    /// Open documents with unsaved text.
    documents: HashMap<PathBuf, String>,
    read: Vec<PathBuf>,
    written: Vec<PathBuf>,
}

/// The other end of a connection.
pub struct TestClient {
    pub cx: ConnectionTo<Agent>,
    pub hello: InitializeResponse,
    pub root: PathBuf,
    state: Arc<Mutex<State>>,
    news: watch::Receiver<u64>,
    serving: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    driving: JoinHandle<()>,
}

impl TestClient {
    async fn connect(
        stream: DuplexStream,
        serving: JoinHandle<()>,
        behaves: Behaves,
    ) -> TestClient {
        let state = Arc::new(Mutex::new(State::default()));
        let (tick, news) = watch::channel(0_u64);
        let tick = Arc::new(tick);
        let (read, write) = tokio::io::split(stream);
        let lines = tokio_lines(read);
        let out = sink::unfold(write, |mut write, mut line: String| async move {
            line.push('\n');
            write.write_all(line.as_bytes()).await?;
            Ok::<_, std::io::Error>(write)
        });
        let (asked, filling, reading, writing, hearing) = (
            Arc::clone(&state),
            Arc::clone(&state),
            Arc::clone(&state),
            Arc::clone(&state),
            Arc::clone(&state),
        );
        let asked_tick = Arc::clone(&tick);
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let client = Client
            .v1()
            .on_receive_request(
                async move |request: RequestPermissionRequest,
                            responder: agent_client_protocol::v1::Responder<
                    RequestPermissionResponse,
                >,
                            _: ConnectionTo<Agent>| {
                    let reply = {
                        let mut state = asked.lock().expect("a lock");
                        state.questions.push(request);
                        state.replies.pop_front().unwrap_or(Reply::Dismiss)
                    };
                    asked_tick.send_modify(|tick| *tick += 1);
                    let outcome = match reply {
                        Reply::Option(id) => {
                            RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(id))
                        }
                        Reply::Dismiss | Reply::Form(_) => RequestPermissionOutcome::Cancelled,
                        Reply::Silence => {
                            std::mem::forget(responder);
                            return Ok(());
                        }
                    };
                    responder.respond(RequestPermissionResponse::new(outcome))
                },
                on_receive_request!(),
            )
            .on_receive_request(
                async move |request: CreateElicitationRequest,
                            responder: agent_client_protocol::v1::Responder<
                    CreateElicitationResponse,
                >,
                            _: ConnectionTo<Agent>| {
                    let reply = {
                        let mut state = filling.lock().expect("a lock");
                        state.forms.push(request);
                        state.replies.pop_front()
                    };
                    let action = match reply {
                        Some(Reply::Form(content)) => {
                            let content = serde_json::from_value(content).expect("fields");
                            let content: BTreeMap<_, _> = content;
                            ElicitationAction::Accept(
                                ElicitationAcceptAction::new().content(content),
                            )
                        }
                        _ => ElicitationAction::Cancel,
                    };
                    responder.respond(CreateElicitationResponse::new(action))
                },
                on_receive_request!(),
            )
            .on_receive_request(
                async move |request: ReadTextFileRequest,
                            responder: agent_client_protocol::v1::Responder<
                    ReadTextFileResponse,
                >,
                            _: ConnectionTo<Agent>| {
                    let document = {
                        let mut state = reading.lock().expect("a lock");
                        state.read.push(request.path.clone());
                        state.documents.get(&request.path).cloned()
                    };
                    if behaves.is_silent {
                        std::mem::forget(responder);
                        return Ok(());
                    }
                    match document.or_else(|| std::fs::read_to_string(&request.path).ok()) {
                        Some(text) if behaves.hides_returns => {
                            responder.respond(ReadTextFileResponse::new(text.replace("\r\n", "\n")))
                        }
                        Some(text) => responder.respond(ReadTextFileResponse::new(text)),
                        None => responder.respond_with_error(Error::new(-32002, "no such file")),
                    }
                },
                on_receive_request!(),
            )
            .on_receive_request(
                async move |request: WriteTextFileRequest,
                            responder: agent_client_protocol::v1::Responder<
                    WriteTextFileResponse,
                >,
                            _: ConnectionTo<Agent>| {
                    let mut state = writing.lock().expect("a lock");
                    state.written.push(request.path.clone());
                    if behaves.refuses {
                        drop(state);
                        return responder
                            .respond_with_error(Error::new(-32603, "the user said no"));
                    }
                    if !behaves.lies {
                        // As editors do: the document is saved.
                        state.documents.remove(&request.path);
                        let had = std::fs::read_to_string(&request.path).unwrap_or_default();
                        let text = match behaves.hides_returns && had.contains("\r\n") {
                            true => request.content.replace("\r\n", "\n").replace('\n', "\r\n"),
                            false => request.content,
                        };
                        std::fs::write(&request.path, text).expect("written");
                    }
                    drop(state);
                    responder.respond(WriteTextFileResponse::new())
                },
                on_receive_request!(),
            )
            .on_receive_notification(
                async move |update: SessionNotification, _: ConnectionTo<Agent>| {
                    let mut state = hearing.lock().expect("a lock");
                    state
                        .updates
                        .push((update.session_id.to_string(), update.update));
                    drop(state);
                    tick.send_modify(|tick| *tick += 1);
                    Ok(())
                },
                on_receive_notification!(),
            );
        let driving = tokio::spawn(async move {
            let driven = client.connect_with(Lines::new(out, lines), async |cx| {
                let _ = tell.send(cx);
                let _ = stopped.await;
                Ok(())
            });
            let _ = driven.await;
        });
        let cx: ConnectionTo<Agent> = told.await.expect("a connection");
        let fs = FileSystemCapabilities::new()
            .read_text_file(behaves.reads)
            .write_text_file(behaves.writes);
        let mut can = ClientCapabilities::new().fs(fs);
        if behaves.forms {
            let forms = ElicitationFormCapabilities::new();
            can = can.elicitation(ElicitationCapabilities::new().form(forms));
        }
        let hello = InitializeRequest::new(ProtocolVersion::V1).client_capabilities(can);
        let hello = cx.send_request(hello).block_task().await.expect("hello");
        TestClient {
            cx,
            hello,
            root: PathBuf::new(),
            state,
            news,
            serving,
            stop,
            driving,
        }
    }

    pub async fn new_session(&self) -> NewSessionResponse {
        let request = NewSessionRequest::new(&self.root);
        self.cx
            .send_request(request)
            .block_task()
            .await
            .expect("a session")
    }

    pub async fn load(&self, session: &str) -> Result<(), Error> {
        let request = LoadSessionRequest::new(session.to_owned(), &self.root);
        self.cx.send_request(request).block_task().await.map(|_| ())
    }

    pub async fn prompt(&self, session: &str, text: &str) -> Result<StopReason, Error> {
        self.ask(session, text).await.expect("no panic")
    }

    /// A prompt whose end is waited for later; it is on its way when this returns.
    pub fn ask(&self, session: &str, text: &str) -> JoinHandle<Result<StopReason, Error>> {
        let blocks = vec![ContentBlock::from(text)];
        let request = PromptRequest::new(session.to_owned(), blocks);
        let answer = self.cx.send_request(request).block_task();
        tokio::spawn(async move { answer.await.map(|answer| answer.stop_reason) })
    }

    pub fn cancel(&self, session: &str) {
        let cancel = CancelNotification::new(session.to_owned());
        self.cx.send_notification(cancel).expect("sent");
    }

    pub fn will_reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().expect("a lock").replies.extend(replies);
    }

    /// Opens a document and types into it.
    pub fn types(&self, path: &str, text: &str) {
        let mut state = self.state.lock().expect("a lock");
        state
            .documents
            .insert(self.root.join(path), text.to_owned());
    }

    /// The unsaved text of a document.
    pub fn document(&self, path: &str) -> Option<String> {
        self.state
            .lock()
            .expect("a lock")
            .documents
            .get(&self.root.join(path))
            .cloned()
    }

    pub fn written(&self) -> Vec<String> {
        self.relative(|state| &state.written)
    }

    pub fn read(&self) -> Vec<String> {
        self.relative(|state| &state.read)
    }

    fn relative(&self, paths: impl Fn(&State) -> &Vec<PathBuf>) -> Vec<String> {
        let state = self.state.lock().expect("a lock");
        let below = |path: &PathBuf| path.strip_prefix(&self.root).expect("below").to_path_buf();
        paths(&state)
            .iter()
            .map(|path| below(path).display().to_string())
            .collect()
    }

    /// The questions so far, as JSON.
    pub fn questions(&self) -> Vec<Value> {
        let state = self.state.lock().expect("a lock");
        let questions = state.questions.iter();
        questions
            .map(|question| serde_json::to_value(question).expect("JSON"))
            .collect()
    }

    /// The forms so far, as JSON.
    pub fn forms(&self) -> Value {
        let state = self.state.lock().expect("a lock");
        serde_json::to_value(&state.forms).expect("JSON")
    }

    /// What was heard so far, as JSON.
    pub fn updates(&self) -> Vec<Value> {
        let state = self.state.lock().expect("a lock");
        let updates = state.updates.iter();
        updates
            .map(|(_, update)| serde_json::to_value(update).expect("JSON"))
            .collect()
    }

    pub fn forget_updates(&self) {
        self.state.lock().expect("a lock").updates.clear();
    }

    /// What the agent said so far.
    pub fn said(&self) -> String {
        let chunks = self.updates();
        let chunks = chunks
            .iter()
            .filter(|u| u["sessionUpdate"] == "agent_message_chunk");
        chunks
            .filter_map(|chunk| chunk["content"]["text"].as_str())
            .collect()
    }

    /// Waits until it is so.
    pub async fn until(&self, so: impl Fn(&TestClient) -> bool) {
        let mut news = self.news.clone();
        loop {
            news.borrow_and_update();
            if so(self) {
                return;
            }
            news.changed().await.expect("more to come");
        }
    }

    pub async fn until_asked(&self, questions: usize) {
        self.until(|client| client.questions().len() >= questions)
            .await;
    }

    /// Closes the connection, and waits for the agent's end.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.driving.await.expect("the client ends");
        self.serving.await.expect("the agent ends by itself");
    }

    /// Ends the agent as a kill does.
    pub async fn kill(self) {
        self.serving.abort();
        let _ = self.serving.await;
        self.driving.abort();
    }
}

fn tokio_lines(
    read: impl tokio::io::AsyncRead + Send + Unpin + 'static,
) -> impl futures::Stream<Item = std::io::Result<String>> + Send {
    let lines = BufReader::new(read).lines();
    Box::pin(futures::stream::try_unfold(lines, |mut lines| async move {
        Ok(lines.next_line().await?.map(|line| (line, lines)))
    }))
}

/// One raw line, and what is answered to it.
pub struct Raw {
    write: tokio::io::WriteHalf<DuplexStream>,
    lines: std::pin::Pin<Box<dyn futures::Stream<Item = std::io::Result<String>> + Send>>,
}

impl Raw {
    pub fn new(stream: DuplexStream) -> Raw {
        let (read, write) = tokio::io::split(stream);
        Raw {
            write,
            lines: Box::pin(tokio_lines(read)),
        }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.write.write_all(bytes).await.expect("sent");
    }

    pub async fn hear(&mut self) -> Value {
        let line = self.lines.next().await.expect("a line").expect("readable");
        serde_json::from_str(&line).expect("JSON")
    }
}

/// A turn that edits both functions of `a.rs` and writes `b.txt`, and says so.
pub fn edits_both() -> Value {
    json!([
        {"text": "Editing.", "tool_calls": [
            {"name": "edit", "input": {"path": "a.rs", "edits": [
                {"old_text": "fn one() {}", "new_text": "fn first() {}"},
                {"old_text": "fn two() {}", "new_text": "fn second() {}"},
            ]}},
            {"name": "write", "input": {"path": "b.txt", "content": "bee\ncee\n"}},
        ]},
        {"text": "Both are changed."},
    ])
}

/// A turn with one call, and another answer.
pub fn calls(name: &str, input: Value) -> Value {
    json!([{"tool_calls": [{"name": name, "input": input}]}, {"text": "Done."}])
}
