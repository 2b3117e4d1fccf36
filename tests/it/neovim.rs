//! Real Neovims, old and new, with the plugin as users install it: a new user's path, what goes
//! wrong, what the help says; in a terminal, accept one of three hunks while typing goes on.

use crate::review::{self, ABOVE, BELOW, MOST_LETTERS, Screens, Terminal};
use boxagnts_test_support::{Answer, Fault, Fixture, ModelServer, script};
use boxagnts_tests::World;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const BEFORE: &str = "fn one() {}\n// a\n// b\n// c\n// d\nfn two() {}\n";

const PLUGIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../editors/neovim");

/// The Neovims that are there: the machine's own, and one of 0.10 or later. Others are skipped.
fn neovims() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::split_paths(&path).map(|folder| folder.join("nvim"));
    let own = own.into_iter().find(|program| program.is_file());
    let newer = review::editors().join("bin/nvim");
    let newer = Some(newer).filter(|program| program.is_file());
    if own.is_none() {
        review::skip("nvim", "neovim");
    }
    if newer.is_none() && !own.as_deref().is_some_and(is_new) {
        review::skip("nvim 0.10", "neovim10");
    }
    own.into_iter().chain(newer).collect()
}

/// Whether it is 0.10 or later.
fn is_new(program: &Path) -> bool {
    let output = Command::new(program).arg("--version").output();
    let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text);
    let minor = text
        .split("NVIM v0.")
        .nth(1)
        .and_then(|rest| rest.split('.').next());
    minor
        .and_then(|minor| minor.parse().ok())
        .is_some_and(|minor: u32| minor >= 10)
}

/// Has the plugin among Neovim's own, as a package would be.
pub fn runtimepath() -> String {
    format!("set runtimepath^={PLUGIN}")
}

/// A repository that has `a.rs`.
fn repository() -> Fixture {
    let fixture = Fixture::new("//- /.git/HEAD\nref: refs/heads/main\n");
    fixture.write("a.rs", BEFORE);
    fixture.write("README", "one and two\n");
    fixture
}

/// Runs a Lua test in a headless Neovim that has a file open; gives what it said.
fn run_in(
    program: &Path,
    home: &Path,
    fixture: &Fixture,
    file: &str,
    settings: &Value,
    test: &str,
) -> String {
    let world = World::new(home);
    let options = json!({"cmd": [boxagnts_tests::binary(), "lsp"], "settings": settings});
    let mut lua = String::new();
    let _ = write!(
        lua,
        "local options = vim.json.decode({options:?})\n{}\n{test}",
        include_str!("neovim/common.lua"),
        options = options.to_string(),
    );
    let path = home.join("test.lua");
    std::fs::write(&path, lua).expect("the test");
    let mut nvim = Command::new(program);
    nvim.args(["--clean", "--cmd", &runtimepath(), "--headless", file, "-c"])
        .arg(format!("luafile {}", path.display()));
    nvim.args(["-c", "qa!"])
        .current_dir(fixture.path())
        .env_clear()
        .envs(world.environment());
    let output = nvim.output().expect("Neovim starts");
    let text = String::from_utf8_lossy(&output.stderr).replace('\r', "");
    assert!(
        text.contains("TEST PASSED"),
        "{}: {text}\n{}",
        program.display(),
        String::from_utf8_lossy(&output.stdout)
    );
    text
}

/// The same with `a.rs`; gives the files.
fn run(program: &Path, settings: &Value, test: &str) -> Fixture {
    let (home, fixture) = (TempDir::new().expect("a folder"), repository());
    run_in(program, home.path(), &fixture, "a.rs", settings, test);
    fixture
}

fn edits() -> Value {
    json!({"text": "Editing.", "tool_calls": [{"name": "edit", "input": {"path": "a.rs", "edits": [
        {"old_text": "fn one() {}", "new_text": "fn first() {}"},
        {"old_text": "fn two() {}", "new_text": "fn second() {}"},
    ]}}]})
}

#[test]
fn one_of_two_hunks_is_accepted() {
    for program in neovims() {
        let script = script(json!([edits(), {"text": "Done."}]));
        let fixture = run(
            &program,
            &json!({"model": script.model()}),
            include_str!("neovim/accept_one.lua"),
        );
        assert_eq!(fixture.read("a.rs"), BEFORE, "the editor saves, not we");
    }
}

#[test]
fn the_same_against_a_model_server_with_faults() {
    for program in neovims() {
        for kind in ["openai", "anthropic"] {
            let server = ModelServer::start([
                Answer::status(529, Some("0"), "overloaded"),
                Answer::fault(Fault::CloseBeforeAnyDelta),
                Answer::turn(edits()),
                Answer::turn(json!({"text": "Done."})),
            ]);
            let settings = json!({"model": "mock:m", "providers": {"mock": {
                "kind": kind, "base_url": server.base_url()}}});
            let fixture = run(&program, &settings, include_str!("neovim/accept_one.lua"));
            assert_eq!(fixture.read("a.rs"), BEFORE);
            assert_eq!(server.requests().len(), 4);
        }
    }
}

#[test]
fn a_new_user_finds_the_way() {
    for program in neovims() {
        let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
        let before = fixture.read("invoice.py");
        let settings = json!({"model": "builtin"});
        let run = |test| {
            run_in(
                &program,
                home.path(),
                &fixture,
                "invoice.py",
                &settings,
                test,
            );
        };
        run(include_str!("neovim/path.lua"));
        assert_eq!(
            fixture.read("invoice.py"),
            before,
            "the editor saves, not we"
        );
        run(include_str!("neovim/resume.lua"));
    }
}

#[test]
fn a_killed_server_is_started_again_with_its_hunks() {
    for program in neovims() {
        let script = script(json!([
            edits(),
            {"text": "never said", "delay_ms": 3_600_000},
        ]));
        let settings = json!({"model": script.model()});
        run(&program, &settings, include_str!("neovim/killed.lua"));
    }
}

#[test]
fn marks_follow_the_text() {
    for program in neovims() {
        let script = script(json!([edits(), {"text": "Done."}]));
        let settings = json!({"model": script.model()});
        run(&program, &settings, include_str!("neovim/marks.lua"));
    }
}

#[test]
fn a_tool_is_allowed_when_nobody_types() {
    for program in neovims() {
        let script = script(json!([edits(), {"text": "Done."}]));
        let settings = json!({"model": script.model(), "ask": ["edit"]});
        run(&program, &settings, include_str!("neovim/permission.lua"));
    }
}

#[test]
fn a_model_asks_its_user() {
    for program in neovims().into_iter().filter(|program| is_new(program)) {
        let ask = |input| json!({"name": "ask_user", "input": input});
        let choices = json!([{"label": "First", "description": "the first one"},
            {"label": "Second"}, {"label": "Third"}]);
        let script = script(json!([
            {"tool_calls": [ask(json!({"question": "Which one?", "choices": choices}))]},
            {"tool_calls": [ask(json!({"question": "And now?", "choices": choices}))]},
            {"tool_calls": [ask(json!({"question": "Which of them?", "choices": choices,
                "multi_select": true}))]},
            {"tool_calls": [ask(json!({"question": "Why?"}))]},
            {"tool_calls": [ask(json!({"question": "Really?", "choices": choices}))]},
            {"text": "Done."},
        ]));
        let settings = json!({"model": script.model()});
        run(&program, &settings, include_str!("neovim/asked.lua"));
    }
}

/// As [`crate::vscode`] has it.
#[test]
#[ignore = "measures, and asserts nothing"]
fn measure_the_key_that_accepts_in_neovim() {
    for program in neovims() {
        let script = script(json!([edits(), {"text": "Done."}]));
        let settings = json!({"model": script.model()});
        let (home, fixture) = (TempDir::new().expect("a folder"), repository());
        let test = include_str!("neovim/latency.lua");
        let said = run_in(&program, home.path(), &fixture, "a.rs", &settings, test);
        let times = said.lines().find_map(|line| line.split("TIMES ").nth(1));
        let times = serde_json::from_str(times.expect("times")).expect("JSON");
        review::tell_times(&program.display().to_string(), &times);
    }
}

#[test]
fn the_question_at_the_end_of_a_turn_is_answered() {
    for program in neovims() {
        let script = script(json!([edits(), {"text": "Done."}]));
        let settings = json!({"model": script.model()});
        run(&program, &settings, include_str!("neovim/question.lua"));
    }
}

#[test]
fn without_the_program_users_are_told_what_to_do() {
    for program in neovims() {
        run(&program, &json!({}), include_str!("neovim/missing.lua"));
    }
}

#[test]
fn executors_are_in_the_chat_and_the_status_line() {
    for program in neovims() {
        run(
            &program,
            &json!({"model": "builtin"}),
            include_str!("neovim/executors.lua"),
        );
    }
}

#[test]
fn proposals_of_scheduled_tasks_are_told_once() {
    for program in neovims() {
        run(
            &program,
            &json!({"model": "builtin"}),
            include_str!("neovim/schedules.lua"),
        );
    }
}

#[test]
fn executors_are_reviewed_and_committed_to_a_branch() {
    for program in neovims() {
        let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
        std::fs::remove_dir_all(fixture.path().join(".git")).expect("it is there");
        for arguments in [
            &["init", "-q", "-b", "main"][..],
            &["config", "user.name", "Uma"],
            &["config", "user.email", "uma@example.org"],
            &["add", "."],
            &["commit", "-q", "-m", "first"],
        ] {
            let mut git = Command::new("git");
            git.args(arguments).current_dir(fixture.path());
            let output = git.output().expect("git runs");
            assert!(output.status.success(), "git {arguments:?}: {output:?}");
        }
        let script = review::manager();
        let settings = review::managed(&script);
        let test = include_str!("neovim/managed.lua");
        run_in(
            &program,
            home.path(),
            &fixture,
            "invoice.py",
            &settings,
            test,
        );
    }
}

#[test]
fn the_help_has_what_there_is() {
    for program in neovims() {
        run(&program, &json!({}), include_str!("neovim/help.lua"));
    }
}

#[test]
fn an_edit_in_insert_mode_is_a_step_of_undo() {
    for program in neovims() {
        run(&program, &json!({}), include_str!("neovim/undo.lua"));
    }
}

/// A Neovim in a terminal.
struct Typed {
    terminal: Terminal,
    /// What it writes its buffer to when the test reads it.
    buffer: PathBuf,
}

impl Typed {
    fn start(program: &Path, home: &TempDir, fixture: &Fixture) -> Typed {
        let world = World::new(home.path());
        let options = json!({"cmd": [boxagnts_tests::binary(), "lsp"], "settings": {"model": "builtin"},
                "chat": false});
        let setup = format!(
            "require('boxagnts').setup(vim.json.decode({:?}))\n{}",
            options.to_string(),
            include_str!("neovim/typed.lua"),
        );
        let file = home.path().join("setup.lua");
        std::fs::write(&file, setup).expect("the setup");
        let name = if is_new(program) {
            "neovim10"
        } else {
            "neovim"
        };
        let setup = format!("luafile {}", file.display());
        let terminal = Terminal::start(
            home.path(),
            fixture.path(),
            &world.environment(),
            program,
            &[
                "--clean",
                "--cmd",
                &runtimepath(),
                "-c",
                &setup,
                "invoice.py",
            ],
            Screens::new(name),
        );
        let buffer = home.path().join("buffer");
        Typed { terminal, buffer }
    }

    fn command(&self, command: &str) {
        self.terminal.types(&format!(":{command}"));
        self.terminal.press(&["Enter"]);
    }

    /// Back to normal mode. A key that came at once after Escape would be read as one with Alt.
    fn escape(&self) {
        self.terminal.press(&["Escape"]);
        self.terminal
            .wait("normal mode", |screen| !screen.contains("-- INSERT"));
    }

    fn insert(&self, keys: &str, line: &str) {
        self.terminal.types(keys);
        self.terminal
            .wait("insert mode", |screen| screen.contains("-- INSERT"));
        self.terminal.types(line);
        self.terminal.wait(line, |screen| screen.contains(line));
        self.escape();
    }

    /// The buffer's text, from normal mode. It stays unsaved.
    fn text(&self) -> String {
        let _ = std::fs::remove_file(&self.buffer);
        let file = self.buffer.display();
        self.command(&format!(
            "silent write !cat > {file}.new; mv {file}.new {file}"
        ));
        let mut text = None;
        review::within_patience(|| {
            text = std::fs::read_to_string(&self.buffer).ok();
            text.is_some()
        });
        text.expect("Neovim writes its buffer")
    }

    /// Shows the list of hunks that wait; they must be those, at those lines.
    fn hunks(&mut self, step: &str, hunks: &[(&str, u32)]) {
        self.command("BoxAgnts quickfix");
        let wanted: Vec<String> = hunks
            .iter()
            .map(|(hunk, line)| format!("invoice.py|{line}| {hunk} pending"))
            .collect();
        self.terminal.step(step, |screen| {
            wanted.iter().all(|line| screen.contains(line))
                && screen.matches("pending").count() == wanted.len()
        });
        self.command("cclose");
        self.terminal
            .wait("one window", |screen| !screen.contains("pending"));
    }
}

#[test]
fn one_of_three_hunks_is_accepted_while_typing_in_neovim() {
    if review::program("tmux").is_none() {
        return review::skip("tmux", "neovim");
    }
    for program in neovims() {
        accept_while_typing(&program);
    }
}

fn accept_while_typing(program: &Path) {
    let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
    let before = fixture.read("invoice.py");
    let mut nvim = Typed::start(program, &home, &fixture);

    nvim.terminal
        .step("opened", |screen| screen.contains("ready"));
    nvim.command(&format!("BoxAgnts ask {}", review::PROMPT));
    // What would come is shown at the lines that would go.
    nvim.terminal.step("marked", |screen| {
        screen.contains("h2: gha accepts") && screen.contains("print(sum, half)")
    });
    nvim.hunks("three-hunks", &[("h1", 2), ("h2", 10), ("h3", 19)]);

    // What is typed without saving moves them.
    nvim.insert("ggO", ABOVE);
    nvim.insert("Go", BELOW);
    nvim.hunks("typed", &[("h1", 3), ("h2", 11), ("h3", 20)]);

    // The hunk comes while the user is typing.
    let mut typed = String::new();
    nvim.terminal.types("7Go");
    nvim.terminal.next_letter(&mut typed);
    nvim.terminal.press(&["C-o"]);
    nvim.command("BoxAgnts accept h2");
    let came = review::within_patience(|| {
        if typed.len() < MOST_LETTERS {
            nvim.terminal.next_letter(&mut typed);
        }
        // What would come was on the screen before; what went is gone.
        !nvim.terminal.screen().contains("print(total, half)")
    });
    assert!(came, "the hunk does not come");
    nvim.terminal.next_letter(&mut typed);
    while !review::may_end(&typed) {
        nvim.terminal.next_letter(&mut typed);
    }
    let last = typed.lines().last().unwrap_or_default().to_owned();
    nvim.terminal.step("accepted-while-typing", |screen| {
        screen.contains(&format!("    {last}")) && screen.contains("-- INSERT")
    });
    nvim.escape();
    let accepted = nvim.text();
    assert_eq!(accepted, review::expected(&before, &typed, true));
    assert_eq!(
        fixture.read("invoice.py"),
        before,
        "the editor saves, not we"
    );
    nvim.hunks(
        "others-wait",
        &[("h1", 3), ("h3", 20 + review::moved(&typed))],
    );

    // What Neovim takes back at once is a stay in insert mode, or an edit of ours: the hunk goes
    // as a whole with one of them.
    let mut steps = 0;
    let mut text = accepted.clone();
    while review::has_hunk(&text) {
        assert!(steps < 5, "{text}");
        nvim.terminal.types("u");
        steps += 1;
        text = nvim.text();
    }
    nvim.terminal
        .step("undone", |screen| screen.contains("print(total, half)"));
    assert_eq!(
        review::without(&text, &typed),
        review::without(&review::expected(&before, &typed, false), &typed)
    );
    for _ in 0..steps {
        nvim.terminal.press(&["C-r"]);
    }
    assert_eq!(nvim.text(), accepted);

    assert_eq!(fixture.read("invoice.py"), before);
    nvim.command("write");
    nvim.terminal
        .step("saved", |screen| screen.contains("written"));
    assert_eq!(fixture.read("invoice.py"), accepted);
    nvim.command("qall");
}
