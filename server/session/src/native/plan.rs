//! `propose_plan`: mode `plan` ends in a plan that the user approves. Only the user's answer switches
//! the mode, and never to one that the configuration does not allow.

use super::{TurnNatives, asking, input};
use crate::context;
use crate::mode::to_policy;
use crate::session::lock;
use boxagnts_policy::permission::Mode;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::question::{AnswerChoice, UserAnswer, UserQuestion};
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::SessionMode;
use boxagnts_tools::{NativeOutcome, PROPOSE_PLAN, ProposePlan};

const REVIEW: &str = "Approve, review changes";
const AUTO: &str = "Approve, accept changes";
const KEEP: &str = "Keep planning";

pub(super) async fn run(
    natives: &TurnNatives,
    call: &ToolCall,
) -> Result<NativeOutcome, NativeOutcome> {
    let ProposePlan { plan } = input(call)?;
    let session = &natives.session;
    let config = session.config();
    if config.mode() != Mode::Plan {
        let mode = config.mode().name();
        return Err(NativeOutcome::failed(
            FailureKind::Failed,
            format!("`{PROPOSE_PLAN}` is for mode `plan`, and the mode is `{mode}`: go on"),
        ));
    }
    let question = question(plan, config.widest_mode());
    let (answer, waited) = asking::ask(natives, &call.id, question).await?;
    let outcome = match answer {
        UserAnswer::Given { choices, text } => {
            let text = text.as_deref().map(asking::words);
            match approved(&choices) {
                Some(mode) => match session.change_mode(mode, Some(call.id.clone())) {
                    Ok(()) => {
                        lock(&session.told_model).knows_mode(to_policy(mode));
                        NativeOutcome::done(told(mode, text))
                    }
                    Err(error) => NativeOutcome::failed(FailureKind::Denied, error.to_string()),
                },
                None => NativeOutcome::done(keeps(text)),
            }
        }
        UserAnswer::Dismissed => ended(natives, "The user has not decided on the plan."),
        UserAnswer::Nobody => ended(natives, "Nobody can approve the plan here."),
        UserAnswer::Withdrawn => NativeOutcome::failed(FailureKind::Cancelled, "cancelled"),
    };
    Ok(NativeOutcome { waited, ..outcome })
}

fn question(plan: String, widest: Mode) -> UserQuestion {
    let offered = [
        (
            REVIEW,
            SessionMode::Review,
            "Go on; you review every change (mode `review`).",
        ),
        (
            AUTO,
            SessionMode::Auto,
            "Go on; changes are accepted when the turn ends (mode `auto`).",
        ),
    ];
    let allowed = |mode| to_policy(mode).wider(widest) == widest;
    let choice = |label: &str, description: &str| AnswerChoice {
        label: label.to_owned(),
        description: description.to_owned(),
    };
    let mut choices: Vec<AnswerChoice> = offered
        .into_iter()
        .filter(|(_, mode, _)| allowed(*mode))
        .map(|(label, _, description)| choice(label, description))
        .collect();
    choices.push(choice(
        KEEP,
        "Not yet; your words say what is to be another way.",
    ));
    let question = match choices.len() {
        1 => {
            "The plan cannot be approved here: the project's configuration allows mode `plan` alone. \
              What should be another way?"
        }
        _ => "Approve this plan?",
    };
    UserQuestion {
        question: question.to_owned(),
        detail: Some(plan),
        choices,
        multi_select: false,
        allow_free_text: true,
    }
}

fn approved(choices: &[String]) -> Option<SessionMode> {
    match choices {
        [one] if one == REVIEW => Some(SessionMode::Review),
        [one] if one == AUTO => Some(SessionMode::Auto),
        _ => None,
    }
}

fn told(mode: SessionMode, text: Option<String>) -> String {
    let mode = to_policy(mode);
    let text = text.map(|text| format!("\n{text}")).unwrap_or_default();
    format!(
        "The user approved the plan: carry it out. The mode is now `{}`:\n{}{text}",
        mode.name(),
        context::mode(mode)
    )
}

fn keeps(text: Option<String>) -> String {
    let rest = text.unwrap_or_else(|| {
        "They did not say what is missing: ask, or propose a better plan.".to_owned()
    });
    format!("The user did not approve the plan; keep planning. {rest}")
}

/// The plan is what the turn brought.
fn ended(natives: &TurnNatives, why: &str) -> NativeOutcome {
    natives.end_turn();
    NativeOutcome::done(format!(
        "{why} It is the result of this turn, which ends here."
    ))
}
