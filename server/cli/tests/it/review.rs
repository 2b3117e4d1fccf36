//! `boxagnts session review` on a terminal.
#![cfg(unix)]

use crate::support::Fixture;
use crate::terminal::Terminal;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// A session that proposes to change two files.
fn proposed() -> (Fixture, String) {
    let fixture = Fixture::new(&[
        ("a.txt", "one\ntotal_cost\nthree\n"),
        ("b.txt", "total_cost()\nrm(total_cost)\n"),
    ]);
    let run = fixture.run(&["run", "--json", "rename total_cost to order_total"]);
    let result = run.check(0).lines().pop().unwrap();
    let id = result["session"].as_str().unwrap().to_owned();
    (fixture, id)
}

fn text(fixture: &Fixture, path: &str) -> String {
    std::fs::read_to_string(fixture.workspace().join(path)).unwrap()
}

#[test]
fn answers_are_carried_out_at_the_end() {
    let (fixture, id) = proposed();
    let mut terminal = Terminal::run(fixture.command(&["session", "review"]));
    let first = terminal.expect("(1/2) Accept this hunk [y,n,a,d,A,e,c,j,/,p,q,?]? ");
    assert!(
        first.contains(" one\r\n-total_cost\r\n+order_total\r\n three\r\n"),
        "{first}"
    );
    terminal.answer("y");
    terminal.expect("(2/2) ");
    assert!(text(&fixture, "a.txt").contains("total_cost"));
    terminal.answer("c");
    terminal.expect("What shall the model know? ");
    terminal.answer("not in b");
    let ended = terminal.end().check(0);
    assert!(ended.stderr.contains("1 hunk written"), "{}", ended.stderr);
    assert_eq!(text(&fixture, "a.txt"), "one\norder_total\nthree\n");
    assert!(text(&fixture, "b.txt").contains("rm(total_cost)"));
    let shown = fixture.run(&["session", "show", &id]).check(0).stdout;
    assert!(shown.contains("not in b"), "{shown}");
    let page = fixture.run(&["session", "report", &id]).check(0).stdout;
    for part in [
        "The user says:",
        "not in b",
        "rejected",
        "<del>total_cost</del>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

fn with_editor(fixture: &Fixture, id: &str, editor: &str) -> Terminal {
    let mut command = fixture.command(&["session", "review", id]);
    command.env("EDITOR", "false").env("VISUAL", editor);
    Terminal::run(command)
}

#[test]
fn hunks_are_split_and_edited_before_they_are_accepted() {
    let (fixture, id) = proposed();
    let mut terminal = with_editor(&fixture, &id, "sed -i 's/order_total/# the \"total\"/'");
    terminal.expect("(1/2) ");
    terminal.answer("/rm");
    terminal.expect("(2/2) Accept this hunk [y,n,a,d,A,s,e,c,k,/,p,q,?]? ");
    terminal.answer("s");
    terminal.expect("split into 2 hunks");
    terminal.expect("(2/3) ");
    terminal.answer("e");
    terminal.expect("(3/3) ");
    terminal.answer("n");
    terminal.end().check(0);
    assert_eq!(text(&fixture, "a.txt"), "one\ntotal_cost\nthree\n");
    assert_eq!(
        text(&fixture, "b.txt"),
        "# the \"total\"()\nrm(total_cost)\n"
    );
}

#[test]
fn a_conflict_is_shown_both_ways_and_edited() {
    let (fixture, id) = proposed();
    fixture.write("a.txt", "one\nmy own words\nthree\n");
    let mut terminal = with_editor(&fixture, &id, "echo both >");
    let shown =
        terminal.expect("(1/2) Your text changed here; what of this hunk [n,d,e,c,j,/,p,q,?]? ");
    for part in [
        "-total_cost\r\n+my own words\r\n",
        "-total_cost\r\n+order_total\r\n",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    terminal.answer("y");
    terminal.expect("your text changed here: edit the hunk, or reject it");
    terminal.answer("e");
    terminal.expect("(2/2) ");
    terminal.answer("q");
    terminal.end().check(0);
    assert_eq!(text(&fixture, "a.txt"), "one\nboth\nthree\n");
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let (fixture, id) = proposed();
    let before = fixture.tree();
    let mut terminal = with_editor(&fixture, &id, "exit 3;");
    terminal.expect("(1/2) ");
    terminal.answer("e");
    terminal.expect("the editor failed: exit status: 3; nothing is changed");
    terminal.expect("(1/2) ");
    terminal.answer("q");
    terminal.end().check(0);
    assert_eq!(fixture.tree(), before);
}

#[test]
fn ctrl_c_decides_nothing() {
    let (fixture, id) = proposed();
    let before = fixture.tree();
    let mut terminal = Terminal::run(fixture.command(&["session", "review", &id]));
    terminal.expect("(1/2) ");
    terminal.answer("y");
    terminal.expect("(2/2) ");
    kill_process(Pid::from_child(&terminal.child), Signal::INT).unwrap();
    terminal.end().check(130);
    assert_eq!(fixture.tree(), before);
}

#[test]
fn without_anything_that_waits_nothing_is_asked() {
    let fixture = Fixture::new(&[]);
    let ended = fixture.run(&["session", "review"]).check(0);
    assert!(ended.stderr.contains("nothing waits"), "{}", ended.stderr);
}

#[test]
fn a_session_whose_hunks_were_applied_by_other_ways_is_passed_over() {
    let fixture = Fixture::new(&[("a.txt", "one\n"), ("b.txt", "one\n")]);
    for file in ["a.txt", "b.txt"] {
        fixture
            .run(&["run", &format!("replace one with two in {file}")])
            .check(0);
    }
    fixture.write("b.txt", "two\n");
    let list = || fixture.run(&["session", "list", "--json"]).check(0).json();
    let before = list();
    assert_eq!(
        (&before[0]["waiting"], &before[1]["waiting"]),
        (&json!(1), &json!(1))
    );
    fixture.run(&["session", "review", "--accept-all"]).check(0);
    assert_eq!(text(&fixture, "a.txt"), "two\n");
    let after = list();
    let counted = after
        .as_array()
        .unwrap()
        .iter()
        .all(|session| session["waiting"].is_null());
    assert!(counted, "{after}");
    // It was only looked at: `run --continue` takes the other one.
    assert_eq!(
        (&after[1]["session"], &after[1]["updated_ms"]),
        (&before[0]["session"], &before[0]["updated_ms"])
    );
    let ended = fixture.run(&["session", "review"]).check(0);
    assert!(ended.stderr.contains("nothing waits"), "{}", ended.stderr);
}
