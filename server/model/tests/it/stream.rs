//! Decoding event streams: what real servers send, and what nobody should.

use boxagnts_model::{Delta, ProviderKind, fuzz_decode};
use boxagnts_protocol::conversation::StopReason;
use proptest::prelude::*;

/// Deltas in short, and how the answer failed if it did.
fn decode(kind: ProviderKind, chunks: &[&[u8]]) -> String {
    let (deltas, failure) = fuzz_decode(kind, chunks);
    let short = deltas.into_iter().map(|delta| match delta {
        Delta::Text(text) => text,
        Delta::Thinking(thinking) => format!("({})", thinking.text),
        Delta::ToolCallStart { index, id, name } => format!("{index}:{name}({id})"),
        Delta::ToolCallInput { index, json } => format!("{index}={json}"),
        Delta::Usage(usage) => format!("{} tokens", usage.total()),
        Delta::Stop(reason) => format!("{reason:?}"),
        Delta::Retry { .. } => "retry".to_owned(),
    });
    short
        .chain(failure.map(|failure| format!("! {failure}")))
        .collect::<Vec<String>>()
        .join(" ")
}

#[track_caller]
pub(crate) fn check(kind: ProviderKind, stream: &str, expect: &str) {
    let got = decode(kind, &[stream.as_bytes()]);
    let cut = expect
        .strip_suffix('…')
        .is_some_and(|begin| got.starts_with(begin));
    assert!(
        got == expect || cut,
        "{stream}\n got: {got}\nwant: {expect}"
    );
}

/// Events of Chat Completions with these choices' deltas, finished.
pub(crate) fn chat(deltas: &[&str], reason: &str) -> String {
    let delta = |delta: &&str| {
        format!("data: {{\"choices\":[{{\"delta\":{delta},\"finish_reason\":null}}]}}\n\n")
    };
    let begin: String = deltas.iter().map(delta).collect();
    let end =
        format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":{reason:?}}}]}}\n\n");
    begin + &end + "data: [DONE]\n\n"
}

#[test]
fn servers_number_tool_calls_in_their_own_ways() {
    let check = |calls: &[&str], expect: &str| {
        let deltas: Vec<String> = calls
            .iter()
            .map(|calls| format!("{{\"tool_calls\":[{calls}]}}"))
            .collect();
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        check(
            ProviderKind::OpenAiChat,
            &chat(&deltas, "tool_calls"),
            expect,
        );
    };
    // As documented, with fragments of both in turn.
    check(
        &[
            r#"{"index":0,"id":"x","function":{"name":"a","arguments":""}}"#,
            r#"{"index":1,"id":"y","function":{"name":"b","arguments":"{"}}"#,
            r#"{"index":0,"function":{"arguments":"{}"}},{"index":1,"function":{"arguments":"}"}}"#,
        ],
        "0:a(x) 1:b(y) 1={ 0={} 1=} ToolUse",
    );
    // No numbers.
    check(
        &[
            r#"{"id":"x","function":{"name":"a","arguments":"{}"}}"#,
            r#"{"id":"y","function":{"name":"b","arguments":"{"}}"#,
            r#"{"function":{"arguments":"}"}}"#,
        ],
        "0:a(x) 0={} 1:b(y) 1={ 1=} ToolUse",
    );
    check(
        &[
            r#"{"function":{"name":"a"}}"#,
            r#"{"function":{"name":"a"}}"#,
        ],
        "0:a(call_0) 1:a(call_1) ToolUse",
    );
    // One number for all.
    check(
        &[
            r#"{"index":0,"id":"x","function":{"name":"a","arguments":"{}"}}"#,
            r#"{"index":0,"id":"y","function":{"name":"b","arguments":"{}"}}"#,
        ],
        "0:a(x) 0={} 1:b(y) 1={} ToolUse",
    );
    // The name in every fragment.
    check(
        &[
            r#"{"index":3,"id":"x","function":{"name":"a","arguments":"{"}}"#,
            r#"{"index":3,"id":"x","function":{"name":"a","arguments":"}"}}"#,
            r#"{"index":3,"id":"","function":{"name":"","arguments":""}}"#,
        ],
        "0:a(x) 0={ 0=} ToolUse",
    );
    // An object instead of text; a fragment of nothing.
    check(
        &[r#"{"function":{"name":"a","arguments":{"b":1}}}"#],
        r#"0:a(call_0) 0={"b":1} ToolUse"#,
    );
    check(&[r#"{"function":{"arguments":"{}"}}"#], "EndTurn");
}

#[test]
fn reasons_to_stop() {
    let check = |reason: &str, expect: &str| {
        check(
            ProviderKind::OpenAiChat,
            &chat(&[r#"{"content":"x"}"#], reason),
            expect,
        );
    };
    check("stop", "x EndTurn");
    check("tool_calls", "x EndTurn");
    check("length", "x MaxTokens");
    check("content_filter", "x Refusal");
    check("error", "x ! finish_reason `error`");
    check("bored", "x ! finish_reason `bored`");
    check("", "x ! the answer ended in the middle");
}

#[test]
fn streams_are_read_as_the_standard_says() {
    let check = |stream: &str, expect: &str| check(ProviderKind::OpenAiChat, stream, expect);
    let end = "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    check(end, "EndTurn");
    check(&format!("\u{feff}{end}"), "EndTurn");
    check(&end.replace('\n', "\r\n"), "EndTurn");
    check(&end.replace('\n', "\r"), "EndTurn");
    check(&end.replace("data: ", "data:"), "EndTurn");
    check(
        &format!(": keep-alive\n\nid: 1\nretry: 5\n\n{end}"),
        "EndTurn",
    );
    check(&end.replace("{\"cho", "{\ndata: \"cho"), "EndTurn");
    // Without `[DONE]`, which some servers leave out.
    check(
        "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n",
        "EndTurn",
    );
    check("", "! the answer ended in the middle");
    check(
        "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
        "! the answer ended in the middle",
    );
    check("data: {}\n\n", "! the answer ended in the middle");
    check("data: 1\n\n", "! a chunk: …");
    check("data: {\"error\":\"broken\"}\n\n", "! broken");
    check("data: {\"error\":{\"code\":1}}\n\n", "! {\"code\":1}");
    let stream = b"data: \xff\n\n";
    assert!(
        decode(ProviderKind::OpenAiChat, &[stream]).starts_with("! "),
        "it is not UTF-8"
    );
}

#[test]
fn anthropic_may_add_events_and_blocks() {
    let stream = [
        r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"news","more":[1]}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"a"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"b"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"stop_sequence"},"usage":{"output_tokens":7}}"#,
        r#"{"type":"message_stop"}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"c"}}"#,
    ];
    let stream: String = stream
        .iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect();
    check(
        ProviderKind::Anthropic,
        &stream,
        "4 tokens (hm) a b 10 tokens EndTurn",
    );
    check(
        ProviderKind::Anthropic,
        "data: {\"type\":\"message_stop\"}\n\n",
        "! the answer ended…",
    );
}

/// A stream of this kind that says much in little.
fn valid(kind: ProviderKind) -> String {
    match kind {
        ProviderKind::OpenAiChat => chat(
            &[
                r#"{"content":"pä 🦀"}"#,
                r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"a","arguments":"{}"}}]}"#,
            ],
            "tool_calls",
        ),
        ProviderKind::Anthropic => [
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"pä 🦀"}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"x","name":"a"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}"#,
            r#"{"type":"message_stop"}"#,
        ]
        .iter()
        .map(|data| format!("event: x\r\ndata: {data}\r\n\r\n"))
        .collect(),
        ProviderKind::OpenAiResponses => [
            r#"{"type":"response.output_text.delta","delta":"pä 🦀"}"#,
            r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"x","name":"a"}}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{}"}"#,
            r#"{"type":"response.completed","response":{"usage":{"output_tokens":7}}}"#,
        ]
        .iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect(),
        ProviderKind::Gemini => [
            r#"{"candidates":[{"content":{"parts":[{"text":"pä 🦀"}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"a","args":{}}}]},"finishReason":"STOP"}]}"#,
        ]
        .iter()
        .map(|data| format!("data: {data}\r\n\r\n"))
        .collect(),
        ProviderKind::Ollama => [
            r#"{"message":{"content":"pä 🦀"},"done":false}"#,
            r#"{"message":{"tool_calls":[{"function":{"name":"a","arguments":{}}}]},"done":false}"#,
            r#"{"done":true,"done_reason":"stop","eval_count":7}"#,
        ]
        .iter()
        .map(|data| format!("{data}\n"))
        .collect(),
    }
}

fn kind() -> impl Strategy<Value = ProviderKind> {
    prop::sample::select(&ProviderKind::ALL[..])
}

/// A valid stream with some bytes replaced, or bytes of which nothing is known.
fn stream() -> impl Strategy<Value = (ProviderKind, Vec<u8>)> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"\r\n:{}\"\\0"[..])];
    let mutated = (
        kind(),
        prop::collection::vec((any::<prop::sample::Index>(), byte), 0..4),
    );
    let mutated = mutated.prop_map(|(kind, changes)| {
        let mut bytes = valid(kind).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        (kind, bytes)
    });
    let lines = prop::collection::vec(
        "(data|event|id)?:? ?[a-z{}\u{feff}ä]{0,3}(\r\n|\n|\r)",
        0..8,
    );
    let lines = (kind(), lines).prop_map(|(kind, lines)| (kind, lines.concat().into_bytes()));
    prop_oneof![
        mutated,
        lines,
        (kind(), prop::collection::vec(any::<u8>(), 0..200))
    ]
}

/// `bytes` in pieces that end at these places.
fn chunks<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut from = 0;
    places.push(bytes.len());
    let pieces = places.iter().map(|&to| {
        let piece = &bytes[from..to];
        from = to;
        piece
    });
    pieces.collect()
}

proptest! {
    #[test]
    fn chunks_make_no_difference(
        (kind, bytes) in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = fuzz_decode(kind, &[&bytes]);
        prop_assert_eq!(&fuzz_decode(kind, &chunks(&bytes, &cuts)), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&fuzz_decode(kind, &single), &whole);
        let stops = whole.0.iter().filter(|delta| matches!(delta, Delta::Stop(_))).count();
        prop_assert_eq!(stops + usize::from(whole.1.is_some()), 1, "one end: {:?}", whole);
    }
}

#[test]
fn the_valid_streams_are_valid() {
    for kind in ProviderKind::ALL {
        let (deltas, failure) = fuzz_decode(kind, &[valid(kind).as_bytes()]);
        assert_eq!(failure, None);
        assert_eq!(deltas.last(), Some(&Delta::Stop(StopReason::ToolUse)));
        assert!(deltas.contains(&Delta::Text("pä 🦀".to_owned())));
    }
}
