//! What the tests over real editors share: one of three hunks is accepted while the user types in
//! the same file. Finds the editors, and keeps what is on their screens.

use boxagnts_test_support::{Fixture, Script, script};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the model is asked for.
pub const PROMPT: &str = "rename total to sum in invoice.py";
/// Line that the user types first, above everything.
pub const ABOVE: &str = "# typed above";
/// Line that the user types next, below everything.
pub const BELOW: &str = "# typed below";
/// The user pauses after so many letters, whether the hunk has come or not.
pub const MOST_LETTERS: usize = 40;
/// Longest wait for anything, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(90);

/// A repository with `invoice.py`: three places far from each other, the second of two lines.
pub fn workspace() -> Fixture {
    Fixture::new(
        "
        //- /.git/HEAD
        ref: refs/heads/main
        //- /invoice.py
        # Adds up an invoice.
        total = 0


        def add(amount):
            return amount + 1


        # half way
        half = total / 2
        print(total, half)


        def show(what):
            print(what)


        # the end
        print('paid', total)
        ",
    )
}

/// A manager that has two executors do something in [`workspace`].
pub fn manager() -> Script {
    let spawn = |task: &str| json!({"name": "spawn_executor", "input": {"task": task}});
    script(json!([
        {"tool_calls": [
            spawn("create one.txt with \"first\""),
            spawn("replace half with middle in invoice.py"),
        ]},
        {"text": "Both are done."},
    ]))
}

/// The settings for it: executors are the built-in planner.
pub fn managed(manager: &Script) -> Value {
    json!({"model": manager.model(), "executors": {"default": {"model": "builtin"}}})
}

/// What the file must be: lines typed above and below, those typed behind `return` while the
/// second hunk was being accepted, and that hunk.
pub fn expected(before: &str, typed: &str, accepted: bool) -> String {
    let after = "    return amount + 1\n";
    let lines: String = typed.lines().map(|line| format!("    {line}\n")).collect();
    let mut text = before.replace(after, &format!("{after}{lines}"));
    if accepted {
        let lines = "half = total / 2\nprint(total, half)\n";
        text = text.replace(lines, &lines.replace("total", "sum"));
    }
    format!("{ABOVE}\n{text}{BELOW}\n")
}

/// What is typed next while a hunk is on its way. Line breaks among it move the hunks below.
pub fn next_letter(typed: &str) -> char {
    let letter = ('a'..='z').cycle().nth(typed.len()).unwrap_or('a');
    if typed.len() % 4 == 3 { '\n' } else { letter }
}

/// Whether what was typed may end here: with letters behind the last line break.
pub fn may_end(typed: &str) -> bool {
    !typed.is_empty() && !typed.ends_with('\n')
}

/// By how many lines what was typed moves those below.
pub fn moved(typed: &str) -> u32 {
    u32::try_from(typed.lines().count()).unwrap_or(u32::MAX)
}

/// Whether the second hunk is in a text; half of it never is.
pub fn has_hunk(text: &str) -> bool {
    let lines = ["half = sum / 2\n", "print(sum, half)\n"].map(|line| text.contains(line));
    assert!(lines[0] == lines[1], "half a hunk:\n{text}");
    lines[0]
}

/// The lines of a text but those of `typed`, which undo takes back in portions.
pub fn without(text: &str, typed: &str) -> Vec<String> {
    let is_typed = |line: &str| typed.lines().any(|typed| typed.starts_with(line));
    text.lines()
        .filter(|line| !line.trim().is_empty() && !is_typed(line.trim()))
        .map(str::to_owned)
        .collect()
}

/// The folder that `tests/setup` puts editors into.
pub fn editors() -> PathBuf {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = || of("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(of("HOME").unwrap_or_default()).join(".cache");
    of("BOXAGNTS_EDITORS").map_or_else(
        || cache().unwrap_or_else(home).join("boxagnts-editors"),
        PathBuf::from,
    )
}

/// A program that `tests/setup` put there, or one on the path.
pub fn program(name: &str) -> Option<PathBuf> {
    let own = editors().join("bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(own)
        .chain(std::env::split_paths(&path).map(|folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// Says that an editor is not there. Where tests must run, that is a failure.
pub fn skip(name: &str, setup: &str) {
    let why = format!("skipped: {name} not found, run tests/setup {setup}");
    let must_run = std::env::var_os("BOXAGNTS_TESTS_MUST_RUN").is_some_and(|value| value == "1");
    assert!(!must_run, "{why}");
    eprintln!("{why}");
}

/// What was on an editor's screen at each step, in files for people to look at.
pub struct Screens {
    folder: PathBuf,
    steps: u32,
}

impl Screens {
    /// `screens/EDITOR` in `BOXAGNTS_SCREENS` or in the target folder; what is there is of an
    /// earlier run.
    pub fn new(editor: &str) -> Screens {
        let folder = match std::env::var_os("BOXAGNTS_SCREENS") {
            Some(folder) => PathBuf::from(folder),
            None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens"),
        };
        let folder = folder.join(editor);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the folder for screens");
        Screens { folder, steps: 0 }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the text of a screen.
    pub fn keep(&mut self, step: &str, screen: &str) {
        self.steps += 1;
        let file = self.folder.join(format!("{:02}-{step}.txt", self.steps));
        std::fs::write(file, screen).expect("the screen is kept");
    }
}

/// A terminal of its own, that nobody looks at.
pub struct Terminal {
    socket: PathBuf,
    pub screens: Screens,
}

impl Terminal {
    /// Starts a program in it, with nothing of the user's environment.
    pub fn start(
        home: &Path,
        folder: &Path,
        environment: &[(&str, PathBuf)],
        program: &Path,
        arguments: &[&str],
        screens: Screens,
    ) -> Terminal {
        // One of its own: the server of a terminal that was closed may still be ending.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let socket = home.join(format!("tmux{number}"));
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(&socket).args(["-f", "/dev/null"]);
        tmux.args(["new-session", "-d", "-x", "100", "-y", "50"]);
        tmux.arg(program).args(arguments);
        tmux.current_dir(folder).env_clear();
        tmux.envs(environment.iter().map(|(name, value)| (name, value)));
        tmux.envs([("TERM", "screen-256color"), ("LANG", "C.UTF-8")]);
        tmux.env("COLORTERM", "truecolor");
        let started = tmux.status().is_ok_and(|status| status.success());
        assert!(started, "tmux starts");
        Terminal { socket, screens }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let answer = self.try_tmux(arguments);
        answer.unwrap_or_else(|said| panic!("tmux {arguments:?}: {said}"))
    }

    fn try_tmux(&self, arguments: &[&str]) -> Result<String, String> {
        let mut tmux = Command::new("tmux");
        let output = tmux.arg("-S").arg(&self.socket).args(arguments).output();
        let output = output.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Presses keys by their names.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types text.
    pub fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Types the next letter or line break of [`next_letter`].
    pub fn next_letter(&self, typed: &mut String) {
        let letter = next_letter(typed);
        match letter {
            '\n' => self.press(&["Enter"]),
            letter => self.types(&letter.to_string()),
        }
        typed.push(letter);
    }

    /// Makes it larger or smaller: columns and rows.
    pub fn resize(&self, (columns, rows): (u32, u32)) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What is shown now, with its colours as escape sequences.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-e", "-p"])
    }

    /// What is shown now.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as wanted, and gives it.
    pub fn wait(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        let mut screen = String::new();
        let is_there = within_patience(|| {
            screen = self.screen();
            wanted(&screen)
        });
        assert!(is_there, "waited in vain for {what}:\n{screen}");
        screen
    }

    /// Waits until the screen is as wanted, and keeps it as a step.
    pub fn step(&mut self, step: &str, wanted: impl FnMut(&str) -> bool) -> String {
        let screen = self.wait(step, wanted);
        self.screens.keep(step, &screen);
        screen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let screen = self.try_tmux(&["capture-pane", "-p"]);
            self.screens
                .keep("failed", &screen.unwrap_or_else(|said| said));
        }
        let _ = self.try_tmux(&["kill-server"]);
    }
}

/// Asks again and again; whether it came true. Editors tell nobody that they are done.
pub fn within_patience(wanted: impl FnMut() -> bool) -> bool {
    within(PATIENCE, wanted)
}

/// The same for so long.
pub fn within(patience: Duration, mut wanted: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    loop {
        if wanted() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Says what was measured, in milliseconds.
pub fn tell_times(what: &str, times: &Value) {
    let times = times.as_array().expect("times");
    let mut times: Vec<f64> = times.iter().filter_map(Value::as_f64).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    eprintln!(
        "{what}: {} times, median {:.1} ms, p95 {:.1} ms, most {:.1} ms",
        times.len(),
        at(50),
        at(95),
        at(100)
    );
}
