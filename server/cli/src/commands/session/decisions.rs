//! The decisions of a session: of the gate on each tool call, with what was refused behind it, and of
//! the user on hunks.

use crate::render;
use crate::terminal::{Theme, paint, visible};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::tool::{Audit, FailureKind, GateDecision, ToolReport, Verdict};
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::store::{Entry, Recorded};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt::Write;

/// One decision with its place in the journal.
#[derive(Debug, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub(super) enum Decision<'a> {
    /// On a tool call.
    Call {
        seq: u64,
        at_ms: u64,
        turn: u64,
        id: &'a str,
        tool: &'a str,
        verdict: Verdict,
        reason: &'a str,
        /// How the call ended; `null` when it did what was asked.
        failure: Option<FailureKind>,
        audit: &'a Audit,
    },
    /// On hunks.
    Hunks {
        seq: u64,
        at_ms: u64,
        accepted: Vec<&'a str>,
        rejected: Vec<&'a str>,
        comment: Option<&'a str>,
    },
}

/// All decisions, in order.
pub(super) fn all(entries: &[Entry]) -> Vec<Decision<'_>> {
    entries.iter().filter_map(of).collect()
}

fn of(entry: &Entry) -> Option<Decision<'_>> {
    let Recorded::Known(event) = &entry.event else {
        return None;
    };
    let (seq, at_ms) = (entry.seq, entry.at_ms);
    match &**event {
        SessionEvent::ToolFinished {
            turn,
            id,
            name,
            report,
        } => {
            let (verdict, reason) = decided(report);
            Some(Decision::Call {
                seq,
                at_ms,
                turn: *turn,
                id,
                tool: name,
                verdict,
                reason,
                failure: report.error.as_ref().map(|error| error.kind),
                audit: &report.audit,
            })
        }
        SessionEvent::Decided { hunks, comment, .. } => {
            let of = |state| {
                let hunks = hunks.iter().filter(|hunk| hunk.state == state);
                hunks.map(|hunk| hunk.id.as_str()).collect()
            };
            Some(Decision::Hunks {
                seq,
                at_ms,
                accepted: of(HunkState::Accepted),
                rejected: of(HunkState::Rejected),
                comment: comment.as_deref(),
            })
        }
        _ => None,
    }
}

/// A call that did not reach the gate was refused before it.
fn decided(report: &ToolReport) -> (Verdict, &str) {
    match (&report.decision, &report.error) {
        (Some(GateDecision { verdict, reason }), _) => (*verdict, reason),
        (None, Some(error)) => (Verdict::Denied, &error.message),
        (None, None) => (
            Verdict::Allowed,
            "journalled by a version without decisions",
        ),
    }
}

/// For people.
pub(super) fn write(entries: &[Entry], theme: Theme, zone: &TimeZone) -> String {
    let mut text = String::new();
    for decision in all(entries) {
        match decision {
            Decision::Call {
                at_ms,
                tool,
                verdict,
                reason,
                audit,
                ..
            } => {
                let (word, style) = match verdict {
                    Verdict::Allowed => ("allowed", theme.green),
                    Verdict::Approved => ("approved", theme.cyan),
                    Verdict::Denied => ("denied", theme.red),
                };
                let _ = writeln!(
                    text,
                    "{}  {}  {}  {}",
                    render::time(at_ms, zone, "%H:%M:%S"),
                    paint(style, format!("{word:8}")),
                    visible(tool),
                    paint(theme.dim, visible(&reason.replace('\n', " ")))
                );
                for path in &audit.files_denied {
                    refused(&mut text, theme, path, "");
                }
                for host in audit.hosts.iter().filter(|host| !host.allowed) {
                    let reason = host.reason.as_deref().unwrap_or_default();
                    refused(&mut text, theme, &host.target, reason);
                }
            }
            Decision::Hunks {
                at_ms,
                accepted,
                rejected,
                comment,
                ..
            } => {
                let counts = format!(
                    "{} accepted, {} rejected",
                    render::count(accepted.len() as u64, "hunk"),
                    rejected.len()
                );
                let comment = comment.map(|words| format!(": {}", visible(words)));
                let _ = writeln!(
                    text,
                    "{}  {}  {counts}{}",
                    render::time(at_ms, zone, "%H:%M:%S"),
                    paint(theme.bold, "user    "),
                    comment.unwrap_or_default()
                );
            }
        }
    }
    if text.is_empty() {
        text.push_str("nothing was decided in this session\n");
    }
    text
}

fn refused(text: &mut String, theme: Theme, what: &str, why: &str) {
    let line = format!("refused {} {}", visible(what), visible(why));
    let _ = writeln!(text, "          {}", paint(theme.yellow, line.trim_end()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::tool::HostContact;

    fn check(report: ToolReport, expect: &str) {
        let event = SessionEvent::ToolFinished {
            turn: 1,
            id: "c".into(),
            name: "fetch".into(),
            report,
        };
        let entry = Entry {
            seq: 1,
            at_ms: 0,
            event: Recorded::Known(Box::new(event)),
        };
        let text = write(&[entry], Theme::plain(), &TimeZone::UTC);
        assert_eq!(text, expect);
    }

    #[test]
    fn a_decision_is_told_with_its_reason() {
        let early = ToolReport::refused(FailureKind::UnknownTool, "there is no tool `fetch`");
        check(
            early.clone(),
            "00:00:00  denied    fetch  there is no tool `fetch`\n",
        );
        let approved = ToolReport {
            decision: Some(GateDecision {
                verdict: Verdict::Approved,
                reason: "the user\nlet it run once".into(),
            }),
            audit: Audit {
                files_denied: vec![".env".into()],
                hosts: vec![HostContact {
                    target: "http://10.0.0.1:80".into(),
                    address: None,
                    allowed: false,
                    reason: Some("private".into()),
                }],
                ..Audit::default()
            },
            ..early
        };
        check(
            approved,
            "00:00:00  approved  fetch  the user let it run once
          refused .env
          refused http://10.0.0.1:80 private\n",
        );
        assert!(write(&[], Theme::plain(), &TimeZone::UTC).starts_with("nothing"));
    }
}
