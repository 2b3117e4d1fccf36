//! A thousand executors of one manager: time and memory for each, and whether others are still served.

use crate::table::{Table, percentile, shown};
use crate::turns::{resident, sessions_with};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::Ask;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const FEW: usize = 250;
const MANY: usize = 1000;
/// How often somebody else wants to be served meanwhile.
const BEAT: Duration = Duration::from_millis(2);

/// What one manager with so many executors took.
struct Ran {
    took: Duration,
    /// Bytes by which the process grew.
    grown: u64,
    /// How much later than it should each beat came.
    late: Vec<Duration>,
}

/// Each executor makes a file of its own, by the planner that needs no network.
fn run(count: usize) -> Ran {
    let (state, folder) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let spawn = |at: usize| {
        let task = format!("create e{at}.txt with \"made by executor {at}\"");
        json!({"name": "spawn_executor", "input": {"task": task}})
    };
    let calls: Vec<Value> = (0..count).map(spawn).collect();
    let script = json!([{"tool_calls": calls}, {"text": "All are done."}]);
    let path = state.path().join("manager.json");
    std::fs::write(&path, script.to_string()).expect("a script");
    let settings = json!({
        "model": format!("scripted:{}", path.display()),
        "max_tool_calls": count + 10,
        "max_tokens_total": u64::MAX >> 1,
        "executors": {"default": {"model": "builtin", "tools": ["write", "read"]}},
    });
    // As the language server's.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .event_interval(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let sessions = sessions_with(state.path(), folder.path(), &settings);
        // The tools are compiled, and everything that is made once is made.
        let before = resident();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let beats = tokio::spawn(async move {
            let mut late = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let start = Instant::now();
                tokio::time::sleep(BEAT).await;
                late.push(start.elapsed().saturating_sub(BEAT));
            }
            late
        });
        let mut updates = sessions.subscribe();
        let start = Instant::now();
        let asked = sessions.ask(Ask {
            prompt: "have it made".to_owned(),
            ..Ask::default()
        });
        let session = asked.expect("asked").session;
        let (mut now, mut most) = (0i64, 0);
        loop {
            let update = updates.recv().await.expect("an update");
            if update.session != session {
                continue;
            }
            match update.event {
                SessionEvent::ExecutorStarted { .. } => now += 1,
                SessionEvent::ExecutorEnded { outcome, .. } => {
                    assert_eq!(outcome, TurnOutcome::Done);
                    now -= 1;
                }
                SessionEvent::TurnEnded { outcome, .. } => {
                    assert_eq!(outcome, TurnOutcome::Done);
                    break;
                }
                _ => {}
            }
            most = most.max(now);
        }
        let took = start.elapsed();
        assert!(most <= 4, "{most} at a time");
        let grown = resident().saturating_sub(before);
        over.store(true, Ordering::Relaxed);
        let proposal = sessions.proposal(&session).expect("a proposal");
        assert_eq!((proposal.pending as usize, proposal.conflicted), (count, 0));
        Ran {
            took,
            grown,
            late: beats.await.expect("the beats"),
        }
    })
}

/// Time of an executor among 1,000, and among 250; memory of each; how late others are served.
pub fn many(table: &mut Table) {
    // Once to compile the tools.
    run(4);
    let few = run(FEW);
    let mut many = run(MANY);
    let each = many.took / MANY as u32;
    let ratio = each.as_secs_f64() / (few.took / FEW as u32).as_secs_f64();
    table.row(
        "an executor among 1,000, four at a time",
        shown(each),
        "as among 250",
        ratio < 1.25,
    );
    table.ratio(format!("{ratio:.2} × an executor among 250"));
    let kib = many.grown as f64 / 1024.0 / MANY as f64;
    table.row(
        "memory of an executor that has ended",
        format!("{kib:.0} KiB"),
        "≤ 1 MiB",
        kib <= 1024.0,
    );
    let p99 = percentile(&mut many.late, 0.99);
    table.row(
        "how late others are served meanwhile, p99",
        shown(p99),
        "≤ 10 ms",
        p99 <= Duration::from_millis(10),
    );
}
