//! A real Emacs with Eglot, as its distribution has them: a new user's path, a server that is killed,
//! an Emacs that is started again.

use crate::review;
use boxagnts_tests::World;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../editors/emacs");

/// An Emacs without the user's own configuration, but with the distribution's packages.
fn emacs(program: &Path) -> Command {
    let mut emacs = Command::new(program);
    emacs.args(["--batch", "--no-init-file", "--directory", FOLDER]);
    emacs
}

/// An Emacs that has Eglot.
fn program() -> Option<std::path::PathBuf> {
    let program = review::program("emacs").filter(|program| {
        let has_eglot = emacs(program).args(["--eval", "(require 'eglot)"]).output();
        has_eglot.is_ok_and(|output| output.status.success())
    });
    if program.is_none() {
        review::skip("emacs with eglot", "emacs");
    }
    program
}

fn run(program: &Path, home: &Path, workspace: &Path, test: &str) {
    let world = World::new(home);
    let start = format!(
        "(setq boxagnts-command '({:?} \"lsp\") boxagnts-settings '(:model \"builtin\"))",
        boxagnts_tests::binary()
    );
    let mut lisp = String::from(";;; -*- lexical-binding: t -*-\n");
    for part in [
        "(require 'boxagnts)",
        &start,
        include_str!("emacs/common.el"),
        test,
    ] {
        lisp.push_str(part);
        lisp.push('\n');
    }
    let file = home.join("test.el");
    std::fs::write(&file, lisp).expect("the test");
    let mut emacs = emacs(program);
    emacs.arg("--load").arg(&file).current_dir(workspace);
    emacs.env_clear().envs(world.environment());
    let output = emacs.output().expect("Emacs starts");
    let text = String::from_utf8_lossy(&output.stderr);
    // Emacs shows parts of the test when it fails.
    let passed = text.lines().any(|line| line == "TEST PASSED");
    assert!(passed && output.status.success(), "{text}");
}

#[test]
fn a_new_user_finds_the_way_in_emacs() {
    let Some(program) = program() else { return };
    let (home, fixture) = (TempDir::new().expect("a folder"), review::workspace());
    run(
        &program,
        home.path(),
        fixture.path(),
        include_str!("emacs/path.el"),
    );
    run(
        &program,
        home.path(),
        fixture.path(),
        include_str!("emacs/resume.el"),
    );
}

/// Its compiler finds nothing wrong.
#[test]
fn the_package_for_emacs_compiles() {
    let Some(program) = program() else { return };
    let folder = TempDir::new().expect("a folder");
    let copy = folder.path().join("boxagnts.el");
    std::fs::copy(Path::new(FOLDER).join("boxagnts.el"), &copy).expect("a copy");
    let mut emacs = emacs(&program);
    emacs.args(["--eval", "(setq byte-compile-error-on-warn t)"]);
    emacs.args(["--funcall", "batch-byte-compile"]).arg(&copy);
    let output = emacs.output().expect("Emacs starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}
