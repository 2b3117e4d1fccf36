//! `boxagnts schedule run`: a task at once, in this process.

use super::view;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::settings::Overrides;
use crate::setup::{self, Folders, Serving};
use crate::terminal;
use boxagnts_protocol::schedule::RunState;
use boxagnts_schedule::{Engine, Scope, SessionRunner, SystemClock};
use clap::Args;
use jiff::Timestamp;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Run a task now, whatever its times are, and wait for its end.
///
/// It counts like any run of it: one at a time, within its allowances, with its proposal left for
/// review. A failure is not tried again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts schedule run docs
  boxagnts schedule run docs --json")]
pub(crate) struct Run {
    /// The task.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print what became of it as JSON.
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let store = Arc::new(setup::journal()?);
        let now = Timestamp::now();
        boxagnts_schedule::end_interrupted(&store, now)?;
        let folders = Arc::new(Folders(Serving::new(Overrides::default(), None)?));
        let begun = boxagnts_schedule::begin_now(&store, &self.name, now)?;
        let runner = Arc::new(SessionRunner::new(Arc::<Folders>::clone(&folders)));
        let (engine, _) = Engine::new(store, Scope::All, Arc::new(SystemClock), runner);
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let _listening = Interrupt::listen(move || stopping.cancel());
        let run = engine.run_once(begun, stop).await;
        folders.0.finish().await;
        let run = run.ok_or_else(|| {
            let message = format!(
                "{} was removed while it ran, or the journal is gone",
                self.name
            );
            Failure::failed(message)
        })?;
        if self.json {
            view::print_json(&run)?;
        } else {
            terminal::say(&format!("{}: {}\n", self.name, view::outcome(&run)));
            if let Some(session) = run.session.as_ref().filter(|_| run.hunks > 0) {
                terminal::say(&format!("boxagnts session review {session}\n"));
            }
        }
        Ok(match run.state {
            RunState::Done => Exit::Done,
            RunState::Limit | RunState::Timeout => Exit::Limit,
            RunState::Cancelled => Exit::Cancelled,
            _ => Exit::Failed,
        })
    }
}
