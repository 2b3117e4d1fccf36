//! One answer for every request, whatever it is.

use crate::harness::{Harness, TWO, capabilities, edits_two};
use serde_json::{Value, json};

#[tokio::test]
async fn wrong_requests_are_answered_with_the_reason() {
    let mut harness = Harness::new(&[("a.rs", TWO)]);
    let mut editor = harness.start(capabilities(), edits_two("a.rs")).await;
    let cases = [
        ("boxagnts.ask", json!({}), "missing field `prompt`"),
        (
            "boxagnts.ask",
            json!({"prompt": "  "}),
            "the prompt is empty",
        ),
        ("boxagnts.ask", json!({"prompt": 7}), "expected a string"),
        (
            "boxagnts.ask",
            json!({"prompt": "x", "session": "nope"}),
            "no session `nope`",
        ),
        (
            "boxagnts.ask",
            json!({"prompt": "x", "promt": "y"}),
            "unknown field `promt`",
        ),
        (
            "boxagnts.proposal",
            json!({"session": "nope"}),
            "no session `nope`",
        ),
        (
            "boxagnts.accept",
            json!({"session": "nope", "all": true}),
            "no session `nope`",
        ),
        ("boxagnts.accept", json!({"session": "s"}), "exactly one of"),
        (
            "boxagnts.nope",
            json!({}),
            "unknown command `boxagnts.nope`; known commands",
        ),
    ];
    for (command, argument, expect) in cases {
        let error = editor
            .command(command, argument.clone())
            .await
            .expect_err(command);
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(expect), "{command} {argument}: {message}");
    }
    let session = editor.ask("rename both").await;
    let unknown = json!({"session": session, "hunks": ["h99"]});
    let error = editor
        .command("boxagnts.accept", unknown)
        .await
        .expect_err("unknown hunk");
    assert!(
        error["message"]
            .as_str()
            .expect("text")
            .contains("waiting: h1, h2"),
        "{error}"
    );
    let error = editor
        .request("boxagnts/ask", json!({"prompt": []}))
        .await
        .expect_err("params");
    assert_eq!(error["code"], -32602);
    let error = editor
        .request("textDocument/nope", json!({}))
        .await
        .expect_err("method");
    assert_eq!(error["code"], -32601);
    let error = editor
        .request("workspace/executeCommand", json!(7))
        .await
        .expect_err("params");
    assert_eq!(error["code"], -32602);
    harness.stop(editor).await;
}

/// Sends a body as it is and gives the answer.
async fn check(body: &str, id: Value, code: i64) {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.start(capabilities(), json!([])).await;
    editor.send_raw(body).await;
    let answer = loop {
        let message = editor.receive().await;
        if message.get("method").is_none() {
            break message;
        }
    };
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&id, &json!(code)),
        "{body}: {answer}"
    );
    // And the server goes on.
    editor
        .command("boxagnts.sessions", json!(null))
        .await
        .expect("still there");
    harness.stop(editor).await;
}

#[tokio::test]
async fn malformed_messages_are_answered_once() {
    check("{", Value::Null, -32700).await;
    check(r#"{"jsonrpc":"2.0","id":7,"method":1}"#, json!(7), -32600).await;
    check(r#"{"jsonrpc":"2.0","id":"a"}"#, json!("a"), -32600).await;
    check(r#"{"id":8,"method":"shutdown"}"#, json!(8), -32600).await;
    check(
        r#"{"jsonrpc":"2.0","id":9,"method":"workspace/executeCommand"}"#,
        json!(9),
        -32602,
    )
    .await;
}

#[tokio::test]
async fn requests_before_initialize_and_after_shutdown_are_refused() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.connect();
    let early = json!({"command": "boxagnts.sessions", "arguments": []});
    let error = editor
        .request("workspace/executeCommand", early.clone())
        .await
        .expect_err("early");
    assert_eq!(error["code"], -32002);
    editor.initialize(capabilities(), Value::Null).await;
    editor
        .request("shutdown", Value::Null)
        .await
        .expect("shutdown");
    let error = editor
        .request("workspace/executeCommand", early)
        .await
        .expect_err("late");
    assert_eq!(error["code"], -32600);
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness
        .start_with(capabilities(), json!({"max_turn": 3}))
        .await;
    let error = editor
        .command("boxagnts.ask", json!({"prompt": "x"}))
        .await
        .expect_err("settings");
    assert!(
        error["message"]
            .as_str()
            .expect("text")
            .contains("did you mean `max_turns`"),
        "{error}"
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn without_a_folder_the_remedy_is_told() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.connect();
    let params = json!({"processId": null, "rootUri": null, "capabilities": {}});
    editor.request("initialize", params).await.expect("hello");
    editor.notify("initialized", json!({})).await;
    let error = editor
        .command("boxagnts.ask", json!({"prompt": "x"}))
        .await
        .expect_err("no folder");
    assert!(
        error["message"]
            .as_str()
            .expect("text")
            .contains("open a folder"),
        "{error}"
    );
    harness.stop(editor).await;
}

#[tokio::test]
async fn the_server_says_what_it_can() {
    let mut harness = Harness::new(&[]);
    let mut editor = harness.connect();
    let mut can = capabilities();
    can["general"] = json!({"positionEncodings": ["utf-32", "utf-8"]});
    let answer = editor.initialize(can, Value::Null).await;
    assert_eq!(answer["serverInfo"]["name"], "boxagnts");
    let capabilities = &answer["capabilities"];
    assert_eq!(capabilities["positionEncoding"], "utf-32");
    assert_eq!(capabilities["textDocumentSync"]["change"], 2);
    let commands = &capabilities["executeCommandProvider"]["commands"];
    assert_eq!(commands.as_array().map(Vec::len), Some(24));
    let virtual_documents = &capabilities["workspace"]["textDocumentContent"];
    assert_eq!(virtual_documents, &json!({"schemes": ["boxagnts"]}));
    let own = &capabilities["experimental"]["boxagnts"];
    assert_eq!(own, &json!({"protocolVersion": 1}));
    harness.stop(editor).await;
}
