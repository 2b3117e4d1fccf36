//! `boxagnts tool add` and what comes of it: nothing can be called that was not approved.

use crate::support::Fixture;
use serde_json::{Value, json};

const HELP: &str = "\
Weighs things. [level: read]

Usage: weigh [OPTIONS] [FILE]

Options:
  -u, --unit <UNIT>  What to say it in [possible values: g, kg]
";
const PLACE: &str = ".boxagnts/tools/weigh.wasm";

fn fixture() -> (Fixture, String) {
    let fixture = Fixture::new(&[("a.txt", "one\n")]);
    let program = fixture.program("tool.wasm", HELP);
    (fixture, program)
}

/// Standing of a tool in the list; `level` when it can be called, empty when it is not there.
fn standing(fixture: &Fixture, name: &str) -> String {
    let list = fixture.run(&["tool", "list", "--json"]).check(0).json();
    let tools = list.as_array().unwrap();
    let found = tools.iter().find(|tool| tool["name"] == name);
    let said = found.map(|tool| match &tool["standing"] {
        Value::String(standing) => standing.clone(),
        _ => format!("level {}", tool["level"].as_str().unwrap()),
    });
    said.unwrap_or_default()
}

fn call(fixture: &Fixture, code: i32) -> Value {
    let arguments = [
        "tool",
        "run",
        "weigh",
        "--input",
        r#"{"unit":"kg"}"#,
        "--json",
    ];
    fixture.run(&arguments).check(code).json()
}

#[test]
fn nothing_is_added_without_a_yes() {
    let (fixture, program) = fixture();
    let before = fixture.tree();
    let ended = fixture.run(&["tool", "add", &program]).check(4);
    for part in [
        "weigh",
        "SHA-256",
        "level read",
        "unit (string, optional)",
        "imports",
        "hosts",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(
        ended.stderr.contains("--yes approves the tool"),
        "{}",
        ended.stderr
    );
    assert_eq!((fixture.tree(), ended.stdout.as_str()), (before, ""));
    assert_eq!(standing(&fixture, "weigh"), "");
    assert_eq!(call(&fixture, 2)["error"]["kind"], "unknown_tool");
}

#[test]
fn a_tool_is_added_called_changed_and_removed() {
    let (fixture, program) = fixture();
    let before = fixture.tree();
    let ended = fixture.run(&["tool", "add", &program, "--yes"]).check(0);
    assert!(
        ended.stdout.starts_with("added weigh: "),
        "{}",
        ended.stdout
    );
    let added = std::fs::read(fixture.workspace().join(PLACE)).unwrap();
    assert_eq!(added, std::fs::read(&program).unwrap());
    assert_eq!(standing(&fixture, "weigh"), "level read");
    assert!(
        call(&fixture, 0)["output"]
            .as_str()
            .unwrap()
            .starts_with("Weighs things.")
    );
    let text = fixture.run(&["tool", "describe", "weigh"]).check(0).stdout;
    assert!(text.contains("unit (string, optional)"), "{text}");

    let other = fixture.program("other.wasm", &HELP.replace("Weighs", "Eats"));
    std::fs::copy(&other, fixture.workspace().join(PLACE)).unwrap();
    assert_eq!(standing(&fixture, "weigh"), "changed");
    let report = call(&fixture, 4);
    let message = report["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("changed since it was approved"),
        "{message}"
    );
    let text = fixture.run(&["tool", "describe", "weigh"]).check(0).stdout;
    assert!(text.contains("Eats things."), "{text}");
    fixture.run(&["tool", "add", PLACE, "--yes"]).check(0);
    assert!(
        call(&fixture, 0)["output"]
            .as_str()
            .unwrap()
            .starts_with("Eats things.")
    );

    let ended = fixture.run(&["tool", "remove", "weigh"]).check(0);
    assert!(ended.stdout.contains("is deleted"), "{}", ended.stdout);
    assert_eq!(
        (standing(&fixture, "weigh").as_str(), fixture.tree()),
        ("", before)
    );
    let ended = fixture.run(&["tool", "remove", "weigh"]).check(2);
    assert!(
        ended.stderr.contains("no tool `weigh` was added"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_a_repository_brings_is_shown_and_not_called() {
    let (fixture, program) = fixture();
    std::fs::create_dir_all(fixture.workspace().join(".boxagnts/tools")).unwrap();
    for name in ["weigh", "read"] {
        let place = fixture
            .workspace()
            .join(format!(".boxagnts/tools/{name}.wasm"));
        std::fs::copy(&program, place).unwrap();
    }
    assert_eq!(standing(&fixture, "weigh"), "not approved");
    let text = fixture.run(&["tool", "list"]).check(0).stdout;
    let (can, cannot) = text.split_once("\nNot to be called:\n").unwrap();
    assert!(
        !can.contains("weigh") && cannot.contains("nobody approved"),
        "{text}"
    );
    assert!(
        cannot.contains("another tool has the name `read`"),
        "{text}"
    );
    assert_eq!(call(&fixture, 4)["error"]["kind"], "denied");
    let ended = fixture
        .run(&["tool", "add", ".boxagnts/tools/read.wasm", "--yes"])
        .check(2);
    assert!(
        ended.stderr.contains("another tool has the name `read`"),
        "{}",
        ended.stderr
    );
    // Approving it takes nothing away that was there.
    fixture.run(&["tool", "add", PLACE, "--yes"]).check(0);
    assert_eq!(call(&fixture, 0)["ok"], true);
    let ended = fixture.run(&["tool", "remove", "weigh"]).check(0);
    assert!(ended.stdout.contains("stays"), "{}", ended.stdout);
    assert!(fixture.workspace().join(PLACE).exists());
}

#[test]
fn a_tool_of_the_users_is_there_in_every_workspace() {
    let (fixture, program) = fixture();
    let before = fixture.tree();
    let arguments = [
        "tool", "add", &program, "--user", "--name", "heavy", "--level", "none", "--yes",
    ];
    fixture.run(&arguments).check(0);
    assert_eq!(standing(&fixture, "heavy"), "level none");
    assert_eq!(fixture.tree(), before);
    let elsewhere = fixture.home().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let elsewhere = elsewhere.display().to_string();
    let arguments = ["tool", "run", "heavy", "--workspace", &elsewhere, "--json"];
    assert_eq!(fixture.run(&arguments).check(0).json()["ok"], true);
    let ended = fixture
        .run(&["tool", "remove", "heavy", "--workspace", &elsewhere])
        .check(0);
    assert!(ended.stdout.contains("is deleted"), "{}", ended.stdout);
    assert_eq!(standing(&fixture, "heavy"), "");
}

#[test]
fn what_cannot_be_a_tool_is_not_added() {
    let (fixture, program) = fixture();
    fixture.write("bad.wasm", "no component");
    let check = |arguments: &[&str], code: i32, says: &str| {
        let arguments = [&["tool", "add"], arguments, &["--yes"]].concat();
        let ended = fixture.run(&arguments).check(code);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    };
    let before = fixture.tree();
    check(&["bad.wasm"], 1, "is no valid WebAssembly component");
    check(&["no-such.wasm"], 1, "no-such.wasm");
    check(&[&program, "--name", "My Tool"], 2, "is no name of a tool");
    check(
        &[&program, "--name", "read"],
        2,
        "another tool has the name `read`",
    );
    check(&[&program, "--level", "forbidden"], 2, "possible values");
    check(
        &[&program, "--user", "--workspace", "."],
        2,
        "cannot be used with",
    );
    assert_eq!(fixture.tree(), before);
}

#[test]
fn a_model_is_offered_what_was_added() {
    let (fixture, program) = fixture();
    fixture.run(&["tool", "add", &program, "--yes"]).check(0);
    let model = fixture.script(json!([
        {"tool_calls": [{"name": "weigh", "input": {"unit": "g"}}]},
        {"text": "done"},
    ]));
    let lines = fixture
        .run(&["run", "--model", &model, "--json", "weigh it"])
        .check(0)
        .lines();
    let said = lines
        .iter()
        .map(Value::to_string)
        .find(|line| line.contains("Weighs things."));
    assert!(said.is_some(), "{lines:#?}");
}
