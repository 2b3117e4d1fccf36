//! What is taken over from files, and what is not.

use super::*;
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_protocol::update::TurnOutcome;

fn file(change: impl Fn(&mut Value)) -> String {
    let mut file = json!({
        "format": "boxagnts-session",
        "version": 1,
        "session": {"session": "abc", "title": "t", "model": "m:x"},
        "events": [
            {"seq": 1, "at_ms": 5, "event": "configured", "settings": {"mode": "auto"}},
            {"seq": 2, "at_ms": 6, "event": "turn_started", "turn": 1, "prompt": "go", "model": "m:x"},
            {"seq": 3, "at_ms": 7, "event": "decided",
             "hunks": [{"id": "h1", "state": "accepted"}], "checkpoint": 7},
        ],
    });
    change(&mut file);
    file.to_string()
}

fn check(change: impl Fn(&mut Value), part: &str) {
    let text = file(change);
    let reason = read(&text).unwrap_err();
    assert!(reason.contains(part), "{reason}");
}

#[test]
fn files_that_cannot_be_read_are_told_why() {
    for text in ["", "{", "[1]", "null", "{\"format\": \"x\"}"] {
        let reason = read(text).unwrap_err();
        assert!(reason.contains("it is no "), "{text}: {reason}");
    }
    check(
        |file| file["version"] = json!(2),
        "version 2 of the format and this program reads 1",
    );
    check(|file| file["version"] = json!("1"), "version \"1\"");
    check(
        |file| drop(file.as_object_mut().unwrap().remove("version")),
        "says no version",
    );
    check(
        |file| file["session"]["title"] = json!(7),
        "`session.title` is no text",
    );
    check(
        |file| file["session"]["session"] = json!("\u{1b}[2J"),
        "no id of a session",
    );
    check(|file| file["events"] = json!({}), "`events` is no list");
    check(
        |file| file["events"][1]["at_ms"] = json!(-1),
        "event 2: `at_ms` is no time",
    );
    check(
        |file| file["events"][1]["at_ms"] = json!(u64::MAX),
        "event 2: `at_ms`",
    );
    check(
        |file| file["events"][1]["event"] = json!("from_the_future"),
        "event 2: unknown variant `from_the_future`",
    );
    check(
        |file| file["events"][1]["turn"] = json!(2),
        "turn 2 begins where turn 1 should",
    );
    check(
        |file| file["events"][2]["hunks"][0]["id"] = json!("h1\u{1b}[2J"),
        "no id of a hunk",
    );
    check(
        |file| file["events"][2]["hunks"][0]["id"] = json!("h01"),
        "no id of a hunk",
    );
    check(
        |file| {
            file["events"][2] = json!({"at_ms": 7, "event": "model_answered", "turn": 1,
                "stop": "end_turn", "usage": {}, "cost_usd": -5.0});
        },
        "event 3: -5 is no cost",
    );
    check(
        |file| {
            file["events"][2] = json!({"at_ms": 7, "event": "nested", "turn": 1, "parent": "c",
                "inner": {"event": "model_answered", "turn": 1, "stop": "end_turn",
                    "usage": {}, "cost_usd": -5.0}});
        },
        "event 3: -5 is no cost",
    );
    check(
        |file| {
            file["events"][2] = json!({"at_ms": 7, "event": "proposal_changed", "files": 0,
                "pending": 0, "conflicted": 0, "changed": [], "last_hunk": u64::MAX});
        },
        "no session has 18446744073709551615 hunks",
    );
    check(
        |file| file["session"]["model"] = json!("m".repeat(2000)),
        "`session.model` is no text of at most 1024 bytes",
    );
    check(
        |file| file["version"] = json!("1".repeat(70_000)),
        "says no version",
    );
    check(
        |file| file["events"] = json!([0, 0]),
        "event 1: invalid type: integer `0`, expected an event",
    );
    // Of a huge list, nothing is kept.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = file(|_| {}).replacen("\"go\"", &deep, 1);
    read(&deep).unwrap_err();
}

#[test]
fn no_setting_and_no_checkpoint_of_others_is_taken() {
    let past = read(&file(|_| {})).unwrap();
    assert_eq!(past.left_out.len(), 1);
    assert_eq!((past.origin.as_str(), past.model.as_str()), ("abc", "m:x"));
    let times: Vec<u64> = past.events.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [6, 7]);
    let SessionEvent::Decided {
        checkpoint, hunks, ..
    } = &past.events[1].1
    else {
        panic!("{past:?}")
    };
    assert_eq!((*checkpoint, hunks.len()), (None, 1));
    // Neither is the mode that they chose.
    let chosen = json!({"at_ms": 5, "event": "mode_changed", "mode": "auto", "plan": "c"});
    let past = read(&file(|file| file["events"][0] = chosen.clone())).unwrap();
    assert_eq!((past.left_out.len(), past.events.len()), (1, 2));
}

#[test]
fn what_is_written_is_read_back() {
    let events = [
        SessionEvent::TurnStarted {
            turn: 1,
            prompt: "\"go\"\n\u{1b}[2J\0".into(),
            context: None,
            model: "m:x".into(),
        },
        SessionEvent::TurnEnded {
            turn: 1,
            outcome: TurnOutcome::Done,
            usage: TokenUsage::default(),
            cost_usd: Some(0.25),
        },
    ];
    let check = |events: &[SessionEvent]| {
        let entries = events.iter().enumerate().map(|(at, event)| Entry {
            seq: at as u64 + 1,
            at_ms: at as u64 + 10,
            event: Recorded::Known(Box::new(event.clone())),
        });
        let summary = SessionSummary {
            session: "abc".into(),
            title: "a \"title\"".into(),
            workspace: "/w".into(),
            model: "m:x".into(),
            created_ms: 1,
            updated_ms: 2,
            ..SessionSummary::default()
        };
        let text = export(&summary, entries.collect());
        let past = read(&text).unwrap();
        assert_eq!(past.title, summary.title);
        let got: Vec<&SessionEvent> = past.events.iter().map(|(_, event)| event).collect();
        assert_eq!(got, events.iter().collect::<Vec<_>>());
    };
    check(&events);
    check(&events[..1]);
    check(&[]);
}

#[test]
fn events_are_flat_objects() {
    let check = |event, expect: Value| {
        let entry = Entry {
            seq: 1,
            at_ms: 2,
            event,
        };
        assert_eq!(flat(entry), expect);
    };
    let known = SessionEvent::ModelCalled {
        turn: 1,
        step: 3,
        compacting: false,
    };
    check(
        Recorded::Known(Box::new(known)),
        json!({"seq": 1, "at_ms": 2, "event": "model_called", "turn": 1, "step": 3}),
    );
    let future = json!({"event": "from_the_future", "x": 1});
    check(
        Recorded::Unknown(future),
        json!({"seq": 1, "at_ms": 2, "event": "from_the_future", "x": 1}),
    );
}
