//! `builtin`: a small deterministic planner for a few imperative forms. It needs no network and no
//! key, and drives the ordinary tools through the ordinary loop.

mod instruction;
mod plan;

use crate::remote::{has_images, no_images};
use crate::scripted::{Turn, deltas};
use crate::{Delta, DeltaStream, Provider, Request};
use boxagnts_protocol::conversation::{
    Content, Message, Price, Role, StopReason, ToolCall, ToolResult,
};
use futures::{StreamExt, stream};

/// What `builtin` understands, for people, in Markdown.
pub const BUILTIN_GRAMMAR: &str = "\
- `rename A to B [in GLOB]`: a word, everywhere as a whole word; a path moves the file
- `replace X with Y [in GLOB]`: text, wherever it stands
- `find TEXT [in GLOB]`: shows the lines that have it
- `create FILE with TEXT`: a new file; the text may have several lines
- `delete FILE`
- `move A to B`: a file or directory

Quote what has spaces in it: `replace \"old text\" with \"new text\" in src/*.rs`.
";

/// The tool that asks the user to approve a plan, where tools only read.
const PROPOSE_PLAN: &str = "propose_plan";

/// What begins what the session says behind the user's words.
const BEHIND_PROMPT: &str = "\n\n[The user";

/// The planner. Everything that it knows is in the conversation.
pub(crate) struct Builtin;

impl Provider for Builtin {
    fn id(&self) -> &str {
        "builtin"
    }

    fn price(&self) -> Option<Price> {
        Some(Price {
            input: 0.0,
            output: 0.0,
            cache_read: 0.0,
            cache_write: 0.0,
        })
    }

    fn max_output_tokens(&self) -> u64 {
        8192
    }

    fn sees_images(&self) -> bool {
        false
    }

    fn stream(&self, request: Request) -> DeltaStream {
        if has_images(&request.messages) {
            return no_images("builtin");
        }
        let said = request
            .messages
            .iter()
            .filter(|message| message.role == Role::Assistant);
        let (turn, understood) = answer(&request.messages);
        let turn = allowed(turn, &request);
        let mut deltas = deltas(said.count(), &turn);
        if !understood {
            // A script that asks must be able to tell this from having nothing to do.
            deltas.pop();
            deltas.push(Delta::Stop(StopReason::Refusal));
        }
        stream::iter(deltas.into_iter().map(Ok)).boxed()
    }
}

/// The next answer in a conversation, and whether the instruction was understood.
fn answer(messages: &[Message]) -> (Turn, bool) {
    let (text, done) = progress(messages);
    match instruction::parse(text) {
        Ok(instruction) => (plan::next(&instruction, &done), true),
        Err(reason) => (plan::say(not_understood(&reason)), false),
    }
}

/// Says why `builtin` would refuse a prompt, if it would; nothing of a command, whose text is the
/// workspace's.
pub fn builtin_refuses(prompt: &str) -> Option<String> {
    let words = prompt.trim();
    match words.starts_with('/') {
        true => None,
        false => instruction::parse(words).err(),
    }
}

/// What the tools of the session let happen: without those that change something, a plan to do so.
fn allowed(turn: Turn, request: &Request) -> Turn {
    let has = |name: &str| request.tools.iter().any(|tool| tool.name == name);
    let Some(missing) = turn.tool_calls.iter().find(|call| !has(&call.name)) else {
        return turn;
    };
    if !has(PROPOSE_PLAN) {
        return plan::say(format!(
            "This needs `{}`, a tool that this session lacks.",
            missing.name
        ));
    }
    if proposed(&request.messages) {
        return plan::say("The plan was not approved, and nothing was changed.".to_owned());
    }
    let (text, done) = progress(&request.messages);
    match instruction::parse(text) {
        Ok(instruction) => plan::proposal(&instruction, &done),
        Err(reason) => plan::say(not_understood(&reason)),
    }
}

/// Whether there is a plan for the user's last words.
fn proposed(messages: &[Message]) -> bool {
    let since = messages.iter().rev().take_while(|message| {
        let is_text = |content: &Content| matches!(content, Content::Text { .. });
        message.role != Role::User || !message.content.iter().any(is_text)
    });
    let mut said = since.flat_map(|message| &message.content);
    said.any(|content| matches!(content, Content::ToolCall(call) if call.name == PROPOSE_PLAN))
}

fn not_understood(reason: &str) -> String {
    format!(
        "I did not understand that: {reason}\n\nThis is `builtin`, a small planner \
         without a language model. It understands:\n\n{BUILTIN_GRAMMAR}\nFor \
         anything else use a model: `--model anthropic:MODEL`, `--model openai:MODEL` or `--model \
         ollama:MODEL`, or `model = \"PROVIDER:MODEL\"` in the configuration. Keys are read from \
         ANTHROPIC_API_KEY and OPENAI_API_KEY; Ollama needs none."
    )
}

/// A call that was made for the instruction, and what came of it.
struct Done<'a> {
    call: &'a ToolCall,
    /// The tool's text, as success or failure.
    outcome: Result<&'a str, &'a str>,
}

/// The user's last words, and the calls that were made since.
fn progress(messages: &[Message]) -> (&str, Vec<Done<'_>>) {
    let mut text = "";
    let mut calls: Vec<&ToolCall> = Vec::new();
    let mut results: Vec<&ToolResult> = Vec::new();
    for message in messages {
        for content in &message.content {
            match content {
                Content::Text { text: said } if message.role == Role::User => {
                    text = said;
                    calls.clear();
                    results.clear();
                }
                Content::Text { .. } | Content::Image(_) | Content::Thinking(_) => {}
                // No step of the instruction.
                Content::ToolCall(call) if call.name == PROPOSE_PLAN => {}
                Content::ToolCall(call) => calls.push(call),
                Content::ToolResult(result) => results.push(result),
            }
        }
    }
    let done = calls.into_iter().map(|call| {
        let outcome = match results.iter().find(|result| result.id == call.id) {
            Some(result) if result.is_error => Err(result.output.as_str()),
            Some(result) => Ok(result.output.as_str()),
            None => Err("it gave no answer"),
        };
        Done { call, outcome }
    });
    let done = done.collect();
    (words(text), done)
}

/// The user's words: those that they wrote, or those that the command stands for that they wrote.
fn words(text: &str) -> &str {
    let at = text.find(BEHIND_PROMPT).unwrap_or(text.len());
    let (words, behind) = text.split_at(at);
    let words = words.trim();
    let command = words.strip_prefix('/').and_then(|rest| {
        let name = rest.split_whitespace().next()?;
        command(name, behind)
    });
    command.unwrap_or(words)
}

/// The text of a command among the blocks behind the user's words. What stands in the fence of another
/// block is not looked at: others wrote it.
fn command<'a>(name: &str, mut blocks: &'a str) -> Option<&'a str> {
    let wanted = format!("The user's command `/{name}` stands for this text");
    while let Some(block) = blocks.strip_prefix("\n\n[") {
        let (label, behind) = block.split_once(']')?;
        let fenced = behind
            .strip_prefix('\n')
            .filter(|text| text.starts_with("```"));
        let Some((opening, body)) = fenced.and_then(|text| text.split_once('\n')) else {
            blocks = behind;
            continue;
        };
        let language = opening.trim_start_matches('`');
        let fence = opening.strip_suffix(language)?;
        let mut lines = body.split_inclusive('\n').scan(0, |end, line| {
            *end += line.len();
            Some((*end, line))
        });
        let (end, closing) = lines.find(|(_, line)| line.trim_end_matches('\n') == fence)?;
        if label.starts_with(&wanted) {
            return body.get(..end - closing.len()).map(str::trim);
        }
        // The line's end belongs to the next block.
        blocks = body.get(end - (closing.len() - fence.len())..)?;
    }
    None
}

#[cfg(test)]
mod tests;
