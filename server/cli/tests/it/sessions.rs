//! Sessions searched, named, forked, carried to another home, removed, counted, traced, recorded.

use crate::support::Fixture;
use boxagnts_test_support::{Answer, ModelServer};
use serde_json::{Value, json};

const RENAME: &str = "rename total_cost to order_total";

/// The session of a run.
fn ask(fixture: &Fixture, arguments: &[&str]) -> String {
    let all = [&["run", "--json"], arguments].concat();
    let lines = fixture.run(&all).check(0).lines();
    let result = lines.last().expect("a result");
    result["session"].as_str().expect("a session").to_owned()
}

fn listed(fixture: &Fixture, arguments: &[&str]) -> Vec<String> {
    let all = [&["session", "list", "--json"], arguments].concat();
    let sessions = fixture.run(&all).check(0).json();
    let sessions = sessions.as_array().expect("a list").iter();
    sessions
        .map(|session| session["session"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn sessions_are_found_named_and_removed() {
    let fixture = Fixture::new(&[("a.txt", "total_cost\n")]);
    let before = fixture.tree();
    let rename = ask(&fixture, &[RENAME]);
    let find = ask(&fixture, &["find", "total_cost"]);
    assert_eq!(
        listed(&fixture, &["--search", "order_total"]),
        std::slice::from_ref(&rename)
    );
    assert_eq!(
        listed(&fixture, &["--search", "TOTAL_cost"]),
        [find.clone(), rename.clone()]
    );
    let ended = fixture
        .run(&["session", "list", "--search", "nowhere"])
        .check(0);
    assert!(
        ended.stderr.contains("no session has all of these words"),
        "{}",
        ended.stderr
    );

    let hostile = "pay\u{1b}[2Jroll";
    let ended = fixture
        .run(&["session", "rename", &rename[..6], hostile])
        .check(0);
    assert!(
        ended.stderr.contains("pay [2Jroll") && !ended.stderr.contains('\u{1b}'),
        "{}",
        ended.stderr
    );
    let ended = fixture
        .run(&["session", "list", "--search", "roll"])
        .check(0);
    assert!(ended.stdout.contains("pay [2Jroll"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'));
    fixture.run(&["session", "rename", &rename, " "]).check(2);
    fixture.run(&["session", "rename", "zzz", "x"]).check(2);

    // Nobody can be asked.
    let ended = fixture.run(&["session", "delete", &rename]).check(2);
    for part in ["--yes removes", "1 hunk left to decide"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    assert_eq!(listed(&fixture, &[]).len(), 2);
    fixture
        .run(&["session", "delete", &rename, "--yes"])
        .check(0);
    assert_eq!(listed(&fixture, &[]), [find]);
    fixture.run(&["session", "show", &rename]).check(2);
    fixture
        .run(&["session", "delete", &rename, "--yes"])
        .check(2);
    assert_eq!(fixture.tree(), before);
}

#[test]
fn a_fork_goes_on_and_the_latest_session_too() {
    let fixture = Fixture::new(&[("a.txt", "total_cost\n"), ("b.txt", "b\n")]);
    let ended = fixture.run(&["run", "--continue", "find b"]).check(2);
    assert!(ended.stderr.contains("no sessions in"), "{}", ended.stderr);
    let source = ask(&fixture, &[RENAME]);
    assert_eq!(
        ask(&fixture, &["--continue", "replace", "b", "with", "c"]),
        source
    );
    let export = |id: &str| fixture.run(&["session", "export", id, "--format", "json"]);
    let before = export(&source).check(0).stdout;
    let ended = fixture
        .run(&["session", "fork", &source[..6], "--turn", "1"])
        .check(0);
    let fork = ended.stdout.trim().to_owned();
    assert!(
        ended.stderr.contains(&format!("it is a fork of {source}")),
        "{}",
        ended.stderr
    );
    let shown = fixture.run(&["session", "show", &fork]).check(0).stdout;
    assert!(shown.contains(&format!("fork of {source}")), "{shown}");
    assert!(
        shown.contains(RENAME) && !shown.contains("replace b"),
        "{shown}"
    );
    fixture
        .run(&["session", "review", &fork, "--accept-all"])
        .check(0);
    let text =
        |path: &str| std::fs::read_to_string(fixture.workspace().join(path)).expect("a file");
    assert_eq!(
        (text("a.txt").as_str(), text("b.txt").as_str()),
        ("order_total\n", "b\n")
    );
    assert_eq!(ask(&fixture, &["--session", &fork, "find b"]), fork);
    assert_eq!(export(&source).check(0).stdout, before);
    let ended = fixture
        .run(&["session", "fork", &source, "--turn", "7"])
        .check(2);
    assert!(
        ended.stderr.contains("no turn 7 that has ended; it has 2"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_session_is_carried_to_another_home() {
    let here = Fixture::new(&[("a.txt", "total_cost\n")]);
    let session = ask(&here, &[RENAME]);
    let file = here.home().join("session.json");
    let file = file.to_str().expect("a path");
    here.run(&["session", "export", &session, "-o", file])
        .check(0);
    let page = here.run(&["session", "export", &session]).check(0).stdout;
    for part in [
        "# rename total\\_cost",
        "## Turn 1",
        "> rename total_cost",
        "```diff",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }

    let there = Fixture::new(&[("a.txt", "total_cost\n")]);
    let before = there.tree();
    let imported = there.run(&["session", "import", file, "--json"]).check(0);
    assert!(
        imported.stderr.contains("it goes on with the model "),
        "{}",
        imported.stderr
    );
    assert!(
        imported.stderr.contains("1 hunk left to decide"),
        "{}",
        imported.stderr
    );
    let imported = imported.json();
    assert_eq!(
        imported["origin"],
        json!({"kind": "import", "session": session,
        "events": imported["origin"]["events"]})
    );
    let id = imported["session"].as_str().expect("an id");
    assert_ne!(id, session);
    assert_eq!(there.tree(), before);
    there
        .run(&["session", "review", id, "--accept-all"])
        .check(0);
    assert_ne!(there.tree(), before);

    let nobody = ["session", "import", file, "--model", "nobody"];
    let ended = there.run(&nobody).check(2);
    assert!(ended.stderr.contains("`nobody`"), "{}", ended.stderr);
    // The file is as it should be.
    assert!(!ended.stderr.contains("session export"), "{}", ended.stderr);

    let text = std::fs::read_to_string(file).expect("read");
    let newer = text.replacen("\"version\":1", "\"version\":9", 1);
    for (content, part) in [
        (
            newer.as_str(),
            "it has version 9 of the format and this program reads 1",
        ),
        ("{}", "it is no session"),
        ("", "it is no JSON"),
    ] {
        std::fs::write(file, content).expect("written");
        let ended = there.run(&["session", "import", file]).check(2);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    there.run(&["session", "import", "no/such/file"]).check(2);
    assert_eq!(listed(&there, &[]).len(), 1);
}

#[test]
fn tokens_and_dollars_are_counted() {
    let answer = |text: &str| {
        Answer::turn(json!({"text": text, "usage": {"input_tokens": 1000, "output_tokens": 500}}))
    };
    let server = ModelServer::start(["one", "two", "three", "four"].map(answer));
    let fixture = Fixture::new(&[]);
    let ended = fixture.run(&["usage"]).check(0);
    assert!(
        ended.stderr.contains("no model has answered"),
        "{}",
        ended.stderr
    );
    let provider = |name: &str, price: &str| {
        format!(
            "[providers.{name}]\nbase_url = \"{}\"\n{price}\n",
            server.base_url()
        )
    };
    let folder = fixture.home().join("config/boxagnts");
    std::fs::create_dir_all(&folder).expect("a folder");
    let config =
        provider("priced", "price = { input = 100, output = 200 }") + &provider("free", "");
    std::fs::write(folder.join("config.toml"), config).expect("written");

    let ended = fixture
        .run(&["run", "--model", "priced:x", "hello"])
        .check(0);
    assert!(
        ended.stderr.contains("1,500 tokens, $0.2000, "),
        "{}",
        ended.stderr
    );
    let first = listed(&fixture, &[]).remove(0);
    let ended = fixture.run(&["run", "--continue", "hello"]).check(0);
    assert!(
        ended
            .stderr
            .contains("1,500 tokens, $0.2000, $0.4000 the session, "),
        "{}",
        ended.stderr
    );
    let ended = fixture
        .run(&["run", "--model", "priced:x", "hello"])
        .check(0);
    assert!(
        ended.stderr.contains("$0.2000, $0.6000 today, "),
        "{}",
        ended.stderr
    );
    fixture.run(&["run", "--model", "free:y", "hello"]).check(0);
    // What is taken over was paid for once.
    fixture.run(&["session", "fork", &first]).check(0);

    let usage = |by: &str| {
        fixture
            .run(&["usage", "--json", "--by", by])
            .check(0)
            .json()
    };
    let models = usage("model");
    let row = |row: &Value| {
        (
            row["key"].clone(),
            row["calls"].clone(),
            row["unpriced_calls"].clone(),
        )
    };
    assert_eq!(
        row(&models["rows"][0]),
        (json!("priced:x"), json!(3), json!(0))
    );
    assert_eq!(
        row(&models["rows"][1]),
        (json!("free:y"), json!(1), json!(1))
    );
    let cost = models["total"]["cost_usd"].as_f64().expect("a cost");
    assert!((cost - 0.6).abs() < 1e-9, "{models}");
    assert_eq!(models["total"]["tokens"]["input_tokens"], 4000);
    assert_eq!(models["unpriced"], json!([{"model": "free:y", "calls": 1}]));
    assert_eq!(usage("session")["rows"][0]["key"], first.as_str());
    assert_eq!(usage("day")["total"]["calls"], 4);
    let text = fixture.run(&["usage"]).check(0).stdout;
    assert!(
        text.contains("no price is known for free:y (1 call)"),
        "{text}"
    );
    let none = fixture.run(&["usage", "--since", "2999-01-01"]).check(0);
    assert!(none.stderr.contains("no model has answered"));
    let ended = fixture.run(&["usage", "--since", "tomorrow"]).check(2);
    assert!(
        ended.stderr.contains("`tomorrow` is no day"),
        "{}",
        ended.stderr
    );

    let spans = fixture
        .run(&["session", "trace", &first, "--json"])
        .check(0)
        .json();
    let spans = spans["spans"].as_array().expect("spans");
    let names: Vec<&Value> = spans.iter().map(|span| &span["name"]).collect();
    assert_eq!(names, ["invoke_agent boxagnts", "chat priced:x"].repeat(2));
    let text = fixture.run(&["session", "trace", &first]).check(0).stdout;
    assert!(
        text.contains("── turn 2") && text.contains("1,000 in, 500 out · $0.2000"),
        "{text}"
    );
}

#[test]
fn a_recorded_run_is_replayed_without_its_model() {
    let fixture = Fixture::new(&[("a.txt", "total_cost\n")]);
    let model = fixture.script(json!([
        {"text": "Looking.", "tool_calls": [{"name": "read", "input": {"path": "a.txt"}}]},
        {"text": "It has a total in it."},
    ]));
    let file = fixture.workspace().with_file_name("talk.jsonl");
    let file = file.to_str().expect("a path");
    let key = "sk-0123456789abcdefghij";
    let prompt = format!("what is in a.txt? My key is {key}");
    fixture
        .run(&["run", "--model", &model, "--record", file, &prompt])
        .check(0);
    let recorded = std::fs::read_to_string(file).expect("a recording");
    assert!(
        !recorded.contains(key) && recorded.contains("[scrubbed]"),
        "{recorded}"
    );
    std::fs::remove_file(&model["scripted:".len()..]).expect("removed");
    let replay = format!("replay:{file}");
    let lines = fixture
        .run(&["run", "--model", &replay, "--json", &prompt])
        .check(0)
        .lines();
    let said: String = lines
        .iter()
        .filter_map(|line| line["text"].as_str())
        .collect();
    assert_eq!(said, "Looking.It has a total in it.");
    let other = fixture
        .run(&["run", "--model", &replay, "something else"])
        .check(1);
    assert!(
        other
            .stderr
            .contains("request 1 is not the recorded one: `messages[0]"),
        "{}",
        other.stderr
    );
    let loose = format!("{replay}?loose");
    fixture
        .run(&["run", "--model", &loose, "something else"])
        .check(0);
    fixture
        .run(&["run", "--record", "no/such/file", "x"])
        .check(2);
    fixture
        .run(&["run", "--model", "replay:nowhere", "x"])
        .check(2);
}

#[test]
fn a_file_that_is_no_session_is_named_with_what_would_be() {
    let fixture = Fixture::new(&[("talk.md", "# A talk\n")]);
    let ended = fixture.run(&["session", "import", "talk.md"]).check(2);
    for part in [
        "cannot import talk.md: ",
        "boxagnts session export ID -o session.json",
    ] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}
