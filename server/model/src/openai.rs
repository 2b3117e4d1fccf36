//! Chat Completions, as OpenAI and many others (Ollama, llama.cpp, vLLM) speak it.

use crate::http::{Authorization, Call, Endpoint};
use crate::sse::{Decoder, Failure};
use crate::{Delta, DeltaStream, Provider, Request};
use boxagnts_protocol::conversation::{Content, Price, Role, StopReason, TokenUsage};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
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

    fn stream(&self, request: Request) -> DeltaStream {
        // OpenAI itself has given the field another name, others know only the old one.
        let modern = self.endpoint.host() == "api.openai.com";
        self.endpoint.stream(Call {
            path: "/chat/completions",
            authorization: Authorization::Bearer,
            headers: &[],
            body: body(&self.model, modern, &request),
            decoder: || Box::new(Chat::default()),
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
    let limit = if modern { "max_completion_tokens" } else { "max_tokens" };
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

/// Reads chunks.
#[derive(Default)]
struct Chat {
    begun: BTreeSet<usize>,
    /// The call of the last chunk, for servers that number nothing.
    current: usize,
    finished: Option<StopReason>,
}

impl Decoder for Chat {
    fn event(&mut self, _: &str, data: &str) -> Result<Vec<Delta>, Failure> {
        let data = data.trim();
        if data == "[DONE]" {
            return self.end();
        }
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("a chunk: {error}")))?;
        if let Some(error) = chunk.error {
            let message = error.get("message").and_then(Value::as_str);
            return Err(Failure::Provider(message.map_or_else(|| error.to_string(), str::to_owned)));
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
            if let Some(reason) = choice.finish_reason {
                self.finished = Some(match reason.as_str() {
                    "length" => StopReason::MaxTokens,
                    "content_filter" => StopReason::Refusal,
                    // Some servers say `stop` when they call tools.
                    _ if !self.begun.is_empty() => StopReason::ToolUse,
                    "stop" | "eos" | "tool_calls" | "function_call" => StopReason::EndTurn,
                    other => {
                        return Err(Failure::Malformed(format!("finish_reason `{other}`")));
                    }
                });
            }
        }
        if let Some(usage) = chunk.usage {
            let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens);
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
    fn call(&mut self, call: CallChunk, deltas: &mut Vec<Delta>) {
        let name = call.function.as_ref().and_then(|function| function.name.clone());
        let name = name.filter(|name| !name.is_empty());
        // Without numbers, a name begins the next call.
        let unnumbered = match (&name, self.begun.is_empty()) {
            (Some(_), false) => self.current + 1,
            _ => self.current,
        };
        let index = call.index.unwrap_or(unnumbered);
        self.current = index;
        if let Some(name) = name
            && self.begun.insert(index)
        {
            let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{index}"));
            deltas.push(Delta::ToolCallStart { index, id, name });
        }
        let json = match call.function.and_then(|function| function.arguments) {
            Some(Value::String(json)) if !json.is_empty() => json,
            // Some servers send the object itself.
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => return,
        };
        deltas.push(Delta::ToolCallInput { index, json });
    }
}
