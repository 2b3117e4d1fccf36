//! Worktrees against the overlay's view that they are copies of, over real repositories.

mod branch;
mod killed;
mod pool;
mod random;
mod safe;

use super::{Editor, Fixture, put};
use crate::Overlay;
use crate::worktree::{Before, Worktree, Worktrees};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the real git, which the product never does, and gives what it says.
fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.com"])
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Commits everything in a folder.
fn commit_all(folder: &Path) {
    git(folder, &["init", "-q", "-b", "main"]);
    git(folder, &["add", "-A", "-f"]);
    git(folder, &["commit", "-q", "-m", "all"]);
}

/// A committed tree with a place for worktrees.
struct Repo {
    fixture: Fixture,
    state: tempfile::TempDir,
}

impl Repo {
    fn new(fixture: &str) -> Repo {
        let fixture = Fixture::new(fixture);
        commit_all(fixture.folder.path());
        Repo {
            fixture,
            state: tempfile::tempdir().unwrap(),
        }
    }

    fn root(&self) -> &Path {
        self.fixture.folder.path()
    }

    fn state(&self) -> PathBuf {
        self.state.path().join("worktrees")
    }

    fn worktrees(&self) -> Worktrees {
        Worktrees::open(&self.state(), &self.fixture.overlay).unwrap()
    }

    fn take(&self) -> Worktree {
        self.worktrees()
            .take(&self.fixture.overlay, "test")
            .unwrap()
    }
}

/// Every file and link below a folder, with `x` behind the names of programs.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let metadata = std::fs::symlink_metadata(entry.path()).unwrap();
            if metadata.is_dir() {
                open.push((entry.path(), format!("{name}/")));
            } else if metadata.is_symlink() {
                let target = std::fs::read_link(entry.path()).unwrap();
                all.insert(name, format!("-> {}", target.display()).into_bytes());
            } else {
                all.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    all
}

/// What tools see, by their own way of reading.
fn seen(overlay: &std::sync::Arc<Overlay>) -> BTreeMap<String, Vec<u8>> {
    let mut call = overlay.begin("look");
    let mut walk = call.walk(".").unwrap();
    let mut all = BTreeMap::new();
    loop {
        let some = call.walk_next(&mut walk, 100).unwrap();
        if some.is_empty() {
            return all;
        }
        for path in some {
            let bytes = call.read(&path, u64::MAX).unwrap();
            all.insert(path, bytes);
        }
    }
}

/// The files of a worktree without git's pointer.
fn filled(worktree: &Worktree) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(worktree.path());
    all.remove(".git");
    all
}

/// `path before>after` of each change.
fn changed(worktree: &mut Worktree) -> Vec<String> {
    let changes = worktree.changes().unwrap();
    let show = |change: &crate::worktree::WorktreeChange| {
        let text = |content: &crate::Content| {
            String::from_utf8_lossy(&content.bytes())
                .trim_end()
                .replace("\r\n", "/")
        };
        let before = match &change.before {
            Before::Absent => "-".to_owned(),
            Before::Content(content) => text(content),
            Before::Unknown => "?".to_owned(),
        };
        let after = change.after.as_ref().map_or_else(|| "-".to_owned(), text);
        let mode = if change.executable { " x" } else { "" };
        format!("{} {before}>{after}{mode}", change.path)
    };
    let left_out = changes.left_out.iter().cloned();
    changes.files.iter().map(show).chain(left_out).collect()
}

/// Takes a worktree, compares it with what tools see, and with the paths that are expected.
fn check(repo: &Repo, expect: &[&str], notes: &[&str]) {
    let worktree = repo.take();
    let mut there = filled(&worktree);
    let links = there.iter().filter(|(_, bytes)| bytes.starts_with(b"-> "));
    let links: Vec<String> = links.map(|(path, _)| path.clone()).collect();
    assert_eq!(there.keys().collect::<Vec<_>>(), expect);
    for link in links {
        there.remove(&link);
    }
    assert_eq!(there, seen(&repo.fixture.overlay));
    for note in notes {
        let told = worktree.notes();
        assert!(
            told.iter().any(|told| told.contains(note)),
            "{note}: {told:?}"
        );
    }
    assert_eq!(
        worktree.notes().len(),
        notes.len(),
        "{:?}",
        worktree.notes()
    );
}

#[test]
fn a_worktree_has_what_tools_see() {
    let repo = Repo::new(
        "//- a.txt\none\n//- b.txt\ntwo\n//- d/c.txt\nthree\n//- .env\nS=1\n//- .gitignore\n/built\n\
         //- gone.txt\nx\n",
    );
    let all = [".gitignore", "a.txt", "b.txt", "d/c.txt", "gone.txt"];
    check(&repo, &all, &[]);
    let root = repo.root();
    put(root, "a.txt", b"ONE\n");
    put(root, "new/e.txt", b"four\n");
    put(root, "built/x", b"x\n");
    put(root, "bin", &[0, 1, 2]);
    std::fs::remove_file(root.join("gone.txt")).unwrap();
    repo.fixture.editor.show("b.txt", "TWO\n", true);
    repo.fixture.editor.show("d/new.txt", "unsaved\n", true);
    repo.fixture.write("d/proposed/f.txt", "five\n");
    repo.fixture.write("d/c.txt", "THREE\n");
    let all = [
        ".gitignore",
        "a.txt",
        "b.txt",
        "bin",
        "d/c.txt",
        "d/new.txt",
        "d/proposed/f.txt",
        "new/e.txt",
    ];
    check(&repo, &all, &[]);
}

#[test]
fn git_finds_in_it_what_was_not_committed_and_nothing_else() {
    let repo = Repo::new(
        "//- a.txt\none\n//- b.txt\ntwo\n//- gone.txt\nx\n//- .env\nS=1\n//- run.sh\n#!/bin/sh\n",
    );
    let root = repo.root();
    assert_eq!(git(repo.take().path(), &["status", "--porcelain"]), "");
    put(root, "a.txt", b"ONE\n");
    put(root, "new.txt", b"new\n");
    std::fs::remove_file(root.join("gone.txt")).unwrap();
    let worktree = repo.take();
    let status = git(worktree.path(), &["status", "--porcelain"]);
    assert_eq!(status, " M a.txt\n D gone.txt\n?? new.txt\n");
    assert_eq!(git(worktree.path(), &["log", "--format=%s"]), "all\n");
    let own = git(root, &["rev-parse", "HEAD"]);
    assert_eq!(git(worktree.path(), &["rev-parse", "HEAD"]), own);
    assert_eq!(git(root, &["worktree", "list"]).lines().count(), 1);
    git(worktree.path(), &["fsck"]);
}

#[test]
fn what_changes_in_it_is_told_with_what_it_was() {
    let repo =
        Repo::new("//- a.txt\none\n//- b.txt\ntwo\n//- c.txt\nthree\n//- .gitignore\n/built\n");
    put(repo.root(), "b.txt", b"TWO\n");
    repo.fixture.write("p.txt", "proposed\n");
    let mut worktree = repo.take();
    assert_eq!(changed(&mut worktree), [""; 0]);
    let at = worktree.path().to_path_buf();
    put(&at, "a.txt", b"1\n");
    put(&at, "b.txt", b"2\n");
    put(&at, "p.txt", b"3\n");
    put(&at, "new/d.txt", b"4\n");
    put(&at, "built/x", b"x\n");
    put(&at, ".env", b"S=1\n");
    std::fs::remove_file(at.join("c.txt")).unwrap();
    // The user goes on meanwhile, so none of it can be read there.
    put(repo.root(), "b.txt", b"later\n");
    let expect = [
        "a.txt one>1",
        "b.txt TWO>2",
        "c.txt three>-",
        "new/d.txt ->4",
        "p.txt proposed>3",
    ];
    assert_eq!(changed(&mut worktree), expect);
    // Written, and the same again.
    put(&at, "a.txt", b"one\n");
    assert_eq!(changed(&mut worktree), expect[1..]);
}

#[test]
fn line_ends_are_the_users() {
    let repo = Repo::new("//- a.txt\none\n//- m.txt\none\ntwo\n");
    let root = repo.root();
    git(root, &["config", "core.autocrlf", "true"]);
    put(root, "a.txt", b"one\r\n");
    put(root, "m.txt", b"one\ntwo\r\n");
    let mut worktree = repo.take();
    assert_eq!(filled(&worktree), seen(&repo.fixture.overlay));
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
    let at = worktree.path().to_path_buf();
    put(&at, "a.txt", b"ONE\r\n");
    put(&at, "m.txt", b"ONE\n");
    put(root, "a.txt", b"later\r\n");
    put(root, "m.txt", b"later\r\n");
    assert_eq!(
        changed(&mut worktree),
        ["a.txt one>ONE", "m.txt one\ntwo>ONE"]
    );
}

#[test]
fn repositories_of_every_state_have_worktrees() {
    // Before the first commit.
    let repo = Repo {
        fixture: Fixture::new("//- a.txt\none\n"),
        state: tempfile::tempdir().unwrap(),
    };
    git(repo.root(), &["init", "-q", "-b", "trunk"]);
    check(&repo, &["a.txt"], &[]);
    let worktree = repo.take();
    let status = git(worktree.path(), &["status", "--porcelain", "--branch"]);
    assert_eq!(status, "## No commits yet on trunk\n?? a.txt\n");
    drop(worktree);
    // Detached.
    commit_all(repo.root());
    git(repo.root(), &["checkout", "-q", "--detach"]);
    check(&repo, &["a.txt"], &[]);
    // A worktree itself, and a shallow clone.
    let others = tempfile::tempdir().unwrap();
    let linked = others.path().join("linked");
    git(
        repo.root(),
        &[
            "worktree",
            "add",
            "-q",
            "-b",
            "side",
            linked.to_str().unwrap(),
        ],
    );
    put(&linked, "b.txt", b"two\n");
    git(&linked, &["add", "."]);
    git(&linked, &["commit", "-q", "-m", "second"]);
    let url = format!("file://{}", linked.display());
    git(
        others.path(),
        &["clone", "-q", "--depth", "1", &url, "shallow"],
    );
    let mounts = boxagnts_policy::mounts::Mounts::none();
    for folder in [linked.clone(), others.path().join("shallow")] {
        let buffers = std::sync::Arc::new(crate::NoBuffers);
        let overlay = Overlay::open(&folder, &mounts, buffers).unwrap();
        let worktrees = Worktrees::open(&repo.state(), &overlay).unwrap();
        let worktree = worktrees.take(&overlay, "other").unwrap();
        assert_eq!(filled(&worktree), seen(&overlay));
        assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
        assert!(git(worktree.path(), &["log", "--format=%s"]).starts_with("second\n"));
    }
    // One that the library cannot read.
    let sha256 = others.path().join("sha256");
    std::fs::create_dir(&sha256).unwrap();
    git(&sha256, &["init", "-q", "--object-format=sha256"]);
    let overlay = Overlay::open(&sha256, &mounts, std::sync::Arc::new(crate::NoBuffers)).unwrap();
    let error = Worktrees::open(&repo.state(), &overlay)
        .unwrap_err()
        .to_string();
    assert!(error.contains("SHA-256"), "{error}");
    // None.
    let overlay = Overlay::open(
        others.path(),
        &mounts,
        std::sync::Arc::new(crate::NoBuffers),
    );
    let error = Worktrees::open(&repo.state(), &overlay.unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("in no git repository"), "{error}");
}

#[test]
fn a_folder_of_a_repository_is_there_alone() {
    let outer = Fixture::new("//- in/a.txt\none\n//- out.txt\ntwo\n");
    commit_all(outer.folder.path());
    let state = tempfile::tempdir().unwrap();
    let mounts = boxagnts_policy::mounts::Mounts::none();
    let inner = outer.folder.path().join("in");
    let editor = std::sync::Arc::<Editor>::default();
    let overlay = Overlay::open(&inner, &mounts, editor).unwrap();
    let worktrees = Worktrees::open(&state.path().join("w"), &overlay).unwrap();
    let mut worktree = worktrees.take(&overlay, "in").unwrap();
    assert_eq!(
        files(worktree.path()).into_keys().collect::<Vec<_>>(),
        ["a.txt"]
    );
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
    put(worktree.path(), "a.txt", b"1\n");
    put(worktree.repository_path(), "out.txt", b"2\n");
    let expect = ["a.txt one>1", "`out.txt`: it is outside of the workspace"];
    assert_eq!(changed(&mut worktree), expect);
    drop(worktree);
    let worktree = worktrees.take(&overlay, "in").unwrap();
    let all: Vec<String> = files(worktree.repository_path()).into_keys().collect();
    assert_eq!(all, [".git", "in/a.txt"]);
}

#[test]
fn submodules_and_filters_are_told_of() {
    let repo = Repo::new("//- a.txt\none\n//- .gitattributes\n*.bin filter=lfs\n");
    let other = Fixture::new("//- s.txt\nsub\n");
    commit_all(other.folder.path());
    let url = other.folder.path().to_str().unwrap();
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        url,
        "sub",
    ];
    git(repo.root(), &add);
    git(repo.root(), &["commit", "-q", "-m", "sub"]);
    let worktree = repo.take();
    let all = [".gitattributes", ".gitmodules", "a.txt"];
    assert_eq!(filled(&worktree).into_keys().collect::<Vec<_>>(), all);
    assert!(worktree.path().join("sub").is_dir());
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
    let notes = worktree.notes().join("\n");
    assert!(
        notes.contains("`sub`: a submodule") && notes.contains("Git LFS"),
        "{notes}"
    );
}

#[test]
fn large_trees_come_as_they_are_needed() {
    let repo =
        Repo::new("//- a.txt\none\n//- d/b.txt\ntwo\n//- d/c.txt\nthree\n//- e/f/g.txt\nfour\n");
    put(repo.root(), "d/new.txt", b"new\n");
    let worktrees = repo.worktrees().sparse_above(3);
    let mut worktree = worktrees.take(&repo.fixture.overlay, "sparse").unwrap();
    assert!(worktree.is_sparse() && filled(&worktree).is_empty());
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
    assert_eq!(worktree.need(&["d", "a.txt"]).unwrap(), 4);
    let there: Vec<String> = filled(&worktree).into_keys().collect();
    assert_eq!(there, ["a.txt", "d/b.txt", "d/c.txt", "d/new.txt"]);
    assert_eq!(
        git(worktree.path(), &["status", "--porcelain"]),
        "?? d/new.txt\n"
    );
    let missing = worktree.need(&["nothing"]).unwrap_err().to_string();
    assert!(missing.contains("`nothing`"), "{missing}");
    // What was done there is not undone.
    put(worktree.path(), "d/b.txt", b"2\n");
    put(worktree.path(), "e", b"a file\n");
    std::fs::remove_file(worktree.path().join("d/c.txt")).unwrap();
    assert_eq!(worktree.need(&["."]).unwrap(), 0);
    let expect = ["d/b.txt two>2", "d/c.txt three>-", "e ->a file"];
    let found = changed(&mut worktree);
    // At `e` tools see a folder, of which the worktree has had nothing yet.
    assert_eq!(found[..2], expect[..2]);
    drop(worktree);
    let mut worktree = worktrees.take(&repo.fixture.overlay, "again").unwrap();
    let there: Vec<String> = filled(&worktree).into_keys().collect();
    assert_eq!(there, ["a.txt", "d/b.txt", "d/c.txt", "d/new.txt"]);
    assert_eq!(worktree.need(&["."]).unwrap(), 1);
    assert_eq!(filled(&worktree), seen(&repo.fixture.overlay));
}

#[test]
fn tools_can_work_in_it() {
    let repo = Repo::new("//- a.txt\none\n//- .gitignore\n/built\n");
    let worktree = repo.take();
    put(worktree.path(), "built/x", b"x\n");
    let overlay = worktree
        .overlay(std::sync::Arc::new(crate::NoBuffers))
        .unwrap();
    assert_eq!(seen(&overlay), filled(&repo.take()));
}
