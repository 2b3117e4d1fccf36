//! A real Neovim, attached by its own LSP client: ask, review, accept one of two hunks.

use boxagnts_test_support::{Answer, Fault, Fixture, ModelServer, script};
use boxagnts_tests::World;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::Command;
use tempfile::TempDir;

const BEFORE: &str = "fn one() {}\n// a\n// b\n// c\n// d\nfn two() {}\n";

/// Runs a Lua test in a headless Neovim that has `a.rs` open; gives what it prints.
fn run(settings: &Value, test: &str) -> (String, Fixture) {
    let home = TempDir::new().expect("a folder");
    let fixture = Fixture::new("//- /.git/HEAD\nref: refs/heads/main\n");
    fixture.write("a.rs", BEFORE);
    let world = World::new(home.path());
    let plugin = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../editors/neovim/boxagnts.lua"
    );
    let options = json!({"cmd": [boxagnts_tests::binary(), "lsp"], "settings": settings});
    let mut lua = String::new();
    let _ = write!(
        lua,
        "local options = vim.json.decode({options:?})\nlocal plugin = dofile({plugin:?})\n{}\n{test}",
        include_str!("neovim.lua"),
        options = options.to_string(),
    );
    let path = home.path().join("test.lua");
    std::fs::write(&path, lua).expect("the test");
    let mut nvim = Command::new("nvim");
    nvim.args(["--clean", "--headless", "a.rs", "-c"])
        .arg(format!("luafile {}", path.display()));
    nvim.args(["-c", "qa!"])
        .current_dir(fixture.path())
        .env_clear()
        .envs(world.environment());
    let output = nvim
        .output()
        .expect("skipped: nvim not found, run tests/setup neovim");
    let text = String::from_utf8_lossy(&output.stderr).replace('\r', "");
    assert!(
        text.contains("TEST PASSED"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    (text, fixture)
}

fn edits() -> Value {
    json!({"text": "Editing.", "tool_calls": [{"name": "edit", "input": {"path": "a.rs", "edits": [
        {"old_text": "fn one() {}", "new_text": "fn first() {}"},
        {"old_text": "fn two() {}", "new_text": "fn second() {}"},
    ]}}]})
}

#[test]
fn one_of_two_hunks_is_accepted() {
    let script = script(json!([edits(), {"text": "Done."}]));
    let (_, fixture) = run(
        &json!({"model": script.model()}),
        include_str!("neovim_accept_one.lua"),
    );
    assert_eq!(fixture.read("a.rs"), BEFORE, "the editor saves, not we");
}

#[test]
fn the_same_against_a_model_server_with_faults() {
    for kind in ["openai", "anthropic"] {
        let server = ModelServer::start([
            Answer::status(529, Some("0"), "overloaded"),
            Answer::fault(Fault::CloseBeforeAnyDelta),
            Answer::turn(edits()),
            Answer::turn(json!({"text": "Done."})),
        ]);
        let settings = json!({"model": "mock:m", "providers": {"mock": {
            "kind": kind, "base_url": server.base_url()}}});
        let (_, fixture) = run(&settings, include_str!("neovim_accept_one.lua"));
        assert_eq!(fixture.read("a.rs"), BEFORE);
        assert_eq!(server.requests().len(), 4);
    }
}

#[test]
fn the_question_at_the_end_of_a_turn_is_answered() {
    let script = script(json!([edits(), {"text": "Done."}]));
    run(
        &json!({"model": script.model()}),
        include_str!("neovim_question.lua"),
    );
}
