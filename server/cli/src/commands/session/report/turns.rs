//! The turns of a session, put together from its journal: what was asked, which tools ran, how it
//! ended, what it cost; and what the user decided between them.

use crate::render;
use boxagnts_protocol::conversation::{TokenUsage, ToolCall};
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::{PlanItem, SessionEvent, TurnOutcome};
use boxagnts_session::store::{Entry, Recorded};

/// One turn.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) number: u64,
    pub(super) at_ms: u64,
    pub(super) prompt: &'a str,
    /// What the model was told along with the prompt.
    pub(super) context: Option<&'a str>,
    pub(super) model: &'a str,
    /// What the model said, in pieces between its tool calls.
    pub(super) said: Vec<String>,
    pub(super) calls: Vec<Called<'a>>,
    /// What the model said last that it is about to do.
    pub(super) steps: &'a [PlanItem],
    /// `None` for a turn without an end: the process was killed, or it still runs.
    pub(super) outcome: Option<&'a TurnOutcome>,
    pub(super) usage: TokenUsage,
    /// US dollars; `None` when the price of a request is not known.
    pub(super) cost_usd: Option<f64>,
}

/// One tool call.
#[derive(Debug)]
pub(super) struct Called<'a> {
    pub(super) call: &'a ToolCall,
    /// `None` for a call without an end.
    pub(super) report: Option<&'a ToolReport>,
}

/// What became of hunks, at a time.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    pub(super) at_ms: u64,
    pub(super) accepted: Vec<&'a str>,
    pub(super) rejected: Vec<&'a str>,
    /// The user's words.
    pub(super) comment: Option<&'a str>,
    /// What else there is to say, in words.
    pub(super) told: Option<String>,
}

/// Every decision, in order; changes that were taken back are among them.
pub(super) fn decisions(entries: &[Entry]) -> Vec<Decision<'_>> {
    entries.iter().filter_map(decision).collect()
}

fn decision(entry: &Entry) -> Option<Decision<'_>> {
    let Recorded::Known(event) = &entry.event else {
        return None;
    };
    let mut decision = Decision {
        at_ms: entry.at_ms,
        accepted: Vec::new(),
        rejected: Vec::new(),
        comment: None,
        told: None,
    };
    match &**event {
        SessionEvent::Decided { hunks, comment, .. } => {
            let of = |state| {
                let hunks = hunks.iter().filter(move |hunk| hunk.state == state);
                hunks.map(|hunk| hunk.id.as_str()).collect()
            };
            decision.accepted = of(HunkState::Accepted);
            decision.rejected = of(HunkState::Rejected);
            decision.comment = comment.as_deref();
        }
        SessionEvent::Undone { result, .. } => decision.told = Some(render::undone(result)),
        SessionEvent::Recovered {
            applied,
            files,
            refused,
            ..
        } => decision.told = Some(boxagnts_session::recovered(*applied, files, refused)),
        _ => return None,
    }
    Some(decision)
}

/// All turns, in order.
pub(super) fn turns(entries: &[Entry]) -> Vec<Turn<'_>> {
    let mut turns = Vec::new();
    for entry in entries {
        let Recorded::Known(event) = &entry.event else {
            continue;
        };
        if let SessionEvent::TurnStarted {
            turn,
            prompt,
            context,
            model,
        } = &**event
        {
            turns.push(Turn {
                number: *turn,
                at_ms: entry.at_ms,
                prompt,
                context: context.as_deref(),
                model,
                said: Vec::new(),
                calls: Vec::new(),
                steps: &[],
                outcome: None,
                usage: TokenUsage::default(),
                cost_usd: Some(0.0),
            });
        } else if let Some(turn) = turns.last_mut() {
            turn.take_in(event);
        }
    }
    turns
}

impl<'a> Turn<'a> {
    fn take_in(&mut self, event: &'a SessionEvent) {
        match event {
            SessionEvent::TextDelta { text, .. } => match self.said.last_mut() {
                Some(said) => said.push_str(text),
                None => self.said.push(text.clone()),
            },
            SessionEvent::ModelCalled { .. } => self.said.push(String::new()),
            SessionEvent::Plan { items, .. } => self.steps = items,
            SessionEvent::Nested { inner, .. } => {
                if let SessionEvent::ModelAnswered { .. } = **inner {
                    self.take_in(inner);
                }
            }
            SessionEvent::ModelAnswered {
                usage, cost_usd, ..
            } => {
                self.usage.add(usage);
                self.cost_usd = self.cost_usd.zip(*cost_usd).map(|(sum, cost)| sum + cost);
            }
            SessionEvent::ToolStarted { call, .. } => {
                self.calls.push(Called { call, report: None })
            }
            SessionEvent::ToolFinished { id, report, .. } => {
                let open =
                    |called: &&mut Called<'_>| called.call.id == *id && called.report.is_none();
                if let Some(called) = self.calls.iter_mut().find(open) {
                    called.report = Some(report);
                }
            }
            SessionEvent::TurnEnded { outcome, .. } => self.outcome = Some(outcome),
            _ => {}
        }
    }
}
