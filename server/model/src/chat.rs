//! Chat Completions, as OpenAI and many others (Ollama, llama.cpp, vLLM) speak it.

use crate::connect::ProviderKind;
use crate::decode::{Decoder, Failure};
use crate::http::{Authorization, Call};
use crate::remote::{Model, decoders, turn_start};
use crate::untrusted::{count, wire_name};
use crate::{Delta, Request};
use boxagnts_protocol::conversation::{Content, Image, Role, StopReason, TokenUsage, ToolResult};
use boxagnts_protocol::tool::ToolSpec;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The field in which services give thoughts that they want back while the turn goes on.
const REASONING: &str = "reasoning_content";

pub(crate) fn call(model: &Model, request: &Request) -> Call {
    Call {
        path: "/chat/completions".to_owned(),
        overlap: &[],
        authorization: Authorization::Bearer,
        headers: Vec::new(),
        body: body(model, request),
        decoder: decoders(ProviderKind::OpenAiChat, model),
        slow_start: false,
    }
}

fn body(model: &Model, request: &Request) -> Vec<u8> {
    let mut messages = vec![json!({"role": "system", "content": &*request.system})];
    let turn = turn_start(&request.messages);
    for (index, message) in request.messages.iter().enumerate() {
        let mut text = String::new();
        let mut images = Vec::new();
        let mut calls = Vec::new();
        let mut thoughts = String::new();
        for content in &message.content {
            match content {
                Content::Text { text: more } => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(more);
                }
                Content::Image(image) => images.push(picture(image)),
                Content::Thinking(thinking) => {
                    let own = model
                        .own(thinking)
                        .filter(|own| own.opaque["field"] == REASONING);
                    if let Some(own) = own.filter(|_| index > turn) {
                        thoughts.push_str(&own.text);
                    }
                }
                Content::ToolCall(call) => calls.push(json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": wire_name(&call.name), "arguments": arguments(&call.input)},
                })),
                // Results are messages of their own, right behind the calls.
                Content::ToolResult(result) => messages.push(json!({
                    "role": "tool",
                    "tool_call_id": result.id,
                    "content": told(result),
                })),
            }
        }
        match message.role {
            Role::User if text.is_empty() && images.is_empty() => {}
            Role::User if images.is_empty() => {
                messages.push(json!({"role": "user", "content": text}));
            }
            Role::User => {
                if !text.is_empty() {
                    images.push(json!({"type": "text", "text": text}));
                }
                messages.push(json!({"role": "user", "content": images}));
            }
            Role::Assistant => {
                let mut said = json!({"role": "assistant", "content": text});
                if !thoughts.is_empty() {
                    said[REASONING] = json!(thoughts);
                }
                if !calls.is_empty() {
                    said["tool_calls"] = Value::Array(calls);
                }
                messages.push(said);
            }
        }
    }
    let mut body = json!({
        "model": model.name,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    // OpenAI itself has given the field another name, others know only the old one.
    let limit = if model.is_openai {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    body[limit] = json!(request.max_output_tokens);
    if let Some(effort) = model.effort {
        body["reasoning_effort"] = json!(effort.name());
    }
    if !request.tools.is_empty() {
        body["tools"] = functions(&request.tools);
    }
    body.to_string().into_bytes()
}

fn picture(image: &Image) -> Value {
    json!({"type": "image_url", "image_url": {"url": data_url(image)}})
}

/// A picture as an address.
pub(crate) fn data_url(image: &Image) -> String {
    format!("data:{};base64,{}", image.media_type, image.data)
}

/// Tools, as functions that may be called.
pub(crate) fn functions(tools: &[ToolSpec]) -> Value {
    let function = |tool: &ToolSpec| {
        json!({
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
            },
        })
    };
    tools.iter().map(function).collect()
}

/// What a tool answered, where the format has no place for its failing.
pub(crate) fn told(result: &ToolResult) -> Cow<'_, str> {
    match result.is_error {
        true => Cow::Owned(format!("error: {}", result.output)),
        false => Cow::Borrowed(&result.output),
    }
}

/// What the model gave as input, in the form in which it gave it.
pub(crate) fn arguments(input: &Value) -> String {
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
    content: Option<Said>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<Value>,
    tool_calls: Option<Vec<CallChunk>>,
}

/// Text, or parts of which some are text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Text(String),
    Parts(Vec<Value>),
}

impl Said {
    fn into_text(self) -> String {
        match self {
            Said::Text(text) => text,
            Said::Parts(parts) => {
                let texts = parts.iter().filter(|part| part["type"] == "text");
                texts.filter_map(|part| part["text"].as_str()).collect()
            }
        }
    }
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
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<Cached>,
}

#[derive(Deserialize)]
struct Cached {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
}

/// Reads chunks.
pub(crate) struct Chat {
    id: String,
    calls: Vec<Begun>,
    /// Thoughts so far, and the field in which they come.
    thoughts: Option<(&'static str, String)>,
    refused: bool,
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
    fn held(&self) -> usize {
        self.thoughts.as_ref().map_or(0, |(_, text)| text.len())
    }

    fn event(&mut self, data: &str) -> Result<Option<Vec<Delta>>, Failure> {
        let data = data.trim();
        if data == "[DONE]" {
            return self.end().map(Some);
        }
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("a chunk: {error}")))?;
        if let Some(error) = chunk.error {
            return Err(failure(&error));
        }
        let said = !chunk.choices.is_empty() || chunk.usage.is_some();
        let mut deltas = Vec::new();
        for choice in chunk.choices {
            if let Some(message) = choice.delta {
                self.said(message, &mut deltas);
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.finished = Some(self.reason(&reason)?);
            }
        }
        if let Some(usage) = chunk.usage {
            let details = usage.prompt_tokens_details;
            let details = details.map(|of| (of.cached_tokens, of.cache_write_tokens));
            let (cached, written) = details.unwrap_or_default();
            let (cached, written) = (cached.unwrap_or(0), written.unwrap_or(0));
            // Both are among those of the prompt.
            let prompt = usage.prompt_tokens.unwrap_or(0);
            deltas.push(Delta::Usage(TokenUsage {
                input_tokens: prompt.saturating_sub(cached).saturating_sub(written),
                output_tokens: usage.completion_tokens.unwrap_or(0),
                cache_read_tokens: cached,
                cache_write_tokens: written,
            }));
        }
        Ok(said.then_some(deltas))
    }

    fn end(&mut self) -> Result<Vec<Delta>, Failure> {
        let Some(reason) = self.finished else {
            return Err(Failure::ended_early());
        };
        let mut deltas = Vec::new();
        self.thought(&mut deltas);
        deltas.push(Delta::Stop(reason));
        Ok(deltas)
    }
}

impl Chat {
    pub(crate) fn new(id: String) -> Chat {
        Chat {
            id,
            calls: Vec::new(),
            thoughts: None,
            refused: false,
            finished: None,
        }
    }

    fn said(&mut self, message: Message, deltas: &mut Vec<Delta>) {
        let reasoning = message.reasoning.as_ref().and_then(Value::as_str);
        let thoughts = match (message.reasoning_content.as_deref(), reasoning) {
            (Some(text), _) => Some((REASONING, text)),
            (None, Some(text)) => Some(("reasoning", text)),
            (None, None) => None,
        };
        if let Some((field, more)) = thoughts.filter(|(_, text)| !text.is_empty()) {
            let (_, text) = self.thoughts.get_or_insert((field, String::new()));
            text.push_str(more);
        }
        let refusal = message.refusal.filter(|text| !text.is_empty());
        self.refused |= refusal.is_some();
        let texts = message
            .content
            .map(Said::into_text)
            .into_iter()
            .chain(refusal);
        for text in texts.filter(|text| !text.is_empty()) {
            self.thought(deltas);
            deltas.push(Delta::Text(text));
        }
        for call in message.tool_calls.into_iter().flatten() {
            self.call(call, deltas);
        }
    }

    /// Thoughts are complete when something else comes.
    fn thought(&mut self, deltas: &mut Vec<Delta>) {
        if let Some((field, text)) = self.thoughts.take() {
            deltas.push(Model::thinking(&self.id, text, json!({"field": field})));
        }
    }

    fn reason(&self, reason: &str) -> Result<StopReason, Failure> {
        Ok(match reason {
            "length" | "model_length" => StopReason::MaxTokens,
            "error" | "abort" => {
                return Err(Failure::Provider(format!("finish_reason `{reason}`")));
            }
            "content_filter" => StopReason::Refusal,
            // Some servers say `stop` when they call tools.
            _ if !self.calls.is_empty() => StopReason::ToolUse,
            "stop" | "eos" if self.refused => StopReason::Refusal,
            "stop" | "eos" | "tool_calls" | "function_call" => StopReason::EndTurn,
            other => {
                return Err(Failure::Malformed(format!("finish_reason `{other}`")));
            }
        })
    }

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
                self.thought(deltas);
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
