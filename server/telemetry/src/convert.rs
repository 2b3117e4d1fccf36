//! From our spans to those of OpenTelemetry, without anything that was said.

use boxagnts_session::{Span, SpanEvent, SpanKind, SpanStatus};
use opentelemetry::trace::{
    Event, SpanContext, SpanId, SpanKind as Kind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use serde_json::{Map, Value as Json};
use std::time::{Duration, SystemTime};

/// The attributes that are sent. Reasons and messages are not among them: they may quote files,
/// commands and answers.
const ATTRIBUTES: &[&str] = &[
    "gen_ai.operation.name",
    "gen_ai.agent.name",
    "gen_ai.conversation.id",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.finish_reasons",
    "gen_ai.tool.name",
    "gen_ai.tool.call.id",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "error.type",
    "boxagnts.turn",
    "boxagnts.step",
    "boxagnts.outcome",
    "boxagnts.compacting",
    "boxagnts.cost_usd",
    "boxagnts.time_to_first_token_ms",
    "boxagnts.waited_for_user_ms",
    "boxagnts.decision.verdict",
    "boxagnts.tool.fuel",
    "boxagnts.tool.wall_ms",
    "boxagnts.tool.peak_memory_bytes",
    // Of retries.
    "attempt",
    "wait_ms",
];

/// The longest text that is sent; models name tools and calls.
const MAX_TEXT: usize = 256;

pub(crate) fn attribute(name: &'static str, value: &'static str) -> KeyValue {
    KeyValue::new(name, value)
}

/// `None` for what has no valid ids.
pub(crate) fn span(span: &Span) -> Option<SpanData> {
    let trace = TraceId::from_hex(&span.trace_id).ok()?;
    let own = SpanId::from_hex(&span.span_id).ok()?;
    let parent = match &span.parent_span_id {
        Some(parent) => SpanId::from_hex(parent).ok()?,
        None => SpanId::INVALID,
    };
    let flags = TraceFlags::SAMPLED;
    let mut events = SpanEvents::default();
    events.events.extend(span.events.iter().map(event));
    Some(SpanData {
        span_context: SpanContext::new(trace, own, flags, false, TraceState::default()),
        parent_span_id: parent,
        parent_span_is_remote: false,
        span_kind: match span.kind {
            SpanKind::Internal => Kind::Internal,
            SpanKind::Client => Kind::Client,
        },
        name: cut(&span.name).into(),
        start_time: time(span.start_ms),
        end_time: time(span.end_ms),
        attributes: attributes(&span.attributes),
        dropped_attributes_count: 0,
        events,
        links: SpanLinks::default(),
        status: match &span.status {
            SpanStatus::Ok => Status::Unset,
            // Its `error.type` says what it is.
            SpanStatus::Error { .. } => Status::error(""),
        },
        instrumentation_scope: InstrumentationScope::builder("boxagnts")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    })
}

fn event(event: &SpanEvent) -> Event {
    let attributes = attributes(&event.attributes);
    Event::new(event.name, time(event.at_ms), attributes, 0)
}

fn time(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(ms))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn attributes(attributes: &Map<String, Json>) -> Vec<KeyValue> {
    let sent = ATTRIBUTES.iter().filter_map(|name| {
        let value = value(attributes.get(*name)?)?;
        Some(KeyValue::new(*name, value))
    });
    sent.collect()
}

fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::I64(number),
            None => Value::F64(number.as_f64()?),
        },
        Json::String(text) => Value::String(cut(text).into()),
        Json::Array(entries) => {
            let texts = entries.iter().filter_map(Json::as_str);
            let texts = texts.map(|text| StringValue::from(cut(text)));
            Value::Array(Array::String(texts.collect()))
        }
        Json::Null | Json::Object(_) => return None,
    })
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(attributes: Json, expect: &[(&'static str, Value)]) {
        let Json::Object(given) = attributes else {
            panic!("an object");
        };
        let ours = Span {
            name: "chat m".to_owned(),
            kind: SpanKind::Client,
            trace_id: format!("{:032x}", 7),
            span_id: format!("{:016x}", 8),
            parent_span_id: Some(format!("{:016x}", 9)),
            start_ms: 1_500,
            end_ms: 2_000,
            attributes: given.clone(),
            events: vec![SpanEvent {
                name: "retry",
                at_ms: 1_600,
                attributes: given,
            }],
            status: SpanStatus::Error {
                message: "cannot find `secret` in it".to_owned(),
            },
        };
        let sent = span(&ours).expect("a span");
        let expect: Vec<KeyValue> = expect
            .iter()
            .map(|(name, value)| KeyValue::new(*name, value.clone()))
            .collect();
        assert_eq!(sent.attributes, expect);
        assert_eq!(sent.events.events[0].attributes, expect);
        assert_eq!(sent.status, Status::error(""));
        assert_eq!(sent.parent_span_id, SpanId::from(9));
        let took = sent.end_time.duration_since(sent.start_time);
        assert_eq!(took.expect("in order"), Duration::from_millis(500));
        assert!(!format!("{sent:?}").contains("secret"), "{sent:?}");
    }

    #[test]
    fn names_times_counts_and_costs_are_sent_and_words_are_not() {
        check(json!({}), &[]);
        check(
            json!({
                "boxagnts.decision.reason": "`cat secret` is asked about",
                "reason": "the provider says: secret",
                "unheard.of": "secret",
                "error.type": "denied",
                "boxagnts.cost_usd": 0.25,
                "gen_ai.usage.output_tokens": 12,
                "gen_ai.response.finish_reasons": ["tool_calls"],
            }),
            &[
                (
                    "gen_ai.response.finish_reasons",
                    Value::Array(Array::String(vec!["tool_calls".into()])),
                ),
                ("gen_ai.usage.output_tokens", Value::I64(12)),
                ("error.type", Value::String("denied".into())),
                ("boxagnts.cost_usd", Value::F64(0.25)),
            ],
        );
    }

    #[test]
    fn what_a_model_names_is_bounded() {
        let long = "x".repeat(10_000);
        check(
            json!({"gen_ai.tool.name": long}),
            &[(
                "gen_ai.tool.name",
                Value::String(long[..MAX_TEXT].to_owned().into()),
            )],
        );
    }
}
