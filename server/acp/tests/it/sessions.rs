//! Sessions that are listed, closed, deleted; and what of a request is not used.

use crate::harness::{EDITOR, Harness};
use agent_client_protocol::v1::schema::{
    CloseSessionRequest, DeleteSessionRequest, ListSessionsRequest, McpServer, McpServerStdio,
    NewSessionRequest, StopReason,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_closed_and_deleted() {
    let harness = Harness::new(json!([{"text": "Hello."}]));
    let (client, session) = harness.begin(EDITOR).await;
    let empty = client.new_session().await;
    let list = async || {
        let request = ListSessionsRequest::new().cwd(client.root.clone());
        let listed = client
            .cx
            .send_request(request)
            .block_task()
            .await
            .expect("a list");
        serde_json::to_value(listed).expect("JSON")["sessions"].clone()
    };
    assert_eq!(list().await, json!([]), "nothing was said in any of them");
    assert_eq!(
        client.prompt(&session, "say hello").await,
        Ok(StopReason::EndTurn)
    );
    let listed = list().await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&listed[0]["sessionId"], &listed[0]["title"]),
        (&json!(session), &json!("say hello"))
    );
    assert_eq!(listed[0]["cwd"], json!(client.root));
    assert!(
        listed[0]["updatedAt"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z')),
        "{listed}"
    );

    let close = CloseSessionRequest::new(empty.session_id.clone());
    client
        .cx
        .send_request(close)
        .block_task()
        .await
        .expect("closed");
    let gone = client
        .prompt(&empty.session_id.0, "hello")
        .await
        .expect_err("closed");
    assert!(gone.message.contains("not open"), "{gone}");
    let delete = DeleteSessionRequest::new(session.clone());
    client
        .cx
        .send_request(delete)
        .block_task()
        .await
        .expect("deleted");
    assert_eq!(list().await, json!([]));
    let gone = client.load(&session).await.expect_err("deleted");
    assert!(gone.message.contains("no session"), "{gone}");
    client.stop().await;

    // Sessions in which nothing was said are gone with their client.
    let client = harness.start(EDITOR).await;
    client.load(&empty.session_id.0).await.expect_err("gone");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_used_is_told() {
    let harness = Harness::new(json!([]));
    let client = harness.start(EDITOR).await;
    let server = McpServer::Stdio(McpServerStdio::new("files", "/bin/files"));
    let request = NewSessionRequest::new(&client.root).mcp_servers(vec![server]);
    client
        .cx
        .send_request(request)
        .block_task()
        .await
        .expect("a session");
    client
        .until(|client| {
            client
                .said()
                .contains("MCP servers are not used yet: files")
        })
        .await;
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_begin_says_why() {
    let mut harness = Harness::new(json!([]));
    let client = harness.start(EDITOR).await;
    let check = async |cwd: &str, part: &str| {
        let request = NewSessionRequest::new(cwd);
        let wrong = client
            .cx
            .send_request(request)
            .block_task()
            .await
            .expect_err("no folder");
        assert!(wrong.message.contains(part), "{wrong}");
    };
    check("relative", "no absolute path").await;
    check("/nowhere/at/all", "/nowhere/at/all").await;
    let hello = serde_json::to_value(&client.hello).expect("JSON");
    assert_eq!(hello["protocolVersion"], 1);
    assert_eq!(hello["agentCapabilities"]["loadSession"], true);
    assert_eq!(
        hello["agentCapabilities"]["promptCapabilities"]["image"],
        Value::from(true)
    );
    client.stop().await;

    harness.settings = json!({
        "model": "openai:some-model",
        "providers": {"openai": {"api_key_env": "BOXAGNTS_TEST_NO_SUCH_KEY"}},
    });
    let client = harness.start(EDITOR).await;
    let request = NewSessionRequest::new(&client.root);
    let wrong = client
        .cx
        .send_request(request)
        .block_task()
        .await
        .expect_err("no key");
    assert!(
        wrong.message.contains("BOXAGNTS_TEST_NO_SUCH_KEY"),
        "{wrong}"
    );
    assert_eq!(i32::from(wrong.code), -32000);
    client.stop().await;
}
