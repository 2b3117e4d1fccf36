//! A real VS Code with our extension, as code-server in a browser. `vscode/review.js` asks by a command
//! and accepts one of three hunks by its lens while it types on; `vscode/chat.js` talks in the side bar,
//! reviews by keys, reloads the window and kills the server; `vscode/executors.js` has a manager at work.

use crate::review::{self, Screens};
use boxagnts_test_support::{Fixture, script};
use boxagnts_tests::World;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What `tests/setup vscode` installs.
struct Installed {
    node: PathBuf,
    /// Of npm.
    modules: PathBuf,
    chromium: PathBuf,
    /// Of the extension's sources.
    extension: PathBuf,
}

impl Installed {
    fn find() -> Option<Installed> {
        let chromium = std::env::var_os("BOXAGNTS_CHROMIUM").map(PathBuf::from);
        let installed = Installed {
            node: review::editors().join("bin/node"),
            modules: review::editors().join("vscode/node_modules"),
            chromium: chromium.or_else(|| review::program("chromium"))?,
            extension: Path::new(env!("CARGO_MANIFEST_DIR")).join("../editors/vscode"),
        };
        let done = installed.modules.join("../installed").is_file()
            && installed.extension.join("node_modules").is_dir();
        (done && installed.node.is_file()).then_some(installed)
    }

    /// Builds the extension as it is published, once for all tests; gives the file.
    fn package(&self) -> PathBuf {
        static PACKAGED: OnceLock<PathBuf> = OnceLock::new();
        PACKAGED.get_or_init(|| self.build()).clone()
    }

    fn build(&self) -> PathBuf {
        let mut path = self.modules.join(".bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut npm = Command::new("npm");
        npm.args(["run", "package"]).env("PATH", path);
        said(npm.current_dir(&self.extension));
        self.extension.join("boxagnts.vsix")
    }

    fn code_server(&self, world: &World, home: &Path) -> Command {
        let nowhere = "http://127.0.0.1:9/none";
        let gallery =
            json!({"serviceUrl": nowhere, "itemUrl": nowhere, "resourceUrlTemplate": nowhere});
        let mut server = Command::new(&self.node);
        server
            .arg(self.modules.join("code-server/out/node/entry.js"))
            .arg("--config")
            .arg(home.join("code-server.yaml"))
            .arg("--user-data-dir")
            .arg(home.join("vscode"))
            .arg("--extensions-dir")
            .arg(home.join("extensions"))
            .env_clear()
            .envs(world.environment())
            .env("EXTENSIONS_GALLERY", gallery.to_string());
        server
    }
}

/// Runs to the end; gives what was said on standard output.
fn said(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}\n{errors}");
    text
}

/// A running server with all the processes that it starts.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(installed: &Installed, world: &World, home: &Path, workspace: &Path) -> Server {
        let mut command = installed.code_server(world, home);
        command
            .args(["--auth", "none", "--bind-addr", "127.0.0.1:0"])
            .args(["--reconnection-grace-time", "5"])
            .args(["--disable-telemetry", "--disable-update-check"])
            .args([
                "--disable-workspace-trust",
                "--disable-getting-started-override",
            ])
            .arg(workspace)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = command.spawn().expect("code-server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let url = line.split("listening on ").nth(1)?;
            Some(url.trim().to_owned())
        });
        // What else it says is read, so that it can go on.
        std::thread::spawn(move || lines.map_while(Result::ok).count());
        let server = Server {
            child,
            url: url.clone().unwrap_or_default(),
        };
        assert!(url.is_some(), "code-server listens");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// What is started is a setting of the machine; the others make room on the screen.
fn configure(home: &Path, settings: &Value) {
    // For `latency.js`.
    let emmet = |what| format!("editor.emmet.action.{what}NumberByOne");
    let keys = json!([
        {"key": "ctrl+alt+j", "command": emmet("increment"), "when": "editorTextFocus"},
        {"key": "ctrl+alt+k", "command": emmet("decrement"), "when": "editorTextFocus"},
    ]);
    let machine = json!({
        "boxagnts.path": boxagnts_tests::binary(),
        "boxagnts.settings": settings,
    });
    let user = json!({
        "workbench.secondarySideBar.defaultVisibility": "hidden",
        "chat.disableAIFeatures": true,
        // Instead of the temporary folder's name.
        "window.commandCenter": false,
        "window.title": "${activeEditorShort}",
        // In a browser it would be on.
        "files.autoSave": "off",
        "editor.acceptSuggestionOnEnter": "off",
    });
    for (folder, settings) in [("Machine", machine), ("User", user)] {
        let folder = home.join("vscode").join(folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("settings.json"), settings.to_string()).expect("settings");
        std::fs::write(folder.join("keybindings.json"), keys.to_string()).expect("keys");
    }
}

/// One VS Code, and who clicks and types in it.
struct Driven {
    fixture: Fixture,
    /// What the driver prints.
    end: Value,
}

impl Driven {
    /// Runs `vscode/SCRIPT.js`; `None` when there is no VS Code here.
    fn by(script: &str, model: &str) -> Option<Driven> {
        Driven::with(script, &json!({"model": model}), |_, _| {})
    }

    /// The same with settings of its own, and something that is done before the editor starts.
    fn with(script: &str, settings: &Value, before: impl FnOnce(&World, &Path)) -> Option<Driven> {
        let Some(installed) = Installed::find() else {
            review::skip("code-server", "vscode");
            return None;
        };
        let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
        let world = World::new(home.path());
        let extension = installed.package();
        let mut install = installed.code_server(&world, home.path());
        said(install.arg("--install-extension").arg(extension));
        configure(home.path(), settings);
        before(&world, fixture.path());

        let screens = Screens::new(&format!("vscode-{script}"));
        let server = Server::start(&installed, &world, home.path(), fixture.path());
        let arguments = json!({
            "url": server.url,
            "browser": installed.chromium,
            "program": boxagnts_tests::binary(),
            "screens": screens.folder(),
            "file": fixture.path().join("invoice.py"),
            "prompt": review::PROMPT,
            "above": review::ABOVE,
            "below": review::BELOW,
        });
        let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/it/vscode"));
        let mut driver = Command::new(&installed.node);
        driver
            .arg(scripts.join(script).with_extension("js"))
            .arg(arguments.to_string())
            .env_clear()
            .envs(world.environment())
            .env("NODE_PATH", &installed.modules);
        let end = serde_json::from_str(&said(&mut driver)).expect("JSON");
        Some(Driven { fixture, end })
    }

    fn text(&self, name: &str) -> &str {
        self.end[name].as_str().expect("text")
    }
}

#[test]
fn one_of_three_hunks_is_accepted_while_typing_in_vs_code() {
    let before = review::workspace().read("invoice.py");
    let Some(driven) = Driven::by("review", "builtin") else {
        return;
    };
    let text = |name| driven.text(name);
    let typed = text("typed");
    assert_eq!(text("accepted"), review::expected(&before, typed, true));
    assert_eq!(text("saved"), text("accepted"));
    let file = driven.fixture.read("invoice.py");
    assert_eq!(file, text("saved"), "saved once");
    assert_eq!(
        text("decided"),
        text("saved").replace("'paid', total", "'paid', sum")
    );
    // With the hunk goes what was typed after it, and nothing else.
    assert_eq!(
        review::without(text("undone"), typed),
        review::without(&review::expected(&before, typed, false), typed)
    );
}

#[test]
fn a_session_outlives_the_window_and_the_server_in_vs_code() {
    let Some(driven) = Driven::by("chat", "builtin") else {
        return;
    };
    let text = |name| driven.text(name);
    let first = |text: &str| text.replacen("total = 0", "sum = 0", 1);
    assert_eq!(text("accepted"), first(text("before")));
    // The first and the last of three: the second one was rejected.
    let wanted = first(text("before")).replace("'paid', total", "'paid', sum");
    assert_eq!(text("decided"), wanted);
    assert_eq!(driven.fixture.read("invoice.py"), wanted);
}

#[test]
fn a_model_asks_its_user_in_vs_code() {
    let ask = |input| json!({"name": "ask_user", "input": input});
    let choices = json!([{"label": "First", "description": "the first one"}, {"label": "Second"}]);
    let script = script(json!([
        {"tool_calls": [ask(json!({"question": "Which one?", "choices": choices}))]},
        {"tool_calls": [ask(json!({"question": "And now?", "choices": choices}))]},
        {"tool_calls": [
            {"name": "todo", "input": {"items": [{"text": "ask", "status": "completed"}]}},
            ask(json!({"question": "Really?", "choices": choices, "allow_free_text": false})),
        ]},
        {"text": "I see."},
    ]));
    Driven::by("questions", &script.model());
}

#[test]
fn executors_are_reviewed_and_committed_to_a_branch_in_vs_code() {
    let script = review::manager();
    let Some(driven) = Driven::with("executors", &review::managed(&script), |_, _| {}) else {
        return;
    };
    let text = |name| driven.text(name);
    assert_eq!(text("head"), "main");
    assert_eq!(text("message"), "What both did");
    assert_eq!(text("files"), "invoice.py,one.txt");
}

#[test]
fn what_a_scheduled_task_left_is_told_and_opened_in_vs_code() {
    Driven::with(
        "schedules",
        &json!({"model": "builtin"}),
        |world, workspace| {
            let folder = workspace.display().to_string();
            let add = [
                "schedule",
                "add",
                "--name",
                "tidy",
                "--cron",
                "@yearly",
                "--workspace",
                &folder,
                "--model",
                "builtin",
                review::PROMPT,
            ];
            for arguments in [&add[..], &["schedule", "run", "tidy"]] {
                said(&mut world.command(arguments));
            }
        },
    );
}

/// The milliseconds of `server/BENCHMARKS.md`, where it says how.
#[test]
#[ignore = "measures, and asserts nothing"]
fn measure_the_key_that_accepts_in_vs_code() {
    let Some(driven) = Driven::by("latency", "builtin") else {
        return;
    };
    review::tell_times("VS Code", &driven.end["times"]);
    review::tell_times("VS Code, an extension that only edits", &driven.end["peer"]);
}

#[test]
fn the_settings_of_the_extension_are_those_of_the_program() {
    let Some(node) = review::program("node") else {
        return review::skip("node", "vscode");
    };
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../editors/vscode/scripts/settings.mjs"
    );
    let mut check = Command::new(node);
    said(
        check
            .arg(script)
            .arg(boxagnts_tests::binary())
            .arg("--check"),
    );
}
