//! A session of 500 turns with its journal, against a model that answers at once and has a small window.

use crate::table::{Table, percentile, shown};
use boxagnts_protocol::update::{SessionEvent, TurnOutcome};
use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::store::Store;
use boxagnts_session::tools::{Sandbox, Toolbox};
use boxagnts_session::workspace::NoBuffers;
use boxagnts_session::{Ask, DiskApplier, Environment, EnvironmentParts, NoAsker, Sessions};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TURNS: usize = 500;
/// Tokens of the model's window: some 25 turns fit.
const WINDOW: u64 = 32_000;

fn sessions(state: &Path, folder: &Path) -> Arc<Sessions> {
    let script = state.join("script.json");
    let answer = json!({"text": "What is to be said of it takes a few words. ".repeat(60)});
    let script_text = serde_json::Value::from(vec![answer; TURNS * 2]).to_string();
    std::fs::write(&script, script_text).expect("a script");
    let model = format!("scripted:{}", script.display());
    let settings = json!({
        "model": model, "max_output_tokens": 1000,
        "models": {"scripted:*": {"context_window": WINDOW}},
    });
    sessions_with(state, folder, &settings)
}

/// Sessions with these settings, and a journal in `state`.
pub fn sessions_with(state: &Path, folder: &Path, settings: &serde_json::Value) -> Arc<Sessions> {
    let mut builder = Config::builder();
    let added = builder.add_json(Layer::Editor, "bench", settings);
    added.expect("settings");
    let environment = Environment::new(EnvironmentParts {
        config: builder.build(),
        store: Store::open(&state.join("journal.db")).expect("a journal"),
        toolbox: Toolbox::new(Sandbox::new(None)).expect("the embedded tools"),
    });
    let applier = Arc::new(DiskApplier);
    Sessions::open(
        environment,
        folder,
        Arc::new(NoBuffers),
        applier,
        Arc::new(NoAsker),
    )
    .expect("a workspace")
}

/// Resident memory in bytes; 0 where nobody says.
pub fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0u64) * 4096
}

/// Time of a turn, size of its conversation, memory, and how often room was made.
pub fn of_a_long_session(table: &mut Table) {
    let (state, folder) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut times, mut bytes, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let mut summaries = 0;
    runtime.block_on(async {
        let sessions = sessions(state.path(), folder.path());
        let mut updates = sessions.subscribe();
        let mut session = None;
        for turn in 0..TURNS {
            let prompt = format!("{turn}: {}", "please go on with it ".repeat(30));
            let start = Instant::now();
            let asked = sessions.ask(Ask {
                prompt,
                session: session.clone(),
                ..Ask::default()
            });
            session = Some(asked.expect("asked").session);
            loop {
                match updates.recv().await.expect("an update").event {
                    SessionEvent::Compacted { .. } => summaries += 1,
                    SessionEvent::TurnEnded { outcome, .. } => {
                        assert_eq!(outcome, TurnOutcome::Done);
                        break;
                    }
                    _ => {}
                }
            }
            times.push(start.elapsed());
            let id = session.as_deref().expect("a session");
            let (_, messages) = sessions.conversation(id).expect("a conversation");
            let text = serde_json::to_string(&*messages).expect("JSON");
            bytes.push(text.len() as u64);
            memory.push(resident());
        }
    });
    let hundred = |from: usize| percentile(&mut times[from..from + 100].to_vec(), 0.5);
    let (early, late) = (hundred(100), hundred(TURNS - 100));
    let what = "a turn of a session with journal and context, the last 100 of 500, median";
    table.row(
        what,
        shown(late),
        "≤ 1.00 ms",
        late <= Duration::from_millis(1),
    );
    let ratio = late.as_secs_f64() / early.as_secs_f64();
    table.ratio(format!("{ratio:.2} × turns 100 to 200"));
    let sent = |from: usize| bytes[from..from + 100].iter().sum::<u64>();
    let ratio = sent(TURNS - 100) as f64 / sent(100) as f64;
    let what = "what the last 100 of 500 turns send the model";
    let figure = format!("{} KiB", sent(TURNS - 100) >> 10);
    table.row(what, figure, "as turns 100 to 200", ratio < 1.1);
    table.ratio(format!(
        "{ratio:.2} × turns 100 to 200; {summaries} times room was made"
    ));
    let grown = memory[TURNS - 1].saturating_sub(memory[99]) as f64 / 1024.0;
    let figure = format!("{grown:.0} KiB more than after 100");
    table.row("memory after 500 turns", figure, "≤ 4 MiB", grown <= 4096.0);
}
