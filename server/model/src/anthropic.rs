//! Anthropic's Messages.

use crate::http::{Authorization, Call, Endpoint};
use crate::sse::{Decoder, Failure};
use crate::{Delta, DeltaStream, ModelError, Provider, Request};
use boxagnts_protocol::conversation::{Content, Price, Role, StopReason, TokenUsage};
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) struct Anthropic {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) price: Option<Price>,
    pub(crate) max_output_tokens: u64,
}

impl Provider for Anthropic {
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
        self.endpoint.stream(Call {
            path: "/v1/messages",
            authorization: Authorization::Header("x-api-key"),
            headers: &[("anthropic-version", "2023-06-01")],
            body: body(&self.model, &request),
            decoder,
        })
    }
}

fn body(model: &str, request: &Request) -> Vec<u8> {
    let mut messages: Vec<Value> = Vec::new();
    for message in request.messages.iter() {
        // Results stand before text, as the API demands.
        let (results, others): (Vec<&Content>, Vec<&Content>) = message
            .content
            .iter()
            .partition(|content| matches!(content, Content::ToolResult(_)));
        let blocks: Vec<Value> = results
            .into_iter()
            .chain(others)
            .filter_map(block)
            .collect();
        if blocks.is_empty() {
            continue;
        }
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        messages.push(json!({"role": role, "content": blocks}));
    }
    // The provider keeps what comes before these marks: the next request of the turn reads it from
    // there for a tenth of the price.
    let mark = json!({"type": "ephemeral"});
    let last = messages
        .last_mut()
        .and_then(|message| message["content"].as_array_mut());
    if let Some(block) = last.and_then(|blocks| blocks.last_mut()) {
        block["cache_control"] = mark.clone();
    }
    let mut body = json!({
        "model": model,
        "max_tokens": request.max_output_tokens,
        "stream": true,
        "system": [{"type": "text", "text": &*request.system, "cache_control": mark}],
        "messages": messages,
    });
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.input_schema,
            })
        });
        body["tools"] = tools.collect();
    }
    body.to_string().into_bytes()
}

fn block(content: &Content) -> Option<Value> {
    match content {
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
            Some(json!({"type": "tool_use", "id": id(&call.id), "name": call.name, "input": input}))
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
    ContentBlockStop {},
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
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

pub(crate) fn decoder() -> Box<dyn Decoder> {
    Box::new(Messages::default())
}

/// Reads events.
#[derive(Default)]
struct Messages {
    usage: TokenUsage,
    stop: Option<StopReason>,
}

impl Decoder for Messages {
    fn event(&mut self, data: &str) -> Result<Vec<Delta>, Failure> {
        let event: Event = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("an event: {error}")))?;
        Ok(match event {
            Event::MessageStart { message } => self.used(message.usage),
            Event::ContentBlockStart {
                index,
                content_block,
            } => match content_block {
                Block::Text { text } if !text.is_empty() => vec![Delta::Text(text)],
                Block::ToolUse { id, name } => vec![Delta::ToolCallStart { index, id, name }],
                Block::Text { .. } | Block::Other => Vec::new(),
            },
            Event::ContentBlockDelta { index, delta } => match delta {
                BlockDelta::TextDelta { text } => vec![Delta::Text(text)],
                BlockDelta::InputJsonDelta { partial_json } => {
                    vec![Delta::ToolCallInput {
                        index,
                        json: partial_json,
                    }]
                }
                BlockDelta::OtherDelta => Vec::new(),
            },
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
            Event::MessageStop => return self.end(),
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
            Event::ContentBlockStop {} | Event::Other => Vec::new(),
        })
    }

    fn end(&mut self) -> Result<Vec<Delta>, Failure> {
        match self.stop {
            Some(reason) => Ok(vec![Delta::Stop(reason)]),
            None => Err(Failure::Lost("the answer ended in the middle".to_owned())),
        }
    }
}

impl Messages {
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
