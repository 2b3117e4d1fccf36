//! Signals, killed processes, and an editor that keeps the pipe open.
#![cfg(unix)]

use crate::support::{Ended, Fixture};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A turn that says something and then waits for a long time.
fn slow(fixture: &Fixture) -> String {
    fixture.script(json!([
        {"text": "Looking.", "tool_calls": [{"name": "read", "input": {"path": "a.txt"}}]},
        {"text": "late", "delay_ms": 600_000},
    ]))
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Starts a turn and waits until it asks the model a second time.
fn start_slow_turn(fixture: &Fixture) -> Child {
    let model = slow(fixture);
    let mut child = fixture
        .command(&["run", "go", "--json", "--model", &model])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(r#""step":2"#) {
        line.clear();
        assert!(
            lines.read_line(&mut line).unwrap() > 0,
            "the turn ended too early"
        );
    }
    // The pipe stays open.
    child.stdout = Some(lines.into_inner());
    child
}

#[test]
fn ctrl_c_cancels_the_turn() {
    let fixture = Fixture::new(&[("a.txt", "a\n")]);
    let child = start_slow_turn(&fixture);
    signal(&child, Signal::INT);
    let ended = Ended::of(child.wait_with_output().unwrap()).check(130);
    let result = ended.lines().pop().unwrap();
    assert_eq!(
        (&result["event"], &result["outcome"]["kind"]),
        (&json!("result"), &json!("cancelled"))
    );
    assert_eq!(result["exit_code"], 130);
    let text = fixture
        .run(&["session", "show", result["session"].as_str().unwrap()])
        .check(0);
    assert!(
        text.stdout.trim_end().ends_with("cancelled"),
        "{}",
        text.stdout
    );
}

#[test]
fn a_session_of_a_killed_process_is_shown_as_interrupted() {
    let fixture = Fixture::new(&[("a.txt", "a\n")]);
    let mut child = start_slow_turn(&fixture);
    let list = fixture.run(&["session", "list", "--json"]).check(0).json();
    let id = list[0]["session"].as_str().unwrap();
    // While the other process still writes.
    let shown = fixture.run(&["session", "show", id]).check(0).stdout;
    assert!(shown.contains("Looking."), "{shown}");
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    let shown = fixture.run(&["session", "show", id]).check(0).stdout;
    assert!(
        shown.contains("✓ read a.txt") && shown.contains("interrupted"),
        "{shown}"
    );
}

#[test]
fn a_script_that_stops_reading_ends_the_turn() {
    let fixture = Fixture::new(&[("a.txt", "a\n")]);
    let call =
        json!({"tool_calls": [{"name": "read", "input": {"path": "a.txt"}}], "delay_ms": 50});
    let model = fixture.script(serde_json::Value::Array(vec![call; 1000]));
    let mut child = fixture
        .command(&[
            "run",
            "go",
            "--json",
            "--model",
            &model,
            "--limit",
            "max_turns=900",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    drop(child.stdout.take());
    let began = Instant::now();
    Ended::of(child.wait_with_output().unwrap()).check(130);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_second_ctrl_c_ends_a_program_that_is_stuck_on_its_reader() {
    let fixture = Fixture::new(&[]);
    let model = fixture.script(json!([{"text": "much text ".repeat(100_000)}]));
    let mut child = fixture
        .command(&["run", "go", "--json", "--model", &model])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody reads: the pipe is full soon.
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, Signal::INT);
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(10), "it hangs");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn ctrl_c_cancels_a_tool_call() {
    let fixture = Fixture::new(&[]);
    let loops = fixture.component("(loop br 0) unreachable");
    let limit = "wasm_fuel=1000000000000";
    let child = fixture
        .command(&["tool", "run", &loops, "--json", "--limit", limit])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    signal(&child, Signal::INT);
    let ended = Ended::of(child.wait_with_output().unwrap()).check(130);
    assert_eq!(ended.json()["error"]["kind"], "cancelled");
}

#[test]
fn the_language_server_exits_while_its_input_stays_open() {
    let fixture = Fixture::new(&[]);
    let mut child = fixture
        .command(&["lsp", "--stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut send = |message: serde_json::Value| {
        let body = message.to_string();
        write!(stdin, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    };
    let capabilities = json!({"processId": null, "rootUri": null, "capabilities": {}});
    send(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": capabilities}));
    send(json!({"jsonrpc": "2.0", "method": "initialized", "params": {}}));
    send(json!({"jsonrpc": "2.0", "id": 2, "method": "shutdown"}));
    send(json!({"jsonrpc": "2.0", "method": "exit"}));
    let ended = Ended::of(child.wait_with_output().unwrap()).check(0);
    assert!(ended.stdout.contains(r#""id":1"#) && ended.stdout.contains(r#""id":2"#));
    drop(stdin);
}
