//! Every wire format through the same scenarios, and the table of what came of them.

use crate::{ALL, Heard, hello, listen, message, provider, request, settings, text};
use boxagnts_model::{Delta, ModelError, ProviderKind, connect};
use boxagnts_protocol::conversation::{
    Content, Image, Role, StopReason, Thinking, TokenUsage, ToolCall, ToolResult,
};
use boxagnts_test_support::{Answer, Fault, ModelServer, SIGNATURE};
use expect_test::expect_file;
use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Stands around the table in README.md.
const MARK: &str = "<!-- provider suite -->";

/// What is in the table.
const YES: &str = "yes";

/// A scenario: what is expected of a provider, and what tries it and says what is in the table.
struct Scenario(
    &'static str,
    fn(ProviderKind) -> LocalBoxFuture<'static, &'static str>,
);

const SCENARIOS: &[Scenario] = &[
    Scenario("Text streams, in whatever pieces the bytes come", |kind| {
        streams(kind).boxed_local()
    }),
    Scenario("Several tools are called at once", |kind| {
        parallel_calls(kind).boxed_local()
    }),
    Scenario("A tool's input comes in small fragments", |kind| {
        fragments(kind).boxed_local()
    }),
    Scenario("A tool without input", |kind| {
        empty_input(kind).boxed_local()
    }),
    Scenario("A refusal is told as one", |kind| {
        refusal(kind).boxed_local()
    }),
    Scenario("An answer is cut off at the output limit", |kind| {
        cut_off(kind).boxed_local()
    }),
    Scenario("Tokens are counted, cached ones apart", |kind| {
        usage(kind).boxed_local()
    }),
    Scenario(
        "Thoughts come back unchanged, to their model alone",
        |kind| thoughts(kind).boxed_local(),
    ),
    Scenario("Pictures are sent", |kind| pictures(kind).boxed_local()),
    Scenario(
        "An error in the stream: asked again while nothing was said",
        |kind| error_event(kind).boxed_local(),
    ),
    Scenario("A lost connection: likewise", |kind| {
        lost_connection(kind).boxed_local()
    }),
    Scenario("A rate limit says how long to wait", |kind| {
        rate_limit(kind).boxed_local()
    }),
    Scenario("A stream that falls silent is given up", |kind| {
        silence(kind).boxed_local()
    }),
    Scenario("So is one with nothing but signs of life", |kind| {
        keep_alives(kind).boxed_local()
    }),
    Scenario("Cancelling closes the connection", |kind| {
        cancelled(kind).boxed_local()
    }),
    Scenario("Unknown events are ignored", |kind| {
        unknown_events(kind).boxed_local()
    }),
    Scenario("A redirect is not followed, and the key stays", |kind| {
        redirect(kind).boxed_local()
    }),
    Scenario("Broken JSON is told as such", |kind| {
        malformed(kind).boxed_local()
    }),
    Scenario("Answers and events have a limit", |kind| {
        too_large(kind).boxed_local()
    }),
];

/// Runs all of it. `UPDATE_EXPECT=1` writes the table anew.
#[tokio::test]
async fn every_provider_passes_every_scenario() {
    let readme = include_str!("../../../../README.md");
    let parts: Vec<&str> = readme.split(MARK).collect();
    let [before, _, after] = parts[..] else {
        panic!("README.md has `{MARK}` before and behind the table");
    };
    let mut table = format!("{before}{MARK}\n\n|");
    for kind in ALL {
        let _ = write!(table, " | `{}`", kind.name());
    }
    table.push_str(" |\n|---");
    table.push_str(&"|---".repeat(ALL.len()));
    table.push_str("|\n");
    for Scenario(name, run) in SCENARIOS {
        let _ = write!(table, "| {name}");
        for cell in futures::future::join_all(ALL.map(run)).await {
            let _ = write!(table, " | {cell}");
        }
        table.push_str(" |\n");
    }
    let _ = write!(table, "\n{MARK}{after}");
    expect_file!["../../../../README.md"].assert_eq(&table);
}

async fn hear(kind: ProviderKind, answers: Vec<Answer>) -> Heard {
    let server = ModelServer::start(answers);
    listen(provider(&server, kind).as_ref(), hello()).await
}

/// An answer without any failure.
async fn fine(kind: ProviderKind, answer: Answer) -> Heard {
    let heard = hear(kind, vec![answer]).await;
    assert_eq!(heard.error(), "", "{kind:?}");
    heard
}

fn said(words: &str) -> Answer {
    Answer::turn(json!({"text": words}))
}

/// Names and inputs of calls, as JSON.
fn calls(heard: &Heard) -> Vec<(&str, Value)> {
    let calls = heard.calls().into_iter();
    calls
        .map(|(name, json)| match json {
            "" => (name, json!({})),
            json => (name, serde_json::from_str(json).expect("JSON")),
        })
        .collect()
}

async fn streams(kind: ProviderKind) -> &'static str {
    let words = "Several words, ünd ein päar Umlaute 🦀, so that there is more than one piece.";
    for answer in [said(words), said(words).with(Fault::SlowDrip)] {
        let heard = fine(kind, answer).await;
        assert_eq!(
            (heard.text.as_str(), heard.stop),
            (words, Some(StopReason::EndTurn))
        );
    }
    let server = ModelServer::start([said(words)]);
    let deltas: Vec<_> = provider(&server, kind).stream(hello()).collect().await;
    let texts = deltas.iter().filter(|d| matches!(d, Ok(Delta::Text(_))));
    assert!(texts.count() > 3, "{kind:?}: {deltas:?}");
    YES
}

async fn parallel_calls(kind: ProviderKind) -> &'static str {
    let inputs = json!([
        {"name": "read", "input": {"path": "src/main.rs", "limit": 100}},
        {"name": "grep", "input": {"pattern": "fn \\w+\\(\""}},
        {"name": "read", "input": {"path": "ä 🦀"}},
    ]);
    let turn = json!({"text": "I look.", "tool_calls": inputs});
    let heard = fine(kind, Answer::turn(turn)).await;
    let expect: Vec<(&str, Value)> = vec![
        ("read", inputs[0]["input"].clone()),
        ("grep", inputs[1]["input"].clone()),
        ("read", inputs[2]["input"].clone()),
    ];
    assert_eq!(calls(&heard), expect, "{kind:?}");
    let ids: std::collections::BTreeSet<&String> =
        heard.calls.values().map(|(id, _, _)| id).collect();
    assert_eq!(ids.len(), 3, "{kind:?}: ids differ");
    assert_eq!(heard.text, "I look.");
    assert_eq!(heard.stop, Some(StopReason::ToolUse));
    YES
}

async fn fragments(kind: ProviderKind) -> &'static str {
    let input = json!({"path": "ä/b", "content": "\"quoted\"\n\\ 🦀 {\"a\": [1, 2.5e3, null]}"});
    let turn = json!({"tool_calls": [{"name": "write", "input": input}]});
    let server = ModelServer::start([Answer::turn(turn.clone()).with(Fault::SlowDrip)]);
    let deltas: Vec<_> = provider(&server, kind).stream(hello()).collect().await;
    let pieces: Vec<&str> = deltas
        .iter()
        .filter_map(|delta| match delta {
            Ok(Delta::ToolCallInput { json, .. }) => Some(json.as_str()),
            _ => None,
        })
        .collect();
    let whole: Value = serde_json::from_str(&pieces.concat()).expect("JSON");
    assert_eq!(whole, input, "{kind:?}");
    match kind {
        ProviderKind::Gemini | ProviderKind::Ollama => "sent whole",
        _ => {
            assert!(pieces.len() > 5, "{kind:?}: {pieces:?}");
            YES
        }
    }
}

async fn empty_input(kind: ProviderKind) -> &'static str {
    let heard = fine(
        kind,
        Answer::turn(json!({"tool_calls": [{"name": "list"}]})),
    )
    .await;
    assert_eq!(calls(&heard), [("list", json!({}))], "{kind:?}");
    YES
}

async fn refusal(kind: ProviderKind) -> &'static str {
    let heard = fine(
        kind,
        Answer::turn(json!({"text": "No.", "stop": "refusal"})),
    )
    .await;
    assert_eq!(heard.text, "No.");
    if kind == ProviderKind::Ollama {
        return "has none";
    }
    assert_eq!(heard.stop, Some(StopReason::Refusal), "{kind:?}");
    YES
}

async fn cut_off(kind: ProviderKind) -> &'static str {
    let heard = fine(
        kind,
        Answer::turn(json!({"text": "So", "stop": "max_tokens"})),
    )
    .await;
    assert_eq!(
        (heard.text.as_str(), heard.stop),
        ("So", Some(StopReason::MaxTokens))
    );
    let heard = fine(kind, Answer::fault(Fault::TruncatedToolJson)).await;
    assert_eq!(heard.stop, Some(StopReason::MaxTokens), "{kind:?}");
    match (kind, heard.calls().as_slice()) {
        (ProviderKind::Gemini | ProviderKind::Ollama, calls) => assert_eq!(calls, []),
        (_, [("read", json)]) => {
            assert!(!json.is_empty() && serde_json::from_str::<Value>(json).is_err());
        }
        (_, calls) => panic!("{kind:?}: {calls:?}"),
    }
    YES
}

async fn usage(kind: ProviderKind) -> &'static str {
    let usage = json!({
        "input_tokens": 10, "output_tokens": 20, "cache_read_tokens": 300, "cache_write_tokens": 7,
    });
    let heard = fine(kind, Answer::turn(json!({"text": "x", "usage": usage}))).await;
    let (expect, cell) = match kind {
        // Its cache costs nothing to write.
        ProviderKind::Gemini => ((10, 300, 0), YES),
        ProviderKind::Ollama => ((310, 0, 0), "has no cache"),
        _ => ((10, 300, 7), YES),
    };
    let (input_tokens, cache_read_tokens, cache_write_tokens) = expect;
    let expect = TokenUsage {
        input_tokens,
        output_tokens: 20,
        cache_read_tokens,
        cache_write_tokens,
    };
    assert_eq!(heard.usage, expect, "{kind:?}");
    cell
}

/// A conversation in which the model thought, called a tool, and has its answer.
fn thought_before(
    thinking: Vec<Thinking>,
    id: String,
) -> Vec<boxagnts_protocol::conversation::Message> {
    let call = ToolCall {
        id: id.clone(),
        name: "read".to_owned(),
        input: json!({}),
    };
    let result = ToolResult {
        id,
        output: "text".to_owned(),
        is_error: false,
    };
    let mut answer: Vec<Content> = thinking.into_iter().map(Content::Thinking).collect();
    answer.push(Content::ToolCall(call));
    vec![
        message(Role::User, vec![text("hello")]),
        message(Role::Assistant, answer),
        message(Role::User, vec![Content::ToolResult(result)]),
    ]
}

async fn thoughts(kind: ProviderKind) -> &'static str {
    let words = "I should read it, ünd that soon.";
    let turn = json!({"thinking": words, "tool_calls": [{"name": "read"}]});
    let server = ModelServer::start([Answer::turn(turn), said("a"), said("b")]);
    let mut settings = settings(&server, kind);
    let same = settings.providers["test"].clone();
    settings.providers.insert("other".to_owned(), same);
    let own = connect("test:large", &settings).expect("connected");
    let other = connect("other:large", &settings).expect("connected");
    let heard = listen(own.as_ref(), hello()).await;
    let [thinking] = heard.thinking.as_slice() else {
        panic!("{kind:?}: {:?}", heard.thinking)
    };
    assert_eq!(
        (thinking.text.as_str(), thinking.provider.as_str()),
        (words, "test:large")
    );
    // As the journal brings them back.
    let journal = serde_json::to_string(&heard.thinking).expect("JSON");
    let thinking: Vec<Thinking> = serde_json::from_str(&journal).expect("thoughts");
    let id = heard.calls.values().next().expect("a call").0.clone();
    let next = request(thought_before(thinking, id));
    assert_eq!(listen(own.as_ref(), next.clone()).await.error(), "");
    assert_eq!(listen(other.as_ref(), next).await.error(), "");
    let kept = match kind {
        ProviderKind::OpenAiChat | ProviderKind::Ollama => words,
        _ => SIGNATURE,
    };
    let requests = server.requests();
    assert!(
        requests[1].body.to_string().contains(kept),
        "{kind:?}: {}",
        requests[1].body
    );
    let theirs = requests[2].body.to_string();
    assert!(
        !theirs.contains(SIGNATURE) && !theirs.contains(words),
        "{kind:?}: {theirs}"
    );
    YES
}

async fn pictures(kind: ProviderKind) -> &'static str {
    let image = Content::Image(Image {
        media_type: "image/png".to_owned(),
        data: "aGVsbG8=".to_owned(),
    });
    let server = ModelServer::start([said("a cat"), said("never")]);
    let asked = request(vec![message(Role::User, vec![text("what is it?"), image])]);
    let heard = listen(provider(&server, kind).as_ref(), asked.clone()).await;
    assert_eq!(heard.text, "a cat", "{kind:?}: {heard:?}");
    let body = server.requests()[0].body.to_string();
    assert!(body.contains("aGVsbG8="), "{kind:?}: {body}");
    // A model that is known to take none is not asked.
    let mut settings = settings(&server, kind);
    let blind = boxagnts_model::ModelInfo {
        images: Some(false),
        ..Default::default()
    };
    settings.models.insert("test:*".to_owned(), blind);
    let blind = connect("test:large", &settings).expect("connected");
    let heard = listen(blind.as_ref(), asked).await;
    assert!(
        matches!(heard.error, Some(ModelError::NoImages { .. })),
        "{heard:?}"
    );
    assert_eq!(server.requests().len(), 1);
    YES
}

/// The first answer fails: it is asked again, and the second is heard.
async fn retried(kind: ProviderKind, first: Answer) {
    let heard = hear(kind, vec![first.clone(), said("fine")]).await;
    assert_eq!(
        (heard.error().as_str(), heard.text.as_str()),
        ("", "fine"),
        "{kind:?} {first:?}"
    );
    assert_eq!(heard.retries.len(), 1, "{kind:?} {first:?}");
    assert!(
        heard.thinking.is_empty(),
        "what was thought in vain is forgotten"
    );
}

/// The first answer fails when something was said: nobody asks again.
async fn ended(kind: ProviderKind, first: Answer) -> Heard {
    let server = ModelServer::start([first, said("never")]);
    let heard = listen(provider(&server, kind).as_ref(), hello()).await;
    assert!(
        heard.error.is_some() && heard.retries.is_empty(),
        "{kind:?}: {heard:?}"
    );
    assert_eq!(server.requests().len(), 1, "{kind:?}");
    heard
}

/// An answer that thinks before it says anything, and fails before or after that.
fn thinking() -> Answer {
    Answer::turn(json!({"thinking": "hm", "text": "These words come in several pieces."}))
}

async fn error_event(kind: ProviderKind) -> &'static str {
    let fault = |after| Fault::ErrorEvent {
        after,
        kind: "overloaded_error".to_owned(),
        message: "too busy".to_owned(),
    };
    retried(kind, Answer::fault(fault(0))).await;
    retried(kind, thinking().with(fault(0))).await;
    let heard = ended(kind, thinking().with(fault(1))).await;
    assert!(
        heard.error().contains("too busy") && heard.text == "These words ",
        "{heard:?}"
    );
    YES
}

async fn lost_connection(kind: ProviderKind) -> &'static str {
    for fault in [
        Fault::CloseBeforeHeaders,
        Fault::CloseBeforeAnyDelta,
        Fault::CloseMidStream { after: 0 },
        Fault::EndMidStream { after: 0 },
    ] {
        retried(kind, thinking().with(fault)).await;
    }
    for fault in [
        Fault::CloseMidStream { after: 1 },
        Fault::EndMidStream { after: 1 },
    ] {
        let heard = ended(kind, thinking().with(fault)).await;
        assert!(
            matches!(heard.error, Some(ModelError::Connection { .. })),
            "{heard:?}"
        );
    }
    YES
}

async fn rate_limit(kind: ProviderKind) -> &'static str {
    let heard = hear(
        kind,
        vec![Answer::status(429, Some("0.02"), "slower"), said("fine")],
    )
    .await;
    assert_eq!(heard.text, "fine", "{heard:?}");
    assert_eq!(heard.retries[0].1, Duration::from_millis(20), "{kind:?}");
    let heard = ended(kind, Answer::status(429, Some("3600"), "tomorrow")).await;
    assert!(
        matches!(heard.error, Some(ModelError::WaitTooLong { .. })),
        "{heard:?}"
    );
    YES
}

/// What is heard when nothing may be waited for longer than a moment.
async fn impatient(kind: ProviderKind, answers: Vec<Answer>) -> Heard {
    let server = ModelServer::start(answers);
    let mut settings = settings(&server, kind);
    settings.retry.idle = Duration::from_millis(150);
    let provider = connect("test:large", &settings).expect("connected");
    listen(provider.as_ref(), hello()).await
}

async fn silence(kind: ProviderKind) -> &'static str {
    let stall = |after| thinking().with(Fault::Stall { after });
    let heard = impatient(kind, vec![stall(0), stall(1)]).await;
    assert_eq!(
        (heard.retries.len(), heard.text.as_str()),
        (1, "These words "),
        "{heard:?}"
    );
    assert!(
        heard.error().contains("nothing came for 0.15 s"),
        "{}",
        heard.error()
    );
    YES
}

async fn keep_alives(kind: ProviderKind) -> &'static str {
    let alive = |after| thinking().with(Fault::KeepAlives { after });
    let heard = impatient(kind, vec![alive(0), alive(1)]).await;
    assert_eq!(
        (heard.retries.len(), heard.text.as_str()),
        (1, "These words "),
        "{heard:?}"
    );
    let expect = "nothing but signs of life came for 0.75 s";
    assert!(heard.error().contains(expect), "{}", heard.error());
    YES
}

async fn cancelled(kind: ProviderKind) -> &'static str {
    let server = ModelServer::start([Answer::fault(Fault::Stall { after: 1 })]);
    let mut deltas = provider(&server, kind).stream(hello());
    let said = |delta: &_| matches!(delta, Ok(Delta::Text(_)));
    while !said(&deltas.next().await.expect("a delta")) {}
    drop(deltas);
    while server.requests()[0].ended.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(server.requests()[0].aborted, "{kind:?}");
    YES
}

async fn unknown_events(kind: ProviderKind) -> &'static str {
    let turn = json!({"thinking": "hm", "text": "So it is.", "tool_calls": [{"name": "list"}]});
    let heard = fine(kind, Answer::turn(turn).with(Fault::UnknownEvents)).await;
    assert_eq!(
        (heard.text.as_str(), heard.calls().len()),
        ("So it is.", 1),
        "{heard:?}"
    );
    YES
}

async fn redirect(kind: ProviderKind) -> &'static str {
    let other = ModelServer::start([]);
    let location = format!("{}/v1/messages", other.base_url());
    let heard = ended(kind, Answer::fault(Fault::Redirect { location })).await;
    assert!(
        matches!(heard.error, Some(ModelError::Redirected { .. })),
        "{heard:?}"
    );
    assert_eq!(other.requests().len(), 0, "{kind:?}");
    YES
}

async fn malformed(kind: ProviderKind) -> &'static str {
    for after in [0, 2] {
        let heard = ended(kind, Answer::fault(Fault::Malformed { after })).await;
        assert!(
            matches!(heard.error, Some(ModelError::Malformed { .. })),
            "{heard:?}"
        );
    }
    YES
}

async fn too_large(kind: ProviderKind) -> &'static str {
    let heard = ended(kind, Answer::fault(Fault::HugeInput { mib: 16 })).await;
    assert!(
        heard.error().contains("an answer has more than 16 MiB"),
        "{}",
        heard.error()
    );
    let heard = ended(kind, Answer::fault(Fault::EndlessEvent)).await;
    assert!(
        heard
            .error()
            .contains("an event of an answer has more than"),
        "{}",
        heard.error()
    );
    YES
}
