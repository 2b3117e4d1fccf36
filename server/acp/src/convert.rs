//! Events of a session as ACP has them: alike when they happen and when a session is loaded.

use crate::fragments;
use agent_client_protocol::v1::schema::{
    ContentChunk, Diff, Plan, PlanEntry, PlanEntryPriority, PlanEntryStatus, SessionUpdate,
    ToolCall, ToolCallContent, ToolCallLocation, ToolCallStatus, ToolCallUpdate,
    ToolCallUpdateFields, ToolKind,
};
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::conversation::{self, AnswerPiece};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::{PlanItem, PlanStatus, SessionEvent};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Most of a tool's output that is shown, in bytes: the model reads it, not the user.
const MAX_OUTPUT: usize = 8 << 10;
/// Longest argument in the title of a call, in characters.
const MAX_ARGUMENT: usize = 120;
/// Longest string of a call's input that is sent along, in bytes.
const MAX_INPUT: usize = 4 << 10;
/// Files that are named with one call.
const MAX_LOCATIONS: usize = 50;

/// What the client is told of an event; nothing of most.
pub(crate) fn updates(event: &SessionEvent, root: &Path) -> Vec<SessionUpdate> {
    match event {
        SessionEvent::TextDelta { text, .. } => vec![said(text)],
        SessionEvent::Thought { answer, .. } => {
            let thoughts = answer.iter().filter_map(|piece| match piece {
                AnswerPiece::Thinking(thinking) if !thinking.text.is_empty() => {
                    Some(&thinking.text)
                }
                _ => None,
            });
            let chunk = |text: &String| {
                SessionUpdate::AgentThoughtChunk(ContentChunk::new(text.as_str().into()))
            };
            thoughts.map(chunk).collect()
        }
        SessionEvent::ToolStarted { call, .. } => {
            let call = tool_call(call, root).status(ToolCallStatus::InProgress);
            vec![SessionUpdate::ToolCall(call)]
        }
        SessionEvent::ToolFinished { id, report, .. } => {
            vec![SessionUpdate::ToolCallUpdate(tool_finished(
                id, report, root,
            ))]
        }
        SessionEvent::Plan { items, .. } => vec![SessionUpdate::Plan(plan(items))],
        _ => Vec::new(),
    }
}

fn plan(items: &[PlanItem]) -> Plan {
    let entries = items.iter().map(|item| {
        let status = match item.status {
            PlanStatus::Pending => PlanEntryStatus::Pending,
            PlanStatus::InProgress => PlanEntryStatus::InProgress,
            PlanStatus::Completed => PlanEntryStatus::Completed,
        };
        // Models are not asked what is urgent.
        PlanEntry::new(item.text.clone(), PlanEntryPriority::Medium, status)
    });
    Plan::new(entries.collect())
}

/// What is told beside the conversation, because nothing of ACP stands for it.
pub(crate) fn aside(event: &SessionEvent) -> Option<String> {
    match event {
        SessionEvent::Notice { message } => Some(message.clone()),
        SessionEvent::Compacted { compaction, .. } => {
            let how = match &compaction.summary {
                Some(_) => "Older messages were summed up",
                None => "Older results of tools were cut",
            };
            Some(format!(
                "{how}: about {} tokens became {}.",
                compaction.tokens_before, compaction.tokens_after
            ))
        }
        SessionEvent::Hooked { tool, remark, .. } => {
            let remark = remark.as_ref()?;
            Some(format!("The hook `{tool}` says: {remark}"))
        }
        _ => None,
    }
}

/// Something that the agent says.
pub(crate) fn said(text: &str) -> SessionUpdate {
    SessionUpdate::AgentMessageChunk(ContentChunk::new(text.into()))
}

/// A call before it ran.
pub(crate) fn tool_call(call: &conversation::ToolCall, root: &Path) -> ToolCall {
    let argument = ["path", "from", "pattern", "url", "command"]
        .iter()
        .find_map(|key| call.input.get(key)?.as_str());
    let title = match argument {
        Some(argument) => format!("{} {}", call.name, one_line(argument, MAX_ARGUMENT)),
        None => call.name.clone(),
    };
    let paths = ["path", "from", "to"].iter();
    let paths = paths.filter_map(|key| call.input.get(key)?.as_str());
    let locations = paths.map(|path| ToolCallLocation::new(root.join(path)));
    ToolCall::new(call.id.clone(), title)
        .name(call.name.clone())
        .kind(kind(&call.name))
        .locations(locations.collect())
        .raw_input(shortened(&call.input))
}

/// Names of tools are ours or anybody's; of those that nobody knows nothing is claimed.
fn kind(tool: &str) -> ToolKind {
    match tool {
        "read" | "list" | "outline" | "git" | "diagnostics" => ToolKind::Read,
        "glob" | "grep" => ToolKind::Search,
        "write" | "edit" | "apply_patch" => ToolKind::Edit,
        "delete" => ToolKind::Delete,
        "rename" => ToolKind::Move,
        "web_fetch" => ToolKind::Fetch,
        "shell" | "script" | "run_command" => ToolKind::Execute,
        "todo" | "propose_plan" | "question" | "ask_user" => ToolKind::Think,
        _ => ToolKind::Other,
    }
}

fn tool_finished(id: &str, report: &ToolReport, root: &Path) -> ToolCallUpdate {
    let (fragments, cut) = fragments::of(&report.diff);
    let mut content: Vec<ToolCallContent> = Vec::new();
    if fragments.is_empty() || !report.ok {
        let text = report.for_model();
        if !text.trim().is_empty() {
            content.push(fenced(&text).into());
        }
    }
    let mut locations: Vec<ToolCallLocation> = Vec::new();
    let mut named = BTreeSet::new();
    for fragment in fragments {
        let path = root.join(&fragment.path);
        if named.insert(path.clone()) {
            locations.push(ToolCallLocation::new(path.clone()).line(fragment.line));
        }
        let diff = Diff::new(path, fragment.new).old_text(fragment.old);
        content.push(diff.into());
    }
    if cut {
        content.push("The rest of the diff is too long to be shown.".into());
    }
    let audit = &report.audit;
    for path in audit.files_written.iter().chain(&audit.files_read) {
        let path = root.join(path);
        if named.insert(path.clone()) {
            locations.push(ToolCallLocation::new(path));
        }
    }
    locations.truncate(MAX_LOCATIONS);
    let status = match report.ok {
        true => ToolCallStatus::Completed,
        false => ToolCallStatus::Failed,
    };
    let mut fields = ToolCallUpdateFields::new().status(status).content(content);
    if !locations.is_empty() {
        fields = fields.locations(locations);
    }
    ToolCallUpdate::new(id.to_owned(), fields)
}

/// Output of a tool as it is, whatever Markdown would make of it.
fn fenced(text: &str) -> String {
    let end = (0..=MAX_OUTPUT.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    let shown = text.get(..end.unwrap_or(0)).unwrap_or_default();
    let fence = fence(shown);
    let rest = match text.len() - shown.len() {
        0 => String::new(),
        left => format!("\n{left} bytes more"),
    };
    format!("{fence}\n{}\n{fence}{rest}", shown.trim_end_matches('\n'))
}

/// Backticks that the text does not have in a row.
pub(crate) fn fence(text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat((longest + 1).max(3))
}

fn one_line(text: &str, max: usize) -> String {
    let clean: String = text
        .chars()
        .take(max)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match text.chars().nth(max) {
        Some(_) => format!("{clean}…"),
        None => clean,
    }
}

/// The input with long texts cut: they come again as a diff.
fn shortened(input: &Value) -> Value {
    match input {
        Value::String(text) if text.len() > MAX_INPUT => {
            let end = (0..=MAX_INPUT)
                .rev()
                .find(|end| text.is_char_boundary(*end));
            let start = text.get(..end.unwrap_or(0)).unwrap_or_default();
            format!("{start}… ({} bytes)", text.len()).into()
        }
        Value::Array(items) => items.iter().map(shortened).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), shortened(value)))
            .collect(),
        other => other.clone(),
    }
}

/// What became of hunks, for the user.
pub(crate) fn decided(hunks: &[HunkStatus]) -> String {
    let ids = |state| {
        let of = hunks.iter().filter(|hunk| hunk.state == state);
        of.map(|hunk| hunk.id.as_str()).collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    for (state, how) in [
        (HunkState::Accepted, "Written"),
        (HunkState::Rejected, "Rejected"),
    ] {
        let ids = ids(state);
        if !ids.is_empty() {
            lines.push(format!("{how}: {}.", ids.join(", ")));
        }
    }
    let stays =
        |hunk: &&HunkStatus| !matches!(hunk.state, HunkState::Accepted | HunkState::Rejected);
    for hunk in hunks.iter().filter(stays) {
        let reason = hunk.reason.as_deref().unwrap_or("it waits");
        lines.push(format!("{} was not written: {reason}", hunk.id));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_stays_in_its_fence() {
        assert_eq!(fenced("a\n"), "```\na\n```");
        assert_eq!(fenced("````"), "`````\n````\n`````");
        let long = fenced(&"é".repeat(MAX_OUTPUT));
        assert!(
            long.ends_with("\n8192 bytes more"),
            "{}",
            &long[long.len() - 40..]
        );
    }

    #[test]
    fn long_inputs_are_cut() {
        let input =
            serde_json::json!({"path": "a", "edits": [{"new_text": "é".repeat(MAX_INPUT)}]});
        let short = shortened(&input);
        assert_eq!(short["path"], "a");
        let text = short["edits"][0]["new_text"].as_str().unwrap_or_default();
        assert!(
            text.ends_with("… (8192 bytes)") && text.len() < MAX_INPUT + 30,
            "{text}"
        );
    }
}
