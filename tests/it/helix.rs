//! A real Helix in a terminal, with nothing but its configuration: a new user's path by a selected
//! comment, code actions and commands; one of three hunks is accepted while typing goes on.

use crate::review::{self, ABOVE, BELOW, Screens, Terminal};
use boxagnts_test_support::Fixture;
use boxagnts_tests::World;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// What Helix does not carry out before its server is there is tried again after so long.
const REPEAT: Duration = Duration::from_secs(2);

pub struct Helix {
    pub terminal: Terminal,
    /// What Helix writes its buffer to when the test reads it.
    buffer: PathBuf,
}

/// The file for users, with this build's program and without servers that are not there.
fn languages() -> String {
    let program = format!("command = {:?}", boxagnts_tests::binary());
    let file = include_str!("../../editors/helix/languages.toml");
    let ours = |line: &str| {
        let name = line.split('"').nth(1).unwrap_or_default();
        match ["python", "markdown"].contains(&name) && line.contains("language-servers") {
            true => format!("  {{ name = \"{name}\", language-servers = [\"boxagnts\"] }},\n"),
            false => format!("{line}\n"),
        }
    };
    let file: String = file.lines().map(ours).collect();
    file.replace(r#"command = "boxagnts""#, &program)
}

impl Helix {
    pub fn start(program: &Path, home: &TempDir, fixture: &Fixture, name: &str) -> Helix {
        fixture.write(".helix/languages.toml", languages());
        fixture.write("notes.md", format!("# {}\n", review::PROMPT));
        let world = World::new(home.path());
        let terminal = Terminal::start(
            home.path(),
            fixture.path(),
            &world.environment(),
            program,
            &["notes.md"],
            Screens::new(name),
        );
        let buffer = home.path().join("buffer");
        Helix { terminal, buffer }
    }

    /// Asks by the comment in `notes.md`: Helix has no place to type a prompt.
    pub fn ask(&self) {
        self.terminal
            .wait("the comment", |screen| screen.contains(review::PROMPT));
        self.terminal.types("x");
        self.code_actions("Ask BoxAgnts…");
        self.terminal
            .wait("the menu", |screen| screen.contains("Explain with"));
        self.terminal.press(&["Enter"]);
    }

    /// Opens a file, and waits until hunks are marked at these lines.
    pub fn open_marked(&self, file: &str, lines: &[u32]) {
        self.command(&format!("open {file}"));
        self.marked(lines);
    }

    pub fn marked(&self, lines: &[u32]) {
        let what = format!("hunks at {lines:?}");
        self.terminal.wait(&what, |screen| marked(screen) == lines);
    }

    /// Asks for the proposal of the latest session, until the server is there to answer.
    fn proposal_is_back(&self, lines: &[u32]) {
        let came = review::within_patience(|| {
            self.command("lsp-workspace-command boxagnts.proposal");
            review::within(REPEAT, || marked(&self.terminal.screen()) == lines)
        });
        assert!(came, "{}", self.terminal.screen());
    }

    /// Carries out the first code action at a line, which must be this one.
    fn act(&self, line: u32, action: &str) {
        self.terminal.types(&format!("{line}G"));
        self.code_actions(action);
        self.terminal.press(&["Enter"]);
    }

    fn command(&self, command: &str) {
        self.terminal.types(&format!(":{command}"));
        self.terminal.press(&["Enter"]);
    }

    /// Opens the menu of code actions, once the server is there.
    pub fn code_actions(&self, wanted: &str) {
        let refused = |screen: &str| screen.contains("No configured language server");
        loop {
            self.terminal.press(&["Space"]);
            // It takes away what was said the last time.
            self.terminal.wait("the keys behind Space", |screen| {
                screen.contains("Perform code action") && !refused(screen)
            });
            self.terminal.press(&["a"]);
            let shown = |screen: &str| screen.contains(wanted) || refused(screen);
            if !refused(&self.terminal.wait(wanted, shown)) {
                return;
            }
        }
    }

    /// Back to normal mode, without menus. Keys that come at once before or after Escape would be
    /// read together with it; so it waits for `shown` first.
    fn escape(&self, shown: &str) {
        self.terminal.wait(shown, |screen| screen.contains(shown));
        self.terminal.press(&["Escape"]);
        self.terminal.wait("normal mode", |screen| {
            screen.contains("NOR") && !screen.contains("Explain with")
        });
    }

    /// Types in insert mode, which `keys` begin.
    fn insert(&self, keys: &str, line: &str) {
        self.terminal.types(keys);
        self.terminal
            .wait("insert mode", |screen| screen.contains("INS"));
        self.terminal.types(line);
        self.escape(line);
    }

    /// The buffer's text, as Helix gives it to other programs.
    fn text(&self) -> String {
        let _ = std::fs::remove_file(&self.buffer);
        let file = self.buffer.display();
        self.terminal.types("%");
        self.command(&format!("pipe-to cat > {file}.new; mv {file}.new {file}"));
        let mut text = None;
        review::within_patience(|| {
            text = std::fs::read_to_string(&self.buffer).ok();
            text.is_some()
        });
        self.terminal.types("gg");
        text.expect("Helix writes its buffer")
    }
}

/// Numbers of the lines that are marked as having a hunk.
fn marked(screen: &str) -> Vec<u32> {
    let number = |line: &str| {
        let line = line.strip_prefix('●')?.trim_start();
        line.split(' ').next()?.parse().ok()
    };
    screen.lines().filter_map(number).collect()
}

#[test]
fn one_of_three_hunks_is_accepted_while_typing_in_helix() {
    let Some(program) = review::program("hx") else {
        return review::skip("hx", "helix");
    };
    let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
    let before = fixture.read("invoice.py");
    let mut helix = Helix::start(&program, &home, &fixture, "helix");
    helix.ask();
    helix.command("open invoice.py");
    helix
        .terminal
        .step("three-hunks", |screen| marked(screen) == [2, 10, 19]);

    // What is typed without saving moves them. Helix continues the comment by itself.
    helix.insert("ggO", ABOVE.trim_start_matches("# "));
    helix.insert("geo", BELOW);
    helix.terminal.step("typed", |screen| {
        screen.contains(ABOVE) && screen.contains(BELOW) && marked(screen) == [3, 11, 20]
    });

    // The hunk comes while the user is typing.
    helix.terminal.types("12G");
    helix.code_actions("Accept hunk h2");
    helix
        .terminal
        .step("code-action", |screen| screen.contains("Accept hunk h2"));
    helix.terminal.press(&["Enter", "7", "G", "o"]);
    let mut typed = String::new();
    let came = review::within_patience(|| {
        if typed.len() < review::MOST_LETTERS {
            helix.terminal.next_letter(&mut typed);
        }
        let screen = helix.terminal.screen();
        assert!(!screen.contains("not applied"), "{screen}");
        screen.contains("print(sum, half)")
    });
    assert!(came, "the hunk does not come");
    helix.terminal.next_letter(&mut typed);
    while !review::may_end(&typed) {
        helix.terminal.next_letter(&mut typed);
    }
    let last = typed.lines().last().unwrap_or_default().to_owned();
    let third = 20 + review::moved(&typed);
    helix.terminal.step("accepted-while-typing", |screen| {
        screen.contains(&format!("    {last}"))
            && screen.contains("INS")
            && marked(screen) == [3, third]
    });
    helix.escape("INS");
    let accepted = helix.text();
    assert_eq!(accepted, review::expected(&before, &typed, true));
    assert_eq!(
        fixture.read("invoice.py"),
        before,
        "the editor saves, not we"
    );

    // The others wait where they are now.
    for (line, hunk) in [(3, "h1"), (third, "h3")] {
        helix.terminal.types(&format!("{line}G"));
        helix.code_actions(&format!("Accept hunk {hunk}"));
        helix.terminal.step(&format!("{hunk}-waits"), |_| true);
        helix.escape("Explain with");
    }

    // What Helix takes back at once is a stay in insert mode, or an edit of ours: the hunk goes as
    // a whole with one of them.
    let mut steps = 0;
    let mut text = accepted.clone();
    while review::has_hunk(&text) {
        assert!(steps < 3, "{text}");
        helix.terminal.types("u");
        steps += 1;
        text = helix.text();
    }
    helix
        .terminal
        .step("undone", |screen| screen.contains("print(total, half)"));
    assert_eq!(
        review::without(&text, &typed),
        review::without(&review::expected(&before, &typed, false), &typed)
    );
    for _ in 0..steps {
        helix.terminal.types("U");
    }
    assert_eq!(helix.text(), accepted);

    assert_eq!(fixture.read("invoice.py"), before);
    helix.command("write");
    helix
        .terminal
        .step("saved", |screen| screen.contains("written"));
    assert_eq!(fixture.read("invoice.py"), accepted);
    helix.command("quit-all");
}

/// The server that a Helix has started in a folder.
fn server_in(folder: &Path) -> Option<Pid> {
    let folder = folder.canonicalize().ok()?;
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter(|process| {
            let program = std::fs::read_link(process.path().join("exe"));
            let inside = std::fs::read_link(process.path().join("cwd"));
            program.is_ok_and(|program| program == boxagnts_tests::binary())
                && inside.is_ok_and(|inside| inside == folder)
        })
        .find_map(|process| process.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
}

#[test]
fn a_new_user_finds_the_way_in_helix() {
    let Some(program) = review::program("hx") else {
        return review::skip("hx", "helix");
    };
    let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
    let before = fixture.read("invoice.py");
    let helix = Helix::start(&program, &home, &fixture, "helix-path");
    helix.ask();
    helix.open_marked("invoice.py", &[2, 10, 19]);

    helix.act(2, "Accept hunk h1");
    helix.marked(&[10, 19]);
    assert_eq!(helix.text(), before.replace("total = 0", "sum = 0"));

    helix.terminal.types("19G");
    helix.code_actions("Reject hunk h3");
    helix.terminal.press(&["Down", "Enter"]);
    helix.marked(&[10]);
    helix.command("lsp-workspace-command boxagnts.undo");
    helix.marked(&[2, 10]);
    assert_eq!(helix.text(), before);
    helix.command("quit-all!");
    assert_eq!(
        fixture.read("invoice.py"),
        before,
        "the editor saves, not we"
    );

    // Helix is started again: the latest session of the folder goes on.
    let mut helix = Helix::start(&program, &home, &fixture, "helix-resumed");
    // What is typed before it has drawn itself is lost.
    helix
        .terminal
        .wait("the comment", |screen| screen.contains(review::PROMPT));
    helix.command("open invoice.py");
    helix
        .terminal
        .wait("the file", |screen| screen.contains("total = 0"));
    helix.proposal_is_back(&[2, 10]);
    helix.terminal.step("resumed", |_| true);

    // So it does when the server is killed.
    let server = server_in(fixture.path()).expect("the server");
    kill(server, Signal::SIGKILL).expect("it is killed");
    review::within_patience(|| server_in(fixture.path()).is_none());
    helix.command("lsp-restart");
    helix.proposal_is_back(&[2, 10]);
    helix.act(10, "Accept hunk h2");
    helix.marked(&[2]);
    let lines = "half = total / 2\nprint(total, half)\n";
    assert_eq!(
        helix.text(),
        before.replace(lines, &lines.replace("total", "sum"))
    );
    helix.command("quit-all!");
}
