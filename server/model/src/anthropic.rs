//! Anthropic's Messages.

use crate::connect::{Effort, ProviderKind};
use crate::decode::{AROUND, Decoder, Failure};
use crate::http::{Authorization, Call};
use crate::models::ThinkingStyle;
use crate::remote::{Model, decoders, results_first};
use crate::untrusted::{count, wire_name};
use crate::{Delta, Request};
use boxagnts_protocol::conversation::{Content, Role, StopReason, Thinking, TokenUsage};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The smallest number of tokens for thoughts that the API takes.
const LEAST_BUDGET: u64 = 1024;

pub(crate) fn call(model: &Model, request: &Request) -> Call {
    let body = body(model, request);
    let mut headers = vec![("anthropic-version", "2023-06-01")];
    if body["thinking"]["type"] == "enabled" {
        // Thoughts between tool calls; models that think by levels do that by themselves.
        headers.push(("anthropic-beta", "interleaved-thinking-2025-05-14"));
    }
    Call {
        path: "/v1/messages".to_owned(),
        overlap: &["/v1"],
        authorization: Authorization::Header("x-api-key"),
        headers,
        body: body.to_string().into_bytes(),
        decoder: decoders(ProviderKind::Anthropic, model),
        slow_start: false,
    }
}

fn body(model: &Model, request: &Request) -> Value {
    let mut messages: Vec<Value> = Vec::new();
    for message in request.messages.iter() {
        let mut blocks: Vec<Value> = results_first(message)
            .filter_map(|content| block(model, content))
            .collect();
        // The API refuses messages that end with thoughts.
        while blocks.last().is_some_and(is_thought) {
            blocks.pop();
        }
        if blocks.is_empty() {
            continue;
        }
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        messages.push(json!({"role": role, "content": blocks}));
    }
    // The provider keeps what comes before these marks and reads it from there for a tenth of the
    // price: tools and system for all requests, and the last two messages of the user, of which
    // the first was the last one of the request before. It takes four at most.
    let mark = json!({"type": "ephemeral"});
    let of_user = messages.iter_mut().rev().filter(|m| m["role"] == "user");
    for message in of_user.take(2) {
        let blocks = message["content"].as_array_mut();
        if let Some(block) = blocks.and_then(|blocks| blocks.last_mut()) {
            block["cache_control"] = mark.clone();
        }
    }
    let mut body = json!({
        "model": model.name,
        "max_tokens": request.max_output_tokens,
        "stream": true,
        "messages": messages,
    });
    if !request.system.trim().is_empty() {
        let system = json!({"type": "text", "text": &*request.system, "cache_control": mark});
        body["system"] = json!([system]);
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.input_schema,
            })
        });
        let mut tools: Vec<Value> = tools.collect();
        if let Some(last) = tools.last_mut() {
            last["cache_control"] = mark;
        }
        body["tools"] = Value::Array(tools);
    }
    if let Some(effort) = model.effort {
        think(&mut body, effort, model.style, request.max_output_tokens);
    }
    body
}

/// Asks for thoughts.
fn think(body: &mut Value, effort: Effort, style: Option<ThinkingStyle>, max_tokens: u64) {
    match style {
        Some(ThinkingStyle::None) => {}
        Some(ThinkingStyle::Budget) => {
            let wanted = match effort {
                Effort::Low => 4096,
                Effort::Medium => 12_288,
                Effort::High => 24_576,
            };
            // Thoughts are part of the answer: half of it is left for the rest.
            let budget = wanted.min(max_tokens / 2);
            if budget >= LEAST_BUDGET {
                body["thinking"] = json!({"type": "enabled", "budget_tokens": budget});
            }
        }
        // Newer models know no budgets any more.
        Some(ThinkingStyle::Level) | None => {
            body["thinking"] = json!({"type": "adaptive"});
            body["output_config"] = json!({"effort": effort.name()});
        }
    }
}

fn is_thought(block: &Value) -> bool {
    matches!(
        block["type"].as_str(),
        Some("thinking" | "redacted_thinking")
    )
}

/// Thoughts as they came; ones without a signature would be refused.
fn thought(thinking: &Thinking) -> Option<Value> {
    let opaque = &thinking.opaque;
    match opaque["type"].as_str()? {
        "thinking" => Some(json!({
            "type": "thinking",
            "thinking": thinking.text,
            "signature": opaque["signature"].as_str().filter(|s| !s.is_empty())?,
        })),
        "redacted_thinking" => Some(json!({
            "type": "redacted_thinking",
            "data": opaque["data"].as_str()?,
        })),
        _ => None,
    }
}

fn block(model: &Model, content: &Content) -> Option<Value> {
    match content {
        Content::Thinking(thinking) => thought(model.own(thinking)?),
        Content::Image(image) => Some(json!({"type": "image", "source": {
            "type": "base64", "media_type": image.media_type, "data": image.data,
        }})),
        // The API refuses blocks without text.
        Content::Text { text } if text.trim().is_empty() => None,
        Content::Text { text } => Some(json!({"type": "text", "text": text})),
        Content::ToolCall(call) => {
            // Only objects are taken; what the model really sent was answered with an error.
            let input = if call.input.is_object() {
                call.input.clone()
            } else {
                json!({})
            };
            Some(
                json!({"type": "tool_use", "id": id(&call.id), "name": wire_name(&call.name), "input": input}),
            )
        }
        Content::ToolResult(result) => Some(json!({
            "type": "tool_result",
            "tool_use_id": id(&result.id),
            // The API refuses errors without text.
            "content": match result.output.as_str() {
                "" if result.is_error => "failed, and gave no reason",
                output => output,
            },
            "is_error": result.is_error,
        })),
    }
}

/// An id in the characters that the API takes; another provider may have given it.
fn id(id: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    id.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        index: usize,
        content_block: Block,
    },
    ContentBlockDelta {
        index: usize,
        delta: BlockDelta,
    },
    ContentBlockStop {
        index: usize,
    },
    Ping {},
    MessageDelta {
        delta: Ending,
        usage: Option<Usage>,
    },
    MessageStop,
    Error {
        error: ApiError,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Started {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::enum_variant_names)]
enum BlockDelta {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    SignatureDelta {
        signature: String,
    },
    #[serde(other)]
    OtherDelta,
}

#[derive(Deserialize)]
struct Ending {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
}

/// Reads events.
pub(crate) struct Messages {
    id: String,
    usage: TokenUsage,
    stop: Option<StopReason>,
    /// Thoughts that have begun, by their place.
    thoughts: BTreeMap<usize, Thought>,
    /// Bytes of them, and something for each.
    held: usize,
}

enum Thought {
    Open { text: String, signature: String },
    Redacted { data: String },
}

impl Thought {
    fn len(&self) -> usize {
        AROUND
            + match self {
                Thought::Open { text, signature } => text.len() + signature.len(),
                Thought::Redacted { data } => data.len(),
            }
    }
}

impl Decoder for Messages {
    fn held(&self) -> usize {
        self.held
    }

    fn event(&mut self, data: &str) -> Result<Option<Vec<Delta>>, Failure> {
        let event: Event = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("an event: {error}")))?;
        Ok(Some(match event {
            Event::MessageStart { message } => self.used(message.usage),
            Event::ContentBlockStart {
                index,
                content_block,
            } => self.begun(index, content_block),
            Event::ContentBlockDelta { index, delta } => self.more(index, delta),
            Event::ContentBlockStop { index } => {
                let thought = self.thoughts.remove(&index);
                self.held -= thought.as_ref().map_or(0, Thought::len);
                thought
                    .map(|thought| self.thought(thought))
                    .into_iter()
                    .collect()
            }
            Event::MessageDelta { delta, usage } => {
                if let Some(reason) = delta.stop_reason {
                    self.stop = Some(match reason.as_str() {
                        "end_turn" | "stop_sequence" | "pause_turn" => StopReason::EndTurn,
                        "tool_use" => StopReason::ToolUse,
                        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
                        "refusal" => StopReason::Refusal,
                        other => return Err(Failure::Malformed(format!("stop_reason `{other}`"))),
                    });
                }
                self.used(usage)
            }
            Event::MessageStop => self.end()?,
            Event::Error {
                error: ApiError { kind, message },
            } => {
                let said = format!("{kind}: {message}");
                return Err(match kind.as_str() {
                    "overloaded_error" | "api_error" | "rate_limit_error" | "timeout_error" => {
                        Failure::Overloaded(said)
                    }
                    _ => Failure::Provider(said),
                });
            }
            Event::Ping {} | Event::Other => return Ok(None),
        }))
    }

    fn end(&mut self) -> Result<Vec<Delta>, Failure> {
        match self.stop {
            Some(reason) => Ok(vec![Delta::Stop(reason)]),
            None => Err(Failure::ended_early()),
        }
    }
}

impl Messages {
    pub(crate) fn new(id: String) -> Messages {
        Messages {
            id,
            usage: TokenUsage::default(),
            stop: None,
            thoughts: BTreeMap::new(),
            held: 0,
        }
    }

    fn begun(&mut self, index: usize, block: Block) -> Vec<Delta> {
        match block {
            Block::Text { text } if !text.is_empty() => vec![Delta::Text(text)],
            Block::ToolUse { id, name } => vec![Delta::ToolCallStart { index, id, name }],
            Block::Thinking {
                thinking: text,
                signature,
            } => {
                self.think(index, Thought::Open { text, signature });
                Vec::new()
            }
            Block::RedactedThinking { data } => {
                self.think(index, Thought::Redacted { data });
                Vec::new()
            }
            Block::Text { .. } | Block::Other => Vec::new(),
        }
    }

    fn think(&mut self, index: usize, thought: Thought) {
        self.held += thought.len();
        if let Some(before) = self.thoughts.insert(index, thought) {
            self.held -= before.len();
        }
    }

    fn more(&mut self, index: usize, delta: BlockDelta) -> Vec<Delta> {
        match delta {
            BlockDelta::TextDelta { text } => return vec![Delta::Text(text)],
            BlockDelta::InputJsonDelta { partial_json } => {
                return vec![Delta::ToolCallInput {
                    index,
                    json: partial_json,
                }];
            }
            BlockDelta::ThinkingDelta { thinking } => {
                if let Some(Thought::Open { text, .. }) = self.thoughts.get_mut(&index) {
                    text.push_str(&thinking);
                    self.held += thinking.len();
                }
            }
            BlockDelta::SignatureDelta { signature: more } => {
                if let Some(Thought::Open { signature, .. }) = self.thoughts.get_mut(&index) {
                    signature.push_str(&more);
                    self.held += more.len();
                }
            }
            BlockDelta::OtherDelta => {}
        }
        Vec::new()
    }

    fn thought(&self, thought: Thought) -> Delta {
        match thought {
            Thought::Open { text, signature } => {
                let opaque = json!({"type": "thinking", "signature": signature});
                Model::thinking(&self.id, text, opaque)
            }
            Thought::Redacted { data } => {
                let opaque = json!({"type": "redacted_thinking", "data": data});
                Model::thinking(&self.id, String::new(), opaque)
            }
        }
    }

    /// Counts are cumulative; what an event leaves out stays as it was.
    fn used(&mut self, usage: Option<Usage>) -> Vec<Delta> {
        let Some(usage) = usage else {
            return Vec::new();
        };
        let put = |slot: &mut u64, value: Option<u64>| *slot = value.unwrap_or(*slot);
        put(&mut self.usage.input_tokens, usage.input_tokens);
        put(&mut self.usage.output_tokens, usage.output_tokens);
        put(
            &mut self.usage.cache_read_tokens,
            usage.cache_read_input_tokens,
        );
        put(
            &mut self.usage.cache_write_tokens,
            usage.cache_creation_input_tokens,
        );
        vec![Delta::Usage(self.usage)]
    }
}
