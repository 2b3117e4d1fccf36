//! The file of a recording: JSON lines, one for each request to a model and one for each answer, in
//! which all texts are scrubbed of keys.

use crate::secrets::Scrubber;
use crate::{Delta, Request};
use boxagnts_protocol::conversation::Price;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What such a file calls itself, and the version of its format.
pub(crate) const FORMAT: &str = "boxagnts-recording";
pub(crate) const VERSION: u64 = 1;

/// A line of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first one.
    Head {
        format: String,
        version: u64,
        program: String,
    },
    /// What a model was asked.
    Request {
        /// Number in the file, from 1.
        number: u64,
        /// Milliseconds since the Unix epoch.
        at_ms: u64,
        model: String,
        price: Option<Price>,
        /// What the model says of itself, and what was asked for.
        model_output_tokens: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context_window: Option<u64>,
        max_output_tokens: u64,
        /// As [`asked`] tells it.
        asked: Value,
    },
    /// What it answered.
    Answer {
        /// Of the request.
        number: u64,
        deltas: Vec<Piece>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// Nobody waited for the rest of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut_off: bool,
    },
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Milliseconds since the request.
    pub(crate) ms: u64,
    /// A [`Delta`].
    pub(crate) delta: Value,
}

/// What makes a request another: the system prompt, the conversation and the tools, without keys.
pub(crate) fn asked(request: &Request, scrubber: &Scrubber) -> Value {
    let mut asked = json!({
        "system": &*request.system,
        "messages": &*request.messages,
        "tools": &*request.tools,
    });
    scrubber.value(&mut asked);
    asked
}

/// The pieces of an answer without keys, also without those that came in several pieces.
pub(crate) fn scrub(deltas: &[(u64, Delta)], scrubber: &Scrubber) -> Vec<Piece> {
    let mut pieces: Vec<Option<Piece>> = deltas
        .iter()
        .map(|(ms, delta)| {
            let delta = serde_json::to_value(delta).ok()?;
            Some(Piece { ms: *ms, delta })
        })
        .collect();
    let mut streams: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, piece) in pieces.iter_mut().enumerate() {
        if let Some((stream, _)) = piece.as_mut().and_then(|piece| text_of(&mut piece.delta)) {
            streams.entry(stream).or_default().push(at);
        }
    }
    for places in streams.values() {
        let mut text = String::new();
        for at in places {
            let piece = pieces[*at].as_mut();
            if let Some((_, part)) = piece.and_then(|piece| text_of(&mut piece.delta)) {
                text.push_str(part);
            }
        }
        let scrubbed = scrubber.text(&text);
        if *scrubbed == *text {
            continue;
        }
        // Where the pieces were cut tells where the key was: what is left is one piece.
        for (place, at) in places.iter().enumerate() {
            let piece = pieces[*at].as_mut();
            match piece.and_then(|piece| text_of(&mut piece.delta)) {
                Some((_, part)) if place == 0 => *part = scrubbed.clone().into_owned(),
                _ => pieces[*at] = None,
            }
        }
    }
    let mut pieces: Vec<Piece> = pieces.into_iter().flatten().collect();
    for piece in &mut pieces {
        scrubber.value(&mut piece.delta);
    }
    pieces
}

/// The text of a piece that goes on in others, and what they go on with.
fn text_of(delta: &mut Value) -> Option<(String, &mut String)> {
    let (kind, content) = delta.as_object_mut().and_then(only)?;
    match content {
        Value::String(text) => Some((kind.clone(), text)),
        Value::Object(fields) => {
            let stream = format!("{kind} {}", fields.get("index")?);
            match fields.get_mut("json")? {
                Value::String(text) => Some((stream, text)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn only(fields: &mut Map<String, Value>) -> Option<(&String, &mut Value)> {
    fields.iter_mut().next()
}

/// The first place where two requests differ, and how.
pub(crate) fn difference(recorded: &Value, now: &Value) -> Option<String> {
    differ(recorded, now, &mut String::new())
}

fn differ(recorded: &Value, now: &Value, path: &mut String) -> Option<String> {
    if recorded == now {
        return None;
    }
    let length = path.len();
    let mut inside = |name: String, recorded: Option<&Value>, now: Option<&Value>| {
        path.push_str(&name);
        let difference = match (recorded, now) {
            (Some(recorded), Some(now)) => differ(recorded, now, path),
            (Some(_), None) => Some(format!("`{path}` is not there any more")),
            (None, Some(now)) => Some(format!("`{path}` is new: {}", short(now))),
            (None, None) => None,
        };
        path.truncate(length);
        difference
    };
    let found = match (recorded, now) {
        (Value::Array(recorded), Value::Array(now)) => (0..recorded.len().max(now.len()))
            .find_map(|at| inside(format!("[{at}]"), recorded.get(at), now.get(at))),
        (Value::Object(recorded), Value::Object(now)) => {
            // The conversation tells more than tools that came along.
            let first = ["system", "messages", "tools"].map(str::to_owned);
            let names = first.iter().chain(recorded.keys()).chain(now.keys());
            names
                .into_iter()
                .find_map(|name| inside(format!(".{name}"), recorded.get(name), now.get(name)))
        }
        _ => None,
    };
    let place = path.trim_start_matches('.');
    Some(match (found, recorded, now) {
        (Some(found), ..) => found.replacen("`.", "`", 1),
        (None, Value::String(recorded), Value::String(now)) => {
            let same = recorded.chars().zip(now.chars());
            let same = same.take_while(|(one, other)| one == other).count();
            let from = same.saturating_sub(20);
            let part = |text: &str| text.chars().skip(from).take(60).collect::<String>();
            let (recorded, now) = (part(recorded), part(now));
            format!(
                "`{place}` differs from character {same} on: recorded {recorded:?}, now {now:?}"
            )
        }
        (None, recorded, now) => {
            format!(
                "`{place}`: recorded {}, now {}",
                short(recorded),
                short(now)
            )
        }
    })
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::conversation::StopReason;

    fn check(recorded: Value, now: Value, expect: Option<&str>) {
        assert_eq!(difference(&recorded, &now).as_deref(), expect);
    }

    #[test]
    fn the_first_difference_is_named() {
        let request = |text: &str| json!({"system": "s", "tools": [], "messages": [{"content": [{"text": text}]}]});
        check(request("a"), request("a"), None);
        check(
            request("read the file a.rs, please"),
            request("read the file b.rs, please"),
            Some(
                "`messages[0].content[0].text` differs from character 14 on: recorded \"read the \
                 file a.rs, please\", now \"read the file b.rs, please\"",
            ),
        );
        check(
            json!({"tools": [1], "messages": [1, 2]}),
            json!({"tools": [2], "messages": [1, 3]}),
            Some("`messages[1]`: recorded 2, now 3"),
        );
        check(
            json!({"messages": [1]}),
            json!({"messages": [1, {"role": "user"}]}),
            Some("`messages[1]` is new: {\"role\":\"user\"}"),
        );
        check(
            json!({"messages": [], "tools": [1]}),
            json!({"messages": [], "tools": []}),
            Some("`tools[0]` is not there any more"),
        );
        check(
            json!({"a": 1}),
            json!("x"),
            Some("``: recorded {\"a\":1}, now \"x\""),
        );
    }

    #[test]
    fn a_key_in_pieces_is_found() {
        let key = "sk-0123456789abcdefghij";
        let input = |index, json: &str| Delta::ToolCallInput {
            index,
            json: json.to_owned(),
        };
        let deltas = [
            (1, Delta::Text(format!("Your key: {}", &key[..9]))),
            (2, input(0, &format!("{{\"a\":\"{}", &key[..5]))),
            (3, Delta::Text(format!("{}. Done.", &key[9..]))),
            (4, input(1, "{}")),
            (5, input(0, &format!("{}\"}}", &key[5..]))),
            (6, Delta::Stop(StopReason::EndTurn)),
        ];
        let pieces = scrub(&deltas, &Scrubber::new());
        let got: Vec<(u64, Delta)> = pieces
            .into_iter()
            .map(|piece| (piece.ms, serde_json::from_value(piece.delta).unwrap()))
            .collect();
        let expect = [
            (1, Delta::Text("Your key: [scrubbed]. Done.".to_owned())),
            (2, input(0, "{\"a\":\"[scrubbed]\"}")),
            (4, input(1, "{}")),
            (6, Delta::Stop(StopReason::EndTurn)),
        ];
        assert_eq!(got, expect);
    }
}
