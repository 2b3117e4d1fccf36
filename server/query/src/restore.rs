//! Bringing a conversation back from the journal.

use crate::Config;
use crate::query::Query;
use boxagnts_protocol::conversation::{
    AnswerPiece, Content, Role, StopReason, TokenUsage, ToolCall, ToolResult,
};
use boxagnts_protocol::update::SessionEvent;

impl Query {
    /// The conversation that these events tell. A turn that was cut off in the middle leaves a
    /// history that a next prompt can follow: what was said is kept, calls without an answer are
    /// answered as lost.
    pub fn restore(config: Config, events: &[SessionEvent]) -> Query {
        let mut query = Query::new(config);
        let mut half = Half::default();
        for event in events {
            match event {
                SessionEvent::TurnStarted {
                    prompt, context, ..
                } => {
                    half.flush(&mut query);
                    let mut text = prompt.clone();
                    text.push_str(context.as_deref().unwrap_or_default());
                    query.prompted(text);
                }
                SessionEvent::ModelCalled { compacting, .. } => {
                    // One that said that the conversation is too long was asked again.
                    half.called = false;
                    half.flush(&mut query);
                    half.called = true;
                    half.compacting = *compacting;
                }
                SessionEvent::Compacted { compaction, .. } => {
                    half.called = false;
                    half.flush(&mut query);
                    query.apply(compaction);
                }
                SessionEvent::Noted { role, text, .. } => match role {
                    Role::User => {
                        half.called = false;
                        half.flush(&mut query);
                        query.note(text.clone());
                    }
                    Role::Assistant => {
                        half = Half {
                            text: text.clone(),
                            whole: true,
                            ..Half::default()
                        }
                    }
                },
                SessionEvent::Attached { image, .. } => {
                    query.push_user(vec![Content::Image(image.clone())]);
                }
                SessionEvent::TextDelta { text, .. } => half.text.push_str(text),
                SessionEvent::ModelAnswered {
                    stop: StopReason::Lost,
                    usage,
                    cost_usd,
                    ..
                } => query.budget.add(usage, *cost_usd),
                SessionEvent::ModelAnswered {
                    stop,
                    usage,
                    cost_usd,
                    ..
                } => {
                    query.budget.add(usage, *cost_usd);
                    half.called = false;
                    if std::mem::take(&mut half.compacting) {
                        query.answers += 1;
                        continue;
                    }
                    half.stop = Some(*stop);
                    half.usage = Some(*usage);
                }
                // What a sub-question said is in the result of its call.
                SessionEvent::Nested { inner, .. } => {
                    if let SessionEvent::ModelAnswered {
                        usage, cost_usd, ..
                    } = &**inner
                    {
                        query.budget.add(usage, *cost_usd);
                    }
                }
                // What an executor spent is in no other event of this session.
                SessionEvent::ExecutorEnded {
                    usage, cost_usd, ..
                } => query.budget.add(usage, *cost_usd),
                SessionEvent::Thought { answer, .. } => half.order.clone_from(answer),
                SessionEvent::ToolStarted { call, .. } => half.calls.push(call.clone()),
                SessionEvent::ToolFinished { id, report, .. } => half.results.push(ToolResult {
                    id: id.clone(),
                    output: report.for_model(),
                    is_error: !report.ok,
                }),
                SessionEvent::TurnEnded {
                    usage, cost_usd, ..
                } => {
                    half.called = false;
                    half.flush(&mut query);
                    // In older journals an answer that was lost is in no event of its own.
                    query.budget.usage = *usage;
                    query.budget.cost_usd = cost_usd.unwrap_or(query.budget.cost_usd);
                }
                SessionEvent::Hooked {
                    remark: Some(text), ..
                } => {
                    half.flush(&mut query);
                    query.push_user(vec![Content::Text { text: text.clone() }]);
                }
                // Another model, other tools, another system prompt: how many tokens those had that were
                // counted before is not known here.
                SessionEvent::Configured { .. }
                | SessionEvent::ModeChanged { .. }
                | SessionEvent::Instructed { .. } => {
                    half.usage = None;
                    query.budget.forget_count();
                }
                SessionEvent::ModelRetry { .. }
                | SessionEvent::Hooked { .. }
                | SessionEvent::ProposalChanged { .. }
                | SessionEvent::ExecutorQueued { .. }
                | SessionEvent::ExecutorStarted { .. }
                | SessionEvent::Decided { .. }
                | SessionEvent::Undone { .. }
                | SessionEvent::Notice { .. }
                | SessionEvent::Steered { .. }
                | SessionEvent::Queued { .. }
                | SessionEvent::Dropped { .. }
                | SessionEvent::Asked { .. }
                | SessionEvent::Answered { .. }
                | SessionEvent::Plan { .. }
                | SessionEvent::Recovered { .. } => {}
            }
        }
        half.flush(&mut query);
        query
    }
}

/// An answer and what its calls brought, as far as the journal has told.
#[derive(Default)]
struct Half {
    text: String,
    /// Whether `text` is all of it, whatever else is known.
    whole: bool,
    /// Whether the model was asked, and nobody knows what it answered.
    called: bool,
    /// Whether what is told next is a summary.
    compacting: bool,
    stop: Option<StopReason>,
    usage: Option<TokenUsage>,
    /// Empty for an answer without thoughts.
    order: Vec<AnswerPiece>,
    calls: Vec<ToolCall>,
    results: Vec<ToolResult>,
}

impl Half {
    fn in_order(&self, mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
        let is = |piece: &AnswerPiece, call: &ToolCall| matches!(piece, AnswerPiece::ToolCall { id } if *id == call.id);
        let place = |call: &ToolCall| self.order.iter().position(|piece| is(piece, call));
        calls.sort_by_key(|call| place(call).unwrap_or(usize::MAX));
        calls
    }

    /// The answer in its order. What an order does not name stands behind it: text, then calls.
    fn answer(&self) -> Vec<Content> {
        let mut text = self.text.as_str();
        let mut calls: Vec<&ToolCall> = self.calls.iter().collect();
        let mut content = Vec::new();
        for piece in &self.order {
            match piece {
                AnswerPiece::Text { bytes } => {
                    let bytes = usize::try_from(*bytes).unwrap_or(usize::MAX);
                    let (said, rest) = text.split_at_checked(bytes).unwrap_or((text, ""));
                    content.push(Content::Text { text: said.into() });
                    text = rest;
                }
                AnswerPiece::Thinking(thinking) => {
                    content.push(Content::Thinking(thinking.clone()));
                }
                AnswerPiece::ToolCall { id } => {
                    // One that never ran is in no event, and has no answer.
                    if let Some(at) = calls.iter().position(|call| call.id == *id) {
                        content.push(Content::ToolCall(calls.remove(at).clone()));
                    }
                }
            }
        }
        content.push(Content::Text { text: text.into() });
        content.extend(calls.into_iter().cloned().map(Content::ToolCall));
        content
    }

    fn flush(&mut self, query: &mut Query) {
        let mut half = std::mem::take(self);
        if half.called && half.text.is_empty() {
            // What the model was sent stays as it was sent: what comes is no part of it.
            half.text = "[no answer: the session was interrupted]".to_owned();
        }
        if half.text.is_empty() && half.stop.is_none() && half.calls.is_empty() && !half.whole {
            return;
        }
        // Results stand in the order of the calls.
        let calls = std::mem::take(&mut half.calls);
        half.calls = half.in_order(calls);
        query
            .ids
            .extend(half.calls.iter().map(|call| call.id.clone()));
        query.push_answer(half.answer());
        if let Some(usage) = &half.usage {
            let fixed = query.fixed();
            query.budget.counted(usage, fixed, query.messages.len());
        }
        let results = half.calls.into_iter().map(|call| {
            let known = half
                .results
                .iter()
                .find(|result| result.id == call.id)
                .cloned();
            let lost = || ToolResult {
                id: call.id,
                output: "not finished: the session was interrupted".to_owned(),
                is_error: true,
            };
            Content::ToolResult(known.unwrap_or_else(lost))
        });
        query.push_user(results.collect());
    }
}
