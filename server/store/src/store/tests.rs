//! The journal's file and its events.

use super::*;

fn delta(text: &str) -> SessionEvent {
    SessionEvent::TextDelta {
        turn: 1,
        text: text.to_owned(),
    }
}

fn started(prompt: &str) -> SessionEvent {
    SessionEvent::TurnStarted {
        turn: 1,
        prompt: prompt.to_owned(),
        context: None,
        model: "m".to_owned(),
    }
}

#[test]
fn events_come_back_in_order_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/journal.db");
    let store = Store::open(&path).unwrap();
    let id = store.create_session("/w", "builtin").unwrap();
    let other = store.create_session("/v", "builtin").unwrap();
    assert_eq!(
        store
            .append(&id, &started("rename A to B\nplease"))
            .unwrap(),
        1
    );
    assert_eq!(store.append(&other, &delta("x")).unwrap(), 1);
    assert_eq!(store.append(&id, &delta("done")).unwrap(), 2);
    // A killed process closes nothing.
    std::mem::forget(store);

    let store = Store::open(&path).unwrap();
    let events = store.events(&id, 0).unwrap();
    assert_eq!(
        events.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(events[1].event.clone().known(), Some(delta("done")));
    assert_eq!(store.events(&id, 1).unwrap().len(), 1);
    let summary = store.session(&id[..8]).unwrap();
    assert_eq!(
        (summary.session.as_str(), summary.title.as_str()),
        (id.as_str(), "rename A to B")
    );
    assert_eq!(store.sessions(Some("/v")).unwrap().len(), 1);
    assert_eq!(store.sessions(None).unwrap().len(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}

#[test]
fn two_processes_share_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || {
                let store = Store::open(&path).unwrap();
                let id = store.create_session("/w", "m").unwrap();
                for n in 1..=50 {
                    assert_eq!(store.append(&id, &delta("x")).unwrap(), n);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(Store::open(&path).unwrap().sessions(None).unwrap().len(), 4);
}

fn check_open(content: &[u8], part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    std::fs::write(&path, content).unwrap();
    let message = Store::open(&path).unwrap_err().to_string();
    assert!(
        message.contains(part) && message.contains("BOXAGNTS_STATE_DIR"),
        "{message}"
    );
    assert_eq!(
        std::fs::read(&path).unwrap(),
        content,
        "the file stays as it is"
    );
}

#[test]
fn a_file_that_is_no_journal_is_named_and_kept() {
    check_open(&b"not a database".repeat(100), "journal.db");
}

#[test]
fn a_newer_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    drop(Store::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let message = Store::open(&path).unwrap_err().to_string();
    assert!(message.contains("format 99"), "{message}");
}

#[test]
fn a_journal_of_an_earlier_format_goes_on() {
    for format in 1..MIGRATIONS.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(&MIGRATIONS[..format].concat()).unwrap();
        old.pragma_update(None, "user_version", format as i64)
            .unwrap();
        old.execute_batch(
            "INSERT INTO sessions (id, workspace, model, created_ms)
             VALUES ('s', '/w', 'm', 5)",
        )
        .unwrap();
        drop(old);
        let open = || Store::open(&path).unwrap();
        // Two processes may bring it up to date at the same time.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(open);
            }
        });
        for _ in 0..2 {
            let store = open();
            assert_eq!(store.session("s").unwrap().workspace, "/w");
            store.append("s", &delta("x")).unwrap();
            assert_eq!(store.permissions(None).unwrap(), []);
            assert_eq!(store.approved_tools("/w").unwrap(), []);
            assert_eq!(store.batches("/w", None, 9).unwrap(), []);
            assert_eq!(store.abandoned_batches("/w").unwrap(), []);
            let found = "SELECT user_version FROM pragma_user_version";
            let found: i64 = store
                .connection()
                .query_row(found, [], |row| row.get(0))
                .unwrap();
            assert_eq!(found, FORMAT);
        }
    }
}

#[test]
fn unknown_sessions_and_events_of_other_versions_are_told_apart() {
    let store = Store::in_memory().unwrap();
    let id = store.create_session("/w", "m").unwrap();
    let unknown = |result: Result<SessionSummary, StoreError>| {
        assert!(matches!(result, Err(StoreError::UnknownSession { .. })));
    };
    unknown(store.session("nope"));
    unknown(store.session(""));
    unknown(store.session("%"));
    assert!(matches!(
        store.append("nope", &delta("")),
        Err(StoreError::UnknownSession { .. })
    ));
    assert!(matches!(
        store.events("nope", 0),
        Err(StoreError::UnknownSession { .. })
    ));
    assert!(matches!(
        store.last_seq("nope"),
        Err(StoreError::UnknownSession { .. })
    ));

    assert_eq!(store.last_seq(&id).unwrap(), 0);
    store.append(&id, &delta("x")).unwrap();
    assert_eq!(store.last_seq(&id).unwrap(), 1);
    store
        .connection()
        .execute(
            "UPDATE events SET body = '{\"event\":\"from_the_future\"}'",
            [],
        )
        .unwrap();
    let event = store.events(&id, 0).unwrap().remove(0).event;
    assert!(matches!(event, Recorded::Unknown(_)));
}
