//! Gemini's `streamGenerateContent`.

use crate::connect::{Effort, ProviderKind};
use crate::decode::{Decoder, Failure};
use crate::http::{Authorization, Call};
use crate::models::ThinkingStyle;
use crate::remote::{Model, decoders, results_first, turn_start};
use crate::untrusted::{count, wire_name};
use crate::{Delta, Request};
use boxagnts_protocol::conversation::{
    Content, Message, Role, StopReason, TokenUsage, ToolCall, ToolResult,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Begins ids that are made here: older models give none.
const OWN_ID: &str = "gemini_call_";

/// What stands for a signature where the model made none, as the API's documentation says.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

pub(crate) fn call(model: &Model, request: &Request) -> Call {
    let name = match model.name.contains('/') {
        true => model.name.clone(),
        false => format!("models/{}", model.name),
    };
    Call {
        path: format!("/v1beta/{name}:streamGenerateContent?alt=sse"),
        overlap: &["/v1beta", "/v1"],
        authorization: Authorization::Header("x-goog-api-key"),
        headers: Vec::new(),
        body: body(model, request),
        decoder: decoders(ProviderKind::Gemini, model),
        slow_start: false,
    }
}

fn body(model: &Model, request: &Request) -> Vec<u8> {
    let mut names = HashMap::new();
    let turn = turn_start(&request.messages);
    let mut contents: Vec<Value> = Vec::new();
    for (index, message) in request.messages.iter().enumerate() {
        let mut parts = parts(model, message, &mut names);
        if index > turn {
            sign(model, &mut parts);
        }
        if parts.is_empty() {
            continue;
        }
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "model",
        };
        contents.push(json!({"role": role, "parts": parts}));
    }
    let mut body = json!({
        "contents": contents,
        "generationConfig": {"maxOutputTokens": request.max_output_tokens},
    });
    if !request.system.is_empty() {
        body["systemInstruction"] = json!({"parts": [{"text": &*request.system}]});
    }
    if let Some(thinking) = model.effort.and_then(|effort| thinking(model, effort)) {
        body["generationConfig"]["thinkingConfig"] = thinking;
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                // `parameters` takes a part of OpenAPI, and refuses what else there is.
                "parametersJsonSchema": tool.input_schema,
            })
        });
        body["tools"] = json!([{"functionDeclarations": tools.collect::<Vec<Value>>()}]);
    }
    body.to_string().into_bytes()
}

fn thinking(model: &Model, effort: Effort) -> Option<Value> {
    match model.style {
        Some(ThinkingStyle::None) => None,
        Some(ThinkingStyle::Budget) => {
            let budget = match effort {
                Effort::Low => 1024,
                Effort::Medium => 8192,
                Effort::High => 24_576,
            };
            Some(json!({"thinkingBudget": budget}))
        }
        Some(ThinkingStyle::Level) | None => Some(json!({"thinkingLevel": effort.name()})),
    }
}

fn parts<'a>(
    model: &Model,
    message: &'a Message,
    names: &mut HashMap<&'a str, &'a str>,
) -> Vec<Value> {
    let mut parts = Vec::new();
    // A signature and the kind of part that it belongs to, which comes next.
    let mut signature: Option<(Value, &str)> = None;
    for content in results_first(message) {
        let (kind, mut part) = match content {
            Content::Text { text } if text.is_empty() => continue,
            Content::Text { text } => ("text", json!({"text": text})),
            Content::Image(image) => (
                "image",
                json!({"inlineData": {"mimeType": image.media_type, "data": image.data}}),
            ),
            Content::Thinking(thinking) => {
                parts.extend(signature.take().and_then(alone));
                let Some(own) = model.own(thinking) else {
                    continue;
                };
                let sign = own.opaque["thoughtSignature"].clone();
                match (own.opaque["of"].as_str(), sign.is_string()) {
                    (Some("thought"), true) => parts.push(json!({
                        "text": own.text, "thought": true, "thoughtSignature": sign,
                    })),
                    (Some(of), true) => signature = Some((sign, of)),
                    _ => {}
                }
                continue;
            }
            Content::ToolCall(call) => {
                names.insert(&call.id, &call.name);
                ("call", called(call))
            }
            Content::ToolResult(result) => {
                let name = names.get(result.id.as_str()).copied().unwrap_or_default();
                ("result", answered(result, name))
            }
        };
        if let Some((sign, of)) = signature.take() {
            match of == kind {
                true => part["thoughtSignature"] = sign,
                false => parts.extend(alone((sign, of))),
            }
        }
        parts.push(part);
    }
    parts.extend(signature.and_then(alone));
    parts
}

/// A signature whose part had nothing else in it.
fn alone((signature, of): (Value, &str)) -> Option<Value> {
    (of == "text").then(|| json!({"text": "", "thoughtSignature": signature}))
}

fn called(call: &ToolCall) -> Value {
    // Only objects are taken; what the model really sent was answered with an error.
    let args = match call.input.is_object() {
        true => call.input.clone(),
        false => json!({}),
    };
    let mut function = json!({"name": wire_name(&call.name), "args": args});
    if !call.id.starts_with(OWN_ID) {
        function["id"] = json!(call.id);
    }
    json!({"functionCall": function})
}

fn answered(result: &ToolResult, name: &str) -> Value {
    let key = if result.is_error { "error" } else { "output" };
    let mut function = json!({"name": wire_name(name), "response": {key: result.output}});
    if !result.id.starts_with(OWN_ID) {
        function["id"] = json!(result.id);
    }
    json!({"functionResponse": function})
}

/// Newer models refuse a step of the turn whose first call is not signed.
fn sign(model: &Model, parts: &mut [Value]) {
    let first = parts
        .iter_mut()
        .find(|part| part["functionCall"].is_object());
    if let Some(first) = first
        && model.name.contains("gemini-3")
        && first["thoughtSignature"].is_null()
    {
        first["thoughtSignature"] = json!(NO_SIGNATURE);
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    candidates: Option<Vec<Candidate>>,
    usage_metadata: Option<Usage>,
    prompt_feedback: Option<Feedback>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Parts>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
}

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    thought_signature: Option<String>,
    function_call: Option<FunctionCall>,
}

#[derive(Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: String,
    args: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    #[serde(default, deserialize_with = "count")]
    prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    candidates_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    thoughts_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cached_content_token_count: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    tool_use_prompt_token_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
struct ApiError {
    code: Option<u16>,
    message: Option<String>,
}

/// Reads chunks.
pub(crate) struct Gemini {
    id: String,
    calls: usize,
    thoughts: String,
    finished: Option<StopReason>,
}

impl Gemini {
    pub(crate) fn new(id: String) -> Gemini {
        Gemini {
            id,
            calls: 0,
            thoughts: String::new(),
            finished: None,
        }
    }

    fn part(&mut self, part: Part, deltas: &mut Vec<Delta>) {
        let text = part.text.unwrap_or_default();
        if part.thought {
            self.thoughts.push_str(&text);
        }
        if let Some(signature) = part.thought_signature {
            let of = match (&part.function_call, part.thought) {
                (Some(_), _) => "call",
                (None, true) => "thought",
                (None, false) => "text",
            };
            let opaque = json!({"thoughtSignature": signature, "of": of});
            let thoughts = std::mem::take(&mut self.thoughts);
            deltas.push(Model::thinking(&self.id, thoughts, opaque));
        }
        if !part.thought && !text.is_empty() {
            deltas.push(Delta::Text(text));
        }
        if let Some(call) = part.function_call {
            let index = self.calls;
            self.calls += 1;
            let id = call.id.filter(|id| !id.is_empty());
            deltas.push(Delta::ToolCallStart {
                index,
                id: id.unwrap_or_else(|| format!("{OWN_ID}{index}")),
                name: call.name,
            });
            if let Some(args) = call.args.filter(|args| !args.is_null()) {
                let json = args.to_string();
                deltas.push(Delta::ToolCallInput { index, json });
            }
        }
    }

    fn reason(&self, reason: &str, message: Option<String>) -> Result<StopReason, Failure> {
        let said = || match &message {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        };
        Ok(match reason {
            "STOP" if self.calls > 0 => StopReason::ToolUse,
            "STOP" => StopReason::EndTurn,
            "MAX_TOKENS" => StopReason::MaxTokens,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "IMAGE_SAFETY" => StopReason::Refusal,
            // The model's mistakes: it may not make them again.
            "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" | "UNEXPECTED_TOOL_CALL" => {
                return Err(Failure::Overloaded(said()));
            }
            _ => return Err(Failure::Provider(said())),
        })
    }
}

impl Decoder for Gemini {
    fn held(&self) -> usize {
        self.thoughts.len()
    }

    fn event(&mut self, data: &str) -> Result<Option<Vec<Delta>>, Failure> {
        let chunk: Chunk = serde_json::from_str(data)
            .map_err(|error| Failure::Malformed(format!("a chunk: {error}")))?;
        if let Some(error) = chunk.error {
            let message = error.message.unwrap_or_else(|| "no explanation".to_owned());
            return Err(match error.code {
                Some(429 | 500..) => Failure::Overloaded(message),
                _ => Failure::Provider(message),
            });
        }
        let mut deltas = Vec::new();
        let mut alive = false;
        for candidate in chunk.candidates.into_iter().flatten() {
            alive = true;
            for part in candidate.content.into_iter().flat_map(|parts| parts.parts) {
                self.part(part, &mut deltas);
            }
            if let Some(reason) = candidate.finish_reason {
                self.finished = Some(self.reason(&reason, candidate.finish_message)?);
            }
        }
        if let Some(feedback) = chunk.prompt_feedback
            && feedback.block_reason.is_some()
        {
            alive = true;
            self.finished = Some(StopReason::Refusal);
        }
        if let Some(usage) = chunk.usage_metadata {
            let count = |count: Option<u64>| count.unwrap_or(0);
            let cached = count(usage.cached_content_token_count);
            let input = count(usage.prompt_token_count)
                .saturating_add(count(usage.tool_use_prompt_token_count));
            deltas.push(Delta::Usage(TokenUsage {
                input_tokens: input.saturating_sub(cached),
                output_tokens: count(usage.candidates_token_count)
                    .saturating_add(count(usage.thoughts_token_count)),
                cache_read_tokens: cached,
                cache_write_tokens: 0,
            }));
        }
        Ok((alive || !deltas.is_empty()).then_some(deltas))
    }

    fn end(&mut self) -> Result<Vec<Delta>, Failure> {
        let Some(reason) = self.finished else {
            return Err(Failure::ended_early());
        };
        let mut deltas = Vec::new();
        if !self.thoughts.is_empty() {
            let thoughts = std::mem::take(&mut self.thoughts);
            deltas.push(Model::thinking(&self.id, thoughts, Value::Null));
        }
        deltas.push(Delta::Stop(reason));
        Ok(deltas)
    }
}
