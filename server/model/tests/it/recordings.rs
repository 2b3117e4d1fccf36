//! What is recorded is replayed, and no key is in between.

use crate::{ALL, Heard, hello, listen, message, request, settings, text};
use boxagnts_model::{Provider, ProviderKind, Recording, Settings, connect};
use boxagnts_protocol::conversation::{Price, Role};
use boxagnts_test_support::{Answer, Fault, ModelServer};
use futures::StreamExt;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Of no form that keys are known by.
const KEY: &str = "open sesame and more";

/// A recorder around the server's model, with a key.
fn recorder(server: &ModelServer, kind: ProviderKind, file: &Path) -> Arc<dyn Provider> {
    let mut settings = settings(server, kind);
    if let Some(test) = settings.providers.get_mut("test") {
        test.api_key_command = Some(vec!["echo".to_owned(), KEY.to_owned()]);
        test.price = Some(Price {
            input: 1.0,
            output: 2.0,
            cache_read: 0.0,
            cache_write: 0.0,
        });
    }
    let recording = Recording::create(file).expect("a recording");
    recording.wrap(connect("test:large", &settings).expect("connected"))
}

fn replay(file: &Path, options: &str) -> Arc<dyn Provider> {
    let settings = Settings {
        providers: Default::default(),
        base_dir: file.parent().expect("a folder").to_path_buf(),
        ..settings(&ModelServer::start([]), ProviderKind::OpenAiChat)
    };
    let name = file.file_name().and_then(|name| name.to_str());
    let spec = format!("replay:{}{options}", name.expect("a name"));
    connect(&spec, &settings).expect("a replay")
}

fn same(one: &Heard, other: &Heard) {
    assert_eq!(
        (
            &one.text,
            &one.calls,
            one.usage,
            one.stop,
            one.error(),
            &one.retries
        ),
        (
            &other.text,
            &other.calls,
            other.usage,
            other.stop,
            other.error(),
            &other.retries
        )
    );
}

#[tokio::test]
async fn answers_come_back_as_they_were() {
    for kind in ALL {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("r.jsonl");
        let answers = [
            Answer::turn(json!({"text": "Reading, as you want it, the whole of it.",
                "tool_calls": [{"name": "read", "input": {"path": "a", "n": 0.1}},
                               {"name": "list", "input": {}}],
                "usage": {"input_tokens": 3, "output_tokens": 4}})),
            // Again, and then for good.
            Answer::status(503, None, "busy"),
            Answer::turn(json!({"text": "fine"})),
            Answer::turn(json!({"text": "so far so good"}))
                .with(Fault::CloseMidStream { after: 1 }),
        ];
        let server = ModelServer::start(answers);
        let recorder = recorder(&server, kind, &file);
        assert_eq!(recorder.id(), "test:large");
        let asked = [
            hello(),
            request(vec![message(Role::User, vec![text("again")])]),
            request(vec![message(Role::User, vec![text("and again")])]),
        ];
        let mut heard = Vec::new();
        for asked in &asked {
            heard.push(listen(&*recorder, asked.clone()).await);
        }
        assert_eq!(
            (heard[1].retries.len(), heard[2].error().is_empty()),
            (1, false)
        );
        let replay = replay(&file, "");
        assert_eq!(replay.price().map(|price| price.output), Some(2.0));
        assert_eq!(replay.max_output_tokens(), 1000);
        for (asked, heard) in asked.iter().zip(&heard) {
            same(&listen(&*replay, asked.clone()).await, heard);
        }
        let more = listen(&*replay, asked[0].clone()).await;
        same(&more, &heard[0]);
    }
}

#[tokio::test]
async fn another_request_ends_with_what_differs() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.jsonl");
    let server = ModelServer::start([Answer::turn(json!({"text": "fine"}))]);
    let recorder = recorder(&server, ProviderKind::OpenAiChat, &file);
    listen(&*recorder, hello()).await;
    let other = || request(vec![message(Role::User, vec![text("help!")])]);
    let heard = listen(&*replay(&file, ""), other()).await;
    let error = heard.error();
    for part in [
        "request 1 is not the recorded one",
        "`messages[0].content[0].text` differs from character 3 on: recorded \"hello\", now \"help!\"",
        "?loose",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let loose = replay(&file, "?loose");
    assert_eq!(listen(&*loose, other()).await.text, "fine");
    let error = listen(&*loose, other()).await.error();
    assert!(
        error.contains("it has 1 answers, and this is request 2"),
        "{error}"
    );
}

#[tokio::test]
async fn no_key_is_written() {
    for kind in ALL {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("r.jsonl");
        // In the prompt, in an answer that has it in pieces, in a call, and in an error.
        let form = "sk-0123456789abcdefghij";
        let says = format!("{}{KEY}, {form}", "x".repeat(35));
        let server = ModelServer::start([
            Answer::turn(json!({"text": says,
                "tool_calls": [{"name": "write", "input": {"content": KEY, "form": form}}]})),
            Answer::status(400, None, &format!("wrong key {form}")),
        ]);
        let recorder = recorder(&server, kind, &file);
        let prompt = || {
            let said = format!("my key is {KEY}, or {form}");
            request(vec![message(Role::User, vec![text(&said)])])
        };
        let heard = listen(&*recorder, prompt()).await;
        assert!(heard.text.contains(KEY) && heard.text.contains(form));
        listen(&*recorder, prompt()).await;
        let written = std::fs::read_to_string(&file).expect("the recording");
        let written = written.to_lowercase();
        for secret in [KEY, form, "authorization", "x-api-key", "0123456789"] {
            assert!(!written.contains(secret), "{secret}: {written}");
        }
        assert_eq!(written.lines().count(), 5);
        // It is replayed all the same.
        let again = listen(&*replay(&file, ""), prompt()).await;
        let expect = format!("{}[scrubbed], [scrubbed]", "x".repeat(35));
        assert_eq!(again.text, expect);
        let input: Value = serde_json::from_str(again.calls()[0].1).expect("JSON");
        assert_eq!(
            input,
            json!({"content": "[scrubbed]", "form": "[scrubbed]"})
        );
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_told_so() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.jsonl");
    let says = "word ".repeat(100);
    let server = ModelServer::start([Answer::turn(json!({"text": says}))]);
    let recorder = recorder(&server, ProviderKind::OpenAiChat, &file);
    let mut deltas = recorder.stream(hello());
    deltas.next().await.expect("something").expect("a delta");
    drop(deltas);
    let heard = listen(&*replay(&file, ""), hello()).await;
    assert!(!heard.text.is_empty() && heard.text.len() < says.len());
    let error = heard.error();
    assert!(
        error.contains("answer 1 was not recorded to its end"),
        "{error}"
    );
}

#[test]
fn a_recording_is_its_owners_and_one_process_has_it() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.jsonl");
    let old = r#"{"line":"head","format":"boxagnts-recording","version":1,"program":"old"}"#;
    std::fs::write(&file, old).expect("written");
    let held = Recording::create(&file).expect("a recording");
    let check = |path: &Path, part: &str| {
        let error = Recording::create(path).err().expect("refused").to_string();
        assert!(
            error.contains(part) && error.contains("recording "),
            "{error}"
        );
    };
    check(&file, "another process records to it");
    check(folder.path(), "");
    check(&folder.path().join("no/such"), "");
    assert!(held.failure().is_none());
    let text = std::fs::read_to_string(&file).expect("read");
    assert!(
        text.starts_with("{\"line\":\"head\"") && !text.contains("\"old\""),
        "{text}"
    );
    drop(held);
    let fresh = folder.path().join("fresh.jsonl");
    Recording::create(&fresh).expect("a recording");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&fresh)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn nothing_but_a_recording_is_written_over() {
    let folder = TempDir::new().expect("a folder");
    let check = |content: &str, replaced: bool| {
        let file = folder.path().join("f");
        std::fs::write(&file, content).expect("written");
        let recording = Recording::create(&file);
        assert_eq!(recording.is_ok(), replaced, "{content}");
        let reason = recording.err().map(|error| error.to_string());
        let now = std::fs::read_to_string(&file).expect("read");
        match reason {
            Some(reason) => {
                assert!(reason.contains("is no recording; name another"), "{reason}");
                assert_eq!(now, content);
            }
            None => {
                assert!(now.ends_with("}\n") && now.lines().count() == 1, "{now}");
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt;
                    let mode = file.metadata().expect("there").permissions().mode();
                    assert_eq!(mode & 0o777, 0o600);
                }
            }
        }
    };
    let head = r#"{"line":"head","format":"boxagnts-recording""#;
    check("", true);
    check(
        &format!("{head},\"version\":1,\"program\":\"x\"}}\n{{}}\n"),
        true,
    );
    check("fn main() {}\n", false);
    check(&head[..20], false);
}
