//! `todo`: the model's list of steps, as the user sees it.

use super::{TurnNatives, input, unwritten};
use crate::error::SessionError;
use crate::session::lock;
use crate::sessions::Sessions;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::{PlanItem, PlanStatus, SessionEvent};
use boxagnts_tools::{NativeOutcome, Todo};

/// Longest list, in bytes of its texts; the schema bounds their number.
const MAX_BYTES: usize = 16 * 1024;

pub(super) fn run(natives: &TurnNatives, call: &ToolCall) -> Result<NativeOutcome, NativeOutcome> {
    let Todo { items } = input(call)?;
    let bytes: usize = items.iter().map(|item| item.text.len()).sum();
    if bytes > MAX_BYTES {
        let message = format!(
            "the list has {bytes} bytes of at most {MAX_BYTES}; give shorter steps, or fewer"
        );
        return Err(NativeOutcome::failed(FailureKind::InvalidInput, message));
    }
    let session = &natives.session;
    // Held across the event: what is journalled last is what holds.
    let mut steps = lock(&session.steps);
    session
        .emit(SessionEvent::Plan {
            turn: natives.turn,
            items: items.clone(),
        })
        .map_err(unwritten)?;
    let of = |status| items.iter().filter(|item| item.status == status).count();
    let told = format!(
        "The user sees {} steps: {} completed, {} in progress, {} pending.",
        items.len(),
        of(PlanStatus::Completed),
        of(PlanStatus::InProgress),
        of(PlanStatus::Pending)
    );
    *steps = items;
    Ok(NativeOutcome::done(told))
}

/// The list that these events leave.
pub(crate) fn latest(events: &[SessionEvent]) -> Vec<PlanItem> {
    let found = events.iter().rev().find_map(|event| match event {
        SessionEvent::Plan { items, .. } => Some(items.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

impl Sessions {
    /// The list of steps that a session's model made last; empty without any.
    ///
    /// # Errors
    /// Unknown session.
    pub fn steps(&self, session: &str) -> Result<Vec<PlanItem>, SessionError> {
        Ok(lock(&self.get(session)?.steps).clone())
    }
}
