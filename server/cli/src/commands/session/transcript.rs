//! A session as a person reads it: turns, words, tool calls, decisions, and how it ended.

use crate::commands::run::progress;
use crate::render;
use crate::terminal::{Theme, paint, visible};
use boxagnts_protocol::commands::{HunkStatus, OriginKind, SessionSummary};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::store::{Entry, Recorded};
use jiff::tz::TimeZone;
use std::fmt::Write;

/// The whole transcript, with times of `zone`.
pub(super) fn write(
    session: &SessionSummary,
    entries: &[Entry],
    theme: Theme,
    zone: TimeZone,
) -> String {
    let mut writer = Transcript {
        text: String::new(),
        theme,
        zone,
        calls: Vec::new(),
        in_line: false,
        running: false,
    };
    writer.head(session);
    for entry in entries {
        match &entry.event {
            Recorded::Known(event) => writer.event(event, entry.at_ms),
            Recorded::Unknown(value) => {
                let name = value
                    .get("event")
                    .and_then(|name| name.as_str())
                    .unwrap_or("?");
                let text = format!("(event `{}` of another version)", visible(name));
                writer.line(&paint(theme.dim, text));
            }
        }
    }
    writer.end();
    writer.text
}

struct Transcript<'a> {
    text: String,
    theme: Theme,
    zone: TimeZone,
    /// Calls that have begun and not ended.
    calls: Vec<&'a ToolCall>,
    /// The model's text has not ended its line.
    in_line: bool,
    /// A turn has begun and not ended.
    running: bool,
}

impl<'a> Transcript<'a> {
    fn head(&mut self, session: &SessionSummary) {
        let SessionSummary {
            session: id,
            title,
            workspace,
            model,
            created_ms,
            origin,
            ..
        } = session;
        let _ = writeln!(
            self.text,
            "{}  {}\n{} · {} · {}",
            paint(self.theme.bold, id),
            visible(title),
            visible(workspace),
            visible(model),
            self.time(*created_ms, "%Y-%m-%d %H:%M:%S")
        );
        if let Some(origin) = origin {
            let how = match origin.kind {
                OriginKind::Fork => "fork of",
                OriginKind::Import => "imported; there it is",
                OriginKind::Executor => "executor of",
            };
            let _ = writeln!(self.text, "{how} {}", visible(&origin.session));
        }
    }

    fn event(&mut self, event: &'a SessionEvent, at_ms: u64) {
        let theme = self.theme;
        match event {
            SessionEvent::TurnStarted {
                turn,
                prompt,
                model: _,
                context,
            } => {
                self.interrupted();
                self.running = true;
                let time = self.time(at_ms, "%H:%M:%S");
                self.line("");
                self.line(&paint(theme.cyan, format!("── turn {turn} · {time}")));
                for line in visible(prompt).lines() {
                    self.line(&paint(theme.bold, format!("> {line}")));
                }
                for line in visible(context.as_deref().unwrap_or_default())
                    .trim()
                    .lines()
                {
                    self.line(&paint(theme.dim, format!("> {line}")));
                }
            }
            SessionEvent::TextDelta { text, .. } => {
                self.text.push_str(&visible(text));
                self.in_line = !text.ends_with('\n');
            }
            SessionEvent::ToolStarted { call, .. } => {
                self.calls.push(call);
            }
            SessionEvent::ToolFinished { id, .. } => {
                let at = self.calls.iter().position(|call| call.id == *id);
                let call = at.map(|at| self.calls.remove(at));
                if let Some(line) = progress::line(event, call, theme) {
                    self.line(&line);
                }
            }
            SessionEvent::Decided { hunks, comment, .. } => {
                self.line(&decided(hunks, comment.as_deref(), theme));
            }
            SessionEvent::Undone { result, .. } => {
                self.line(&visible(&render::undone(result)));
            }
            SessionEvent::Recovered {
                applied,
                files,
                refused,
                ..
            } => self.line(&visible(&boxagnts_session::recovered(
                *applied, files, refused,
            ))),
            SessionEvent::Notice { message } => self.line(&visible(message)),
            SessionEvent::Compacted { .. }
            | SessionEvent::Steered { .. }
            | SessionEvent::Queued { .. }
            | SessionEvent::Dropped { .. } => {
                if let Some(line) = progress::line(event, None, theme) {
                    self.line(&line);
                }
            }
            SessionEvent::TurnEnded {
                outcome,
                usage,
                cost_usd,
                ..
            } => {
                self.running = false;
                let style = if *outcome == TurnOutcome::Done {
                    theme.green
                } else {
                    theme.red
                };
                let mut line = paint(style, visible(&render::ended(outcome)));
                if usage.total() > 0 {
                    let _ = write!(line, " ({} so far", render::count(usage.total(), "token"));
                    if let Some(cost) = cost_usd.filter(|cost| *cost > 0.0) {
                        let _ = write!(line, ", ${cost:.4}");
                    }
                    line.push(')');
                }
                self.line(&line);
            }
            SessionEvent::ProposalChanged {
                files,
                pending,
                conflicted,
                ..
            } if !self.running => {
                let waiting = match pending + conflicted {
                    0 => "nothing left to decide".to_owned(),
                    n => format!(
                        "{} in {} left to decide",
                        render::count(n, "hunk"),
                        render::count(*files, "file")
                    ),
                };
                self.line(&paint(theme.dim, waiting));
            }
            SessionEvent::Configured { settings } => {
                let text = format!("settings of the session: {settings}");
                self.line(&paint(theme.dim, visible(&text)));
            }
            SessionEvent::Asked { question, .. } => self.line(&render::question(question)),
            SessionEvent::Answered { answer, .. } => {
                self.line(&paint(theme.bold, render::answer(answer)));
            }
            SessionEvent::ModelRetry { .. }
            | SessionEvent::Plan { .. }
            | SessionEvent::ModeChanged { .. }
            | SessionEvent::ExecutorQueued { .. }
            | SessionEvent::ExecutorStarted { .. }
            | SessionEvent::ExecutorEnded { .. }
            | SessionEvent::Nested { .. } => {
                if let Some(line) = progress::line(event, None, theme) {
                    self.line(&line);
                }
            }
            SessionEvent::Instructed { shown, .. } => {
                if let Some(text) = render::shown(shown) {
                    self.line(&paint(theme.dim, visible(&text)));
                }
            }
            // Within a turn the calls tell it.
            SessionEvent::ModelCalled { .. }
            | SessionEvent::ModelAnswered { .. }
            | SessionEvent::Thought { .. }
            | SessionEvent::Noted { .. }
            | SessionEvent::Attached { .. }
            | SessionEvent::Hooked { .. }
            | SessionEvent::ProposalChanged { .. } => {}
        }
    }

    fn end(&mut self) {
        self.interrupted();
        if self.in_line {
            self.text.push('\n');
        }
    }

    /// A turn without an end: the process was killed, or it still runs.
    fn interrupted(&mut self) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        for call in std::mem::take(&mut self.calls) {
            let (name, input) = (visible(&call.name), render::input(&call.input));
            self.line(&format!("… {name} {input}  (no end)"));
        }
        self.line(&paint(
            self.theme.yellow,
            "interrupted, or still running elsewhere",
        ));
    }

    fn line(&mut self, line: &str) {
        if std::mem::take(&mut self.in_line) {
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn time(&self, ms: u64, format: &str) -> String {
        render::time(ms, &self.zone, format)
    }
}

/// What was decided, in words.
pub(super) fn decided(hunks: &[HunkStatus], comment: Option<&str>, theme: Theme) -> String {
    let ids = |state| {
        let of: Vec<&str> = hunks
            .iter()
            .filter(|hunk| hunk.state == state)
            .map(|hunk| hunk.id.as_str())
            .collect();
        of.join(" ")
    };
    let mut parts = Vec::new();
    for (state, name, style) in [
        (HunkState::Accepted, "accepted", theme.green),
        (HunkState::Rejected, "rejected", theme.red),
        (HunkState::Conflicted, "conflicting", theme.yellow),
        (HunkState::Pending, "not applied", theme.yellow),
    ] {
        let ids = ids(state);
        if !ids.is_empty() {
            parts.push(format!("{} {ids}", paint(style, name)));
        }
    }
    let reasons = hunks.iter().filter_map(|hunk| hunk.reason.as_deref());
    let mut said: Vec<&str> = reasons.chain(comment).collect();
    said.dedup();
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {}", said.join("; "))
    };
    format!("{}{}", parts.join(", "), visible(&said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::conversation::TokenUsage;
    use boxagnts_protocol::tool::{FailureKind, ToolReport};
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(events: Vec<SessionEvent>, expect: Expect) {
        let session = SessionSummary {
            session: "abcdefghijkm".into(),
            title: "rename a to b".into(),
            workspace: "/w".into(),
            model: "builtin".into(),
            created_ms: 0,
            updated_ms: 0,
            ..SessionSummary::default()
        };
        let entries: Vec<Entry> = (1..)
            .zip(events)
            .map(|(seq, event)| Entry {
                seq,
                at_ms: 0,
                event: Recorded::Known(Box::new(event)),
            })
            .collect();
        expect.assert_eq(&write(&session, &entries, Theme::plain(), TimeZone::UTC));
    }

    fn started(turn: u64) -> SessionEvent {
        SessionEvent::TurnStarted {
            turn,
            prompt: "rename a to b\nplease".into(),
            context: None,
            model: "builtin".into(),
        }
    }

    fn call(id: &str) -> SessionEvent {
        let input = json!({"path": "../x"});
        let call = ToolCall {
            id: id.into(),
            name: "read".into(),
            input,
        };
        SessionEvent::ToolStarted { turn: 1, call }
    }

    fn text(text: &str) -> SessionEvent {
        SessionEvent::TextDelta {
            turn: 1,
            text: text.into(),
        }
    }

    #[test]
    fn a_session_reads_from_top_to_bottom() {
        let status = |id: &str, state, reason: Option<&str>| HunkStatus {
            id: id.into(),
            state,
            reason: reason.map(str::to_owned),
        };
        check(
            vec![
                started(1),
                text("I look "),
                text("first."),
                call("1"),
                SessionEvent::ToolFinished {
                    turn: 1,
                    id: "1".into(),
                    name: "read".into(),
                    report: ToolReport::refused(FailureKind::Denied, "`..` is not allowed"),
                },
                text("Done."),
                SessionEvent::TurnEnded {
                    turn: 1,
                    outcome: TurnOutcome::Done,
                    usage: TokenUsage {
                        input_tokens: 1234,
                        ..TokenUsage::default()
                    },
                    cost_usd: Some(0.5),
                },
                SessionEvent::Decided {
                    hunks: vec![
                        status("h1", HunkState::Accepted, None),
                        status("h2", HunkState::Pending, Some("the file changed")),
                    ],
                    checkpoint: None,
                    comment: None,
                },
                SessionEvent::ProposalChanged {
                    files: 1,
                    pending: 1,
                    conflicted: 0,
                    changed: Vec::new(),
                    rivals: None,
                    last_hunk: 2,
                },
                SessionEvent::Decided {
                    hunks: vec![status("h2", HunkState::Rejected, None)],
                    checkpoint: None,
                    comment: Some("keep it".into()),
                },
            ],
            expect![[r#"
                abcdefghijkm  rename a to b
                /w · builtin · 1970-01-01 00:00:00

                ── turn 1 · 00:00:00
                > rename a to b
                > please
                I look first.
                ✗ read ../x  `..` is not allowed
                Done.
                done (1,234 tokens so far, $0.5000)
                accepted h1, not applied h2: the file changed
                1 hunk in 1 file left to decide
                rejected h2: keep it
            "#]],
        );
    }

    #[test]
    fn a_turn_without_an_end_says_so() {
        check(
            vec![started(1), text("I am"), started(2), call("1")],
            expect![[r#"
                abcdefghijkm  rename a to b
                /w · builtin · 1970-01-01 00:00:00

                ── turn 1 · 00:00:00
                > rename a to b
                > please
                I am
                interrupted, or still running elsewhere

                ── turn 2 · 00:00:00
                > rename a to b
                > please
                … read ../x  (no end)
                interrupted, or still running elsewhere
            "#]],
        );
    }
}
