//! Configuration that does not mean what its author thinks: it is told where it is read.

use crate::support::Fixture;
use std::process::Command;

/// A repository with a folder below its top.
fn repository() -> Fixture {
    let fixture = Fixture::new(&[("sub/a.txt", "old\n"), ("AGENTS.md", "Be brief.\n")]);
    let mut git = Command::new("git");
    let git = git.args(["init", "-q"]).current_dir(fixture.workspace());
    assert!(git.status().unwrap().success());
    fixture.write(".boxagnts/config.toml", "mode = \"plan\"\n");
    fixture
}

#[test]
fn what_a_repository_says_above_the_workspace_is_told_not_to_hold() {
    let fixture = repository();
    let top = fixture.workspace().canonicalize().unwrap();
    let check = |arguments: &[&str], told: bool| {
        let ended = fixture.run(arguments).check(0);
        let said = ended.stdout + &ended.stderr;
        let remedy = format!("--workspace {} is where it holds", top.display());
        assert_eq!(said.contains(&remedy), told, "{arguments:?}: {said}");
        assert_eq!(said.contains("not in force: "), told, "{said}");
    };
    check(&["run", "rename old to new", "--workspace", "sub"], true);
    check(&["config", "show", "--workspace", "sub"], true);
    check(&["doctor", "--workspace", "sub"], true);
    check(&["run", "rename old to new"], false);
    let ended = fixture
        .run(&["run", "find old", "--workspace", "sub"])
        .check(0);
    let files = [".boxagnts/config.toml", "AGENTS.md"].map(|file| top.join(file));
    for file in files {
        let file = file.display().to_string();
        assert!(ended.stderr.contains(&file), "{}", ended.stderr);
    }
}

#[test]
fn names_of_tools_that_there_are_not_are_told() {
    let fixture = Fixture::new(&[("a.txt", "old\n")]);
    let check = |toml: &str, part: &str, mark: &str, code: i32| {
        fixture.configure(toml);
        let ended = fixture.run(&["run", "find old"]).check(0);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
        let ended = fixture.run(&["doctor"]).check(code);
        let line = ended.stdout.lines().find(|line| line.contains(part));
        assert!(
            line.is_some_and(|line| line.starts_with(mark)),
            "{}",
            ended.stdout
        );
    };
    check(
        "deny = [\"wirte(path=*)\"]",
        "did you mean `write`?",
        "!",
        0,
    );
    check(
        "deny = [\"write(file=*.lock)\"]",
        "has no argument `file`",
        "!",
        0,
    );
    check(
        "tools.grpe.wasm_fuel = 9000000000",
        "did you mean `grep`?",
        "!",
        0,
    );
    let hook = "[[hooks]]\nevent = \"stop\"\ntool = \"house-rules\"";
    check(hook, "there is no tool `house-rules`", "✗", 1);
    fixture.configure("deny = [\"*(path=*.lock)\", \"todo\", \"spawn_executor\"]");
    let ended = fixture.run(&["run", "find old"]).check(0);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
}

#[test]
fn a_rule_for_every_tool_stops_every_tool() {
    let fixture = Fixture::new(&[("a.lock", "old\n"), ("b.txt", "old\n")]);
    let check = |prompt: &str, code: i32| {
        let ended = fixture
            .run(&["run", prompt, "--deny", "*(path=*.lock)"])
            .check(code);
        assert!(!ended.stdout.contains(".lock"), "{}", ended.stdout);
    };
    check("rename old to new in a.lock", 4);
    check("delete a.lock", 4);
    check("move b.txt to b.lock", 4);
    check("move a.lock to c.txt", 4);
    check("create c.lock with x", 4);
    check("rename old to new", 0);
}

#[test]
fn a_key_that_is_missing_is_configuration_and_leaves_no_session() {
    let fixture = Fixture::new(&[]);
    let ended = fixture
        .run(&["run", "hello", "--model", "openai:gpt-5"])
        .check(2);
    assert!(ended.stderr.contains("OPENAI_API_KEY"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("no price"), "{}", ended.stderr);
    let list = fixture.run(&["session", "list", "--json"]).check(0);
    assert_eq!(list.stdout, "[]\n");
}

#[test]
fn a_local_model_that_does_not_run_is_told_at_once() {
    let fixture = Fixture::new(&[]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    fixture.configure(&format!(
        "[providers.local]\nbase_url = \"http://{address}/v1\""
    ));
    let ended = fixture
        .run(&["run", "hello", "--model", "local:x"])
        .check(1);
    for part in ["is it running?", "providers.local.base_url"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("again in"), "{}", ended.stderr);
}
