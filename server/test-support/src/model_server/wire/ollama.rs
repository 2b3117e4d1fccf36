//! Ollama's own format: a line of JSON for each piece, and calls whole.

use super::super::Turn;
use super::{Event, TEXT_PIECE, input, pieces, whole_calls};
use boxagnts_protocol::conversation::StopReason;
use serde_json::{Value, json};

pub(super) fn events(turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
    let line = |message: Value, is_piece| {
        let data = json!({
            "model": request["model"],
            "created_at": "2025-01-01T00:00:00.000000Z",
            "message": message,
            "done": false,
        });
        Event {
            text: format!("{data}\n"),
            is_piece,
        }
    };
    let mut events = Vec::new();
    for piece in pieces(&turn.thinking, TEXT_PIECE) {
        let message = json!({"role": "assistant", "content": "", "thinking": piece});
        events.push(line(message, false));
    }
    for piece in pieces(&turn.text, TEXT_PIECE) {
        events.push(line(json!({"role": "assistant", "content": piece}), true));
    }
    for index in 0..whole_calls(turn, truncated) {
        let function = json!({
            "index": index, "name": turn.tool_calls[index].name, "arguments": input(turn, index),
        });
        let call = json!({"id": format!("call_{index}x"), "function": function});
        let message = json!({"role": "assistant", "content": "", "tool_calls": [call]});
        events.push(line(message, true));
    }
    let reason = match turn.stop() {
        StopReason::MaxTokens => "length",
        _ if truncated => "length",
        // It knows no refusals.
        StopReason::EndTurn | StopReason::ToolUse | StopReason::Refusal | StopReason::Lost => {
            "stop"
        }
    };
    let end = json!({
        "model": request["model"],
        "created_at": "2025-01-01T00:00:00.000000Z",
        "message": {"role": "assistant", "content": ""},
        "done": true,
        "done_reason": reason,
        "total_duration": 1_000_000,
        "load_duration": 1000,
        "prompt_eval_count": turn.usage.input_tokens + turn.usage.cache_read_tokens,
        "prompt_eval_duration": 1000,
        "eval_count": turn.usage.output_tokens,
        "eval_duration": 1000,
    });
    events.push(Event {
        text: format!("{end}\n"),
        is_piece: false,
    });
    events
}

/// What `/api/show` says of every model.
pub(in super::super) fn shown() -> Value {
    json!({
        "details": {"family": "test", "parameter_size": "1B"},
        "model_info": {"general.architecture": "test", "test.context_length": 65_536},
        "capabilities": ["completion", "tools", "vision", "thinking"],
    })
}
