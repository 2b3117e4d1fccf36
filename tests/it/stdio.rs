//! The language server as a process: it is killed, left alone, and asked by machines.

use boxagnts_test_support::{Answer, Editor, Fault, Fixture, ModelServer, guests, script};
use boxagnts_tests::World;
use serde_json::{Value, json};
use tempfile::TempDir;

const FILES: &str = "
    //- /src/lib.rs
    fn one() {}
    // a
    // b
    // c
    // d
    fn two() {}
    //- /README.md
    one and two
";

fn show(world: &World, session: &str) -> Value {
    let output = world
        .command(&["session", "show", session, "--json"])
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn a_killed_server_leaves_its_journal_and_the_tree() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let before = fixture.snapshot();
    let world = World::new(home.path());
    let script = script(json!([
        {"text": "First I edit.", "tool_calls": [{"name": "edit", "input": {"path": "src/lib.rs",
            "edits": [{"old_text": "fn one", "new_text": "fn first"}]}}]},
        {"text": "never said", "delay_ms": 3_600_000},
    ]));
    let (mut child, mut editor) = world.language_server(fixture.path());
    editor
        .initialize(json!({}), json!({"model": script.model()}))
        .await;
    let asked = editor
        .command("boxagnts.ask", json!({"prompt": "rename it"}))
        .await
        .expect("asked");
    let session = asked["session"].as_str().expect("a session").to_owned();
    editor
        .update(|update| update["event"] == "model_called" && update["step"] == 2)
        .await;
    child.kill().await.expect("killed");

    let shown = show(&world, &session);
    let events: Vec<&str> = shown["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["event"].as_str().expect("a name"))
        .collect();
    assert_eq!(events.first(), Some(&"turn_started"));
    assert_eq!(events.last(), Some(&"model_called"), "{events:?}");
    assert!(events.contains(&"proposal_changed"));
    let said: String = shown["events"]
        .as_array()
        .expect("events")
        .iter()
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(said, "First I edit.");
    before.assert_same(&fixture.snapshot());

    // The next server takes the session up, with its proposal.
    let (mut child, mut editor) = world.language_server(fixture.path());
    editor
        .initialize(json!({}), json!({"model": script.model()}))
        .await;
    let proposal = editor.proposal(&session).await;
    assert_eq!(proposal["state"], "review");
    assert_eq!(
        proposal["files"][0]["hunks"][0]["new_text"],
        "fn first() {}\n"
    );
    editor.shut_down().await;
    child.wait().await.expect("it ends");
}

#[tokio::test]
async fn the_process_ends_on_exit_while_stdin_stays_open() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let (mut child, mut editor) = world.language_server(fixture.path());
    editor.initialize(json!({}), Value::Null).await;
    editor.shut_down().await;
    let status = child.wait().await.expect("it ends");
    assert!(status.success());
    // Only now the client lets go of its end.
    drop(editor);
}

#[tokio::test]
async fn a_configuration_that_is_not_in_force_is_shown() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let folder = fixture.path().join(".boxagnts");
    std::fs::create_dir(&folder).expect("a folder");
    let text = "deny = [\"*(path=src/*)\"]\nmax_turns =\n";
    std::fs::write(folder.join("config.toml"), text).expect("a file");
    let (mut child, mut editor) = world.language_server(fixture.path());
    editor.initialize(json!({}), Value::Null).await;
    editor.open("README.md", "one and two\n").await;
    let shown = editor.notification("window/showMessage").await;
    let message = shown["message"].as_str().unwrap_or_default();
    let is_told =
        message.starts_with("BoxAgnts: ignored all of ") && message.contains("config.toml");
    assert!(is_told, "{shown}");
    editor.shut_down().await;
    child.wait().await.expect("it ends");
}

#[tokio::test]
async fn the_builtin_planner_works_in_an_editor() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let (mut child, mut editor) = world.language_server(fixture.path());
    editor
        .initialize(
            json!({"workspace": {"workspaceEdit": {"documentChanges": true}}}),
            Value::Null,
        )
        .await;
    // Unsaved text is what it works on.
    let text = fixture.read("src/lib.rs").replace("// c", "one();");
    editor.open("src/lib.rs", &text).await;
    let session = editor.ask("rename one to uno").await;
    let proposal = editor.proposal(&session).await;
    let files: Vec<&str> = proposal["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| file["path"].as_str().expect("a path"))
        .collect();
    assert_eq!(files, ["README.md", "src/lib.rs"]);
    editor
        .command(
            "boxagnts.accept",
            json!({"session": session, "files": ["src/lib.rs"]}),
        )
        .await
        .expect("ok");
    editor.update(|update| update["event"] == "decided").await;
    assert_eq!(editor.text("src/lib.rs"), text.replace("one", "uno"));
    assert_eq!(fixture.read("README.md"), "one and two\n");
    editor.shut_down().await;
    child.wait().await.expect("it ends");
}

#[tokio::test]
async fn a_server_with_faults_is_asked_again_and_then_edited_with() {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let server = ModelServer::start([
        Answer::status(429, Some("0"), "slow down"),
        Answer::fault(Fault::CloseBeforeHeaders),
        Answer::turn(
            json!({"text": "Editing.", "tool_calls": [{"name": "edit", "input": {
            "path": "src/lib.rs", "edits": [{"old_text": "fn one", "new_text": "fn first"}]}}]}),
        ),
        Answer::status(503, Some("0"), "busy"),
        Answer::turn(json!({"text": "Done."})),
    ]);
    for kind in ["openai", "anthropic"] {
        let settings = json!({"model": "mock:m", "providers": {"mock": {
            "kind": kind, "base_url": server.base_url()}}});
        let (mut child, mut editor) = world.language_server(fixture.path());
        editor.initialize(json!({}), settings).await;
        let session = editor.ask("rename it").await;
        if kind == "openai" {
            let proposal = editor.proposal(&session).await;
            assert_eq!(
                proposal["files"][0]["hunks"][0]["new_text"],
                "fn first() {}\n"
            );
            let retries = editor
                .updates
                .iter()
                .filter(|u| u["event"] == "model_retry")
                .count();
            assert_eq!(retries, 3);
        }
        editor.shut_down().await;
        child.wait().await.expect("it ends");
    }
    let bodies: Vec<Value> = server
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(
        bodies.len(),
        6,
        "five for the first, and one that is past the script"
    );
    assert!(bodies.iter().all(|body| body["stream"] == true));
}

/// Threads of a process that have used the processor for a tenth of a second by themselves. Where
/// that cannot be known, enough.
fn busy_threads(process: u32) -> usize {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return usize::MAX;
    };
    let user_time = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        // Behind the name, which may have spaces in it.
        let fields = stat.rsplit_once(") ")?.1;
        fields.split(' ').nth(11)?.parse::<u64>().ok()
    };
    let times = threads.flatten().filter_map(user_time);
    times.filter(|&ticks| ticks >= 10).count()
}

#[tokio::test]
async fn guests_that_spin_do_not_starve_requests() {
    // Twice as many as the server has threads for requests.
    const GUESTS: usize = 8;
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    let spin = guests::program("(loop $on (br $on))");
    let described = "description = \"Spins.\"\nlevel = \"read\"\ninput_schema = {}";
    world.add_tool(fixture.path(), "spin", &spin, described);
    let call = json!({"name": "spin", "input": {}});
    let script = script(json!([{"text": "Round.", "tool_calls": vec![call; GUESTS]}]));
    let (mut child, mut editor) = world.language_server(fixture.path());
    // Nothing but the user ends them.
    let settings = json!({"model": script.model(), "wasm_fuel": 9_000_000_000_000_000_000_u64,
        "wasm_timeout": "60m"});
    editor.initialize(json!({}), settings).await;
    editor.open("src/lib.rs", &fixture.read("src/lib.rs")).await;
    let asked = editor
        .command("boxagnts.ask", json!({"prompt": "spin"}))
        .await
        .expect("asked");
    let session = asked["session"].as_str().expect("a session").to_owned();
    let count = |editor: &Editor, event: &str| {
        let updates = editor.updates.iter();
        updates.filter(|update| update["event"] == event).count()
    };
    editor
        .until(|editor| count(editor, "tool_started") == GUESTS)
        .await;

    let uri = editor.uri("src/lib.rs");
    let process = child.id().expect("it runs");
    let mut left = 20;
    // From when they start until all of them spin, and for a while longer.
    while left > 0 {
        if busy_threads(process) >= GUESTS {
            left -= 1;
        }
        editor.type_over("src/lib.rs", "fn two", "fn  two").await;
        editor.type_over("src/lib.rs", "fn  two", "fn two").await;
        let start = json!({"line": left % 4, "character": 0});
        let place = json!({"textDocument": {"uri": uri}, "range": {"start": start, "end": start},
            "context": {"diagnostics": []}});
        let actions = editor.request("textDocument/codeAction", place).await;
        assert!(actions.is_ok(), "{actions:?}");
        let sessions = editor.command("boxagnts.sessions", Value::Null).await;
        let sessions = sessions.expect("the sessions").to_string();
        assert!(sessions.contains(&session), "{sessions}");
    }
    assert_eq!(count(&editor, "tool_finished"), 0, "they still spin");
    editor
        .command("boxagnts.cancel", json!({"session": session}))
        .await
        .expect("cancelled");
    let ended = editor.turn_end(&session).await;
    assert_eq!(ended["outcome"]["kind"], "cancelled", "{ended}");
    editor.shut_down().await;
    child.wait().await.expect("it ends");
}
