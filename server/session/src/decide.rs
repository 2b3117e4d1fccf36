//! Carrying out what the user decided on hunks.

use crate::batch;
use crate::error::SessionError;
use crate::hooks;
use crate::session::{Session, lock};
use crate::sessions::Sessions;
use boxagnts_protocol::commands::{DecideResult, HunkStatus};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::BatchKind;
use boxagnts_workspace::{FilePlan, PageQuery, Selection};
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Checks the selection now and applies it in a task of its own, behind batches that came before.
pub(crate) fn accept(
    sessions: &Arc<Sessions>,
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
    let (sessions, session) = (Arc::clone(sessions), Arc::clone(session));
    let task = tokio::spawn(async move {
        let hunks = apply(&session, &selection).await;
        // The other sessions did not look while files changed.
        sessions.look();
        hunks
    });
    Ok((result, task))
}

/// Applies a selection and says what became of each hunk.
pub(crate) async fn apply(session: &Arc<Session>, selection: &Selection) -> Vec<HunkStatus> {
    let _turnstile = session.applying.lock().await;
    let files = session.overlay.files_of(selection);
    session.overlay.refresh_buffers(&files).await;
    // Planned again: a batch before this one may have moved or decided hunks.
    let (plans, gone) = match session.overlay.plan_to_apply(selection) {
        Ok(planned) => planned,
        Err(error) => {
            // Whoever took the last hunk of it has told so.
            tracing::info!(session = %session.id, %error, "selection is gone");
            return Vec::new();
        }
    };
    if plans.is_empty() && gone.is_empty() {
        return Vec::new();
    }
    let (plans, empty): (Vec<FilePlan>, Vec<FilePlan>) =
        plans.into_iter().partition(|plan| !plan.hunks.is_empty());
    let mut hunks = gone;
    hunks.extend(statuses(&empty, |_| (HunkState::Pending, None)));
    let mut checkpoint = None;
    if !plans.is_empty() {
        let (results, id) = carry_out(session, &plans).await;
        for (plan, result) in plans.iter().zip(results) {
            let (state, reason) = match result {
                Ok(()) => {
                    session.overlay.accepted(plan);
                    checkpoint = id;
                    (HunkState::Accepted, None)
                }
                Err(reason) => {
                    session.overlay.not_applied(plan);
                    (HunkState::Pending, Some(reason))
                }
            };
            let of = |_: &str| (state, reason.clone());
            hunks.extend(statuses(std::slice::from_ref(plan), of));
        }
    }
    let _ = session.emit(SessionEvent::Decided {
        hunks: hunks.clone(),
        comment: None,
        checkpoint,
    });
    let _ = session.emit_proposal();
    hunks
}

/// Applies plans as a batch; a result for each, and the batch's number.
async fn carry_out(
    session: &Arc<Session>,
    plans: &[FilePlan],
) -> (Vec<Result<(), String>>, Option<u64>) {
    let chosen: usize = plans.iter().map(|plan| plan.hunks.len()).sum();
    if let Some(reason) = hooks::accept(session, plans).await {
        return (vec![Err(reason); plans.len()], None);
    }
    let label = format!(
        "accept {} in {}",
        count(chosen, "hunk"),
        of_files(plans.len())
    );
    let ground = session.ground();
    match batch::begin(&ground, BatchKind::Accept, &label, plans).await {
        Err(error) => (vec![Err(error.to_string()); plans.len()], None),
        Ok(id) => {
            let results = batch::apply(&ground, id, plans).await;
            batch::close(&ground, id);
            (results, Some(id.0))
        }
    }
}

/// "2 files".
pub(crate) fn of_files(files: usize) -> String {
    count(files, "file")
}

fn count(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Another text for a hunk.
pub(crate) fn amend(
    session: &Session,
    hunk: &str,
    text: &str,
) -> Result<DecideResult, SessionError> {
    let amended = session.overlay.amend(hunk, text)?;
    told(session, vec![amended])
}

/// Several hunks of one.
pub(crate) fn split(session: &Session, hunk: &str) -> Result<DecideResult, SessionError> {
    let pieces = session.overlay.split(hunk)?;
    told(session, pieces)
}

/// Rejected hunks wait again; the model is told, because it was told that they are undone.
pub(crate) fn repropose(session: &Session, hunks: &[String]) -> Result<DecideResult, SessionError> {
    let back = session.overlay.repropose(hunks)?;
    let ids: Vec<&str> = back.iter().map(|hunk| hunk.id.as_str()).collect();
    let note = format!(
        "[The user wants these hunks after all; they are proposed again: {}]",
        ids.join(", ")
    );
    lock(&session.activity).notes.push(note);
    told(session, back)
}

/// Journals what became of hunks without a decision.
fn told(session: &Session, hunks: Vec<HunkStatus>) -> Result<DecideResult, SessionError> {
    session.emit_proposal()?;
    Ok(DecideResult {
        session: session.id.clone(),
        hunks,
    })
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
    let before = session.overlay.page(&PageQuery {
        waiting: true,
        ..PageQuery::default()
    });
    let hunks = session.overlay.reject(selection)?;
    let comment = comment.filter(|text| !text.trim().is_empty());

    let mut note =
        String::from("[The user rejected these hunks of your proposal; they are undone:");
    let rejected: HashSet<&str> = hunks.iter().map(|hunk| hunk.id.as_str()).collect();
    for file in &before.files {
        for hunk in &file.hunks {
            if rejected.contains(hunk.id.as_str()) {
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
        checkpoint: None,
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
