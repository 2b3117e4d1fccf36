//! `boxagnts config`: what is set, and what can be.

mod schema;
mod show;

use crate::exit::{Exit, Failure};
use clap::Subcommand;

/// Show the configuration, or the JSON Schema of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    Show(Box<show::Show>),
    Schema(schema::Schema),
}

impl Config {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Config::Show(args) => args.run(),
            Config::Schema(args) => args.run(),
        }
    }
}
