//! What people see of hunks, diffs, tool calls and numbers. Pure functions from data to text.

mod hunk;
mod native;

pub(crate) use hunk::{conflict, diff, hunk, lines_of, place};
pub(crate) use native::{answer, mode, question, steps};

use crate::terminal::visible;
use boxagnts_protocol::commands::{RefusedFile, UndoResult};
use boxagnts_protocol::conversation::Compaction;
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, Hunk, HunkState};
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_protocol::update::{Shown, TurnOutcome};
use boxagnts_session::policy::limits::Limit;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Width of the summary of a tool's input, in characters.
const SUMMARY_CHARS: usize = 72;
/// Width of one text in such a summary.
const VALUE_CHARS: usize = 40;

/// What a model is shown besides the user's words, in one line; `None` when that is nothing.
pub(crate) fn shown(shown: &[Shown]) -> Option<String> {
    let name = |Shown { what, bytes, .. }: &Shown| format!("{what} ({bytes} bytes)");
    let names: Vec<String> = shown.iter().map(name).collect();
    (!names.is_empty()).then(|| format!("shown to the model: {}", names.join(", ")))
}

/// A file of a proposal in one line.
pub(crate) fn file(file: &FileProposal) -> String {
    let path = visible(&file.path);
    match (file.kind, &file.from) {
        (ChangeKind::Create, _) => format!("{path} (new file)"),
        (ChangeKind::Delete, _) => format!("{path} (deleted)"),
        (ChangeKind::Rename, Some(from)) => format!("{} → {path} (moved)", visible(from)),
        _ => path.into_owned(),
    }
}

/// The file as the user has it now, for the lines around a hunk.
pub(crate) fn live_text(root: &Path, file: &FileProposal) -> Option<String> {
    std::fs::read_to_string(root.join(file.from.as_deref().unwrap_or(&file.path))).ok()
}

/// Hunks that wait for a decision.
pub(crate) fn waiting(files: &[FileProposal]) -> impl Iterator<Item = (&FileProposal, &Hunk)> {
    let hunks = files
        .iter()
        .flat_map(|file| file.hunks.iter().map(move |hunk| (file, hunk)));
    hunks.filter(|(_, hunk)| is_waiting(hunk))
}

/// Their ids.
pub(crate) fn waiting_ids(files: &[FileProposal]) -> Vec<String> {
    waiting(files).map(|(_, hunk)| hunk.id.clone()).collect()
}

/// Whether a hunk waits for a decision.
pub(crate) fn is_waiting(hunk: &Hunk) -> bool {
    matches!(hunk.state, HunkState::Pending | HunkState::Conflicted)
}

/// What a tool was given, in one line.
pub(crate) fn input(input: &Value) -> String {
    let Value::Object(fields) = input else {
        return cut(&value(input), SUMMARY_CHARS);
    };
    let bare = |key: &str| matches!(key, "path" | "pattern" | "command");
    let mut words: Vec<String> = Vec::new();
    for (key, given) in fields.iter().filter(|(key, _)| bare(key)) {
        // A pattern that is not told from a path would be misread.
        let quote = if key == "path" { "" } else { "`" };
        words.push(format!("{quote}{}{quote}", value(given)));
    }
    let rest = fields.iter().filter(|(key, _)| !bare(key));
    words.extend(rest.map(|(key, given)| format!("{key}={}", value(given))));
    cut(&visible(&words.join(" ")), SUMMARY_CHARS)
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\n') => {
            format!("({})", count(text.lines().count() as u64, "line"))
        }
        Value::String(text) => cut(text, VALUE_CHARS),
        // How many says more than the brackets would.
        Value::Array(items) => items.len().to_string(),
        Value::Object(_) => "{…}".to_owned(),
        other => other.to_string(),
    }
}

/// What came of a tool call, in a few words; failures say why.
pub(crate) fn outcome(report: &ToolReport) -> String {
    let Some(error) = &report.error else {
        return format!(
            "{}{}",
            milliseconds(report.usage.wall_ms),
            changed_lines(&report.diff)
        );
    };
    let message = visible(error.message.trim()).replace('\n', " ");
    let fault = if error.kind == FailureKind::Internal {
        "internal error: "
    } else {
        ""
    };
    cut(&format!("{fault}{message}"), 200)
}

/// `, +2 −1` for a diff that changes lines.
fn changed_lines(diff: &str) -> String {
    let (mut added, mut removed, mut in_hunk) = (0, 0, false);
    for line in diff.lines() {
        in_hunk = (in_hunk || line.starts_with("@@ ")) && !line.starts_with("diff --git ");
        added += u64::from(in_hunk && line.starts_with('+'));
        removed += u64::from(in_hunk && line.starts_with('-'));
    }
    if added + removed == 0 {
        String::new()
    } else {
        format!(", +{added} −{removed}")
    }
}

/// How room was made in a conversation.
pub(crate) fn compacted(compaction: &Compaction) -> String {
    let Compaction {
        trimmed,
        summary,
        tokens_before,
        tokens_after,
        ..
    } = compaction;
    let what = match summary {
        Some(_) => "the conversation was summed up".to_owned(),
        None => format!(
            "{} trimmed to make room",
            count(trimmed.len() as u64, "old tool result")
        ),
    };
    format!("{what}: about {tokens_before} tokens became about {tokens_after}")
}

/// Prompts that waited and were dropped.
pub(crate) fn dropped(prompts: &[String]) -> String {
    format!("dropped: {}", prompts.join("; "))
}

/// How a turn ended, with the remedy.
pub(crate) fn ended(outcome: &TurnOutcome) -> String {
    match outcome {
        TurnOutcome::Done => "done".to_owned(),
        TurnOutcome::Cancelled => "cancelled".to_owned(),
        TurnOutcome::Failed { message, .. } => format!("failed: {message}"),
        TurnOutcome::Limit { limit, value, used } => {
            let shown = |number: f64| match Limit::from_name(limit) {
                Ok(limit) => limit.display(number),
                Err(_) => number.to_string(),
            };
            format!(
                "stopped by the limit `{limit}`: {} used, {} allowed; --limit {limit}=… sets another",
                shown(*used),
                shown(*value)
            )
        }
    }
}

/// `1 hunk`, `2 hunks`.
pub(crate) fn count(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        n => format!("{} {what}s", thousands(n)),
    }
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `812`, `12 k`, `3.4 M`.
pub(crate) fn rounded(number: u64) -> String {
    match number as f64 {
        n if n < 1e4 => thousands(number),
        n if n < 1e6 => format!("{:.0} k", n / 1e3),
        n if n < 1e9 => format!("{:.1} M", n / 1e6),
        n => format!("{:.1} G", n / 1e9),
    }
}

/// `0.8 ms`, `12 ms`, `3.4 s`.
pub(crate) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1e3 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

/// At most `chars` characters, the last one telling of more.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(chars.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// A time of the journal, in milliseconds since the Unix epoch, as `zone` has it.
pub(crate) fn time(ms: u64, zone: &TimeZone, format: &str) -> String {
    let time = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let zoned = time.map(|time| time.to_zoned_datetime(zone.clone()));
    zoned
        .map(|time| time.strftime(format).to_string())
        .unwrap_or_default()
}

/// What came of taking changes back, in words.
pub(crate) fn undone(result: &UndoResult) -> String {
    let mut text = match result.files.is_empty() {
        true => "nothing was taken back".to_owned(),
        false => format!("taken back: {}", result.files.join(", ")),
    };
    push_refused(&mut text, &result.refused);
    text
}

fn push_refused(text: &mut String, refused: &[RefusedFile]) {
    for RefusedFile { path, reason } in refused {
        let _ = write!(text, "; `{path}` stays as it is: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inputs_fit_on_a_line() {
        let check = |given: Value, expect: &str| assert_eq!(input(&given), expect);
        check(json!({"path": "a.rs", "limit": 3}), "a.rs limit=3");
        check(json!({"glob": "*.rs", "pattern": "fn"}), "`fn` glob=*.rs");
        check(json!({"path": "a", "edits": [1, 2]}), "a edits=2");
        check(
            json!({"content": "a\nb\n", "path": "n"}),
            "n content=(2 lines)",
        );
        check(json!({"x": "\u{1b}[2J"}), "x=␛[2J");
        check(json!("no object"), "no object");
        check(json!(null), "null");
        assert_eq!(
            input(&json!({"path": "x".repeat(300)})).chars().count(),
            VALUE_CHARS
        );
    }

    #[test]
    fn limits_say_which_and_how_much() {
        let limit = |name: &str| TurnOutcome::Limit {
            limit: name.into(),
            value: 3.0,
            used: 3.0,
        };
        assert_eq!(
            ended(&limit("max_turns")),
            "stopped by the limit `max_turns`: 3 used, 3 allowed; --limit max_turns=… sets another"
        );
        assert!(ended(&limit("wasm_timeout")).contains("3 ms used"));
        assert!(ended(&limit("from_the_future")).contains("3 used"));
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(rounded(999), "999");
        assert_eq!(rounded(812_345), "812 k");
        assert_eq!(rounded(3_400_000), "3.4 M");
        assert_eq!(milliseconds(0.84), "0.8 ms");
        assert_eq!(milliseconds(3_400.0), "3.4 s");
        assert_eq!(count(1, "hunk"), "1 hunk");
        assert_eq!(count(0, "hunk"), "0 hunks");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
