//! `boxagnts permission`: what was answered with always or never.

mod forget;
mod list;

use crate::exit::{Exit, Failure};
use clap::Subcommand;

/// See and forget what you answered with always or never.
#[derive(Debug, Subcommand)]
pub(crate) enum Permission {
    List(list::List),
    Forget(forget::Forget),
}

impl Permission {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Permission::List(args) => args.run(),
            Permission::Forget(args) => args.run(),
        }
    }
}
