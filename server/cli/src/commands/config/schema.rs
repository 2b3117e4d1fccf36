//! `boxagnts config schema`: the JSON Schema of a configuration file.

use crate::exit::{Exit, Failure};
use crate::terminal;
use boxagnts_session::policy::config;
use clap::Args;

/// Print the JSON Schema of a configuration file.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  boxagnts config schema > boxagnts.schema.json")]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        terminal::print(&format!(
            "{}\n",
            serde_json::to_string_pretty(&config::schema())?
        ))?;
        Ok(Exit::Done)
    }
}
