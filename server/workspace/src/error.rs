//! Why the workspace refused.

use boxagnts_policy::path::{PathError, WorkspacePath};
use std::io::ErrorKind;
use std::path::PathBuf;

/// Kinds of file errors, as guests see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsErrorCode {
    /// Nothing there.
    NotFound,
    /// Policy hides or protects it.
    Denied,
    /// A directory where a file was wanted.
    IsDirectory,
    /// A file where a directory was wanted.
    NotDirectory,
    /// A device, socket or FIFO.
    NotRegular,
    /// More than the caller or the host takes.
    TooLarge,
    /// There is something already.
    Exists,
    /// Not a usable path.
    InvalidPath,
    /// The operating system failed.
    Io,
}

/// Why a file operation failed; the message names the path, and the remedy where there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FsError {
    /// The kind.
    pub code: FsErrorCode,
    /// For people and models.
    pub message: String,
}

impl FsError {
    pub(crate) fn new(code: FsErrorCode, message: String) -> FsError {
        FsError { code, message }
    }

    pub(crate) fn not_found(path: &WorkspacePath) -> FsError {
        FsError::new(FsErrorCode::NotFound, format!("`{path}` does not exist"))
    }

    pub(crate) fn is_directory(path: &WorkspacePath) -> FsError {
        FsError::new(FsErrorCode::IsDirectory, format!("`{path}` is a directory"))
    }

    pub(crate) fn not_directory(path: &WorkspacePath) -> FsError {
        FsError::new(
            FsErrorCode::NotDirectory,
            format!("`{path}` is not a directory"),
        )
    }

    pub(crate) fn exists(path: &WorkspacePath) -> FsError {
        FsError::new(
            FsErrorCode::Exists,
            format!("`{path}` exists already; delete it first"),
        )
    }

    pub(crate) fn link(path: &WorkspacePath) -> FsError {
        let message = format!("`{path}` is, or leads through, a symbolic link; tools follow none");
        FsError::new(FsErrorCode::Denied, message)
    }

    pub(crate) fn denied(path: &WorkspacePath, reason: &str) -> FsError {
        FsError::new(FsErrorCode::Denied, format!("`{path}` is denied: {reason}"))
    }

    pub(crate) fn too_large(path: &WorkspacePath, len: u64, max: u64) -> FsError {
        let message = format!("`{path}` has {len} bytes; at most {max} can be read at once");
        FsError::new(FsErrorCode::TooLarge, message)
    }

    pub(crate) fn io(path: &WorkspacePath, error: &std::io::Error) -> FsError {
        match error.kind() {
            ErrorKind::NotFound => FsError::not_found(path),
            ErrorKind::NotADirectory => FsError::not_directory(path),
            ErrorKind::IsADirectory => FsError::is_directory(path),
            _ => FsError::new(FsErrorCode::Io, format!("`{path}`: {error}")),
        }
    }
}

impl From<PathError> for FsError {
    fn from(error: PathError) -> FsError {
        let code = match &error {
            PathError::Denied { .. } => FsErrorCode::Denied,
            PathError::Invalid { .. } => FsErrorCode::InvalidPath,
        };
        FsError::new(code, error.to_string())
    }
}

/// Why a folder cannot be a workspace.
#[derive(Debug, thiserror::Error)]
#[error("cannot open workspace {}: {source}", path.display())]
pub struct OpenError {
    /// The folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

/// Why a decision on hunks cannot be carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// No such hunk waits for a decision.
    #[error("no hunk `{id}` waits for a decision; waiting: {waiting}")]
    UnknownHunk {
        /// As given.
        id: String,
        /// What waits.
        waiting: String,
    },
    /// The proposal has no such file.
    #[error("the proposal changes no file `{path}`; it changes: {changed}")]
    UnknownFile {
        /// As given.
        path: String,
        /// What it changes.
        changed: String,
    },
    /// No hunk of such a tool call waits for a decision.
    #[error("no hunk of the tool call `{group}` waits for a decision; waiting: {waiting}")]
    UnknownGroup {
        /// As given.
        group: String,
        /// Calls whose hunks wait.
        waiting: String,
    },
    /// The hunk cannot be made into what was asked for.
    #[error("hunk `{id}` cannot be changed so: {reason}")]
    Unfit {
        /// The hunk.
        id: String,
        /// Why.
        reason: String,
    },
}

/// Why a call's changes were not taken over. The overlay is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` was decided on while the tool ran; read it and try again")]
pub struct CommitError {
    /// The file.
    pub path: WorkspacePath,
}

/// Why accepted hunks could not be written to disk. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct ApplyError {
    /// The file.
    pub path: WorkspacePath,
    /// What went wrong.
    pub reason: String,
}
