//! Traces of turns, sent to an OpenTelemetry collector by the real binary.

use boxagnts_test_support::{Answer, Fixture, ModelServer, Script, script};
use boxagnts_tests::World;
use serde_json::{Value, json};
use std::process::Output;
use tempfile::TempDir;

const FILES: &str = "
    //- /secret.txt
    hidden words of a file
";

const PROMPT: &str = "unheard of question";

fn model() -> Script {
    script(json!([
        {"tool_calls": [{"name": "read", "input": {"path": "secret.txt"}},
                        {"name": "read", "input": {"path": "nowhere.txt"}}],
         "usage": {"input_tokens": 70, "output_tokens": 7}},
        {"text": "Something was said.", "usage": {"input_tokens": 90, "output_tokens": 9}},
    ]))
}

/// One turn with this collector; `None` configures none.
fn run(collector: Option<&str>) -> Output {
    let (home, fixture) = (TempDir::new().expect("a folder"), Fixture::new(FILES));
    let world = World::new(home.path());
    if let Some(collector) = collector {
        world.configure(&format!("otlp_endpoint = \"{collector}\"\n"));
    }
    let script = model();
    let mut command = world.command(&["run", "--json", "--model", &script.model(), PROMPT]);
    command
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue")
        .current_dir(fixture.path());
    command.output().expect("it runs")
}

/// What does not differ from one run to the next.
fn same(output: &Output) -> (Option<i32>, Vec<String>) {
    let events = String::from_utf8_lossy(&output.stdout);
    let events = events.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let said = &event["text"];
        format!("{} {said} {}", event["event"], event["outcome"])
    });
    (output.status.code(), events.collect())
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
    let all = span["attributes"].as_array().expect("attributes");
    let found = all.iter().find(|attribute| attribute["key"] == name);
    found.map_or(&Value::Null, |attribute| &attribute["value"])
}

fn accepts() -> Answer {
    Answer::status(200, None, "")
}

#[test]
fn the_trace_of_a_turn_is_sent_without_a_word_of_it() {
    let collector = ModelServer::with(|_| accepts());
    let output = run(Some(&format!("{}/base/", collector.base_url())));
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let requests = collector.requests();
    let [request] = &requests[..] else {
        panic!("one turn, one request: {requests:?}");
    };
    assert_eq!(request.path, "/base/v1/traces");
    assert_eq!(request.header("x-team"), Some("blue"));
    let sent = &request.body["resourceSpans"][0];
    assert_eq!(
        attribute(&sent["resource"], "service.name"),
        &json!({"stringValue": "boxagnts"})
    );
    let spans = sent["scopeSpans"][0]["spans"].as_array().expect("spans");
    let named = |name: &str| {
        let all = spans.iter().filter(|span| {
            let own = span["name"].as_str().expect("a name");
            own.split(' ').next() == Some(name)
        });
        all.collect::<Vec<&Value>>()
    };
    let [turn] = named("invoke_agent")[..] else {
        panic!("one turn: {spans:?}");
    };
    let (chats, tools) = (named("chat"), named("execute_tool"));
    assert_eq!((chats.len(), tools.len(), spans.len()), (2, 2, 5));
    for part in chats.iter().chain(&tools) {
        assert_eq!(part["parentSpanId"], turn["spanId"], "{part}");
        assert_eq!(part["traceId"], turn["traceId"], "{part}");
    }
    let tokens = |chat: &Value| attribute(chat, "gen_ai.usage.output_tokens")["intValue"].clone();
    assert_eq!(
        (tokens(chats[0]), tokens(chats[1])),
        (json!("7"), json!("9"))
    );
    let failed: Vec<&Value> = tools
        .iter()
        .map(|tool| &attribute(tool, "error.type")["stringValue"])
        .collect();
    assert_eq!(failed, [&Value::Null, &json!("failed")]);

    let all = request.body.to_string();
    for word in ["hidden", "unheard", "nowhere.txt", "secret.txt", "said"] {
        assert!(!all.contains(word), "{word} in {all}");
    }
}

#[test]
fn a_collector_that_does_not_take_them_disturbs_nothing() {
    let usual = same(&run(None));
    assert_eq!(usual.0, Some(0));
    let check = |collector: &str| assert_eq!(same(&run(Some(collector))), usual, "{collector}");
    // Nobody there.
    check("http://127.0.0.1:9");
    let refuses = ModelServer::with(|_| Answer::status(500, None, "no"));
    check(refuses.base_url());
    // The program does not wait for it for ever.
    let hangs = ModelServer::with(|_| Answer::turn(json!({"delay_ms": 3_600_000})));
    check(hangs.base_url());
    let elsewhere = ModelServer::with(|_| accepts());
    let fault = boxagnts_test_support::Fault::Redirect {
        location: elsewhere.base_url().to_owned(),
    };
    let redirects = ModelServer::with(move |_| Answer::fault(fault.clone()));
    check(redirects.base_url());
    assert_eq!(elsewhere.requests().len(), 0, "a redirect is not followed");
    for asked in [&refuses, &hangs, &redirects] {
        assert!(!asked.requests().is_empty(), "{asked:?} was asked");
    }
}
