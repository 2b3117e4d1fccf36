//! Answers as the events of the two streaming formats.

use super::Turn;
use boxagnts_protocol::conversation::StopReason;
use serde_json::{Value, json};

/// Characters in a piece of text or of a tool's input: few, so that even short ones are split.
const TEXT_PIECE: usize = 12;
const INPUT_PIECE: usize = 7;

/// A streaming format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenAi,
    Anthropic,
}

/// One event of a stream.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// The event with its empty line.
    pub(super) text: String,
    /// Whether it carries a piece of text or input: what faults count.
    pub(super) is_piece: bool,
}

impl Format {
    /// By the path of a request.
    pub(super) fn of(path: &str) -> Option<Format> {
        let path = path.split('?').next().unwrap_or_default();
        if path.ends_with("/chat/completions") {
            Some(Format::OpenAi)
        } else if path.ends_with("/v1/messages") {
            Some(Format::Anthropic)
        } else {
            None
        }
    }

    /// All events of an answer. With `truncated` the last call's input ends in the middle.
    pub(super) fn events(self, turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
        match self {
            Format::OpenAi => openai(turn, request, truncated),
            Format::Anthropic => anthropic(turn, request, truncated),
        }
    }

    pub(super) fn error(self, kind: &str, message: &str) -> String {
        let error = json!({"type": kind, "message": message});
        match self {
            Format::OpenAi => format!("data: {}\n\n", json!({"error": error})),
            Format::Anthropic => {
                format!(
                    "event: error\ndata: {}\n\n",
                    json!({"type": "error", "error": error})
                )
            }
        }
    }

    pub(super) fn malformed(self) -> &'static str {
        match self {
            Format::OpenAi => "data: {\"choices\":[{\"delta\":\n\n",
            Format::Anthropic => "event: content_block_delta\ndata: {\"type\":\"content_blo\n\n",
        }
    }
}

/// A call's input in pieces.
fn input_pieces(turn: &Turn, index: usize, truncated: bool) -> Vec<String> {
    let input = &turn.tool_calls[index].input;
    let text = if input.is_null() {
        "{}".to_owned()
    } else {
        input.to_string()
    };
    let mut pieces = pieces(&text, INPUT_PIECE);
    if truncated && index + 1 == turn.tool_calls.len() {
        pieces.truncate(pieces.len() / 2);
    }
    pieces
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn openai(turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
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
        StopReason::Refusal => "content_filter",
    };
    let end = json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]);
    events.push(chunk(end, Value::Null, false));
    if with_usage {
        let usage = &turn.usage;
        let prompt = usage.input_tokens + usage.cache_read_tokens;
        let usage = json!({
            "prompt_tokens": prompt,
            "completion_tokens": usage.output_tokens,
            "total_tokens": prompt + usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        });
        events.push(chunk(json!([]), usage, false));
    }
    events.push(Event {
        text: "data: [DONE]\n\n".to_owned(),
        is_piece: false,
    });
    events
}

fn anthropic(turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
    let event = |data: Value, is_piece: bool| {
        let name = data["type"].as_str().unwrap_or_default();
        Event {
            text: format!("event: {name}\ndata: {data}\n\n"),
            is_piece,
        }
    };
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
            events.push(event(delta, true));
        }
        events.push(event(
            json!({"type": "content_block_stop", "index": index}),
            false,
        ));
    };
    let mut blocks = 0;
    if !turn.text.is_empty() {
        let delta = |piece| json!({"type": "text_delta", "text": piece});
        let deltas = pieces(&turn.text, TEXT_PIECE).into_iter().map(delta);
        block(0, json!({"type": "text", "text": ""}), deltas.collect());
        blocks = 1;
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
        StopReason::Refusal => "refusal",
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
