//! Sessions as their user manages them: searched, named, forked, imported, removed, counted.

#![allow(clippy::unwrap_used)]

use boxagnts_protocol::commands::{OriginKind, SessionSummary};
use boxagnts_protocol::conversation::{StopReason, TokenUsage};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_store::{BatchFile, BatchKind, NewBatch, NewPast, Recorded, Store, StoreError};
use proptest::prelude::*;
use std::borrow::Cow;
use std::path::Path;
use tempfile::TempDir;

fn started(turn: u64, prompt: &str) -> SessionEvent {
    SessionEvent::TurnStarted {
        turn,
        prompt: prompt.to_owned(),
        context: None,
        model: format!("m:{turn}"),
    }
}

fn said(turn: u64, text: &str) -> SessionEvent {
    SessionEvent::TextDelta {
        turn,
        text: text.to_owned(),
    }
}

fn answered(turn: u64, tokens: u64, cost_usd: Option<f64>) -> SessionEvent {
    SessionEvent::ModelAnswered {
        turn,
        stop: StopReason::EndTurn,
        usage: TokenUsage {
            input_tokens: tokens,
            ..TokenUsage::default()
        },
        cost_usd,
    }
}

fn ended(turn: u64) -> SessionEvent {
    SessionEvent::TurnEnded {
        turn,
        outcome: TurnOutcome::Done,
        usage: TokenUsage::default(),
        cost_usd: None,
    }
}

fn waits(pending: u64, conflicted: u64) -> SessionEvent {
    SessionEvent::ProposalChanged {
        files: 1,
        pending,
        conflicted,
        changed: Vec::new(),
        rivals: None,
        last_hunk: 9,
    }
}

/// A turn that has ended.
fn turn(store: &Store, session: &str, number: u64, prompt: &str, answer: &[&str]) {
    store.append(session, &started(number, prompt)).unwrap();
    for piece in answer {
        store.append(session, &said(number, piece)).unwrap();
    }
    store
        .append(session, &answered(number, 10, Some(0.5)))
        .unwrap();
    store.append(session, &ended(number)).unwrap();
}

fn ids(sessions: &[SessionSummary]) -> Vec<&str> {
    sessions.iter().map(|s| s.session.as_str()).collect()
}

#[test]
fn sessions_are_found_by_what_was_said() {
    let store = Store::in_memory().unwrap();
    let a = store.create_session("/w", "m").unwrap();
    turn(
        &store,
        &a,
        1,
        "rename total_cost",
        &["The Größe of ", "every 100% or", "der is renamed."],
    );
    let b = store.create_session("/v", "m").unwrap();
    turn(&store, &b, 1, "fix the \"quoted\" typo", &["Done."]);
    store.rename_session(&b, "Holiday\u{1b}[2J list").unwrap();
    let check = |workspace: Option<&str>, text: &str, expect: &[&str]| {
        let found = store.search_sessions(workspace, text).unwrap();
        assert_eq!(ids(&found), expect, "{text}");
    };
    check(None, "", &[&b, &a]);
    check(None, "total_cost", &[&a]);
    // Part of a word, in another case, over two pieces of the stream.
    check(None, "AL_COS", &[&a]);
    check(None, "order", &[&a]);
    check(None, "größe", &[&a]);
    check(None, "100%", &[&a]);
    check(None, "\"quoted\"", &[&b]);
    // A title, and two words in different places.
    check(None, "holiday", &[&b]);
    check(None, "list typo", &[&b]);
    check(None, "typo renamed", &[]);
    check(Some("/w"), "typo", &[]);
    // Fewer characters than the index has.
    check(None, "of", &[&a]);
    check(None, "_", &[&a]);
    // Nothing of it is a query language.
    for hostile in ["a OR b", "said:x", "NEAR(a b)", "*", "\\", "'; DROP", "\0"] {
        store.search_sessions(None, hostile).unwrap();
    }
    // What comes later is found too.
    turn(&store, &a, 2, "now the tests", &["Tests pass."]);
    check(None, "pass", &[&a]);
    check(None, "renamed pass", &[&a]);
    let found = store.search_sessions(None, "RENAMED").unwrap();
    let place = found[0].found.as_deref().unwrap();
    assert!(
        place.starts_with('…') && place.contains("order is renamed. now the tests"),
        "{place}"
    );
    store.delete_session(&a).unwrap();
    check(None, "order", &[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_search_finds_what_has_all_of_the_words(
        texts in prop::collection::vec("[a-cA-C%_\" ä]{0,12}", 1..6),
        search in "[a-c%_\"ä]{1,4}( [a-cA-C]{1,3})?",
    ) {
        let store = Store::in_memory().unwrap();
        let mut expect = Vec::new();
        for text in &texts {
            let id = store.create_session("/w", "m").unwrap();
            store.append(&id, &said(1, text)).unwrap();
            let text = text.to_lowercase();
            if search.to_lowercase().split(' ').all(|word| text.contains(word)) {
                expect.push(id);
            }
        }
        let mut found = store.search_sessions(None, &search).unwrap();
        for session in &found {
            prop_assert!(session.found.is_some());
        }
        found.sort_by(|a, b| a.session.cmp(&b.session));
        expect.sort();
        prop_assert_eq!(ids(&found), expect);
    }
}

#[test]
fn a_title_is_one_line_and_the_users() {
    let store = Store::in_memory().unwrap();
    let a = store.create_session("/w", "m").unwrap();
    assert_eq!(store.rename_session(&a, " mine \nmore").unwrap(), "mine");
    turn(&store, &a, 1, "something else", &[]);
    assert_eq!(store.session(&a).unwrap().title, "mine");
    let long = store.rename_session(&a, &"x".repeat(500)).unwrap();
    assert_eq!(long.chars().count(), 81);
    let sly = store
        .rename_session(&a, "\u{1b}[2Ja\u{202e}b\0c\u{85}")
        .unwrap();
    assert_eq!(sly, "[2Ja b c");
    let nothing = store.rename_session(&a, "\u{1b} \u{202e}\0");
    assert!(matches!(nothing, Err(StoreError::EmptyTitle)));
    assert!(matches!(
        store.rename_session("nope", "x"),
        Err(StoreError::UnknownSession { .. })
    ));
}

/// The events as the journal has them, with their times.
fn past(store: &Store, session: &str) -> Vec<(u64, u64, Recorded)> {
    let entries = store.events(session, 0).unwrap();
    let entries = entries.into_iter();
    entries
        .map(|entry| (entry.seq, entry.at_ms, entry.event))
        .collect()
}

#[test]
fn a_fork_has_the_past_and_the_source_stays_as_it_is() {
    let store = Store::in_memory().unwrap();
    let source = store.create_session("/w", "m").unwrap();
    let settings = serde_json::json!({"mode": "plan"});
    let own = SessionEvent::Configured { settings };
    store.append(&source, &own).unwrap();
    turn(&store, &source, 1, "one", &["1"]);
    // Decided behind the turn, before the next one.
    store.append(&source, &waits(0, 0)).unwrap();
    turn(&store, &source, 2, "two", &["2"]);
    store.append(&source, &waits(3, 1)).unwrap();
    let before = past(&store, &source);
    let check = |turn: Option<u64>, events: usize, waiting: u64| {
        let fork = store.fork_session(&source, turn).unwrap();
        assert_eq!(past(&store, &fork), before[..events], "{turn:?}");
        assert_eq!(past(&store, &source), before);
        assert_eq!(store.waiting_hunks(&fork).unwrap(), waiting, "{turn:?}");
        let summary = store.session(&fork).unwrap();
        let origin = summary.origin.unwrap();
        assert_eq!(
            (origin.kind, origin.session, origin.events),
            (OriginKind::Fork, source.clone(), events as u64)
        );
        assert_eq!(
            (summary.title.as_str(), summary.model.as_str()),
            ("one", "m")
        );
        // It goes on by itself, and is the latest.
        store.append(&fork, &started(9, "on")).unwrap();
        assert_eq!(store.last_seq(&fork).unwrap(), events as u64 + 1);
        assert_eq!(past(&store, &source), before);
        assert_eq!(store.sessions(None).unwrap()[0].session, fork);
    };
    check(Some(1), 6, 0);
    check(Some(2), 11, 4);
    check(None, 11, 4);
    for turn in [0, 3] {
        let message = store.fork_session(&source, Some(turn)).unwrap_err();
        assert!(message.to_string().contains("it has 2"), "{message}");
    }
    let empty = store.create_session("/w", "m").unwrap();
    assert!(store.fork_session(&empty, None).is_err());
    // What was taken over was paid for there.
    assert_eq!(store.model_calls(None, 0).unwrap().len(), 2);
}

#[test]
fn a_turn_that_runs_is_no_past_and_protects_its_session() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let first = Store::open(&path).unwrap();
    let id = first.create_session("/w", "m").unwrap();
    turn(&first, &id, 1, "one", &[]);
    first.append(&id, &started(2, "two")).unwrap();
    let second = Store::open(&path).unwrap();
    for store in [&first, &second] {
        assert!(matches!(
            store.delete_session(&id),
            Err(StoreError::Running { .. })
        ));
        assert!(!store.delete_old_session(&id, u64::MAX).unwrap());
        let fork = store.fork_session(&id, None).unwrap();
        assert_eq!(store.last_seq(&fork).unwrap(), 3);
        assert!(store.fork_session(&id, Some(2)).is_err());
    }
    // Killed: nobody is at work, and what it said is a past.
    drop(first);
    let fork = second.fork_session(&id, None).unwrap();
    assert_eq!(second.last_seq(&fork).unwrap(), 4);
    second.fork_session(&id, Some(2)).unwrap();
    second.delete_session(&id).unwrap();
    assert!(second.session(&id).is_err());
}

fn count(path: &Path, table: &str) -> u64 {
    // Another program looks at the file.
    let store = rusqlite::Connection::open(path).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    store.query_row(&count, [], |row| row.get(0)).unwrap()
}

#[test]
fn nothing_is_left_of_a_removed_session_and_others_stay() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let store = Store::open(&path).unwrap();
    let make = |content: &str| {
        let id = store.create_session("/w", "m").unwrap();
        turn(&store, &id, 1, "one", &["1"]);
        let file = BatchFile {
            path: "a".to_owned(),
            before: Some(Cow::Borrowed(b"both")),
            after: Some(Cow::Owned(content.as_bytes().to_vec())),
            hunks: vec!["h1".to_owned()],
            ..BatchFile::default()
        };
        let batch = store.begin_batch(&NewBatch {
            session: &id,
            kind: BatchKind::Accept,
            label: "x",
            files: &[file],
        });
        (id, batch.unwrap())
    };
    let ((a, batch), (b, other)) = (make("a"), make("b"));
    store.search_sessions(None, "one").unwrap();
    for id in [&a, &b] {
        store.hold_session(id).unwrap();
    }
    assert!(matches!(
        store.delete_session(&a),
        Err(StoreError::Running { .. })
    ));
    for batch in [batch, other] {
        store.file_applied(batch, "a", Ok(None)).unwrap();
        store.finish_batch(batch).unwrap();
    }
    store.delete_session(&a).unwrap();
    assert!(matches!(
        store.delete_session(&a),
        Err(StoreError::UnknownSession { .. })
    ));
    for (table, left) in [
        ("sessions", 1),
        ("events", 4),
        ("batches", 1),
        ("batch_files", 1),
        ("claims", 1),
        ("blobs", 2),
        ("words", 1),
        ("indexed", 1),
        ("running", 0),
        ("opened", 1),
    ] {
        assert_eq!(count(&path, table), left, "{table}");
    }
    assert_eq!(ids(&store.sessions(None).unwrap()), [b.as_str()]);
    assert_eq!(store.batch(other).unwrap().files.len(), 1);
}

#[test]
fn old_sessions_are_those_in_which_nothing_waits() {
    let store = Store::in_memory().unwrap();
    let make = |workspace: &str, last: SessionEvent| {
        let id = store.create_session(workspace, "m").unwrap();
        turn(&store, &id, 1, "one", &[]);
        store.append(&id, &last).unwrap();
        id
    };
    let done = make("/w", waits(0, 0));
    make("/w", waits(1, 0));
    make("/w", waits(0, 1));
    make("/w", started(2, "at work"));
    let elsewhere = make("/v", waits(0, 0));
    let check = |workspace: &str, before: u64, expect: &[&str]| {
        let mut old = store.old_sessions(workspace, before).unwrap();
        old.retain(|id| store.delete_old_session(id, before).unwrap());
        assert_eq!(old, expect);
    };
    check("/w", 1, &[]);
    check("/w", u64::MAX >> 1, &[&done]);
    check("/w", u64::MAX >> 1, &[]);
    assert_eq!(store.sessions(Some("/w")).unwrap().len(), 3);
    assert_eq!(ids(&store.sessions(Some("/v")).unwrap()), [&elsewhere]);
}

#[test]
fn what_a_process_has_open_does_not_grow_old() {
    let folder = TempDir::new().unwrap();
    let open = || Store::open(&folder.path().join("journal.db")).unwrap();
    let (mut holders, other) = ([Some(open()), Some(open())], open());
    let id = other.create_session("/w", "m").unwrap();
    turn(&other, &id, 1, "one", &[]);
    for holder in holders.iter().flatten() {
        holder.hold_session(&id).unwrap();
        holder.hold_session(&id).unwrap();
    }
    let grows_old = || other.delete_old_session(&id, u64::MAX >> 1).unwrap();
    for holder in &mut holders {
        assert!(!grows_old());
        *holder = None;
    }
    // What the dead had open is forgotten when the next one opens it.
    let next = open();
    next.hold_session(&id).unwrap();
    assert_eq!(count(&folder.path().join("journal.db"), "opened"), 1);
    assert!(!grows_old());
    drop(next);
    assert!(grows_old());
    assert!(matches!(
        other.hold_session(&id),
        Err(StoreError::UnknownSession { .. })
    ));
}

#[test]
fn an_interrupted_batch_keeps_its_session() {
    let folder = TempDir::new().unwrap();
    let open = || Store::open(&folder.path().join("journal.db")).unwrap();
    let (killed, store) = (open(), open());
    let id = store.create_session("/w", "m").unwrap();
    turn(&store, &id, 1, "one", &[]);
    let file = BatchFile {
        path: "a".to_owned(),
        before: Some(Cow::Borrowed(b"as it was")),
        after: Some(Cow::Borrowed(b"half of it")),
        ..BatchFile::default()
    };
    let batch = NewBatch {
        session: &id,
        kind: BatchKind::Accept,
        label: "x",
        files: &[file],
    };
    killed.begin_batch(&batch).unwrap();
    drop(killed);
    let refused = store.delete_session(&id).unwrap_err();
    assert!(
        matches!(refused, StoreError::Interrupted { .. }),
        "{refused}"
    );
    assert!(!store.delete_old_session(&id, u64::MAX >> 1).unwrap());
    for batch in store.abandoned_batches("/w").unwrap() {
        store.finish_batch(batch.id).unwrap();
    }
    store.delete_session(&id).unwrap();
}

#[test]
fn what_waits_is_looked_at_when_a_session_is_removed() {
    let store = Store::in_memory().unwrap();
    let id = store.create_session("/w", "m").unwrap();
    store.append(&id, &waits(1, 0)).unwrap();
    assert!(!store.delete_old_session(&id, u64::MAX >> 1).unwrap());
    store.append(&id, &waits(0, 0)).unwrap();
    assert!(store.delete_old_session(&id, u64::MAX >> 1).unwrap());
}

#[test]
fn what_comes_from_a_file_is_a_session_of_its_own() {
    let store = Store::in_memory().unwrap();
    let events = [
        (5, started(1, "go")),
        (6, answered(1, 7, Some(1.0))),
        (7, ended(1)),
    ];
    let import = |title: &str| {
        let past = NewPast {
            workspace: "/w",
            model: "m",
            title,
            origin: "theirs",
            events: &events,
        };
        store.import_session(&past).unwrap()
    };
    let (a, b) = (import(""), import("  mine\nx"));
    assert_ne!(a, b);
    let title = |id: &str| store.session(id).unwrap().title;
    assert_eq!((title(&a).as_str(), title(&b).as_str()), ("go", "mine"));
    let came = past(&store, &a);
    let places: Vec<(u64, u64)> = came.iter().map(|(seq, at, _)| (*seq, *at)).collect();
    assert_eq!(places, [(1, 5), (2, 6), (3, 7)]);
    let origin = store.session(&a).unwrap().origin.unwrap();
    assert_eq!(
        (origin.kind, origin.session.as_str()),
        (OriginKind::Import, "theirs")
    );
    assert_eq!(store.model_calls(None, 0).unwrap(), []);
    // It is as old as itself.
    assert!(store.session(&a).unwrap().updated_ms > 7);
}

#[test]
fn answers_are_told_with_the_model_of_their_turn() {
    let store = Store::in_memory().unwrap();
    let a = store.create_session("/w", "first").unwrap();
    store.append(&a, &started(1, "go")).unwrap();
    store.append(&a, &answered(1, 3, Some(0.25))).unwrap();
    store.append(&a, &answered(1, 4, None)).unwrap();
    store.append(&a, &started(2, "on")).unwrap();
    store.append(&a, &answered(2, 5, None)).unwrap();
    let b = store.create_session("/v", "other").unwrap();
    store.append(&b, &answered(1, 6, None)).unwrap();
    let check = |workspace: Option<&str>, since: u64, expect: &[(&str, u64, Option<f64>)]| {
        let calls = store.model_calls(workspace, since).unwrap();
        let got: Vec<_> = calls
            .iter()
            .map(|call| (call.model.as_str(), call.usage.input_tokens, call.cost_usd))
            .collect();
        assert_eq!(got, expect);
    };
    let of_a = [("m:1", 3, Some(0.25)), ("m:1", 4, None), ("m:2", 5, None)];
    check(Some("/w"), 0, &of_a);
    check(None, 0, &[&of_a[..], &[("other", 6, None)]].concat());
    check(None, u64::MAX, &[]);
}
