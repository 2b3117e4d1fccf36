//! `boxagnts schedule list`: what runs when.

use super::view::{self, JobView, Listed};
use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::schedule::Job;
use boxagnts_session::store::Jobs;
use clap::Args;
use jiff::Timestamp;
use std::fmt::Write;
use std::path::PathBuf;

/// List the tasks: when each is due next, what became of its latest time, and what that cost.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts schedule list
  boxagnts schedule list --workspace . --json")]
pub(crate) struct List {
    /// Only those of a folder.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let folder = match &self.workspace {
            Some(folder) => Some(setup::workspace(folder)?.display().to_string()),
            None => None,
        };
        let (journal, now) = (setup::journal()?, Timestamp::now());
        boxagnts_schedule::end_interrupted(&journal, now)?;
        let Jobs { jobs, unreadable } = journal.jobs(folder.as_deref())?;
        let views = jobs
            .into_iter()
            .map(|job| JobView::of(&journal, job, now))
            .collect::<Result<Vec<_>, _>>()?;
        if self.json {
            let views = views.into_iter().map(|view| Listed::Job(Box::new(view)));
            let unreadable = unreadable.into_iter().map(Listed::from);
            let all: Vec<Listed> = views.chain(unreadable).collect();
            view::print_json(&all)?;
            return Ok(Exit::Done);
        }
        for job in &unreadable {
            terminal::warn(&job.to_string());
        }
        if views.is_empty() && unreadable.is_empty() {
            terminal::say("no scheduled tasks; `boxagnts schedule add` sets one up\n");
        }
        terminal::print(&table(&views, Theme::stdout()))?;
        Ok(Exit::Done)
    }
}

fn table(views: &[JobView], theme: Theme) -> String {
    let mut table = String::new();
    for view in views {
        let Job {
            name,
            workspace,
            spec,
            ..
        } = &view.job;
        let last = match &view.last {
            Some(run) => {
                let outcome = view::outcome(run);
                let session = run.session.as_ref();
                let session = session.map(|id| format!(", session {id}"));
                format!("last: {outcome}{}", session.unwrap_or_default())
            }
            None => "has not run".to_owned(),
        };
        let _ = writeln!(
            table,
            "{}  next: {}\n  {last}\n  {}",
            paint(theme.bold, name),
            view.next(),
            paint(
                theme.dim,
                format!("{} {}, {}", spec.cron, spec.zone, visible(workspace))
            ),
        );
    }
    table
}
