//! What servers really send that is not in anybody's documentation, format by format.

use crate::stream::check;
use boxagnts_model::ProviderKind;

fn sse(events: &[&str]) -> String {
    let event = |data: &&str| format!("data: {data}\n\n");
    events.iter().map(event).collect()
}

#[test]
fn responses() {
    let check = |events: &[&str], expect: &str| {
        check(ProviderKind::OpenAiResponses, &sse(events), expect);
    };
    const END: &str = r#"{"type":"response.completed","response":{}}"#;
    check(&[END], "EndTurn");
    check(&[], "! the answer ended in the middle");
    check(&["[DONE]"], "! the answer ended in the middle");
    check(&[r#"{"type":"news","x":1}"#, END], "EndTurn");
    // No pieces of the input, only its end; no beginning either.
    let done = r#"{"type":"response.output_item.done","output_index":2,"item":
        {"type":"function_call","call_id":"x","name":"a","arguments":"{}"}}"#;
    let done = done.replace('\n', "");
    let added = r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"x","name":"a"}}"#;
    check(&[added, &done, END], "2:a(x) 2={} ToolUse");
    check(&[&done, &done, END], "2:a(x) 2={} ToolUse");
    let piece =
        r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{}"}"#;
    check(&[added, piece, &done, END], "2:a(x) 2={} ToolUse");
    check(&[piece, END], "EndTurn");
    // Why it ended.
    let refused = r#"{"type":"response.refusal.delta","delta":"no"}"#;
    check(&[refused, END], "no Refusal");
    let cut = |why: &str| {
        format!(r#"{{"type":"response.incomplete","response":{{"incomplete_details":{why}}}}}"#)
    };
    check(&[&cut("null")], "MaxTokens");
    check(&[&cut(r#"{"reason":"max_output_tokens"}"#)], "MaxTokens");
    check(&[&cut(r#"{"reason":"content_filter"}"#)], "Refusal");
    check(&[&cut(r#"{"reason":"bored"}"#)], "! incomplete: `bored`");
    check(&[r#"{"type":"error","message":"no"}"#], "! no");
    check(
        &[r#"{"type":"error","error":{"type":"x","message":"no"}}"#],
        "! no",
    );
    check(
        &[r#"{"type":"response.failed","response":{}}"#],
        "! no explanation",
    );
    // Thoughts without their encrypted form are shown, and empty ones are nothing.
    let thought = |more: &str| {
        let item = format!(r#"{{"type":"reasoning","id":"r","summary":[{more}]}}"#);
        format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{item}}}"#)
    };
    check(
        &[&thought(r#"{"text":"a"},{"text":"b"}"#), END],
        "(a\n\nb) EndTurn",
    );
    check(&[&thought(""), END], "EndTurn");
}

#[test]
fn gemini() {
    let check = |events: &[&str], expect: &str| {
        check(ProviderKind::Gemini, &sse(events), expect);
    };
    let parts = |parts: &str, reason: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"finishReason":"{reason}"}}]}}"#
        )
    };
    check(&[&parts("", "STOP")], "EndTurn");
    check(&[], "! the answer ended in the middle");
    check(
        &[r#"{"candidates":[{"content":{"role":"model"}}]}"#],
        "! the answer ended…",
    );
    check(
        &[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#],
        "Refusal",
    );
    check(
        &[&parts(r#"{"text":"a"}"#, "PROHIBITED_CONTENT")],
        "a Refusal",
    );
    check(&[&parts(r#"{"text":"a"}"#, "MAX_TOKENS")], "a MaxTokens");
    check(
        &[&parts("", "MALFORMED_FUNCTION_CALL")],
        "! MALFORMED_FUNCTION_CALL",
    );
    check(&[&parts("", "OTHER")], "! OTHER");
    // No id, no arguments; the reason is the same as without a call.
    let call =
        r#"{"functionCall":{"name":"a"}},{"functionCall":{"name":"b","args":{"x":1},"id":"y"}}"#;
    check(
        &[&parts(call, "STOP")],
        r#"0:a(gemini_call_0) 1:b(y) 1={"x":1} ToolUse"#,
    );
    let thought = r#"{"text":"hm","thought":true},{"text":"a"}"#;
    check(&[&parts(thought, "STOP")], "a (hm) EndTurn");
    let signed = r#"{"text":"hm","thought":true},{"text":"a","thoughtSignature":"s"}"#;
    check(&[&parts(signed, "STOP")], "(hm) a EndTurn");
    check(&[&parts(r#"{"news":1}"#, "STOP")], "EndTurn");
    check(&[r#"{"error":{"code":400,"message":"no"}}"#], "! no");
    check(
        &[
            r#"{"usageMetadata":{"promptTokenCount":5,"cachedContentTokenCount":9}}"#,
            &parts("", "STOP"),
        ],
        "9 tokens EndTurn",
    );
}

#[test]
fn ollama() {
    let check = |lines: &[&str], expect: &str| {
        check(ProviderKind::Ollama, &lines.join("\n"), expect);
    };
    const END: &str = r#"{"done":true}"#;
    check(&[END], "EndTurn");
    check(&["", "\r", END, ""], "EndTurn");
    check(&[], "! the answer ended in the middle");
    check(&[r#"{"message":{"content":"a"}}"#], "a ! the answer ended…");
    check(&[r#"{"message":{"content":"a"#], "! the answer ended…");
    check(&["x", END], "! a line: …");
    check(&[r#"{"error":"no"}"#, END], "! no");
    check(
        &[r#"{"done":true,"done_reason":"load"}"#],
        "! the answer ended…",
    );
    check(&[r#"{"done":true,"done_reason":"length"}"#], "MaxTokens");
    let thinks = r#"{"message":{"thinking":"h"}}"#;
    check(&[thinks, thinks, END], "(hh) EndTurn");
    let call = r#"{"message":{"content":"","tool_calls":[{"function":{"name":"a","arguments":{"x":1}}},{"function":{"name":"b"}}]}}"#;
    check(
        &[thinks, call, END],
        r#"(h) 0:a(call_0) 0={"x":1} 1:b(call_1) ToolUse"#,
    );
}

#[test]
fn chat() {
    let check = |deltas: &[&str], expect: &str| {
        check(
            ProviderKind::OpenAiChat,
            &crate::stream::chat(deltas, "stop"),
            expect,
        );
    };
    // Parts instead of text.
    check(
        &[r#"{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"a"}]}"#],
        "a EndTurn",
    );
    check(&[r#"{"refusal":"no"}"#], "no Refusal");
    check(
        &[
            r#"{"reasoning_content":"h"}"#,
            r#"{"reasoning_content":"m"}"#,
            r#"{"content":"a"}"#,
        ],
        "(hm) a EndTurn",
    );
    check(
        &[r#"{"reasoning":"h"}"#, r#"{"reasoning":{"x":1}}"#],
        "(h) EndTurn",
    );
}
