//! The tool calls of an answer: checked, run in batches, and answered each exactly once.

use crate::Effect;
use crate::query::{Phase, Query};
use crate::repeats::Repeats;
use boxagnts_protocol::conversation::{Content, ToolCall, ToolResult};
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::TurnOutcome;
use std::collections::{HashSet, VecDeque};

/// The tool calls of one answer on their way.
#[derive(Debug)]
pub(crate) struct Calling {
    /// In the order of the answer; `None` for what has not ended.
    results: Vec<(ToolCall, Option<ToolResult>)>,
    /// Ids of the calls that run now.
    pub(crate) running: HashSet<String>,
    /// What runs after them.
    batches: VecDeque<Vec<ToolCall>>,
    /// Said behind the results.
    remark: Option<String>,
    /// The turn ends when those that run have ended.
    pub(crate) ends: bool,
}

impl Query {
    /// Refuses what cannot run and starts the first batch of what can.
    pub(crate) fn start_calls(
        &mut self,
        calls: Vec<ToolCall>,
        remark: Option<String>,
    ) -> Vec<Effect> {
        let mut calling = Calling {
            results: calls.iter().map(|call| (call.clone(), None)).collect(),
            running: HashSet::new(),
            batches: VecDeque::new(),
            remark,
            ends: false,
        };
        if let Err(limit) = self
            .budget
            .take_tool_calls(&self.config.limits, calls.len() as u64)
        {
            let (wanted, left) = (
                calls.len(),
                self.budget.tool_calls_left(&self.config.limits),
            );
            let why = "not run: the limit `max_tool_calls` is reached";
            let mut effects = self.refuse_all(calls, why);
            if left > 0 {
                let message = format!(
                    "the model wanted {wanted} tool calls at once where `max_tool_calls` leaves {left}: \
                     none of them was run"
                );
                effects.push(Effect::Notice { message });
            }
            effects.extend(self.finish(limit));
            return effects;
        }
        let mut effects = Vec::new();
        let mut reading = false;
        for call in calls {
            match self.check(&call) {
                Err((kind, message)) => {
                    let result = ToolResult {
                        id: call.id.clone(),
                        output: message.clone(),
                        is_error: true,
                    };
                    calling.answer(result, &mut self.repeats);
                    effects.push(Effect::Refuse {
                        call,
                        started: false,
                        kind,
                        message,
                    });
                }
                // Reads next to each other run together; a write sees what came before it and is
                // seen by what comes after.
                Ok(true) if reading => {
                    if let Some(batch) = calling.batches.back_mut() {
                        batch.push(call);
                    }
                }
                Ok(read_only) => {
                    reading = read_only;
                    calling.batches.push_back(vec![call]);
                }
            }
        }
        self.phase = Phase::Calling(calling);
        effects.extend(self.next_batch());
        effects
    }

    /// Whether the call can run: `Ok(read_only)`, or what is wrong with it.
    fn check(&self, call: &ToolCall) -> Result<bool, (FailureKind, String)> {
        let Some(tool) = self.config.tools.iter().find(|tool| tool.name == call.name) else {
            let names: Vec<&str> = self.config.tools.iter().map(|t| t.name.as_str()).collect();
            let message = format!(
                "there is no tool `{}`; the tools are: {}",
                call.name,
                if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                }
            );
            return Err((FailureKind::UnknownTool, message));
        };
        if !call.input.is_object() {
            let message = format!(
                "the input of `{}` is not a JSON object; call it again",
                call.name
            );
            return Err((FailureKind::InvalidInput, message));
        }
        Ok(tool.read_only)
    }

    /// Runs the next batch, or gives the model what came of them all.
    pub(crate) fn next_batch(&mut self) -> Vec<Effect> {
        let Phase::Calling(calling) = &mut self.phase else {
            return Vec::new();
        };
        if calling.ends {
            let mut effects = self.end_calls("not run: the turn has ended", FailureKind::Cancelled);
            effects.extend(self.finish(TurnOutcome::Done));
            return effects;
        }
        if let Some(calls) = calling.batches.pop_front() {
            calling.running = calls.iter().map(|call| call.id.clone()).collect();
            return vec![Effect::RunTools { calls }];
        }
        // Every call has its result by now.
        let mut effects = self.end_calls("not run", FailureKind::Internal);
        effects.extend(self.call_model());
        effects
    }

    /// The calls on their way, if any.
    pub(crate) fn calling(&mut self) -> Option<&mut Calling> {
        match &mut self.phase {
            Phase::Calling(calling) => Some(calling),
            _ => None,
        }
    }

    /// Leaves the calling phase; a call without a result is answered with `why`.
    pub(crate) fn end_calls(&mut self, why: &str, kind: FailureKind) -> Vec<Effect> {
        let calling = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Calling(calling) => calling,
            other => {
                self.phase = other;
                return Vec::new();
            }
        };
        let mut effects = Vec::new();
        let mut content: Vec<Content> = Vec::new();
        for (call, result) in calling.results {
            let result = result.unwrap_or_else(|| {
                let id = call.id.clone();
                effects.push(Effect::Refuse {
                    started: calling.running.contains(&id),
                    call,
                    kind,
                    message: why.to_owned(),
                });
                ToolResult {
                    id,
                    output: why.to_owned(),
                    is_error: true,
                }
            });
            content.push(Content::ToolResult(result));
        }
        self.push_user(content);
        effects.extend(calling.remark.map(|text| self.note(text)));
        effects
    }

    /// Answers calls that do not run.
    pub(crate) fn refuse_all(&mut self, calls: Vec<ToolCall>, why: &str) -> Vec<Effect> {
        let results = calls.iter().map(|call| {
            Content::ToolResult(ToolResult {
                id: call.id.clone(),
                output: why.to_owned(),
                is_error: true,
            })
        });
        self.push_user(results.collect());
        let refused = calls.into_iter().map(|call| Effect::Refuse {
            call,
            started: false,
            kind: FailureKind::Limit,
            message: why.to_owned(),
        });
        refused.collect()
    }
}

impl Calling {
    pub(crate) fn answer(&mut self, result: ToolResult, repeats: &mut Repeats) {
        let mut slots = self.results.iter_mut();
        if let Some((call, slot)) = slots.find(|(call, _)| call.id == result.id) {
            if let Some(notice) = repeats.ended(call, &result) {
                let remark = self.remark.get_or_insert_default();
                if !remark.is_empty() {
                    remark.push('\n');
                }
                remark.push_str(&notice);
            }
            *slot = Some(result);
        }
    }
}
