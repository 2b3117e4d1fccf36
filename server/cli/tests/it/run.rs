//! `boxagnts run`: diffs, applying, outcomes.

use crate::support::Fixture;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::store::Store;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const RENAME: &str = "rename total_cost to order_total";

fn shop() -> Fixture {
    Fixture::new(&[
        ("README.md", "# Shop\n\nCall total_cost.\n"),
        (
            "src/lib.rs",
            "pub fn total_cost() -> u32 {\n    subtotal_cost()\n}\n",
        ),
        ("docs/api.txt", "total_cost()\r\nmore\r\n"),
    ])
}

/// `git apply` in the workspace.
fn git_apply(fixture: &Fixture, diff: &str, flags: &[&str]) {
    let mut git = Command::new("git")
        .arg("apply")
        .args(flags)
        .current_dir(fixture.workspace())
        .env("GIT_CEILING_DIRECTORIES", "/")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin
        .take()
        .unwrap()
        .write_all(diff.as_bytes())
        .unwrap();
    assert!(git.wait().unwrap().success(), "{diff}");
}

#[test]
fn the_diff_is_on_stdout_and_the_tree_is_untouched() {
    let fixture = shop();
    let before = fixture.tree();
    let ended = fixture.run(&["run", RENAME]).check(0);
    assert_eq!(fixture.tree(), before);
    assert!(
        ended
            .stdout
            .starts_with("diff --git a/README.md b/README.md\n"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("-total_cost()\r\n+order_total()\r\n"));
    assert!(!ended.stdout.contains('\x1b') && !ended.stderr.contains('\x1b'));
    assert!(
        ended.stderr.contains("nothing was written"),
        "{}",
        ended.stderr
    );
    git_apply(&fixture, &ended.stdout, &["--check"]);
}

#[test]
fn apply_makes_the_tree_equal_the_diff() {
    let (ours, theirs) = (shop(), shop());
    let ended = ours.run(&["run", "--apply", RENAME]).check(0);
    git_apply(&theirs, &ended.stdout, &[]);
    let texts = |fixture: &Fixture| fixture.tree().into_values().collect::<Vec<_>>();
    assert_eq!(texts(&ours), texts(&theirs));
    assert!(texts(&ours).contains(&b"order_total()\r\nmore\r\n".to_vec()));
    assert!(
        texts(&ours)
            .iter()
            .any(|text| text.ends_with(b"subtotal_cost()\n}\n"))
    );
    assert!(ended.stderr.contains("3 hunks written"), "{}", ended.stderr);
}

/// `git apply` in a folder below the top of a repository says nothing of names that it does not know.
#[test]
fn the_diff_of_a_folder_in_a_repository_has_gits_names() {
    for flags in [&["--mode", "auto"][..], &[]] {
        let fixture = Fixture::new(&[("a b/src/main.rs", "old();\n"), ("main.rs", "old();\n")]);
        let mut init = Command::new("git");
        let init = init.args(["init", "-q"]).current_dir(fixture.workspace());
        assert!(init.status().unwrap().success());
        let ended = fixture
            .run(
                &[
                    &["run", "--workspace", "a b"],
                    flags,
                    &["rename old to new"],
                ]
                .concat(),
            )
            .check(0);
        fixture.write("a b/src/main.rs", "old();\n");
        let mut git = Command::new("git")
            .arg("apply")
            .current_dir(fixture.workspace().join("a b/src"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = git.stdin.take().unwrap();
        input.write_all(ended.stdout.as_bytes()).unwrap();
        drop(input);
        assert!(git.wait().unwrap().success(), "{}", ended.stdout);
        let text = |path| std::fs::read_to_string(fixture.workspace().join(path)).unwrap();
        assert_eq!(
            (text("a b/src/main.rs"), text("main.rs")),
            ("new();\n".into(), "old();\n".into())
        );
    }
}

#[test]
fn mode_auto_accepts_and_mode_plan_does_not_write() {
    let fixture = shop();
    let ended = fixture
        .run(&["run", "--mode", "auto", "--json", RENAME])
        .check(0);
    let result = ended.lines().pop().unwrap();
    assert_eq!(result["applied"], true);
    assert!(
        result["diff"]
            .as_str()
            .unwrap()
            .contains("+Call order_total.")
    );
    assert_eq!(result["hunks"].as_array().unwrap().len(), 3);
    assert!(
        fixture
            .tree()
            .values()
            .any(|text| text.ends_with(b"Call order_total.\n"))
    );

    let fixture = shop();
    let before = fixture.tree();
    let ended = fixture
        .run(&["run", "--mode", "plan", "--apply", RENAME])
        .check(0);
    assert_eq!((fixture.tree(), ended.stdout.as_str()), (before, ""));
}

#[test]
fn a_patch_goes_to_its_file() {
    let fixture = shop();
    let ended = fixture
        .run(&["run", "--patch", "out.diff", RENAME])
        .check(0);
    assert_eq!(ended.stdout, "");
    let patch = std::fs::read_to_string(fixture.workspace().join("out.diff")).unwrap();
    git_apply(&fixture, &patch, &["--check"]);
    let ended = fixture
        .run(&["run", "--patch", "no/such/folder", RENAME])
        .check(2);
    assert!(ended.stderr.contains("no such folder"), "{}", ended.stderr);
}

#[test]
fn json_prints_every_event_and_the_result_last() {
    let fixture = shop();
    let ended = fixture.run(&["run", "--json", "--apply", RENAME]).check(0);
    let mut lines = ended.lines();
    let result = lines.pop().unwrap();
    let seqs: Vec<u64> = lines
        .iter()
        .map(|line| line["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(lines[0]["event"], "turn_started");
    assert!(lines.iter().any(|line| line["event"] == "decided"));
    assert_eq!(result["event"], "result");
    assert_eq!(result["session"], lines[0]["session"]);
    assert_eq!(result["outcome"], json!({"kind": "done"}));
    assert_eq!(
        (&result["applied"], &result["exit_code"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(result["usage"]["input_tokens"], 0);
    assert!(result.get("cost_usd").is_some());
}

/// Runs a script of the model's.
fn scripted(fixture: &Fixture, turns: Value, flags: &[&str], code: i32) -> Vec<Value> {
    let model = fixture.script(turns);
    let mut arguments = vec!["run", "go", "--json", "--model", &model];
    arguments.extend(flags);
    fixture.run(&arguments).check(code).lines()
}

fn call(name: &str, input: Value) -> Value {
    json!({"tool_calls": [{"name": name, "input": input}]})
}

#[test]
fn a_turn_is_done_when_any_call_of_it_worked() {
    let fixture = shop();
    let check = |turn: Value, kind: &str, code: i32| {
        let lines = scripted(&fixture, json!([turn, {"text": "I see."}]), &[], code);
        let report = lines
            .iter()
            .find(|line| line["event"] == "tool_finished")
            .unwrap();
        assert_eq!(report["report"]["error"]["kind"], kind, "{report}");
        let good = call("read", json!({"path": "README.md"}));
        scripted(&fixture, json!([turn, good, {"text": "I see."}]), &[], 0);
    };
    check(call("teleport", json!({})), "unknown_tool", 1);
    let outside = json!({"path": "../../etc/passwd"});
    check(call("read", outside), "denied", 4);
    check(call("read", json!({"path": "no/such"})), "failed", 1);
    check(
        call("read", json!({"file": "README.md"})),
        "invalid_input",
        1,
    );
}

#[test]
fn a_turn_that_could_change_nothing_of_what_it_wanted_is_not_done() {
    let fixture = shop();
    let read = call("read", json!({"path": "README.md"}));
    let delete = call("delete", json!({"path": "README.md"}));
    let edit = call("delete", json!({"path": "no/such"}));
    let check = |turns: &[&Value], flags: &[&str], code: i32| {
        let mut turns: Vec<Value> = turns.iter().map(|turn| (*turn).clone()).collect();
        turns.push(json!({"text": "Well."}));
        scripted(&fixture, Value::Array(turns), flags, code);
    };
    let denied = &["--deny", "*(path=README.md)"];
    let reads = &["--deny", "delete"];
    check(&[&read, &delete], reads, 4);
    check(&[&read, &delete, &edit], reads, 4);
    check(&[&read, &edit], &[], 1);
    check(&[&read, &edit, &delete], &[], 0);
    check(&[&read], denied, 4);
    check(&[&read, &delete], &["--mode", "plan"], 4);
}

#[test]
fn a_mode_that_forbids_a_change_is_named_with_its_place() {
    let fixture = shop();
    fixture.write(".boxagnts/config.toml", "mode = \"plan\"\n");
    let delete = call("delete", json!({"path": "README.md"}));
    let model = fixture.script(json!([delete, {"text": "I cannot."}]));
    let ended = fixture.run(&["run", "go", "--model", &model]).check(4);
    for part in [
        "mode `plan`, from project (",
        "config.toml)",
        "use --mode review",
    ] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn builtin_plans_where_it_may_only_read() {
    let fixture = shop();
    let ended = fixture
        .run(&["run", "--json", "--mode", "plan", RENAME])
        .check(0);
    let result = ended.lines().pop().unwrap();
    let plan = result["plan"].as_str().unwrap_or_default();
    assert!(
        plan.contains("to `order_total` in 3 files:\n\n- `README.md`\n"),
        "{result}"
    );
}

#[test]
fn what_waited_before_is_told_when_it_is_written_too() {
    let fixture = Fixture::new(&[("a.txt", "one\n"), ("b.txt", "two\n")]);
    let ended = fixture.run(&["run", "replace one with 1"]).check(0);
    assert!(!ended.stderr.contains("earlier"), "{}", ended.stderr);
    let ended = fixture
        .run(&["run", "--apply", "--continue", "replace two with 2"])
        .check(0);
    let part = "hunks of earlier turns are written, too: h1 (a.txt)\n";
    assert!(ended.stderr.contains(part), "{}", ended.stderr);
}

#[test]
fn looking_whether_a_file_is_there_is_no_failure() {
    let fixture = Fixture::new(&[]);
    let ended = fixture
        .run(&["run", "create hello.txt with hello"])
        .check(0);
    assert!(
        ended.stderr.contains("· read hello.txt"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains('✗'), "{}", ended.stderr);
}

#[test]
fn a_first_start_says_why_it_takes_its_time() {
    let fixture = Fixture::new(&[("a.txt", "old\n")]);
    let cache = fixture.home().join("cache");
    let run = || {
        let mut command = fixture.command(&["run", "find old"]);
        let command = command.env("BOXAGNTS_CACHE_DIR", &cache);
        crate::support::Ended::of(command.output().unwrap()).check(0)
    };
    let preparing = "preparing tools (once) …\n";
    assert!(run().stderr.contains(preparing));
    assert!(!run().stderr.contains(preparing));
}

#[test]
fn a_loop_is_stopped_by_a_limit() {
    let fixture = shop();
    let turn = call("read", json!({"path": "README.md"}));
    let script = Value::Array(vec![turn; 20]);
    let check = |limit: &str, name: &str| {
        let lines = scripted(&fixture, script.clone(), &["--limit", limit], 3);
        let result = lines.last().unwrap();
        assert_eq!(result["outcome"]["limit"], name, "{result}");
        assert_eq!(result["exit_code"], 3);
    };
    check("max_turns=5", "max_turns");
    check("max_tool_calls=4", "max_tool_calls");
    check("max_turns=20", "identical_tool_calls");
    let model = fixture.script(script);
    let ended = fixture
        .run(&["run", "go", "--model", &model, "--limit", "max_turns=5"])
        .check(3);
    assert!(
        ended.stderr.contains("stopped by the limit `max_turns`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_answer_that_is_cut_off_too_often_is_stopped() {
    let fixture = shop();
    let cut_off = json!({"text": "and then", "stop": "max_tokens"});
    let lines = scripted(&fixture, Value::Array(vec![cut_off; 4]), &[], 3);
    assert_eq!(
        lines.last().unwrap()["outcome"]["limit"],
        "max_tokens_recovery_limit"
    );
}

#[test]
fn what_a_failed_turn_proposed_is_not_applied() {
    let fixture = shop();
    let before = fixture.tree();
    let write = call("write", json!({"path": "new.txt", "content": "hi\n"}));
    let script = Value::Array(vec![write; 9]);
    let lines = scripted(&fixture, script, &["--apply", "--limit", "max_turns=3"], 3);
    let result = lines.last().unwrap();
    assert_eq!(result["applied"], false);
    assert!(result["diff"].as_str().unwrap().contains("new.txt"));
    assert_eq!(fixture.tree(), before);
}

#[test]
fn a_session_goes_on_and_keeps_its_proposal() {
    let fixture = shop();
    let first = fixture
        .run(&["run", "--json", RENAME])
        .check(0)
        .lines()
        .pop()
        .unwrap();
    let id = first["session"].as_str().unwrap();
    let second = fixture
        .run(&["run", "--json", "--session", &id[..6], "find subtotal"])
        .check(0);
    let second = second.lines().pop().unwrap();
    assert_eq!(
        (&second["session"], &second["diff"]),
        (&first["session"], &first["diff"])
    );
    let ended = fixture
        .run(&["session", "review", id, "--accept-all"])
        .check(0);
    assert!(ended.stderr.contains("3 hunks written"), "{}", ended.stderr);
    assert!(
        fixture
            .tree()
            .values()
            .any(|text| text.ends_with(b"Call order_total.\n"))
    );
    let ended = fixture
        .run(&["session", "review", id, "--accept-all"])
        .check(0);
    assert!(ended.stderr.contains("nothing waits"), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_asked_is_a_usage_error() {
    let fixture = shop();
    let check = |arguments: &[&str], part: &str| {
        let ended = fixture.run(arguments).check(2);
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
        let json = fixture
            .run(&[arguments, &["--json"]].concat())
            .check(2)
            .json();
        assert_eq!(json["event"], "result");
        assert!(
            json["outcome"]["message"].as_str().unwrap().contains(part),
            "{json}"
        );
    };
    check(
        &["run", "x", "--model", "nonsense"],
        "unknown model `nonsense`",
    );
    check(&["run", "x", "--model", "scripted:/no/such"], "/no/such");
    check(
        &["run", "x", "--workspace", "/no/such"],
        "cannot open workspace /no/such",
    );
    check(&["run", "x", "--workspace", "README.md"], "README.md");
    check(&["run", "x", "--session", "zzzz"], "no session `zzzz`");
    check(
        &["run", "x", "--limit", "max_turn=1"],
        "unknown limit `max_turn`",
    );
    check(&["run", " "], "the prompt is empty");
}

#[test]
fn a_session_that_goes_on_needs_the_key_of_the_model_that_it_has_by_now() {
    let fixture = shop();
    let first = fixture.run(&["run", "--json", RENAME]).check(0).lines();
    let session = first.last().unwrap()["session"].as_str().unwrap();
    {
        let journal = Store::open(&fixture.home().join("state/journal.db")).unwrap();
        let settings = json!({"model": "openai:some-model"});
        let configured = SessionEvent::Configured { settings };
        journal.append(session, &configured).unwrap();
    }
    let events = || {
        let shown = fixture
            .run(&["session", "show", session, "--json"])
            .check(0);
        shown.json()["events"].as_array().map(Vec::len)
    };
    let before = events();
    let ended = fixture.run(&["run", "--continue", "x"]).check(2);
    assert!(ended.stderr.contains("OPENAI_API_KEY"), "{}", ended.stderr);
    assert_eq!(events(), before);
    // No model answers it.
    fixture.run(&["run", "--continue", "/help"]).check(0);
}

#[test]
fn a_prompt_comes_from_standard_input() {
    let fixture = shop();
    let mut child = fixture
        .command(&["run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(RENAME.as_bytes())
        .unwrap();
    let ended = crate::support::Ended::of(child.wait_with_output().unwrap()).check(0);
    assert!(ended.stdout.contains("+Call order_total."));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let fixture = shop();
    let mut child = fixture
        .command(&["run", RENAME])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    crate::support::Ended::of(child.wait_with_output().unwrap()).check(0);
}

#[test]
fn a_change_of_the_user_in_the_same_place_is_not_overwritten() {
    let fixture = shop();
    let edit = json!({"path": "README.md", "edits": [{"old_text": "Call", "new_text": "Use"}]});
    let script = json!([call("edit", edit), {"text": "Done.", "delay_ms": 1500}]);
    let model = fixture.script(script);
    let mut child = fixture
        .command(&["run", "go", "--json", "--apply", "--model", &model])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("proposal_changed")));
    fixture.write("README.md", "# Shop\n\nPlease call total_cost.\n");
    let result: Value = serde_json::from_str(&lines.last().unwrap().unwrap()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(
        (&result["applied"], &result["exit_code"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(result["hunks"][0]["state"], "conflicted", "{result}");
    assert!(
        fixture
            .tree()
            .values()
            .any(|text| text.ends_with(b"Please call total_cost.\n"))
    );
}

#[test]
fn a_picture_is_shown_or_refused() {
    let fixture = Fixture::new(&[("shot.gif", "GIF89a"), ("no.txt", "text")]);
    let shot = fixture.workspace().join("shot.gif");
    let ended = fixture.run(&["run", "--image", &shot.display().to_string(), "find GIF"]);
    let ended = ended.check(0);
    let note = "picture 1 is not shown to the model: builtin takes no pictures";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    let text = fixture.workspace().join("no.txt").display().to_string();
    let ended = fixture.run(&["run", "--image", &text, "find GIF"]).check(2);
    assert!(
        ended.stderr.contains("is no picture in PNG"),
        "{}",
        ended.stderr
    );
    fixture
        .run(&["run", "--image", "/no/such", "find GIF"])
        .check(2);
}
