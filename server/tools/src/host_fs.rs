//! The guest's file system, served by a call on the overlay.

use boxagnts_sandbox as sandbox;
use boxagnts_sandbox::GuestFs;
use boxagnts_workspace::{Call, FsError, FsErrorCode, Kind, Walk};

/// A call on the overlay, as the sandbox wants it.
pub(crate) struct HostFs(pub(crate) Call);

impl GuestFs for HostFs {
    type Walk = Walk;

    fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, sandbox::FsError> {
        self.0.read(path, max).map_err(error)
    }

    fn stat(&mut self, path: &str) -> Result<sandbox::Metadata, sandbox::FsError> {
        let (found, size) = self.0.stat(path).map_err(error)?;
        Ok(sandbox::Metadata {
            kind: kind(found),
            size,
        })
    }

    fn list(&mut self, path: &str) -> Result<Vec<sandbox::Entry>, sandbox::FsError> {
        let entries = self.0.list(path).map_err(error)?;
        let entry = |(entry, size): (boxagnts_workspace::Entry, u64)| sandbox::Entry {
            kind: kind(entry.kind),
            name: entry.name,
            size,
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn walk(&mut self, path: &str) -> Result<Walk, sandbox::FsError> {
        self.0.walk(path).map_err(error)
    }

    fn walk_next(&mut self, walk: &mut Walk, max: u32) -> Result<Vec<String>, sandbox::FsError> {
        self.0.walk_next(walk, max).map_err(error)
    }

    fn may_write(&mut self, path: &str) -> Result<(), sandbox::FsError> {
        self.0.may_write(path).map_err(error)
    }

    fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), sandbox::FsError> {
        self.0.write(path, content).map_err(error)
    }

    fn remove(&mut self, path: &str) -> Result<(), sandbox::FsError> {
        self.0.remove(path).map_err(error)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), sandbox::FsError> {
        self.0.rename(from, to).map_err(error)
    }
}

fn kind(kind: Kind) -> sandbox::FileKind {
    match kind {
        Kind::File => sandbox::FileKind::File,
        Kind::Directory => sandbox::FileKind::Directory,
        Kind::Symlink => sandbox::FileKind::Symlink,
        Kind::Other => sandbox::FileKind::Other,
    }
}

fn error(error: FsError) -> sandbox::FsError {
    use sandbox::FsErrorCode as Code;
    let code = match error.code {
        FsErrorCode::NotFound => Code::NotFound,
        FsErrorCode::Denied => Code::Denied,
        FsErrorCode::IsDirectory => Code::IsDirectory,
        FsErrorCode::NotDirectory => Code::NotDirectory,
        FsErrorCode::NotRegular => Code::NotRegular,
        FsErrorCode::TooLarge => Code::TooLarge,
        FsErrorCode::Exists => Code::Exists,
        FsErrorCode::InvalidPath => Code::InvalidPath,
        FsErrorCode::Io => Code::Io,
    };
    sandbox::FsError {
        code,
        message: error.message,
    }
}
