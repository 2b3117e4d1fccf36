//! `ask_user`: the model asks, the user answers where they are.

use super::{TurnNatives, asking, input};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::question::{UserAnswer, UserQuestion};
use boxagnts_protocol::tool::FailureKind;
use boxagnts_tools::{AskUser, NativeOutcome};
use std::collections::HashSet;

/// What a model is told that got no answer.
const NOBODY: &str = "nobody can be asked here: decide yourself what is safe, and say at the end what \
                      you took for granted; or stop and say what you need to know";
const DISMISSED: &str = "the user put the question away without an answer: do not ask it again; decide \
                         yourself what is safe, or stop and say what you need to know";

pub(super) async fn run(
    natives: &TurnNatives,
    call: &ToolCall,
) -> Result<NativeOutcome, NativeOutcome> {
    let question = question(input(call)?)
        .map_err(|message| NativeOutcome::failed(FailureKind::InvalidInput, message))?;
    let (answer, waited) = asking::ask(natives, &call.id, question).await?;
    Ok(NativeOutcome {
        waited,
        ..told(answer)
    })
}

fn question(input: AskUser) -> Result<UserQuestion, String> {
    let AskUser {
        question,
        choices,
        multi_select,
        allow_free_text,
    } = input;
    let choices = choices.unwrap_or_default();
    let mut labels = HashSet::new();
    if let Some(twice) = choices.iter().find(|c| !labels.insert(c.label.trim())) {
        return Err(format!("two choices are called `{}`", twice.label));
    }
    if choices.is_empty() && allow_free_text == Some(false) {
        return Err("without `choices`, the answer can only be free text".to_owned());
    }
    Ok(UserQuestion {
        question,
        detail: None,
        multi_select: multi_select.unwrap_or(false) && !choices.is_empty(),
        allow_free_text: allow_free_text.unwrap_or(true),
        choices,
    })
}

fn told(answer: UserAnswer) -> NativeOutcome {
    match answer {
        UserAnswer::Given { choices, text } => {
            let chosen = (!choices.is_empty()).then(|| {
                let quoted: Vec<String> = choices.iter().map(|c| format!("\"{c}\"")).collect();
                format!("The user chose: {}", quoted.join(", "))
            });
            let parts: Vec<String> = chosen
                .into_iter()
                .chain(text.as_deref().map(asking::words))
                .collect();
            NativeOutcome::done(parts.join("\n"))
        }
        UserAnswer::Dismissed => NativeOutcome::failed(FailureKind::Failed, DISMISSED),
        UserAnswer::Nobody => NativeOutcome::failed(FailureKind::Failed, NOBODY),
        UserAnswer::Withdrawn => NativeOutcome::failed(FailureKind::Cancelled, "cancelled"),
    }
}
