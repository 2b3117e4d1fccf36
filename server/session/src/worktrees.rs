//! Files of their own for executors, and for branches: git worktrees outside of the user's folder.

use crate::error::SessionError;
use crate::session::Session;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_workspace::worktree::{Before, Worktree, Worktrees};
use boxagnts_workspace::{Content, NoBuffers, Overlay, Selection, apply_to_disk};
use std::sync::{Arc, Mutex};

/// A worktree that an executor works in.
#[derive(Debug)]
pub(crate) struct OwnFiles {
    worktree: Mutex<Worktree>,
}

/// What was changed in a worktree: each file with what it was and what it is.
pub(crate) type Changed = Vec<(WorkspacePath, Option<Content>, Option<Content>)>;

fn failed(error: impl std::fmt::Display) -> SessionError {
    SessionError::Worktree(error.to_string())
}

impl Session {
    /// A worktree with what is proposed here, and the view of it that tools get.
    pub(crate) async fn worktree(
        self: &Arc<Session>,
        name: String,
    ) -> Result<(OwnFiles, Arc<Overlay>), SessionError> {
        let Some(state) = self.environment.worktrees() else {
            return Err(failed(
                "there is no folder to keep worktrees in; use the isolation `overlay`",
            ));
        };
        let (state, session) = (state.to_path_buf(), Arc::clone(self));
        let taking = tokio::task::spawn_blocking(move || {
            let worktrees = Worktrees::open(&state, &session.overlay).map_err(failed)?;
            let worktree = worktrees.take(&session.overlay, &name).map_err(failed)?;
            let overlay = worktree.overlay(Arc::new(NoBuffers))?;
            let files = OwnFiles {
                worktree: Mutex::new(worktree),
            };
            Ok((files, overlay))
        });
        taking.await.unwrap_or_else(|error| Err(failed(error)))
    }
}

impl OwnFiles {
    /// Has the files be there that a call may look at: those that it names, and all when it names none.
    pub(crate) async fn need(self: &Arc<OwnFiles>, call: &ToolCall) {
        let named = ["path", "from", "to"].into_iter();
        let named = named.filter_map(|key| call.input.get(key)?.as_str());
        let mut paths: Vec<String> = named.map(str::to_owned).collect();
        if paths.is_empty() {
            paths.push(String::new());
        }
        let files = Arc::clone(self);
        let looking = tokio::task::spawn_blocking(move || {
            let mut worktree = crate::session::lock(&files.worktree);
            for path in paths {
                // A file that is not there yet is for the call to say.
                if let Err(error) = worktree.need(&[&path]) {
                    tracing::debug!(%path, %error, "nothing comes into the worktree");
                }
            }
        });
        if let Err(error) = looking.await {
            tracing::error!(%error, "filling a worktree stopped");
        }
    }

    /// Writes what is proposed for the worktree into it, and gives all that was changed there.
    pub(crate) async fn finish(
        self: Arc<OwnFiles>,
        overlay: Arc<Overlay>,
    ) -> Result<Changed, SessionError> {
        let writing = tokio::task::spawn_blocking(move || {
            put(&overlay)?;
            let mut worktree = crate::session::lock(&self.worktree);
            let changes = worktree.changes().map_err(failed)?;
            for left_out in &changes.left_out {
                tracing::warn!(%left_out, "a change in a worktree is left there");
            }
            let known = changes.files.into_iter().filter_map(|file| {
                let before = match file.before {
                    Before::Absent => None,
                    Before::Content(content) => Some(content),
                    Before::Unknown => {
                        tracing::warn!(path = %file.path, "what the file was is nowhere any more");
                        return None;
                    }
                };
                Some((file.path, before, file.after))
            });
            Ok(known.collect())
        });
        writing.await.unwrap_or_else(|error| Err(failed(error)))
    }
}

/// Writes what an overlay over a worktree proposes into that: nobody reviews it there.
pub(crate) fn put(overlay: &Overlay) -> Result<(), SessionError> {
    for plan in overlay.plan(&Selection::All)? {
        if !plan.hunks.is_empty() {
            apply_to_disk(overlay, &plan).map_err(failed)?;
            overlay.accepted(&plan);
        }
    }
    Ok(())
}
