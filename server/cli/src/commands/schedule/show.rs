//! `boxagnts schedule show`: a task and its history.

use super::view::{self, JobView};
use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::schedule::{Allowance, CatchUp, Job, JobRun};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write;

/// Show a task, and what became of its times, the latest first, with their sessions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts schedule show docs
  boxagnts schedule show docs --json")]
pub(crate) struct Show {
    /// The task.
    #[arg(value_name = "NAME")]
    name: String,
    /// How many times to show.
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    view: JobView,
    runs: Vec<JobRun>,
}

impl Show {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let (journal, now) = (setup::journal()?, Timestamp::now());
        boxagnts_schedule::end_interrupted(&journal, now)?;
        let stored = journal.job(&self.name)?;
        let runs = journal.job_runs(stored.key, self.last)?;
        let view = JobView::of(&journal, stored, now)?;
        if self.json {
            view::print_json(&Shown { view, runs })?;
        } else {
            terminal::print(&page(&view, &runs, Theme::stdout()))?;
        }
        Ok(Exit::Done)
    }
}

fn page(view: &JobView, runs: &[JobRun], theme: Theme) -> String {
    let Job {
        name,
        workspace,
        spec,
        ..
    } = &view.job;
    let mut page = format!("{}\n{}\n", paint(theme.bold, name), visible(&spec.prompt));
    let catch_up = match spec.catch_up {
        CatchUp::Skip => "are passed over",
        CatchUp::Once => "are made up for by one run",
        CatchUp::All => "are made up for, ten at most",
    };
    let rows = [
        ("when", format!("{} {}", spec.cron, spec.zone)),
        ("next", view.next()),
        ("folder", visible(workspace).into_owned()),
        (
            "model",
            spec.model.as_deref().map_or_else(
                || "as configured".to_owned(),
                |model| visible(model).into_owned(),
            ),
        ),
        (
            "a run",
            format!(
                "{} s, {} retries{}",
                spec.timeout_ms / 1000,
                spec.retries,
                allowance(spec.per_run)
            ),
        ),
        (
            "a day",
            allowance(spec.per_day).trim_start_matches(", ").to_owned(),
        ),
        ("missed", format!("times {catch_up}")),
    ];
    for (what, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(page, "{:8}{value}", paint(theme.dim, format!("{what:8}")));
    }
    page.push('\n');
    for run in runs {
        let session = run.session.as_deref().unwrap_or_default();
        let due = view::moment(run.due_ms, &spec.zone);
        let _ = writeln!(
            page,
            "{due}  {}  {}",
            view::outcome(run),
            paint(theme.dim, session)
        );
    }
    if view.last.is_none() {
        page.push_str("it has not run\n");
    }
    page
}

fn allowance(of: Allowance) -> String {
    let mut text = String::new();
    if let Some(tokens) = of.tokens {
        let _ = write!(text, ", at most {tokens} tokens");
    }
    if let Some(usd) = of.usd {
        let _ = write!(text, ", at most ${usd}");
    }
    text
}
