//! Whatever comes in, every request has one answer, and the connection goes on.

use crate::harness::{Harness, Raw};
use serde_json::{Value, json};

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_input_is_answered() {
    let harness = Harness::new(json!([]));
    let (stream, serving) = harness.serve();
    let mut raw = Raw::new(stream);
    let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize",
        "params": {"protocolVersion": 1}});
    let check = async |raw: &mut Raw, bytes: &[u8], id: Value, code: i64| {
        raw.send(bytes).await;
        let answer = raw.hear().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&id, &json!(code)),
            "{answer}"
        );
        answer["error"].to_string()
    };
    let early = json!({"jsonrpc": "2.0", "id": 1, "method": "session/new",
        "params": {"cwd": "/", "mcpServers": []}});
    let said = check(&mut raw, &line(&early), json!(1), -32600).await;
    assert!(said.contains("initialization"), "{said}");
    raw.send(&line(&hello)).await;
    let answer = raw.hear().await;
    assert_eq!(
        (&answer["id"], &answer["result"]["protocolVersion"]),
        (&json!("hello"), &json!(1))
    );
    let said = check(&mut raw, b"{secret\n", Value::Null, -32700).await;
    assert!(!said.contains("secret"), "{said}");
    check(&mut raw, b"\xff\xfe\n", Value::Null, -32700).await;
    check(&mut raw, b"[]\n", Value::Null, -32600).await;
    let deep = "[".repeat(100_000) + "\n";
    check(&mut raw, deep.as_bytes(), Value::Null, -32700).await;
    let unknown = json!({"jsonrpc": "2.0", "id": 2, "method": "session/nonsense", "params": {}});
    check(&mut raw, &line(&unknown), json!(2), -32601).await;
    let wrong =
        json!({"jsonrpc": "2.0", "id": 3, "method": "session/prompt", "params": {"prompt": 7}});
    check(&mut raw, &line(&wrong), json!(3), -32602).await;
    let nobody = json!({"jsonrpc": "2.0", "id": 4, "method": "session/prompt",
        "params": {"sessionId": "x", "prompt": []}});
    check(&mut raw, &line(&nobody), json!(4), -32002).await;
    let login = json!({"jsonrpc": "2.0", "id": 5, "method": "authenticate",
        "params": {"methodId": "x"}});
    check(&mut raw, &line(&login), json!(5), -32602).await;
    // Nobody's, and not answered.
    raw.send(&line(&json!({"jsonrpc": "2.0", "method": "session/cancel",
        "params": {"sessionId": "x"}})))
        .await;
    raw.send(&line(&json!({"jsonrpc": "2.0", "method": "nonsense"})))
        .await;
    check(&mut raw, &line(&unknown), json!(2), -32601).await;
    drop(raw);
    serving.await.expect("it ends with its client");
}
