//! `boxagnts session review`: decides on what a session left pending.

use crate::commands::run::review;
use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal;
use crate::turn;
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_session::{Selection, Sessions};
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
        let candidates = match &self.session {
            Some(id) => vec![journal.session(id)?],
            None => {
                let folder = setup::workspace(&self.workspace)?.display().to_string();
                let mut sessions = journal.sessions(Some(&folder))?;
                sessions.retain(|session| session.waiting > 0);
                sessions
            }
        };
        let Some(first) = candidates.first() else {
            terminal::say("nothing waits for a decision in this folder\n");
            return Ok(Exit::Done);
        };
        let sessions = setup::sessions_of(Path::new(&first.workspace)).await?;
        let Some(session) = self.waits(&sessions, candidates)? else {
            terminal::say("nothing waits for a decision\n");
            return Ok(Exit::Done);
        };
        let session = session.as_str();
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

    /// The first of these in which hunks wait: what the journal counts may have been applied since by
    /// other ways, as by `git apply`.
    fn waits(
        &self,
        sessions: &Sessions,
        candidates: Vec<SessionSummary>,
    ) -> Result<Option<String>, Failure> {
        for candidate in candidates {
            let session = candidate.session;
            match sessions.proposal(&session) {
                Ok(proposal) if render::waiting(&proposal.files).next().is_some() => {
                    return Ok(Some(session));
                }
                Ok(_) => {}
                Err(error) if self.session.is_some() => return Err(error.into()),
                Err(error) => terminal::warn(&format!("cannot review {session}: {error}")),
            }
        }
        Ok(None)
    }
}
