//! Prices on their way from the configuration to the budget of a session.

use crate::harness::{Process, World};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::DiskApplier;
use boxagnts_test_support::{Answer, ModelServer};
use serde_json::{Value, json};
use std::sync::Arc;

/// A process whose model is behind this server, with this price and this budget.
fn process(world: &World, server: &ModelServer, price: &Value, budget: &Value) -> Process {
    let settings = json!({
        "model": "local:large-1.5",
        "total_budget_usd": budget,
        "max_output_tokens": 1000,
        "providers": {"local": {"kind": "anthropic", "base_url": server.base_url()}},
        "models": {"local:large-*": {"price": price}},
    });
    world.process_with(Arc::new(DiskApplier), &settings, None)
}

/// How the turn ended, and what the session has cost.
async fn turn(process: &mut Process, session: Option<&str>) -> (String, TurnOutcome, Option<f64>) {
    let (session, ended) = process.ask_for_end(session).await;
    match ended {
        SessionEvent::TurnEnded {
            outcome, cost_usd, ..
        } => (session, outcome, cost_usd),
        other => panic!("{other:?}"),
    }
}

fn said(usage: &Value) -> Answer {
    Answer::turn(json!({"text": "Done.", "usage": usage}))
}

#[tokio::test]
async fn every_kind_of_token_has_its_price_and_the_budget_ends_the_session() {
    let usage = json!({
        "input_tokens": 100_000, "output_tokens": 10_000,
        "cache_read_tokens": 200_000, "cache_write_tokens": 40_000,
    });
    let server = ModelServer::start([said(&usage), said(&usage)]);
    let world = World::new(&[]);
    let price = json!({"input": 30, "output": 150, "cache_read": 2.5, "cache_write": 37.5});
    let mut process = process(&world, &server, &price, &json!(10));
    let (session, outcome, cost) = turn(&mut process, None).await;
    assert_eq!(outcome, TurnOutcome::Done);
    // 3 + 1.5 + 0.5 + 1.5
    assert_eq!(cost, Some(6.5));
    // The conversation so far may have to be paid anew: 350,000 tokens at the highest price.
    let (_, outcome, cost) = turn(&mut process, Some(&session)).await;
    let expect = TurnOutcome::Limit {
        limit: "total_budget_usd".to_owned(),
        value: 10.0,
        used: 6.5,
    };
    assert_eq!((outcome, cost), (expect, Some(6.5)));
    assert_eq!(server.requests().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn writing_to_a_cache_is_reserved_before_it_is_done() {
    let server = ModelServer::start([]);
    let world = World::new(&[]);
    // A dollar a token.
    let price = json!({"input": 0, "output": 0, "cache_read": 0, "cache_write": 1_000_000});
    let mut process = process(&world, &server, &price, &json!(10));
    let (_, outcome, cost) = turn(&mut process, None).await;
    let expect = TurnOutcome::Limit {
        limit: "total_budget_usd".to_owned(),
        value: 10.0,
        used: 0.0,
    };
    assert_eq!((outcome, cost), (expect, Some(0.0)));
    assert_eq!(server.requests().len(), 0, "nothing was sent");
}

#[tokio::test]
async fn a_model_without_a_price_is_told_of_once_and_limited_by_tokens() {
    let usage = json!({"input_tokens": 3_000_000, "output_tokens": 5});
    let server = ModelServer::with(move |_| said(&usage));
    let world = World::new(&[]);
    let mut process = process(&world, &server, &Value::Null, &json!(10));
    let ask = process.begin(None);
    let notice = process
        .until(|event| matches!(event, SessionEvent::Notice { .. }))
        .await;
    let expect = "no price is known for local:large-1.5: total_budget_usd = 10 cannot be kept, and \
                  max_tokens_total = 2000000 is what limits it; set \
                  models.\"local:large-1.5\".price in your configuration";
    assert_eq!(
        notice,
        SessionEvent::Notice {
            message: expect.to_owned()
        }
    );
    process
        .until(|event| matches!(event, SessionEvent::TurnEnded { .. }))
        .await;
    let (_, outcome, cost) = turn(&mut process, Some(&ask)).await;
    let expect = TurnOutcome::Limit {
        limit: "max_tokens_total".to_owned(),
        value: 2e6,
        used: 3_000_005.0,
    };
    assert_eq!((outcome, cost), (expect, None));
    // Another session of the same process says it no more.
    process.begin(None);
    let event = process
        .until(|event| {
            matches!(
                event,
                SessionEvent::Notice { .. } | SessionEvent::TurnEnded { .. }
            )
        })
        .await;
    assert!(matches!(event, SessionEvent::TurnEnded { .. }), "{event:?}");
}
