//! What a hostile tree, or a command in a worktree, could do to whoever fills or reads it.
#![cfg(unix)]

use super::{Repo, changed, check, files, filled, git, put, seen};
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn links_are_links_where_they_stay_and_nothing_else() {
    let repo = Repo::new("//- a.txt\none\n//- d/b.txt\ntwo\n");
    let root = repo.root();
    symlink("a.txt", root.join("inside")).unwrap();
    symlink("../a.txt", root.join("d/up")).unwrap();
    symlink("d", root.join("folder")).unwrap();
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("../../x", root.join("d/out")).unwrap();
    symlink("folder/../../x", root.join("crooked")).unwrap();
    symlink(".git/config", root.join("config")).unwrap();
    git(root, &["add", "-A"]);
    git(root, &["commit", "-q", "-m", "links"]);
    let all = ["a.txt", "d/b.txt", "d/up", "folder", "inside"];
    let notes = ["`absolute`", "`d/out`", "`crooked`", "`config`"];
    check(&repo, &all, &notes);
    let mut worktree = repo.take();
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
    assert_eq!(changed(&mut worktree), [""; 0]);
    std::fs::remove_file(worktree.path().join("inside")).unwrap();
    symlink("/etc/passwd", worktree.path().join("planted")).unwrap();
    let expect = [
        "`inside`: a link that was removed",
        "`planted`: it is a link",
    ];
    assert_eq!(changed(&mut worktree), expect);
}

#[test]
fn a_link_that_a_command_planted_is_not_followed() {
    let repo = Repo::new("//- a.txt\none\n//- d/b.txt\ntwo\n//- e/c.txt\nthree\n");
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "b.txt", b"outside\n");
    put(outside.path(), "kept.txt", b"outside\n");
    let before = files(outside.path());
    let mut worktree = repo.take();
    let path = worktree.path().to_path_buf();
    let swap = || {
        std::fs::remove_file(path.join("a.txt")).unwrap();
        symlink(outside.path().join("kept.txt"), path.join("a.txt")).unwrap();
        std::fs::remove_dir_all(path.join("d")).unwrap();
        symlink(outside.path(), path.join("d")).unwrap();
        // A second name of a file outside is not written to either.
        std::fs::remove_file(path.join("e/c.txt")).unwrap();
        std::fs::hard_link(outside.path().join("b.txt"), path.join("e/c.txt")).unwrap();
        std::fs::remove_file(path.join(".git")).unwrap();
        symlink(outside.path().join("kept.txt"), path.join(".git")).unwrap();
    };
    swap();
    let found = changed(&mut worktree);
    let expect = [
        "d/b.txt two>-",
        "e/c.txt three>outside",
        "`a.txt`: it is a link",
        "`d`: it is a link",
    ];
    assert_eq!(found, expect);
    drop(worktree);
    let worktree = repo.take();
    assert_eq!(worktree.path(), path);
    assert_eq!(filled(&worktree), seen(&repo.fixture.overlay));
    assert_eq!(files(outside.path()), before);
    assert_eq!(git(&path, &["status", "--porcelain"]), "");
    // The whole tree, and what is made of git's folder.
    swap();
    drop(worktree);
    crate::worktree::prune(&repo.state(), 0).unwrap();
    assert_eq!(files(outside.path()), before);
}

#[test]
fn what_commands_leave_in_gits_folder_is_gone() {
    let repo = Repo::new("//- a.txt\none\n");
    let worktree = repo.take();
    let folder = worktree.git_folder();
    put(&folder, "hooks/post-checkout", b"#!/bin/sh\n");
    put(&folder, "config", b"[core]\n\tfsmonitor = touch /tmp/x\n");
    put(&folder, "objects/info/alternates", b"/nowhere\n");
    drop(worktree);
    let worktree = repo.take();
    assert!(!folder.join("hooks").exists());
    let config = std::fs::read_to_string(folder.join("config")).unwrap();
    assert!(config.contains("fsmonitor = false") && config.contains("hooksPath = /dev/null"));
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
}

#[test]
fn folders_that_are_closed_or_very_deep_are_removed() {
    let repo = Repo::new("//- a.txt\none\n//- d/b.txt\ntwo\n");
    let worktree = repo.take();
    let path = worktree.path().to_path_buf();
    put(&path, "closed/in/x", b"x\n");
    for folder in ["closed/in", "closed", "d"] {
        let mode = std::fs::Permissions::from_mode(0o500);
        std::fs::set_permissions(path.join(folder), mode).unwrap();
    }
    // Deeper than handles are let open, and longer than a path may be.
    let mut deep = path.join("deep");
    std::fs::create_dir(&deep).unwrap();
    for _ in 0..40 {
        // From the inside out: what is there moves down by a hundred names at a time.
        let below = path.join("next");
        let long = (0..20).fold(below.clone(), |whole, _| whole.join("x"));
        std::fs::create_dir_all(&long).unwrap();
        std::fs::rename(&deep, long.join("x")).unwrap();
        std::fs::rename(&below, path.join("deep")).unwrap();
        deep = path.join("deep");
    }
    std::process::Command::new("mkfifo")
        .arg(path.join("fifo"))
        .status()
        .unwrap();
    drop(worktree);
    let mut worktree = repo.take();
    assert_eq!(worktree.path(), path);
    assert_eq!(filled(&worktree), seen(&repo.fixture.overlay));
    std::process::Command::new("mkfifo")
        .arg(path.join("fifo"))
        .status()
        .unwrap();
    assert_eq!(
        changed(&mut worktree),
        ["`fifo`: it is a device, socket or FIFO"]
    );
}

#[test]
fn names_of_git_in_a_tree_come_nowhere() {
    let repo = Repo::new("//- a.txt\none\n");
    // As no git would make it: the tree is written by hand.
    let repository = git2::Repository::open(repo.root()).unwrap();
    let blob = repository.blob(b"evil\n").unwrap();
    let mut raw = Vec::new();
    for name in [".GIT", ".git", ".git ", "a.txt", "git~1"] {
        raw.extend_from_slice(format!("100644 {name}\0").as_bytes());
        raw.extend_from_slice(blob.as_bytes());
    }
    let odb = repository.odb().unwrap();
    let tree = odb.write(git2::ObjectType::Tree, &raw).unwrap();
    let who = git2::Signature::now("t", "t@example.com").unwrap();
    let head = repository.head().unwrap().peel_to_commit().unwrap();
    let text = format!(
        "tree {tree}\nparent {}\nauthor t <t@example.com> {} +0000\ncommitter t <t@example.com> {} \
         +0000\n\nevil\n",
        head.id(),
        who.when().seconds(),
        who.when().seconds()
    );
    let commit = odb
        .write(git2::ObjectType::Commit, text.as_bytes())
        .unwrap();
    repository
        .reference("refs/heads/main", commit, true, "evil")
        .unwrap();
    for name in [".GIT", "git~1", ".git "] {
        put(repo.root(), name, b"evil\n");
    }
    check(&repo, &["a.txt"], &[]);
}

#[test]
fn programs_stay_programs() {
    let repo = Repo::new("//- run.sh\n#!/bin/sh\n//- plain.sh\n#!/bin/sh\n");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o111;
    let set = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&repo.root().join("run.sh"), 0o755);
    git(repo.root(), &["commit", "-q", "-a", "-m", "x"]);
    let mut worktree = repo.take();
    let path = worktree.path().to_path_buf();
    assert_ne!(mode(&path.join("run.sh")), 0);
    assert_eq!(mode(&path.join("plain.sh")), 0);
    assert_eq!(git(&path, &["status", "--porcelain"]), "");
    set(&path.join("plain.sh"), 0o755);
    assert_eq!(changed(&mut worktree), ["plain.sh #!/bin/sh>#!/bin/sh x"]);
    drop(worktree);
    let worktree = repo.take();
    assert_eq!(mode(&path.join("plain.sh")), 0);
    drop(worktree);
    // A tool's change of a program leaves it one.
    repo.fixture.write("run.sh", "#!/bin/sh\nexit 0\n");
    assert_ne!(mode(&repo.take().path().join("run.sh")), 0);
}
