//! A real Helix in a terminal, with nothing but its configuration: ask by a selected comment,
//! accept one of three hunks by a code action while typing goes on.

use crate::review::{self, ABOVE, BELOW, Screens, Terminal};
use boxagnts_test_support::Fixture;
use boxagnts_tests::World;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Helix {
    terminal: Terminal,
    /// What Helix writes its buffer to when the test reads it.
    buffer: PathBuf,
}

impl Helix {
    fn start(program: &Path, home: &TempDir, fixture: &Fixture) -> Helix {
        let languages = include_str!("../../editors/helix/languages.toml");
        let languages = languages
            .replace(
                r#"command = "boxagnts""#,
                &format!("command = {:?}", boxagnts_tests::binary()),
            )
            // Other servers are not there; neither are they on other machines.
            .replace(r#""pylsp", "#, "");
        let markdown = "\n[[language]]\nname = \"markdown\"\nlanguage-servers = [\"boxagnts\"]\n";
        fixture.write(".helix/languages.toml", &(languages + markdown));
        fixture.write("notes.md", format!("# {}\n", review::PROMPT));
        let world = World::new(home.path());
        let terminal = Terminal::start(
            home.path(),
            fixture.path(),
            &world.environment(),
            program,
            &["notes.md"],
            Screens::new("helix"),
        );
        let buffer = home.path().join("buffer");
        Helix { terminal, buffer }
    }

    fn command(&self, command: &str) {
        self.terminal.types(&format!(":{command}"));
        self.terminal.press(&["Enter"]);
    }

    /// Opens the menu of code actions, once the server is there.
    fn code_actions(&self, wanted: &str) {
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
    let mut helix = Helix::start(&program, &home, &fixture);

    // Helix has no place to type a prompt: a selected comment is one.
    helix
        .terminal
        .step("opened", |screen| screen.contains(review::PROMPT));
    helix.terminal.types("x");
    helix.code_actions("Ask BoxAgnts…");
    helix
        .terminal
        .step("ask", |screen| screen.contains("Explain with"));
    helix.terminal.press(&["Enter"]);
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
