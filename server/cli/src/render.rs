//! What people see of hunks, diffs, tool calls and numbers. Pure functions from data to text.

use crate::terminal::{Theme, paint, visible};
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, Hunk, HunkState};
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_protocol::update::TurnOutcome;
use boxagnts_session::policy::limits::Limit;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Lines shown around a hunk.
const CONTEXT_LINES: usize = 3;
/// Width of the summary of a tool's input, in characters.
const SUMMARY_CHARS: usize = 72;
/// Width of one text in such a summary.
const VALUE_CHARS: usize = 40;

/// A unified diff, coloured line by line, for a terminal.
pub(crate) fn diff(diff: &str, theme: Theme) -> String {
    let mut shown = String::with_capacity(diff.len() + diff.len() / 4);
    // Inside a hunk every line has its sign; only outside of one is `---` the name of a file.
    let mut in_hunk = false;
    for line in diff.lines() {
        let header = line.starts_with("diff --git ");
        in_hunk = (in_hunk || line.starts_with("@@ ")) && !header;
        let style = match line.as_bytes().first() {
            _ if header || !in_hunk => theme.bold,
            Some(b'@') => theme.cyan,
            Some(b'+') => theme.green,
            Some(b'-') => theme.red,
            _ => anstyle::Style::new(),
        };
        let _ = writeln!(
            shown,
            "{}",
            paint(style, visible(line.trim_end_matches('\r')))
        );
    }
    shown
}

/// The lines that a hunk replaces, counted from zero, without the last.
pub(crate) fn lines_of(hunk: &Hunk) -> (usize, usize) {
    // A last line without a line break ends within itself.
    let end = hunk.range.end;
    let last = end.line.saturating_add(u32::from(end.character > 0));
    (hunk.range.start.line as usize, last as usize)
}

/// Where a hunk is, in words.
pub(crate) fn place(hunk: &Hunk) -> String {
    let (start, last) = lines_of(hunk);
    match (start + 1, last) {
        (first, last) if first > last => format!("before line {first}"),
        (first, last) if first == last => format!("line {first}"),
        (first, last) => format!("lines {first}-{last}"),
    }
}

/// One hunk as a reviewer sees it. `live` is the user's text of the file, for the lines around.
pub(crate) fn hunk(hunk: &Hunk, live: Option<&str>, theme: Theme) -> String {
    let mut shown = String::new();
    let (start, end) = lines_of(hunk);
    let place = place(hunk);
    let place = if hunk.old_text.is_empty() && hunk.new_text.is_empty() {
        ""
    } else {
        &place
    };
    let note = hunk.note.as_deref().map(visible).unwrap_or_default();
    let gap = if place.is_empty() || note.is_empty() {
        ""
    } else {
        ", "
    };
    let head = format!("@@ {} @@ {place}{gap}{note}", hunk.id);
    let _ = writeln!(shown, "{}", paint(theme.cyan, head.trim_end()));
    let texts = [hunk.old_text.as_str(), hunk.new_text.as_str()];
    let crlf = texts
        .iter()
        .all(|text| text.split_inclusive('\n').all(|l| l.ends_with("\r\n")));

    let lines: Vec<&str> = live.map(|text| text.lines().collect()).unwrap_or_default();
    let first = start.saturating_sub(CONTEXT_LINES).min(lines.len());
    for line in &lines[first..start.min(lines.len())] {
        let _ = writeln!(shown, " {}", visible(line));
    }
    put_lines(&mut shown, '-', &hunk.old_text, theme.red, crlf);
    put_lines(&mut shown, '+', &hunk.new_text, theme.green, crlf);
    for line in lines.iter().skip(end).take(CONTEXT_LINES) {
        let _ = writeln!(shown, " {}", visible(line));
    }
    shown
}

fn put_lines(shown: &mut String, sign: char, text: &str, style: anstyle::Style, crlf: bool) {
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').unwrap_or(line);
        // A changed line ending must be seen; one that stays would only be noise.
        let content = if crlf {
            content.strip_suffix('\r').unwrap_or(content)
        } else {
            content
        };
        let _ = writeln!(
            shown,
            "{}",
            paint(style, format!("{sign}{}", visible(content)))
        );
        if !line.ends_with('\n') {
            shown.push_str("\\ No newline at end of file\n");
        }
    }
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
    hunks.filter(|(_, hunk)| matches!(hunk.state, HunkState::Pending | HunkState::Conflicted))
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

/// How a turn ended, with the remedy.
pub(crate) fn ended(outcome: &TurnOutcome) -> String {
    match outcome {
        TurnOutcome::Done => "done".to_owned(),
        TurnOutcome::Cancelled => "cancelled".to_owned(),
        TurnOutcome::Failed { message } => format!("failed: {message}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::proposal::{Position, Range};
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn a_hunk(lines: (u32, u32), old: &str, new: &str) -> Hunk {
        let at = |line| Position { line, character: 0 };
        Hunk {
            id: "h1".into(),
            state: HunkState::Pending,
            range: Range {
                start: at(lines.0),
                end: at(lines.1),
            },
            old_text: old.into(),
            new_text: new.into(),
            note: None,
            group: None,
        }
    }

    fn check_hunk(given: &Hunk, live: Option<&str>, expect: Expect) {
        expect.assert_eq(&hunk(given, live, Theme::plain()));
    }

    #[test]
    fn a_hunk_is_shown_with_the_lines_around_it() {
        let live = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        check_hunk(
            &a_hunk((4, 5), "five\n", "5\n"),
            Some(live),
            expect![[r#"
                @@ h1 @@ line 5
                 2
                 3
                 4
                -five
                +5
                 6
                 7
                 8
            "#]],
        );
        check_hunk(
            &a_hunk((9, 9), "", "10\n11"),
            Some(live),
            expect![[r#"
                @@ h1 @@ before line 10
                 7
                 8
                 9
                +10
                +11
                \ No newline at end of file
            "#]],
        );
    }

    #[test]
    fn line_endings_are_shown_only_when_they_change() {
        check_hunk(
            &a_hunk((0, 2), "a\r\nb\r\n", "A\r\nb\r\n"),
            None,
            expect![[r#"
                @@ h1 @@ lines 1-2
                -a
                -b
                +A
                +b
            "#]],
        );
        check_hunk(
            &a_hunk((0, 1), "a\r\n", "a\n"),
            None,
            expect![[r#"
                @@ h1 @@ line 1
                -a␍
                +a
            "#]],
        );
    }

    #[test]
    fn a_whole_file_hunk_says_what_it_does() {
        let mut moved = a_hunk((0, 0), "", "");
        moved.note = Some("move from a.txt".into());
        check_hunk(
            &moved,
            Some("x\n"),
            expect![[r#"
            @@ h1 @@ move from a.txt
             x
        "#]],
        );
    }

    #[test]
    fn a_range_behind_the_end_of_the_file_is_survived() {
        check_hunk(
            &a_hunk((7, 9), "x\n", ""),
            Some("1\n"),
            expect![[r#"
            @@ h1 @@ lines 8-9
            -x
        "#]],
        );
    }

    #[test]
    fn diffs_are_coloured_by_what_lines_mean() {
        let text = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- old\n+++ new\n";
        expect![[r#"
            <b>diff --git a/x b/x</b>
            <b>--- a/x</b>
            <b>+++ b/x</b>
            <c>@@ -1 +1 @@</c>
            <r>--- old</r>
            <g>+++ new</g>
        "#]]
        .assert_eq(&tags(&diff(text, Theme::coloured())));
    }

    fn tags(text: &str) -> String {
        let mut open = "";
        let mut shown = String::new();
        for piece in text.split('\x1b') {
            let Some((code, rest)) = piece.split_once('m').filter(|_| piece.starts_with('['))
            else {
                shown.push_str(piece);
                continue;
            };
            let tag = match code {
                "[1" => "b",
                "[36" => "c",
                "[31" => "r",
                "[32" => "g",
                _ => "",
            };
            let _ = match tag {
                "" => write!(shown, "</{open}>{rest}"),
                tag => write!(shown, "<{tag}>{rest}"),
            };
            open = tag;
        }
        shown
    }

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
