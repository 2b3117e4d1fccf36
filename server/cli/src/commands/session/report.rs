//! `boxagnts session report`: one HTML page of a session for people who review it elsewhere.

mod decided;
mod hunks;
mod page;
mod turns;

use crate::exit::{Exit, Failure};
use crate::outfile::OutFile;
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal;
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::proposal::FileProposal;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_session::store::{Entry, Recorded, Store};
use clap::Args;
use decided::Replay;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// Write a session as one HTML page for reviewers: what was asked, what ran, every hunk.
///
/// The page needs nothing else: no scripts, no network. What the session proposes is shown as it
/// fits the files of now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session report -o review.html
  boxagnts session report k3v9 > review.html")]
pub(crate) struct Report {
    /// The session; the beginning of its id is enough. Without it, the latest one of the folder.
    #[arg(value_name = "ID")]
    session: Option<String>,
    /// The folder whose latest session is meant.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        conflicts_with = "session"
    )]
    workspace: PathBuf,
    /// Write the page to a file; - is standard output.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "-",
        hide_default_value = true
    )]
    output: PathBuf,
}

impl Report {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let out = match self.output.as_path() {
            path if path == Path::new("-") => None,
            path => Some(OutFile::find("the report", path)?),
        };
        let journal = setup::journal()?;
        let session = self.session(&journal)?;
        let entries = journal.events(&session.session, 0)?;
        let proposal = match proposal(&session) {
            Ok(files) => Some(files),
            Err(failure) => {
                terminal::warn(&format!(
                    "the report shows hunks as the journal has them: {}",
                    failure.message
                ));
                None
            }
        };
        let page = write(&session, &entries, proposal.as_deref(), &TimeZone::system());
        match out {
            None => terminal::print(&page)?,
            Some(file) => {
                file.write(&page)?;
                terminal::say(&format!("the report is in {}\n", file.path().display()));
            }
        }
        Ok(Exit::Done)
    }

    fn session(&self, journal: &Store) -> Result<SessionSummary, Failure> {
        if let Some(id) = &self.session {
            return Ok(journal.session(id)?);
        }
        setup::latest(journal, &setup::workspace(&self.workspace)?)
    }
}

/// What the session proposes, where it is in the files of now.
fn proposal(session: &SessionSummary) -> Result<Vec<FileProposal>, Failure> {
    let root = Path::new(&session.workspace);
    let config = settings::load_and_warn(root, &Overrides::default())?;
    let sessions = setup::sessions(config, root)?;
    Ok(sessions.proposal(&session.session)?.files)
}

/// The page. Without a proposal, what waits is shown as the journal has it.
fn write(
    session: &SessionSummary,
    entries: &[Entry],
    proposal: Option<&[FileProposal]>,
    zone: &TimeZone,
) -> String {
    let mut replay = Replay::default();
    for event in known(entries) {
        replay.event(event);
    }
    let (decided, waiting) = replay.end();
    let root = Path::new(&session.workspace);
    let files = match proposal {
        Some(files) => hunks::files(decided, Vec::new(), files, root),
        None => hunks::files(decided, waiting, &[], root),
    };
    page::write(&page::Report {
        session,
        turns: turns::turns(entries),
        files,
        decisions: turns::decisions(entries),
        zone,
    })
}

fn known(entries: &[Entry]) -> impl Iterator<Item = &SessionEvent> {
    entries.iter().filter_map(|entry| match &entry.event {
        Recorded::Known(event) => Some(&**event),
        Recorded::Unknown(_) => None,
    })
}

#[cfg(test)]
mod tests;
