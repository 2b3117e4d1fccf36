//! OpenAI's Responses. Nothing is stored there: the conversation is sent each time, with the
//! model's thoughts, which come and go encrypted.

use crate::chat::{arguments, data_url, told};
use crate::connect::ProviderKind;
use crate::decode::{Decoder, Failure};
use crate::http::{Authorization, Call};
use crate::models::ThinkingStyle;
use crate::remote::{Model, decoders, results_first};
use crate::untrusted::{count, wire_name};
use crate::{Delta, Request};
use boxagnts_protocol::conversation::{Content, Message, Role, StopReason, Thinking, TokenUsage};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The API refuses to say less.
const LEAST_OUTPUT: u64 = 16;

pub(crate) fn call(model: &Model, request: &Request) -> Call {
    Call {
        path: "/responses".to_owned(),
        overlap: &[],
        authorization: Authorization::Bearer,
        headers: Vec::new(),
        body: body(model, request),
        decoder: decoders(ProviderKind::OpenAiResponses, model),
        slow_start: false,
    }
}

fn body(model: &Model, request: &Request) -> Vec<u8> {
    let input: Vec<Value> = request
        .messages
        .iter()
        .flat_map(|message| items(model, message))
        .collect();
    let mut body = json!({
        "model": model.name,
        "instructions": &*request.system,
        "input": input,
        "stream": true,
        "store": false,
        "max_output_tokens": request.max_output_tokens.max(LEAST_OUTPUT),
    });
    // Models that cannot think refuse to be asked for thoughts.
    if model.style != Some(ThinkingStyle::None) {
        body["include"] = json!(["reasoning.encrypted_content"]);
        if let Some(effort) = model.effort {
            body["reasoning"] = json!({"effort": effort.name()});
        }
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
                // What is strict must be in a schema of its own kind.
                "strict": false,
            })
        });
        body["tools"] = tools.collect();
    }
    body.to_string().into_bytes()
}

/// A message as items. Texts next to each other are one message.
fn items(model: &Model, message: &Message) -> Vec<Value> {
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut items: Vec<Value> = Vec::new();
    for content in results_first(message) {
        let part = match content {
            Content::Text { text } if text.is_empty() => continue,
            Content::Text { text } => match message.role {
                Role::User => json!({"type": "input_text", "text": text}),
                Role::Assistant => json!({"type": "output_text", "text": text}),
            },
            Content::Image(image) => {
                json!({"type": "input_image", "detail": "auto", "image_url": data_url(image)})
            }
            Content::Thinking(thinking) => {
                items.extend(model.own(thinking).and_then(thought));
                continue;
            }
            Content::ToolCall(call) => {
                items.push(json!({
                    "type": "function_call",
                    "call_id": call.id,
                    "name": wire_name(&call.name),
                    "arguments": arguments(&call.input),
                }));
                continue;
            }
            Content::ToolResult(result) => {
                items.push(json!({
                    "type": "function_call_output",
                    "call_id": result.id,
                    "output": told(result),
                }));
                continue;
            }
        };
        let open = items.last_mut().filter(|item| item["type"] == "message");
        match open.and_then(|item| item["content"].as_array_mut()) {
            Some(parts) => parts.push(part),
            None => items.push(json!({"type": "message", "role": role, "content": [part]})),
        }
    }
    // Thoughts must be followed by what they led to.
    while items.last().is_some_and(|item| item["type"] == "reasoning") {
        items.pop();
    }
    items
}

/// Thoughts as they came; without their encrypted form nothing could be read from them.
fn thought(thinking: &Thinking) -> Option<Value> {
    let opaque = &thinking.opaque;
    opaque["encrypted_content"].as_str()?;
    Some(opaque.clone())
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "response.output_item.added")]
    Added { output_index: usize, item: Item },
    #[serde(rename = "response.output_item.done")]
    Done { output_index: usize, item: Item },
    #[serde(rename = "response.output_text.delta")]
    Text { delta: String },
    #[serde(rename = "response.refusal.delta")]
    Refusal { delta: String },
    #[serde(rename = "response.function_call_arguments.delta")]
    Arguments { output_index: usize, delta: String },
    #[serde(rename = "response.reasoning_summary_text.delta")]
    Summary {},
    #[serde(rename = "response.reasoning_text.delta")]
    Reasoning {},
    #[serde(rename = "response.completed")]
    Completed { response: Response },
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Response },
    #[serde(rename = "response.failed")]
    Failed { response: Response },
    #[serde(rename = "error")]
    Error {
        code: Option<String>,
        message: Option<String>,
        error: Option<ApiError>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    FunctionCall {
        call_id: String,
        name: String,
        #[serde(default)]
        arguments: String,
    },
    Reasoning {
        id: Option<String>,
        #[serde(default)]
        summary: Vec<Value>,
        encrypted_content: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Response {
    usage: Option<Usage>,
    error: Option<ApiError>,
    incomplete_details: Option<Incomplete>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(alias = "type")]
    code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    input_tokens_details: Option<Cached>,
}

#[derive(Default, Deserialize)]
struct Cached {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
}

/// Reads events.
pub(crate) struct Responses {
    id: String,
    /// Calls that have begun, and whether their input came in pieces.
    calls: BTreeMap<usize, bool>,
    refused: bool,
}

impl Responses {
    pub(crate) fn new(id: String) -> Responses {
        Responses {
            id,
            calls: BTreeMap::new(),
            refused: false,
        }
    }

    fn begun(&mut self, index: usize, id: String, name: String, deltas: &mut Vec<Delta>) {
        if let std::collections::btree_map::Entry::Vacant(free) = self.calls.entry(index) {
            free.insert(false);
            deltas.push(Delta::ToolCallStart { index, id, name });
        }
    }

    fn done(&mut self, index: usize, item: Item) -> Vec<Delta> {
        let mut deltas = Vec::new();
        match item {
            Item::FunctionCall {
                call_id,
                name,
                arguments,
            } => {
                // Some servers send no pieces, and some not even a beginning.
                self.begun(index, call_id, name, &mut deltas);
                let in_pieces = self.calls.insert(index, true).unwrap_or(false);
                if !in_pieces && !arguments.is_empty() {
                    let json = arguments;
                    deltas.push(Delta::ToolCallInput { index, json });
                }
            }
            Item::Reasoning {
                id,
                summary,
                encrypted_content,
            } => {
                let texts = summary.iter().filter_map(|part| part["text"].as_str());
                let text = texts.collect::<Vec<&str>>().join("\n\n");
                let opaque = match encrypted_content {
                    Some(encrypted) => {
                        let mut item = json!({
                            "type": "reasoning",
                            "summary": summary,
                            "encrypted_content": encrypted,
                        });
                        if let Some(id) = id {
                            item["id"] = json!(id);
                        }
                        item
                    }
                    None => Value::Null,
                };
                if !text.is_empty() || !opaque.is_null() {
                    deltas.push(Model::thinking(&self.id, text, opaque));
                }
            }
            Item::Other => {}
        }
        deltas
    }

    fn ended(&self, response: Response, complete: bool) -> Result<Vec<Delta>, Failure> {
        let reason = response.incomplete_details.and_then(|why| why.reason);
        let stop = match (complete, reason.as_deref()) {
            (true, _) if !self.calls.is_empty() => StopReason::ToolUse,
            (true, _) if self.refused => StopReason::Refusal,
            (true, _) => StopReason::EndTurn,
            (false, Some("content_filter")) => StopReason::Refusal,
            (false, Some("max_output_tokens" | "max_tokens") | None) => StopReason::MaxTokens,
            (false, Some(other)) => {
                return Err(Failure::Malformed(format!("incomplete: `{other}`")));
            }
        };
        let mut deltas = Vec::new();
        if let Some(usage) = response.usage {
            let of = usage.input_tokens_details.unwrap_or_default();
            let read = of.cached_tokens.unwrap_or(0);
            let written = of.cache_write_tokens.unwrap_or(0);
            let all = usage.input_tokens.unwrap_or(0);
            deltas.push(Delta::Usage(TokenUsage {
                input_tokens: all.saturating_sub(read).saturating_sub(written),
                output_tokens: usage.output_tokens.unwrap_or(0),
                cache_read_tokens: read,
                cache_write_tokens: written,
            }));
        }
        deltas.push(Delta::Stop(stop));
        Ok(deltas)
    }
}

impl Decoder for Responses {
    fn held(&self) -> usize {
        0
    }

    fn event(&mut self, data: &str) -> Result<Option<Vec<Delta>>, Failure> {
        if data.trim() == "[DONE]" {
            return self.end().map(Some);
        }
        let event: Event = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("an event: {error}")))?;
        let mut deltas = Vec::new();
        match event {
            Event::Added { output_index, item } => {
                if let Item::FunctionCall { call_id, name, .. } = item {
                    self.begun(output_index, call_id, name, &mut deltas);
                }
            }
            Event::Done { output_index, item } => deltas = self.done(output_index, item),
            Event::Text { delta } => deltas.push(Delta::Text(delta)),
            Event::Refusal { delta } => {
                self.refused = true;
                deltas.push(Delta::Text(delta));
            }
            Event::Arguments {
                output_index,
                delta,
            } => {
                if let Some(in_pieces) = self.calls.get_mut(&output_index) {
                    *in_pieces |= !delta.is_empty();
                    let (index, json) = (output_index, delta);
                    deltas.push(Delta::ToolCallInput { index, json });
                }
            }
            Event::Summary {} | Event::Reasoning {} => {}
            Event::Completed { response } => deltas = self.ended(response, true)?,
            Event::Incomplete { response } => deltas = self.ended(response, false)?,
            Event::Failed { response } => {
                let error = response.error;
                let (code, message) = error.map_or((None, None), |e| (e.code, e.message));
                return Err(failure(code, message));
            }
            Event::Error {
                code,
                message,
                error,
            } => {
                let (inner, words) = error.map_or((None, None), |e| (e.code, e.message));
                return Err(failure(code.or(inner), message.or(words)));
            }
            Event::Other => return Ok(None),
        }
        Ok(Some(deltas))
    }

    fn end(&mut self) -> Result<Vec<Delta>, Failure> {
        Err(Failure::ended_early())
    }
}

fn failure(code: Option<String>, message: Option<String>) -> Failure {
    let code = code.unwrap_or_default();
    let message = message.unwrap_or_else(|| "no explanation".to_owned());
    let busy = [
        "server_error",
        "rate_limit",
        "overloaded",
        "timeout",
        "unavailable",
    ];
    match busy.iter().any(|busy| code.contains(busy)) {
        true => Failure::Overloaded(message),
        false => Failure::Provider(message),
    }
}
