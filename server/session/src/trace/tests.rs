use super::*;
use boxagnts_protocol::tool::FailureKind;

fn started(turn: u64) -> SessionEvent {
    SessionEvent::TurnStarted {
        turn,
        prompt: "go".into(),
        context: None,
        model: "openai:gpt".into(),
    }
}

fn turn_ended(outcome: TurnOutcome) -> SessionEvent {
    SessionEvent::TurnEnded {
        turn: 1,
        outcome,
        usage: TokenUsage::default(),
        cost_usd: None,
    }
}

fn tool_started(id: &str) -> SessionEvent {
    SessionEvent::ToolStarted {
        turn: 1,
        call: ToolCall {
            id: id.into(),
            name: "read".into(),
            input: json!({}),
        },
    }
}

fn tool_finished(id: &str) -> SessionEvent {
    SessionEvent::ToolFinished {
        turn: 1,
        id: id.into(),
        name: "read".into(),
        report: ToolReport::refused(FailureKind::Denied, "no"),
    }
}

fn said() -> SessionEvent {
    SessionEvent::TextDelta {
        turn: 1,
        text: "x".into(),
    }
}

/// `expect` are name, start, end and whether it failed.
fn check(events: &[(u64, SessionEvent)], expect: &[(&str, u64, u64, bool)]) -> Vec<Span> {
    let session = SessionSummary {
        session: "abc".into(),
        title: String::new(),
        workspace: "/w".into(),
        model: "m".into(),
        created_ms: 0,
        updated_ms: 0,
        ..SessionSummary::default()
    };
    let entries: Vec<Entry> = events
        .iter()
        .enumerate()
        .map(|(at, (at_ms, event))| Entry {
            seq: at as u64 + 1,
            at_ms: *at_ms,
            event: Recorded::Known(Box::new(event.clone())),
        })
        .collect();
    let spans = trace(&session, &entries);
    let got: Vec<_> = spans
        .iter()
        .map(|span| {
            let failed = span.status != SpanStatus::Ok;
            (span.name.as_str(), span.start_ms, span.end_ms, failed)
        })
        .collect();
    assert_eq!(got, expect);
    for span in &spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (32, 16));
    }
    spans
}

const TURN: &str = "invoke_agent boxagnts";
const CHAT: &str = "chat openai:gpt";
const READ: &str = "execute_tool read";

#[test]
fn a_turn_is_a_span_with_those_of_models_and_tools_in_it() {
    let usage = TokenUsage {
        input_tokens: 1,
        output_tokens: 2,
        cache_read_tokens: 4,
        cache_write_tokens: 8,
    };
    let spans = check(
        &[
            (100, started(1)),
            (
                110,
                SessionEvent::ModelCalled {
                    turn: 1,
                    step: 1,
                    compacting: false,
                },
            ),
            (
                120,
                SessionEvent::ModelRetry {
                    turn: 1,
                    attempt: 1,
                    wait_ms: 5,
                    reason: "busy".into(),
                },
            ),
            (150, said()),
            (160, said()),
            (
                200,
                SessionEvent::ModelAnswered {
                    turn: 1,
                    stop: StopReason::ToolUse,
                    usage,
                    cost_usd: Some(0.5),
                },
            ),
            (201, tool_started("a")),
            (202, tool_started("b")),
            (230, tool_finished("b")),
            (250, tool_finished("a")),
            (300, turn_ended(TurnOutcome::Done)),
        ],
        &[
            (TURN, 100, 300, false),
            (CHAT, 110, 200, false),
            (READ, 201, 250, true),
            (READ, 202, 230, true),
        ],
    );
    let [turn, chat, tool, _] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(chat.parent_span_id.as_ref(), Some(&turn.span_id));
    assert_eq!(tool.parent_span_id.as_ref(), Some(&turn.span_id));
    let told = serde_json::to_value(chat).unwrap();
    let attributes = &told["attributes"];
    for (name, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("openai")),
        ("gen_ai.request.model", json!("openai:gpt")),
        ("gen_ai.usage.input_tokens", json!(13)),
        ("gen_ai.usage.output_tokens", json!(2)),
        ("gen_ai.response.finish_reasons", json!(["tool_use"])),
        ("boxagnts.time_to_first_token_ms", json!(40)),
    ] {
        assert_eq!(attributes[name], value, "{name}");
    }
    let names: Vec<_> = chat.events.iter().map(|event| event.name).collect();
    assert_eq!(names, ["retry", "first_token"]);
    assert_eq!(tool.attributes["error.type"], "denied");
}

#[test]
fn what_was_cut_off_ends_where_the_journal_does() {
    let model_called = SessionEvent::ModelCalled {
        turn: 1,
        step: 1,
        compacting: false,
    };
    check(
        &[
            (1, started(1)),
            (2, model_called.clone()),
            (5, said()),
            (9, started(2)),
            (10, tool_started("a")),
        ],
        &[
            (TURN, 1, 5, true),
            (CHAT, 2, 5, true),
            (TURN, 9, 10, true),
            (READ, 10, 10, true),
        ],
    );
    check(
        &[
            (1, started(1)),
            (2, model_called),
            (7, turn_ended(TurnOutcome::Cancelled)),
        ],
        &[(TURN, 1, 7, true), (CHAT, 2, 7, true)],
    );
    // A journal that makes no sense is no reason to fail.
    check(&[(5, tool_finished("x")), (1, said())], &[]);
    check(
        &[(5, tool_started("x")), (1, said())],
        &[(READ, 5, 5, true)],
    );
}
