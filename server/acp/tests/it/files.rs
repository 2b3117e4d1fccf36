//! What the client holds is what tools see and what changes; and no client can keep a turn waiting, or
//! make us believe what is not so.

use crate::harness::{Behaves, EDITOR, Harness, Reply, calls, edits_both};
use agent_client_protocol::v1::schema::StopReason;
use serde_json::json;

const TYPED: &str = "// typed\nfn one() {}\n// a\n// b\n// c\n// d\nfn two() {}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_see_unsaved_text_of_the_files_that_they_name() {
    let harness = Harness::new(calls("read", json!({"path": "a.rs"})));
    let (client, session) = harness.begin(EDITOR).await;
    client.types("a.rs", TYPED);
    assert_eq!(
        client.prompt(&session, "read").await,
        Ok(StopReason::EndTurn)
    );
    let updates = client.updates();
    let read = updates
        .iter()
        .find(|u| u["status"] == "completed")
        .expect("a call");
    let text = read["content"][0]["content"]["text"]
        .as_str()
        .expect("text");
    assert!(text.contains("// typed"), "{text}");
    assert_eq!(client.read(), ["a.rs"]);
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_changes_go_into_the_open_document() {
    let harness = Harness::new(edits_both());
    let (client, session) = harness.begin(EDITOR).await;
    client.will_reply([Reply::Silence]);
    let asked = client.ask(&session, "change both");
    client.until_asked(1).await;
    // Typed while the question is open, and not saved.
    client.types("a.rs", TYPED);
    client.cancel(&session);
    assert_eq!(asked.await.expect("no panic"), Ok(StopReason::Cancelled));
    assert_eq!(
        client.prompt(&session, "/accept a.rs").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(client.document("a.rs"), None, "it is saved");
    let text = harness.fixture.read("a.rs");
    assert!(text.starts_with("// typed\nfn first() {}"), "{text}");
    assert_eq!(client.written(), ["a.rs"]);
    assert_eq!(harness.fixture.read("b.txt"), "bee\n");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_files_gets_them_on_disk() {
    let harness = Harness::new(edits_both());
    let (client, session) = harness.begin(Behaves::default()).await;
    client.will_reply([Reply::Option("accept"), Reply::Option("accept")]);
    assert_eq!(
        client.prompt(&session, "change both").await,
        Ok(StopReason::EndTurn)
    );
    assert!(harness.fixture.read("a.rs").contains("fn second"));
    assert_eq!(harness.fixture.read("b.txt"), "bee\ncee\n");
    assert!(client.read().is_empty() && client.written().is_empty());
    client.stop().await;
}

/// Accepts a change of `a.rs` by a client that fails; gives what was said.
async fn check(behaves: Behaves, reason: &str) {
    let harness = Harness::new(edits_both());
    let (client, session) = harness.begin(behaves).await;
    client.will_reply([Reply::Dismiss]);
    assert_eq!(
        client.prompt(&session, "change both").await,
        Ok(StopReason::EndTurn)
    );
    client.forget_updates();
    assert_eq!(
        client.prompt(&session, "/accept a.rs").await,
        Ok(StopReason::EndTurn)
    );
    let said = client.said();
    assert!(
        said.contains(reason) && said.contains("`a.rs`: h1, h2"),
        "{said}"
    );
    assert!(harness.fixture.read("a.rs").contains("fn one"));
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_believed_when_the_text_has_it() {
    let lies = Behaves {
        lies: true,
        ..EDITOR
    };
    check(lies, "its text does not show it").await;
    let refuses = Behaves {
        refuses: true,
        ..EDITOR
    };
    check(refuses, "the client did not write it: the user said no").await;
    let writes_blindly = Behaves {
        lies: true,
        reads: false,
        ..EDITOR
    };
    check(writes_blindly, "its text does not show it").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_answers_holds_nothing_up() {
    let silent = Behaves {
        is_silent: true,
        ..EDITOR
    };
    check(silent, "the client did not answer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsaved_text_that_nobody_can_write_stays() {
    let reads = Behaves {
        writes: false,
        ..EDITOR
    };
    let harness = Harness::new(edits_both());
    let (client, session) = harness.begin(reads).await;
    client.types("a.rs", TYPED);
    client.will_reply([Reply::Option("accept"), Reply::Option("accept")]);
    assert_eq!(
        client.prompt(&session, "change both").await,
        Ok(StopReason::EndTurn)
    );
    let updates = client.updates();
    let text = serde_json::to_string(&updates).expect("JSON");
    assert!(
        text.contains("`a.rs` has unsaved changes; save it and accept again"),
        "{text}"
    );
    assert_eq!(client.document("a.rs").as_deref(), Some(TYPED));
    assert!(harness.fixture.read("a.rs").contains("fn one"));
    assert_eq!(harness.fixture.read("b.txt"), "bee\ncee\n");
    client.stop().await;
}

/// Accepts a deletion and takes it back by a client that shows `shown` of the file ever after; gives what
/// is on disk then, and what was said.
async fn check_shown_still(behaves: Behaves, shown: &str) -> (Option<String>, String) {
    let harness = Harness::new(calls("delete", json!({"path": "e.txt"})));
    harness.fixture.write("e.txt", "one\r\ntwo\r\n");
    let (client, session) = harness.begin(behaves).await;
    client.will_reply([Reply::Option("accept")]);
    assert_eq!(
        client.prompt(&session, "delete it").await,
        Ok(StopReason::EndTurn)
    );
    let place = harness.fixture.place("e.txt");
    assert!(!place.exists());
    client.types("e.txt", shown);
    client.forget_updates();
    // Asked for what waits, it is heard to have the file still.
    for command in ["/diff", "/undo"] {
        assert_eq!(
            client.prompt(&session, command).await,
            Ok(StopReason::EndTurn)
        );
    }
    let said = client.said();
    client.stop().await;
    (std::fs::read_to_string(place).ok(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_file_comes_back_on_disk_where_a_client_shows_it_still() {
    let zed = Behaves {
        hides_returns: true,
        ..EDITOR
    };
    let reads = Behaves {
        writes: false,
        ..EDITOR
    };
    for behaves in [EDITOR, zed, reads] {
        let (file, said) = check_shown_still(behaves, "one\r\ntwo\r\n").await;
        assert_eq!(file.as_deref(), Some("one\r\ntwo\r\n"), "{said}");
    }
    let (file, said) = check_shown_still(EDITOR, "mine\n").await;
    assert_eq!(file, None);
    assert!(said.contains("is open with other text"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn line_endings_that_a_client_hides_stay() {
    let zed = Behaves {
        hides_returns: true,
        ..EDITOR
    };
    let script = calls(
        "edit",
        json!({"path": "w.txt", "edits": [{"old_text": "two", "new_text": "zwei"}]}),
    );
    let harness = Harness::new(script);
    harness.fixture.write("w.txt", "one\r\ntwo\r\nthree\r\n");
    let (client, session) = harness.begin(zed).await;
    client.will_reply([Reply::Dismiss]);
    assert_eq!(
        client.prompt(&session, "translate").await,
        Ok(StopReason::EndTurn)
    );
    client.types("w.txt", "one\r\ntwo\r\nthree\r\nfour\r\n");
    assert_eq!(
        client.prompt(&session, "/accept").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(
        harness.fixture.read("w.txt"),
        "one\r\nzwei\r\nthree\r\nfour\r\n"
    );
    client.stop().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_asked_for_nothing_outside() {
    let outside = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(outside.path(), "secret").expect("written");
    let harness = Harness::new(calls("read", json!({"path": "link"})));
    std::os::unix::fs::symlink(outside.path(), harness.fixture.place("link")).expect("a link");
    let (client, session) = harness.begin(EDITOR).await;
    assert_eq!(
        client.prompt(&session, "read @link").await,
        Ok(StopReason::EndTurn)
    );
    assert_eq!(client.read(), Vec::<String>::new());
    let heard = serde_json::to_string(&client.updates()).expect("JSON");
    assert!(!heard.contains("secret"), "{heard}");
    client.stop().await;
}
