//! Chat Completions, as OpenAI and many others speak it.

use super::super::Turn;
use super::{Event, TEXT_PIECE, input_pieces, pieces};
use boxagnts_protocol::conversation::StopReason;
use serde_json::{Value, json};

pub(super) fn events(turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
    let with_usage = request["stream_options"]["include_usage"] == true;
    let chunk = |choices: Value, usage: Value, is_piece: bool| {
        let mut data = json!({
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": request["model"],
            "choices": choices,
        });
        if with_usage {
            data["usage"] = usage;
        }
        Event {
            text: format!("data: {data}\n\n"),
            is_piece,
        }
    };
    let delta = |delta: Value, is_piece| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": null});
        chunk(json!([choice]), Value::Null, is_piece)
    };

    let mut events = vec![delta(
        json!({"role": "assistant", "content": "", "refusal": null}),
        false,
    )];
    for piece in pieces(&turn.thinking, TEXT_PIECE) {
        events.push(delta(json!({"reasoning_content": piece}), false));
    }
    for piece in pieces(&turn.text, TEXT_PIECE) {
        events.push(delta(json!({"content": piece}), true));
    }
    for (index, call) in turn.tool_calls.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let id = format!("call_{index}");
        let begun = json!({"index": index, "id": id, "type": "function", "function": function});
        events.push(delta(json!({"tool_calls": [begun]}), false));
        for piece in input_pieces(turn, index, truncated) {
            let more = json!({"index": index, "function": {"arguments": piece}});
            events.push(delta(json!({"tool_calls": [more]}), true));
        }
    }
    let reason = match turn.stop() {
        _ if truncated => "length",
        StopReason::EndTurn => "stop",
        StopReason::ToolUse => "tool_calls",
        StopReason::MaxTokens => "length",
        StopReason::Refusal | StopReason::Lost => "content_filter",
    };
    let end = json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]);
    events.push(chunk(end, Value::Null, false));
    if with_usage {
        let usage = &turn.usage;
        let prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
        let usage = json!({
            "prompt_tokens": prompt,
            "completion_tokens": usage.output_tokens,
            "total_tokens": prompt + usage.output_tokens,
            "prompt_tokens_details": {
                "cached_tokens": usage.cache_read_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
                "audio_tokens": 0,
            },
        });
        events.push(chunk(json!([]), usage, false));
    }
    events.push(Event {
        text: "data: [DONE]\n\n".to_owned(),
        is_piece: false,
    });
    events
}
