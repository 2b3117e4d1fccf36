//! Why there is no worktree.

use std::path::{Path, PathBuf};

/// Why a worktree could not be made, filled, looked at or committed. The user's repository and files are
/// as they were.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// The workspace is in no git repository that can be used.
    #[error("no worktree of {}: {reason}", workspace.display())]
    Repository {
        /// The workspace folder.
        workspace: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// The folder for worktrees cannot be used.
    #[error("worktrees cannot be kept in {}: {reason}", folder.display())]
    State {
        /// The folder.
        folder: PathBuf,
        /// Why, and what helps.
        reason: String,
    },
    /// A file of a worktree cannot be written or read.
    #[error("worktree {}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Nothing that the overlay shows is at a path that was asked for.
    #[error("{reason}")]
    Path {
        /// Why, in words that name the path.
        reason: String,
    },
    /// The branch was not made.
    #[error("branch `{branch}` was not made: {reason}")]
    Branch {
        /// As given.
        branch: String,
        /// Why, and what helps.
        reason: String,
    },
}

impl WorktreeError {
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> WorktreeError {
        WorktreeError::File {
            path: path.to_path_buf(),
            reason: error.to_string(),
        }
    }

    pub(crate) fn state(folder: &Path, error: &dyn std::fmt::Display) -> WorktreeError {
        WorktreeError::State {
            folder: folder.to_path_buf(),
            reason: error.to_string(),
        }
    }

    pub(crate) fn repository(workspace: &Path, reason: impl Into<String>) -> WorktreeError {
        WorktreeError::Repository {
            workspace: workspace.to_path_buf(),
            reason: reason.into(),
        }
    }
}
