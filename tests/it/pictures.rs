//! The README's pictures of editors are what these editors show: each is drawn from a real one's
//! screen. `tests/record` writes the files anew; without that the editor must still come to what the
//! picture shows, and where its cursor and its messages are at that moment is left open.

use crate::review::{self, Screens, Terminal};
use crate::{helix, neovim};
use anstyle_svg::Term;
use boxagnts_tests::World;
use expect_test::{ExpectFile, expect_file};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Columns and rows of every picture.
const SIZE: (u32, u32) = (112, 30);
/// Largest file.
const MOST_BYTES: usize = 150_000;

/// The versions that the pictures are of: others have other colours.
fn is_version(program: &Path, wanted: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    let version = version.map_or_else(|_| Vec::new(), |output| output.stdout);
    String::from_utf8_lossy(&version).starts_with(wanted)
}

/// Takes what is on the screen, once it is as wanted and nothing moves any more.
fn picture(terminal: &Terminal, file: &ExpectFile, wanted: impl Fn(&str) -> bool) {
    let mut before = String::new();
    terminal.wait("a picture that stands still", |screen| {
        let now = terminal.coloured();
        let is_still = wanted(screen) && now == before;
        before = now;
        is_still
    });
    let svg = Term::new().render_svg(&before);
    assert!(svg.len() < MOST_BYTES, "{} bytes", svg.len());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return file.assert_eq(&svg);
    }
    assert!(
        file.data().starts_with("<svg"),
        "`tests/record` takes the picture"
    );
}

#[test]
fn neovim_looks_as_in_its_picture() {
    let program = review::program("nvim").filter(|_| review::program("tmux").is_some());
    let Some(program) = program.filter(|program| is_version(program, "NVIM v0.10")) else {
        return review::skip("nvim 0.10 and tmux", "neovim10");
    };
    let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
    let options =
        json!({"cmd": [boxagnts_tests::binary(), "lsp"], "settings": {"model": "builtin"}});
    let setup = home.path().join("init.lua");
    let lua = format!(
        "{}\nrequire('boxagnts').setup(vim.json.decode({:?}))",
        include_str!("neovim/picture.lua"),
        options.to_string()
    );
    std::fs::write(&setup, lua).expect("the setup");
    let terminal = Terminal::start(
        home.path(),
        fixture.path(),
        &World::new(home.path()).environment(),
        &program,
        &[
            "--clean",
            "--cmd",
            &neovim::runtimepath(),
            "-S",
            &setup.display().to_string(),
            "invoice.py",
        ],
        Screens::new("picture-neovim"),
    );
    terminal.resize(SIZE);
    terminal.types(&format!(":BoxAgnts ask {}", review::PROMPT));
    terminal.press(&["Enter"]);
    terminal.wait("the end of the turn", |screen| {
        screen.contains("h3: gha accepts") && screen.contains("review, 3 hunks")
    });
    terminal.types("gg]h]h:echo");
    terminal.press(&["Enter"]);
    let file = expect_file!["../../editors/pictures/neovim.svg"];
    picture(&terminal, &file, |screen| {
        screen.contains("*done*") && screen.contains("10,1") && !screen.contains(":echo")
    });
}

#[test]
fn helix_looks_as_in_its_picture() {
    let program = review::program("hx").filter(|_| review::program("tmux").is_some());
    let Some(program) = program.filter(|program| is_version(program, "helix 25.01")) else {
        return review::skip("helix 25.01 and tmux", "helix");
    };
    let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
    let helix = helix::Helix::start(&program, &home, &fixture, "picture-helix");
    helix.terminal.resize(SIZE);
    helix.ask();
    helix.open_marked("invoice.py", &[2, 10, 19]);
    helix.terminal.types("10G");
    helix.code_actions("Accept hunk h2");
    let file = expect_file!["../../editors/pictures/helix.svg"];
    picture(&helix.terminal, &file, |screen| {
        screen.contains("Accept hunk h2")
    });
}
