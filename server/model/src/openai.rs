//! Chat Completions, as OpenAI and many others (Ollama, llama.cpp, vLLM) speak it.

use crate::http::{Authorization, Call, Endpoint};
use crate::sse::{Decoder, Failure};
use crate::{Delta, DeltaStream, ModelError, Provider, Request};
use boxagnts_protocol::conversation::{Content, Price, Role, StopReason, TokenUsage};
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) struct OpenAi {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) price: Option<Price>,
    pub(crate) max_output_tokens: u64,
}

impl Provider for OpenAi {
    fn id(&self) -> &str {
        &self.id
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    fn max_output_tokens(&self) -> u64 {
        self.max_output_tokens
    }

    fn check_key(&self) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(self.endpoint.check_key())
    }

    fn stream(&self, request: Request) -> DeltaStream {
        // OpenAI itself has given the field another name, others know only the old one.
        let modern = self.endpoint.host() == "api.openai.com";
        self.endpoint.stream(Call {
            path: "/chat/completions",
            authorization: Authorization::Bearer,
            headers: &[],
            body: body(&self.model, modern, &request),
            decoder,
        })
    }
}

fn body(model: &str, modern: bool, request: &Request) -> Vec<u8> {
    let mut messages = vec![json!({"role": "system", "content": &*request.system})];
    for message in request.messages.iter() {
        let mut text = String::new();
        let mut calls = Vec::new();
        for content in &message.content {
            match content {
                Content::Text { text: more } => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(more);
                }
                Content::ToolCall(call) => calls.push(json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": arguments(&call.input)},
                })),
                // Results are messages of their own, right behind the calls.
                Content::ToolResult(result) => messages.push(json!({
                    "role": "tool",
                    "tool_call_id": result.id,
                    "content": if result.is_error {
                        format!("error: {}", result.output)
                    } else {
                        result.output.clone()
                    },
                })),
            }
        }
        match message.role {
            Role::User if text.is_empty() => {}
            Role::User => messages.push(json!({"role": "user", "content": text})),
            Role::Assistant => {
                let mut said = json!({"role": "assistant", "content": text});
                if !calls.is_empty() {
                    said["tool_calls"] = Value::Array(calls);
                }
                messages.push(said);
            }
        }
    }
    let mut body = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    let limit = if modern {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    body[limit] = json!(request.max_output_tokens);
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.input_schema,
                },
            })
        });
        body["tools"] = tools.collect();
    }
    body.to_string().into_bytes()
}

/// What the model gave as input, in the form in which it gave it.
fn arguments(input: &Value) -> String {
    match input {
        Value::String(broken) => broken.clone(),
        other => other.to_string(),
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Message>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallChunk>>,
}

#[derive(Deserialize)]
struct CallChunk {
    index: Option<usize>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Cached>,
}

#[derive(Deserialize)]
struct Cached {
    cached_tokens: Option<u64>,
}

pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Chat::default())
}

/// Reads chunks.
#[derive(Default)]
struct Chat {
    calls: Vec<Begun>,
    finished: Option<StopReason>,
}

/// A call that has begun.
struct Begun {
    /// The server's number, where it has one.
    number: Option<usize>,
    /// The server's id, where it has one.
    id: Option<String>,
}

impl Decoder for Chat {
    fn event(&mut self, data: &str) -> Result<Vec<Delta>, Failure> {
        let data = data.trim();
        if data == "[DONE]" {
            return self.end();
        }
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("a chunk: {error}")))?;
        if let Some(error) = chunk.error {
            return Err(failure(&error));
        }
        let mut deltas = Vec::new();
        for choice in chunk.choices {
            if let Some(message) = choice.delta {
                let texts = message.content.into_iter().chain(message.refusal);
                deltas.extend(texts.filter(|text| !text.is_empty()).map(Delta::Text));
                for call in message.tool_calls.into_iter().flatten() {
                    self.call(call, &mut deltas);
                }
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.finished = Some(match reason.as_str() {
                    "length" | "model_length" => StopReason::MaxTokens,
                    "error" | "abort" => {
                        return Err(Failure::Provider(format!("finish_reason `{reason}`")));
                    }
                    "content_filter" => StopReason::Refusal,
                    // Some servers say `stop` when they call tools.
                    _ if !self.calls.is_empty() => StopReason::ToolUse,
                    "stop" | "eos" | "tool_calls" | "function_call" => StopReason::EndTurn,
                    other => {
                        return Err(Failure::Malformed(format!("finish_reason `{other}`")));
                    }
                });
            }
        }
        if let Some(usage) = chunk.usage {
            let cached = usage
                .prompt_tokens_details
                .and_then(|details| details.cached_tokens);
            let cached = cached.unwrap_or(0);
            deltas.push(Delta::Usage(TokenUsage {
                input_tokens: usage.prompt_tokens.unwrap_or(0).saturating_sub(cached),
                output_tokens: usage.completion_tokens.unwrap_or(0),
                cache_read_tokens: cached,
                cache_write_tokens: 0,
            }));
        }
        Ok(deltas)
    }

    fn end(&mut self) -> Result<Vec<Delta>, Failure> {
        match self.finished {
            Some(reason) => Ok(vec![Delta::Stop(reason)]),
            None => Err(Failure::Lost("the answer ended in the middle".to_owned())),
        }
    }
}

impl Chat {
    fn call(&mut self, chunk: CallChunk, deltas: &mut Vec<Delta>) {
        let (name, arguments) = chunk
            .function
            .map_or((None, None), |function| (function.name, function.arguments));
        let name = name.filter(|name| !name.is_empty());
        let (number, id) = (chunk.index, chunk.id.filter(|id| !id.is_empty()));
        let known = match number {
            Some(_) => self.calls.iter().rposition(|call| call.number == number),
            None => self.calls.len().checked_sub(1),
        };
        // Some servers repeat the name with every fragment, others give all calls one number, or
        // none. Ids tell them apart; without a number a name alone begins the next call.
        let begins = |call: &Begun| match (&id, &call.id) {
            (Some(id), Some(known)) => id != known,
            _ => number.is_none(),
        };
        let index = match (name, known) {
            (None, None) => return,
            (None, Some(known)) => known,
            (Some(_), Some(known)) if !begins(&self.calls[known]) => known,
            (Some(name), _) => {
                let index = self.calls.len();
                self.calls.push(Begun {
                    number,
                    id: id.clone(),
                });
                let id = id.unwrap_or_else(|| format!("call_{index}"));
                deltas.push(Delta::ToolCallStart { index, id, name });
                index
            }
        };
        let json = match arguments {
            Some(Value::String(json)) if !json.is_empty() => json,
            // Some servers send the object itself.
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => return,
        };
        deltas.push(Delta::ToolCallInput { index, json });
    }
}

/// An error in the middle of a stream. Servers agree on `message`, and on little else.
fn failure(error: &Value) -> Failure {
    let message = error["message"].as_str().or(error.as_str());
    let message = message.map_or_else(|| error.to_string(), str::to_owned);
    let busy = |value: &Value| match value {
        Value::Number(code) => code.as_u64().is_some_and(|code| code == 429 || code >= 500),
        Value::String(kind) => ["overloaded", "rate_limit", "server_error"]
            .iter()
            .any(|busy| kind.contains(busy)),
        _ => false,
    };
    match busy(&error["type"]) || busy(&error["code"]) {
        true => Failure::Overloaded(message),
        false => Failure::Provider(message),
    }
}
