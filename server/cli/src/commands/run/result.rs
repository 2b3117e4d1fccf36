//! The last line of `boxagnts run --json`.

use super::Report;
use crate::exit::Failure;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::conversation::TokenUsage;
use boxagnts_protocol::update::TurnOutcome;
use serde::Serialize;

/// What came of it all.
#[derive(Debug, Serialize)]
pub(super) struct RunResult<'a> {
    /// Always `result`; other lines name events of the session.
    event: &'static str,
    /// `null` when it failed before there was a session.
    session: Option<&'a str>,
    outcome: TurnOutcome,
    diff: &'a str,
    /// Whether everything in `diff` has been written.
    applied: bool,
    /// What became of hunks that were decided on.
    hunks: &'a [HunkStatus],
    /// The plan that the turn ended with, which nobody has approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a str>,
    usage: TokenUsage,
    cost_usd: Option<f64>,
    exit_code: i32,
}

impl<'a> RunResult<'a> {
    pub(super) fn of(report: &'a Report) -> RunResult<'a> {
        RunResult {
            event: "result",
            session: Some(&report.session),
            outcome: report.ended.outcome.clone(),
            diff: &report.diff,
            applied: report.applied,
            hunks: &report.hunks,
            plan: report.ended.plan.as_deref(),
            usage: report.ended.usage,
            cost_usd: report.ended.cost_usd,
            exit_code: report.exit.code(),
        }
    }

    /// The result when there was no turn, or it could not be followed to its end.
    pub(super) fn failed(failure: &Failure) -> RunResult<'a> {
        RunResult {
            event: "result",
            session: None,
            outcome: TurnOutcome::Failed {
                message: failure.message.clone(),
                may_pass: false,
            },
            diff: "",
            applied: false,
            hunks: &[],
            plan: None,
            usage: TokenUsage::default(),
            cost_usd: None,
            exit_code: failure.exit.code(),
        }
    }
}
