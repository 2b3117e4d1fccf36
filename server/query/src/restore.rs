//! Bringing a conversation back from the journal.

use crate::Config;
use crate::query::{Query, continue_remark};
use boxagnts_protocol::conversation::{Content, StopReason, TokenUsage, ToolCall, ToolResult};
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
                    query.push_user(vec![Content::Text { text }]);
                }
                SessionEvent::ModelCalled { .. } => half.flush(&mut query),
                SessionEvent::TextDelta { text, .. } => half.text.push_str(text),
                SessionEvent::ModelAnswered {
                    stop,
                    usage,
                    cost_usd,
                    ..
                } => {
                    query.budget.add(usage, *cost_usd);
                    half.stop = Some(*stop);
                    half.usage = Some(*usage);
                }
                SessionEvent::ToolStarted { call, .. } => half.calls.push(call.clone()),
                SessionEvent::ToolFinished { id, report, .. } => half.results.push(ToolResult {
                    id: id.clone(),
                    output: report.for_model(),
                    is_error: !report.ok,
                }),
                SessionEvent::TurnEnded {
                    usage, cost_usd, ..
                } => {
                    half.flush(&mut query);
                    // An answer that was lost is in no event of its own.
                    query.budget.usage = *usage;
                    query.budget.cost_usd = cost_usd.unwrap_or(query.budget.cost_usd);
                }
                SessionEvent::ModelRetry { .. }
                | SessionEvent::Configured { .. }
                | SessionEvent::Instructed { .. }
                | SessionEvent::ProposalChanged { .. }
                | SessionEvent::Decided { .. }
                | SessionEvent::Undone { .. }
                | SessionEvent::Notice { .. }
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
    stop: Option<StopReason>,
    usage: Option<TokenUsage>,
    calls: Vec<ToolCall>,
    results: Vec<ToolResult>,
}

impl Half {
    fn flush(&mut self, query: &mut Query) {
        let half = std::mem::take(self);
        if half.text.is_empty() && half.stop.is_none() && half.calls.is_empty() {
            return;
        }
        query
            .ids
            .extend(half.calls.iter().map(|call| call.id.clone()));
        let mut content = vec![Content::Text { text: half.text }];
        content.extend(half.calls.iter().cloned().map(Content::ToolCall));
        query.push_answer(content);
        if let Some(usage) = &half.usage {
            query.budget.counted(usage, query.messages.len());
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
        if half.stop == Some(StopReason::MaxTokens) {
            query.push_user(vec![Content::Text {
                text: continue_remark(&[]),
            }]);
        }
    }
}
