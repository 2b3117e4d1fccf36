//! The file system that a guest is served from.

use std::any::Any;
use std::collections::HashMap;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, not followed.
    Symlink,
    /// A device, socket or FIFO.
    Other,
}

/// Kind and size of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Last component of its path.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes; 0 for what is no file.
    pub size: u64,
}

/// Kinds of file errors, as in the ABI.
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

/// Why a file operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FsError {
    /// The kind.
    pub code: FsErrorCode,
    /// Names the path, and the remedy where there is one.
    pub message: String,
}

/// Files for one call. Paths are what the guest says: nothing about them has been checked.
/// Operations may block; a call that is stuck in one is abandoned when its time is up.
#[allow(missing_docs)]
pub trait GuestFs: Send + 'static {
    /// A walk in progress.
    type Walk: Send + 'static;

    fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, FsError>;
    fn stat(&mut self, path: &str) -> Result<Metadata, FsError>;
    fn list(&mut self, path: &str) -> Result<Vec<Entry>, FsError>;
    fn walk(&mut self, path: &str) -> Result<Self::Walk, FsError>;
    fn walk_next(&mut self, walk: &mut Self::Walk, max: u32) -> Result<Vec<String>, FsError>;
    /// Whether `write` to `path` would be let happen, as far as policy goes.
    fn may_write(&mut self, path: &str) -> Result<(), FsError>;
    fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), FsError>;
    fn remove(&mut self, path: &str) -> Result<(), FsError>;
    fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError>;
}

/// [`GuestFs`] without its types, so that one linker serves all.
pub(crate) trait AnyFs: Send {
    fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, FsError>;
    fn stat(&mut self, path: &str) -> Result<Metadata, FsError>;
    fn list(&mut self, path: &str) -> Result<Vec<Entry>, FsError>;
    fn walk(&mut self, path: &str) -> Result<u32, FsError>;
    fn walk_next(&mut self, walk: u32, max: u32) -> Result<Vec<String>, FsError>;
    fn walk_end(&mut self, walk: u32);
    fn open_walks(&self) -> usize;
    fn may_write(&mut self, path: &str) -> Result<(), FsError>;
    fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), FsError>;
    fn remove(&mut self, path: &str) -> Result<(), FsError>;
    fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError>;
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// A [`GuestFs`] with its walks in a table.
pub(crate) struct WithWalks<F: GuestFs> {
    fs: F,
    walks: HashMap<u32, F::Walk>,
    last: u32,
}

impl<F: GuestFs> WithWalks<F> {
    pub(crate) fn new(fs: F) -> Box<WithWalks<F>> {
        Box::new(WithWalks {
            fs,
            walks: HashMap::new(),
            last: 0,
        })
    }

    pub(crate) fn unwrap(any: Box<dyn AnyFs>) -> Option<F> {
        any.into_any()
            .downcast::<WithWalks<F>>()
            .ok()
            .map(|with| with.fs)
    }
}

impl<F: GuestFs> AnyFs for WithWalks<F> {
    fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, FsError> {
        self.fs.read(path, max)
    }

    fn stat(&mut self, path: &str) -> Result<Metadata, FsError> {
        self.fs.stat(path)
    }

    fn list(&mut self, path: &str) -> Result<Vec<Entry>, FsError> {
        self.fs.list(path)
    }

    fn walk(&mut self, path: &str) -> Result<u32, FsError> {
        let walk = self.fs.walk(path)?;
        self.last = self.last.wrapping_add(1);
        self.walks.insert(self.last, walk);
        Ok(self.last)
    }

    fn walk_next(&mut self, walk: u32, max: u32) -> Result<Vec<String>, FsError> {
        match self.walks.get_mut(&walk) {
            Some(walk) => self.fs.walk_next(walk, max),
            None => Ok(Vec::new()),
        }
    }

    fn walk_end(&mut self, walk: u32) {
        self.walks.remove(&walk);
    }

    fn open_walks(&self) -> usize {
        self.walks.len()
    }

    fn may_write(&mut self, path: &str) -> Result<(), FsError> {
        self.fs.may_write(path)
    }

    fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), FsError> {
        self.fs.write(path, content)
    }

    fn remove(&mut self, path: &str) -> Result<(), FsError> {
        self.fs.remove(path)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError> {
        self.fs.rename(from, to)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}
