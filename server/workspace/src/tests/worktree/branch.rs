//! The one thing that is written into the user's repository, and that nothing else is.

use super::{Repo, files, git, put};
use crate::worktree::{Branch, Person};

fn person(name: &str) -> Person {
    Person {
        name: name.to_owned(),
        email: format!("{}@example.com", name.to_lowercase()),
    }
}

fn branch(name: &str, uncommitted: bool) -> Branch {
    Branch {
        name: name.to_owned(),
        message: "What was done".to_owned(),
        author: person("Author"),
        committer: person("Committer"),
        sign_off: Some(person("Signer")),
        uncommitted,
        left_out: Vec::new(),
    }
}

/// Commits to a branch and compares the names and states of its files with the parent's.
fn check(repo: &Repo, uncommitted: bool, edit: impl Fn(&std::path::Path), expect: &str) {
    let mut worktree = repo.take();
    edit(worktree.path());
    let name = format!("agent/{uncommitted}");
    let made = worktree
        .commit_to_branch(&branch(&name, uncommitted))
        .unwrap();
    let shown = git(repo.root(), &["diff", "--name-status", "HEAD", &name]);
    assert_eq!(shown.replace('\t', " "), expect);
    assert_eq!(made.files, expect.lines().count());
    assert_eq!(git(repo.root(), &["rev-parse", &name]).trim(), made.commit);
}

#[test]
fn a_branch_has_what_was_done() {
    let repo = Repo::new(
        "//- a.txt\none\n//- b.txt\ntwo\n//- gone.txt\nx\n//- d/c.txt\nthree\n//- .env\nS=1\n",
    );
    put(repo.root(), "b.txt", b"TWO\n");
    put(repo.root(), "mine.txt", b"mine\n");
    std::fs::remove_file(repo.root().join("gone.txt")).unwrap();
    let edit = |at: &std::path::Path| {
        put(at, "a.txt", b"1\n");
        put(at, "new.txt", b"new\n");
        std::fs::remove_file(at.join("d/c.txt")).unwrap();
        put(at, ".env", b"S=2\n");
    };
    check(&repo, false, edit, "M a.txt\nD d/c.txt\nA new.txt\n");
    let all = "M a.txt\nM b.txt\nD d/c.txt\nD gone.txt\nA mine.txt\nA new.txt\n";
    check(&repo, true, edit, all);
    let format = "--format=%an %ae %cn%n%B";
    let shown = git(repo.root(), &["log", "-1", format, "agent/true"]);
    let expect = "Author author@example.com Committer\nWhat was done\n\n\
                  Signed-off-by: Signer <signer@example.com>\n";
    assert_eq!(shown.trim_end(), expect.trim_end());
    git(repo.root(), &["fsck", "--strict"]);
}

#[test]
fn a_branch_that_is_there_stays_as_it_is() {
    let repo = Repo::new("//- a.txt\none\n");
    git(repo.root(), &["branch", "taken"]);
    git(repo.root(), &["branch", "deep/er"]);
    let before = files(repo.root());
    let mut worktree = repo.take();
    let mut refused = |name: &str, expect: &str| {
        let error = worktree.commit_to_branch(&branch(name, false)).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    refused("taken", "exists already");
    refused("main", "exists already");
    refused("-x", "no name of a branch");
    refused("a..b", "no name of a branch");
    refused("@", "no name of a branch");
    refused("refs/heads/x", "no name of a branch");
    refused("taken/x", "none below the branch `taken`; name another");
    refused("deep", "none above the branch `deep/er`; name another");
    refused("", "no name of a branch");
    refused("new", "nothing of what was changed");
    assert_eq!(files(repo.root()), before);
}

#[test]
fn the_users_repository_is_the_same_byte_for_byte() {
    let repo = Repo::new("//- a.txt\none\n//- b.txt\ntwo\n//- c.txt\nthree\n");
    let root = repo.root();
    put(root, "b.txt", b"stashed\n");
    git(root, &["stash", "-q"]);
    put(root, "b.txt", b"staged\n");
    git(root, &["add", "b.txt"]);
    put(root, "b.txt", b"TWO\n");
    put(root, "new.txt", b"new\n");
    put(root, ".git/hooks/pre-commit", b"#!/bin/sh\ntouch ran\n");
    put(root, ".git/hooks/post-checkout", b"#!/bin/sh\ntouch ran\n");
    git(root, &["config", "filter.x.smudge", "touch ran; cat"]);
    git(root, &["config", "core.fsmonitor", "touch ran"]);
    let status = || {
        let args = [
            "-c",
            "core.fsmonitor=false",
            "status",
            "--porcelain=v2",
            "--branch",
        ];
        git(root, &args)
    };
    let (before, told) = (files(root), status());
    let mut worktree = repo.take();
    put(worktree.path(), "a.txt", b"1\n");
    assert_eq!(worktree.changes().unwrap().files.len(), 1);
    git(worktree.path(), &["add", "-A"]);
    git(worktree.path(), &["commit", "-q", "-m", "in the worktree"]);
    git(worktree.path(), &["gc", "-q", "--prune=now"]);
    drop(worktree);
    let mut worktree = repo.take();
    crate::worktree::list(&repo.state());
    let same = |after: &std::collections::BTreeMap<String, Vec<u8>>| {
        let changed: Vec<_> = after
            .iter()
            .filter(|(path, bytes)| before.get(*path) != Some(bytes))
            .map(|(path, _)| path.clone())
            .collect();
        let gone: Vec<_> = before
            .keys()
            .filter(|path| !after.contains_key(*path))
            .collect();
        assert!(gone.is_empty(), "{gone:?}");
        changed
    };
    assert_eq!(same(&files(root)), [""; 0]);
    assert_eq!(status(), told);
    // A branch: one reference with its log, and objects.
    put(worktree.path(), "a.txt", b"1\n");
    worktree.commit_to_branch(&branch("agent/x", true)).unwrap();
    let mut new = same(&files(root));
    new.retain(|path| !path.starts_with(".git/objects/"));
    assert_eq!(
        new,
        [".git/logs/refs/heads/agent/x", ".git/refs/heads/agent/x"]
    );
    assert_eq!(status(), told);
    drop(worktree);
    crate::worktree::prune(&repo.state(), 0).unwrap();
    assert!(!root.join("ran").exists() && !files(root).keys().any(|path| path.ends_with(".lock")));
}

#[test]
fn line_ends_go_back_as_git_has_them() {
    let repo = Repo::new("//- a.txt\none\ntwo\n//- b.bin\nx\r\ny\r\n");
    git(repo.root(), &["config", "core.autocrlf", "true"]);
    put(repo.root(), "a.txt", b"one\r\ntwo\r\n");
    let edit = |at: &std::path::Path| {
        put(at, "a.txt", b"one\r\nTWO\r\n");
        put(at, "b.bin", b"X\r\ny\r\n");
        put(at, "new.txt", b"new\r\n");
    };
    check(&repo, false, edit, "M a.txt\nM b.bin\nA new.txt\n");
    let shown = |path: &str| {
        git(
            repo.root(),
            &["cat-file", "blob", &format!("agent/false:{path}")],
        )
    };
    assert_eq!(shown("a.txt"), "one\nTWO\n");
    assert_eq!(shown("b.bin"), "X\r\ny\r\n");
    assert_eq!(shown("new.txt"), "new\n");
}

#[test]
fn what_a_filter_would_convert_is_not_committed_raw() {
    let repo =
        Repo::new("//- a.bin\npointer\n//- b.txt\none\n//- .gitattributes\n*.bin filter=lfs\n");
    let mut worktree = repo.take();
    put(worktree.path(), "a.bin", b"large\n");
    put(worktree.path(), "b.txt", b"1\n");
    let made = worktree.commit_to_branch(&branch("x", false)).unwrap();
    assert_eq!(made.files, 1);
    assert!(
        made.left_out[0].contains("filter `lfs`"),
        "{:?}",
        made.left_out
    );
}

#[test]
fn what_a_filter_would_convert_can_be_removed() {
    let repo = Repo::new("//- a.bin\npointer\n//- .gitattributes\n*.bin filter=lfs\n");
    let edit = |at: &std::path::Path| {
        std::fs::remove_file(at.join("a.bin")).unwrap();
        put(at, "b.txt", b"other\n");
    };
    check(&repo, false, edit, "D a.bin\nA b.txt\n");
}

#[test]
fn what_the_user_has_not_committed_is_in_no_branch() {
    let repo = Repo::new("//- a.txt\none\n2\n3\n4\nfive\n//- b.txt\none\ntwo\n");
    put(repo.root(), "a.txt", b"one\n2\n3\n4\nMINE\n");
    put(repo.root(), "b.txt", b"one\nMINE\n");
    put(repo.root(), "c.txt", b"MINE\n");
    let mut worktree = repo.take();
    put(worktree.path(), "a.txt", b"ONE\n2\n3\n4\nMINE\n");
    // Of that line the commit knows nothing.
    put(worktree.path(), "b.txt", b"one\nMINE, OURS\n");
    put(worktree.path(), "c.txt", b"MINE\nours\n");
    let made = worktree.commit_to_branch(&branch("x", false)).unwrap();
    assert_eq!(
        git(repo.root(), &["show", "x:a.txt"]),
        "ONE\n2\n3\n4\nfive\n"
    );
    assert_eq!(
        git(repo.root(), &["diff", "--name-only", "HEAD", "x"]),
        "a.txt\n"
    );
    assert_eq!(
        made.left_out,
        [
            "`b.txt`: it stands on what you have not committed there",
            "`c.txt`: you have not committed the file itself",
        ]
    );
}

/// How a file is committed, where the commit, the user and a tool have it so.
fn check_file(committed: &[u8], user: &[u8], tool: &[u8], expect: Result<&[u8], &str>) {
    let repo = Repo::new("//- other.txt\nother\n");
    put(repo.root(), "a.txt", committed);
    git(repo.root(), &["add", "a.txt"]);
    git(repo.root(), &["commit", "-q", "-m", "a"]);
    put(repo.root(), "a.txt", user);
    let mut worktree = repo.take();
    put(worktree.path(), "a.txt", tool);
    put(worktree.path(), "new.txt", b"new\n");
    let made = worktree.commit_to_branch(&branch("x", false)).unwrap();
    let blob = git(repo.root(), &["cat-file", "blob", "x:a.txt"]);
    match expect {
        Ok(expect) => assert_eq!((blob.as_bytes(), &made.left_out[..]), (expect, &[][..])),
        Err(expect) => assert_eq!(made.left_out, [format!("`a.txt`: {expect}")]),
    }
}

#[test]
fn how_files_are_written_stays_as_the_commit_has_it() {
    // A byte-order mark.
    check_file(
        b"\xef\xbb\xbf1\n2\n3\n4\n",
        b"\xef\xbb\xbf1\n2\n3\nMINE\n",
        b"\xef\xbb\xbfONE\n2\n3\nMINE\n",
        Ok(b"\xef\xbb\xbfONE\n2\n3\n4\n"),
    );
    // Line ends that the user changed.
    check_file(b"1\n2\n", b"1\r\n2\r\n", b"ONE\r\n2\r\n", Ok(b"ONE\n2\n"));
    check_file(b"1\r\n2\r\n", b"1\n2\n", b"ONE\n2\n", Ok(b"ONE\r\n2\r\n"));
    check_file(
        b"1\n2\n3\n4\n",
        b"1\r\n2\n3\nMINE\n",
        b"ONE\r\n2\n3\nMINE\n",
        Ok(b"ONE\n2\n3\n4\n"),
    );
    // Ends of both kinds stay what they are, or nobody knows which are whose.
    let mixed = b"1\n2\r\n3\n4\n";
    check_file(mixed, mixed, b"ONE\n2\r\n3\n4\n", Ok(b"ONE\n2\r\n3\n4\n"));
    check_file(
        mixed,
        b"1\n2\n3\n4\n",
        b"ONE\n2\n3\n4\n",
        Err("it stands on what you have not committed there"),
    );
}

#[cfg(unix)]
#[test]
fn a_mode_that_the_user_has_not_committed_is_in_no_branch() {
    use std::os::unix::fs::PermissionsExt;
    let path = |path: &str| boxagnts_policy::path::WorkspacePath::parse(path).unwrap();
    let repo = Repo::new("//- a.sh\none\n//- b.sh\ntwo\n");
    let program = |path: std::path::PathBuf| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(repo.root().join("a.sh"));
    let mut worktree = repo.take();
    assert!(worktree.has_uncommitted(&path("a.sh")));
    assert!(!worktree.has_uncommitted(&path("b.sh")));
    put(worktree.path(), "a.sh", b"1\n");
    // That of a tool is in it.
    program(worktree.path().join("b.sh"));
    worktree.commit_to_branch(&branch("x", false)).unwrap();
    let modes = git(
        repo.root(),
        &["ls-tree", "--format=%(objectmode) %(path)", "x"],
    );
    assert_eq!(modes, "100644 a.sh\n100755 b.sh\n");
}

#[test]
fn what_was_left_out_before_is_told_with_the_rest() {
    let repo = Repo::new("//- a.txt\none\n");
    let mut worktree = repo.take();
    let mut branch = branch("x", false);
    branch.left_out = vec!["`b.txt`: elsewhere".to_owned()];
    let error = worktree.commit_to_branch(&branch).unwrap_err();
    assert!(
        error.to_string().ends_with("; `b.txt`: elsewhere"),
        "{error}"
    );
    put(worktree.path(), "a.txt", b"1\n");
    let made = worktree.commit_to_branch(&branch).unwrap();
    assert_eq!(made.left_out, branch.left_out);
}

#[test]
fn objects_that_are_gone_are_found_missing() {
    let repo = Repo::new("//- a.txt\none\n//- b.txt\ntwo\n");
    let mut worktree = repo.take();
    put(repo.root(), "a.txt", b"amended\n");
    git(
        repo.root(),
        &["commit", "-q", "-a", "--amend", "-m", "other"],
    );
    git(repo.root(), &["reflog", "expire", "--expire=now", "--all"]);
    git(repo.root(), &["gc", "-q", "--prune=now"]);
    put(worktree.path(), "a.txt", b"1\n");
    put(worktree.path(), "b.txt", b"2\n");
    // What `a.txt` was is nowhere; `b.txt` is the user's still.
    assert_eq!(super::changed(&mut worktree), ["a.txt ?>1", "b.txt two>2"]);
    let error = worktree.commit_to_branch(&branch("x", false)).unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    drop(worktree);
    super::check(&repo, &["a.txt", "b.txt"], &[]);
    assert_eq!(git(repo.take().path(), &["status", "--porcelain"]), "");
}
