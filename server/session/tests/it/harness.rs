//! A workspace, a journal, and processes that come and go.

use boxagnts_protocol::commands::{AskResult, WhenBusy};
use boxagnts_protocol::proposal::SessionState;
use boxagnts_protocol::question::{QuestionParams, UserAnswer};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome, Update};
use boxagnts_session::model::Recording;
use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::store::Store;
use boxagnts_session::tools::{Sandbox, Toolbox};
use boxagnts_session::workspace::NoBuffers;
use boxagnts_session::{
    Applier, Ask, Asker, Choice, DiskApplier, Environment, EnvironmentParts, NoAsker, Question,
    Sessions,
};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

/// One for all tests of the process: tools are compiled once.
fn toolbox() -> Arc<Toolbox> {
    static TOOLBOX: OnceLock<Arc<Toolbox>> = OnceLock::new();
    Arc::clone(TOOLBOX.get_or_init(|| {
        let cache = std::env::temp_dir().join("boxagnts-test-cache");
        Toolbox::new(Sandbox::new(Some(cache))).expect("the embedded tools can be read")
    }))
}

/// What outlives a process.
pub struct World {
    pub folder: TempDir,
    state: TempDir,
}

impl World {
    /// Files, each of which a model's first turn rewrites to its name in capitals.
    pub fn new(files: &[&str]) -> World {
        let world = World {
            folder: TempDir::new().expect("a folder"),
            state: TempDir::new().expect("a folder"),
        };
        let mut calls = Vec::new();
        for file in files {
            std::fs::write(world.folder.path().join(file), format!("{file}\n")).expect("a file");
            let content = format!("{}\n", file.to_uppercase());
            calls.push(json!({"name": "write", "input": {"path": file, "content": content}}));
        }
        world.script(&json!([{"tool_calls": calls}, {"text": "Done."}]));
        world
    }

    /// What the model says from now on.
    pub fn script(&self, turns: &Value) {
        let path = self.state.path().join("script.json");
        std::fs::write(path, turns.to_string()).expect("a file");
    }

    /// The model that says it.
    pub fn model(&self) -> String {
        format!("scripted:{}", self.beside("script.json").display())
    }

    /// A file that goes with the world, outside of the workspace.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    /// A process that opens the workspace; it is gone when the value and its runtime are.
    pub fn process(&self, applier: Arc<dyn Applier>) -> Process {
        let settings = json!({"model": self.model()});
        self.process_with(applier, &settings, None)
    }

    /// As [`World::process`], with these settings, and recorded.
    pub fn process_with(
        &self,
        applier: Arc<dyn Applier>,
        settings: &Value,
        recording: Option<Arc<Recording>>,
    ) -> Process {
        let environment = Environment::new(parts(self.state.path(), settings));
        if let Some(recording) = recording {
            environment.record(recording);
        }
        self.serve(environment, applier, Arc::new(NoAsker))
    }

    /// As [`World::process`], with these settings, and somebody to ask. `project` is what the
    /// workspace's own file sets.
    pub fn process_asking(
        &self,
        settings: &Value,
        project: &Value,
        asker: Arc<dyn Asker>,
    ) -> Process {
        let mut all = json!({"model": self.model()});
        if let (Some(all), Some(more)) = (all.as_object_mut(), settings.as_object()) {
            all.extend(more.clone());
        }
        let parts = EnvironmentParts {
            config: config(&all, project),
            ..parts(self.state.path(), &all)
        };
        self.serve(Environment::new(parts), Arc::new(DiskApplier), asker)
    }

    fn serve(
        &self,
        environment: Arc<Environment>,
        applier: Arc<dyn Applier>,
        asker: Arc<dyn Asker>,
    ) -> Process {
        let root = self.folder.path();
        environment.keep_worktrees(self.beside("worktrees"));
        let process = Process::open(environment, root, applier, asker);
        let journal = Store::open(&self.state.path().join("journal.db"));
        Process {
            journal: Some(journal.expect("a journal")),
            ..process
        }
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).expect("a file")
    }
}

/// A user's settings, and those of the workspace's own file.
fn config(settings: &Value, project: &Value) -> Config {
    let mut builder = Config::builder();
    for (layer, settings) in [(Layer::User, settings), (Layer::Project, project)] {
        let added = builder.add_json(layer, "test", settings);
        added.expect("settings");
    }
    builder.build()
}

/// What an environment is made of.
pub fn parts(state: &Path, settings: &Value) -> EnvironmentParts {
    let mut builder = Config::builder();
    let added = builder.add_json(Layer::Editor, "test", settings);
    added.expect("settings");
    EnvironmentParts {
        config: builder.build(),
        store: Store::open(&state.join("journal.db")).expect("a journal"),
        toolbox: toolbox(),
    }
}

pub struct Process {
    pub sessions: Arc<Sessions>,
    journal: Option<Store>,
    updates: UnboundedReceiver<Update>,
}

impl Process {
    pub fn open(
        environment: Arc<Environment>,
        root: &Path,
        applier: Arc<dyn Applier>,
        asker: Arc<dyn Asker>,
    ) -> Process {
        let sessions = Sessions::open(environment, root, Arc::new(NoBuffers), applier, asker);
        let sessions = sessions.expect("a workspace");
        Process {
            updates: sessions.subscribe(),
            sessions,
            journal: None,
        }
    }

    /// A session whose first turn has ended.
    pub async fn asked(&mut self) -> String {
        self.ask(None).await
    }

    /// A session, this one when it is given, whose turn has ended.
    pub async fn ask(&mut self, session: Option<&str>) -> String {
        self.ask_for_end(session).await.0
    }

    /// As [`Process::ask`], with how the turn ended.
    pub async fn ask_for_end(&mut self, session: Option<&str>) -> (String, SessionEvent) {
        let session = self.begin(session);
        let ended = self
            .until(|event| matches!(event, SessionEvent::TurnEnded { .. }))
            .await;
        (session, ended)
    }

    /// A session, this one when it is given, whose turn has begun.
    pub fn begin(&self, session: Option<&str>) -> String {
        self.say(session, "go", WhenBusy::Refuse).session
    }

    /// Says something in a session, a new one when none is given.
    pub fn say(&self, session: Option<&str>, prompt: &str, when_busy: WhenBusy) -> AskResult {
        let ask = Ask {
            prompt: prompt.to_owned(),
            session: session.map(str::to_owned),
            when_busy,
            ..Ask::default()
        };
        self.sessions.ask(ask).expect("asked")
    }

    /// How the turn ends that runs.
    pub async fn end(&mut self) -> TurnOutcome {
        let ended = |event: &SessionEvent| matches!(event, SessionEvent::TurnEnded { .. });
        match self.until(ended).await {
            SessionEvent::TurnEnded { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// The conversation as its model would be sent it, as text.
    pub fn conversation(&self, session: &str) -> String {
        let (system, messages) = self.sessions.conversation(session).expect("a conversation");
        let messages = serde_json::to_string_pretty(&*messages).expect("JSON");
        format!("{system}\n{messages}")
    }

    /// Waits until no turn of the session runs.
    pub async fn rest(&mut self, session: &str) {
        let running = |process: &Process| {
            let proposal = process.sessions.proposal(session).expect("a proposal");
            proposal.state == SessionState::Running
        };
        // Its end is told behind that.
        while running(self) {
            self.end().await;
        }
    }

    /// The events of a session, as the journal has them.
    pub fn journal(&self, session: &str) -> Vec<SessionEvent> {
        let entries = self.store().events(session, 0).expect("a journal");
        let events = entries.into_iter().filter_map(|entry| entry.event.known());
        events.collect()
    }

    /// A session, this one when it is given, whose turn with this prompt has ended, and all events of
    /// the turn.
    pub async fn turn(
        &mut self,
        session: Option<&str>,
        prompt: &str,
    ) -> (String, Vec<SessionEvent>) {
        let ask = Ask {
            prompt: prompt.to_owned(),
            session: session.map(str::to_owned),
            ..Ask::default()
        };
        let session = self.sessions.ask(ask).expect("asked").session;
        let mut events = Vec::new();
        loop {
            let update = self.updates.recv().await.expect("an update");
            // Executors have turns too.
            if update.session != session {
                continue;
            }
            let ended = matches!(update.event, SessionEvent::TurnEnded { .. });
            events.push(update.event);
            if ended {
                return (session, events);
            }
        }
    }

    pub async fn until(&mut self, fits: impl Fn(&SessionEvent) -> bool) -> SessionEvent {
        loop {
            let event = self.updates.recv().await.expect("an update").event;
            if fits(&event) {
                return event;
            }
        }
    }

    /// What happens in a session, up to and with what fits.
    pub async fn events_until(
        &mut self,
        session: &str,
        mut fits: impl FnMut(&SessionEvent) -> bool,
    ) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        loop {
            let update = self.updates.recv().await.expect("an update");
            if update.session == session {
                events.push(update.event);
                if events.last().is_some_and(&mut fits) {
                    return events;
                }
            }
        }
    }

    /// The journal, as another reader sees it.
    pub fn store(&self) -> &Store {
        self.journal.as_ref().expect("the process of a world")
    }

    /// Hunks that wait, by path.
    pub fn waiting(&self, session: &str) -> Vec<String> {
        let proposal = serde_json::to_value(self.sessions.proposal(session).expect("a proposal"));
        let proposal = proposal.expect("JSON");
        let files = proposal["files"].as_array().expect("files").iter();
        let waits = |file: &&Value| file["hunks"][0]["state"] == "pending";
        files
            .filter(waits)
            .map(|file| file["path"].as_str().expect("a path").to_owned())
            .collect()
    }
}

/// A user with these answers to a model's questions, who takes for ever for further ones.
#[derive(Default)]
pub struct Answers {
    left: Mutex<VecDeque<UserAnswer>>,
    /// What was asked, in order.
    pub asked: Mutex<Vec<QuestionParams>>,
}

impl Answers {
    pub fn new(answers: impl IntoIterator<Item = UserAnswer>) -> Arc<Answers> {
        Arc::new(Answers {
            left: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::default(),
        })
    }
}

/// An answer by choosing and by words.
pub fn given(choices: &[&str], text: Option<&str>) -> UserAnswer {
    UserAnswer::Given {
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        text: text.map(str::to_owned),
    }
}

#[async_trait::async_trait]
impl Asker for Answers {
    async fn ask(&self, _question: &Question) -> Choice {
        Choice::Nobody
    }

    async fn inquire(&self, asked: &QuestionParams) -> UserAnswer {
        self.asked.lock().expect("a lock").push(asked.clone());
        let answer = self.left.lock().expect("a lock").pop_front();
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

/// What tools said, in the order in which they ended, with whether they failed.
pub fn said(events: &[SessionEvent]) -> Vec<(String, bool)> {
    let said = events.iter().filter_map(|event| match event {
        SessionEvent::ToolFinished { report, .. } => Some((report.for_model(), report.ok)),
        _ => None,
    });
    said.collect()
}
