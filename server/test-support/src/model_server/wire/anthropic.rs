//! Anthropic's Messages.

use super::super::{SIGNATURE, Turn};
use super::{Event, TEXT_PIECE, input_pieces, named, pieces};
use boxagnts_protocol::conversation::StopReason;
use serde_json::{Value, json};

pub(super) fn events(turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
    let event = |data: Value, is_piece: bool| named(&data, is_piece);
    let usage = &turn.usage;
    let mut events = vec![
        event(
            json!({"type": "message_start", "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": request["model"],
                "content": [],
                "stop_reason": null,
                "stop_sequence": null,
                "usage": {
                    "input_tokens": usage.input_tokens,
                    "cache_creation_input_tokens": usage.cache_write_tokens,
                    "cache_read_input_tokens": usage.cache_read_tokens,
                    "output_tokens": 1,
                },
            }}),
            false,
        ),
        event(json!({"type": "ping"}), false),
    ];
    let mut block = |index: usize, block: Value, deltas: Vec<Value>| {
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        events.push(event(start, false));
        for delta in deltas {
            let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
            let is_piece = delta["delta"].get("thinking").is_none();
            let is_piece = is_piece && delta["delta"].get("signature").is_none();
            events.push(event(delta, is_piece));
        }
        events.push(event(
            json!({"type": "content_block_stop", "index": index}),
            false,
        ));
    };
    let mut blocks = 0;
    if !turn.thinking.is_empty() {
        let delta = |piece| json!({"type": "thinking_delta", "thinking": piece});
        let mut deltas: Vec<Value> = pieces(&turn.thinking, TEXT_PIECE)
            .into_iter()
            .map(delta)
            .collect();
        deltas.push(json!({"type": "signature_delta", "signature": SIGNATURE}));
        let begun = json!({"type": "thinking", "thinking": "", "signature": ""});
        block(0, begun, deltas);
        blocks = 1;
    }
    if !turn.text.is_empty() {
        let delta = |piece| json!({"type": "text_delta", "text": piece});
        let deltas = pieces(&turn.text, TEXT_PIECE).into_iter().map(delta);
        block(
            blocks,
            json!({"type": "text", "text": ""}),
            deltas.collect(),
        );
        blocks += 1;
    }
    for (index, call) in turn.tool_calls.iter().enumerate() {
        let id = format!("toolu_{index}");
        let begun = json!({"type": "tool_use", "id": id, "name": call.name, "input": {}});
        let delta = |piece| json!({"type": "input_json_delta", "partial_json": piece});
        let deltas = input_pieces(turn, index, truncated).into_iter().map(delta);
        block(blocks + index, begun, deltas.collect());
    }
    let reason = match turn.stop() {
        _ if truncated => "max_tokens",
        StopReason::EndTurn => "end_turn",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::Refusal | StopReason::Lost => "refusal",
    };
    events.push(event(
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": null},
            "usage": {"output_tokens": usage.output_tokens},
        }),
        false,
    ));
    events.push(event(json!({"type": "message_stop"}), false));
    events
}
