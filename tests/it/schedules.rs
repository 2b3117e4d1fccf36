//! Scheduled tasks over real processes: two daemons, one of which is killed; and an editor that is
//! told of what waits in the morning.
#![cfg(unix)]

use boxagnts_test_support::{Fixture, script};
use boxagnts_tests::World;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use tempfile::TempDir;

const FILES: &str = "
    //- /src/lib.rs
    fn one() {}
";

/// Runs the binary to its end, and gives what it printed.
fn run(world: &World, arguments: &[&str]) -> String {
    let output = world.command(arguments).output().expect("it runs");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What the program says of a task.
fn show(world: &World) -> Value {
    let shown = run(
        world,
        &["schedule", "show", "tidy", "--json", "--last", "9999"],
    );
    serde_json::from_str(&shown).expect("JSON")
}

/// Whether what runs has begun its session.
fn has_session(shown: &Value) -> bool {
    let mut runs = shown["runs"].as_array().expect("runs").iter();
    runs.any(|run| run["state"] == "running" && run["session"].is_string())
}

fn add(world: &World, fixture: &Fixture, cron: &str, model: &str, prompt: &str) {
    let folder = fixture.path().display().to_string();
    let arguments = [
        "schedule",
        "add",
        "--name",
        "tidy",
        "--cron",
        cron,
        "--tz",
        "UTC",
        "--workspace",
        &folder,
        "--model",
        model,
        prompt,
    ];
    run(world, &arguments);
}

/// A daemon whose lines go into the channel, with its number.
fn daemon(world: &World, number: usize, lines: Sender<(usize, String)>) -> Child {
    let mut child = world
        .command(&["daemon"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let stderr = BufReader::new(child.stderr.take().expect("stderr"));
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if lines.send((number, line)).is_err() {
                return;
            }
        }
    });
    child
}

/// The number of the daemon that says so first.
fn says(lines: &Receiver<(usize, String)>, part: &str) -> usize {
    let mut heard = Vec::new();
    while let Ok((number, line)) = lines.recv() {
        if line.contains(part) {
            return number;
        }
        heard.push(line);
    }
    panic!("nobody says `{part}`: {heard:#?}");
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("a signal");
}

#[test]
fn no_time_is_run_twice_and_none_is_lost_when_a_daemon_is_killed() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let before = fixture.snapshot();
    let world = World::new(home.path());
    // It edits, and then it waits for a model that says nothing.
    let script = script(json!([
        {"tool_calls": [{"name": "edit", "input": {"path": "src/lib.rs",
            "edits": [{"old_text": "fn one", "new_text": "fn first"}]}}]},
        {"text": "never said", "delay_ms": 3_600_000},
    ]));
    add(
        &world,
        &fixture,
        "*/2 * * * * *",
        &script.model(),
        "rename it",
    );
    let (sender, lines) = channel();
    let mut daemons = [daemon(&world, 0, sender.clone()), daemon(&world, 1, sender)];
    let first = says(&lines, "tidy began");
    let other = 1 - first;
    while !has_session(&show(&world)) {}
    signal(&daemons[first], Signal::SIGKILL);
    daemons[first].wait().expect("killed");
    assert_eq!(says(&lines, "tidy: interrupted"), other);
    assert_eq!(says(&lines, "tidy began"), other);
    while !has_session(&show(&world)) {}
    signal(&daemons[other], Signal::SIGTERM);
    assert_eq!(says(&lines, "tidy: interrupted"), other);
    assert!(daemons[other].wait().expect("ended").success());

    let shown = show(&world);
    let runs = shown["runs"].as_array().expect("runs");
    let of = |state: &str| runs.iter().filter(|run| run["state"] == state).count();
    let skipped = of("skipped");
    // An end by a signal loses no more than one by a crash.
    assert_eq!((of("interrupted"), of("waiting")), (2, 1), "{shown:#}");
    assert_eq!(skipped + 3, runs.len(), "{shown:#}");
    let sessions: BTreeSet<&str> = runs
        .iter()
        .filter_map(|run| run["session"].as_str())
        .collect();
    assert_eq!(sessions.len(), 2, "{shown:#}");
    let times: Vec<&Value> = runs.iter().filter(|run| run["attempt"] == 1).collect();
    let due: BTreeSet<u64> = times
        .iter()
        .filter_map(|run| run["due_ms"].as_u64())
        .collect();
    assert_eq!(
        due.len(),
        times.len(),
        "each time is claimed once: {shown:#}"
    );
    let missed: u64 = times.iter().filter_map(|run| run["missed"].as_u64()).sum();
    let span = due.last().expect("a time") - due.first().expect("a time");
    assert_eq!(
        span / 2_000 + 1,
        due.len() as u64 + missed,
        "no time is lost: {shown:#}"
    );
    assert_eq!(fixture.snapshot(), before);
}

/// The one that runs of a task, when its session has begun.
fn running(shown: &Value) -> usize {
    let runs = shown["runs"].as_array().expect("runs").iter();
    runs.filter(|run| run["state"] == "running" && run["session"].is_string())
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_a_folder_run_while_an_editor_has_it_open() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let other = Fixture::new(FILES);
    let world = World::new(home.path());
    let script = script(json!([{"text": "never said", "delay_ms": 3_600_000}]));
    add(&world, &fixture, "* * * * * *", &script.model(), "wait");
    let (_child, mut editor) = world.language_server(other.path());
    editor.initialize(json!({}), json!({})).await;
    let uri = format!("file://{}", fixture.path().display());
    let folder = json!([{"uri": uri, "name": "tidy"}]);
    let file = json!({"textDocument": {"uri": format!("{uri}/src/lib.rs")}});
    for _ in 0..2 {
        let added = json!({"event": {"added": folder, "removed": []}});
        editor
            .notify("workspace/didChangeWorkspaceFolders", added)
            .await;
        // Folders are connected when something is asked of them.
        let lenses = editor.request("textDocument/codeLens", file.clone()).await;
        assert!(lenses.is_ok(), "{lenses:?}");
        while running(&show(&world)) == 0 {}
        let removed = json!({"event": {"added": [], "removed": folder}});
        editor
            .notify("workspace/didChangeWorkspaceFolders", removed)
            .await;
        while running(&show(&world)) > 0 {}
        let shown = show(&world);
        let mut runs = shown["runs"].as_array().expect("runs").iter();
        let ended = runs.find(|run| run["state"] == "interrupted");
        let message = ended.and_then(|run| run["message"].as_str());
        assert!(
            message.is_some_and(|text| text.contains("folder was closed")),
            "{shown:#}"
        );
    }
    editor.shut_down().await;
}

#[test]
fn what_runs_elsewhere_is_cancelled_by_its_user() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let script = script(json!([{"text": "never said", "delay_ms": 3_600_000}]));
    add(&world, &fixture, "@yearly", &script.model(), "wait");
    let mut running = world
        .command(&["schedule", "run", "tidy", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    while !has_session(&show(&world)) {}
    let refused = world
        .command(&["schedule", "remove", "tidy"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("schedule cancel tidy"),
        "{said}"
    );
    run(&world, &["schedule", "cancel", "tidy"]);
    assert_eq!(running.wait().expect("ended").code(), Some(130));
    let shown = show(&world);
    assert_eq!(shown["runs"][0]["state"], "cancelled", "{shown:#}");
    assert_eq!(shown["runs"].as_array().map(Vec::len), Some(1), "{shown:#}");
    run(&world, &["schedule", "remove", "tidy"]);
}

#[test]
fn a_prompt_that_builtin_does_not_understand_is_told_of() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let folder = fixture.path().display().to_string();
    let check = |name: &str, prompt: &str, warns: bool| {
        let arguments = [
            "schedule", "add", "--name", name, "--cron", "@daily", "--tz", "UTC",
        ];
        let mut add = world.command(&arguments);
        let added = add
            .args(["--workspace", &folder, prompt])
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&added.stderr);
        assert!(added.status.success(), "{said}");
        assert_eq!(
            said.contains("does not understand the prompt"),
            warns,
            "{said}"
        );
    };
    check("a", "bring README.md up to date", true);
    check("b", "replace colour with color in **/*.md", false);
    check("c", "/review", false);
    let text = run(&world, &["schedule", "show", "a", "--last", "0"]);
    assert!(text.contains("it has not run"), "{text}");
}

#[tokio::test]
async fn an_editor_is_told_of_the_proposals_that_wait() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let before = fixture.snapshot();
    let world = World::new(home.path());
    add(
        &world,
        &fixture,
        "@yearly",
        "builtin",
        "rename one to first",
    );
    let ended: Value =
        serde_json::from_str(&run(&world, &["schedule", "run", "tidy", "--json"])).expect("JSON");
    assert_eq!(
        (&ended["state"], &ended["hunks"]),
        (&json!("done"), &json!(1))
    );
    assert_eq!(fixture.snapshot(), before, "nobody has accepted it");

    let (_child, mut editor) = world.language_server(fixture.path());
    editor.initialize(json!({}), json!({})).await;
    let told = editor.notification("boxagnts/schedules").await;
    assert_eq!(told["waiting"][0]["job"], "tidy");
    assert_eq!(told["waiting"][0]["session"], ended["session"]);
    let message = editor.notification("window/showMessage").await;
    let text = message["message"].as_str().expect("a text");
    assert!(
        text.contains("1 proposal of a scheduled task waits: tidy (1 hunk"),
        "{text}"
    );
    let session = ended["session"].as_str().expect("a session");
    let accepted = editor
        .command("boxagnts.accept", json!({"session": session, "all": true}))
        .await;
    assert!(accepted.is_ok(), "{accepted:?}");
    editor
        .update(|update| update["event"] == "decided" && update["hunks"][0]["state"] == "accepted")
        .await;
    editor.shut_down().await;
}

#[test]
fn servers_and_daemons_remove_worktrees_that_nobody_needs() {
    for command in ["daemon", "lsp", "acp"] {
        let home = TempDir::new().expect("a folder");
        let world = World::new(home.path());
        // Of a repository that is gone.
        let repository = home.path().join("state/worktrees/tidy-1");
        std::fs::create_dir_all(repository.join("1/tree/tidy")).expect("a worktree");
        std::fs::write(repository.join("repository"), "/nowhere/at/all").expect("its note");
        let mut server = world
            .command(&[command])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        while repository.exists() {
            std::thread::yield_now();
        }
        server.kill().expect("it runs");
        server.wait().expect("it ends");
    }
}

#[test]
fn errors_say_what_to_do() {
    let home = TempDir::new().expect("a folder");
    let world = World::new(home.path());
    let folder = home.path().display().to_string();
    let check = |arguments: &[&str], expect: &str| {
        let output = world.command(arguments).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expect), "{arguments:?}: {stderr}");
    };
    let add = |cron: &str, tz: &str, folder: &str, mode: &str, expect: &str| {
        let arguments = [
            "schedule",
            "add",
            "--name",
            "n",
            "--cron",
            cron,
            "--tz",
            tz,
            "--workspace",
            folder,
            "--mode",
            mode,
            "tidy up",
        ];
        check(&arguments, expect);
    };
    add("0 25 * * *", "UTC", &folder, "review", "the hour `25`");
    add(
        "0 5 * * *",
        "Mars/Base",
        &folder,
        "review",
        "no time zone `Mars/Base`",
    );
    add("0 0 30 2 *", "UTC", &folder, "review", "never comes");
    add(
        "0 5 * * *",
        "UTC",
        "/nowhere/at/all",
        "review",
        "/nowhere/at/all",
    );
    add(
        "0 5 * * *",
        "UTC",
        &folder,
        "auto",
        "[possible values: plan, review]",
    );
    check(&["schedule", "show", "n"], "boxagnts schedule list");
    check(&["schedule", "run", "n"], "boxagnts schedule list");
    check(&["schedule", "remove", "n"], "boxagnts schedule list");
}
