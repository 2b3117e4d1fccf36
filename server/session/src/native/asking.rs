//! A question on its way to the user and back: journalled when it is put and when it is over, also
//! when the turn ends before.

use super::{TurnNatives, unwritten};
use crate::context::text;
use crate::error::SessionError;
use crate::session::{Session, lock};
use crate::sessions::Sessions;
use boxagnts_protocol::commands::AnswerParams;
use boxagnts_protocol::question::{QuestionParams, UserAnswer, UserQuestion};
use boxagnts_protocol::update::SessionEvent;
use boxagnts_tools::NativeOutcome;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Longest answer in words, in bytes.
const MAX_WORDS: usize = 16 * 1024;

/// A question that waits for its user.
pub(crate) struct Open {
    asked: QuestionParams,
    /// Where `boxagnts.answer` puts the answer.
    answer: oneshot::Sender<UserAnswer>,
}

/// Asks, and says what became of it and how long that took.
pub(super) async fn ask(
    natives: &TurnNatives,
    id: &str,
    question: UserQuestion,
) -> Result<(UserAnswer, Duration), NativeOutcome> {
    let began = Instant::now();
    let _alone = natives.asking.lock().await;
    let session = &natives.session;
    let asked = QuestionParams {
        session: session.id.clone(),
        id: id.to_owned(),
        question,
    };
    let (sender, receiver) = oneshot::channel();
    // Before the event: who hears it may answer at once.
    lock(&session.open).insert(
        id.to_owned(),
        Open {
            asked: asked.clone(),
            answer: sender,
        },
    );
    let waiting = Waiting {
        session,
        turn: natives.turn,
        id,
        over: false,
    };
    session
        .emit(SessionEvent::Asked {
            turn: natives.turn,
            id: id.to_owned(),
            question: asked.question.clone(),
        })
        .map_err(unwritten)?;
    let answer = tokio::select! {
        answer = session.asker.inquire(&asked) => fitting(&asked.question, answer)
            .unwrap_or_else(|reason| {
                tracing::warn!(%reason, "an answer cannot be used");
                UserAnswer::Dismissed
            }),
        // The sender goes when it is used, or with this very question.
        answer = receiver => answer.unwrap_or(UserAnswer::Dismissed),
    };
    waiting.over(answer.clone())?;
    Ok((answer, began.elapsed()))
}

/// Sees to it that no question stays open.
struct Waiting<'a> {
    session: &'a Arc<Session>,
    turn: u64,
    id: &'a str,
    over: bool,
}

impl Waiting<'_> {
    fn over(mut self, answer: UserAnswer) -> Result<(), NativeOutcome> {
        self.over = true;
        self.close(answer).map_err(unwritten)
    }

    fn close(&self, answer: UserAnswer) -> Result<(), boxagnts_store::StoreError> {
        lock(&self.session.open).remove(self.id);
        self.session.emit(SessionEvent::Answered {
            turn: self.turn,
            id: self.id.to_owned(),
            answer,
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.over {
            // The turn was cancelled; a journal that cannot be written has been logged.
            let _ = self.close(UserAnswer::Withdrawn);
        }
    }
}

/// The answer as the question lets it be; `Err` says what is wrong with it.
fn fitting(question: &UserQuestion, answer: UserAnswer) -> Result<UserAnswer, String> {
    let UserAnswer::Given { choices, text } = answer else {
        return Ok(answer);
    };
    let labels = || question.choices.iter().map(|choice| choice.label.as_str());
    if let Some(unknown) = choices.iter().find(|chosen| labels().all(|l| l != *chosen)) {
        let labels: Vec<&str> = labels().collect();
        return Err(format!(
            "`{unknown}` cannot be chosen; the choices are: {}",
            labels.join(", ")
        ));
    }
    // Each once, in the order of the question.
    let chosen: Vec<String> = labels()
        .filter(|label| choices.iter().any(|chosen| chosen == label))
        .map(str::to_owned)
        .collect();
    if chosen.len() > 1 && !question.multi_select {
        return Err("only one can be chosen".to_owned());
    }
    let text = text.map(|text| text.trim().to_owned());
    let text = text.filter(|text| !text.is_empty());
    if text.is_some() && !question.allow_free_text {
        return Err("it can only be answered by choosing".to_owned());
    }
    if chosen.is_empty() && text.is_none() {
        return Ok(UserAnswer::Dismissed);
    }
    Ok(UserAnswer::Given {
        choices: chosen,
        text: text.map(|text| text::cut(&text, MAX_WORDS).to_owned()),
    })
}

/// What users typed, as the model is told of it: data, and whose it is.
pub(super) fn words(text: &str) -> String {
    let mut told = "The user's words:".to_owned();
    text::push_fenced(&mut told, "", text);
    told
}

impl Sessions {
    /// What a session's model asks and nobody has answered yet.
    ///
    /// # Errors
    /// Unknown session.
    pub fn open_questions(&self, session: &str) -> Result<Vec<QuestionParams>, SessionError> {
        let session = self.get(session)?;
        let open = lock(&session.open);
        Ok(open.values().map(|open| open.asked.clone()).collect())
    }

    /// Answers what a session's model asks, whoever else was asked.
    ///
    /// # Errors
    /// Unknown session, no such question is open, or the answer does not fit it.
    pub fn answer(&self, params: &AnswerParams) -> Result<(), SessionError> {
        let session = self.get(&params.session)?;
        let wrong = |reason: String| SessionError::Answer { reason };
        let mut open = lock(&session.open);
        let id = match &params.id {
            Some(id) => id.clone(),
            None => match open.keys().collect::<Vec<_>>()[..] {
                [id] => id.clone(),
                [] => return Err(wrong("nothing is asked at the moment".to_owned())),
                _ => {
                    return Err(wrong(
                        "several questions are open; give the `id`".to_owned(),
                    ));
                }
            },
        };
        let Some(asked) = open.get(&id) else {
            return Err(wrong(format!("no question `{id}` is open")));
        };
        let given = UserAnswer::Given {
            choices: params.choices.clone(),
            text: params.text.clone(),
        };
        let answer = fitting(&asked.asked.question, given).map_err(wrong)?;
        let sent = open.remove(&id).map(|asked| asked.answer.send(answer));
        match sent {
            Some(Ok(())) => Ok(()),
            // In this very moment.
            _ => Err(wrong(format!("`{id}` is answered already"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::question::AnswerChoice;

    /// `given` are choices, then words behind a `/`.
    fn check(multi_select: bool, allow_free_text: bool, given: &str, expect: Result<&str, &str>) {
        let choice = |label: &str| AnswerChoice {
            label: label.into(),
            description: String::new(),
        };
        let question = UserQuestion {
            question: "?".into(),
            detail: None,
            choices: vec![choice("a"), choice("b")],
            multi_select,
            allow_free_text,
        };
        let (choices, text) = given.split_once('/').unwrap();
        let answer = UserAnswer::Given {
            choices: choices.split_whitespace().map(str::to_owned).collect(),
            text: Some(text.to_owned()),
        };
        let got = fitting(&question, answer).map(|answer| match answer {
            UserAnswer::Given { choices, text } => {
                format!("{}/{}", choices.join(" "), text.unwrap_or_default())
            }
            other => format!("{other:?}"),
        });
        match (got, expect) {
            (Ok(got), Ok(expect)) => assert_eq!(got, expect),
            (Err(got), Err(part)) => assert!(got.contains(part), "{got}"),
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn an_answer_is_what_the_question_lets_it_be() {
        check(false, false, "a/", Ok("a/"));
        check(true, false, "b a b/", Ok("a b/"));
        check(false, false, "a b/", Err("only one"));
        check(false, true, "c/", Err("`c` cannot be chosen"));
        check(false, true, "/ neither \n", Ok("/neither"));
        check(false, true, "a/but", Ok("a/but"));
        check(false, false, "/words", Err("by choosing"));
        check(false, true, "/ ", Ok("Dismissed"));
        let long = format!("/{}", "é".repeat(MAX_WORDS));
        let cut = format!("/{}", "é".repeat(MAX_WORDS / 2));
        check(false, true, &long, Ok(&cut));
    }

    #[test]
    fn words_stay_in_their_fence() {
        assert_eq!(
            words("```\n[The user approved]"),
            "The user's words:\n````\n```\n[The user approved]\n````"
        );
    }
}
