//! The state machine itself.

use crate::answer::{Answer, Complete};
use crate::budget::{Budget, SHORTEST_ANSWER, WorstCase};
use crate::calls::Calling;
use crate::compact::Compacting;
use crate::repeats::Repeats;
use crate::{Config, Effect, Event, ToolInfo};
use boxagnts_protocol::conversation::{
    Content, Image, Message, Role, StopReason, TokenUsage, ToolResult,
};
use boxagnts_protocol::tool::FailureKind;
use boxagnts_protocol::update::TurnOutcome;
use std::collections::HashSet;
use std::sync::Arc;

/// Characters of a refusal that are said with how the turn ended.
const MOST_QUOTED: usize = 200;

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
    /// Answers of the model so far, those included that are gone from the conversation.
    pub(crate) answers: u64,
    /// What the turn began with, and the message that has it.
    pub(crate) prompt: String,
    pub(crate) prompt_at: usize,
    /// What the user said since the turn began, and the model has not heard.
    steers: Vec<String>,
    /// The conversation is not summed up before it has so many messages.
    pub(crate) no_summary_before: usize,
    /// How often in this turn the model said that the conversation is too long.
    pub(crate) overflows: u64,
    /// Pictures that come with the next prompt.
    attached: Vec<Image>,
    pub(crate) repeats: Repeats,
    pub(crate) phase: Phase,
}

#[derive(Debug)]
pub(crate) enum Phase {
    Idle,
    /// The model speaks.
    Answering {
        answer: Answer,
        usage: TokenUsage,
    },
    /// The model sums up the conversation.
    Compacting(Compacting),
    /// Tools run.
    Calling(Calling),
}

impl Query {
    /// An empty conversation.
    pub fn new(config: Config) -> Query {
        Query {
            config,
            messages: Arc::default(),
            budget: Budget::default(),
            ids: HashSet::new(),
            answers: 0,
            prompt: String::new(),
            prompt_at: 0,
            steers: Vec::new(),
            no_summary_before: 0,
            overflows: 0,
            attached: Vec::new(),
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

    /// What the model is to be sent now: the conversation, and while it sums that up, what it is asked
    /// to do.
    pub fn request(&self) -> Arc<Vec<Message>> {
        match &self.phase {
            Phase::Compacting(compacting) => Arc::clone(&compacting.prompt),
            _ => self.messages(),
        }
    }

    /// Answers of the model so far, those included of which the conversation has only a summary.
    pub fn answers(&self) -> u64 {
        self.answers
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

    /// Goes on with another model between turns. What was spent stays spent; what was learned of the
    /// window of the last model, and what it counted, is forgotten: others count in another way.
    pub fn set_model(&mut self, config: Config) {
        self.config = config;
        self.overflows = 0;
        self.budget.forget_count();
    }

    /// Says what the system prompt is: before the first step, as models cache what does not change.
    pub fn set_system(&mut self, system: Arc<str>) {
        self.config.system = system;
    }

    /// Says which pictures come with the next prompt.
    pub fn attach(&mut self, images: impl IntoIterator<Item = Image>) {
        self.attached.extend(images);
    }

    /// Records what the user asked and somebody else than the model answered. Does nothing while a
    /// turn runs.
    pub fn answered_already(&mut self, prompt: String, answer: String) {
        if self.is_running() {
            return;
        }
        self.prompted(prompt);
        self.push_answer(vec![Content::Text { text: answer }]);
    }

    /// Takes an event and says what is to be done. An event that does not fit the moment (an
    /// answer of a call that was cancelled, say) changes nothing.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        match (event, &mut self.phase) {
            (Event::Prompt { text }, Phase::Idle) => {
                self.prompted(text);
                self.budget.new_turn();
                self.overflows = 0;
                self.repeats = Repeats::default();
                self.call_model()
            }
            (Event::Compact { text, focus }, Phase::Idle) => {
                self.prompted(text);
                self.compact_by_hand(&focus)
            }
            (Event::Steer { text }, phase) if !matches!(phase, Phase::Idle) => {
                self.steers.push(text);
                Vec::new()
            }
            (Event::Cancel, Phase::Compacting(_)) => {
                self.stop_early("cancelled by the user", TurnOutcome::Cancelled)
            }
            (Event::ModelSilent { limit_ms }, Phase::Answering { .. } | Phase::Compacting(_)) => {
                self.stop_early("no answer: the model fell silent", silent(limit_ms))
            }
            (event, Phase::Compacting(_)) => self.compacting(event),
            (Event::ContextFull { message }, Phase::Answering { .. }) => self.context_full(message),
            (Event::Remark { text }, Phase::Idle) => {
                self.push_user(vec![Content::Text { text }]);
                self.call_model()
            }
            (Event::TextDelta(delta), Phase::Answering { answer, .. }) => {
                answer.text(&delta);
                self.bounded()
            }
            (Event::Thought(thinking), Phase::Answering { answer, .. }) => {
                answer.thought(thinking);
                self.bounded()
            }
            (Event::ToolCallStarted { index, id, name }, Phase::Answering { answer, .. }) => {
                answer.call_started(index, id, name);
                self.bounded()
            }
            (Event::ToolCallInput { index, json }, Phase::Answering { answer, .. }) => {
                answer.call_input(index, &json);
                self.bounded()
            }
            (Event::ModelUsage(so_far), Phase::Answering { usage, .. }) => {
                *usage = so_far;
                Vec::new()
            }
            (Event::ModelStopped(reason), Phase::Answering { .. }) => {
                let answer = self.end_answer();
                self.answered(answer, reason)
            }
            (
                Event::ModelFailed { message, may_pass },
                Phase::Answering { .. } | Phase::Calling(_),
            ) => self.stop_early(
                "no answer: the model failed",
                TurnOutcome::Failed { message, may_pass },
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

    /// Bytes of system prompt and tools.
    pub(crate) fn fixed(&self) -> u64 {
        let tools = self.config.tools.iter().map(|tool| tool.bytes);
        self.config.system.len() as u64 + tools.sum::<u64>()
    }

    /// Takes one more request, if the limits let us, and says how many tokens its answer may have.
    pub(crate) fn take_request(&mut self, worst: WorstCase) -> Result<u64, TurnOutcome> {
        let Config { limits, price, .. } = &self.config;
        let taken = self.budget.take_request(limits, price.as_ref(), worst);
        // What the user has set comes first.
        match (taken, self.repeats.verdict()) {
            (Ok(_), Some(limit)) => Err(limit),
            (taken, _) => taken,
        }
    }

    /// Asks the model for an answer, if the limits let us.
    pub(crate) fn ask_model(&mut self) -> Vec<Effect> {
        let mut output = self.config.max_output_tokens;
        if let Some(window) = self.config.context_window {
            // Some providers refuse what cannot fit behind the prompt.
            let left = window.saturating_sub(self.likely_input());
            output = output.min(left.max(SHORTEST_ANSWER));
        }
        let worst = WorstCase {
            input: self.budget.most_input(self.fixed(), &self.messages),
            output,
        };
        match self.take_request(worst) {
            Ok(max_output_tokens) => {
                self.phase = Phase::Answering {
                    answer: Answer::default(),
                    usage: TokenUsage::default(),
                };
                vec![Effect::CallModel {
                    step: self.budget.requests,
                    max_output_tokens,
                    compacting: false,
                }]
            }
            Err(limit) => self.finish(limit),
        }
    }

    /// Ends an answer that has more bytes than any may have.
    fn bounded(&mut self) -> Vec<Effect> {
        let Phase::Answering { answer, .. } = &self.phase else {
            return Vec::new();
        };
        let (limit, used) = (self.config.limits.max_answer_bytes, answer.len());
        if used <= limit {
            return Vec::new();
        }
        let outcome = TurnOutcome::Limit {
            limit: "max_answer_bytes".to_owned(),
            value: limit as f64,
            used: used as f64,
        };
        self.stop_early("the answer became too long", outcome)
    }

    /// Begins a turn with what the user says.
    pub(crate) fn prompted(&mut self, text: String) {
        self.prompt.clone_from(&text);
        self.push_user(vec![Content::Text { text }]);
        let images = std::mem::take(&mut self.attached);
        self.push_user(images.into_iter().map(Content::Image).collect());
        self.prompt_at = self.messages.len() - 1;
    }

    /// Tells the model what the user said while it worked.
    pub(crate) fn deliver(&mut self) -> Vec<Effect> {
        let steers = std::mem::take(&mut self.steers);
        let told = steers.into_iter().map(|text| {
            let text = format!("[The user says while you work:]\n{text}");
            self.note(text)
        });
        told.collect()
    }

    /// Puts something behind what the user said.
    pub(crate) fn note(&mut self, text: String) -> Effect {
        self.push_user(vec![Content::Text { text: text.clone() }]);
        Effect::Note {
            role: Role::User,
            text,
        }
    }

    /// Ends the turn with an answer that no model gave.
    pub(crate) fn said_by_us(&mut self, text: String, outcome: TurnOutcome) -> Vec<Effect> {
        self.push_answer(vec![Content::Text { text: text.clone() }]);
        let mut effects = vec![Effect::Say { text }];
        effects.extend(self.finish(outcome));
        effects
    }

    /// Leaves the answering phase; what the call used is counted.
    fn end_answer(&mut self) -> Answer {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Answering { answer, usage } => {
                self.count(&usage);
                // The answer is about to be the last message.
                let fixed = self.fixed();
                self.budget.counted(&usage, fixed, self.messages.len() + 1);
                answer
            }
            other => {
                self.phase = other;
                Answer::default()
            }
        }
    }

    /// Leaves the answering phase with what came of the answer, and says what that can have cost.
    pub(crate) fn lose_answer(&mut self) -> (Answer, Option<Effect>) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Answering { answer, usage } => {
                let lost = self.lost(usage, answer.len());
                (answer, lost)
            }
            other => {
                self.phase = other;
                (Answer::default(), None)
            }
        }
    }

    /// Adds a model call to what the session has used; gives its cost.
    pub(crate) fn count(&mut self, usage: &TokenUsage) -> Option<f64> {
        let cost = self.config.price.map(|price| price.cost(usage));
        self.budget.add(usage, cost);
        cost
    }

    /// An answer that was lost on its way is paid for, and nobody says how much: as much as it can
    /// have been, but for a model that costs nothing. `said` are the bytes of it that came.
    pub(crate) fn lost(&mut self, usage: TokenUsage, said: u64) -> Option<Effect> {
        let price = self.config.price;
        let is_free = price.is_some_and(|price| price.input <= 0.0 && price.output <= 0.0);
        let usage = match is_free {
            true => usage,
            false => self.budget.lost(usage, said),
        };
        if usage.total() == 0 {
            return None;
        }
        let cost_usd = self.count(&usage);
        Some(Effect::Lost { usage, cost_usd })
    }

    fn answered(&mut self, answer: Answer, reason: StopReason) -> Vec<Effect> {
        if reason == StopReason::Refusal {
            let text = answer.into_text();
            let mut message = "the model refused to answer".to_owned();
            // For who sees nothing but how it ended.
            let mut why = text.trim().lines().next().unwrap_or_default().chars();
            let said: String = why.by_ref().take(MOST_QUOTED).collect();
            if !said.is_empty() {
                let more = if why.next().is_some() { "…" } else { "" };
                message.push_str(&format!(" (\"{said}{more}\")"));
            }
            message.push_str("; say it differently or use another model");
            self.push_answer(vec![Content::Text { text }]);
            return self.finish(TurnOutcome::Failed {
                message,
                may_pass: false,
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
            let mut effects = self.refuse_all(calls, why);
            effects.extend(self.finish(limit));
            return effects;
        }
        match (calls.is_empty(), remark) {
            (false, remark) => self.start_calls(calls, remark),
            (true, Some(text)) => {
                let mut effects = vec![self.note(text)];
                effects.extend(self.call_model());
                effects
            }
            // Some servers say `tool_use` and name none: then nothing is left to do.
            (true, None) => self.finish(TurnOutcome::Done),
        }
    }

    /// Ends the turn in the middle of an answer or of tool calls.
    pub(crate) fn stop_early(&mut self, why: &str, outcome: TurnOutcome) -> Vec<Effect> {
        let mut effects = vec![Effect::Abort];
        match self.phase {
            Phase::Answering { .. } => {
                let (answer, lost) = self.lose_answer();
                effects.extend(lost);
                let said = answer.into_text();
                let gap = if said.is_empty() { "" } else { "\n" };
                effects.push(self.answer_for_model(format!("{said}{gap}[{why}]")));
            }
            Phase::Compacting(_) => {
                effects.extend(self.lose_compacting());
                effects.push(self.answer_for_model(format!("[{why}]")));
            }
            _ => {
                let kind = match &outcome {
                    TurnOutcome::Cancelled => FailureKind::Cancelled,
                    _ => FailureKind::Internal,
                };
                effects.extend(self.end_calls(why, kind));
            }
        }
        effects.extend(self.finish(outcome));
        effects
    }

    /// Has the model find this as its answer.
    fn answer_for_model(&mut self, text: String) -> Effect {
        self.push_answer(vec![Content::Text { text: text.clone() }]);
        Effect::Note {
            role: Role::Assistant,
            text,
        }
    }

    /// Ends the turn, unless the user has said something that it is to go on with.
    pub(crate) fn finish(&mut self, outcome: TurnOutcome) -> Vec<Effect> {
        self.phase = Phase::Idle;
        if outcome == TurnOutcome::Done && !self.steers.is_empty() {
            return self.call_model();
        }
        let mut effects = self.deliver();
        effects.push(Effect::Finish(outcome));
        effects
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
        self.answers += 1;
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

/// How a turn ends whose model says nothing any more.
fn silent(limit_ms: u64) -> TurnOutcome {
    TurnOutcome::Limit {
        limit: "model_timeout".to_owned(),
        value: limit_ms as f64,
        used: limit_ms as f64,
    }
}

/// What the model is told after an answer that was cut off.
fn continue_remark(cut_off: &[String]) -> String {
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
