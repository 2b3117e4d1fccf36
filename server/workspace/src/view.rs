//! One file as somebody sees it: the user (`live`) or the tools (`below` the changeset).

use crate::buffers::Buffers;
use crate::content::Content;
use crate::error::{FsError, FsErrorCode};
use crate::root::Root;
use boxagnts_policy::path::WorkspacePath;

/// Files that are compared or merged may be as large as this.
pub(crate) const MAX_FILE: u64 = 256 << 20;

/// Where the user's text of now lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// In an open document, at this version.
    Buffer {
        /// The editor's version of it.
        version: i32,
    },
    /// In a file that no document holds.
    Disk,
    /// Nowhere: there is no such file.
    Absent,
}

/// The file as the user has it: the open document, else the disk. A document without unsaved changes
/// only shows its file, also after that is gone: many editors leave it open then.
pub(crate) fn live(
    root: &Root,
    buffers: &dyn Buffers,
    path: &WorkspacePath,
) -> (Live, Option<Content>) {
    if let Some(buffer) = buffers.get(path)
        && (buffer.dirty || !is_gone(root, path))
    {
        let version = buffer.version;
        return (
            Live::Buffer { version },
            Some(Content::from_text(buffer.text)),
        );
    }
    match root.read(path, MAX_FILE) {
        Ok((bytes, _)) => (Live::Disk, Some(Content::from_bytes(bytes))),
        Err(_) => (Live::Absent, None),
    }
}

/// Whether nothing is on disk at that path. A document that is open there has no file then.
pub(crate) fn is_gone(root: &Root, path: &WorkspacePath) -> bool {
    let found = root.stat(path);
    found.is_err_and(|error| error.code == FsErrorCode::NotFound)
}

/// The file as tools see it where the session has not changed it: a dirty document, else the disk.
pub(crate) fn below(
    root: &Root,
    buffers: &dyn Buffers,
    path: &WorkspacePath,
    max: u64,
) -> Result<Content, FsError> {
    if let Some(buffer) = buffers.get(path)
        && buffer.dirty
    {
        let content = Content::from_text(buffer.text);
        let len = content.len() as u64;
        return if len <= max {
            Ok(content)
        } else {
            Err(FsError::too_large(path, len, max))
        };
    }
    root.read(path, max)
        .map(|(bytes, _)| Content::from_bytes(bytes))
}
