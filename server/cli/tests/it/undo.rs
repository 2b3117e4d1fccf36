//! Taking back what was applied, and what is left when the program is killed in the middle.

use crate::support::Fixture;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::store::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RENAME: &str = "rename total to sum";

fn shop() -> Fixture {
    Fixture::new(&[
        ("a.txt", "total\nkeep\n"),
        ("src/b.txt", "one\ntotal and total\n"),
    ])
}

#[test]
fn what_was_applied_is_taken_back_and_brought_back() {
    let fixture = shop();
    let before = fixture.tree();
    fixture.run(&["run", "--apply", RENAME]).check(0);
    let after = fixture.tree();
    assert_ne!(before, after);

    let undone = fixture.run(&["undo"]).check(0);
    assert!(
        undone.stderr.contains("taken back: a.txt, src/b.txt"),
        "{}",
        undone.stderr
    );
    let again = undone
        .stderr
        .lines()
        .find(|line| line.contains("wait again"));
    let again = again
        .and_then(|line| line.rsplit_once(' '))
        .expect("they wait");
    let list = fixture.run(&["session", "list", "--json"]).check(0).json();
    assert_eq!(list[0]["session"], again.1, "{}", undone.stderr);
    assert_eq!(list[0]["waiting"], 2, "{list}");
    let table = fixture.run(&["session", "list"]).check(0).stdout;
    assert!(table.contains("  2 waiting "), "{table}");
    assert_eq!(fixture.tree(), before);
    let nothing = fixture.run(&["undo"]).check(2);
    assert!(
        nothing.stderr.contains("nothing was accepted"),
        "{}",
        nothing.stderr
    );

    let list = fixture
        .run(&["checkpoint", "list", "--json"])
        .check(0)
        .json();
    let kinds: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["kind"])
        .collect();
    assert_eq!(kinds, ["undo", "accept"]);
    let (undo, accept) = (
        list[0]["checkpoint"].to_string(),
        list[1]["checkpoint"].to_string(),
    );
    fixture.run(&["undo", &undo]).check(0);
    assert_eq!(fixture.tree(), after);

    // What the user changed since stays.
    fixture.write("a.txt", "mine\nsum\nkeep\n");
    fixture.run(&["checkpoint", "restore", &accept]).check(0);
    let text = |path: &str| std::fs::read_to_string(fixture.workspace().join(path)).unwrap();
    assert_eq!(text("a.txt"), "mine\ntotal\nkeep\n");
    assert_eq!(text("src/b.txt"), "one\ntotal and total\n");
    let unknown = fixture.run(&["checkpoint", "restore", "999"]).check(2);
    assert!(
        unknown.stderr.contains("no checkpoint 999"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn what_cannot_be_taken_back_is_named() {
    let fixture = shop();
    fixture.run(&["run", "--apply", RENAME]).check(0);
    fixture.write("a.txt", "not sum\nkeep\n");
    let undone = fixture.run(&["undo"]).check(1);
    assert!(
        undone.stderr.contains("taken back: src/b.txt"),
        "{}",
        undone.stderr
    );
    assert!(
        undone.stderr.contains("`a.txt` stays as it is"),
        "{}",
        undone.stderr
    );
    let text = std::fs::read_to_string(fixture.workspace().join("a.txt")).unwrap();
    assert_eq!(text, "not sum\nkeep\n");
}

#[test]
fn only_sessions_with_hunks_that_wait_are_named() {
    let fixture = shop();
    let [stays, waits] = ["a.txt", "src/b.txt"].map(|file| {
        let replace = format!("replace total with sum in {file}");
        let ended = fixture
            .run(&["run", "--apply", "--json", &replace])
            .check(0);
        let result = ended.lines().pop().unwrap();
        result["session"].as_str().unwrap().to_owned()
    });
    fixture.write("a.txt", "not sum\nkeep\n");
    let list = fixture
        .run(&["checkpoint", "list", "--json"])
        .check(0)
        .json();
    let first = list[1]["checkpoint"].to_string();
    let restored = fixture.run(&["checkpoint", "restore", &first]).check(1);
    let again = restored
        .stderr
        .lines()
        .find(|line| line.contains(" again: "));
    let again = again.unwrap_or_default();
    assert!(
        again.ends_with(&format!("boxagnts session review {waits}")),
        "{again}"
    );
    assert!(!again.contains(&stays), "{again}");
}

/// Every file of a folder with its bytes.
#[allow(clippy::unwrap_used)]
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(bytes(&path)),
            false => drop(all.insert(path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    all
}

#[test]
fn the_repository_of_the_user_is_never_touched() {
    let fixture = shop();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=u", "-c", "user.email=u@example.com"])
            .args(arguments)
            .current_dir(fixture.workspace())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "first"]);
    fixture.write("a.txt", "total\nstashed\n");
    git(&["stash", "-q"]);
    fixture.write("src/b.txt", "total\nstaged\n");
    git(&["add", "."]);
    let repository = fixture.workspace().join(".git");
    let before = bytes(&repository);
    fixture.run(&["run", "--apply", RENAME]).check(0);
    fixture.run(&["undo"]).check(0);
    let list = fixture
        .run(&["checkpoint", "list", "--json"])
        .check(0)
        .json();
    fixture
        .run(&["undo", &list[0]["checkpoint"].to_string()])
        .check(0);
    fixture
        .run(&["checkpoint", "restore", &list[1]["checkpoint"].to_string()])
        .check(0);
    assert!(
        bytes(&repository) == before,
        "something in .git is another one"
    );
}

#[test]
#[cfg(unix)]
fn a_batch_that_was_killed_is_whole_or_not_there() {
    const FILES: usize = 400;
    let names: Vec<String> = (0..FILES).map(|n| format!("f{n:03}.txt")).collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "total\n"))
        .collect();
    let fixture = Fixture::new(&files);
    let before = fixture.tree();
    let mut child = fixture
        .command(&["run", "--apply", RENAME])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // As soon as a file somewhere in the middle is written.
    let watched = fixture.workspace().join("f050.txt");
    while std::fs::read(&watched).unwrap() == b"total\n" && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let written =
        |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.values().filter(|text| *text == b"sum\n").count();
    let found = written(&fixture.tree());

    let ended = fixture.run(&["checkpoint", "list", "--json"]).check(0);
    let after = fixture.tree();
    match written(&after) {
        0 => assert_eq!(after, before),
        all => assert_eq!(all, FILES, "half of it: {found} when it was killed"),
    }
    if found < FILES {
        assert!(
            ended.stderr.contains("interrupted and taken back"),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.json().as_array().map(Vec::len), Some(0));
    }
    // And once only.
    let again = fixture.run(&["checkpoint", "list"]).check(0);
    assert!(!again.stderr.contains("interrupted"), "{}", again.stderr);
}

#[test]
fn nobody_needs_a_configuration_to_take_back_what_was_accepted() {
    let fixture = shop();
    let before = fixture.tree();
    fixture.run(&["run", "--apply", RENAME]).check(0);
    fixture.configure("max_turn = 3\n");
    let undone = fixture.run(&["undo"]).check(0);
    assert!(
        undone.stderr.contains("nothing of it is used"),
        "{}",
        undone.stderr
    );
    assert_eq!(fixture.tree(), before);
}

/// Nothing is taken back while the configuration cannot be read, and it is said why; with it, all is.
fn check_needs_configuration(fixture: &Fixture, good: &str, why: &str) {
    fixture.configure(&format!("max_turn = 3\n{good}"));
    let after = fixture.tree();
    for command in [&["undo"][..], &["checkpoint", "restore", "1"]] {
        let refused = fixture.run(command).check(2);
        for part in [why, "nothing was taken back", "max_turn"] {
            assert!(refused.stderr.contains(part), "{}", refused.stderr);
        }
        assert_eq!(fixture.tree(), after);
    }
    fixture.configure(good);
    let undone = fixture.run(&["undo"]).check(0);
    assert!(undone.stderr.contains("again"), "{}", undone.stderr);
}

#[test]
fn hunks_that_could_not_wait_again_are_not_taken_back() {
    let fixture = shop();
    let before = fixture.tree();
    let ended = fixture.run(&["run", "--apply", "--json", RENAME]).check(0);
    let ended = ended.lines().pop().unwrap();
    {
        let journal = Store::open(&fixture.home().join("state/journal.db")).unwrap();
        let settings = json!({"model": "local:x"});
        let configured = SessionEvent::Configured { settings };
        let session = ended["session"].as_str().unwrap();
        journal.append(session, &configured).unwrap();
    }
    let local = "[providers.local]\nbase_url = \"http://127.0.0.1:9/v1\"\n";
    check_needs_configuration(&fixture, local, "local");
    assert_eq!(fixture.tree(), before);
}

#[test]
fn files_of_mounted_folders_are_taken_back_where_they_are() {
    let fixture = shop();
    let mounted = fixture.home().join("mounted");
    std::fs::create_dir_all(&mounted).unwrap();
    std::fs::write(mounted.join("c.txt"), "total\n").unwrap();
    let mount = format!("map_dirs = [\"{}:more:rw\"]\n", mounted.display());
    fixture.configure(&mount);
    let replace = "replace total with sum in more/c.txt";
    fixture.run(&["run", "--apply", replace]).check(0);
    let text = || std::fs::read_to_string(mounted.join("c.txt")).unwrap();
    assert_eq!(text(), "sum\n");
    check_needs_configuration(&fixture, &mount, "`more/c.txt` is not in this folder");
    assert_eq!(text(), "total\n");
}
