//! A server in this process with its own workspace and journal.

use boxagnts_lsp::{Connector, serve};
use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::store::Store;
use boxagnts_session::tools::{Sandbox, Toolbox};
use boxagnts_session::{Environment, EnvironmentParts};
use boxagnts_test_support::Editor;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Two functions far enough apart to be two hunks.
pub const TWO: &str = "fn one() {}\n// a\n// b\n// c\n// d\nfn two() {}\n";

/// One for all tests of the process: tools are compiled once.
fn toolbox() -> Arc<Toolbox> {
    static TOOLBOX: OnceLock<Arc<Toolbox>> = OnceLock::new();
    Arc::clone(TOOLBOX.get_or_init(|| {
        let cache = std::env::temp_dir().join("boxagnts-test-cache");
        Toolbox::new(Sandbox::new(Some(cache))).expect("the embedded tools can be read")
    }))
}

struct TestConnector {
    journal: std::path::PathBuf,
}

impl Connector for TestConnector {
    fn connect(&self, _root: &Path, settings: &Value) -> Result<Arc<Environment>, String> {
        let mut builder = Config::builder();
        let added = builder.add_json(Layer::Editor, "test", settings);
        added.map_err(|error| error.to_string())?;
        let store = Store::open(&self.journal).map_err(|error| error.to_string())?;
        let config = builder.build();
        let environment = Environment::new(EnvironmentParts {
            config,
            store,
            toolbox: toolbox(),
        });
        environment.keep_worktrees(self.journal.with_file_name("worktrees"));
        Ok(environment)
    }
}

/// A workspace, a journal, and servers for them.
pub struct Harness {
    pub folder: TempDir,
    state: TempDir,
    serving: Option<JoinHandle<()>>,
}

impl Harness {
    /// A workspace with these files.
    pub fn new(files: &[(&str, &str)]) -> Harness {
        let folder = TempDir::new().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        Harness {
            folder,
            state: TempDir::new().expect("a folder"),
            serving: None,
        }
    }

    /// Starts a server and a client that has said hello. `script` is what the model says.
    pub async fn start(&mut self, capabilities: Value, script: Value) -> Editor {
        let settings = self.settings(script);
        self.start_with(capabilities, settings).await
    }

    /// Settings with a model that follows the script.
    pub fn settings(&self, script: Value) -> Value {
        let path = self.state.path().join("script.json");
        std::fs::write(&path, script.to_string()).expect("the script");
        json!({"model": format!("scripted:{}", path.display())})
    }

    pub async fn start_with(&mut self, capabilities: Value, settings: Value) -> Editor {
        let mut editor = self.connect();
        editor.initialize(capabilities, settings).await;
        editor
    }

    /// A second server on the same workspace and journal, as another editor starts one.
    pub async fn another(&mut self, capabilities: Value, settings: Value) -> (Editor, Harness) {
        let first = self.serving.take();
        let mut editor = self.connect();
        let serving = std::mem::replace(&mut self.serving, first);
        editor.initialize(capabilities, settings).await;
        // Folders of its own that nobody uses: they are the first one's.
        let harness = Harness {
            serving,
            ..Harness::new(&[])
        };
        (editor, harness)
    }

    /// Starts a server and a client that has said nothing yet.
    pub fn connect(&mut self) -> Editor {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (server_read, server_write) = tokio::io::split(server);
        let (client_read, client_write) = tokio::io::split(client);
        let journal = self.state.path().join("journal.db");
        let connector = Arc::new(TestConnector { journal });
        self.serving = Some(tokio::spawn(serve(server_read, server_write, connector)));
        Editor::new(client_read, client_write, self.folder.path())
    }

    /// Ends the server as a closed editor does, and waits for its end.
    pub async fn stop(&mut self, mut editor: Editor) {
        editor.shut_down().await;
        self.serving
            .take()
            .expect("a server")
            .await
            .expect("the server ends by itself");
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.folder.path().join(path), text).expect("written");
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).expect("a file")
    }
}

/// A turn that edits both functions of [`TWO`] in `path`, and one that says so.
pub fn edits_two(path: &str) -> Value {
    json!([
        {"text": "Editing.", "tool_calls": [{"name": "edit", "input": {"path": path, "edits": [
            {"old_text": "fn one() {}", "new_text": "fn first() {}"},
            {"old_text": "fn two() {}", "new_text": "fn second() {}"},
        ]}}]},
        {"text": "Both are renamed."},
    ])
}

/// What a client declares that has versions, progress and questions, as Neovim and Helix do.
pub fn capabilities() -> Value {
    json!({
        "workspace": {"workspaceEdit": {"documentChanges": true}, "applyEdit": true},
        "window": {"workDoneProgress": true, "showMessage": {}, "showDocument": {"support": true}},
    })
}
