//! `boxagnts session trace`: what took how long.

use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_session::{Span, SpanStatus, trace};
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write;

/// Shorter pauses are not told, in milliseconds.
const GAP_MS: u64 = 50;

/// Show what took how long in a session: the model's answers, tool calls, and gaps between.
///
/// The time to the first token is known for answers that begin with text.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session trace k3v9
  boxagnts session trace k3v9 --json | jq '.spans[] | select(.status.code == \"error\")'")]
pub(crate) struct Trace {
    /// The session; the beginning of its id is enough.
    #[arg(value_name = "ID")]
    session: String,
    /// Print one JSON object: session, and spans named by OpenTelemetry's conventions for generative
    /// AI.
    #[arg(long)]
    json: bool,
}

impl Trace {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let journal = setup::journal()?;
        let session = journal.session(&self.session)?;
        let entries = journal.events(&session.session, 0)?;
        let spans = trace(&session, &entries);
        let text = if self.json {
            format!("{}\n", json!({"session": session, "spans": spans}))
        } else {
            timeline(&session, &spans, Theme::stdout(), &TimeZone::system())
        };
        terminal::print(&text)?;
        Ok(Exit::Done)
    }
}

fn timeline(session: &SessionSummary, spans: &[Span], theme: Theme, zone: &TimeZone) -> String {
    let mut text = format!(
        "{}  {}\n",
        paint(theme.bold, &session.session),
        visible(&session.title)
    );
    if spans.is_empty() {
        text.push_str("nothing happened in it\n");
    }
    for turn in spans.iter().filter(|span| span.parent_span_id.is_none()) {
        let number = turn.attributes.get("boxagnts.turn").and_then(Value::as_u64);
        let Some(number) = number else { continue };
        let _ = writeln!(
            text,
            "\n{}",
            paint(
                theme.cyan,
                format!(
                    "── turn {number} · {} · {}",
                    render::time(turn.start_ms, zone, "%Y-%m-%d %H:%M:%S"),
                    duration(turn.duration_ms())
                )
            )
        );
        let mut until = turn.start_ms;
        let parts = spans
            .iter()
            .filter(|span| span.parent_span_id.as_ref() == Some(&turn.span_id));
        for span in parts {
            gap(&mut text, turn, until, span.start_ms, theme);
            until = until.max(span.end_ms);
            line(&mut text, turn, span, theme);
        }
        gap(&mut text, turn, until, turn.end_ms, theme);
        if let SpanStatus::Error { message } = &turn.status {
            let _ = writeln!(text, "  {}", paint(theme.red, visible(message)));
        }
    }
    text
}

fn gap(text: &mut String, turn: &Span, from: u64, to: u64, theme: Theme) {
    let length = to.saturating_sub(from);
    if length >= GAP_MS {
        let at = from.saturating_sub(turn.start_ms);
        let gap = format!("{:>9}  {:>8}  (gap)", offset(at), duration(length));
        let _ = writeln!(text, "{}", paint(theme.dim, gap));
    }
}

fn line(text: &mut String, turn: &Span, span: &Span, theme: Theme) {
    let at = offset(span.start_ms.saturating_sub(turn.start_ms));
    let name = visible(&span.name).replace('\n', " ");
    let _ = write!(
        text,
        "{at:>9}  {:>8}  {}",
        duration(span.duration_ms()),
        paint(theme.bold, name)
    );
    let details = match span
        .attributes
        .get("gen_ai.operation.name")
        .and_then(Value::as_str)
    {
        Some("chat") => of_chat(span),
        _ => of_tool(span),
    };
    if !details.is_empty() {
        let _ = write!(
            text,
            "  {}",
            paint(theme.dim, visible(&details.join(" · ")))
        );
    }
    if let SpanStatus::Error { message } = &span.status {
        let message = render::cut(&visible(message).replace('\n', " "), 100);
        let _ = write!(text, "  {}", paint(theme.red, message));
    }
    text.push('\n');
}

fn of_chat(span: &Span) -> Vec<String> {
    let number = |name: &str| span.attributes.get(name).and_then(Value::as_u64);
    let mut details = Vec::new();
    if let Some(ms) = number("boxagnts.time_to_first_token_ms") {
        details.push(format!("first token {}", duration(ms)));
    }
    if let (Some(input), Some(output)) = (
        number("gen_ai.usage.input_tokens"),
        number("gen_ai.usage.output_tokens"),
    ) {
        details.push(format!(
            "{} in, {} out",
            render::thousands(input),
            render::thousands(output)
        ));
    }
    if let Some(cached) = number("gen_ai.usage.cache_read.input_tokens").filter(|n| *n > 0) {
        details.push(format!("{} from the cache", render::thousands(cached)));
    }
    let cost = span
        .attributes
        .get("boxagnts.cost_usd")
        .and_then(Value::as_f64);
    if let Some(cost) = cost.filter(|cost| *cost > 0.0) {
        details.push(format!("${cost:.4}"));
    }
    let retries = span.events.iter().filter(|event| event.name == "retry");
    let waits = retries.filter_map(|retry| retry.attributes.get("wait_ms")?.as_u64());
    let (count, waited) = waits.fold((0, 0u64), |(count, sum), ms| {
        (count + 1, sum.saturating_add(ms))
    });
    if count > 0 {
        let times = if count == 1 { "retry" } else { "retries" };
        details.push(format!("{count} {times}, {} waited", duration(waited)));
    }
    details
}

fn of_tool(span: &Span) -> Vec<String> {
    let word = |name: &str| span.attributes.get(name).and_then(Value::as_str);
    let mut details = Vec::new();
    if let Some(ms) = span
        .attributes
        .get("boxagnts.tool.wall_ms")
        .and_then(Value::as_f64)
    {
        // What is more than that was spent at the gate, or waiting for the user.
        if span.duration_ms() as f64 - ms >= GAP_MS as f64 {
            details.push(format!("{} in the sandbox", render::milliseconds(ms)));
        }
    }
    let fuel = span
        .attributes
        .get("boxagnts.tool.fuel")
        .and_then(Value::as_u64);
    if let Some(fuel) = fuel.filter(|fuel| *fuel > 0) {
        details.push(format!("fuel {}", render::rounded(fuel)));
    }
    if let Some(verdict) = word("boxagnts.decision.verdict") {
        let reason = word("boxagnts.decision.reason").unwrap_or_default();
        details.push(format!("{verdict}: {}", reason.replace('\n', " ")));
    }
    details
}

fn offset(ms: u64) -> String {
    format!("+{}", duration(ms))
}

fn duration(ms: u64) -> String {
    match ms {
        ms if ms < 1000 => format!("{ms} ms"),
        ms if ms < 120_000 => render::milliseconds(ms as f64),
        ms => format!("{} min", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::conversation::{StopReason, TokenUsage, ToolCall};
    use boxagnts_protocol::tool::{FailureKind, ToolReport};
    use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
    use boxagnts_session::store::{Entry, Recorded};
    use expect_test::expect;

    #[test]
    fn a_timeline_tells_answers_calls_and_gaps() {
        let call = ToolCall {
            id: "1".into(),
            name: "re\u{1b}[2Jad".into(),
            input: json!({}),
        };
        let usage = TokenUsage {
            input_tokens: 1200,
            output_tokens: 34,
            ..TokenUsage::default()
        };
        let events = [
            (
                0,
                SessionEvent::TurnStarted {
                    turn: 1,
                    prompt: "go".into(),
                    context: None,
                    model: "m".into(),
                },
            ),
            (
                3,
                SessionEvent::ModelCalled {
                    turn: 1,
                    step: 1,
                    compacting: false,
                },
            ),
            (
                10,
                SessionEvent::ModelRetry {
                    turn: 1,
                    attempt: 1,
                    wait_ms: 500,
                    reason: "busy".into(),
                },
            ),
            (
                803,
                SessionEvent::TextDelta {
                    turn: 1,
                    text: "x".into(),
                },
            ),
            (
                1503,
                SessionEvent::ModelAnswered {
                    turn: 1,
                    stop: StopReason::ToolUse,
                    usage,
                    cost_usd: Some(0.0125),
                },
            ),
            (1600, SessionEvent::ToolStarted { turn: 1, call }),
            (
                1750,
                SessionEvent::ToolFinished {
                    turn: 1,
                    id: "1".into(),
                    name: "read".into(),
                    report: ToolReport::refused(FailureKind::Denied, "a rule\nsays no"),
                },
            ),
            (
                2000,
                SessionEvent::TurnEnded {
                    turn: 1,
                    outcome: TurnOutcome::Cancelled,
                    usage,
                    cost_usd: None,
                },
            ),
        ];
        let entries: Vec<Entry> = events
            .into_iter()
            .enumerate()
            .map(|(at, (at_ms, event))| Entry {
                seq: at as u64 + 1,
                at_ms,
                event: Recorded::Known(Box::new(event)),
            })
            .collect();
        let session = SessionSummary {
            session: "abc".into(),
            title: "go\u{1b}".into(),
            workspace: "/w".into(),
            model: "m".into(),
            created_ms: 0,
            updated_ms: 0,
            ..SessionSummary::default()
        };
        let spans = trace(&session, &entries);
        let text = timeline(&session, &spans, Theme::plain(), &TimeZone::UTC);
        expect![[r#"
            abc  go␛

            ── turn 1 · 1970-01-01 00:00:00 · 2.0 s
                +3 ms     1.5 s  chat m  first token 800 ms · 1,200 in, 34 out · $0.0125 · 1 retry, 500 ms waited
               +1.5 s     97 ms  (gap)
               +1.6 s    150 ms  execute_tool re␛[2Jad  0.0 ms in the sandbox  a rule says no
               +1.8 s    250 ms  (gap)
              cancelled
        "#]]
        .assert_eq(&text);
    }
}
