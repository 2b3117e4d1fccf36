//! What people see of a model's questions, of its steps, and of the mode.

use crate::terminal::visible;
use boxagnts_protocol::question::{UserAnswer, UserQuestion};
use boxagnts_protocol::update::{PlanItem, PlanStatus, SessionMode};
use std::fmt::Write;

/// What is asked, with what can be chosen, numbered from 1.
pub(crate) fn question(question: &UserQuestion) -> String {
    let mut text = String::new();
    if let Some(detail) = &question.detail {
        let _ = writeln!(text, "{}\n", visible(detail.trim()));
    }
    let _ = write!(text, "? {}", visible(question.question.trim()));
    for (at, choice) in question.choices.iter().enumerate() {
        let _ = write!(text, "\n  {}. {}", at + 1, one_line(&choice.label));
        if !choice.description.is_empty() {
            let _ = write!(text, ": {}", one_line(&choice.description));
        }
    }
    text
}

/// What became of a question.
pub(crate) fn answer(answer: &UserAnswer) -> String {
    match answer {
        UserAnswer::Given { choices, text } => {
            let parts = choices.iter().chain(text);
            let parts: Vec<String> = parts.map(|part| visible(part).into_owned()).collect();
            format!("answer: {}", parts.join("; "))
        }
        UserAnswer::Dismissed => "put away without an answer".to_owned(),
        UserAnswer::Nobody => "nobody could be asked".to_owned(),
        UserAnswer::Withdrawn => "the turn ended before there was an answer".to_owned(),
    }
}

/// The model's steps, each in a line.
pub(crate) fn steps(items: &[PlanItem]) -> String {
    let line = |item: &PlanItem| {
        let mark = match item.status {
            PlanStatus::Completed => "✓",
            PlanStatus::InProgress => "▸",
            PlanStatus::Pending => "·",
        };
        format!("  {mark} {}", one_line(&item.text))
    };
    let lines: Vec<String> = items.iter().map(line).collect();
    match lines.is_empty() {
        true => "  no steps".to_owned(),
        false => lines.join("\n"),
    }
}

/// The mode, and who changed it.
pub(crate) fn mode(mode: SessionMode, plan: bool) -> String {
    let why = if plan { "the plan was approved; " } else { "" };
    format!("{why}the mode is now `{}`", mode_name(mode))
}

fn mode_name(mode: SessionMode) -> &'static str {
    match mode {
        SessionMode::Plan => "plan",
        SessionMode::Review => "review",
        SessionMode::Auto => "auto",
    }
}

fn one_line(text: &str) -> String {
    let text = visible(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}
