//! `boxagnts schedule`: tasks that run at times, without a user.

mod add;
mod change;
mod list;
mod run;
mod show;
mod view;

pub(crate) use view::{moment, outcome};

use crate::exit::{Exit, Failure};
use clap::Subcommand;

/// Set up tasks that run at times and leave their proposal for review; list them, see what became of
/// them, run, cancel, pause and remove them.
///
/// They run while an editor has their folder open, or while `boxagnts daemon` is up.
#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    Add(add::Add),
    List(list::List),
    Show(show::Show),
    Run(run::Run),
    Cancel(change::Cancel),
    Pause(change::Pause),
    Resume(change::Resume),
    Remove(change::Remove),
}

impl Schedule {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Schedule::Add(args) => crate::block_on(2, args.run()),
            Schedule::List(args) => args.run(),
            Schedule::Show(args) => args.run(),
            Schedule::Run(args) => crate::block_on(2, args.run()),
            Schedule::Cancel(args) => args.run(),
            Schedule::Pause(args) => args.run(),
            Schedule::Resume(args) => args.run(),
            Schedule::Remove(args) => args.run(),
        }
    }
}
