//! Asking on the terminal: whether a tool call may run, and what a model wants to know. Where there is no
//! terminal the answer is no, and nobody.

use crate::commands::run::progress;
use crate::render;
use crate::terminal::{self, visible};
use async_trait::async_trait;
use boxagnts_protocol::question::{QuestionParams, UserAnswer, UserQuestion};
use boxagnts_session::policy::permission::Level;
use boxagnts_session::tools::{Approval, ApprovalRequest, Approver};
use boxagnts_session::{Asker, Choice, Question};
use std::io::{BufRead, Read};

/// Longest line of an answer, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// For calls of a session, whose answers can be remembered.
pub(crate) struct TerminalAsker {
    /// Whether the model's questions are put to the user. Who reads events is a program.
    pub(crate) questions: bool,
}

#[async_trait]
impl Asker for TerminalAsker {
    async fn ask(&self, question: &Question) -> Choice {
        if !terminal::can_ask() {
            return Choice::Nobody;
        }
        let text = format!(
            "{}\n  {}\n  always and never hold for {}\nLet it run? [y]es once, [a]lways, [N]o, \
             ne[v]er: ",
            visible(&question.reason),
            visible(&question.input),
            visible(&question.scope)
        );
        match line(text).await.as_str() {
            "y" | "yes" => Choice::Once,
            "a" | "always" => Choice::Always,
            "v" | "never" => Choice::Never,
            _ => Choice::No,
        }
    }

    async fn inquire(&self, asked: &QuestionParams) -> UserAnswer {
        if !self.questions || !terminal::can_ask() {
            return UserAnswer::Nobody;
        }
        let question = &asked.question;
        let mut text = format!("{}\n{} ", render::question(question), prompt(question));
        loop {
            let Some(line) = read(text).await else {
                return UserAnswer::Dismissed;
            };
            match parse(question, line.trim()) {
                Ok(answer) => return answer,
                Err(problem) => text = format!("{problem}\n{} ", prompt(question)),
            }
        }
    }
}

/// What can be typed.
fn prompt(question: &UserQuestion) -> String {
    let number = match (question.choices.is_empty(), question.multi_select) {
        (true, _) => None,
        (false, false) => Some("a number"),
        (false, true) => Some("numbers, as 1,3"),
    };
    let words = question.allow_free_text.then_some("your words");
    let ways: Vec<&str> = number.into_iter().chain(words).collect();
    format!("{}, or nothing:", ways.join(", or "))
}

/// Numbers choose where they can; everything else is the user's words. `Err` says what is wrong.
fn parse(question: &UserQuestion, line: &str) -> Result<UserAnswer, String> {
    if line.is_empty() {
        return Ok(UserAnswer::Dismissed);
    }
    let words = line.split([',', ' ']).filter(|word| !word.is_empty());
    let chosen: Option<Vec<String>> = words
        .map(|word| {
            let at = word.parse::<usize>().ok()?.checked_sub(1)?;
            Some(question.choices.get(at)?.label.clone())
        })
        .collect();
    match chosen.filter(|chosen| !chosen.is_empty()) {
        Some(chosen) if chosen.len() == 1 || question.multi_select => Ok(UserAnswer::Given {
            choices: chosen,
            text: None,
        }),
        _ if question.allow_free_text => Ok(UserAnswer::Given {
            choices: Vec::new(),
            text: Some(line.to_owned()),
        }),
        Some(_) => Err("Choose one.".to_owned()),
        None => Err(format!(
            "Choose by a number from 1 to {}.",
            question.choices.len()
        )),
    }
}

/// For a single call without a session.
pub(crate) struct TerminalApprover {
    /// The user said yes on the command line.
    pub(crate) yes: bool,
    /// The user named hosts on the command line, for this one tool.
    pub(crate) hosts: bool,
}

#[async_trait]
impl Approver for TerminalApprover {
    async fn approve(&self, request: &ApprovalRequest<'_>) -> Approval {
        let answer = |approved, reason: &str| Approval {
            approved,
            reason: reason.to_owned(),
        };
        if self.yes {
            return answer(true, "the command line said --yes");
        }
        if self.hosts && request.level == Level::Network && !request.by_rule {
            return answer(true, "the command line names the hosts");
        }
        if !terminal::can_ask() {
            return answer(false, "nobody could be asked; --yes lets it run");
        }
        let text = format!("{}. Let it run? [y/N] ", visible(request.reason));
        match line(text).await.as_str() {
            "y" | "yes" => answer(true, "the user let it run once"),
            _ => answer(false, "the user said no"),
        }
    }
}

/// Whether the user says yes.
pub(crate) async fn confirm(question: String) -> bool {
    matches!(line(question).await.as_str(), "y" | "yes")
}

/// A line of the user's, in lower case; empty when there is none.
async fn line(question: String) -> String {
    let line = read(question).await.unwrap_or_default();
    line.trim().to_lowercase()
}

/// A line of the user's; `None` at the end of the input. One question at a time is on the terminal.
async fn read(question: String) -> Option<String> {
    let _paused = progress::pause().await;
    let asking = tokio::task::spawn_blocking(move || {
        terminal::say(&question);
        let mut answer = Vec::new();
        let mut input = std::io::stdin().lock().take(MAX_LINE);
        match input.read_until(b'\n', &mut answer) {
            Ok(1..) => Some(String::from_utf8_lossy(&answer).into_owned()),
            _ => None,
        }
    });
    asking.await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::question::AnswerChoice;

    /// `how` has `m` where several can be chosen, and `t` where words are allowed.
    fn check(how: &str, line: &str, expect: &str) {
        let choice = |label: &str| AnswerChoice {
            label: label.into(),
            description: String::new(),
        };
        let question = UserQuestion {
            question: "?".into(),
            detail: None,
            choices: vec![choice("a"), choice("b")],
            multi_select: how.contains('m'),
            allow_free_text: how.contains('t'),
        };
        let got = match parse(&question, line) {
            Ok(UserAnswer::Given { choices, text }) => {
                format!("{}/{}", choices.join(" "), text.unwrap_or_default())
            }
            Ok(other) => format!("{other:?}"),
            Err(problem) => problem,
        };
        assert_eq!(got, expect, "{how}: {line}");
    }

    #[test]
    fn numbers_choose_and_words_are_words() {
        check("", "2", "b/");
        check("", "3", "Choose by a number from 1 to 2.");
        check("", "1,2", "Choose one.");
        check("", "b", "Choose by a number from 1 to 2.");
        check("", "", "Dismissed");
        check("m", "2, 1", "b a/");
        check("mt", "1 2", "a b/");
        check("t", "0", "/0");
        check("t", "1 2", "/1 2");
        check("t", "Neither, please", "/Neither, please");
    }
}
