//! Executors that work in files of their own.

use super::{meets, models, process, reports, requests_of, says, shown, spawn, writes};
use crate::harness::World;
use serde_json::json;
use std::collections::BTreeMap;

fn git(world: &World, arguments: &[&str]) -> String {
    let ran = std::process::Command::new("git")
        .current_dir(world.folder.path())
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(arguments)
        .output()
        .expect("git runs");
    assert!(ran.status.success(), "git {arguments:?}: {ran:?}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Every file of the repository's git folder, with its bytes.
fn git_folder(world: &World) -> BTreeMap<String, Vec<u8>> {
    let root = world.folder.path().join(".git");
    let mut files = BTreeMap::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    let name = path
                        .strip_prefix(&root)
                        .expect("it can be read")
                        .display()
                        .to_string();
                    files.insert(name, std::fs::read(&path).expect("it can be read"));
                }
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn executors_in_worktrees_leave_the_repository_as_it_was() {
    let world = World::new(&["a"]);
    let write = |path: &str, text: &str| {
        std::fs::write(world.folder.path().join(path), text).unwrap();
    };
    write("t.txt", "1\n2\n3\n4\n5\n");
    git(&world, &["init", "-q"]);
    git(&world, &["add", "."]);
    git(&world, &["commit", "-q", "-m", "first"]);
    // What the user has not committed is what the executor begins with.
    write("t.txt", "1\n2\n3\n4\nfuenf\n");
    let status = git(&world, &["status", "--porcelain"]);
    let before = git_folder(&world);
    let server = models(
        vec![
            spawn(&[
                json!({"task": "TASK-OWN", "isolation": "worktree"}),
                json!({"task": "TASK-VIEW"}),
            ]),
            says("Done."),
        ],
        vec![
            (
                "TASK-OWN",
                vec![
                    meets(json!({"tool_calls": [{"name": "read", "input": {"path": "t.txt"}}]})),
                    writes("t.txt", "one\n2\n3\n4\nfuenf\n"),
                    json!({"tool_calls": [
                        {"name": "write", "input": {"path": "new/n.txt", "content": "n\n"}},
                        {"name": "delete", "input": {"path": "a"}},
                    ]}),
                    says("own"),
                ],
            ),
            (
                "TASK-VIEW",
                vec![
                    meets(writes("t.txt", "eins\n2\n3\nvier\nfuenf\n")),
                    says("view"),
                ],
            ),
        ],
    );
    let mut process = process(&world, &server, &json!({}));
    let (session, events) = process.turn(None, "go").await;
    let reports = reports(&events);
    assert!(reports.iter().all(|report| report.ok), "{reports:?}");
    let requests = server.requests();
    let own = requests_of(&requests, "TASK-OWN");
    let seen = own[1].body["messages"].to_string();
    assert!(seen.contains("fuenf"), "{seen}");

    let proposal = process.sessions.proposal(&session).unwrap();
    let mut lines = shown(&proposal.files);
    lines.sort();
    let conflicts = lines.iter().filter(|line| line.ends_with("conflicts"));
    assert_eq!(conflicts.count(), 1, "{lines:?}");
    for line in [
        "a by TASK-OWN: \"\"",
        "new/n.txt by TASK-OWN: \"n\\n\"",
        "t.txt by TASK-VIEW: \"vier\\n\"",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
    }
    assert_eq!(world.read("t.txt"), "1\n2\n3\n4\nfuenf\n");
    assert_eq!(git_folder(&world), before);
    assert_eq!(git(&world, &["status", "--porcelain"]), status);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worktree_needs_a_repository_and_says_so() {
    let world = World::new(&["a"]);
    let server = models(
        vec![
            spawn(&[json!({"task": "TASK-OWN", "isolation": "worktree"})]),
            says("Done."),
        ],
        vec![("TASK-OWN", vec![says("never")])],
    );
    let mut process = process(&world, &server, &json!({}));
    let (_, events) = process.turn(None, "go").await;
    let reports = reports(&events);
    let message = &reports[0].error.as_ref().unwrap().message;
    assert!(message.contains("no worktree of"), "{message}");
    assert!(requests_of(&server.requests(), "TASK-OWN").is_empty());
}
