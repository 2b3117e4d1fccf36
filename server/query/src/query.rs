//! The state machine itself.

use crate::answer::{Answer, Complete};
use crate::budget::{Budget, WorstCase};
use crate::repeats::Repeats;
use crate::{Config, Effect, Event, ToolInfo};
use boxagnts_protocol::conversation::{
    Content, Message, Role, StopReason, TokenUsage, ToolCall, ToolResult,
};
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::TurnOutcome;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// One conversation with a model. Its history is valid for every provider at every moment at
/// which a model can be called: it begins with the user, roles alternate, no message is empty,
/// and every tool call is answered in the message behind it.
#[derive(Debug)]
pub struct Query {
    pub(crate) config: Config,
    pub(crate) messages: Arc<Vec<Message>>,
    pub(crate) budget: Budget,
    /// Ids of all tool calls so far.
    pub(crate) ids: HashSet<String>,
    repeats: Repeats,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Idle,
    /// The model speaks.
    Answering {
        answer: Answer,
        usage: TokenUsage,
    },
    /// Tools run.
    Calling(Calling),
}

/// The tool calls of one answer on their way.
#[derive(Debug)]
pub(crate) struct Calling {
    /// In the order of the answer; `None` for what has not ended.
    results: Vec<(ToolCall, Option<ToolResult>)>,
    /// Ids of the calls that run now.
    running: HashSet<String>,
    /// What runs after them.
    batches: VecDeque<Vec<ToolCall>>,
    /// Said behind the results.
    remark: Option<String>,
    /// The turn ends when those that run have ended.
    pub(crate) ends: bool,
}

impl Query {
    /// An empty conversation.
    pub fn new(config: Config) -> Query {
        Query {
            config,
            messages: Arc::default(),
            budget: Budget::default(),
            ids: HashSet::new(),
            repeats: Repeats::default(),
            phase: Phase::Idle,
        }
    }

    /// The system prompt.
    pub fn system(&self) -> Arc<str> {
        Arc::clone(&self.config.system)
    }

    /// The conversation so far.
    pub fn messages(&self) -> Arc<Vec<Message>> {
        Arc::clone(&self.messages)
    }

    /// Whether a turn runs.
    pub fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Tokens of the session's finished model calls.
    pub fn usage(&self) -> TokenUsage {
        self.budget.usage
    }

    /// US dollars of the session, when the price is known.
    pub fn cost_usd(&self) -> Option<f64> {
        self.config.price.map(|_| self.budget.cost_usd)
    }

    /// Says which tools there are from the next step on: some come and go between turns.
    pub fn set_tools(&mut self, tools: Vec<ToolInfo>) {
        self.config.tools = tools;
    }

    /// Says what the system prompt is: before the first step, as models cache what does not change.
    pub fn set_system(&mut self, system: Arc<str>) {
        self.config.system = system;
    }

    /// Records what the user asked and somebody else than the model answered. Does nothing while a
    /// turn runs.
    pub fn answered_already(&mut self, prompt: String, answer: String) {
        if self.is_running() {
            return;
        }
        self.push_user(vec![Content::Text { text: prompt }]);
        self.push_answer(vec![Content::Text { text: answer }]);
    }

    /// Takes an event and says what is to be done. An event that does not fit the moment (an
    /// answer of a call that was cancelled, say) changes nothing.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        match (event, &mut self.phase) {
            (Event::Prompt { text }, Phase::Idle) => {
                self.push_user(vec![Content::Text { text }]);
                self.budget.new_turn();
                self.repeats = Repeats::default();
                self.call_model()
            }
            (Event::TextDelta(delta), Phase::Answering { answer, .. }) => {
                answer.text(&delta);
                Vec::new()
            }
            (Event::Thought(thinking), Phase::Answering { answer, .. }) => {
                answer.thought(thinking);
                Vec::new()
            }
            (Event::ToolCallStarted { index, id, name }, Phase::Answering { answer, .. }) => {
                answer.call_started(index, id, name);
                Vec::new()
            }
            (Event::ToolCallInput { index, json }, Phase::Answering { answer, .. }) => {
                answer.call_input(index, &json);
                Vec::new()
            }
            (Event::ModelUsage(so_far), Phase::Answering { usage, .. }) => {
                *usage = so_far;
                Vec::new()
            }
            (Event::ModelStopped(reason), Phase::Answering { .. }) => {
                let answer = self.end_answer(false);
                self.answered(answer, reason)
            }
            (Event::ModelFailed { message }, Phase::Answering { .. } | Phase::Calling(_)) => self
                .stop_early(
                    "no answer: the model failed",
                    TurnOutcome::Failed { message },
                ),
            (Event::Cancel, Phase::Answering { .. } | Phase::Calling(_)) => {
                self.stop_early("cancelled by the user", TurnOutcome::Cancelled)
            }
            (
                Event::ToolFinished {
                    id,
                    output,
                    is_error,
                },
                Phase::Calling(calling),
            ) => {
                if !calling.running.remove(&id) {
                    return Vec::new();
                }
                let result = ToolResult {
                    id,
                    output,
                    is_error,
                };
                calling.answer(result, &mut self.repeats);
                if calling.running.is_empty() {
                    self.next_batch()
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }

    /// Asks the model, if the limits let us.
    fn call_model(&mut self) -> Vec<Effect> {
        let Config {
            limits,
            price,
            max_output_tokens,
            system,
            tools,
        } = &self.config;
        let tools = tools.iter().map(|tool| tool.bytes).sum::<u64>();
        let worst = WorstCase {
            input: self
                .budget
                .most_input(system.len() as u64 + tools, &self.messages),
            output: *max_output_tokens,
        };
        let taken = self.budget.take_request(limits, price.as_ref(), worst);
        // What the user has set comes first.
        match (taken, self.repeats.verdict()) {
            (Ok(_), Some(limit)) => self.finish(limit),
            (Ok(max_output_tokens), None) => {
                self.phase = Phase::Answering {
                    answer: Answer::default(),
                    usage: TokenUsage::default(),
                };
                vec![Effect::CallModel {
                    step: self.budget.requests,
                    max_output_tokens,
                }]
            }
            (Err(limit), _) => self.finish(limit),
        }
    }

    /// Leaves the answering phase; what the call used is counted, however it ended.
    fn end_answer(&mut self, lost: bool) -> Answer {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Answering { answer, mut usage } => {
                if lost {
                    self.estimate(&mut usage, &answer);
                }
                let cost = self.config.price.map(|price| price.cost(&usage));
                self.budget.add(&usage, cost);
                // The answer is about to be the last message.
                self.budget.counted(&usage, self.messages.len() + 1);
                answer
            }
            other => {
                self.phase = other;
                Answer::default()
            }
        }
    }

    /// An answer that was lost on its way is paid for, and nobody says how much: as much as it can
    /// have been.
    fn estimate(&self, usage: &mut TokenUsage, answer: &Answer) {
        let said = answer.len();
        let prompt = usage.total() - usage.output_tokens;
        let paid = self.config.price.is_some_and(|price| price.input > 0.0);
        if said > 0 && prompt == 0 && paid {
            let tools = self.config.tools.iter().map(|tool| tool.bytes).sum::<u64>();
            let fixed = self.config.system.len() as u64 + tools;
            usage.input_tokens = self.budget.most_input(fixed, &self.messages);
            usage.output_tokens = usage.output_tokens.max(said);
        }
    }

    fn answered(&mut self, answer: Answer, reason: StopReason) -> Vec<Effect> {
        if reason == StopReason::Refusal {
            self.push_answer(vec![Content::Text {
                text: answer.into_text(),
            }]);
            let message = "the model refused to answer; say it differently or use another model";
            return self.finish(TurnOutcome::Failed {
                message: message.to_owned(),
            });
        }
        let cut = reason == StopReason::MaxTokens;
        let ids = &mut self.ids;
        let complete = answer.complete(cut, |id| unique(ids, id));
        let kept = complete.order().map(|answer| Effect::Keep { answer });
        let mut effects: Vec<Effect> = kept.into_iter().collect();
        effects.extend(self.complete(complete, cut));
        effects
    }

    /// Goes on behind a complete answer.
    fn complete(&mut self, complete: Complete, cut: bool) -> Vec<Effect> {
        let Complete {
            content,
            calls,
            cut_off,
        } = complete;
        self.push_answer(content);

        let remark = cut.then(|| continue_remark(&cut_off));
        if cut && let Err(limit) = self.budget.take_recovery(&self.config.limits) {
            let why = "not run: the answer that asked for it was cut off";
            self.answer_all(&calls, why);
            return self.finish(limit);
        }
        match (calls.is_empty(), remark) {
            (false, remark) => self.start_calls(calls, remark),
            (true, Some(text)) => {
                self.push_user(vec![Content::Text { text }]);
                self.call_model()
            }
            // Some servers say `tool_use` and name none: then nothing is left to do.
            (true, None) => self.finish(TurnOutcome::Done),
        }
    }

    /// Refuses what cannot run and starts the first batch of what can.
    fn start_calls(&mut self, calls: Vec<ToolCall>, remark: Option<String>) -> Vec<Effect> {
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
            self.answer_all(&calls, "not run: the limit `max_tool_calls` is reached");
            return self.finish(limit);
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
    fn next_batch(&mut self) -> Vec<Effect> {
        let Phase::Calling(calling) = &mut self.phase else {
            return Vec::new();
        };
        if calling.ends {
            self.end_calls("not run: the turn has ended");
            return self.finish(TurnOutcome::Done);
        }
        if let Some(calls) = calling.batches.pop_front() {
            calling.running = calls.iter().map(|call| call.id.clone()).collect();
            return vec![Effect::RunTools { calls }];
        }
        self.end_calls("not run");
        self.call_model()
    }

    /// The calls on their way, if any.
    pub(crate) fn calling(&mut self) -> Option<&mut Calling> {
        match &mut self.phase {
            Phase::Calling(calling) => Some(calling),
            _ => None,
        }
    }

    /// Leaves the calling phase; a call without a result is answered with `why`.
    fn end_calls(&mut self, why: &str) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Calling(calling) => {
                let mut content: Vec<Content> = Vec::new();
                for (call, result) in calling.results {
                    let result = result.unwrap_or_else(|| ToolResult {
                        id: call.id,
                        output: why.to_owned(),
                        is_error: true,
                    });
                    content.push(Content::ToolResult(result));
                }
                content.extend(calling.remark.map(|text| Content::Text { text }));
                self.push_user(content);
            }
            other => self.phase = other,
        }
    }

    /// Ends the turn in the middle of an answer or of tool calls.
    fn stop_early(&mut self, why: &str, outcome: TurnOutcome) -> Vec<Effect> {
        match self.phase {
            Phase::Answering { .. } => {
                let said = self.end_answer(true).into_text();
                let gap = if said.is_empty() { "" } else { "\n" };
                self.push_answer(vec![Content::Text {
                    text: format!("{said}{gap}[{why}]"),
                }]);
            }
            _ => self.end_calls(why),
        }
        let mut effects = vec![Effect::Abort];
        effects.extend(self.finish(outcome));
        effects
    }

    fn finish(&mut self, outcome: TurnOutcome) -> Vec<Effect> {
        self.phase = Phase::Idle;
        vec![Effect::Finish(outcome)]
    }

    /// Answers calls that do not run.
    pub(crate) fn answer_all(&mut self, calls: &[ToolCall], why: &str) {
        let results = calls.iter().map(|call| {
            Content::ToolResult(ToolResult {
                id: call.id.clone(),
                output: why.to_owned(),
                is_error: true,
            })
        });
        self.push_user(results.collect());
    }

    pub(crate) fn push_answer(&mut self, mut content: Vec<Content>) {
        content.retain(|piece| !matches!(piece, Content::Text { text } if text.is_empty()));
        if content
            .iter()
            .all(|piece| matches!(piece, Content::Thinking(_)))
        {
            // Providers refuse an empty message, and the turn must be seen to have been answered.
            content.push(Content::Text {
                text: "[no answer]".to_owned(),
            });
        }
        Arc::make_mut(&mut self.messages).push(Message {
            role: Role::Assistant,
            content,
        });
    }

    /// Adds to the user's message, or begins a new one when the assistant spoke last.
    pub(crate) fn push_user(&mut self, content: Vec<Content>) {
        if content.is_empty() {
            return;
        }
        let messages = Arc::make_mut(&mut self.messages);
        match messages.last_mut() {
            Some(last) if last.role == Role::User => last.content.extend(content),
            _ => messages.push(Message {
                role: Role::User,
                content,
            }),
        }
    }
}

impl Calling {
    fn answer(&mut self, result: ToolResult, repeats: &mut Repeats) {
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

/// An id that the conversation does not have yet: some servers count calls anew in every answer.
pub(crate) fn unique(ids: &mut HashSet<String>, id: String) -> String {
    let base = if id.is_empty() { "call".to_owned() } else { id };
    let mut unique = base.clone();
    let mut n = 2u64;
    while !ids.insert(unique.clone()) {
        unique = format!("{base}_{n}");
        n += 1;
    }
    unique
}

/// What the model is told after an answer that was cut off.
pub(crate) fn continue_remark(cut_off: &[String]) -> String {
    let mut remark =
        "[Your answer was cut off at the output limit; go on where it stopped.".to_owned();
    for name in cut_off {
        remark.push_str(&format!(
            " The call of `{name}` was cut off and did not run: make it again, in smaller pieces."
        ));
    }
    remark.push(']');
    remark
}
