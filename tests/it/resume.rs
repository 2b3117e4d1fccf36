//! A killed process and the one that goes on: the model is sent the same conversation, byte for byte.

use boxagnts_test_support::{Answer, Fault, Fixture, ModelServer};
use boxagnts_tests::World;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use tempfile::TempDir;

/// What stays of a message when it becomes an older one: marks of a cache move on.
fn without_marks(value: &Value) -> String {
    let mut value = value.clone();
    fn unmark(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.remove("cache_control");
                object.values_mut().for_each(unmark);
            }
            Value::Array(items) => items.iter_mut().for_each(unmark),
            _ => {}
        }
    }
    unmark(&mut value);
    value.to_string()
}

/// Kills a process in the middle of its third answer, has another one go on, and compares what both
/// sent. `messages` is the conversation's name in the provider's format.
fn check(kind: &str, messages: &str) {
    let (arrived, third) = mpsc::channel();
    let answers = [
        Answer::turn(json!({
            "thinking": "I should look.", "text": "I look at it, and at more: é\u{1F980}.",
            "tool_calls": [
                {"name": "nope", "input": {}},
                {"name": "read", "input": {"path": "a.txt", "limit": 1}},
                {"name": "read", "input": {"path": "missing.txt"}},
                {"name": "write", "input": {"path": "b.txt", "content": "0.1 1e300 ü\n"}},
            ],
            "usage": {"input_tokens": 40, "output_tokens": 9},
        })),
        Answer::fault(Fault::TruncatedToolJson),
        Answer::turn(json!({"text": "I was about to say something rather long here."}))
            .with(Fault::Stall { after: 1 }),
        Answer::turn(json!({"text": "Where was I?"})),
    ];
    let answers = std::sync::Mutex::new((0, answers.into_iter()));
    let server = ModelServer::with(move |_| {
        let mut answers = answers.lock().expect("answers");
        answers.0 += 1;
        let _ = arrived.send(answers.0);
        answers.1.next().unwrap_or_default()
    });
    let (home, fixture) = (
        TempDir::new().expect("a folder"),
        Fixture::new("//- /a.txt\none\ntwo\n"),
    );
    let world = World::new(home.path());
    world.configure(&format!(
        "model = \"local:large\"\n[providers.local]\nkind = \"{kind}\"\nbase_url = \"{}\"\n",
        server.base_url()
    ));
    let run = |arguments: &[&str]| -> Command {
        let mut command = world.command(arguments);
        command
            .current_dir(fixture.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let mut killed = run(&["run", "--json", "change it"])
        .spawn()
        .expect("it starts");
    while third.recv().expect("a request") < 3 {}
    killed.kill().expect("SIGKILL");
    killed.wait().expect("it is gone");
    let status = run(&["run", "--json", "--continue", "go on"]).status();
    assert!(status.is_ok_and(|status| status.success()), "{kind}");
    let requests = server.requests();
    let sent = |at: usize| -> Vec<String> {
        let body: &Value = &requests[at].body;
        let all = body[messages].as_array().expect("messages").iter();
        all.map(without_marks).collect()
    };
    let (before, after) = (sent(2), sent(3));
    assert_eq!(after[..before.len()], before, "{kind}");
    assert!(after.len() > before.len(), "{kind}: {after:#?}");
    let system = |at: usize| {
        let body = &requests[at].body;
        ["system", "instructions", "systemInstruction", "tools"].map(|key| body[key].to_string())
    };
    assert_eq!(system(3), system(2), "{kind}");
}

#[test]
fn a_session_that_was_killed_goes_on_with_the_same_words() {
    check("openai", "messages");
    check("anthropic", "messages");
    check("openai-responses", "input");
    check("gemini", "contents");
    check("ollama", "messages");
}
