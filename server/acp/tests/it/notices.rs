//! What users of a folder should know beside what their sessions say.

use crate::harness::{EDITOR, Harness, edits_both};
use agent_client_protocol::v1::schema::{CloseSessionRequest, StopReason};
use boxagnts_protocol::schedule::{Allowance, CatchUp, JobSpec, RunState};
use boxagnts_protocol::update::SessionMode;
use boxagnts_session::store::RunEnd;
use serde_json::json;

const WAITS: &str = "1 proposal of a scheduled task waits: tidy (3 hunks";

/// Records that a scheduled task of the workspace has made that session.
fn record_run(harness: &Harness, session: &str) {
    let store = harness.store();
    let workspace = harness.fixture.path().canonicalize().expect("the folder");
    let spec = JobSpec {
        prompt: "tidy up".into(),
        cron: "0 0 1 1 *".into(),
        zone: "UTC".into(),
        model: None,
        mode: SessionMode::Review,
        timeout_ms: 1000,
        retries: 0,
        catch_up: CatchUp::Skip,
        per_run: Allowance::default(),
        per_day: Allowance::default(),
    };
    let workspace = workspace.display().to_string();
    store.add_job("tidy", &workspace, &spec, 1).expect("a task");
    let run = store.begin_run_now("tidy", 2, 0).expect("a run").claimed;
    store.set_run_session(&run, session).expect("written down");
    let end = RunEnd {
        state: RunState::Done,
        message: None,
        ended_ms: 3,
        retry_ms: None,
    };
    store.end_run(&run, &end).expect("written down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_of_scheduled_tasks_are_told_in_open_sessions_and_in_the_next_one() {
    let harness = Harness::new(edits_both());
    let (client, session) = harness.begin(EDITOR).await;
    client.will_reply([]);
    let prompt = client.prompt(&session, "tidy up").await;
    assert_eq!(prompt, Ok(StopReason::EndTurn));
    // The session of one that is closed hears nothing.
    let other = client.new_session().await;
    let closed = CloseSessionRequest::new(other.session_id);
    let closed = client.cx.send_request(closed).block_task().await;
    closed.expect("closed");
    record_run(&harness, &session);
    client.until(|client| client.said().contains(WAITS)).await;
    assert_eq!(client.said().matches(WAITS).count(), 1);
    client.stop().await;
    let (client, _) = harness.begin(EDITOR).await;
    client.until(|client| client.said().contains(WAITS)).await;
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_are_never_met_are_told() {
    let mut harness = Harness::new(json!([]));
    harness.settings["deny"] = json!(["wirte(path=secret/**)"]);
    let (client, _) = harness.begin(EDITOR).await;
    client
        .until(|client| client.said().contains("the rule `wirte("))
        .await;
    client.stop().await;
}
