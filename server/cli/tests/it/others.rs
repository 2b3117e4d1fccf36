//! `session`, `config`, `doctor`, `demo`: what they show.

use crate::support::Fixture;
use serde_json::{Value, json};

#[test]
fn a_session_is_listed_and_shown() {
    let fixture = Fixture::new(&[("a.txt", "total_cost\n")]);
    assert_eq!(
        fixture.run(&["session", "list", "--json"]).check(0).json(),
        json!([])
    );
    let rename = "rename total_cost to order_total";
    let result = fixture
        .run(&["run", "--json", rename])
        .check(0)
        .lines()
        .pop()
        .unwrap();
    let id = result["session"].as_str().unwrap();

    let list = fixture.run(&["session", "list", "--json"]).check(0).json();
    assert_eq!(
        (&list[0]["session"], &list[0]["title"]),
        (&json!(id), &json!(rename))
    );
    let elsewhere = fixture.home().join("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let elsewhere = elsewhere.to_str().unwrap();
    let list = fixture
        .run(&["session", "list", "--json", "--workspace", elsewhere])
        .check(0);
    assert_eq!(list.json(), json!([]));
    let all = fixture.run(&["session", "list", "--all"]).check(0).stdout;
    assert!(all.contains(id) && all.contains("workspace"), "{all}");

    let shown = fixture
        .run(&["session", "show", &id[..5], "--json"])
        .check(0)
        .json();
    assert_eq!(shown["session"]["session"], id);
    let events = shown["events"].as_array().unwrap();
    assert_eq!(
        (&events[0]["seq"], &events[0]["event"]),
        (&json!(1), &json!("turn_started"))
    );
    assert!(events.iter().all(|event| event["at_ms"].is_u64()));
    let text = fixture.run(&["session", "show", id]).check(0).stdout;
    assert!(
        text.contains("> rename total_cost") && text.contains("✓ edit a.txt"),
        "{text}"
    );
    assert!(!text.contains("interrupted"), "{text}");

    let ended = fixture.run(&["session", "show", "zzz"]).check(2);
    assert!(
        ended.stderr.contains("no session `zzz`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_project_that_loosens_is_told_and_ignored() {
    let fixture = Fixture::new(&[(
        ".boxagnts/config.toml",
        "max_turns = 500\nmax_tool_calls = 7\nmodel = \"openai:theirs\"\nnonsense = 1\n",
    )]);
    let json = fixture.run(&["config", "show", "--json"]).check(0).json();
    let setting = |name: &str| {
        let settings = json["settings"].as_array().unwrap();
        settings
            .iter()
            .find(|setting| setting["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(setting("max_turns")["value"], "50");
    assert_eq!(setting("max_tool_calls")["value"], "7");
    assert_eq!(setting("model")["value"], "builtin");
    let ignored = json["ignored"].as_array().unwrap();
    let names: Vec<&Value> = ignored.iter().map(|ignored| &ignored["name"]).collect();
    assert_eq!(names.len(), 3, "{ignored:?}");

    let text = fixture.run(&["config", "show"]).check(0).stdout;
    assert!(text.contains("project ("), "{text}");
    assert!(text.contains("ignored `max_turns`"), "{text}");
    let ended = fixture.run(&["run", "find x"]).check(0);
    assert!(
        ended.stderr.contains("warning: ignored `model`"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains(".boxagnts/config.toml"),
        "{}",
        ended.stderr
    );

    fixture.write(".boxagnts/config.toml", "max_turns = = 1\n");
    let ended = fixture.run(&["run", "find x"]).check(0);
    assert!(ended.stderr.contains("config.toml:1"), "{}", ended.stderr);
}

#[test]
fn layers_win_in_their_order_and_a_bad_file_of_the_user_is_an_error() {
    let fixture = Fixture::new(&[]);
    let user = fixture.home().join("config/boxagnts/config.toml");
    std::fs::create_dir_all(user.parent().unwrap()).unwrap();
    std::fs::write(&user, "max_turns = 9\nmax_tool_calls = 9\n").unwrap();
    let json = fixture
        .run(&["config", "show", "--json", "--limit", "max_turns=8"])
        .check(0)
        .json();
    let settings = json["settings"].as_array().unwrap();
    let of = |name: &str| {
        settings
            .iter()
            .find(|setting| setting["name"] == name)
            .unwrap()
    };
    assert_eq!(
        (&of("max_turns")["value"], &of("max_turns")["origin"]),
        (&json!("8"), &json!("command line"))
    );
    assert_eq!(of("max_tool_calls")["value"], "9");

    std::fs::write(&user, "max_turns = 9\nmax_tool_call = 9\n").unwrap();
    for arguments in [&["config", "show"], &["run", "x"]] {
        let ended = fixture.run(arguments).check(2);
        assert!(ended.stderr.contains("config.toml:2"), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("did you mean `max_tool_calls`"),
            "{}",
            ended.stderr
        );
    }
    let missing = fixture
        .command(&["config", "show"])
        .env("BOXAGNTS_CONFIG", "/no/such")
        .output();
    let ended = crate::support::Ended::of(missing.unwrap()).check(2);
    assert!(
        ended.stderr.contains("BOXAGNTS_CONFIG names /no/such"),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_schema_is_json() {
    let ended = Fixture::new(&[]).run(&["config", "schema"]).check(0);
    let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(schema["properties"]["wasm_fuel"].is_object());
}

#[test]
fn the_doctor_is_content_with_a_clean_home_and_names_what_is_not() {
    let fixture = Fixture::new(&[]);
    let ended = fixture.run(&["doctor"]).check(0);
    for part in ["✓ journal", "✓ sandbox", "✓ limits", "✓ cache", "builtin"] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    let user = fixture.home().join("config/boxagnts/config.toml");
    std::fs::create_dir_all(user.parent().unwrap()).unwrap();
    std::fs::write(&user, "model = \"openai:x\"\n").unwrap();
    let ended = fixture.run(&["doctor"]).check(1);
    assert!(ended.stdout.contains("✗ model") && ended.stdout.contains("OPENAI_API_KEY"));
    let keyed = fixture
        .command(&["doctor"])
        .env("OPENAI_API_KEY", "sk-secret")
        .output()
        .unwrap();
    let ended = crate::support::Ended::of(keyed).check(0);
    assert!(!ended.stdout.contains("sk-secret"), "{}", ended.stdout);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let journal = fixture.home().join("state/journal.db");
        std::fs::set_permissions(&journal, std::fs::Permissions::from_mode(0o644)).unwrap();
        let ended = fixture.run(&["doctor"]).check(1);
        assert!(ended.stdout.contains("chmod go="), "{}", ended.stdout);
    }
}

#[test]
fn the_demo_shows_the_whole_way() {
    let fixture = Fixture::new(&[]);
    let first = fixture.run(&["demo"]).check(0).stdout;
    for part in [
        "rename total_cost to order_total",
        "Proposed",
        "h1",
        "rejected h1",
        "CRLF",
    ] {
        assert!(first.contains(part), "{first}");
    }
    assert!(first.lines().count() < 60, "{first}");
    assert!(!first.contains('\x1b'));
    // All but the measurements.
    let stable = |text: &str| {
        let lines = text.lines().filter(|line| !line.ends_with(" fuel"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let second = fixture.run(&["demo", "--keep"]).check(0).stdout;
    let (second, kept) = second
        .rsplit_once("\nThe sample repository stays in ")
        .unwrap();
    assert_eq!(stable(second), stable(&first));
    let kept = std::path::Path::new(kept.trim());
    let basket = std::fs::read_to_string(kept.join("shop/basket.py")).unwrap();
    assert!(basket.contains("def order_total"), "{basket}");
    std::fs::remove_dir_all(kept).unwrap();
}

#[test]
fn the_version_and_the_log_are_where_they_should_be() {
    let fixture = Fixture::new(&[]);
    let version = fixture.run(&["--version"]).check(0).stdout;
    assert_eq!(version, format!("boxagnts {}\n", env!("CARGO_PKG_VERSION")));
    // Nothing was logged, so nothing was made.
    assert!(!fixture.home().join("state").exists());
    let ended = fixture
        .command(&["config", "schema"])
        .env("BOXAGNTS_LOG", "[[[")
        .output()
        .unwrap();
    let ended = crate::support::Ended::of(ended).check(0);
    assert!(ended.stderr.contains("BOXAGNTS_LOG"), "{}", ended.stderr);
    let logs = fixture.home().join("state/logs");
    assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&logs).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}
