//! Random trees and edits: whatever was done, a worktree is what tools see.

use super::{Repo, changed, filled, git, put, seen};
use proptest::prelude::*;
use std::path::Path;

/// Names that meet each other as files and as folders, and in all classes of visibility.
const PATHS: [&str; 12] = [
    "a",
    "b",
    "a/x",
    "a/y/z",
    "d/x",
    "d/y",
    "d-e",
    "d.f/x",
    "D/x",
    ".env",
    "built/x",
    "ü/ß.txt",
];

/// Those that are never above or below another: of a document below a file, nobody can say what is there.
const DOCUMENTS: [usize; 6] = [1, 4, 5, 6, 10, 11];

#[derive(Debug, Clone)]
enum Step {
    /// The user writes a file, or removes whatever is there.
    User(usize, Option<String>),
    /// The user types in a document.
    Document(usize, String),
    /// A tool does it.
    Tool(usize, Option<String>),
    /// Somebody does it in the worktree.
    Worktree(usize, Option<String>),
    Commit,
    Ignore(&'static str),
    /// The worktree is given back and taken again.
    Again,
}

fn step() -> impl Strategy<Value = Step> {
    let text = || prop::option::weighted(0.7, super::super::text());
    let path = 0..PATHS.len();
    prop_oneof![
        4 => (path.clone(), text()).prop_map(|(at, text)| Step::User(at, text)),
        1 => (prop::sample::select(&DOCUMENTS[..]), super::super::text()).prop_map(|(at, text)| Step::Document(at, text)),
        2 => (path.clone(), text()).prop_map(|(at, text)| Step::Tool(at, text)),
        3 => (path, text()).prop_map(|(at, text)| Step::Worktree(at, text)),
        1 => Just(Step::Commit),
        1 => prop::sample::select(vec!["", "/built\n", "d\n", "*\n!a\n"]).prop_map(Step::Ignore),
        3 => Just(Step::Again),
    ]
}

/// Writes over whatever is in the way.
fn force(folder: &Path, path: &str, text: Option<&str>) {
    let mut here = folder.to_path_buf();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        here.push(part);
        let last = parts.peek().is_none();
        if here.is_dir() && last {
            std::fs::remove_dir_all(&here).unwrap();
        } else if here.is_file() {
            std::fs::remove_file(&here).unwrap();
        }
    }
    if let Some(text) = text {
        put(folder, path, text.as_bytes());
    }
}

fn run(steps: &[Step], sparse: bool) {
    let repo = Repo::new("//- a\none\n//- d/x\ntwo\n//- .gitignore\n/built\n");
    let worktrees = repo.worktrees().sparse_above(if sparse { 0 } else { 1000 });
    let take = || {
        let mut worktree = worktrees.take(&repo.fixture.overlay, "random").unwrap();
        worktree.need(&["."]).unwrap();
        assert_eq!(filled(&worktree), seen(&repo.fixture.overlay));
        assert_eq!(changed(&mut worktree), [""; 0]);
        worktree
    };
    let mut worktree = take();
    for step in steps.iter().chain([&Step::Again]) {
        match step {
            Step::User(at, text) => force(repo.root(), PATHS[*at], text.as_deref()),
            Step::Document(at, text) => {
                repo.fixture.editor.show(PATHS[*at], text, true);
            }
            Step::Tool(at, text) => {
                let mut call = repo.fixture.call();
                let done = match text {
                    Some(text) => call.write(PATHS[*at], text.as_bytes().to_vec()),
                    None => call.remove(PATHS[*at]),
                };
                // Hidden, or something of another kind is there.
                if done.is_ok() {
                    call.commit().unwrap();
                }
            }
            Step::Worktree(at, text) => force(worktree.path(), PATHS[*at], text.as_deref()),
            Step::Commit => {
                git(repo.root(), &["add", "-A"]);
                git(repo.root(), &["commit", "-q", "--allow-empty", "-m", "x"]);
            }
            Step::Ignore(rules) => put(repo.root(), ".gitignore", rules.as_bytes()),
            Step::Again => {
                drop(worktree);
                worktree = take();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_worktree_is_what_tools_see(
        steps in prop::collection::vec(step(), 1..24),
        sparse in any::<bool>(),
    ) {
        run(&steps, sparse);
    }
}
