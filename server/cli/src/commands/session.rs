//! `boxagnts session`: what the journal has.

mod decisions;
mod delete;
mod export;
mod fork;
mod import;
mod list;
mod prompt;
mod rename;
mod report;
mod review;
mod show;
mod trace;
mod transcript;

use crate::exit::{Exit, Failure};
use clap::Subcommand;

/// List sessions, read what happened in one or what a new one would be told, decide on what one left,
/// report it to others; name, fork, carry and remove them.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    List(list::List),
    Show(show::Show),
    Trace(trace::Trace),
    Prompt(prompt::Prompt),
    Review(review::Review),
    Report(report::Report),
    Rename(rename::Rename),
    Fork(fork::Fork),
    Export(export::Export),
    Import(import::Import),
    Delete(delete::Delete),
}

impl Session {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Session::List(args) => args.run(),
            Session::Show(args) => args.run(),
            Session::Trace(args) => args.run(),
            Session::Prompt(args) => args.run(),
            Session::Review(args) => crate::block_on(2, args.run()),
            Session::Report(args) => crate::block_on(2, args.run()),
            Session::Rename(args) => args.run(),
            Session::Fork(args) => args.run(),
            Session::Export(args) => args.run(),
            Session::Import(args) => crate::block_on(2, args.run()),
            Session::Delete(args) => crate::block_on(2, args.run()),
        }
    }
}
