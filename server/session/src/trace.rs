//! What took how long in a session, as spans named by the semantic conventions of OpenTelemetry for
//! generative AI. Times are those of the journal.

use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::conversation::{StopReason, TokenUsage, ToolCall};
use boxagnts_protocol::tool::ToolReport;
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_store::{Entry, Recorded};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What took some time: a turn, and in it the answers of the model and the calls of tools.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Span {
    /// `invoke_agent boxagnts`, `chat MODEL` or `execute_tool NAME`.
    pub name: String,
    /// Whether something outside of the program was waited for.
    pub kind: SpanKind,
    /// The same for all spans of a session, 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits; the same whenever the session is traced.
    pub span_id: String,
    /// The turn's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub start_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub end_ms: u64,
    /// Attributes, by name.
    pub attributes: Map<String, Value>,
    /// What happened meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<SpanEvent>,
    /// How it ended.
    pub status: SpanStatus,
}

/// Kinds of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// In this program.
    Internal,
    /// A request to another.
    Client,
}

/// How a span ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum SpanStatus {
    /// Well.
    Ok,
    /// Not.
    Error {
        /// Why.
        message: String,
    },
}

/// A moment in a span.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanEvent {
    /// `first_token` or `retry`.
    pub name: &'static str,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Attributes, by name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

impl Span {
    /// How long it took.
    pub fn duration_ms(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms)
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.attributes.insert(name.to_owned(), value.into());
    }

    fn fail(&mut self, kind: &str, message: impl Into<String>) {
        self.set("error.type", kind);
        self.status = SpanStatus::Error {
            message: message.into(),
        };
    }
}

/// The spans of a session, in the order in which they began.
pub fn trace(session: &SessionSummary, entries: &[Entry]) -> Vec<Span> {
    let mut tracer = Tracer {
        session: &session.session,
        trace_id: hex(&[&session.session], 16),
        model: session.model.clone(),
        spans: Vec::new(),
        turn: None,
        chat: None,
        tools: Vec::new(),
        nested: Vec::new(),
        asked: Vec::new(),
        last_ms: 0,
    };
    for entry in entries {
        if let Recorded::Known(event) = &entry.event {
            tracer.event(event, entry.seq, entry.at_ms);
        }
        tracer.last_ms = entry.at_ms;
    }
    tracer.cut_off();
    tracer.spans
}

struct Tracer<'a> {
    session: &'a str,
    trace_id: String,
    model: String,
    spans: Vec<Span>,
    /// Places of open spans.
    turn: Option<usize>,
    chat: Option<usize>,
    tools: Vec<(String, usize)>,
    /// What is open in the conversations of tool calls, by the call.
    nested: Vec<(String, Nested)>,
    /// When the user was asked, by the call.
    asked: Vec<(String, u64)>,
    last_ms: u64,
}

/// What is open in a conversation of its own.
#[derive(Default)]
struct Nested {
    /// The tool call's.
    turn: Option<usize>,
    chat: Option<usize>,
    tools: Vec<(String, usize)>,
}

impl Nested {
    fn open(self) -> impl Iterator<Item = usize> {
        let tools = self.tools.into_iter().map(|(_, at)| at);
        self.chat.into_iter().chain(tools)
    }
}

impl Tracer<'_> {
    fn event(&mut self, event: &SessionEvent, seq: u64, at_ms: u64) {
        match event {
            SessionEvent::TurnStarted { turn, model, .. } => {
                self.cut_off();
                self.model.clone_from(model);
                let name = "invoke_agent boxagnts".to_owned();
                let at = self.open(name, SpanKind::Internal, seq, at_ms);
                self.turn = Some(at);
                let (provider, session) = (self.provider(), self.session.to_owned());
                let span = &mut self.spans[at];
                span.set("gen_ai.operation.name", "invoke_agent");
                span.set("gen_ai.agent.name", "boxagnts");
                span.set("gen_ai.conversation.id", session);
                span.set("gen_ai.provider.name", provider);
                span.set("gen_ai.request.model", model.as_str());
                span.set("boxagnts.turn", *turn);
            }
            SessionEvent::ModelCalled {
                step, compacting, ..
            } => {
                if let Some(lost) = self.chat.take() {
                    self.close(lost, at_ms);
                    self.spans[lost].fail("lost", "its answer was lost, and the model was asked again");
                }
                let name = format!("chat {}", self.model);
                let at = self.open(name, SpanKind::Client, seq, at_ms);
                self.chat = Some(at);
                let (provider, model) = (self.provider(), self.model.clone());
                let span = &mut self.spans[at];
                span.set("gen_ai.operation.name", "chat");
                span.set("gen_ai.provider.name", provider);
                span.set("gen_ai.request.model", model);
                span.set("boxagnts.step", *step);
                if *compacting {
                    span.set("boxagnts.compacting", true);
                }
            }
            SessionEvent::TextDelta { .. } => {
                if let Some(chat) = self.chat.and_then(|at| self.spans.get_mut(at)) {
                    first_token(chat, at_ms);
                }
            }
            SessionEvent::ModelRetry {
                attempt,
                wait_ms,
                reason,
                ..
            } => {
                if let Some(chat) = self.chat.and_then(|at| self.spans.get_mut(at)) {
                    let told = json!({"attempt": attempt, "wait_ms": wait_ms, "reason": reason});
                    let Value::Object(attributes) = told else {
                        return;
                    };
                    chat.events.push(SpanEvent {
                        name: "retry",
                        at_ms,
                        attributes,
                    });
                }
            }
            SessionEvent::ModelAnswered {
                stop,
                usage,
                cost_usd,
                ..
            } => {
                if let Some(at) = self.chat {
                    answered(&mut self.spans[at], *stop, usage, *cost_usd);
                    // Why it was lost comes behind.
                    if *stop != StopReason::Lost {
                        self.close(at, at_ms);
                        self.chat = None;
                    }
                }
            }
            SessionEvent::ToolStarted { call, .. } => self.tool_started(call, seq, at_ms),
            SessionEvent::ToolFinished { id, report, .. } => {
                if let Some(place) = self.tools.iter().position(|(open, _)| open == id) {
                    let (_, at) = self.tools.remove(place);
                    let ended = self.nested.extract_if(.., |(parent, _)| parent == id);
                    let open: Vec<usize> = ended.flat_map(|(_, nested)| nested.open()).collect();
                    self.unfinished(open, at_ms);
                    self.close(at, at_ms);
                    finished(&mut self.spans[at], report);
                }
            }
            SessionEvent::TurnEnded { outcome, .. } => {
                let (kind, why) = ended(outcome);
                for at in self.chat.take().into_iter().chain(self.open_tools()) {
                    self.close(at, at_ms);
                    self.spans[at].fail(kind, why.clone().unwrap_or_default());
                }
                if let Some(at) = self.turn.take() {
                    self.close(at, at_ms);
                    let span = &mut self.spans[at];
                    span.set("boxagnts.outcome", kind);
                    if let Some(why) = why {
                        span.fail(kind, why);
                    }
                }
            }
            SessionEvent::Nested { inner, parent, .. } => self.nested(parent, inner, seq, at_ms),
            SessionEvent::Asked { id, .. } => self.asked.push((id.clone(), at_ms)),
            SessionEvent::Answered { id, .. } => {
                let asked = self.asked.iter().rposition(|(open, _)| open == id);
                let tool = self.tools.iter().find(|(open, _)| open == id);
                if let (Some(place), Some((_, at))) = (asked, tool) {
                    let (_, since) = self.asked.remove(place);
                    let waited = at_ms.saturating_sub(since);
                    self.spans[*at].set("boxagnts.waited_for_user_ms", waited);
                }
            }
            SessionEvent::Configured { .. }
            | SessionEvent::Plan { .. }
            | SessionEvent::ModeChanged { .. }
            | SessionEvent::Instructed { .. }
            // An executor has its own turns, in its own session.
            | SessionEvent::ExecutorQueued { .. }
            | SessionEvent::ExecutorStarted { .. }
            | SessionEvent::ExecutorEnded { .. }
            | SessionEvent::ProposalChanged { .. }
            | SessionEvent::Decided { .. }
            | SessionEvent::Undone { .. }
            | SessionEvent::Recovered { .. }
            | SessionEvent::Thought { .. }
            | SessionEvent::Compacted { .. }
            | SessionEvent::Steered { .. }
            | SessionEvent::Queued { .. }
            | SessionEvent::Dropped { .. }
            | SessionEvent::Noted { .. }
            | SessionEvent::Attached { .. }
            | SessionEvent::Hooked { .. }
            | SessionEvent::Notice { .. } => {}
        }
    }

    /// What a sub-question does is told like what a turn does, below the call that asks it.
    fn nested(&mut self, parent: &str, inner: &SessionEvent, seq: u64, at_ms: u64) {
        let Some((_, call)) = self.tools.iter().find(|(open, _)| open == parent) else {
            return;
        };
        let told = matches!(
            inner,
            SessionEvent::ModelCalled { .. }
                | SessionEvent::ModelRetry { .. }
                | SessionEvent::ModelAnswered { .. }
                | SessionEvent::ToolStarted { .. }
                | SessionEvent::ToolFinished { .. }
        );
        if !told {
            return;
        }
        let begun = Nested {
            turn: Some(*call),
            ..Nested::default()
        };
        let known = self.nested.iter().position(|(open, _)| open == parent);
        let mut scope = known.map_or(begun, |place| self.nested.swap_remove(place).1);
        self.swap(&mut scope);
        self.event(inner, seq, at_ms);
        self.swap(&mut scope);
        self.nested.push((parent.to_owned(), scope));
    }

    fn swap(&mut self, scope: &mut Nested) {
        std::mem::swap(&mut self.turn, &mut scope.turn);
        std::mem::swap(&mut self.chat, &mut scope.chat);
        std::mem::swap(&mut self.tools, &mut scope.tools);
    }

    fn tool_started(&mut self, call: &ToolCall, seq: u64, at_ms: u64) {
        let name = format!("execute_tool {}", call.name);
        let at = self.open(name, SpanKind::Internal, seq, at_ms);
        self.tools.push((call.id.clone(), at));
        let span = &mut self.spans[at];
        span.set("gen_ai.operation.name", "execute_tool");
        span.set("gen_ai.tool.name", call.name.as_str());
        span.set("gen_ai.tool.call.id", call.id.as_str());
    }

    fn open(&mut self, name: String, kind: SpanKind, seq: u64, at_ms: u64) -> usize {
        let parent = self.turn.and_then(|turn| self.spans.get(turn));
        let span = Span {
            name,
            kind,
            trace_id: self.trace_id.clone(),
            span_id: hex(&[self.session, &seq.to_string()], 8),
            parent_span_id: parent.map(|turn| turn.span_id.clone()),
            start_ms: at_ms,
            end_ms: at_ms,
            attributes: Map::new(),
            events: Vec::new(),
            status: SpanStatus::Ok,
        };
        self.spans.push(span);
        self.spans.len() - 1
    }

    fn close(&mut self, at: usize, at_ms: u64) {
        if let Some(span) = self.spans.get_mut(at) {
            span.end_ms = at_ms.max(span.start_ms);
        }
    }

    fn open_tools(&mut self) -> Vec<usize> {
        let nested = std::mem::take(&mut self.nested).into_iter();
        let nested = nested.flat_map(|(_, nested)| nested.open());
        std::mem::take(&mut self.tools)
            .into_iter()
            .map(|(_, at)| at)
            .chain(nested)
            .collect()
    }

    /// What is open when the journal ends, or another turn begins, was cut off, or runs still.
    fn cut_off(&mut self) {
        let open = self.turn.take().into_iter().chain(self.chat.take());
        let mut open: Vec<usize> = open.collect();
        open.extend(self.open_tools());
        self.unfinished(open, self.last_ms);
    }

    fn unfinished(&mut self, open: Vec<usize>, at_ms: u64) {
        for at in open {
            self.close(at, at_ms);
            self.spans[at].fail("unfinished", "it has not ended in the journal");
        }
    }

    fn provider(&self) -> String {
        let name = self.model.split_once(':').map(|(provider, _)| provider);
        name.unwrap_or(&self.model).to_owned()
    }
}

fn first_token(chat: &mut Span, at_ms: u64) {
    if chat.events.iter().any(|event| event.name == "first_token") {
        return;
    }
    let waited = at_ms.saturating_sub(chat.start_ms);
    chat.set("boxagnts.time_to_first_token_ms", waited);
    chat.events.push(SpanEvent {
        name: "first_token",
        at_ms,
        attributes: Map::new(),
    });
}

fn answered(chat: &mut Span, stop: StopReason, usage: &TokenUsage, cost_usd: Option<f64>) {
    let cached = usage
        .cache_read_tokens
        .saturating_add(usage.cache_write_tokens);
    let reason = serde_json::to_value(stop).unwrap_or_default();
    chat.set("gen_ai.response.finish_reasons", vec![reason]);
    // The conventions count all of the prompt, cached or not.
    chat.set(
        "gen_ai.usage.input_tokens",
        usage.input_tokens.saturating_add(cached),
    );
    chat.set("gen_ai.usage.output_tokens", usage.output_tokens);
    chat.set(
        "gen_ai.usage.cache_read.input_tokens",
        usage.cache_read_tokens,
    );
    chat.set(
        "gen_ai.usage.cache_creation.input_tokens",
        usage.cache_write_tokens,
    );
    if let Some(cost) = cost_usd {
        chat.set("boxagnts.cost_usd", cost);
    }
}

fn finished(tool: &mut Span, report: &ToolReport) {
    tool.set("boxagnts.tool.fuel", report.usage.fuel);
    tool.set("boxagnts.tool.wall_ms", report.usage.wall_ms);
    tool.set(
        "boxagnts.tool.peak_memory_bytes",
        report.usage.peak_memory_bytes,
    );
    if let Some(decision) = &report.decision {
        let verdict = serde_json::to_value(decision.verdict).unwrap_or_default();
        tool.set("boxagnts.decision.verdict", verdict);
        tool.set("boxagnts.decision.reason", decision.reason.as_str());
    }
    if let Some(error) = &report.error {
        let kind = serde_json::to_value(error.kind).unwrap_or_default();
        tool.fail(kind.as_str().unwrap_or("failed"), error.message.as_str());
    }
}

/// The outcome's name, and why when it is not the best one.
fn ended(outcome: &TurnOutcome) -> (&'static str, Option<String>) {
    match outcome {
        TurnOutcome::Done => ("done", None),
        TurnOutcome::Limit { limit, .. } => ("limit", Some(format!("stopped by {limit}"))),
        TurnOutcome::Cancelled => ("cancelled", Some("cancelled".to_owned())),
        TurnOutcome::Failed { message, .. } => ("failed", Some(message.clone())),
    }
}

/// The first bytes of a hash of the words, as digits.
fn hex(words: &[&str], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    let mut digits = String::new();
    for byte in hash.finalize().iter().take(bytes) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests;
