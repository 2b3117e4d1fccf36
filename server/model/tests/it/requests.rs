//! What providers are asked.

use crate::{hello, listen, message, provider, request, settings, text};
use boxagnts_model::{ProviderKind, Request, Settings, connect};
use boxagnts_protocol::conversation::{Content, Message, Role, ToolCall, ToolResult};
use boxagnts_protocol::tool::ToolSpec;
use boxagnts_test_support::{Answer, ModelServer};
use serde_json::{Value, json};
use std::sync::Arc;

/// The body of the request for a conversation.
async fn body(kind: ProviderKind, request: Request) -> Value {
    let server = ModelServer::start([Answer::turn(json!({"text": "fine"}))]);
    listen(provider(&server, kind).as_ref(), request).await;
    server.requests()[0].body.clone()
}

fn call(id: &str, input: Value) -> Content {
    Content::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "read".to_owned(),
        input,
    })
}

fn result(id: &str, output: &str, is_error: bool) -> Content {
    Content::ToolResult(ToolResult {
        id: id.to_owned(),
        output: output.to_owned(),
        is_error,
    })
}

/// A turn with tools, an input that is no JSON, an error, and a next prompt behind the results.
fn conversation() -> Vec<Message> {
    vec![
        message(Role::User, vec![text("read it")]),
        message(
            Role::Assistant,
            vec![
                text("I read."),
                call("a.1", json!({"path": "x"})),
                call("b", json!("{\"path\":")),
            ],
        ),
        message(
            Role::User,
            vec![
                text("and now?"),
                result("a.1", "1\tx", false),
                result("b", "", true),
            ],
        ),
        message(Role::Assistant, vec![call("c", json!({}))]),
        message(Role::User, vec![result("c", "ok", false)]),
    ]
}

fn with_tools(messages: Vec<Message>) -> Request {
    let tool = ToolSpec {
        name: "read".to_owned(),
        description: "Reads.".to_owned(),
        input_schema: json!({"type": "object"}),
    };
    Request {
        tools: Arc::new([tool]),
        ..request(messages)
    }
}

#[tokio::test]
async fn openai_gets_chat_completions() {
    let body = body(ProviderKind::OpenAiChat, with_tools(conversation())).await;
    let call = |id: &str, arguments: &str| {
        json!({
            "id": id, "type": "function", "function": {"name": "read", "arguments": arguments},
        })
    };
    let expect = json!({
        "model": "large",
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": 1000,
        "tools": [{"type": "function", "function": {
            "name": "read", "description": "Reads.", "parameters": {"type": "object"},
        }}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "read it"},
            {"role": "assistant", "content": "I read.", "tool_calls": [
                call("a.1", "{\"path\":\"x\"}"), call("b", "{\"path\":"),
            ]},
            {"role": "tool", "tool_call_id": "a.1", "content": "1\tx"},
            {"role": "tool", "tool_call_id": "b", "content": "error: "},
            {"role": "user", "content": "and now?"},
            {"role": "assistant", "content": "", "tool_calls": [call("c", "{}")]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ],
    });
    assert_eq!(body, expect);
}

#[tokio::test]
async fn anthropic_gets_messages() {
    let body = body(ProviderKind::Anthropic, with_tools(conversation())).await;
    let mark = json!({"type": "ephemeral"});
    let call = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "read", "input": input});
    let expect = json!({
        "model": "large",
        "stream": true,
        "max_tokens": 1000,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": mark}],
        "tools": [{"name": "read", "description": "Reads.", "input_schema": {"type": "object"},
                   "cache_control": mark}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "read it"}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I read."},
                call("a_1", json!({"path": "x"})),
                call("b", json!({})),
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a_1", "content": "1\tx", "is_error": false},
                {
                    "type": "tool_result", "tool_use_id": "b",
                    "content": "failed, and gave no reason", "is_error": true,
                },
                {"type": "text", "text": "and now?", "cache_control": mark},
            ]},
            {"role": "assistant", "content": [call("c", json!({}))]},
            {"role": "user", "content": [{
                "type": "tool_result", "tool_use_id": "c", "content": "ok", "is_error": false,
                "cache_control": mark,
            }]},
        ],
    });
    assert_eq!(body, expect);
}

#[tokio::test]
async fn empty_texts_are_left_out() {
    let messages = vec![
        message(Role::User, vec![text("hello")]),
        message(Role::Assistant, vec![text(" "), text("hi")]),
        message(Role::User, vec![text("bye"), text("")]),
    ];
    let body = body(ProviderKind::Anthropic, request(messages)).await;
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"type": "text", "text": "hi"}])
    );
    assert_eq!(body["messages"][2]["content"][0]["text"], "bye");
    assert_eq!(body["tools"], Value::Null);
}

#[tokio::test]
async fn paths_come_behind_the_base() {
    async fn check(kind: ProviderKind, behind: &str, expect: &str) {
        let server = ModelServer::start([Answer::turn(json!({"text": "fine"}))]);
        let mut settings = settings(&server, kind);
        if let Some(test) = settings.providers.get_mut("test") {
            test.base_url = Some(format!("{}{behind}", server.base_url()));
        }
        let provider = connect("test:large", &settings).expect("connected");
        let heard = listen(provider.as_ref(), hello()).await;
        assert_eq!(heard.text, "fine", "{behind}: {heard:?}");
        assert_eq!(server.requests()[0].path, expect);
    }
    let (openai, anthropic) = (ProviderKind::OpenAiChat, ProviderKind::Anthropic);
    let (gemini, ollama) = (ProviderKind::Gemini, ProviderKind::Ollama);
    let responses = ProviderKind::OpenAiResponses;
    check(openai, "", "/chat/completions").await;
    check(openai, "/v1", "/v1/chat/completions").await;
    check(openai, "/api/v1/", "/api/v1/chat/completions").await;
    check(
        openai,
        "/x?api-version=1",
        "/x/chat/completions?api-version=1",
    )
    .await;
    check(anthropic, "", "/v1/messages").await;
    check(anthropic, "/v1/", "/v1/messages").await;
    check(anthropic, "/proxy", "/proxy/v1/messages").await;
    check(responses, "/v1", "/v1/responses").await;
    let stream = "models/large:streamGenerateContent?alt=sse";
    check(gemini, "", &format!("/v1beta/{stream}")).await;
    check(gemini, "/v1beta", &format!("/v1beta/{stream}")).await;
    check(
        gemini,
        "/x/?a=1",
        "/x/v1beta/models/large:streamGenerateContent?a=1&alt=sse",
    )
    .await;
    check(ollama, "", "/api/chat").await;
    check(ollama, "/v1", "/api/chat").await;
    check(ollama, "/far/api/", "/far/api/chat").await;
}

/// A host that there is not: only a proxy can answer for it.
#[tokio::test]
async fn a_proxy_is_used_when_it_is_configured_and_not_for_this_machine() {
    let server = ModelServer::start(vec![Answer::turn(json!({"text": "hi"})); 2]);
    let proxy = url::Url::parse(server.base_url()).expect("a URL");
    let mut settings = settings(&server, ProviderKind::OpenAiChat);
    let near = settings.clone();
    let own = settings.providers.get_mut("test").expect("the provider");
    own.base_url = Some("http://model.invalid/v1".to_owned());
    let ask = async |settings: &Settings| {
        let provider = connect("test:large", settings).expect("connected");
        listen(provider.as_ref(), hello()).await
    };
    assert!(ask(&settings).await.error().contains("model.invalid"));
    settings.proxy = Some(proxy);
    assert_eq!(ask(&settings).await.text, "hi");
    let nobody = url::Url::parse("http://127.0.0.1:9").expect("a URL");
    let near = Settings {
        proxy: Some(nobody),
        ..near
    };
    assert_eq!(ask(&near).await.text, "hi");
    let paths: Vec<String> = server.requests().into_iter().map(|r| r.path).collect();
    assert!(paths[0].starts_with("http://model.invalid/"), "{paths:?}");
    assert!(paths[1].starts_with('/'), "{paths:?}");
}
