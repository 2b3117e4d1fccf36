//! `boxagnts daemon`: runs scheduled tasks without an editor.

use crate::commands::schedule::{moment, outcome};
use crate::exit::{Exit, Failure};
use crate::settings::Overrides;
use crate::setup::{self, Folders, Serving};
use crate::terminal;
use boxagnts_protocol::schedule::JobRun;
use boxagnts_schedule::{Engine, Happened, Scope, SessionRunner, SystemClock};
use boxagnts_session::store::Jobs;
use clap::Args;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// Run the scheduled tasks of every folder until it is ended.
///
/// It says in one line when a task begins and how it ended. SIGTERM or Ctrl-C interrupts what runs, writes
/// that down, and ends; a second one ends at once. What was interrupted is tried again when a daemon or an
/// editor is up. Several may be up, beside editors: no time runs twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  boxagnts daemon

Units for systemd and launchd are in the folder server/cli/units of the sources.")]
pub(crate) struct Daemon {}

impl Daemon {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let store = Arc::new(setup::journal()?);
        let folders = Arc::new(Folders(Serving::new(Overrides::default(), None)?));
        let runner = Arc::new(SessionRunner::new(Arc::<Folders>::clone(&folders)));
        let Jobs { jobs, unreadable } = store.jobs(None)?;
        setup::prune_worktrees();
        let (engine, happened) = Engine::new(store, Scope::All, Arc::new(SystemClock), runner);
        let stop = CancellationToken::new();
        let listening = tokio::spawn(end_by_signal(stop.clone()));
        terminal::say(&format!(
            "{} set up; waiting for their times\n",
            crate::render::count(jobs.len() as u64, "scheduled task")
        ));
        for job in unreadable {
            terminal::warn(&job.to_string());
        }
        let telling = tokio::spawn(tell(happened));
        engine.run(stop).await;
        // It ends when the engine, which held the other end, is gone.
        let _ = telling.await;
        listening.abort();
        folders.0.finish().await;
        Ok(Exit::Done)
    }
}

async fn tell(mut happened: UnboundedReceiver<Happened>) {
    while let Some(happened) = happened.recv().await {
        terminal::say(&format!("{}\n", line(&happened)));
    }
}

fn line(happened: &Happened) -> String {
    match happened {
        Happened::Began {
            job,
            due_ms,
            attempt,
        } => {
            let due = moment(*due_ms, &job.spec.zone);
            let again = match attempt {
                1 => String::new(),
                n => format!(", attempt {n}"),
            };
            format!("{due}  {} began{again}", job.name)
        }
        Happened::Ended { job, run } => {
            let ended = run.ended_ms.unwrap_or(run.due_ms);
            format!(
                "{}  {}: {}{}",
                moment(ended, &job.spec.zone),
                job.name,
                outcome(run),
                session(run)
            )
        }
    }
}

fn session(run: &JobRun) -> String {
    match &run.session {
        Some(session) if run.hunks > 0 => format!(": boxagnts session review {session}"),
        Some(session) => format!(", session {session}"),
        None => String::new(),
    }
}

/// Has everything end at the first signal, and ends the program at the second.
async fn end_by_signal(stop: CancellationToken) {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::warn!(%error, "signals are not heard");
            return;
        }
    };
    signals.next().await;
    stop.cancel();
    signals.next().await;
    std::process::exit(Exit::Cancelled.code());
}

/// The signals that end it.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
        })
    }

    /// Waits for one.
    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
