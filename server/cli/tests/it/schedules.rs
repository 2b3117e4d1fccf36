//! Scheduled tasks as they are listed and changed.

use crate::support::Fixture;
use serde_json::json;
use std::fs;

/// The tasks `docs` and `tidy`. In what the journal has of `docs`, `to` stands for `from`, as another
/// version may have written it.
fn tasks(from: &str, to: &str) -> Fixture {
    let fixture = Fixture::new(&[]);
    for name in ["docs", "tidy"] {
        let prompt = format!("replace a with b in {name}");
        let add = [
            "schedule", "add", "--name", name, "--cron", "@daily", "--tz", "UTC", &prompt,
        ];
        fixture.run(&add).check(0);
    }
    let journal = fixture.home().join("state/journal.db");
    let mut bytes = fs::read(&journal).unwrap();
    let find = |text: &str, after: usize| {
        let mut windows = bytes[after..].windows(text.len());
        after
            + windows
                .position(|window| window == text.as_bytes())
                .unwrap()
    };
    let at = find(from, find("with b in docs", 0));
    // SQLite finds its rows by their lengths.
    assert_eq!(from.len(), to.len());
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    fs::write(&journal, bytes).unwrap();
    fixture
}

#[test]
fn a_task_that_cannot_be_read_is_changed_all_the_same() {
    let fixture = tasks(r#""catch_up":"once""#, r#""catch_up":"onze""#);
    let check = |verb: &str, name: &str, told: &str| {
        let ended = fixture.run(&["schedule", verb, name]).check(0);
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        let unreadable = ended
            .stderr
            .contains("cannot read the scheduled task `docs`");
        assert_eq!(unreadable, name == "docs", "{}", ended.stderr);
    };
    check(
        "cancel",
        "docs",
        "docs does not run, and nothing of it waits",
    );
    check("pause", "docs", "docs is paused");
    check(
        "cancel",
        "tidy",
        "tidy does not run, and nothing of it waits; next: ",
    );
    let told = fixture
        .run(&["schedule", "cancel", "docs", "--json"])
        .check(0)
        .json();
    assert_eq!(
        (&told["name"], told["unreadable"].is_string()),
        (&json!("docs"), true)
    );
}

#[test]
fn a_task_whose_times_cannot_be_read_says_why_it_never_runs() {
    let fixture = tasks(r#""zone":"UTC""#, r#""zone":"UTX""#);
    let why = "no time zone `UTX`";
    for command in [&["schedule", "list"][..], &["schedule", "show", "docs"]] {
        let shown = fixture.run(command).check(0).stdout;
        assert!(shown.contains(&format!("never: {why}")), "{shown}");
    }
    let list = fixture.run(&["schedule", "list", "--json"]).check(0).json();
    let problem = list[0]["problem"].as_str().unwrap();
    assert!(problem.contains(why), "{problem}");
    assert_eq!(list[1].get("problem"), None);
}
