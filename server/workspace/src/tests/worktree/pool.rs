//! Worktrees that are given back, taken again, listed and removed.

use super::{Repo, Worktrees, changed, filled, git, put, seen};
use crate::worktree::{WorktreeState, list, prune};
use std::path::Path;

/// `state files` of every worktree.
fn states(state: &Path) -> Vec<String> {
    let show = |info: crate::worktree::WorktreeInfo| {
        let state = match info.state {
            WorktreeState::InUse { pid, name } if pid == std::process::id() => {
                format!("in use for {name}")
            }
            WorktreeState::InUse { .. } => "in use by others".to_owned(),
            WorktreeState::Idle => "idle".to_owned(),
            WorktreeState::Left { name, .. } => format!("left by {name}"),
        };
        format!("{state}, {} files", info.files)
    };
    list(state).into_iter().map(show).collect()
}

#[test]
fn one_that_is_given_back_is_taken_again() {
    let repo =
        Repo::new("//- a.txt\none\n//- b.txt\ntwo\n//- d/c.txt\nthree\n//- .gitignore\n/built\n");
    let worktrees = repo.worktrees();
    let take = |name: &str| worktrees.take(&repo.fixture.overlay, name).unwrap();
    let first = take("first");
    let second = take("second\n");
    assert_ne!(first.path(), second.path());
    assert_eq!(first.written(), 4);
    let expect = ["in use for first, 4 files", "in use for second, 4 files"];
    assert_eq!(states(&repo.state()), expect);
    drop(second);
    let path = first.path().to_path_buf();
    put(&path, "a.txt", b"1\n");
    put(&path, "built/deep/x", b"x\n");
    put(&path, "d/new.txt", b"x\n");
    std::fs::remove_file(path.join("b.txt")).unwrap();
    std::fs::create_dir(path.join("b.txt")).unwrap();
    std::fs::write(path.join("b.txt/x"), "x\n").unwrap();
    drop(first);
    assert_eq!(states(&repo.state()), ["idle, 6 files", "idle, 4 files"]);
    put(repo.root(), "d/c.txt", b"THREE\n");
    let again = [take("x"), take("y")];
    let first = again
        .iter()
        .find(|worktree| worktree.path() == path)
        .unwrap();
    // What was changed in it, and what the user changed.
    assert_eq!(first.written(), 3);
    for worktree in &again {
        assert_eq!(filled(worktree), seen(&repo.fixture.overlay));
        assert_eq!(
            git(worktree.path(), &["status", "--porcelain"]),
            " M d/c.txt\n"
        );
    }
}

#[test]
fn what_is_not_needed_is_removed() {
    let repo = Repo::new("//- a.txt\none\n");
    let other = Repo::new("//- o.txt\none\n");
    let (state, worktrees) = (repo.state(), repo.worktrees());
    assert_eq!(states(&state), [""; 0]);
    let take = || worktrees.take(&repo.fixture.overlay, "x").unwrap();
    let (one, two, three) = (take(), take(), take());
    let used = take();
    drop((one, two, three));
    // One of a repository that is gone.
    let others = Worktrees::open(&state, &other.fixture.overlay).unwrap();
    drop(others.take(&other.fixture.overlay, "o").unwrap());
    drop(other);
    let report = prune(&state, 2).unwrap();
    assert_eq!((report.removed.len(), report.kept), (2, 3), "{report:?}");
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(states(&state).len(), 3);
    assert_eq!(filled(&used), seen(&repo.fixture.overlay));
    drop(used);
    let report = prune(&state, 0).unwrap();
    assert_eq!((report.removed.len(), report.kept), (3, 0), "{report:?}");
    assert_eq!(states(&state), [""; 0]);
    // The folder of the repository is made again.
    assert_eq!(filled(&take()), seen(&repo.fixture.overlay));
    let nowhere = state.join("nowhere");
    assert!(list(&nowhere).is_empty() && prune(&nowhere, 0).unwrap().removed.is_empty());
}

#[test]
fn the_place_is_private_and_outside() {
    let repo = Repo::new("//- a.txt\none\n");
    drop(repo.take());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(repo.state())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    let inside = Worktrees::open(&repo.root().join("w"), &repo.fixture.overlay);
    let error = inside.unwrap_err().to_string();
    assert!(error.contains("in the user's folder"), "{error}");
    assert!(!repo.root().join("w").exists());
    #[cfg(unix)]
    {
        let link = repo.state.path().join("link");
        std::os::unix::fs::symlink(repo.root(), &link).unwrap();
        let inside = Worktrees::open(&link, &repo.fixture.overlay);
        assert!(inside.is_err());
    }
    // A worktree of a worktree.
    let worktree = repo.take();
    let overlay = worktree
        .overlay(std::sync::Arc::new(crate::NoBuffers))
        .unwrap();
    assert!(Worktrees::open(&repo.state(), &overlay).is_err());
}

#[test]
fn a_manifest_that_lies_is_not_believed_of_what_it_does_not_fit() {
    let repo = Repo::new("//- a.txt\none\n//- b.txt\ntwo\n");
    let worktree = repo.take();
    let slot = worktree.git_folder().parent().unwrap().to_path_buf();
    let path = worktree.path().to_path_buf();
    drop(worktree);
    for text in ["", "nonsense", "boxagnts worktree 1 -\nfiles 0\n"] {
        put(&path, "a.txt", b"changed\n");
        std::fs::write(slot.join("manifest"), text).unwrap();
        let mut worktree = repo.take();
        assert_eq!(filled(&worktree), seen(&repo.fixture.overlay));
        assert_eq!(worktree.written(), 2);
        assert_eq!(changed(&mut worktree), [""; 0]);
    }
}
