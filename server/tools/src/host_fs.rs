//! The guest's file system, served by a call on the overlay: its root is the session's `work_dir`,
//! and what the guest touches is noted for the audit.

use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::tool::{Audit, MAX_AUDITED};
use boxagnts_sandbox as sandbox;
use boxagnts_sandbox::GuestFs;
use boxagnts_workspace::{Call, FsError, FsErrorCode, Kind, Walk};
use std::collections::BTreeSet;

/// A call on the overlay, as the sandbox wants it.
pub(crate) struct HostFs {
    call: Call,
    work_dir: WorkspacePath,
    touched: Touched,
}

/// What a guest touched, by path.
#[derive(Default)]
pub(crate) struct Touched {
    read: BTreeSet<String>,
    written: BTreeSet<String>,
    denied: BTreeSet<String>,
    left_out: u64,
}

impl Touched {
    fn note(&mut self, list: fn(&mut Touched) -> &mut BTreeSet<String>, path: &str) {
        let set = list(self);
        if set.len() < MAX_AUDITED {
            set.insert(path.to_owned());
        } else if !set.contains(path) {
            self.left_out += 1;
        }
    }

    pub(crate) fn tell(self, audit: &mut Audit) {
        audit.files_read = self.read.into_iter().collect();
        audit.files_written = self.written.into_iter().collect();
        audit.files_denied = self.denied.into_iter().collect();
        audit.left_out += self.left_out;
    }
}

impl HostFs {
    pub(crate) fn new(call: Call, work_dir: WorkspacePath) -> HostFs {
        HostFs {
            call,
            work_dir,
            touched: Touched::default(),
        }
    }

    pub(crate) fn into_parts(self) -> (Call, Touched) {
        (self.call, self.touched)
    }

    /// The path in the workspace that a guest's path names.
    fn inside(&mut self, path: &str) -> Result<String, sandbox::FsError> {
        // By itself first: an absolute path does not become a relative one.
        let joined = WorkspacePath::parse(path).and_then(|p| self.work_dir.join(p.as_str()));
        match joined {
            Ok(path) if path.is_root() => Ok(".".to_owned()),
            Ok(path) => Ok(path.as_str().to_owned()),
            Err(refused) => self.answer(path, Err(refused.into())),
        }
    }

    /// The guest's name for a path of the workspace.
    fn outside(&self, path: String) -> String {
        let below = path.strip_prefix(self.work_dir.as_str());
        let below = below.map(|below| below.trim_start_matches('/').to_owned());
        below.unwrap_or(path)
    }

    fn answer<T>(&mut self, path: &str, result: Result<T, FsError>) -> Result<T, sandbox::FsError> {
        result.map_err(|error| {
            if error.code == FsErrorCode::Denied {
                self.touched.note(|t| &mut t.denied, path);
            }
            from_workspace(error)
        })
    }

    fn changed(&mut self, path: &str, result: Result<(), FsError>) -> Result<(), sandbox::FsError> {
        if result.is_ok() {
            self.touched.note(|t| &mut t.written, path);
        }
        self.answer(path, result)
    }
}

impl GuestFs for HostFs {
    type Walk = Walk;

    fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, sandbox::FsError> {
        let path = self.inside(path)?;
        let read = self.call.read(&path, max);
        if read.is_ok() {
            self.touched.note(|t| &mut t.read, &path);
        }
        self.answer(&path, read)
    }

    fn stat(&mut self, path: &str) -> Result<sandbox::Metadata, sandbox::FsError> {
        let path = self.inside(path)?;
        let found = self.call.stat(&path);
        let (found, size) = self.answer(&path, found)?;
        Ok(sandbox::Metadata {
            kind: kind(found),
            size,
        })
    }

    fn list(&mut self, path: &str) -> Result<Vec<sandbox::Entry>, sandbox::FsError> {
        let path = self.inside(path)?;
        let listed = self.call.list(&path);
        let entries = self.answer(&path, listed)?;
        let entry = |(entry, size): (boxagnts_workspace::Entry, u64)| sandbox::Entry {
            kind: kind(entry.kind),
            name: entry.name,
            size,
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn walk(&mut self, path: &str) -> Result<Walk, sandbox::FsError> {
        let path = self.inside(path)?;
        let walk = self.call.walk(&path);
        self.answer(&path, walk)
    }

    fn walk_next(&mut self, walk: &mut Walk, max: u32) -> Result<Vec<String>, sandbox::FsError> {
        let found = self.call.walk_next(walk, max).map_err(from_workspace)?;
        Ok(found.into_iter().map(|path| self.outside(path)).collect())
    }

    fn may_write(&mut self, path: &str) -> Result<(), sandbox::FsError> {
        let path = self.inside(path)?;
        let may = self.call.may_write(&path);
        self.answer(&path, may)
    }

    fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), sandbox::FsError> {
        let path = self.inside(path)?;
        let written = self.call.write(&path, content);
        self.changed(&path, written)
    }

    fn remove(&mut self, path: &str) -> Result<(), sandbox::FsError> {
        let path = self.inside(path)?;
        let removed = self.call.remove(&path);
        self.changed(&path, removed)
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), sandbox::FsError> {
        let (from, to) = (self.inside(from)?, self.inside(to)?);
        let moved = self.call.rename(&from, &to);
        if moved.is_ok() {
            self.touched.note(|t| &mut t.written, &from);
        }
        self.changed(&to, moved)
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

fn from_workspace(error: FsError) -> sandbox::FsError {
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
