//! Files of their own for executors, and for branches: git worktrees outside of the user's folder.

use crate::error::SessionError;
use crate::session::Session;
use crate::sessions::Sessions;
use crate::turn;
use boxagnts_policy::config::Author;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::commands::{CommitToBranchParams, CommitToBranchResult};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_workspace::worktree::{self, Before, Branch, Person, Worktree, Worktrees};
use boxagnts_workspace::{Content, FilePlan, NoBuffers, Overlay, Selection, apply_to_disk};
use std::sync::{Arc, Mutex};

/// A worktree that an executor works in.
#[derive(Debug)]
pub(crate) struct OwnFiles {
    worktree: Mutex<Worktree>,
}

/// What was changed in a worktree.
#[derive(Debug)]
pub(crate) struct Changed {
    /// Each file with what it was and what it is.
    pub(crate) files: Vec<(WorkspacePath, Option<Content>, Option<Content>)>,
    /// What else was changed, each with the reason why it is none of these.
    pub(crate) left_out: Vec<String>,
}

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
        let mut paths = turn::named(call);
        if paths.is_empty() {
            paths.push(WorkspacePath::root());
        }
        let files = Arc::clone(self);
        let looking = tokio::task::spawn_blocking(move || {
            let mut worktree = crate::session::lock(&files.worktree);
            for path in paths {
                // A file that is not there yet is for the call to say.
                if let Err(error) = worktree.need(&[path.as_str()]) {
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
            let mut changed = Changed {
                files: Vec::new(),
                left_out: changes.left_out,
            };
            for file in changes.files {
                match file.before {
                    Before::Absent => changed.files.push((file.path, None, file.after)),
                    Before::Content(was) => changed.files.push((file.path, Some(was), file.after)),
                    Before::Unknown => changed.left_out.push(format!(
                        "`{}`: it was too large to be kept, and is another one by now",
                        file.path
                    )),
                }
            }
            Ok(changed)
        });
        writing.await.unwrap_or_else(|error| Err(failed(error)))
    }
}

impl Sessions {
    /// Commits what a session proposes, without what conflicts, to a new branch of the user's repository,
    /// on top of its `HEAD`. What the user has not committed is no part of it. Neither the user's files nor
    /// their index, nor any other branch, is touched.
    /// Takes its time: not to be called where others wait for the thread.
    ///
    /// # Errors
    /// Unknown session, nothing that could be committed, no repository that can be used, a branch that
    /// exists, or an author that cannot be read.
    pub fn commit_to_branch(
        &self,
        params: &CommitToBranchParams,
    ) -> Result<CommitToBranchResult, SessionError> {
        let session = self.own(&params.session)?;
        let environment = self.environment();
        let state = environment.worktrees();
        let state = state.ok_or_else(|| failed("there is no folder to keep worktrees in"))?;
        worktree::check_branch(self.root(), &params.branch).map_err(failed)?;
        let committer = worktree::user(self.root()).map_err(failed)?;
        let config = environment.config();
        let author = match &params.author {
            Some(author) => Some(Author::parse(author).map_err(failed)?),
            None => config.commit_author().cloned(),
        };
        let author = author.map_or_else(|| committer.clone(), person);
        let sign_off = params.sign_off.unwrap_or(config.commit_sign_off());
        let plans = session.overlay.plan(&Selection::All)?;
        let plans = plans.into_iter().filter(|plan| !plan.hunks.is_empty());
        let plans: Vec<FilePlan> = plans.collect();
        if plans.is_empty() {
            return Err(failed("nothing is proposed that could be committed"));
        }
        let title = || Ok::<_, SessionError>(environment.store().session(&session.id)?.title);
        let message = match &params.message {
            Some(message) if !message.trim().is_empty() => message.trim().to_owned(),
            _ => title()?,
        };
        // As the user has the files, without what any session proposes.
        let users = self.overlay()?;
        let worktrees = Worktrees::open(state, &users).map_err(failed)?;
        let mut worktree = worktrees.take(&users, &params.branch).map_err(failed)?;
        let overlay = worktree.overlay(Arc::new(NoBuffers))?;
        let mut call = overlay.begin("commit");
        let refused = |error: boxagnts_workspace::FsError| failed(error.message);
        let mut left_out = Vec::new();
        for plan in &plans {
            if !users.is_in_folder(&plan.path) {
                left_out.push(format!(
                    "`{}`: it is in a folder that is mounted",
                    plan.path
                ));
                continue;
            }
            let named = [Some(&plan.path), plan.from.as_ref()];
            for path in named.into_iter().flatten() {
                // A new file is not there, which is no mistake.
                let _ = worktree.need(&[path.as_str()]);
            }
            if let Some(from) = &plan.from {
                if worktree.has_uncommitted(from) {
                    left_out.push(format!(
                        "`{}`: it was `{from}`, in which you have not committed all",
                        plan.path
                    ));
                    continue;
                }
                // With its mode.
                let moved = call.rename(from.as_str(), plan.path.as_str());
                moved.map_err(refused)?;
            }
            match &plan.after {
                Some(after) => {
                    let bytes = after.bytes().into_owned();
                    call.write(plan.path.as_str(), bytes).map_err(refused)?;
                }
                None => call.remove(plan.path.as_str()).map_err(refused)?,
            }
        }
        call.commit().map_err(failed)?;
        put(&overlay)?;
        let branch = Branch {
            name: params.branch.clone(),
            message,
            author,
            sign_off: sign_off.then(|| committer.clone()),
            committer,
            uncommitted: false,
            left_out,
        };
        let committed = worktree.commit_to_branch(&branch).map_err(failed)?;
        Ok(CommitToBranchResult {
            branch: branch.name,
            commit: committed.commit,
            files: committed.files as u64,
            left_out: committed.left_out,
        })
    }
}

fn person(author: Author) -> Person {
    Person {
        name: author.name,
        email: author.email,
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
