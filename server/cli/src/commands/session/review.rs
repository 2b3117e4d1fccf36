//! `boxagnts session review`: decides on what a session left pending.

use crate::commands::run::review;
use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal;
use crate::turn;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_session::Selection;
use clap::Args;
use std::path::{Path, PathBuf};

/// Decide on the hunks that a session left pending: that one, or the latest of the folder that has any.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session review
  boxagnts session review k3v9
  boxagnts session review k3v9 --accept-all")]
pub(crate) struct Review {
    /// The session; the beginning of its id is enough.
    #[arg(value_name = "ID")]
    session: Option<String>,
    /// The folder, where no session is named.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        conflicts_with = "session"
    )]
    workspace: PathBuf,
    /// Accept everything, without asking.
    #[arg(long)]
    accept_all: bool,
}

impl Review {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let journal = setup::journal()?;
        let summary = match &self.session {
            Some(id) => Some(journal.session(id)?),
            None => {
                let folder = setup::workspace(&self.workspace)?.display().to_string();
                let sessions = journal.sessions(Some(&folder))?;
                sessions.into_iter().find(|session| session.waiting > 0)
            }
        };
        let Some(summary) = summary else {
            terminal::say("nothing waits for a decision in this folder\n");
            return Ok(Exit::Done);
        };
        let sessions = setup::sessions_of(Path::new(&summary.workspace)).await?;
        let session = summary.session.as_str();
        let files = sessions.proposal(session)?.files;
        if render::waiting(&files).next().is_none() {
            terminal::say("nothing waits for a decision\n");
            return Ok(Exit::Done);
        }
        let (hunks, interrupted) = if self.accept_all {
            (
                turn::accept(&sessions, session, &Selection::All).await?,
                false,
            )
        } else if terminal::can_ask() {
            let reviewed = review::review(&sessions, session).await?;
            (reviewed.hunks, reviewed.interrupted)
        } else {
            return Err(Failure::usage(
                "there is no terminal to ask on; use --accept-all, or an editor",
            ));
        };
        let files = sessions.proposal(session)?.files;
        let waiting = render::waiting(&files).count();
        crate::commands::run::tell(&hunks, waiting, true, session);
        let decided = |state| matches!(state, HunkState::Accepted | HunkState::Rejected);
        Ok(match interrupted {
            true => Exit::Cancelled,
            false if hunks.iter().all(|hunk| decided(hunk.state)) => Exit::Done,
            false => Exit::Failed,
        })
    }
}
