//! The real binary as a process: start, response, memory, processor time.

use crate::table::{Table, percentile};
use boxagnts_test_support::{Answer, Fixture, ModelServer, guests, script};
use boxagnts_tests::World;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const MIB: f64 = 1024.0;

/// Process start to the answer of `initialize`; document changes while many turns run; memory.
pub async fn editor(table: &mut Table) {
    let home = TempDir::new().expect("a folder");
    let world = World::new(home.path());
    let fixture = Fixture::new("//- /a.rs\nfn one() {}\n");
    let mut samples = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let (mut child, mut editor) = world.language_server(fixture.path());
        editor.initialize(json!({}), Value::Null).await;
        samples.push(started.elapsed());
        editor.shut_down().await;
        child.wait().await.expect("it ends");
    }
    let median = percentile(&mut samples, 0.5);
    table.time(
        "process start to `initialize` answered",
        median,
        Duration::from_millis(50),
    );

    let (child, mut editor) = world.language_server(fixture.path());
    editor.initialize(json!({}), Value::Null).await;
    editor.open("a.rs", "x\n").await;
    // The tools are loaded in the background.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let id = child.id().expect("it runs");
    let idle = status(id, "VmRSS:") / MIB;
    table.row(
        "idle memory",
        format!("{idle:.1} MiB"),
        "≤ 60 MiB",
        idle <= 60.0,
    );
    drop((child, editor));
    changes_during_turns(&world, &fixture, table).await;
    let spin = guests::program("(loop $on (br $on))");
    let described = "description = \"Spins.\"\nlevel = \"read\"\ninput_schema = {}";
    world.add_tool(fixture.path(), "spin", &spin, described);
    for guests in [1, 8, 32] {
        request_during_spinning(&world, &fixture, guests, table).await;
    }
}

/// From sending a change to the answer of a request behind it, which is handled after it.
async fn changes_during_turns(world: &World, fixture: &Fixture, table: &mut Table) {
    let call = json!({"text": "Reading.", "delay_ms": 5,
        "tool_calls": [{"name": "read", "input": {"path": "a.rs"}}]});
    let script = script(Value::Array(vec![call; 1000]));
    let (mut child, mut editor) = world.language_server(fixture.path());
    let settings = json!({"model": script.model(), "max_turns": 1000, "max_tool_calls": 1000});
    editor.initialize(json!({}), settings).await;
    editor.open("a.rs", "x\n").await;
    let uri = editor.uri("a.rs");
    for _ in 0..32 {
        editor
            .command("boxagnts.ask", json!({"prompt": "go"}))
            .await
            .expect("asked");
    }
    let mut samples = Vec::new();
    for _ in 0..2000 {
        let start = json!({"line": 0, "character": 0});
        let change = json!([{"range": {"start": start, "end": start}, "text": "y"}]);
        let started = Instant::now();
        editor.change(&uri, change).await;
        let answer = editor.command("boxagnts.none", Value::Null).await;
        samples.push(started.elapsed());
        assert!(answer.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let running = editor
        .updates
        .iter()
        .any(|update| update["event"] == "turn_ended");
    assert!(!running, "the turns run through the whole measurement");
    let worst = percentile(&mut samples, 0.99);
    let what = "`didChange` and an answer behind it, 32 turns running, p99";
    table.time(what, worst, Duration::from_millis(2));
    child.kill().await.expect("killed");
}

/// From sending a change to the answer of a request behind it, while guests use all that the
/// processors have.
async fn request_during_spinning(
    world: &World,
    fixture: &Fixture,
    guests: usize,
    table: &mut Table,
) {
    let call = json!({"name": "spin", "input": {}});
    let script = script(json!([{"text": "Round.", "tool_calls": vec![call; guests]}]));
    let (mut child, mut editor) = world.language_server(fixture.path());
    let settings = json!({"model": script.model(), "wasm_fuel": 9_000_000_000_000_000_000_u64,
        "wasm_timeout": "60m"});
    editor.initialize(json!({}), settings).await;
    editor.open("a.rs", "x\n").await;
    let uri = editor.uri("a.rs");
    editor
        .command("boxagnts.ask", json!({"prompt": "spin"}))
        .await
        .expect("asked");
    let started = |update: &&Value| update["event"] == "tool_started";
    editor
        .until(|editor| editor.updates.iter().filter(started).count() == guests)
        .await;
    let mut samples = Vec::new();
    for round in 0..600 {
        let start = json!({"line": 0, "character": 0});
        let change = json!([{"range": {"start": start, "end": start}, "text": "y"}]);
        let started = Instant::now();
        editor.change(&uri, change).await;
        let answer = editor.command("boxagnts.sessions", Value::Null).await;
        // At first they are still being loaded.
        if round >= 100 {
            samples.push(started.elapsed());
        }
        assert!(answer.is_ok());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let finished = |update: &Value| update["event"] == "tool_finished";
    assert!(!editor.updates.iter().any(finished), "they still spin");
    let what = format!("`didChange` and a request while {guests} guests spin, p99");
    let worst = percentile(&mut samples, 0.99);
    table.time(&what, worst, Duration::from_millis(100));
    child.kill().await.expect("killed");
}

/// `boxagnts run` against a model server without latency: read, edit, done.
pub fn harness(table: &mut Table) {
    const ROUNDS: usize = 20;
    let home = TempDir::new().expect("a folder");
    let world = World::new(home.path());
    let fixture = Fixture::new("//- /a.rs\nfn one() {}\n");
    let (mut starts, mut turns, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peak, mut body) = (0.0f64, 0);
    for _ in 0..ROUNDS {
        let server = ModelServer::start([
            Answer::turn(json!({"text": "Reading.",
                "tool_calls": [{"name": "read", "input": {"path": "a.rs"}}]})),
            Answer::turn(
                json!({"text": "Editing.", "tool_calls": [{"name": "edit", "input": {
                "path": "a.rs", "edits": [{"old_text": "one", "new_text": "first"}]}}]}),
            ),
            Answer::turn(json!({"text": "Done."})),
        ]);
        let config = format!("[providers.mock]\nbase_url = \"{}\"\n", server.base_url());
        world.configure(&config);
        let mut command = world.command(&["run", "rename it", "--model", "mock:m", "--workspace"]);
        command
            .arg(fixture.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let before = cpu();
        let started = Instant::now();
        let mut child = command.spawn().expect("the binary starts");
        loop {
            peak = peak.max(status(child.id(), "VmHWM:") / MIB);
            if let Some(ended) = child.try_wait().expect("it runs") {
                assert!(ended.success());
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        cpus.push(cpu().saturating_sub(before));
        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        starts.push(requests[0].arrived.duration_since(started));
        for pair in requests.windows(2) {
            let ended = pair[0].ended.expect("answered");
            turns.push(pair[1].arrived.duration_since(ended));
        }
        body = serde_json::to_vec(&requests[0].body).expect("JSON").len();
    }
    let start = percentile(&mut starts, 0.5);
    table.time(
        "process start to first model request",
        start,
        Duration::from_millis(30),
    );
    table.ratio(format!(
        "{:.2} × the best of others (270 ms)",
        start.as_secs_f64() / 0.270
    ));
    let turn = percentile(&mut turns, 0.5);
    table.time("own time per tool turn", turn, Duration::from_millis(2));
    table.ratio(format!(
        "{:.3} × the best of others (22 ms)",
        turn.as_secs_f64() / 0.022
    ));
    let cpu = percentile(&mut cpus, 0.5);
    table.time(
        "processor time of three turns",
        cpu,
        Duration::from_millis(50),
    );
    table.ratio(format!(
        "{:.3} × the best of others (0.54 s)",
        cpu.as_secs_f64() / 0.54
    ));
    table.row(
        "peak memory of three turns",
        format!("{peak:.1} MiB"),
        "≤ 60 MiB",
        peak <= 60.0,
    );
    table.ratio(format!(
        "{:.2} × the best of others (187 MiB)",
        peak / 187.0
    ));
    let kilobytes = body as f64 / 1000.0;
    table.row(
        "first request's body",
        format!("{kilobytes:.1} KB"),
        "≤ 8 KB",
        body <= 8000,
    );
    table.ratio(format!(
        "{:.2} × the best of others (31 KB)",
        kilobytes / 31.0
    ));
}

/// The file that users get.
pub fn binary(table: &mut Table) {
    let bytes = std::fs::metadata(boxagnts_tests::binary())
        .expect("the binary")
        .len();
    let mebibytes = bytes as f64 / MIB / MIB;
    table.row(
        "size of the binary",
        format!("{mebibytes:.1} MiB"),
        "≤ 40 MiB",
        mebibytes <= 40.0,
    );
}

/// Processor time of the children that have ended.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("resource usage");
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}

/// A field of `/proc/ID/status`, in KiB; 0 when the process is gone.
fn status(id: u32, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0)
}
