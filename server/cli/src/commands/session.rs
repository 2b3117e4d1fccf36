//! `boxagnts session`: what the journal has.

mod decisions;
mod list;
mod prompt;
mod report;
mod review;
mod show;
mod transcript;

use crate::exit::{Exit, Failure};
use clap::Subcommand;

/// List sessions, read what happened in one or what a new one would be told, decide on what one left,
/// report it to others.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    List(list::List),
    Show(show::Show),
    Prompt(prompt::Prompt),
    Review(review::Review),
    Report(report::Report),
}

impl Session {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Session::List(args) => args.run(),
            Session::Show(args) => args.run(),
            Session::Prompt(args) => args.run(),
            Session::Review(args) => crate::block_on(2, args.run()),
            Session::Report(args) => crate::block_on(2, args.run()),
        }
    }
}
