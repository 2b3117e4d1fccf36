//! What models think: how it is asked for, and how it goes back to them.

use crate::{listen, message, request, settings, text};
use boxagnts_model::{Effort, ModelInfo, ProviderKind, Request, ThinkingStyle, connect};
use boxagnts_protocol::conversation::{Content, Message, Role, Thinking, ToolCall, ToolResult};
use boxagnts_test_support::{Answer, ModelServer, Recorded};
use serde_json::{Value, json};

/// The request for a conversation with a model that is told to think in this way.
async fn ask(
    kind: ProviderKind,
    model: &str,
    asked: Option<(Effort, Option<ThinkingStyle>)>,
    request: Request,
) -> Recorded {
    let server = ModelServer::start([Answer::turn(json!({"text": "fine"}))]);
    let mut settings = settings(&server, kind);
    if let Some((effort, thinking)) = asked {
        let info = ModelInfo {
            thinking,
            ..ModelInfo::default()
        };
        settings.models.insert("test:*".to_owned(), info);
        if let Some(test) = settings.providers.get_mut("test") {
            test.effort = Some(effort);
        }
    }
    let provider = connect(&format!("test:{model}"), &settings).expect("connected");
    let heard = listen(provider.as_ref(), request).await;
    assert_eq!(heard.error(), "");
    server.requests()[0].clone()
}

fn hello(max_output_tokens: u64) -> Request {
    Request {
        max_output_tokens,
        ..request(vec![message(Role::User, vec![text("hello")])])
    }
}

#[tokio::test]
async fn thoughts_are_asked_for_as_the_model_wants() {
    async fn check(
        kind: ProviderKind,
        effort: Effort,
        style: Option<ThinkingStyle>,
        expect: Value,
    ) {
        let asked = ask(kind, "large", Some((effort, style)), hello(32_000)).await;
        for (pointer, value) in expect.as_object().expect("an object") {
            let got = asked.body.pointer(pointer).cloned().unwrap_or_default();
            assert_eq!(got, *value, "{kind:?} {style:?} {pointer}: {}", asked.body);
        }
    }
    let (none, budget, level) = (
        Some(ThinkingStyle::None),
        Some(ThinkingStyle::Budget),
        Some(ThinkingStyle::Level),
    );
    let kind = ProviderKind::Anthropic;
    let adaptive = json!({"/thinking": {"type": "adaptive"}, "/output_config/effort": "high"});
    check(kind, Effort::High, level, adaptive.clone()).await;
    check(kind, Effort::High, None, adaptive).await;
    let enabled = |tokens| json!({"/thinking": {"type": "enabled", "budget_tokens": tokens}, "/output_config": null});
    check(kind, Effort::Low, budget, enabled(4096)).await;
    check(kind, Effort::High, budget, enabled(16_000)).await;
    check(kind, Effort::High, none, json!({"/thinking": null})).await;

    let kind = ProviderKind::OpenAiResponses;
    let include = json!(["reasoning.encrypted_content"]);
    let some = json!({"/reasoning/effort": "medium", "/include": include, "/store": false});
    check(kind, Effort::Medium, level, some.clone()).await;
    check(kind, Effort::Medium, None, some).await;
    let without = json!({"/reasoning": null, "/include": null, "/store": false});
    check(kind, Effort::Medium, none, without).await;

    let kind = ProviderKind::OpenAiChat;
    check(kind, Effort::Low, None, json!({"/reasoning_effort": "low"})).await;

    let kind = ProviderKind::Gemini;
    let config = "/generationConfig/thinkingConfig";
    check(
        kind,
        Effort::Low,
        level,
        json!({config: {"thinkingLevel": "low"}}),
    )
    .await;
    check(
        kind,
        Effort::Low,
        budget,
        json!({config: {"thinkingBudget": 1024}}),
    )
    .await;
    check(kind, Effort::Low, none, json!({config: null})).await;

    let kind = ProviderKind::Ollama;
    check(kind, Effort::Low, None, json!({"/think": true})).await;
    check(kind, Effort::Low, level, json!({"/think": "low"})).await;
}

#[tokio::test]
async fn nothing_is_asked_for_unless_it_is_configured() {
    for kind in crate::ALL {
        let body = ask(kind, "large", None, hello(1000)).await.body;
        for field in [
            "thinking",
            "reasoning",
            "reasoning_effort",
            "think",
            "output_config",
        ] {
            assert_eq!(body[field], Value::Null, "{kind:?}");
        }
        assert_eq!(body["generationConfig"]["thinkingConfig"], Value::Null);
    }
}

#[tokio::test]
async fn a_small_answer_leaves_no_room_for_thoughts() {
    let budget = Some((Effort::High, Some(ThinkingStyle::Budget)));
    let asked = ask(ProviderKind::Anthropic, "large", budget, hello(1500)).await;
    assert_eq!(asked.body["thinking"], Value::Null);
    assert_eq!(asked.header("anthropic-beta"), None);
    let asked = ask(ProviderKind::Anthropic, "large", budget, hello(4000)).await;
    assert_eq!(asked.body["thinking"]["budget_tokens"], 2000);
    let beta = asked.header("anthropic-beta");
    assert_eq!(beta, Some("interleaved-thinking-2025-05-14"));
}

fn thinking(text: &str, provider: &str, opaque: Value) -> Content {
    Content::Thinking(Thinking {
        text: text.to_owned(),
        provider: provider.to_owned(),
        opaque,
    })
}

fn call(id: &str) -> Content {
    Content::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "read".to_owned(),
        input: json!({"a": 1}),
    })
}

fn result(id: &str) -> Content {
    Content::ToolResult(ToolResult {
        id: id.to_owned(),
        output: "ok".to_owned(),
        is_error: false,
    })
}

/// A turn that is over and one that goes on, each with an answer of these pieces and two calls.
fn conversation(pieces: Vec<Content>) -> Vec<Message> {
    let answer = |ids: [&str; 2]| {
        let calls = ids.map(call);
        pieces.iter().cloned().chain(calls).collect()
    };
    vec![
        message(Role::User, vec![text("one")]),
        message(Role::Assistant, answer(["a", "b"])),
        message(Role::User, vec![result("a"), result("b")]),
        message(Role::Assistant, vec![text("done")]),
        message(Role::User, vec![text("two")]),
        message(Role::Assistant, answer(["c", "d"])),
        message(
            Role::User,
            vec![result("c"), result("d"), text("[a remark]")],
        ),
    ]
}

async fn body(kind: ProviderKind, model: &str, pieces: Vec<Content>) -> Value {
    ask(kind, model, None, request(conversation(pieces)))
        .await
        .body
}

#[tokio::test]
async fn anthropic_gets_its_thoughts_back_in_their_places() {
    let signed = |signature: &str| json!({"type": "thinking", "signature": signature});
    let pieces = vec![
        thinking("first", "test:large", signed("s1")),
        thinking(
            "",
            "test:large",
            json!({"type": "redacted_thinking", "data": "d"}),
        ),
        text("said"),
        thinking("second", "test:large", signed("s2")),
        thinking("theirs", "openai:x", json!({"encrypted_content": "e"})),
        thinking("unsigned", "test:large", signed("")),
        thinking("strange", "test:large", json!({"type": "news"})),
        thinking("nothing", "test:large", Value::Null),
    ];
    let body = body(ProviderKind::Anthropic, "large", pieces).await;
    let expect = json!([
        {"type": "thinking", "thinking": "first", "signature": "s1"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "said"},
        {"type": "thinking", "thinking": "second", "signature": "s2"},
        {"type": "tool_use", "id": "c", "name": "read", "input": {"a": 1}},
        {"type": "tool_use", "id": "d", "name": "read", "input": {"a": 1}},
    ]);
    assert_eq!(body["messages"][5]["content"], expect);
    let marks = body.to_string().matches("cache_control").count();
    assert!(marks <= 4, "{marks} marks");
}

/// What is marked in one request stands at the same place in the next, so that it is read there.
#[tokio::test]
async fn the_cache_of_one_request_is_read_by_the_next() {
    let kind = ProviderKind::Anthropic;
    let whole = conversation(vec![text("said")]);
    let mut last: Option<String> = None;
    for length in [1, 3, 5, 7] {
        let request = request(whole[..length].to_vec());
        let body = ask(kind, "large", None, request).await.body;
        let messages = body["messages"].as_array().expect("messages");
        let marked = |message: &&Value| message.to_string().contains("cache_control");
        let prefix = |message: &Value| {
            let at = messages
                .iter()
                .position(|other| other == message)
                .expect("it");
            let mut prefix = json!(messages[..=at]);
            strip(&mut prefix);
            prefix.to_string()
        };
        let marks: Vec<String> = messages.iter().filter(marked).map(prefix).collect();
        assert!(last.is_none_or(|last| marks.contains(&last)), "{body}");
        last = marks.last().cloned();
    }
    assert!(last.is_some());
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("cache_control");
            object.values_mut().for_each(strip);
        }
        Value::Array(array) => array.iter_mut().for_each(strip),
        _ => {}
    }
}

#[tokio::test]
async fn a_message_of_thoughts_alone_ends_with_none() {
    let own = thinking(
        "t",
        "test:large",
        json!({"type": "thinking", "signature": "s"}),
    );
    let messages = vec![
        message(Role::User, vec![text("one")]),
        message(Role::Assistant, vec![text("said"), own.clone()]),
        message(Role::User, vec![text("two")]),
        message(Role::Assistant, vec![own, text("[no answer]")]),
        message(Role::User, vec![text("three")]),
    ];
    let body = ask(ProviderKind::Anthropic, "large", None, request(messages))
        .await
        .body;
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"type": "text", "text": "said"}])
    );
    assert_eq!(body["messages"][3]["content"][0]["type"], "thinking");
}

#[tokio::test]
async fn responses_get_items_back() {
    let item = json!({
        "type": "reasoning", "id": "rs_1", "encrypted_content": "e",
        "summary": [{"type": "summary_text", "text": "t"}],
    });
    let pieces = vec![
        thinking("t", "test:large", item.clone()),
        text("said"),
        thinking("plain", "test:large", Value::Null),
        thinking("theirs", "anthropic:x", json!({"signature": "s"})),
    ];
    let body = body(ProviderKind::OpenAiResponses, "large", pieces).await;
    let said = |text: &str| {
        json!({"type": "message", "role": "assistant",
               "content": [{"type": "output_text", "text": text}]})
    };
    let user = |text: &str| {
        json!({"type": "message", "role": "user",
               "content": [{"type": "input_text", "text": text}]})
    };
    let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "read", "arguments": "{\"a\":1}"});
    let result = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "ok"});
    let expect = json!([
        user("one"),
        item,
        said("said"),
        call("a"),
        call("b"),
        result("a"),
        result("b"),
        said("done"),
        user("two"),
        item,
        said("said"),
        call("c"),
        call("d"),
        result("c"),
        result("d"),
        user("[a remark]"),
    ]);
    assert_eq!(body["input"], expect);
    assert_eq!(
        (&body["instructions"], &body["stream"]),
        (&json!("Be brief."), &json!(true))
    );
}

#[tokio::test]
async fn responses_are_sent_no_thoughts_that_led_nowhere() {
    let item = json!({"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "e"});
    let messages = vec![
        message(Role::User, vec![text("one")]),
        message(
            Role::Assistant,
            vec![text("said"), thinking("t", "test:large", item)],
        ),
        message(Role::User, vec![text("two")]),
    ];
    let asked = ask(
        ProviderKind::OpenAiResponses,
        "large",
        None,
        request(messages),
    )
    .await;
    assert_eq!(
        asked.body["input"].as_array().map(Vec::len),
        Some(3),
        "{}",
        asked.body
    );
}

#[tokio::test]
async fn gemini_gets_signatures_back_on_their_parts() {
    let signed = |of: &str| json!({"thoughtSignature": format!("s-{of}"), "of": of});
    let pieces = vec![
        thinking("t", "test:gemini-3-x", signed("thought")),
        thinking("", "test:gemini-3-x", signed("text")),
        text("said"),
        thinking("", "test:gemini-3-x", signed("call")),
    ];
    let body = body(ProviderKind::Gemini, "gemini-3-x", pieces).await;
    let called = |id: &str| json!({"name": "read", "args": {"a": 1}, "id": id});
    let expect = json!({"role": "model", "parts": [
        {"text": "t", "thought": true, "thoughtSignature": "s-thought"},
        {"text": "said", "thoughtSignature": "s-text"},
        {"functionCall": called("c"), "thoughtSignature": "s-call"},
        {"functionCall": called("d")},
    ]});
    assert_eq!(body["contents"][5], expect);
    let answered = |id: &str| json!({"functionResponse": {"name": "read", "id": id, "response": {"output": "ok"}}});
    let expect = json!({
        "role": "user", "parts": [answered("c"), answered("d"), {"text": "[a remark]"}],
    });
    assert_eq!(body["contents"][6], expect);
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "Be brief.");
}

/// A signature at the end has no part of its own; a first call without one would be refused.
#[tokio::test]
async fn gemini_has_signatures_where_it_wants_them() {
    let end = thinking(
        "",
        "test:gemini-3-x",
        json!({"thoughtSignature": "s", "of": "text"}),
    );
    let messages = vec![
        message(Role::User, vec![text("one")]),
        message(Role::Assistant, vec![text("said"), end]),
        message(Role::User, vec![text("two")]),
        message(
            Role::Assistant,
            vec![call("gemini_call_0"), call("gemini_call_1")],
        ),
        message(
            Role::User,
            vec![result("gemini_call_0"), result("gemini_call_1")],
        ),
    ];
    let asked = ask(ProviderKind::Gemini, "gemini-3-x", None, request(messages)).await;
    let contents = &asked.body["contents"];
    let expect = json!([{"text": "said"}, {"text": "", "thoughtSignature": "s"}]);
    assert_eq!(contents[1]["parts"], expect);
    let first = &contents[3]["parts"][0];
    assert_eq!(
        first["thoughtSignature"],
        "skip_thought_signature_validator"
    );
    assert_eq!(
        first["functionCall"]["id"],
        Value::Null,
        "our own ids are not theirs"
    );
    assert_eq!(contents[3]["parts"][1]["thoughtSignature"], Value::Null);
}

#[tokio::test]
async fn chat_services_get_thoughts_back_while_the_turn_goes_on() {
    let field = |name: &str| json!({"field": name});
    let pieces = vec![
        thinking("hm", "test:large", field("reasoning_content")),
        thinking("not back", "test:large", field("reasoning")),
    ];
    let body = body(ProviderKind::OpenAiChat, "large", pieces).await;
    let thoughts: Vec<&Value> = body["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter(|message| message["role"] == "assistant")
        .map(|message| &message["reasoning_content"])
        .collect();
    assert_eq!(thoughts, [&Value::Null, &Value::Null, &json!("hm")]);
}
