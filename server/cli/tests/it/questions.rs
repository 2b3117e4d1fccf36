//! A model asks on the terminal, shows its steps and has its plan approved; where nobody is, nobody is
//! asked.

use crate::support::Fixture;
use serde_json::{Value, json};

fn ask() -> Value {
    json!({"name": "ask_user", "input": {"question": "Which \u{1b}[31mone?", "choices": [
        {"label": "A", "description": "the first"}, {"label": "B"}]}})
}

/// A model that makes these calls one after the other, and then is done.
fn model(fixture: &Fixture, calls: &[Value]) -> String {
    let calls = calls.iter().map(|call| json!({"tool_calls": [call]}));
    let turns: Vec<Value> = calls.chain([json!({"text": "Done."})]).collect();
    fixture.script(json!(turns))
}

fn plan() -> Value {
    json!({"name": "propose_plan", "input": {"plan": "# Plan\nWrite `a.txt`."}})
}

fn write() -> Value {
    json!({"name": "write", "input": {"path": "a.txt", "content": "new\n"}})
}

#[cfg(unix)]
mod on_a_terminal {
    use super::*;
    use crate::terminal::Terminal;

    #[test]
    fn a_question_is_answered_by_a_number_or_in_words() {
        let fixture = Fixture::new(&[]);
        let words = json!({"name": "ask_user", "input": {"question": "Why?"}});
        let model = model(&fixture, &[ask(), words]);
        let mut terminal = Terminal::run(fixture.command(&["run", "go", "--model", &model]));
        let asked = terminal.expect("a number, or your words, or nothing: ");
        assert!(
            asked.contains("? Which ␛[31mone?\r\n  1. A: the first\r\n  2. B\r\n"),
            "{asked}"
        );
        terminal.answer("2");
        terminal.expect("your words, or nothing: ");
        terminal.answer("Because I SAY so");
        let ended = terminal.end().check(0);
        assert!(ended.stderr.contains("Done."), "{}", ended.stderr);
        let list = fixture.run(&["session", "list", "--json"]).check(0).json();
        let id = list[0]["session"].as_str().unwrap();
        for command in ["show", "export"] {
            let shown = fixture.run(&["session", command, id]).check(0).stdout;
            assert!(shown.contains("answer: B"), "{shown}");
            assert!(shown.contains("answer: Because I SAY so"), "{shown}");
        }
        let page = fixture.run(&["session", "report", id]).check(0).stdout;
        assert!(page.contains("Because I SAY so"), "{page}");
    }

    #[test]
    fn a_plan_is_approved_and_carried_out() {
        let fixture = Fixture::new(&[("a.txt", "old\n")]);
        let model = model(&fixture, &[plan(), write()]);
        let arguments = ["run", "go", "--mode", "plan", "--model", &model];
        let mut terminal = Terminal::run(fixture.command(&arguments));
        let asked = terminal.expect("a number, or your words, or nothing: ");
        for part in [
            "# Plan\r\nWrite `a.txt`.",
            "Approve this plan?",
            "1. Approve, review changes",
        ] {
            assert!(asked.contains(part), "{asked}");
        }
        terminal.answer("1");
        let ended = terminal.end().check(0);
        assert!(
            ended.stderr.contains("the mode is now `review`"),
            "{}",
            ended.stderr
        );
        assert!(ended.stdout.contains("+new"), "{}", ended.stdout);
        let text = std::fs::read_to_string(fixture.workspace().join("a.txt")).unwrap();
        assert_eq!(text, "old\n", "approving a plan accepts no change");
        // What the command line says holds again.
        let again = ["run", "again", "--continue", "--mode", "plan", "--json"];
        let lines = fixture.run(&again).check(0).lines();
        let changed = lines.iter().find(|line| line["event"] == "mode_changed");
        assert_eq!(changed.unwrap()["mode"], "plan");
    }
}

#[test]
fn a_script_is_asked_nothing() {
    let fixture = Fixture::new(&[("a.txt", "old\n")]);
    let model = model(&fixture, &[ask(), write()]);
    let lines = fixture
        .run(&["run", "go", "--json", "--model", &model])
        .check(0)
        .lines();
    let of = |name: &str| lines.iter().find(|line| line["event"] == name).unwrap();
    assert_eq!(of("asked")["question"]["choices"][1]["label"], "B");
    assert_eq!(of("answered")["answer"]["kind"], "nobody");
    let told = &of("tool_finished")["report"]["error"]["message"];
    assert!(
        told.to_string().contains("nobody can be asked here"),
        "{told}"
    );
    let result = lines.last().unwrap();
    assert!(result["diff"].as_str().unwrap().contains("+new"));
    // So it is without --json, when nobody sits at a terminal.
    let ended = fixture.run(&["run", "go", "--model", &model]).check(0);
    for part in ["? Which ␛[31mone?", "nobody could be asked"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn without_anybody_to_approve_it_the_plan_is_the_result() {
    let fixture = Fixture::new(&[("a.txt", "old\n")]);
    let model = model(&fixture, &[plan(), write()]);
    let arguments = ["run", "go", "--mode", "plan", "--model", &model];
    let lines = fixture
        .run(&[&arguments[..], &["--json"]].concat())
        .check(0)
        .lines();
    let result = lines.last().unwrap();
    assert_eq!(result["plan"], "# Plan\nWrite `a.txt`.");
    assert_eq!(result["outcome"]["kind"], "done");
    let ended = fixture.run(&arguments).check(0);
    assert!(ended.stderr.contains("Write `a.txt`."), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn steps_are_shown_while_they_are_done_and_afterwards() {
    let fixture = Fixture::new(&[]);
    let items = json!([
        {"text": "look", "status": "completed"},
        {"text": "change <b>it</b>", "status": "in_progress"},
        {"text": "test", "status": "pending"},
    ]);
    let model = model(
        &fixture,
        &[json!({"name": "todo", "input": {"items": items}})],
    );
    let ended = fixture.run(&["run", "go", "--model", &model]).check(0);
    let expect = "  ✓ look\n  ▸ change <b>it</b>\n  · test\n";
    assert!(ended.stderr.contains(expect), "{}", ended.stderr);
    let list = fixture.run(&["session", "list", "--json"]).check(0).json();
    let id = list[0]["session"].as_str().unwrap();
    let shown = fixture.run(&["session", "show", id]).check(0).stdout;
    assert!(shown.contains(expect), "{shown}");
    let exported = fixture.run(&["session", "export", id]).check(0).stdout;
    assert!(exported.contains("- [x] look\n"), "{exported}");
    assert!(exported.contains("- [ ] change \\<b>it"), "{exported}");
    let page = fixture.run(&["session", "report", id]).check(0).stdout;
    assert!(page.contains("▸ change &lt;b&gt;it&lt;/b&gt;"), "{page}");
}

#[test]
fn native_tools_are_listed_and_need_a_session() {
    let fixture = Fixture::new(&[]);
    let list = fixture.run(&["tool", "list", "--json"]).check(0).json();
    let native = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|tool| tool["native"] == true);
    let names: Vec<&str> = native.map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "ask_user",
            "todo",
            "propose_plan",
            "question",
            "spawn_executor"
        ]
    );
    let list = fixture.run(&["tool", "list"]).check(0).stdout;
    assert!(list.contains("(native) Ask the user"), "{list}");
    let described = fixture.run(&["tool", "describe", "todo"]).check(0).stdout;
    assert!(
        described.contains("Native: sessions carry it out"),
        "{described}"
    );
    let call = |input: &str, code| {
        fixture
            .run(&["tool", "run", "todo", "--input", input, "--json"])
            .check(code)
            .json()
    };
    let report = call(r#"{"items": []}"#, 1);
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("`todo` needs a session"), "{message}");
    assert_eq!(report["decision"]["verdict"], "allowed");
    assert_eq!(call(r#"{"items": 1}"#, 2)["error"]["kind"], "invalid_input");
}
