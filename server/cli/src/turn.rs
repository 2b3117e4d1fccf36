//! Following one turn to its end, and cancelling it when the user says so.

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::terminal;
use boxagnts_protocol::commands::{AskResult, HunkStatus};
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_protocol::question::UserAnswer;
use boxagnts_protocol::tool::{FailureKind, ToolFailure};
use boxagnts_protocol::update::{SessionEvent, SessionMode, TurnOutcome, Update};
use boxagnts_session::policy::permission::{Level, Mode};
use boxagnts_session::tools::PROPOSE_PLAN;
use boxagnts_session::{Selection, Sessions};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// How a turn ended, and what happened on the way.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: TurnOutcome,
    /// Of the session so far.
    pub(crate) usage: TokenUsage,
    /// Of the session so far, where prices are known.
    pub(crate) cost_usd: Option<f64>,
    /// Of the turn's answers.
    pub(crate) turn: Spent,
    /// Tool calls of the turn.
    pub(crate) tool_calls: u64,
    /// Why nothing came of it: no tool call succeeded, or none of those that were to change something.
    pub(crate) fruitless: Option<ToolFailure>,
    /// Decisions that the session took by itself (mode `auto`).
    pub(crate) decided: Vec<HunkStatus>,
    /// What was proposed when it took them.
    pub(crate) proposed: Option<String>,
    /// The plan that the turn ended with, which nobody has approved.
    pub(crate) plan: Option<String>,
}

/// What answers used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) usage: TokenUsage,
    /// `None` when no price is known.
    pub(crate) cost_usd: Option<f64>,
}

/// Waits for the turn's end and shows every update of its session. Ctrl-C cancels the turn.
pub(crate) async fn follow(
    sessions: &Arc<Sessions>,
    asked: &AskResult,
    updates: &mut UnboundedReceiver<Update>,
    mut show: impl FnMut(&Update) -> Result<(), Failure>,
) -> Result<Ended, Failure> {
    let (running, session) = (Arc::clone(sessions), asked.session.clone());
    let _listening = Interrupt::listen(move || cancel(&running, &session));
    let mut seen = Seen::default();
    while let Some(update) = updates.recv().await {
        if update.session != asked.session {
            continue;
        }
        let update = explained(sessions, update);
        let was_closed = terminal::stdout_closed();
        show(&update)?;
        // Nobody would read what else is paid for.
        if terminal::stdout_closed() && !was_closed {
            cancel(sessions, &asked.session);
        }
        seen.take_in_change(&update.event, |tool| {
            level(sessions, tool) == Some(Level::Write)
        });
        if let Some(ended) = seen.take_in(update.event, asked.turn) {
            return Ok(ended);
        }
    }
    Err(Failure::failed(
        "the session ended without saying how; the log has the details",
    ))
}

/// The level of a tool.
fn level(sessions: &Sessions, tool: &str) -> Option<Level> {
    sessions.environment().toolbox().level(tool)
}

/// A model is not offered what its mode forbids, and is told that there is no such tool. Its user
/// hears why.
fn explained(sessions: &Sessions, mut update: Update) -> Update {
    let mode = |session: &str| sessions.mode(session).ok();
    if let SessionEvent::ToolFinished { name, report, .. } = &mut update.event
        && let Some(error) = &mut report.error
        && error.kind == FailureKind::UnknownTool
        && mode(&update.session) == Some(SessionMode::Plan)
        && level(sessions, name).is_some_and(|level| level > Level::Read)
    {
        let config = sessions.environment().config();
        let place = match config.mode() {
            Mode::Plan => config.origin("mode"),
            Mode::Review | Mode::Auto => "the session".to_owned(),
        };
        error.kind = FailureKind::Denied;
        error.message = format!(
            "`{name}` does more than read, and mode `plan`, from {place}, only reads; use --mode \
             review"
        );
    }
    update
}

fn cancel(sessions: &Sessions, session: &str) {
    if let Err(error) = sessions.cancel(session) {
        tracing::error!(%error, "cannot cancel");
    }
}

/// What was seen of a turn so far.
#[derive(Default)]
struct Seen {
    spent: Spent,
    tool_calls: u64,
    succeeded: bool,
    failure: Option<ToolFailure>,
    /// Whether something was changed, or planned.
    changed: bool,
    /// Why something was not.
    unchanged: Option<ToolFailure>,
    decided: Vec<HunkStatus>,
    plan: Option<String>,
    /// Diffs by file.
    proposed: BTreeMap<String, String>,
}

impl Seen {
    /// Notes what became of the changes that were wanted.
    fn take_in_change(&mut self, event: &SessionEvent, changes: impl Fn(&str) -> bool) {
        match event {
            SessionEvent::ProposalChanged { changed, .. } => self.changed |= !changed.is_empty(),
            SessionEvent::ToolFinished { name, report, .. } if name == PROPOSE_PLAN => {
                self.changed |= report.ok;
            }
            SessionEvent::ToolFinished { name, report, .. } if changes(name) => {
                self.changed |= report.ok;
                let denied = |failure: &ToolFailure| failure.kind == FailureKind::Denied;
                // A refusal says more than how a model's way around it failed.
                let before = self.unchanged.take();
                self.unchanged = match before {
                    Some(before) if denied(&before) => Some(before),
                    before => report.error.clone().or(before),
                };
            }
            _ => {}
        }
    }

    fn take_in(&mut self, event: SessionEvent, turn: u64) -> Option<Ended> {
        match event {
            SessionEvent::ToolFinished { report, .. } => {
                self.tool_calls += 1;
                self.succeeded |= report.ok;
                self.failure = report.error.or(self.failure.take());
            }
            SessionEvent::Asked { question, .. } => self.plan = question.detail,
            SessionEvent::Answered {
                answer: UserAnswer::Given { .. },
                ..
            } => self.plan = None,
            SessionEvent::Nested { inner, .. } => {
                if let SessionEvent::ModelAnswered { .. } = *inner {
                    return self.take_in(*inner, turn);
                }
            }
            SessionEvent::ModelAnswered {
                usage, cost_usd, ..
            }
            | SessionEvent::ExecutorEnded {
                usage, cost_usd, ..
            } => {
                self.spent.usage.add(&usage);
                if let Some(cost) = cost_usd {
                    let sum = self.spent.cost_usd.get_or_insert(0.0);
                    *sum += cost;
                }
            }
            // What comes behind a decision is only what was left.
            SessionEvent::ProposalChanged { changed, .. } if self.decided.is_empty() => {
                let changed = changed.into_iter();
                self.proposed
                    .extend(changed.map(|file| (file.path, file.diff)));
            }
            SessionEvent::Decided { hunks, .. } => self.decided.extend(hunks),
            SessionEvent::TurnEnded {
                turn: ended,
                outcome,
                usage,
                cost_usd,
            } if ended == turn => {
                let seen = std::mem::take(self);
                return Some(Ended {
                    outcome,
                    usage,
                    cost_usd,
                    turn: seen.spent,
                    tool_calls: seen.tool_calls,
                    fruitless: seen
                        .unchanged
                        .filter(|_| !seen.changed)
                        .or(seen.failure.filter(|_| !seen.succeeded)),
                    proposed: (!seen.decided.is_empty())
                        .then(|| seen.proposed.into_values().collect()),
                    decided: seen.decided,
                    plan: seen.plan,
                });
            }
            _ => {}
        }
        None
    }
}

/// Applies hunks and waits until it is known what became of them.
pub(crate) async fn accept(
    sessions: &Arc<Sessions>,
    session: &str,
    selection: &Selection,
) -> Result<Vec<HunkStatus>, Failure> {
    let (_, applying) = sessions.accept(session, selection)?;
    applying
        .await
        .map_err(|error| Failure::failed(format!("writing was interrupted: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::proposal::HunkState;
    use boxagnts_protocol::tool::ToolReport;
    use boxagnts_protocol::update::ProposedDiff;

    fn changed(diff: &str) -> SessionEvent {
        SessionEvent::ProposalChanged {
            files: 1,
            pending: 1,
            conflicted: 0,
            changed: vec![ProposedDiff {
                path: "a".into(),
                diff: diff.into(),
                base: None,
                hunks: Vec::new(),
            }],
            rivals: None,
            last_hunk: 1,
        }
    }

    fn ended(turn: u64) -> SessionEvent {
        SessionEvent::TurnEnded {
            turn,
            outcome: TurnOutcome::Done,
            usage: TokenUsage::default(),
            cost_usd: None,
        }
    }

    #[test]
    fn what_a_session_accepted_itself_is_still_known() {
        let mut seen = Seen::default();
        let hunk = HunkStatus {
            id: "h1".into(),
            state: HunkState::Accepted,
            reason: None,
        };
        assert!(seen.take_in(changed("the diff"), 2).is_none());
        let decided = SessionEvent::Decided {
            hunks: vec![hunk],
            comment: None,
            checkpoint: None,
        };
        assert!(seen.take_in(decided, 2).is_none());
        assert!(seen.take_in(changed(""), 2).is_none());
        assert!(seen.take_in(ended(1), 2).is_none());
        let ended = seen.take_in(ended(2), 2).unwrap();
        assert_eq!(ended.proposed.as_deref(), Some("the diff"));
        assert_eq!(ended.decided.len(), 1);
    }

    #[test]
    fn a_turn_in_which_nothing_worked_is_known() {
        let finished = |ok: bool| {
            let refused = ToolReport::refused(FailureKind::Denied, "no");
            let report = if ok {
                ToolReport {
                    ok,
                    error: None,
                    ..refused
                }
            } else {
                refused
            };
            SessionEvent::ToolFinished {
                turn: 1,
                id: "c".into(),
                name: "read".into(),
                report,
            }
        };
        let check = |calls: &[bool], expect: Option<FailureKind>| {
            let mut seen = Seen::default();
            for ok in calls {
                seen.take_in(finished(*ok), 1);
            }
            let fruitless = seen.take_in(ended(1), 1).unwrap().fruitless;
            assert_eq!(fruitless.map(|failure| failure.kind), expect, "{calls:?}");
        };
        check(&[], None);
        check(&[true], None);
        check(&[false, true, false], None);
        check(&[false, false], Some(FailureKind::Denied));
    }

    #[test]
    fn a_turn_that_changed_nothing_of_what_it_wanted_to_is_known() {
        let check = |calls: &[(&str, Option<FailureKind>)], expect: Option<FailureKind>| {
            let mut seen = Seen::default();
            for (name, failure) in calls {
                let mut report = ToolReport::refused(failure.unwrap_or(FailureKind::Failed), "no");
                report.ok = failure.is_none();
                report.error = report.error.filter(|_| failure.is_some());
                let event = SessionEvent::ToolFinished {
                    turn: 1,
                    id: "c".into(),
                    name: (*name).into(),
                    report,
                };
                seen.take_in_change(&event, |name| name == "edit");
                seen.take_in(event, 1);
            }
            let fruitless = seen.take_in(ended(1), 1).unwrap().fruitless;
            assert_eq!(fruitless.map(|failure| failure.kind), expect, "{calls:?}");
        };
        let (denied, failed) = (Some(FailureKind::Denied), Some(FailureKind::Failed));
        check(&[("grep", None), ("edit", denied)], denied);
        check(
            &[("grep", None), ("edit", denied), ("edit", failed)],
            denied,
        );
        check(&[("grep", None), ("edit", failed)], failed);
        check(&[("edit", denied), ("edit", None)], None);
        check(&[("edit", denied), ("propose_plan", None)], None);
        check(&[("grep", None), ("fetch", denied)], None);
    }

    #[test]
    fn a_turn_without_decisions_leaves_the_diff_to_the_session() {
        let mut seen = Seen::default();
        seen.take_in(changed("the diff"), 1);
        assert_eq!(seen.take_in(ended(1), 1).unwrap().proposed, None);
    }
}
