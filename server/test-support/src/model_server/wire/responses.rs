//! OpenAI's Responses.

use super::super::{SIGNATURE, Turn};
use super::{Event, TEXT_PIECE, input_pieces, named, pieces};
use boxagnts_protocol::conversation::StopReason;
use serde_json::{Value, json};

/// Events with their numbers, and the items that are complete.
struct Stream {
    events: Vec<Event>,
    output: Vec<Value>,
}

impl Stream {
    fn send(&mut self, mut event: Value, is_piece: bool) {
        event["sequence_number"] = json!(self.events.len());
        self.events.push(named(&event, is_piece));
    }

    /// An event about the item that comes next.
    fn about(&mut self, kind: &str, id: &str, more: Value, is_piece: bool) {
        let mut event = json!({
            "type": format!("response.{kind}"),
            "item_id": id,
            "output_index": self.output.len(),
        });
        if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
            event.extend(more.clone());
        }
        self.send(event, is_piece);
    }

    fn item(&mut self, kind: &str, item: &Value) {
        let kind = format!("response.output_item.{kind}");
        let index = self.output.len();
        self.send(
            json!({"type": kind, "output_index": index, "item": item}),
            false,
        );
    }

    fn complete(&mut self, item: Value) {
        self.item("done", &item);
        self.output.push(item);
    }

    fn reasoning(&mut self, thinking: &str) {
        let id = "rs_1";
        self.item(
            "added",
            &json!({"id": id, "type": "reasoning", "summary": []}),
        );
        let place = json!({"summary_index": 0, "part": {"type": "summary_text", "text": ""}});
        self.about("reasoning_summary_part.added", id, place, false);
        for piece in pieces(thinking, TEXT_PIECE) {
            let more = json!({"summary_index": 0, "delta": piece});
            self.about("reasoning_summary_text.delta", id, more, false);
        }
        let part = json!({"type": "summary_text", "text": thinking});
        let done = json!({"summary_index": 0, "text": thinking});
        self.about("reasoning_summary_text.done", id, done, false);
        let done = json!({"summary_index": 0, "part": part});
        self.about("reasoning_summary_part.done", id, done, false);
        self.complete(json!({
            "id": id, "type": "reasoning", "summary": [part], "encrypted_content": SIGNATURE,
        }));
    }

    fn message(&mut self, text: &str, refused: bool) {
        let id = "msg_1";
        let (kind, field) = match refused {
            true => ("refusal", "refusal"),
            false => ("output_text", "text"),
        };
        let part = |text: &str| match refused {
            true => json!({"type": kind, "refusal": text}),
            false => json!({"type": kind, "text": text, "annotations": [], "logprobs": []}),
        };
        let item = |status: &str, content: Value| {
            json!({
                "id": id, "type": "message", "role": "assistant", "status": status,
                "content": content,
            })
        };
        self.item("added", &item("in_progress", json!([])));
        let begun = json!({"content_index": 0, "part": part("")});
        self.about("content_part.added", id, begun, false);
        for piece in pieces(text, TEXT_PIECE) {
            let more = json!({"content_index": 0, "delta": piece, "logprobs": []});
            self.about(&format!("{kind}.delta"), id, more, true);
        }
        let mut done = json!({"content_index": 0, "logprobs": []});
        done[field] = json!(text);
        self.about(&format!("{kind}.done"), id, done, false);
        let done = json!({"content_index": 0, "part": part(text)});
        self.about("content_part.done", id, done, false);
        self.complete(item("completed", json!([part(text)])));
    }

    fn call(&mut self, index: usize, name: &str, pieces: &[String], cut: bool) {
        let id = format!("fc_{index}");
        let item = |arguments: &str, status: &str| {
            json!({
                "id": id, "type": "function_call", "call_id": format!("call_{index}"),
                "name": name, "arguments": arguments, "status": status,
            })
        };
        self.item("added", &item("", "in_progress"));
        for piece in pieces {
            let more = json!({"delta": piece});
            self.about("function_call_arguments.delta", &id, more, true);
        }
        let arguments = pieces.concat();
        if cut {
            self.complete(item(&arguments, "incomplete"));
            return;
        }
        let done = json!({"name": name, "arguments": arguments});
        self.about("function_call_arguments.done", &id, done, false);
        self.complete(item(&arguments, "completed"));
    }
}

pub(super) fn events(turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
    let mut stream = Stream {
        events: Vec::new(),
        output: Vec::new(),
    };
    let begun = response(request, "in_progress", &[]);
    for kind in ["response.created", "response.in_progress"] {
        stream.send(json!({"type": kind, "response": begun}), false);
    }
    if !turn.thinking.is_empty() {
        stream.reasoning(&turn.thinking);
    }
    if !turn.text.is_empty() {
        stream.message(&turn.text, turn.stop() == StopReason::Refusal);
    }
    for (index, call) in turn.tool_calls.iter().enumerate() {
        let cut = truncated && index + 1 == turn.tool_calls.len();
        let pieces = input_pieces(turn, index, truncated);
        stream.call(index, &call.name, &pieces, cut);
    }
    let cut = truncated || turn.stop() == StopReason::MaxTokens;
    let status = if cut { "incomplete" } else { "completed" };
    let mut end = response(request, status, &stream.output);
    if cut {
        end["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    let usage = &turn.usage;
    let prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
    end["usage"] = json!({
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + usage.output_tokens,
    });
    stream.send(
        json!({"type": format!("response.{status}"), "response": end}),
        false,
    );
    stream.events
}

fn response(request: &Value, status: &str, output: &[Value]) -> Value {
    json!({
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": request["instructions"],
        "max_output_tokens": request["max_output_tokens"],
        "model": request["model"],
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": request["store"],
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": null,
        "user": null,
        "metadata": {},
    })
}

pub(super) fn error(kind: &str, message: &str) -> String {
    let code = match kind {
        "overloaded_error" => "server_error",
        "rate_limit_error" => "rate_limit_exceeded",
        _ => "invalid_prompt",
    };
    let error = json!({"code": code, "message": message});
    let event = match code {
        // Both are in use.
        "server_error" => {
            let mut response = response(&Value::Null, "failed", &[]);
            response["error"] = error;
            json!({"type": "response.failed", "response": response, "sequence_number": 99})
        }
        _ => json!({
            "type": "error", "code": code, "message": message, "param": null,
            "sequence_number": 99,
        }),
    };
    named(&event, false).text
}
