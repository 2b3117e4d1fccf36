//! Carrying out what the user decided on hunks.

use crate::error::SessionError;
use crate::session::{Session, lock};
use boxagnts_protocol::commands::{DecideResult, HunkStatus};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_workspace::{FilePlan, Selection};
use std::fmt::Write;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Checks the selection now and applies it in a task of its own, behind batches that came before.
pub(crate) fn accept(
    session: &Arc<Session>,
    selection: Selection,
) -> Result<(DecideResult, JoinHandle<Vec<HunkStatus>>), SessionError> {
    let selection = still_waiting(session, &selection);
    let plans = session.overlay.plan(&selection)?;
    let hunks = statuses(&plans, |_| (HunkState::Pending, None));
    let result = DecideResult {
        session: session.id.clone(),
        hunks,
    };
    let session = Arc::clone(session);
    let task = tokio::spawn(async move { apply(&session, &selection).await });
    Ok((result, task))
}

/// Applies a selection and says what became of each hunk.
pub(crate) async fn apply(session: &Session, selection: &Selection) -> Vec<HunkStatus> {
    let _turnstile = session.applying.lock().await;
    // Planned again: a batch before this one may have moved or decided hunks.
    let plans = match session.overlay.plan(&still_waiting(session, selection)) {
        Ok(plans) => plans,
        Err(error) => {
            tracing::info!(session = %session.id, %error, "selection is gone");
            return Vec::new();
        }
    };
    let (plans, empty): (Vec<FilePlan>, Vec<FilePlan>) =
        plans.into_iter().partition(|plan| !plan.hunks.is_empty());
    let mut hunks = statuses(&empty, |_| (HunkState::Pending, None));
    if !plans.is_empty() {
        let results = session.applier.apply(&session.overlay, &plans).await;
        let unanswered = || Err("the editor gave no answer for this file".to_owned());
        let results = results
            .into_iter()
            .chain(std::iter::repeat_with(unanswered));
        for (plan, result) in plans.iter().zip(results) {
            match result {
                Ok(()) => {
                    session.overlay.accepted(plan);
                    let accepted = |_: &str| (HunkState::Accepted, None);
                    hunks.extend(statuses(std::slice::from_ref(plan), accepted));
                }
                Err(reason) => {
                    let kept = |_: &str| (HunkState::Pending, Some(reason.clone()));
                    hunks.extend(statuses(std::slice::from_ref(plan), kept));
                }
            }
        }
    }
    let _ = session.emit(SessionEvent::Decided {
        hunks: hunks.clone(),
        comment: None,
    });
    let _ = session.emit_proposal();
    hunks
}

/// The selection without hunks that were decided since it was made; their own events have told.
fn still_waiting(session: &Session, selection: &Selection) -> Selection {
    let Selection::Hunks(ids) = selection else {
        return selection.clone();
    };
    let waits = |id: &&String| session.overlay.decision(id).is_none();
    let left: Vec<String> = ids.iter().filter(waits).cloned().collect();
    match left.is_empty() {
        // What is wrong with it is for the plan to say.
        true => selection.clone(),
        false => Selection::Hunks(left),
    }
}

/// Drops the selected hunks and keeps the user's words for the model.
pub(crate) fn reject(
    session: &Session,
    selection: &Selection,
    comment: Option<String>,
) -> Result<DecideResult, SessionError> {
    // Described before they are gone.
    let before = session.overlay.proposal();
    let hunks = session.overlay.reject(selection)?;
    let comment = comment.filter(|text| !text.trim().is_empty());

    let mut note =
        String::from("[The user rejected these hunks of your proposal; they are undone:");
    for file in &before {
        for hunk in &file.hunks {
            let rejected = hunks
                .iter()
                .any(|h| h.id == hunk.id && h.state == HunkState::Rejected);
            if rejected {
                let line = hunk.range.start.line + 1;
                let _ = write!(note, " {} of `{}` at line {line};", hunk.id, file.path);
            }
        }
    }
    match &comment {
        Some(comment) => {
            let _ = write!(note, " and says: {comment}]");
        }
        None => note.push(']'),
    }
    lock(&session.activity).notes.push(note);

    session.emit(SessionEvent::Decided {
        hunks: hunks.clone(),
        comment,
    })?;
    session.emit_proposal()?;
    Ok(DecideResult {
        session: session.id.clone(),
        hunks,
    })
}

/// The status of each hunk that the plans cover; refused ones keep their own.
fn statuses(
    plans: &[FilePlan],
    of: impl Fn(&str) -> (HunkState, Option<String>),
) -> Vec<HunkStatus> {
    let mut all = Vec::new();
    for plan in plans {
        for id in &plan.hunks {
            let (state, reason) = of(id);
            all.push(HunkStatus {
                id: id.clone(),
                state,
                reason,
            });
        }
        all.extend(plan.refused.iter().cloned());
    }
    all
}
