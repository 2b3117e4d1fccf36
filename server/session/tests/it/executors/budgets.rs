//! What executors may spend, and numbers that mean nothing.

use super::{models, process, reports, says, spawn};
use crate::harness::World;
use serde_json::{Value, json};

/// What the reports of executors say that are given these inputs.
async fn check_budgets(inputs: &[Value], expect: &[&str]) {
    let world = World::new(&["a"]);
    let words = ["TASK-A", "TASK-B"];
    let scripts = words.map(|word| (word, vec![says(word)]));
    let server = models(vec![spawn(inputs), says("Done.")], scripts.to_vec());
    let settings = json!({"max_tokens_total": 100_000, "total_budget_usd": 1});
    let mut process = process(&world, &server, &settings);
    let (_, events) = process.turn(None, "go").await;
    let reports = reports(&events);
    assert_eq!(reports.len(), expect.len());
    for (report, expect) in reports.iter().zip(expect) {
        let told = report.for_model();
        assert!(told.contains(expect), "{expect}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_budget_of_one_kind_leaves_the_other_to_all() {
    let both = ["TASK-A", "TASK-B"];
    let b = json!({"task": "TASK-B"});
    let a = |budget: Value| json!({"task": "TASK-A", "budget": budget});
    for budget in [json!({"usd": 0.9}), json!({"tokens": 90_000}), json!({})] {
        check_budgets(&[a(budget), b.clone()], &both).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_that_mean_nothing_are_refused() {
    let with = |name: &str, value: Value| json!({"task": "TASK-A", name: value});
    for (input, expect) in [
        (
            with("budget", json!({"usd": -1})),
            "`budget.usd` is less than 0",
        ),
        (
            with("budget", json!({"usd": -1, "tokens": 100})),
            "`budget.usd` is less",
        ),
        (with("budget", json!({"tokens": 0})), "`budget.tokens` is 0"),
        (with("max_turns", json!(0)), "`max_turns` is 0"),
        (json!({"task": " "}), "`task` is empty"),
    ] {
        check_budgets(&[input], &[expect]).await;
    }
}
