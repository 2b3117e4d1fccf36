//! A session as Markdown: what was asked, said, done and decided. What strangers wrote cannot make
//! more of itself than text: no HTML, no fence that swallows what comes behind.

use crate::commands::run::progress;
use crate::commands::session::transcript::decided;
use crate::render;
use crate::terminal::{Theme, visible};
use boxagnts_protocol::commands::{OriginKind, SessionSummary};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::update::{PlanStatus, SessionEvent};
use boxagnts_session::store::{Entry, Recorded};
use jiff::tz::TimeZone;
use std::fmt::Write;

/// The whole session, with times of `zone`.
pub(super) fn write(session: &SessionSummary, entries: &[Entry], zone: &TimeZone) -> String {
    let mut page = Page {
        text: head(session, zone),
        said: String::new(),
        calls: Vec::new(),
    };
    for entry in entries {
        match &entry.event {
            Recorded::Known(event) => page.event(event, entry.at_ms, zone),
            Recorded::Unknown(_) => page.item("an event of another version"),
        }
    }
    page.end_words();
    page.text
}

struct Page<'a> {
    text: String,
    /// What the model says, until it says no more.
    said: String,
    /// Calls that have begun and not ended.
    calls: Vec<&'a ToolCall>,
}

fn head(session: &SessionSummary, zone: &TimeZone) -> String {
    let title = match visible(&session.title).trim() {
        "" => "A session".to_owned(),
        title => plain(title),
    };
    let mut text = format!("# {title}\n\n");
    let created = render::time(session.created_ms, zone, "%Y-%m-%d %H:%M:%S");
    let _ = writeln!(text, "- session {}", code(&session.session));
    let _ = writeln!(text, "- folder {}", code(&session.workspace));
    let _ = writeln!(text, "- model {}", code(&session.model));
    let _ = writeln!(text, "- begun {created}");
    if let Some(origin) = &session.origin {
        let how = match origin.kind {
            OriginKind::Fork => "fork of",
            OriginKind::Import => "imported from",
            OriginKind::Executor => "executor of",
        };
        let _ = writeln!(text, "- {how} {}", code(&origin.session));
    }
    text
}

impl<'a> Page<'a> {
    fn event(&mut self, event: &'a SessionEvent, at_ms: u64, zone: &TimeZone) {
        if let SessionEvent::TextDelta { text, .. } = event {
            self.said.push_str(text);
            return;
        }
        self.end_words();
        match event {
            SessionEvent::TurnStarted { turn, prompt, .. } => {
                let time = render::time(at_ms, zone, "%Y-%m-%d %H:%M:%S");
                let _ = write!(self.text, "\n## Turn {turn} · {time}\n\n");
                for line in harmless(&visible(prompt)).trim().lines() {
                    let _ = writeln!(self.text, "> {line}");
                }
                self.text.push('\n');
            }
            SessionEvent::Instructed { shown, .. } => {
                if let Some(line) = render::shown(shown) {
                    self.item(&plain(&visible(&line)));
                }
            }
            SessionEvent::ToolStarted { call, .. } => self.calls.push(call),
            SessionEvent::ToolFinished { id, report, .. } => {
                let at = self.calls.iter().position(|call| call.id == *id);
                let call = at.map(|at| self.calls.remove(at));
                if let Some(line) = progress::line(event, call, Theme::plain()) {
                    self.item(&code(&line));
                }
                if !report.diff.is_empty() {
                    let diff = visible(&report.diff);
                    let fence = "`".repeat(longest_run(&diff).max(2) + 1);
                    let diff = diff.trim_end_matches('\n');
                    let _ = write!(self.text, "\n{fence}diff\n{diff}\n{fence}\n\n");
                }
            }
            SessionEvent::Asked { question, .. } => {
                self.said = format!("{}\n", question.question.trim());
                if let Some(detail) = &question.detail {
                    self.said = format!("{}\n\n{}", detail.trim(), self.said);
                }
                for choice in &question.choices {
                    let _ = writeln!(self.said, "\n- {}: {}", choice.label, choice.description);
                }
                self.end_words();
            }
            SessionEvent::Answered { answer, .. } => {
                for line in harmless(&render::answer(answer)).trim().lines() {
                    let _ = writeln!(self.text, "> {line}");
                }
                self.text.push('\n');
            }
            SessionEvent::Plan { items, .. } => {
                self.text.push('\n');
                for item in items {
                    let mark = match item.status {
                        PlanStatus::Completed => "x",
                        _ => " ",
                    };
                    let _ = writeln!(self.text, "- [{mark}] {}", plain(&visible(&item.text)));
                }
                self.text.push('\n');
            }
            SessionEvent::ModeChanged { .. }
            | SessionEvent::Nested { .. }
            | SessionEvent::ExecutorQueued { .. }
            | SessionEvent::ExecutorStarted { .. }
            | SessionEvent::ExecutorEnded { .. }
            | SessionEvent::ModelRetry { .. } => {
                if let Some(line) = progress::line(event, None, Theme::plain()) {
                    self.item(&plain(&line));
                }
            }
            SessionEvent::Decided { hunks, comment, .. } => {
                self.item(&plain(&decided(hunks, comment.as_deref(), Theme::plain())));
            }
            SessionEvent::Undone { result, .. } => {
                self.item(&plain(&visible(&render::undone(result))));
            }
            SessionEvent::Recovered {
                applied,
                files,
                refused,
                ..
            } => self.item(&plain(&visible(&boxagnts_session::recovered(
                *applied, files, refused,
            )))),
            SessionEvent::Notice { message } => self.item(&plain(&visible(message))),
            SessionEvent::Compacted { compaction, .. } => {
                self.item(&plain(&render::compacted(compaction)));
            }
            SessionEvent::Steered { prompt, .. } => {
                self.item(&plain(&visible(&format!(
                    "The user says meanwhile: {prompt}"
                ))));
            }
            SessionEvent::Dropped { prompts } => {
                self.item(&plain(&visible(&render::dropped(prompts))));
            }
            SessionEvent::TurnEnded {
                outcome,
                usage,
                cost_usd,
                ..
            } => {
                let mut line = plain(&visible(&render::ended(outcome)));
                if usage.total() > 0 {
                    let _ = write!(line, " ({} so far", render::count(usage.total(), "token"));
                    if let Some(cost) = cost_usd.filter(|cost| *cost > 0.0) {
                        let _ = write!(line, ", ${cost:.4}");
                    }
                    line.push(')');
                }
                self.item(&line);
            }
            SessionEvent::Configured { .. }
            | SessionEvent::Noted { .. }
            | SessionEvent::Queued { .. }
            | SessionEvent::Thought { .. }
            | SessionEvent::Attached { .. }
            | SessionEvent::Hooked { .. }
            | SessionEvent::ModelCalled { .. }
            | SessionEvent::ModelAnswered { .. }
            | SessionEvent::ProposalChanged { .. }
            | SessionEvent::TextDelta { .. } => {}
        }
    }

    fn item(&mut self, text: &str) {
        if !self.text.ends_with("\n\n")
            && !self
                .text
                .lines()
                .last()
                .is_some_and(|l| l.starts_with("- "))
        {
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "- {text}");
    }

    fn end_words(&mut self) {
        let said = std::mem::take(&mut self.said);
        let said = harmless(&visible(said.trim()));
        if !said.is_empty() {
            if !self.text.ends_with("\n\n") {
                self.text.push('\n');
            }
            let _ = write!(self.text, "{said}\n\n");
        }
    }
}

/// Markdown of others as it is, but for HTML, and with every fence closed.
fn harmless(text: &str) -> String {
    let mut kept = String::with_capacity(text.len() + 16);
    // Character and length of the fence that is open.
    let mut fence: Option<(char, usize)> = None;
    for line in text.lines() {
        let start = line.trim_start_matches(' ');
        let mark = start.chars().next().filter(|c| matches!(c, '`' | '~'));
        let run = mark.map_or(0, |mark| start.chars().take_while(|c| *c == mark).count());
        match (fence, mark) {
            (None, Some(mark)) if run >= 3 => fence = Some((mark, run)),
            (Some((open, length)), Some(mark))
                if mark == open && run >= length && start[run..].trim().is_empty() =>
            {
                fence = None;
            }
            (None, _) => {
                let parts: Vec<String> = line
                    .split('`')
                    .enumerate()
                    .map(|(at, part)| match at % 2 {
                        0 => part.replace('<', "\\<"),
                        _ => part.to_owned(),
                    })
                    .collect();
                // Without its end, a code span is none.
                match parts.len() % 2 {
                    1 => kept.push_str(&parts.join("`")),
                    _ => kept.push_str(&line.replace('<', "\\<")),
                }
                kept.push('\n');
                continue;
            }
            _ => {}
        }
        kept.push_str(line);
        kept.push('\n');
    }
    if let Some((mark, length)) = fence {
        kept.extend(std::iter::repeat_n(mark, length));
        kept.push('\n');
    }
    kept.trim_end().to_owned()
}

/// A text in one line that means nothing in Markdown.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
    {
        if matches!(c, '\\' | '`' | '*' | '_' | '<' | '[' | ']' | '#' | '|') {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// A text as a code span in one line.
fn code(text: &str) -> String {
    let text = visible(text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    let edge = text.is_empty() || text.starts_with('`') || text.ends_with('`');
    let gap = if edge { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::conversation::TokenUsage;
    use boxagnts_protocol::tool::{FailureKind, ToolReport};
    use boxagnts_protocol::update::TurnOutcome;
    use expect_test::expect;
    use serde_json::json;

    fn entries(events: Vec<SessionEvent>) -> Vec<Entry> {
        let entry = |(at, event)| Entry {
            seq: at as u64 + 1,
            at_ms: 1_000 * at as u64,
            event: Recorded::Known(Box::new(event)),
        };
        events.into_iter().enumerate().map(entry).collect()
    }

    #[test]
    fn a_session_reads_well_and_strangers_words_stay_words() {
        let summary = SessionSummary {
            session: "abc".into(),
            title: "rename <b> \u{1b}[2J # a".into(),
            workspace: "/w`x".into(),
            model: "m".into(),
            created_ms: 0,
            updated_ms: 0,
            ..SessionSummary::default()
        };
        let call = ToolCall {
            id: "1".into(),
            name: "write".into(),
            input: json!({"path": "a`b.md"}),
        };
        let report = ToolReport {
            ok: true,
            error: None,
            diff: "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-```\n+````\n".into(),
            ..ToolReport::refused(FailureKind::Failed, "")
        };
        let said = |text: &str| SessionEvent::TextDelta {
            turn: 1,
            text: text.into(),
        };
        let events = vec![
            SessionEvent::TurnStarted {
                turn: 1,
                prompt: "two\nlines <script>".into(),
                context: None,
                model: "m".into(),
            },
            said("Look: <img src=x> and `a < b`.\n```html\n<b>"),
            said("</b>"),
            SessionEvent::ToolStarted {
                turn: 1,
                call: call.clone(),
            },
            SessionEvent::ToolFinished {
                turn: 1,
                id: "1".into(),
                name: "write".into(),
                report,
            },
            said("Done."),
            SessionEvent::TurnEnded {
                turn: 1,
                outcome: TurnOutcome::Done,
                usage: TokenUsage::default(),
                cost_usd: None,
            },
        ];
        let zone = TimeZone::UTC;
        let page = write(&summary, &entries(events), &zone);
        expect![[r#"
            # rename \<b> ␛\[2J \# a

            - session `abc`
            - folder ``/w`x``
            - model `m`
            - begun 1970-01-01 00:00:00

            ## Turn 1 · 1970-01-01 00:00:00

            > two
            > lines \<script>

            Look: \<img src=x> and `a < b`.
            ```html
            <b></b>
            ```

            - ``✓ write a`b.md (0.0 ms, +1 −1)``

            `````diff
            --- a/a
            +++ b/a
            @@ -1 +1 @@
            -```
            +````
            `````

            Done.

            - done
        "#]]
        .assert_eq(&page);
    }

    #[test]
    fn no_fence_is_left_open_and_no_tag_is_one() {
        let check = |text: &str, expect: &str| assert_eq!(harmless(text), expect);
        check("a <b", "a \\<b");
        check("`<a>` <b>", "`<a>` \\<b>");
        check("` <a>", "` \\<a>");
        check("~~~\n<a>\n```\n<b>", "~~~\n<a>\n```\n<b>\n~~~");
        check("````\n```\n<a>\n````\n<b>", "````\n```\n<a>\n````\n\\<b>");
        check(
            "```\n``` not an end\n```\n<a>",
            "```\n``` not an end\n```\n\\<a>",
        );
    }
}
