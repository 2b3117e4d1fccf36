//! Gemini's `streamGenerateContent`: parts come whole, and a call is one.

use super::super::{SIGNATURE, Turn};
use super::{Event, TEXT_PIECE, input, pieces, whole_calls};
use boxagnts_protocol::conversation::StopReason;
use serde_json::{Value, json};

pub(super) fn events(turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
    let usage = &turn.usage;
    let prompt = usage.input_tokens + usage.cache_read_tokens;
    let counts = json!({
        "promptTokenCount": prompt,
        "candidatesTokenCount": usage.output_tokens,
        "totalTokenCount": prompt + usage.output_tokens,
        "cachedContentTokenCount": usage.cache_read_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    });
    let chunk = |part: Value, reason: Option<&str>, is_piece| {
        let mut candidate = json!({"content": {"parts": [part], "role": "model"}, "index": 0});
        if let Some(reason) = reason {
            candidate["finishReason"] = json!(reason);
        }
        let data = json!({
            "candidates": [candidate],
            "usageMetadata": counts,
            "modelVersion": request["model"],
            "responseId": "response-1",
        });
        Event {
            text: format!("data: {data}\r\n\r\n"),
            is_piece,
        }
    };
    let mut events: Vec<Event> = pieces(&turn.thinking, TEXT_PIECE)
        .into_iter()
        .map(|piece| chunk(json!({"text": piece, "thought": true}), None, false))
        .collect();
    for piece in pieces(&turn.text, TEXT_PIECE) {
        events.push(chunk(json!({"text": piece}), None, true));
    }
    // The first call is signed, or the end when there is none.
    let mut unsigned = !turn.thinking.is_empty();
    for index in 0..whole_calls(turn, truncated) {
        let call = &turn.tool_calls[index];
        let id = format!("{}{index}", call.name);
        let mut part =
            json!({"functionCall": {"id": id, "name": call.name, "args": input(turn, index)}});
        if std::mem::take(&mut unsigned) {
            part["thoughtSignature"] = json!(SIGNATURE);
        }
        events.push(chunk(part, None, true));
    }
    let reason = match turn.stop() {
        _ if truncated => "MAX_TOKENS",
        StopReason::EndTurn | StopReason::ToolUse => "STOP",
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::Refusal | StopReason::Lost => "SAFETY",
    };
    let mut last = json!({"text": ""});
    if unsigned {
        last["thoughtSignature"] = json!(SIGNATURE);
    }
    events.push(chunk(last, Some(reason), false));
    events
}

pub(super) fn error(kind: &str, message: &str) -> String {
    let (code, status) = match kind {
        "overloaded_error" => (503, "UNAVAILABLE"),
        "rate_limit_error" => (429, "RESOURCE_EXHAUSTED"),
        _ => (400, "INVALID_ARGUMENT"),
    };
    let error = json!({"error": {"code": code, "message": message, "status": status}});
    format!("data: {error}\r\n\r\n")
}
