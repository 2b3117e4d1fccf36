//! What a person sees while a turn runs: the model's text, a line for each tool call, and on a
//! terminal what is being waited for.

use crate::render;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::question::{UserAnswer, UserQuestion};
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::SessionEvent;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Writes to standard error.
pub(super) struct Display {
    theme: Theme,
    terminal: bool,
    waiting: Option<ProgressBar>,
    /// The model's text has not ended its line.
    in_line: bool,
    running: HashMap<String, ToolCall>,
    /// What nobody has answered yet.
    asked: Option<UserQuestion>,
}

impl Display {
    pub(super) fn new() -> Display {
        Display {
            theme: Theme::stderr(),
            terminal: can_draw(),
            waiting: None,
            in_line: false,
            running: HashMap::new(),
            asked: None,
        }
    }

    pub(super) fn show(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::TextDelta { text, .. } => self.text(text),
            SessionEvent::ModelCalled {
                compacting: true, ..
            } => self.wait_for("a summary of the conversation"),
            SessionEvent::ModelCalled { .. } => self.wait_for("the model"),
            SessionEvent::ToolStarted { call, .. } => {
                self.running.insert(call.id.clone(), call.clone());
                self.wait_for_tools();
            }
            SessionEvent::ToolFinished { id, .. } => {
                let call = self.running.remove(id);
                self.line(&line(event, call.as_ref(), self.theme).unwrap_or_default());
                self.wait_for_tools();
            }
            SessionEvent::Asked { question, .. } => {
                self.stop_waiting();
                self.asked = Some(question.clone());
            }
            SessionEvent::Answered { answer, .. } => {
                let asked = self.asked.take();
                // Who could be asked has seen it.
                if let (Some(asked), UserAnswer::Nobody) = (asked, answer) {
                    self.line(&render::question(&asked));
                    self.line(&render::answer(answer));
                }
                self.wait_for_tools();
            }
            SessionEvent::TurnEnded { .. } => self.stop_waiting(),
            other => {
                if let Some(text) = line(other, None, self.theme) {
                    self.line(&text);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.stop_waiting();
        terminal::say(&visible(text));
        self.in_line = !text.ends_with('\n');
    }

    fn line(&mut self, text: &str) {
        self.stop_waiting();
        self.end_line();
        terminal::say(&format!("{text}\n"));
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.in_line) {
            terminal::say("\n");
        }
    }

    fn wait_for_tools(&mut self) {
        let names: Vec<&str> = self
            .running
            .values()
            .map(|call| call.name.as_str())
            .collect();
        if !names.is_empty() {
            self.wait_for(&visible(&names.join(", ")));
        }
    }

    fn wait_for(&mut self, what: &str) {
        self.stop_waiting();
        if self.terminal {
            self.end_line();
            let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
            if screen.questions > 0 {
                return;
            }
            let bar = spinner(what);
            screen.waiting = Some(bar.clone());
            self.waiting = Some(bar);
        }
    }

    fn stop_waiting(&mut self) {
        // A question may have cleared it, and stands there now.
        if let Some(bar) = self.waiting.take().filter(|bar| !bar.is_finished()) {
            bar.finish_and_clear();
        }
    }
}

/// What is on the terminal besides lines that stay.
struct Screen {
    waiting: Option<ProgressBar>,
    /// Questions that wait for an answer, or for their turn: nothing moves meanwhile.
    questions: usize,
}

static SCREEN: Mutex<Screen> = Mutex::new(Screen {
    waiting: None,
    questions: 0,
});

/// Held while the user is asked.
static ASKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Keeps the terminal still for a question.
pub(crate) struct Paused {
    _alone: Option<tokio::sync::MutexGuard<'static, ()>>,
}

/// Clears what moves on the terminal, and waits until no other question is on it.
pub(crate) async fn pause() -> Paused {
    {
        let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
        screen.questions += 1;
        if let Some(bar) = screen.waiting.take() {
            bar.finish_and_clear();
        }
    }
    let mut paused = Paused { _alone: None };
    paused._alone = Some(ASKING.lock().await);
    paused
}

impl Drop for Paused {
    fn drop(&mut self) {
        let mut screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner);
        screen.questions = screen.questions.saturating_sub(1);
    }
}

/// Whether standard error is a terminal that can take back what was written.
pub(crate) fn can_draw() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Shows on standard error that something is being waited for.
pub(crate) fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(render::cut(what, 60));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

impl Drop for Display {
    fn drop(&mut self) {
        self.stop_waiting();
        self.end_line();
    }
}

/// Whether a failure is what was to be found out: who makes a file looks first whether there is one.
fn is_answer(tool: &str, report: &ToolReport) -> bool {
    let error = report.error.as_ref();
    tool == "read" && error.is_some_and(|error| error.message.contains("does not exist"))
}

/// The line for an event; `None` for events that need none. `call` is what a tool was asked.
pub(crate) fn line(event: &SessionEvent, call: Option<&ToolCall>, theme: Theme) -> Option<String> {
    match event {
        SessionEvent::ModelRetry {
            attempt,
            wait_ms,
            reason,
            ..
        } => {
            let wait = render::milliseconds(*wait_ms as f64);
            let text = format!(
                "attempt {attempt} failed: {}; again in {wait}",
                visible(reason)
            );
            Some(paint(theme.yellow, text))
        }
        SessionEvent::ToolFinished { name, report, .. } => {
            let input = call
                .map(|call| render::input(&call.input))
                .unwrap_or_default();
            let gap = if input.is_empty() { "" } else { " " };
            let outcome = render::outcome(report);
            let (mark, style, outcome) = if report.ok {
                ("✓", theme.green, paint(theme.dim, format!("({outcome})")))
            } else if is_answer(name, report) {
                ("·", theme.dim, paint(theme.dim, outcome))
            } else {
                ("✗", theme.red, paint(theme.red, outcome))
            };
            let name = paint(theme.bold, visible(name));
            Some(format!(
                "{} {name}{gap}{input}  {outcome}",
                paint(style, mark)
            ))
        }
        SessionEvent::Notice { message } => Some(visible(message).into_owned()),
        SessionEvent::Compacted { compaction, .. } => {
            Some(paint(theme.dim, render::compacted(compaction)))
        }
        SessionEvent::Steered { prompt, .. } => {
            Some(visible(&format!("meanwhile: {prompt}")).into_owned())
        }
        SessionEvent::Queued { prompt, .. } => {
            Some(visible(&format!("for later: {prompt}")).into_owned())
        }
        SessionEvent::Dropped { prompts } => Some(visible(&render::dropped(prompts)).into_owned()),
        SessionEvent::Plan { items, .. } => Some(render::steps(items)),
        SessionEvent::ModeChanged { mode, plan } => Some(render::mode(*mode, plan.is_some())),
        SessionEvent::ExecutorQueued { task, model, .. } => {
            let text = format!("  ⇉ wanted: {} ({})", visible(task), visible(model));
            Some(paint(theme.dim, text))
        }
        SessionEvent::ExecutorStarted { executor, .. } => Some(paint(
            theme.dim,
            format!("  ⇉ {} begins", visible(executor)),
        )),
        SessionEvent::ExecutorEnded {
            executor,
            outcome,
            hunks,
            conflicts,
            ..
        } => {
            let mut text = format!(
                "  ⇉ {}: {}, {}",
                visible(executor),
                visible(&render::ended(outcome)),
                render::count(*hunks, "hunk")
            );
            if *conflicts > 0 {
                text = format!("{text}, {}", render::count(*conflicts, "conflict"));
            }
            Some(paint(theme.dim, text))
        }
        SessionEvent::Nested { inner, .. } => match &**inner {
            SessionEvent::ToolStarted { call, .. } => {
                let input = render::input(&call.input);
                Some(paint(
                    theme.dim,
                    format!("  ↳ {} {input}", visible(&call.name)),
                ))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::tool::{FailureKind, ToolUsage};
    use serde_json::json;

    fn check(report: ToolReport, expect: &str) {
        let call = ToolCall {
            id: "1".into(),
            name: "read".into(),
            input: json!({"path": "a.rs"}),
        };
        let event = SessionEvent::ToolFinished {
            turn: 1,
            id: "1".into(),
            name: "read".into(),
            report,
        };
        assert_eq!(line(&event, Some(&call), Theme::plain()).unwrap(), expect);
    }

    #[test]
    fn calls_are_told_in_a_line() {
        let ok = ToolReport {
            ok: true,
            error: None,
            usage: ToolUsage {
                wall_ms: 1.25,
                ..ToolUsage::default()
            },
            ..ToolReport::refused(FailureKind::Failed, "")
        };
        let ok = ToolReport {
            diff: "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n".into(),
            ..ok
        };
        check(ok, "✓ read a.rs  (1.2 ms, +1 −1)");
        check(
            ToolReport::refused(FailureKind::Denied, "`..` is\nnot allowed"),
            "✗ read a.rs  `..` is not allowed",
        );
    }
}
