//! What is decided by words, without the model.

use crate::harness::{EDITOR, Harness, Reply, edits_both};
use agent_client_protocol::v1::schema::StopReason;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hunks_are_accepted_rejected_and_taken_back_by_words() {
    let mut script = edits_both();
    let more = json!({"text": "I see."});
    script.as_array_mut().expect("an array").push(more);
    let harness = Harness::new(script);
    let (client, session) = harness.begin(EDITOR).await;
    let said = async |prompt: &str| {
        client.forget_updates();
        assert_eq!(
            client.prompt(&session, prompt).await,
            Ok(StopReason::EndTurn),
            "{prompt}"
        );
        client.said()
    };
    assert!(said("/accept").await.contains("Nothing waits"));
    assert!(said("/undo").await.contains("Nothing was accepted"));
    client.will_reply([Reply::Dismiss]);
    assert!(said("change both").await.contains("`a.rs`: h1, h2"));

    let unknown = said("/accept nothing.rs").await;
    assert!(
        unknown.contains("`nothing.rs` is no file") && unknown.contains("`b.txt`"),
        "{unknown}"
    );
    let unknown = said("/reject b.rs typo").await;
    assert!(unknown.contains("nothing was done"), "{unknown}");
    let accepted = said("/accept h2").await;
    assert!(
        accepted.contains("Written: h2") && accepted.contains("`a.rs`: h1"),
        "{accepted}"
    );
    let a = harness.fixture.read("a.rs");
    assert!(a.contains("fn one") && a.contains("fn second"), "{a}");
    let rejected = said("/reject b.txt keep it short").await;
    assert!(rejected.contains("Rejected: h3"), "{rejected}");
    let taken = said("/undo").await;
    assert!(taken.contains("Taken back: a.rs"), "{taken}");
    assert!(harness.fixture.read("a.rs").contains("fn two"));
    let all = said("/accept all").await;
    assert!(all.contains("Written: h1"), "{all}");
    assert!(harness.fixture.read("a.rs").contains("fn first"));
    assert_eq!(harness.fixture.read("b.txt"), "bee\n");
    let wrong = client
        .prompt(&session, "/undo it")
        .await
        .expect_err("too much");
    assert!(wrong.message.contains("takes nothing"), "{wrong}");
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_told() {
    let harness = Harness::new(json!([]));
    harness.fixture.write(
        "/.boxagnts/commands/shorten.md",
        "---\ndescription: Shortens\n---\nShorten $1\n",
    );
    let (client, _) = harness.begin(EDITOR).await;
    let is_it = |update: &serde_json::Value| update["sessionUpdate"] == "available_commands_update";
    client
        .until(|client| client.updates().iter().any(is_it))
        .await;
    let updates = client.updates();
    let commands = updates
        .iter()
        .find(|update| is_it(update))
        .expect("commands");
    let names: Vec<&str> = commands["availableCommands"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|command| command["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(&names[..4], ["review", "accept", "reject", "undo"]);
    assert!(
        names.contains(&"help") && names.contains(&"shorten"),
        "{names:?}"
    );
    client.stop().await;
}
