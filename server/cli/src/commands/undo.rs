//! `boxagnts undo`: takes accepted changes back.

use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal;
use boxagnts_protocol::commands::UndoResult;
use boxagnts_session::{SessionError, Sessions, Undoing};
use clap::Args;
use std::collections::HashSet;
use std::path::PathBuf;

/// Take back what was accepted last, or a chosen checkpoint. What you changed since stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts undo
  boxagnts undo 12
  boxagnts undo --session k3v9

It is a checkpoint itself, so that it can be taken back too.")]
pub(crate) struct Undo {
    /// The checkpoint, as `boxagnts checkpoint list` shows it.
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: Option<u64>,
    /// Only changes of this session.
    #[arg(long, value_name = "ID", conflicts_with = "checkpoint")]
    session: Option<String>,
    /// The workspace folder; the current one by default.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
}

impl Undo {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let sessions = setup::sessions_to_undo(&self.workspace).await?;
        let session = match &self.session {
            Some(id) => Some(setup::journal()?.session(id)?.session),
            None => None,
        };
        finish(
            &sessions,
            sessions.undo(self.checkpoint, session.as_deref()),
        )
        .await
    }
}

/// Waits for the end of it and says what came of it.
pub(crate) async fn finish(
    sessions: &Sessions,
    undoing: Result<Undoing, SessionError>,
) -> Result<Exit, Failure> {
    let Undoing { checkpoints, task } = undoing?;
    let ended = task.await;
    let result: UndoResult =
        ended.map_err(|error| Failure::failed(format!("it stopped: {error}")))??;
    terminal::say(&format!(
        "{}\n",
        terminal::visible(&render::undone(&result))
    ));
    if !result.hunks.is_empty() {
        let count = render::count(result.hunks.len() as u64, "hunk");
        let verb = if result.hunks.len() == 1 {
            "waits"
        } else {
            "wait"
        };
        match waiting(sessions, &checkpoints) {
            Ok(of) => {
                let again = of.join(", boxagnts session review ");
                terminal::say(&format!(
                    "{count} {verb} again: boxagnts session review {again}\n"
                ));
            }
            // It is done all the same.
            Err(error) => {
                terminal::warn(&format!("{count} {verb} again; cannot tell where: {error}"));
            }
        }
    }
    if let Some(checkpoint) = result.checkpoint {
        terminal::say(&format!("`boxagnts undo {checkpoint}` brings it back\n"));
    }
    Ok(match result.refused.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// The sessions of these checkpoints in which hunks wait.
fn waiting(sessions: &Sessions, checkpoints: &[u64]) -> Result<Vec<String>, SessionError> {
    let taken = sessions.checkpoints(None, usize::MAX)?.into_iter();
    let taken = taken.filter(|taken| checkpoints.contains(&taken.checkpoint));
    let of: HashSet<String> = taken.map(|taken| taken.session).collect();
    let all = sessions.sessions()?.into_iter();
    let waits = all.filter(|session| session.waiting > 0 && of.contains(&session.session));
    Ok(waits.map(|session| session.session).collect())
}
