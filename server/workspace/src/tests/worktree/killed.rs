//! A process that is killed while it fills a worktree.

use super::{Repo, filled, git, seen};
use crate::worktree::{WorktreeState, Worktrees, list, prune};
use crate::{Buffer, Buffers, Overlay};
use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::path::WorkspacePath;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const CHILD: &str = "BOXAGNTS_TEST_FILLING";

/// Asked for a certain file, it says so and never answers.
struct Stuck;

impl Buffers for Stuck {
    fn get(&self, path: &WorkspacePath) -> Option<Buffer> {
        if path.as_str() == "d/stuck.txt" {
            let mut out = std::io::stdout();
            let _ = out.write_all(b"\nhalf filled\n");
            let _ = out.flush();
            loop {
                std::thread::park();
            }
        }
        None
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        Vec::new()
    }
}

/// What the child does; nothing without its parent.
#[test]
fn child() {
    let Ok(folders) = std::env::var(CHILD) else {
        return;
    };
    let (root, state) = folders.split_once('\n').unwrap();
    let overlay = Overlay::open(Path::new(root), &Mounts::none(), Arc::new(Stuck)).unwrap();
    let worktrees = Worktrees::open(Path::new(state), &overlay).unwrap();
    let _never = worktrees.take(&overlay, "child");
}

/// Kills a child that has filled half of a worktree.
fn kill_one(repo: &Repo) {
    let folders = format!("{}\n{}", repo.root().display(), repo.state().display());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::worktree::killed::child", "--nocapture"])
        .env(CHILD, folders)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut lines = out.lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "half filled"));
    let state = list(&repo.state()).pop().unwrap().state;
    let expect = WorktreeState::InUse {
        pid: child.id(),
        name: "child".to_owned(),
    };
    assert_eq!(state, expect);
    child.kill().unwrap();
    child.wait().unwrap();
    let state = list(&repo.state()).pop().unwrap().state;
    assert!(matches!(state, WorktreeState::Left { .. }), "{state:?}");
}

fn repo() -> Repo {
    let files = (0..300).map(|n| format!("//- a/{n}.txt\n{n}\n"));
    let files: String = files.collect();
    Repo::new(&format!("{files}//- d/stuck.txt\nx\n//- e/z.txt\nz\n"))
}

#[test]
fn what_it_leaves_is_put_in_order_by_the_next() {
    let repo = repo();
    // From nothing, and over one that was whole.
    for _ in 0..2 {
        kill_one(&repo);
        let worktree = repo.take();
        assert_eq!(filled(&worktree), seen(&repo.fixture.overlay));
        assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
        drop(worktree);
        assert_eq!(list(&repo.state()).len(), 1);
        for n in 0..300 {
            super::put(repo.root(), &format!("a/{n}.txt"), b"other\n");
        }
        git(
            repo.root(),
            &["commit", "-q", "-a", "-m", "other", "--allow-empty"],
        );
    }
}

#[test]
fn what_it_leaves_is_pruned() {
    let repo = repo();
    kill_one(&repo);
    let report = prune(&repo.state(), 4).unwrap();
    assert_eq!((report.removed.len(), report.kept), (1, 0), "{report:?}");
    assert!(list(&repo.state()).is_empty());
    assert_eq!(git(repo.root(), &["status", "--porcelain"]), "");
}
