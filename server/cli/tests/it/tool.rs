//! `boxagnts tool`: one object for every call, whatever happens.

use crate::support::Fixture;
use serde_json::{Value, json};

fn fixture() -> Fixture {
    Fixture::new(&[
        ("a.txt", "one\ntwo\n"),
        ("bad.wasm", "no component"),
        ("bad.json", "{"),
    ])
}

fn run(fixture: &Fixture, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["tool", "run"], arguments, &["--json"]].concat();
    fixture.run(&arguments).check(code).json()
}

#[test]
fn a_call_gives_one_object() {
    let fixture = fixture();
    let before = fixture.tree();
    let report = run(&fixture, &["read", "--input", r#"{"path": "a.txt"}"#], 0);
    assert_eq!(
        (&report["ok"], &report["error"]),
        (&json!(true), &Value::Null)
    );
    assert!(report["output"].as_str().unwrap().contains("two"));
    assert!(report["usage"]["fuel"].as_u64().unwrap() > 0);

    let input = json!({"path": "b.txt", "content": "new\n"}).to_string();
    let report = run(&fixture, &["write", "--input", &input], 0);
    assert!(report["diff"].as_str().unwrap().contains("+new"));
    assert_eq!(fixture.tree(), before, "a call by hand never writes");
}

#[test]
fn every_failure_gives_one_object_too() {
    let fixture = fixture();
    let read = r#"{"path": "a.txt"}"#;
    let check = |arguments: &[&str], kind: &str, code: i32| {
        let report = run(&fixture, arguments, code);
        assert_eq!(report["error"]["kind"], kind, "{arguments:?}: {report}");
        assert_eq!(report["ok"], false);
        assert!(report["usage"].is_object() && report["diff"].is_string());
    };
    check(&["read", "--input", "{path}"], "invalid_input", 2);
    check(&["read", "--input", "@bad.json"], "invalid_input", 2);
    check(&["read", "--input", "@no-such.json"], "invalid_input", 2);
    check(&["read", "--input", r#"{"pth": 1}"#], "invalid_input", 2);
    check(&["raed", "--input", read], "unknown_tool", 2);
    check(&["bad.wasm"], "failed", 1);
    check(&["./no-such.wasm"], "failed", 1);
    check(&["read", "--input", r#"{"path": "no-such"}"#], "failed", 1);
    check(
        &["read", "--input", r#"{"path": "../../etc/passwd"}"#],
        "denied",
        4,
    );
    check(
        &[
            "write",
            "--mode",
            "plan",
            "--input",
            r#"{"path":"b","content":""}"#,
        ],
        "denied",
        4,
    );
    check(
        &["read", "--input", read, "--limit", "wasm_fuel=many"],
        "failed",
        2,
    );
    check(
        &["read", "--input", read, "--workspace", "/no/such"],
        "failed",
        2,
    );
}

#[test]
fn limits_stop_a_call_and_say_which() {
    let fixture = fixture();
    let input = r#"{"path": "a.txt"}"#;
    let report = run(
        &fixture,
        &["read", "--input", input, "--limit", "wasm_fuel=1000"],
        3,
    );
    let error = &report["error"];
    assert_eq!(
        (&error["kind"], &error["limit"]),
        (&json!("limit"), &json!("wasm_fuel"))
    );
    assert_eq!(
        (&error["value"], &error["used"]),
        (&json!(1000), &json!(1000))
    );
    let input = r#"{"path": "b.txt", "content": "0123456789"}"#;
    let report = run(
        &fixture,
        &["write", "--input", input, "--limit", "max_host_bytes=5"],
        3,
    );
    assert_eq!(report["error"]["limit"], "max_host_bytes");
}

#[test]
fn without_json_words_and_errors_go_where_they_belong() {
    let fixture = fixture();
    let ended = fixture
        .run(&["tool", "run", "read", "--input", r#"{"path":"a.txt"}"#])
        .check(0);
    assert!(ended.stdout.contains("two"));
    assert_eq!(ended.stderr, "");
    let ended = fixture
        .run(&["tool", "run", "read", "--input", r#"{"path":"x"}"#])
        .check(1);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
}

#[test]
fn tools_are_listed_and_described() {
    let fixture = fixture();
    let list = fixture.run(&["tool", "list", "--json"]).check(0).json();
    let levels: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["level"])
        .collect();
    assert!(levels.contains(&&json!("read")) && levels.contains(&&json!("write")));
    let read = fixture
        .run(&["tool", "describe", "read", "--json"])
        .check(0)
        .json();
    assert_eq!(read["input_schema"]["required"], json!(["path"]));
    let text = fixture.run(&["tool", "describe", "read"]).check(0).stdout;
    assert!(text.contains("path (string)"), "{text}");
    let ended = fixture.run(&["tool", "describe", "raed"]).check(2);
    assert!(
        ended.stderr.contains("the tools are: read"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_component_of_the_users_runs_within_limits() {
    let fixture = fixture();
    let works = fixture.component("i32.const 0");
    assert_eq!(run(&fixture, &[&works], 0)["ok"], true);
    let text = fixture.run(&["tool", "describe", &works]).check(0).stdout;
    assert!(text.contains("does not describe itself"), "{text}");
    let traps = fixture.component("unreachable");
    assert_eq!(run(&fixture, &[&traps], 1)["error"]["kind"], "trap");
    let loops = fixture.component("(loop br 0) unreachable");
    let check = |limit: &str, name: &str| {
        assert_eq!(
            run(&fixture, &[&loops, "--limit", limit], 3)["error"]["limit"],
            name
        );
    };
    check("wasm_timeout=200ms", "wasm_timeout");
    check("wasm_fuel=1000000", "wasm_fuel");
}
