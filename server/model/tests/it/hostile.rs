//! Servers that mean ill, or are not well: what they send ends as an error that can be shown, in
//! bounded memory, and no key goes anywhere.

use crate::{ALL, Heard, hear, hello, listen, message, request, settings, text};
use boxagnts_model::{ModelError, ProviderKind, connect};
use boxagnts_protocol::conversation::{
    Content, Role, StopReason, TokenUsage, ToolCall, ToolResult,
};
use boxagnts_test_support::{Answer, Fault, ModelServer};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

const KEY: &str = "correct-horse-battery";

/// A server of which nothing is known but what `answer` writes, connection by connection, and what
/// is heard of it by a provider that has a key.
async fn raw(
    kind: ProviderKind,
    answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static,
) -> (Heard, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server: JoinHandle<Vec<String>> = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut bytes = [0; 16 << 10];
            let read = socket.read(&mut bytes).unwrap_or(0);
            let request = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if request.starts_with("STOP") {
                break;
            }
            if request.contains("/api/show") {
                let _ = socket.write_all(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n");
                continue;
            }
            requests.push(request);
            // The client may have gone away.
            let _ = answer(&mut socket);
        }
        requests
    });
    let nobody = ModelServer::start([]);
    let mut settings = settings(&nobody, kind);
    if let Some(test) = settings.providers.get_mut("test") {
        test.base_url = Some(format!("http://{address}"));
        test.api_key_command = Some(vec!["echo".to_owned(), KEY.to_owned()]);
    }
    let provider = connect("test:large", &settings).expect("connected");
    let heard = listen(provider.as_ref(), hello()).await;
    let mut stop = TcpStream::connect(address).expect("the server");
    stop.write_all(b"STOP").expect("a message");
    // The connections of the client are closed by this thread.
    let join = tokio::task::spawn_blocking(move || server.join().expect("the server ends"));
    let requests = join.await.expect("requests");
    (heard, requests)
}

/// An answer with this body, whatever it is.
async fn body(kind: ProviderKind, body: impl Into<Vec<u8>>) -> Heard {
    let body = body.into();
    let (heard, _) = raw(kind, move |socket| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes())?;
        socket.write_all(&body)
    })
    .await;
    heard
}

#[tokio::test]
async fn the_key_does_not_follow_a_redirect() {
    for kind in ALL {
        for status in [301, 302, 303, 307, 308] {
            let other = ModelServer::start([]);
            let place = format!("{}/v1?key={KEY}", other.base_url());
            let (heard, requests) = raw(kind, move |socket| {
                let head = format!("HTTP/1.1 {status} Away\r\nlocation: {place}\r\n");
                socket.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes())
            })
            .await;
            assert_eq!((requests.len(), other.requests().len()), (1, 0), "{kind:?}");
            let error = heard.error();
            let expect = format!(
                "test answered {status}, a redirect to {}/v1?…, which is not followed; if that is \
                 the right place, set providers.test.base_url to it",
                other.base_url()
            );
            assert_eq!(error, expect, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn headers_end_some_time() {
    for kind in ALL {
        let (heard, requests) = raw(kind, |socket| {
            socket.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                socket.write_all(b"x-more: and more and more\r\n")?;
            }
        })
        .await;
        assert!(
            matches!(heard.error, Some(ModelError::Connection { .. })),
            "{kind:?}: {heard:?}"
        );
        assert_eq!(requests.len(), 3, "{kind:?}");
    }
}

#[tokio::test]
async fn a_line_of_a_gigabyte_is_not_kept() {
    for kind in ALL {
        let (heard, _) = raw(kind, |socket| {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\ndata: ")?;
            let piece = vec![b'x'; 1 << 20];
            (0..1024).try_for_each(|_| socket.write_all(&piece))
        })
        .await;
        let error = heard.error();
        assert!(
            error.contains("an event of an answer has more than 40 MiB"),
            "{kind:?}: {error}"
        );
    }
}

#[tokio::test]
async fn an_error_may_be_as_long_as_it_likes() {
    for kind in ALL {
        let (heard, _) = raw(kind, |socket| {
            socket.write_all(b"HTTP/1.1 400 No\r\ncontent-length: 1073741824\r\n\r\n")?;
            let piece = vec![b'x'; 1 << 20];
            (0..1024).try_for_each(|_| socket.write_all(&piece))
        })
        .await;
        let expect = format!("test answered 400: {}", "x".repeat(500));
        assert_eq!(heard.error(), expect, "{kind:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told() {
    for kind in ALL {
        let heard = body(kind, b"data: {\"a\": \"\xff\xfe\"}\n\n\xff\n\n".to_vec()).await;
        assert!(
            matches!(heard.error, Some(ModelError::Malformed { .. })),
            "{kind:?}: {heard:?}"
        );
    }
}

/// The end of an answer with this count of tokens of the prompt, in the format of this kind.
fn counted(kind: ProviderKind, count: &str) -> String {
    let events: Vec<String> = match kind {
        ProviderKind::Anthropic => vec![
            format!(
                r#"{{"type":"message_start","message":{{"usage":{{"input_tokens":{count}}}}}}}"#
            ),
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#
                .to_owned(),
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}"#.to_owned(),
            r#"{"type":"message_stop"}"#.to_owned(),
        ],
        ProviderKind::OpenAiResponses => vec![
            r#"{"type":"response.output_text.delta","delta":"hi"}"#.to_owned(),
            format!(
                r#"{{"type":"response.completed","response":{{"usage":{{"input_tokens":{count}}}}}}}"#
            ),
        ],
        ProviderKind::OpenAiChat => vec![
            r#"{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}"#.to_owned(),
            format!(r#"{{"choices":[],"usage":{{"prompt_tokens":{count}}}}}"#),
            "[DONE]".to_owned(),
        ],
        ProviderKind::Gemini => vec![format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"hi"}}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":{count}}}}}"#
        )],
        ProviderKind::Ollama => vec![
            r#"{"message":{"content":"hi"}}"#.to_owned(),
            format!(
                r#"{{"done":true,"done_reason":"stop","eval_count":1,"prompt_eval_count":{count}}}"#
            ),
        ],
    };
    match kind {
        ProviderKind::Ollama => events.join("\n") + "\n",
        _ => events
            .iter()
            .map(|data| format!("data: {data}\n\n"))
            .collect(),
    }
}

#[tokio::test]
async fn counts_that_are_none_spoil_no_answer() {
    for kind in ALL {
        for (count, expect) in [
            ("12", 12),
            ("12.0", 12),
            ("-1", 0),
            ("-1e300", 0),
            ("\"NaN\"", 0),
            ("null", 0),
            ("1e300", 1 << 50),
            ("18446744073709551615", 1 << 50),
        ] {
            let heard = body(kind, counted(kind, count)).await;
            assert_eq!((heard.error(), heard.text.as_str()), (String::new(), "hi"));
            assert_eq!(heard.usage.input_tokens, expect, "{kind:?} {count}");
        }
        // What is no JSON is none here either.
        for count in ["NaN", "Infinity", "1e999"] {
            let heard = body(kind, counted(kind, count)).await;
            assert!(
                matches!(heard.error, Some(ModelError::Malformed { .. })),
                "{kind:?} {count}: {heard:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_count_is_counted_here() {
    let events = [
        r#"data: {"choices":[{"delta":{"content":"twelve bytes"}}]}"#,
        r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
        "data: [DONE]\n\n",
    ];
    let heard = body(ProviderKind::OpenAiChat, events.join("\n\n")).await;
    assert_eq!(heard.usage.output_tokens, 4, "{heard:?}");
    assert!(heard.usage.input_tokens > 20, "{heard:?}");
    let expect = TokenUsage {
        input_tokens: heard.usage.input_tokens,
        output_tokens: 4,
        ..TokenUsage::default()
    };
    assert_eq!(heard.usage, expect);
}

#[tokio::test]
async fn no_error_has_a_key_or_moves_a_cursor() {
    let said = format!(
        "no \u{1b}[2J\u{7} https://x.example/v1?key={KEY}&alt=sse and sk-ant-0123456789abcdefgh"
    );
    for kind in ALL {
        let answers = [
            Answer::status(400, None, &said),
            Answer::fault(Fault::ErrorEvent {
                after: 2,
                kind: "invalid_request_error".to_owned(),
                message: said.clone(),
            }),
            // Asked again: the reason for that is shown, too.
            Answer::status(500, None, &said),
            Answer::fault(Fault::ErrorEvent {
                after: 0,
                kind: "overloaded_error".to_owned(),
                message: said.repeat(10_000),
            }),
        ];
        for answer in answers {
            let server = ModelServer::start([answer]);
            let mut settings = settings(&server, kind);
            if let Some(test) = settings.providers.get_mut("test") {
                test.api_key_command = Some(vec!["echo".to_owned(), KEY.to_owned()]);
            }
            let provider = connect("test:large", &settings).expect("connected");
            let heard = listen(provider.as_ref(), hello()).await;
            let reason = heard.retries.first().map(|(_, _, reason)| reason.clone());
            let shown = reason.unwrap_or_else(|| heard.error());
            assert!(shown.contains("https://x.example/v1?key="), "{shown}");
            assert!(shown.contains("[key]&alt=sse and [scrubbed]"), "{shown}");
            assert!(!shown.contains(KEY) && !shown.contains("sk-ant"), "{shown}");
            assert!(
                !shown.contains(['\u{1b}', '\u{7}']) && shown.len() < 600,
                "{shown}"
            );
        }
    }
}

#[tokio::test]
async fn addresses_of_the_configuration_are_shown_without_secrets() {
    let server = ModelServer::start([]);
    let check = |url: &str, expect: &str| {
        let mut settings = settings(&server, ProviderKind::Gemini);
        if let Some(test) = settings.providers.get_mut("test") {
            test.base_url = Some(url.to_owned());
            test.api_key_command = Some(vec!["echo".to_owned(), KEY.to_owned()]);
        }
        let error = connect("test:large", &settings).err().expect("an error");
        assert_eq!(error.to_string(), expect);
    };
    check(
        "http://a.example/v1?key=correct-horse",
        "providers.test: base_url `http://a.example/v1?…` would send the key unencrypted; use https",
    );
    check(
        "ftp://u:correct@a.example",
        "providers.test: base_url `ftp://…@a.example` begins with neither http:// nor https://",
    );
}

/// A session goes on after a model, or a server, called something that is no tool and has no name.
#[tokio::test]
async fn calls_with_strange_names_can_be_sent_back() {
    let name = "re\u{1b}]0;x\u{7}ad\n/../ä";
    for kind in ALL {
        let turn =
            json!({"tool_calls": [{"name": name}, {"name": ""}, {"name": "x".repeat(5000)}]});
        let heard = hear(kind, &[Answer::turn(turn)]).await;
        assert_eq!(heard.stop, Some(StopReason::ToolUse), "{kind:?}: {heard:?}");
        let mut content = Vec::new();
        let mut results = Vec::new();
        for (id, name, _) in heard.calls.values() {
            assert!(id.chars().all(|c| c.is_ascii_graphic()), "{id:?}");
            let (id, name) = (id.clone(), name.clone());
            results.push(Content::ToolResult(ToolResult {
                id: id.clone(),
                output: "there is no such tool".to_owned(),
                is_error: true,
            }));
            let input = json!({});
            content.push(Content::ToolCall(ToolCall { id, name, input }));
        }
        let messages = vec![
            message(Role::User, vec![text("hello")]),
            message(Role::Assistant, content),
            message(Role::User, results),
        ];
        let server = ModelServer::start([]);
        let provider = crate::provider(&server, kind);
        assert_eq!(
            listen(provider.as_ref(), request(messages)).await.error(),
            ""
        );
        let mut names = Vec::new();
        names_in(&server.requests()[0].body, &mut names);
        assert!(names.len() >= 2, "{kind:?}: {names:?}");
        for name in names {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let plain = (1..=64).contains(&name.len()) && name.chars().all(fits);
            assert!(plain, "{kind:?}: {name:?}");
        }
    }
}

/// Every name of a tool in a request.
fn names_in(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(name) if key == "name" || key == "tool_name" => {
                        names.push(name.clone());
                    }
                    _ => names_in(value, names),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| names_in(value, names)),
        _ => {}
    }
}

#[tokio::test]
async fn ids_that_are_none_are_replaced() {
    let long = "x".repeat(1 << 20);
    for id in ["\u{1b}[2J", "", "a b", long.as_str()] {
        let id = json!(id);
        let call = format!(
            r#"{{"type":"content_block_start","index":3,"content_block":{{"type":"tool_use","id":{id},"name":"read"}}}}"#
        );
        let events = format!(
            "data: {call}\n\ndata: {}\n\ndata: {}\n\n",
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
            r#"{"type":"message_stop"}"#
        );
        let heard = body(ProviderKind::Anthropic, events).await;
        assert_eq!(heard.calls[&3].0, "call_3", "{heard:?}");
    }
}

/// One thought of Anthropic's format with a signature in so many pieces of a MiB.
fn signed(pieces: usize, end: &str) -> Vec<u8> {
    let mut events = String::from(
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"hm\"}}\n\n",
    );
    let piece = "A".repeat(1 << 20);
    for _ in 0..pieces {
        events.push_str("data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"");
        events.push_str(&piece);
        events.push_str("\"}}\n\n");
    }
    (events + end).into_bytes()
}

#[tokio::test]
async fn a_long_signature_comes_back_and_an_endless_one_is_given_up() {
    let end = "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
               data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n\
               data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n\
               data: {\"type\":\"message_stop\"}\n\n";
    let heard = body(ProviderKind::Anthropic, signed(10, end)).await;
    assert_eq!((heard.error(), heard.text.as_str()), (String::new(), "hi"));
    let [thinking] = heard.thinking.as_slice() else {
        panic!("one thought")
    };
    let signature = thinking.opaque["signature"].as_str().expect("a signature");
    assert_eq!(signature.len(), 10 << 20);
    let server = ModelServer::start([]);
    let provider = crate::provider(&server, ProviderKind::Anthropic);
    let said = vec![Content::Thinking(thinking.clone()), text("hi")];
    let messages = vec![
        message(Role::User, vec![text("hello")]),
        message(Role::Assistant, said),
        message(Role::User, vec![text("more")]),
    ];
    assert_eq!(
        listen(provider.as_ref(), request(messages)).await.error(),
        ""
    );
    let sent = &server.requests()[0].body["messages"][1]["content"][0]["signature"];
    assert_eq!(sent.as_str(), Some(signature));
    // The thought never ends: it is not waited for until the memory is full.
    let heard = body(ProviderKind::Anthropic, signed(17, "")).await;
    let error = heard.error();
    assert!(error.contains("an answer has more than 16 MiB"), "{error}");
}
