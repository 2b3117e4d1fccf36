//! Ollama's own `/api/chat`: lines of JSON, and a window that is as large as the request needs.

use crate::chat::{functions, told};
use crate::connect::ProviderKind;
use crate::decode::{Decoder, Failure, Framing};
use crate::http::{Authorization, Call, Endpoint};
use crate::models::ThinkingStyle;
use crate::remote::{Model, decoders, results_first};
use crate::untrusted::{count, wire_name};
use crate::{Delta, Request};
use boxagnts_protocol::conversation::{Content, Role, StopReason, TokenUsage};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::sync::OnceCell;

/// Ends of base URLs that other ways of speaking to Ollama need.
const OVERLAP: &[&str] = &["/v1", "/api"];

/// The smallest window to ask for. Ollama's own default cuts the prompt of an agent without a word.
const LEAST_WINDOW: u64 = 16_384;

/// The largest window to ask for when the model does not say what it can.
const MOST_WINDOW: u64 = 131_072;

/// What Ollama says of a model, asked for once.
#[derive(Default)]
pub(crate) struct Local(OnceCell<Shown>);

/// What is known of a model from `/api/show`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Shown {
    context_window: Option<u64>,
    pub(crate) images: Option<bool>,
}

impl Local {
    pub(crate) async fn get(&self, endpoint: &Endpoint, model: &str) -> Shown {
        let ask = async || {
            let answer = endpoint
                .ask("/api/show", OVERLAP, json!({"model": model}))
                .await;
            // Nobody there now may be there later.
            answer.map(|answer| shown(&answer)).ok_or(())
        };
        self.0
            .get_or_try_init(ask)
            .await
            .copied()
            .unwrap_or_default()
    }
}

fn shown(answer: &Value) -> Shown {
    let info = answer["model_info"].as_object();
    let window = info.and_then(|info| {
        let mut entries = info.iter();
        entries.find_map(|(name, value)| name.ends_with(".context_length").then(|| value.as_u64()))
    });
    let abilities = answer["capabilities"].as_array();
    Shown {
        context_window: window.flatten(),
        images: abilities.map(|abilities| abilities.iter().any(|ability| ability == "vision")),
    }
}

pub(crate) fn call(model: &Model, shown: Shown, request: &Request) -> Call {
    Call {
        path: "/api/chat".to_owned(),
        overlap: OVERLAP,
        authorization: Authorization::Bearer,
        headers: Vec::new(),
        body: body(model, shown, request),
        decoder: decoders(ProviderKind::Ollama, model),
        slow_start: true,
    }
}

fn body(model: &Model, shown: Shown, request: &Request) -> Vec<u8> {
    let mut names = HashMap::new();
    let mut messages = vec![json!({"role": "system", "content": &*request.system})];
    for message in request.messages.iter() {
        let (mut text, mut thoughts) = (String::new(), String::new());
        let (mut images, mut calls) = (Vec::new(), Vec::new());
        for content in results_first(message) {
            match content {
                Content::Text { text: more } => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(more);
                }
                Content::Image(image) => images.push(image.data.as_str()),
                Content::Thinking(thinking) => {
                    if let Some(own) = model.own(thinking) {
                        thoughts.push_str(&own.text);
                    }
                }
                Content::ToolCall(call) => {
                    names.insert(call.id.as_str(), call.name.as_str());
                    let arguments = match call.input.is_object() {
                        true => call.input.clone(),
                        false => json!({}),
                    };
                    calls.push(json!({"function": {"name": wire_name(&call.name), "arguments": arguments}}));
                }
                Content::ToolResult(result) => {
                    let name = names.get(result.id.as_str()).copied().unwrap_or_default();
                    messages.push(json!({
                        "role": "tool",
                        "tool_name": wire_name(name),
                        "content": told(result),
                    }));
                }
            }
        }
        let mut said = match message.role {
            Role::User if text.is_empty() && images.is_empty() => continue,
            Role::User => json!({"role": "user", "content": text}),
            Role::Assistant => json!({"role": "assistant", "content": text}),
        };
        if !images.is_empty() {
            said["images"] = json!(images);
        }
        if !thoughts.is_empty() {
            said["thinking"] = json!(thoughts);
        }
        if !calls.is_empty() {
            said["tool_calls"] = Value::Array(calls);
        }
        messages.push(said);
    }
    let mut body = json!({"model": model.name, "messages": messages, "stream": true});
    if !request.tools.is_empty() {
        body["tools"] = functions(&request.tools);
    }
    if let Some(effort) = model.effort {
        // Few models know levels; all that think know that they are to.
        body["think"] = match model.style {
            Some(ThinkingStyle::Level) => json!(effort.name()),
            _ => json!(true),
        };
    }
    // A token has about three bytes.
    let needed = body.to_string().len() as u64 / 3 + request.max_output_tokens;
    body["options"] = json!({
        "num_ctx": window(needed, shown.context_window),
        "num_predict": request.max_output_tokens,
    });
    body.to_string().into_bytes()
}

/// Another window makes Ollama load the model again, so it grows by doubling.
fn window(needed: u64, most: Option<u64>) -> u64 {
    let most = most.unwrap_or(MOST_WINDOW);
    let doubled = needed.checked_next_power_of_two().unwrap_or(most);
    doubled.max(LEAST_WINDOW).min(most)
}

#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    #[serde(default, deserialize_with = "count")]
    prompt_eval_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<Called>>,
}

#[derive(Deserialize)]
struct Called {
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: Option<Value>,
}

/// Reads lines.
pub(crate) struct Lines {
    id: String,
    calls: usize,
    thoughts: String,
}

impl Lines {
    pub(crate) fn new(id: String) -> Lines {
        Lines {
            id,
            calls: 0,
            thoughts: String::new(),
        }
    }

    /// Thoughts are complete when something else comes.
    fn thought(&mut self, deltas: &mut Vec<Delta>) {
        if !self.thoughts.is_empty() {
            let thoughts = std::mem::take(&mut self.thoughts);
            deltas.push(Model::thinking(&self.id, thoughts, Value::Null));
        }
    }

    fn said(&mut self, message: Message, deltas: &mut Vec<Delta>) {
        self.thoughts
            .push_str(&message.thinking.unwrap_or_default());
        if let Some(text) = message.content.filter(|text| !text.is_empty()) {
            self.thought(deltas);
            deltas.push(Delta::Text(text));
        }
        for call in message.tool_calls.into_iter().flatten() {
            self.thought(deltas);
            let index = self.calls;
            self.calls += 1;
            let id = call.id.filter(|id| !id.is_empty());
            deltas.push(Delta::ToolCallStart {
                index,
                id: id.unwrap_or_else(|| format!("call_{index}")),
                name: call.function.name,
            });
            let arguments = call.function.arguments.filter(|value| !value.is_null());
            if let Some(arguments) = arguments {
                let json = match arguments {
                    Value::String(json) => json,
                    other => other.to_string(),
                };
                deltas.push(Delta::ToolCallInput { index, json });
            }
        }
    }
}

impl Decoder for Lines {
    fn held(&self) -> usize {
        self.thoughts.len()
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn event(&mut self, data: &str) -> Result<Option<Vec<Delta>>, Failure> {
        let line: Line = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("a line: {error}")))?;
        if let Some(error) = line.error {
            let message = error
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned);
            let busy = ["busy", "overloaded", "try again", "unavailable"];
            return Err(match busy.iter().any(|busy| message.contains(busy)) {
                true => Failure::Overloaded(message),
                false => Failure::Provider(message),
            });
        }
        let mut deltas = Vec::new();
        let alive = line.message.is_some() || line.done;
        if let Some(message) = line.message {
            self.said(message, &mut deltas);
        }
        if line.done {
            let stop = match line.done_reason.as_deref() {
                Some("length") => StopReason::MaxTokens,
                // The model was loaded or thrown out, and nothing was said.
                Some("load" | "unload") => return Err(Failure::ended_early()),
                _ if self.calls > 0 => StopReason::ToolUse,
                _ => StopReason::EndTurn,
            };
            self.thought(&mut deltas);
            if line.prompt_eval_count.or(line.eval_count).is_some() {
                deltas.push(Delta::Usage(TokenUsage {
                    input_tokens: line.prompt_eval_count.unwrap_or(0),
                    output_tokens: line.eval_count.unwrap_or(0),
                    ..TokenUsage::default()
                }));
            }
            deltas.push(Delta::Stop(stop));
        }
        Ok(alive.then_some(deltas))
    }

    fn end(&mut self) -> Result<Vec<Delta>, Failure> {
        Err(Failure::ended_early())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_by_doubling_as_far_as_the_model_can() {
        let check = |needed, most, expect| assert_eq!(window(needed, most), expect, "{needed}");
        check(1, None, 16_384);
        check(16_385, None, 32_768);
        check(1 << 40, None, 131_072);
        check(u64::MAX, None, 131_072);
        check(20_000, Some(8192), 8192);
        check(200_000, Some(1 << 20), 262_144);
    }

    #[test]
    fn what_is_shown_of_a_model_is_read() {
        let check = |answer: Value, window, images| {
            let expect = Shown {
                context_window: window,
                images,
            };
            assert_eq!(shown(&answer), expect, "{answer}");
        };
        check(json!({}), None, None);
        check(json!("x"), None, None);
        check(
            json!({"model_info": {"general.architecture": "q", "q.context_length": 40960},
                   "capabilities": ["completion", "tools"]}),
            Some(40960),
            Some(false),
        );
        check(json!({"capabilities": ["vision"]}), None, Some(true));
    }
}
