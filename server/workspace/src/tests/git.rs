//! What was not committed, of repositories that can be trusted and of others.

use super::Fixture;
use crate::GitState;
use git2::{Repository, Signature};
use std::path::Path;

/// Commits everything in a folder.
fn commit(folder: &Path) -> Repository {
    let repository = Repository::init(folder).unwrap();
    repository.set_head("refs/heads/main").unwrap();
    let mut index = repository.index().unwrap();
    index
        .add_all(["*"], git2::IndexAddOption::DEFAULT, None)
        .unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let who = Signature::now("t", "t@example.com").unwrap();
    repository
        .commit(Some("HEAD"), &who, &who, "all", &tree, &[])
        .unwrap();
    drop(tree);
    repository
}

fn check(fixture: &Fixture, expect: Result<&[&str], &str>) {
    let found = fixture.overlay.uncommitted(10_000, |_| true);
    match (found, expect) {
        (Ok(found), Ok(parts)) => {
            for part in parts {
                assert!(found.diff.contains(part), "{part}: {}", found.diff);
            }
            assert_eq!(found.diff.is_empty(), parts.is_empty(), "{}", found.diff);
        }
        (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
        (found, _) => panic!("{found:?}"),
    }
}

#[test]
fn edits_new_files_and_unsaved_text_are_there_and_secrets_are_not() {
    let fixture = Fixture::new("//- a.txt\none\n//- b.txt\ntwo\n//- c.txt\nthree\n//- .env\nS=1\n");
    let root = fixture.folder.path();
    commit(root);
    check(&fixture, Ok(&[]));
    std::fs::write(root.join("a.txt"), "ONE\n").unwrap();
    std::fs::write(root.join(".env"), "S=2\n").unwrap();
    std::fs::create_dir(root.join("new")).unwrap();
    std::fs::write(root.join("new/d.txt"), "four\n").unwrap();
    std::fs::write(root.join("bin"), [0, 1]).unwrap();
    std::fs::remove_file(root.join("c.txt")).unwrap();
    fixture.editor.show("b.txt", "TWO\n", true);
    let parts = [
        "-one\n+ONE\n",
        "-two\n+TWO\n",
        "--- a/c.txt\n+++ /dev/null\n",
        "+++ b/new/d.txt\n@@ -0,0 +1 @@\n+four\n",
        "bin: a binary file that differs\n",
    ];
    check(&fixture, Ok(&parts));
    assert!(
        !fixture
            .overlay
            .uncommitted(10_000, |_| true)
            .unwrap()
            .diff
            .contains("S=")
    );
    let state = GitState {
        branch: "main".to_owned(),
        changed: Some(3),
    };
    assert_eq!(fixture.overlay.git_state(), Some(state));
    let cut = fixture.overlay.uncommitted(10, |_| true).unwrap();
    assert!(
        cut.left_out > 0 && cut.diff.matches("diff --git").count() == 1,
        "{cut:?}"
    );
}

#[test]
fn what_is_proposed_is_not_the_users() {
    let fixture = Fixture::new("//- a.txt\none\n");
    commit(fixture.folder.path());
    let mut call = fixture.overlay.begin("c");
    call.write("a.txt", b"two\n".to_vec()).unwrap();
    call.commit().unwrap();
    check(&fixture, Ok(&[]));
}

#[test]
fn a_folder_below_the_repository_shows_itself_alone() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::create_dir(outer.path().join("in")).unwrap();
    std::fs::write(outer.path().join("in/a.txt"), "one\n").unwrap();
    std::fs::write(outer.path().join("b.txt"), "two\n").unwrap();
    commit(outer.path());
    std::fs::write(outer.path().join("in/a.txt"), "ONE\n").unwrap();
    std::fs::write(outer.path().join("b.txt"), "TWO\n").unwrap();
    let mounts = boxagnts_policy::mounts::Mounts::none();
    let buffers = std::sync::Arc::new(crate::NoBuffers);
    let overlay = crate::Overlay::open(&outer.path().join("in"), &mounts, buffers).unwrap();
    let found = overlay.uncommitted(10_000, |_| true).unwrap().diff;
    assert!(
        found.contains("--- a/a.txt") && !found.contains("b.txt"),
        "{found}"
    );
}

#[test]
fn line_ends_that_git_changes_are_no_difference() {
    let fixture = Fixture::new("//- a.txt\none\ntwo\n");
    commit(fixture.folder.path());
    std::fs::write(fixture.folder.path().join("a.txt"), "one\r\nTWO\r\n").unwrap();
    check(&fixture, Ok(&["-two\r\n+TWO\r\n"]));
    let found = fixture.overlay.uncommitted(10_000, |_| true).unwrap();
    assert!(!found.diff.contains("-one"), "{}", found.diff);
}

#[test]
fn no_repository_and_no_commit() {
    let fixture = Fixture::new("//- a.txt\none\n");
    check(&fixture, Err("in no git repository"));
    assert_eq!(fixture.overlay.git_state(), None);
    Repository::init(fixture.folder.path()).unwrap();
    check(&fixture, Ok(&["+one\n"]));
    assert!(fixture.overlay.git_state().is_some());
}

#[test]
fn worktrees_are_their_own() {
    let main = tempfile::tempdir().unwrap();
    std::fs::write(main.path().join("a.txt"), "one\n").unwrap();
    let repository = commit(main.path());
    let other = tempfile::tempdir().unwrap();
    let folder = other.path().join("w");
    repository.worktree("w", &folder, None).unwrap();
    std::fs::write(folder.join("a.txt"), "ONE\n").unwrap();
    let mounts = boxagnts_policy::mounts::Mounts::none();
    let open = |path: &Path| {
        crate::Overlay::open(path, &mounts, std::sync::Arc::new(crate::NoBuffers)).unwrap()
    };
    assert!(
        open(&folder)
            .uncommitted(999, |_| true)
            .unwrap()
            .diff
            .contains("+ONE")
    );
    assert_eq!(open(&folder).git_state().unwrap().branch, "w");
    // A copy of the pointer makes no worktree.
    let forged = other.path().join("forged");
    std::fs::create_dir(&forged).unwrap();
    std::fs::copy(folder.join(".git"), forged.join(".git")).unwrap();
    assert!(
        open(&forged)
            .uncommitted(999, |_| true)
            .unwrap_err()
            .contains("elsewhere")
    );
}

/// What of another repository a sender could have shown.
#[test]
#[cfg(unix)]
fn a_repository_of_somebody_else_is_not_read() {
    use std::os::unix::fs::symlink;
    let private = tempfile::tempdir().unwrap();
    std::fs::write(private.path().join("secret.txt"), "secret\n").unwrap();
    commit(private.path());
    let theirs = private.path().join(".git");
    let forge = |make: &dyn Fn(&Path)| {
        let fixture = Fixture::new("//- a.txt\none\n");
        make(fixture.folder.path());
        assert_eq!(fixture.overlay.git_state(), None);
        check(&fixture, Err("is not read"));
    };
    let pointer = format!("gitdir: {}\n", theirs.display());
    forge(&|root| std::fs::write(root.join(".git"), &pointer).unwrap());
    forge(&|root| symlink(&theirs, root.join(".git")).unwrap());
    for name in ["refs", "objects"] {
        forge(&|root| {
            commit(root);
            std::fs::remove_dir_all(root.join(".git").join(name)).unwrap();
            symlink(theirs.join(name), root.join(".git").join(name)).unwrap();
        });
    }
    forge(&|root| {
        commit(root);
        std::fs::write(root.join(".git/commondir"), theirs.display().to_string()).unwrap();
    });
    // The work tree of the repository is another folder: the secret would seem to be deleted here.
    forge(&|root| {
        commit(root);
        let config = format!("[core]\n\tworktree = {}\n", private.path().display());
        std::fs::write(root.join(".git/config"), config).unwrap();
    });
}
