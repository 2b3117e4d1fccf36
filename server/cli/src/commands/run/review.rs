//! Hunk by hunk, in the manner of `git add -p`: asks, and carries out what was answered.

mod board;
mod desk;
mod dialogue;
mod editor;
mod keys;
#[cfg(test)]
mod testing;

use crate::exit::Failure;
use crate::terminal::{self, Theme};
use crate::turn;
use board::Decisions;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_session::{Selection, Sessions};
use desk::SessionDesk;
use dialogue::Dialogue;
use editor::{Editor, UserEditor};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What came of a review.
pub(crate) struct Reviewed {
    /// What became of the hunks that were decided on.
    pub(crate) hunks: Vec<HunkStatus>,
    /// The user pressed Ctrl-C: nothing was decided.
    pub(crate) interrupted: bool,
}

/// Asks about every hunk that waits, and carries out what was answered.
pub(crate) async fn review(sessions: &Arc<Sessions>, session: &str) -> Result<Reviewed, Failure> {
    let Some(decisions) = ask(sessions, session).await? else {
        return Ok(Reviewed {
            hunks: Vec::new(),
            interrupted: true,
        });
    };
    let mut hunks = Vec::new();
    // Rejected first: the rest of a file is then planned without them.
    for (comment, ids) in decisions.reject {
        let rejected = sessions.reject(session, &Selection::Hunks(ids), comment)?;
        hunks.extend(rejected.hunks);
    }
    if !decisions.accept.is_empty() {
        let accept = Selection::Hunks(decisions.accept);
        hunks.extend(turn::accept(sessions, session, &accept).await?);
    }
    Ok(Reviewed {
        hunks,
        interrupted: false,
    })
}

/// `None` when the user pressed Ctrl-C.
async fn ask(sessions: &Arc<Sessions>, session: &str) -> Result<Option<Decisions>, Failure> {
    let editing = Arc::new(AtomicBool::new(false));
    let watched = WatchedEditor {
        editor: UserEditor::of_environment(),
        editing: Arc::clone(&editing),
    };
    let (sessions, session) = (Arc::clone(sessions), session.to_owned());
    let mut asking = tokio::task::spawn_blocking(move || {
        let desk = SessionDesk {
            sessions: &sessions,
            session: &session,
        };
        let dialogue = Dialogue {
            desk: &desk,
            editor: &watched,
            root: sessions.root(),
            theme: Theme::stderr(),
            input: &mut std::io::stdin().lock(),
            // Standard error stays free for others: after Ctrl-C this thread still waits for a line.
            out: &mut std::io::stderr(),
        };
        dialogue.hold()
    });
    loop {
        tokio::select! {
            asked = &mut asking => {
                let asked = asked
                    .map_err(|error| Failure::failed(format!("the review stopped: {error}")))?;
                return asked.map(Some);
            }
            heard = tokio::signal::ctrl_c() => {
                // The terminal tells the editor too, and there it means something else.
                if heard.is_ok() && editing.load(Ordering::Relaxed) {
                    continue;
                }
                terminal::say("\n");
                return Ok(None);
            }
        }
    }
}

/// An editor of which is known whether it runs.
struct WatchedEditor {
    editor: UserEditor,
    editing: Arc<AtomicBool>,
}

impl Editor for WatchedEditor {
    fn edit(&self, file: &Path) -> std::io::Result<ExitStatus> {
        self.editing.store(true, Ordering::Relaxed);
        let ended = self.editor.edit(file);
        self.editing.store(false, Ordering::Relaxed);
        ended
    }
}
