//! Answers as the events of the streaming formats.

mod anthropic;
mod chat;
mod gemini;
pub(super) mod ollama;
mod responses;

use super::Turn;
use serde_json::{Value, json};

/// Characters in a piece of text or of a tool's input: few, so that even short ones are split.
const TEXT_PIECE: usize = 12;
const INPUT_PIECE: usize = 7;

/// A large input comes in larger pieces, or there would be too many.
const LARGE_PIECE: usize = 1 << 16;

/// A streaming format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Chat,
    Responses,
    Anthropic,
    Gemini,
    Ollama,
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
        let formats = [
            ("/chat/completions", Format::Chat),
            ("/responses", Format::Responses),
            ("/v1/messages", Format::Anthropic),
            (":streamGenerateContent", Format::Gemini),
            ("/api/chat", Format::Ollama),
        ];
        let found = formats.iter().find(|(end, _)| path.ends_with(end));
        found.map(|(_, format)| *format)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Ollama => "application/x-ndjson",
            _ => "text/event-stream",
        }
    }

    /// All events of an answer. With `truncated` the last call's input ends in the middle.
    pub(super) fn events(self, turn: &Turn, request: &Value, truncated: bool) -> Vec<Event> {
        match self {
            Format::Chat => chat::events(turn, request, truncated),
            Format::Responses => responses::events(turn, request, truncated),
            Format::Anthropic => anthropic::events(turn, request, truncated),
            Format::Gemini => gemini::events(turn, request, truncated),
            Format::Ollama => ollama::events(turn, request, truncated),
        }
    }

    pub(super) fn error(self, kind: &str, message: &str) -> String {
        let error = json!({"type": kind, "message": message});
        match self {
            Format::Chat => format!("data: {}\n\n", json!({"error": error})),
            Format::Responses => responses::error(kind, message),
            Format::Anthropic => {
                format!(
                    "event: error\ndata: {}\n\n",
                    json!({"type": "error", "error": error})
                )
            }
            Format::Gemini => gemini::error(kind, message),
            Format::Ollama => format!("{}\n", json!({"error": message})),
        }
    }

    pub(super) fn malformed(self) -> &'static str {
        match self {
            Format::Chat => "data: {\"choices\":[{\"delta\":\n\n",
            Format::Responses => "event: response.output_text.delta\ndata: {\"type\":\"resp\n\n",
            Format::Anthropic => "event: content_block_delta\ndata: {\"type\":\"content_blo\n\n",
            Format::Gemini => "data: {\"candidates\": [{\r\n\r\n",
            Format::Ollama => "{\"model\":\"x\",\"mess\n",
        }
    }

    /// An event that this format may have one day.
    pub(super) fn unknown(self) -> &'static str {
        match self {
            Format::Chat => "event: news\ndata: {\"object\":\"news\",\"more\":[1]}\n\n",
            Format::Responses => {
                "event: response.news\ndata: {\"type\":\"response.news\",\"item\":{\"x\":1}}\n\n"
            }
            Format::Anthropic => "event: news\ndata: {\"type\":\"news\",\"more\":[1]}\n\n",
            Format::Gemini => "data: {\"news\": {\"more\": [1]}}\r\n\r\n",
            Format::Ollama => "{\"news\":{\"more\":[1]}}\n",
        }
    }

    /// What a server says that is still there.
    pub(super) fn keep_alive(self) -> &'static str {
        match self {
            Format::Anthropic => "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            Format::Ollama => "\n",
            _ => ": keep-alive\n\n",
        }
    }

    /// The beginning of an event that never ends.
    pub(super) fn begun(self) -> &'static str {
        match self {
            Format::Ollama => "{\"model\":\"",
            _ => "data: {\"type\":\"",
        }
    }
}

/// An event with a name and JSON.
fn named(data: &Value, is_piece: bool) -> Event {
    let name = data["type"].as_str().unwrap_or_default();
    Event {
        text: format!("event: {name}\ndata: {data}\n\n"),
        is_piece,
    }
}

/// A call's input in pieces.
fn input_pieces(turn: &Turn, index: usize, truncated: bool) -> Vec<String> {
    let text = input(turn, index).to_string();
    let size = match text.len() {
        ..LARGE_PIECE => INPUT_PIECE,
        _ => LARGE_PIECE,
    };
    let mut pieces = pieces(&text, size);
    if truncated && index + 1 == turn.tool_calls.len() {
        pieces.truncate(pieces.len() / 2);
    }
    pieces
}

/// A call's input; a call without has an empty object.
fn input(turn: &Turn, index: usize) -> Value {
    match &turn.tool_calls[index].input {
        Value::Null => json!({}),
        input => input.clone(),
    }
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// Calls that are sent where a call is sent whole: one that is cut off is not.
fn whole_calls(turn: &Turn, truncated: bool) -> usize {
    turn.tool_calls.len().saturating_sub(usize::from(truncated))
}
