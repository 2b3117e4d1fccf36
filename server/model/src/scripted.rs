//! `scripted:FILE`: answers from a file, for tests and demonstrations.

use crate::error::ModelError;
use crate::{Delta, DeltaStream, ModelInfo, Provider, Request};
use boxagnts_protocol::conversation::{Price, StopReason, TokenUsage};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Text comes in pieces of about this size, as from a real model.
const PIECE: usize = 40;

/// One answer of the assistant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What it says.
    #[serde(default)]
    pub text: String,
    /// What it calls.
    #[serde(default)]
    pub tool_calls: Vec<Call>,
    /// Why it stops; by default `tool_use` when it calls something.
    pub stop: Option<Stop>,
    /// Tokens.
    #[serde(default)]
    pub usage: TokenUsage,
    /// Wait before the answer, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

/// A tool call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its input.
    #[serde(default)]
    pub input: Value,
}

/// Why an answer stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It is complete.
    EndTurn,
    /// It waits for tools.
    ToolUse,
    /// It was cut off.
    MaxTokens,
}

impl Turn {
    /// Why it stops.
    pub fn stop_reason(&self) -> StopReason {
        match self.stop {
            Some(Stop::EndTurn) => StopReason::EndTurn,
            Some(Stop::ToolUse) => StopReason::ToolUse,
            Some(Stop::MaxTokens) => StopReason::MaxTokens,
            None if self.tool_calls.is_empty() => StopReason::EndTurn,
            None => StopReason::ToolUse,
        }
    }

    /// All turns of a script.
    ///
    /// # Errors
    /// Which turn is wrong, and why.
    pub fn parse_all(text: &str) -> Result<Vec<Turn>, String> {
        let turns: Vec<Value> = serde_json::from_str(text)
            .map_err(|error| format!("expected a JSON array of turns: {error}"))?;
        let parse = |(index, turn)| {
            serde_json::from_value(turn).map_err(|error| format!("turn {index}: {error}"))
        };
        turns.into_iter().enumerate().map(parse).collect()
    }
}

pub(crate) struct Scripted {
    id: String,
    info: Option<ModelInfo>,
    turns: Arc<Vec<Turn>>,
}

impl Scripted {
    /// `info` is what the user says of it.
    pub(crate) fn open(
        id: &str,
        path: &Path,
        info: Option<ModelInfo>,
    ) -> Result<Scripted, ModelError> {
        let wrong = |reason: String| ModelError::Script {
            path: path.to_path_buf(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let turns = Turn::parse_all(&text).map_err(wrong)?;
        Ok(Scripted {
            id: id.to_owned(),
            info,
            turns: Arc::new(turns),
        })
    }
}

impl Provider for Scripted {
    fn id(&self) -> &str {
        &self.id
    }

    fn price(&self) -> Option<Price> {
        self.info.as_ref()?.price
    }

    fn max_output_tokens(&self) -> u64 {
        let info = self.info.as_ref();
        info.and_then(|info| info.max_output).unwrap_or(8192)
    }

    fn info(&self) -> Option<&ModelInfo> {
        self.info.as_ref()
    }

    fn stream(&self, request: Request) -> DeltaStream {
        // The session itself tells how far the script has come, also after a restart.
        let index = usize::try_from(request.answers).unwrap_or(usize::MAX);
        let turn = self.turns.get(index).cloned().unwrap_or_default();
        let delay = Duration::from_millis(turn.delay_ms);
        stream::once(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            stream::iter(deltas(index, &turn).into_iter().map(Ok))
        })
        .flatten()
        .boxed()
    }
}

/// An answer in pieces; `index` counts the answers of the conversation.
pub(crate) fn deltas(index: usize, turn: &Turn) -> Vec<Delta> {
    let mut deltas = Vec::new();
    let mut rest = turn.text.as_str();
    while !rest.is_empty() {
        let end = rest
            .char_indices()
            .nth(PIECE)
            .map_or(rest.len(), |(at, _)| at);
        deltas.push(Delta::Text(rest[..end].to_owned()));
        rest = &rest[end..];
    }
    for (number, call) in turn.tool_calls.iter().enumerate() {
        let id = format!("call_{index}_{number}");
        let json = if call.input.is_null() {
            "{}".to_owned()
        } else {
            call.input.to_string()
        };
        deltas.push(Delta::ToolCallStart {
            index: number,
            id,
            name: call.name.clone(),
        });
        deltas.push(Delta::ToolCallInput {
            index: number,
            json,
        });
    }
    deltas.push(Delta::Usage(turn.usage));
    deltas.push(Delta::Stop(turn.stop_reason()));
    deltas
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, expect: Result<usize, &str>) {
        match (Turn::parse_all(script), expect) {
            (Ok(turns), Ok(count)) => assert_eq!(turns.len(), count),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (got, expect) => panic!("{script}: {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn scripts_are_checked_with_the_place() {
        check("[]", Ok(0));
        check(
            r#"[{"text":"a","delay_ms":1},{"tool_calls":[{"name":"read"}],"stop":"end_turn"}]"#,
            Ok(2),
        );
        check("{}", Err("expected a JSON array of turns"));
        check("[{},", Err("expected a JSON array of turns"));
        check(r#"[{},{"txt":"a"}]"#, Err("turn 1: unknown field `txt`"));
        check(
            r#"[{"tool_calls":[{}]}]"#,
            Err("turn 0: missing field `name`"),
        );
        check(
            r#"[{"stop":"bored"}]"#,
            Err("turn 0: unknown variant `bored`"),
        );
    }

    #[test]
    fn an_answer_comes_in_pieces() {
        let call = |name: &str, input| Call {
            name: name.to_owned(),
            input,
        };
        let turn = Turn {
            text: "ä".repeat(PIECE) + "b",
            tool_calls: vec![
                call("list", Value::Null),
                call("read", serde_json::json!({"a": 1})),
            ],
            ..Turn::default()
        };
        let start = |index, id: &str, name: &str| {
            let (id, name) = (id.to_owned(), name.to_owned());
            Delta::ToolCallStart { index, id, name }
        };
        let input = |index, json: &str| Delta::ToolCallInput {
            index,
            json: json.to_owned(),
        };
        let expect = [
            Delta::Text("ä".repeat(PIECE)),
            Delta::Text("b".to_owned()),
            start(0, "call_3_0", "list"),
            input(0, "{}"),
            start(1, "call_3_1", "read"),
            input(1, r#"{"a":1}"#),
            Delta::Usage(TokenUsage::default()),
            Delta::Stop(StopReason::ToolUse),
        ];
        assert_eq!(deltas(3, &turn), expect);
    }
}
