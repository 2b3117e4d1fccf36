//! `boxagnts session export`: a session as a file for people, or for another journal.

mod markdown;

use crate::exit::{Exit, Failure};
use crate::outfile::OutFile;
use crate::setup;
use crate::terminal;
use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// Write a session as a file: Markdown to read, or JSON that `session import` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session export k3v9 -o session.md
  boxagnts session export k3v9 --format json -o session.json")]
pub(crate) struct Export {
    /// The session; the beginning of its id is enough.
    #[arg(value_name = "ID")]
    session: String,
    /// What to write; json by default for a FILE that ends with .json, else markdown.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write it to a file; - is standard output.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "-",
        hide_default_value = true
    )]
    output: PathBuf,
}

/// Formats of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Markdown,
    /// For `session import`, with everything that the journal has.
    Json,
}

impl Export {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let out = match self.output.as_path() {
            path if path == Path::new("-") => None,
            path => Some(OutFile::find("the session", path)?),
        };
        let is_json = self.output.extension().is_some_and(|end| end == "json");
        let format = self.format.unwrap_or(match is_json {
            true => Format::Json,
            false => Format::Markdown,
        });
        let journal = setup::journal()?;
        let session = journal.session(&self.session)?;
        let entries = journal.events(&session.session, 0)?;
        let text = match format {
            Format::Markdown => markdown::write(&session, &entries, &TimeZone::system()),
            Format::Json => boxagnts_session::export(&session, entries),
        };
        match out {
            None => terminal::print(&text)?,
            Some(file) => {
                file.write(&text)?;
                terminal::say(&format!("the session is in {}\n", file.path().display()));
            }
        }
        Ok(Exit::Done)
    }
}
