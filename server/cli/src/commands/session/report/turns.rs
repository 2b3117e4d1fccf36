//! The turns of a session, put together from its journal: what was asked, which tools ran, how it
//! ended, what it cost.

use boxagnts_protocol::conversation::{TokenUsage, ToolCall};
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
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
