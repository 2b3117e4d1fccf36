//! One file as somebody sees it: the user (`live`) or the tools (`below` the changeset).

use crate::buffers::Buffers;
use crate::content::Content;
use crate::error::FsError;
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

/// The file as the user has it: the open document, else the disk.
pub(crate) fn live(
    root: &Root,
    buffers: &dyn Buffers,
    path: &WorkspacePath,
) -> (Live, Option<Content>) {
    if let Some(buffer) = buffers.get(path) {
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
