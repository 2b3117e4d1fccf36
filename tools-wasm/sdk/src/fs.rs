//! The workspace, as a tool sees it. Away from WebAssembly it is a fake in memory, so that tools
//! are tested like any other code.

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// Nothing there.
    NotFound,
    /// Hidden or protected.
    Denied,
    /// A directory where a file was wanted.
    IsDirectory,
    /// A file where a directory was wanted.
    NotDirectory,
    /// No regular file.
    NotRegular,
    /// Too large.
    TooLarge,
    /// Something is there already.
    Exists,
    /// Not a path.
    InvalidPath,
    /// The host failed.
    Io,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub code: ErrorCode,
    /// Names the path, and the remedy where there is one.
    pub message: String,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A link, not followed.
    Symlink,
    /// Anything else.
    Other,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Last component of its path.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
}

#[cfg(not(target_arch = "wasm32"))]
pub use fake::*;
#[cfg(target_arch = "wasm32")]
pub use guest::*;

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs)]
mod guest {
    use super::{Entry, Error, ErrorCode, Kind};
    use crate::abi::boxagnts::tool::{workspace_read as read, workspace_write as write};

    pub struct Walk(read::Walk);

    pub fn read(path: &str, max: u64) -> Result<Vec<u8>, Error> {
        read::read(path, max).map_err(error)
    }

    pub fn stat(path: &str) -> Result<(Kind, u64), Error> {
        let found = read::stat(path).map_err(error)?;
        Ok((kind(found.kind), found.size))
    }

    pub fn list(path: &str) -> Result<Vec<Entry>, Error> {
        let entries = read::list(path).map_err(error)?.into_iter();
        let entry = |e: read::Entry| Entry {
            name: e.name,
            kind: kind(e.kind),
            size: e.size,
        };
        Ok(entries.map(entry).collect())
    }

    pub fn walk(path: &str) -> Result<Walk, Error> {
        read::Walk::open(path).map(Walk).map_err(error)
    }

    impl Walk {
        pub fn next(&mut self, max: u32) -> Result<Vec<String>, Error> {
            self.0.next(max).map_err(error)
        }
    }

    pub fn write(path: &str, content: &[u8]) -> Result<(), Error> {
        write::write(path, content).map_err(error)
    }

    pub fn remove(path: &str) -> Result<(), Error> {
        write::remove(path).map_err(error)
    }

    pub fn rename(from: &str, to: &str) -> Result<(), Error> {
        write::rename(from, to).map_err(error)
    }

    fn kind(kind: read::Kind) -> Kind {
        match kind {
            read::Kind::File => Kind::File,
            read::Kind::Directory => Kind::Directory,
            read::Kind::Symlink => Kind::Symlink,
            read::Kind::Other => Kind::Other,
        }
    }

    fn error(error: read::Error) -> Error {
        let code = match error.code {
            read::ErrorCode::NotFound => ErrorCode::NotFound,
            read::ErrorCode::Denied => ErrorCode::Denied,
            read::ErrorCode::IsDirectory => ErrorCode::IsDirectory,
            read::ErrorCode::NotDirectory => ErrorCode::NotDirectory,
            read::ErrorCode::NotRegular => ErrorCode::NotRegular,
            read::ErrorCode::TooLarge => ErrorCode::TooLarge,
            read::ErrorCode::Exists => ErrorCode::Exists,
            read::ErrorCode::InvalidPath => ErrorCode::InvalidPath,
            read::ErrorCode::Io => ErrorCode::Io,
        };
        Error {
            code,
            message: error.message,
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[allow(missing_docs)]
mod fake {
    use super::{Entry, Error, ErrorCode, Kind};
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        static FILES: RefCell<BTreeMap<String, Vec<u8>>> = RefCell::default();
    }

    /// Replaces the workspace of this thread.
    pub fn set_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        let files = files
            .into_iter()
            .map(|(path, content)| (path.to_owned(), content.to_vec()));
        FILES.set(files.collect());
    }

    /// The content of a file of this thread's workspace.
    pub fn file(path: &str) -> Option<Vec<u8>> {
        FILES.with_borrow(|files| files.get(path).cloned())
    }

    pub struct Walk(Vec<String>);

    fn error<T>(code: ErrorCode, message: String) -> Result<T, Error> {
        Err(Error { code, message })
    }

    fn checked(path: &str) -> Result<String, Error> {
        if path.split('/').any(|part| part == "..") || path.starts_with('/') {
            return error(ErrorCode::Denied, format!("`{path}` is denied: outside"));
        }
        Ok(path
            .trim_start_matches("./")
            .trim_end_matches('/')
            .to_owned())
    }

    pub fn read(path: &str, max: u64) -> Result<Vec<u8>, Error> {
        let path = checked(path)?;
        match (stat(&path)?, file(&path)) {
            ((Kind::Directory, _), _) | (_, None) => {
                error(ErrorCode::IsDirectory, format!("`{path}` is a directory"))
            }
            ((_, size), _) if size > max => {
                error(ErrorCode::TooLarge, format!("`{path}` has {size} bytes"))
            }
            (_, Some(content)) => Ok(content),
        }
    }

    pub fn stat(path: &str) -> Result<(Kind, u64), Error> {
        let path = checked(path)?;
        if let Some(content) = file(&path) {
            return Ok((Kind::File, content.len() as u64));
        }
        let prefix = format!("{path}/");
        let below =
            |files: &BTreeMap<String, Vec<u8>>| files.keys().any(|f| f.starts_with(&prefix));
        if path.is_empty() || path == "." || FILES.with_borrow(below) {
            return Ok((Kind::Directory, 0));
        }
        error(ErrorCode::NotFound, format!("`{path}` does not exist"))
    }

    pub fn list(path: &str) -> Result<Vec<Entry>, Error> {
        if stat(path)?.0 == Kind::File {
            return error(
                ErrorCode::NotDirectory,
                format!("`{path}` is not a directory"),
            );
        }
        let path = checked(path)?;
        let prefix = if path.is_empty() || path == "." {
            String::new()
        } else {
            format!("{path}/")
        };
        let mut entries: Vec<Entry> = Vec::new();
        FILES.with_borrow(|files| {
            for (file, content) in files {
                let Some(below) = file.strip_prefix(&prefix) else {
                    continue;
                };
                let (name, kind, size) = match below.split_once('/') {
                    Some((directory, _)) => (directory, Kind::Directory, 0),
                    None => (below, Kind::File, content.len() as u64),
                };
                if entries.last().is_none_or(|last| last.name != name) {
                    entries.push(Entry {
                        name: name.to_owned(),
                        kind,
                        size,
                    });
                }
            }
        });
        Ok(entries)
    }

    pub fn walk(path: &str) -> Result<Walk, Error> {
        let path = if path == "." { "" } else { path };
        let path = checked(path)?;
        stat(&path)?;
        let inside = |file: &&String| {
            path.is_empty() || **file == path || file.starts_with(&format!("{path}/"))
        };
        let mut found: Vec<String> =
            FILES.with_borrow(|files| files.keys().filter(inside).cloned().collect());
        found.reverse();
        Ok(Walk(found))
    }

    impl Walk {
        pub fn next(&mut self, max: u32) -> Result<Vec<String>, Error> {
            let at = self.0.len().saturating_sub(max as usize);
            let mut next = self.0.split_off(at);
            next.reverse();
            Ok(next)
        }
    }

    pub fn write(path: &str, content: &[u8]) -> Result<(), Error> {
        let path = checked(path)?;
        FILES.with_borrow_mut(|files| files.insert(path, content.to_vec()));
        Ok(())
    }

    pub fn remove(path: &str) -> Result<(), Error> {
        let path = checked(path)?;
        match FILES.with_borrow_mut(|files| files.remove(&path)) {
            Some(_) => Ok(()),
            None => error(ErrorCode::NotFound, format!("`{path}` does not exist")),
        }
    }

    pub fn rename(from: &str, to: &str) -> Result<(), Error> {
        if stat(to).is_ok() {
            return error(
                ErrorCode::Exists,
                format!("`{to}` exists already; delete it first"),
            );
        }
        let content = read(from, u64::MAX)?;
        remove(from)?;
        write(to, &content)
    }
}
