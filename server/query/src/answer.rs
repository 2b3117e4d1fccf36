//! An answer of the model as it streams in.

use boxagnts_protocol::conversation::{AnswerPiece, Content, Thinking, ToolCall};
use serde_json::Value;

/// The pieces of an answer, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Thinking(Thinking),
    Call {
        index: usize,
        id: String,
        name: String,
        json: String,
    },
}

/// A complete answer.
#[derive(Debug, Default)]
pub(crate) struct Complete {
    /// Text and calls.
    pub(crate) content: Vec<Content>,
    /// The calls among them.
    pub(crate) calls: Vec<ToolCall>,
    /// Tools whose calls were cut off; they are not in `content`.
    pub(crate) cut_off: Vec<String>,
}

impl Answer {
    pub(crate) fn text(&mut self, delta: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push_str(delta),
            _ if delta.is_empty() => {}
            _ => self.pieces.push(Piece::Text(delta.to_owned())),
        }
    }

    pub(crate) fn thought(&mut self, thinking: Thinking) {
        self.pieces.push(Piece::Thinking(thinking));
    }

    pub(crate) fn call_started(&mut self, index: usize, id: String, name: String) {
        // A provider that announces a call twice adds nothing.
        if self.call(index).is_none() {
            self.pieces.push(Piece::Call {
                index,
                id,
                name,
                json: String::new(),
            });
        }
    }

    pub(crate) fn call_input(&mut self, index: usize, fragment: &str) {
        if let Some(json) = self.call(index) {
            json.push_str(fragment);
        }
    }

    fn call(&mut self, wanted: usize) -> Option<&mut String> {
        self.pieces.iter_mut().find_map(|piece| match piece {
            Piece::Call { index, json, .. } if *index == wanted => Some(json),
            _ => None,
        })
    }

    /// Bytes of everything that was said.
    pub(crate) fn len(&self) -> u64 {
        let bytes = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Thinking(thinking) => thinking.text.len(),
            Piece::Call { name, json, .. } => name.len() + json.len(),
        });
        bytes.sum::<usize>() as u64
    }

    /// The text alone: what is kept of an answer that ended early.
    pub(crate) fn into_text(self) -> String {
        let texts = self.pieces.into_iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Thinking(_) | Piece::Call { .. } => None,
        });
        texts.collect()
    }

    /// Puts the answer together. `cut` says that it ended at the output limit, so that a call
    /// whose input is not whole JSON was never finished. `unique` makes a call's id one that the
    /// conversation does not have yet.
    pub(crate) fn complete(self, cut: bool, mut unique: impl FnMut(String) -> String) -> Complete {
        let mut complete = Complete::default();
        for piece in self.pieces {
            match piece {
                Piece::Text(text) => complete.content.push(Content::Text { text }),
                Piece::Thinking(thinking) => {
                    complete.content.push(Content::Thinking(thinking));
                }
                Piece::Call { id, name, json, .. } => {
                    let input = match parse(&json) {
                        Some(_) if cut && json.trim().is_empty() => None,
                        None if !cut => Some(Value::String(json)),
                        parsed => parsed,
                    };
                    let Some(input) = input else {
                        complete.cut_off.push(name);
                        continue;
                    };
                    let call = ToolCall {
                        id: unique(id),
                        name,
                        input,
                    };
                    complete.calls.push(call.clone());
                    complete.content.push(Content::ToolCall(call));
                }
            }
        }
        complete
    }
}

impl Complete {
    /// The order of an answer that is not simply text with at most one call behind it.
    pub(crate) fn order(&self) -> Option<Vec<AnswerPiece>> {
        let simple = match self.content.as_slice() {
            [] => true,
            [one] => !matches!(one, Content::Thinking(_)),
            [Content::Text { .. }, Content::ToolCall(_)] => true,
            _ => false,
        };
        (!simple).then(|| {
            let pieces = self.content.iter().filter_map(|content| match content {
                Content::Text { text } => Some(AnswerPiece::Text {
                    bytes: text.len() as u64,
                }),
                Content::Thinking(thinking) => Some(AnswerPiece::Thinking(thinking.clone())),
                Content::ToolCall(call) => Some(AnswerPiece::ToolCall {
                    id: call.id.clone(),
                }),
                Content::Image(_) | Content::ToolResult(_) => None,
            });
            pieces.collect()
        })
    }
}

/// A call without input is a call with an empty object: providers send nothing then.
fn parse(json: &str) -> Option<Value> {
    if json.trim().is_empty() {
        return Some(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_str(json).ok()
}
