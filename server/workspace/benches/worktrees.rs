//! Worktrees, against those of git on the same tree in the same run.

use crate::folder::{Numbers, lines};
use crate::table::{Table, percentile, shown};
use boxagnts_policy::mounts::Mounts;
use boxagnts_workspace::worktree::{Worktree, Worktrees};
use boxagnts_workspace::{NoBuffers, Overlay};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Each is measured so often; the median counts.
const RUNS: usize = 5;
/// One in so many files is another when a worktree is taken again, and is asked for of a sparse one.
const FEW: usize = 50;

/// Fresh, taken again, and filled in part.
pub fn of_trees(table: &mut Table) {
    for files in [5_000, 50_000] {
        let tree = Tree::new(files);
        let git = tree.git(&[]);
        let git_some = tree.git(&["--no-checkout"]);
        row(
            table,
            &format!("a worktree of {files} files, fresh"),
            tree.fresh(),
            git,
            "",
        );
        let again = format!("the same taken again, 1 in {FEW} files changed on both sides");
        row(table, &again, tree.again(), git, "");
        let sparse = format!("the same sparse, with 1 in {FEW} files");
        let without = " --no-checkout, and none of the files";
        row(table, &sparse, tree.sparse(), git, "");
        row(
            table,
            "the same sparse, with none",
            tree.none(),
            git_some,
            without,
        );
        row(
            table,
            "what changed in it, where 1 in 50 did",
            tree.changes(),
            git,
            "",
        );
    }
}

fn row(table: &mut Table, what: &str, took: Duration, git: Duration, how: &str) {
    table.time(what, took, git);
    let ratio = took.as_secs_f64() / git.as_secs_f64();
    table.ratio(format!(
        "{ratio:.2} × `git worktree add`{how} ({})",
        shown(git)
    ));
}

/// A repository with everything committed, and a place for worktrees.
struct Tree {
    folder: tempfile::TempDir,
    state: PathBuf,
    overlay: Arc<Overlay>,
    files: Vec<String>,
}

impl Tree {
    fn new(count: usize) -> Tree {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("tree");
        let (text, mut numbers) = (lines(100), Numbers::new());
        let name = |n: usize| format!("src/{}/{}/file_{n}.rs", n / 1000, n / 50 % 20);
        let files: Vec<String> = (0..count).map(name).collect();
        for (n, file) in files.iter().enumerate() {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            let from = numbers.below(40);
            let body = text[from..from + 20 + numbers.below(40)].concat();
            std::fs::write(path, format!("// {n}\n{body}")).expect("written");
        }
        std::fs::create_dir_all(&root).expect("made");
        git(&root, &["init", "-q", "-b", "main"]);
        git(&root, &["add", "."]);
        git(&root, &["commit", "-q", "-m", "all"]);
        // As it is after a clone.
        git(&root, &["gc", "-q"]);
        let overlay = Overlay::open(&root, &Mounts::none(), Arc::new(NoBuffers)).expect("it opens");
        Tree {
            state: folder.path().join("state"),
            folder,
            overlay,
            files,
        }
    }

    fn root(&self) -> &Path {
        self.overlay.root()
    }

    fn some(&self) -> impl Iterator<Item = &String> {
        self.files.iter().step_by(FEW)
    }

    /// Each at a place of its own: adding where something was removed is slower.
    fn git(&self, more: &[&str]) -> Duration {
        median(|n| {
            let to = self.folder.path().join(format!("git-{}-{n}", more.len()));
            let to = to.to_str().expect("a path");
            let start = Instant::now();
            git(
                self.root(),
                &[&["worktree", "add", "-q", "--detach"], more, &[to]].concat(),
            );
            start.elapsed()
        })
    }

    fn take(&self, state: &Path, sparse: bool) -> (Worktree, Duration) {
        let start = Instant::now();
        let worktrees = Worktrees::open(state, &self.overlay).expect("it opens");
        let worktrees = worktrees.sparse_above(if sparse { 0 } else { usize::MAX });
        let worktree = worktrees.take(&self.overlay, "bench").expect("taken");
        (worktree, start.elapsed())
    }

    fn fresh(&self) -> Duration {
        median(|n| {
            let state = self.folder.path().join(format!("fresh-{n}"));
            let (worktree, took) = self.take(&state, false);
            assert_eq!(worktree.written(), self.files.len());
            took
        })
    }

    fn again(&self) -> Duration {
        drop(self.take(&self.state, false));
        median(|n| {
            let (worktree, _) = self.take(&self.state, false);
            for file in self.some() {
                std::fs::write(worktree.path().join(file), "theirs\n").expect("written");
                let text = format!("// the user's {n}\n");
                std::fs::write(self.root().join(file), text).expect("written");
            }
            drop(worktree);
            let (worktree, took) = self.take(&self.state, false);
            assert_eq!(worktree.written(), self.some().count());
            took
        })
    }

    fn sparse(&self) -> Duration {
        let some: Vec<&str> = self.some().map(String::as_str).collect();
        median(|n| {
            let state = self.folder.path().join(format!("sparse-{n}"));
            let start = Instant::now();
            let (mut worktree, _) = self.take(&state, true);
            assert_eq!(worktree.need(&some).expect("they are there"), some.len());
            start.elapsed()
        })
    }

    fn none(&self) -> Duration {
        median(|n| {
            let state = self.folder.path().join(format!("none-{n}"));
            self.take(&state, true).1
        })
    }

    fn changes(&self) -> Duration {
        let (mut worktree, _) = self.take(&self.state, false);
        for file in self.some() {
            std::fs::write(worktree.path().join(file), "theirs\n").expect("written");
        }
        median(|_| {
            let start = Instant::now();
            let changes = worktree.changes().expect("looked at");
            assert_eq!(changes.files.len(), self.some().count());
            start.elapsed()
        })
    }
}

fn median(mut run: impl FnMut(usize) -> Duration) -> Duration {
    let mut samples: Vec<Duration> = (0..RUNS).map(&mut run).collect();
    percentile(&mut samples, 0.5)
}

fn git(folder: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=b", "-c", "user.email=b@example.com"])
        // Else it packs in the background.
        .args(["-c", "gc.auto=0"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output();
    let output = output.expect("git runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {said}");
}
