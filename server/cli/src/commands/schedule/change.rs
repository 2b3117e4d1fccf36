//! `boxagnts schedule cancel | pause | resume | remove`.

use super::view::{self, JobView, Listed};
use crate::exit::{Exit, Failure};
use crate::setup;
use crate::terminal;
use boxagnts_session::store::StoreError;
use clap::Args;
use jiff::Timestamp;

/// Cancel the run of a task that goes on, whatever process it is in, and those that wait to begin.
///
/// It ends within a few seconds and is not tried again; the task's next times come as ever.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts schedule cancel docs
  boxagnts schedule cancel docs --json")]
pub(crate) struct Cancel {
    /// The task.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print the task as JSON.
    #[arg(long)]
    json: bool,
}

impl Cancel {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let (journal, now) = (setup::journal()?, Timestamp::now());
        boxagnts_schedule::end_interrupted(&journal, now)?;
        let now_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let text = match journal.cancel_job(&self.name, now_ms)? {
            true => "is cancelled; what runs of it ends within seconds",
            false => "does not run, and nothing of it waits",
        };
        tell(&self.name, text, self.json, now)
    }
}

/// Let the times of a task pass without a run.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  boxagnts schedule pause docs")]
pub(crate) struct Pause {
    /// The task.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print the task as JSON.
    #[arg(long)]
    json: bool,
}

impl Pause {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let (journal, now) = (setup::journal()?, Timestamp::now());
        let now_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let text = match journal.pause_job(&self.name, now_ms)? {
            true => "is paused; a run that has begun goes on",
            false => "was paused already",
        };
        tell(&self.name, text, self.json, now)
    }
}

/// Let a paused task run again, from its next time on.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  boxagnts schedule resume docs")]
pub(crate) struct Resume {
    /// The task.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print the task as JSON.
    #[arg(long)]
    json: bool,
}

impl Resume {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let (journal, now) = (setup::journal()?, Timestamp::now());
        let text = match boxagnts_schedule::resume(&journal, &self.name, now)? {
            true => "runs again",
            false => "was not paused",
        };
        tell(&self.name, text, self.json, now)
    }
}

fn tell(name: &str, text: &str, json: bool, now: Timestamp) -> Result<Exit, Failure> {
    let journal = setup::journal()?;
    let stored = match journal.job(name) {
        // What was asked for is done all the same.
        Err(StoreError::UnreadableJob(job)) => {
            terminal::warn(&job.to_string());
            match json {
                true => view::print_json(&Listed::from(job))?,
                false => terminal::say(&format!("{name} {text}\n")),
            }
            return Ok(Exit::Done);
        }
        stored => stored?,
    };
    let view = JobView::of(&journal, stored, now)?;
    match json {
        true => view::print_json(&view)?,
        false => terminal::say(&format!("{name} {text}; next: {}\n", view.next())),
    }
    Ok(Exit::Done)
}

/// Remove a task and its history. Its sessions stay, with what waits in them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts schedule remove docs
  boxagnts schedule remove docs --force")]
pub(crate) struct Remove {
    /// The task.
    #[arg(value_name = "NAME")]
    name: String,
    /// Also while it runs: its run is cancelled within a few seconds, and forgotten.
    #[arg(long)]
    force: bool,
    /// Print the task that was removed as JSON.
    #[arg(long)]
    json: bool,
}

impl Remove {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let journal = setup::journal()?;
        // One that cannot be read can be removed all the same.
        let stored = journal.job(&self.name);
        journal.remove_job(&self.name, self.force)?;
        match (self.json, stored) {
            (true, Ok(stored)) => view::print_json(&stored.job)?,
            _ => terminal::say(&format!("{} is removed\n", self.name)),
        }
        Ok(Exit::Done)
    }
}
