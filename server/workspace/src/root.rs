//! The workspace folder on disk: every file of it is opened from one directory handle, without
//! following a link anywhere on the way.

use crate::error::{FsError, FsErrorCode};
use boxagnts_policy::path::WorkspacePath;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; never followed.
    Symlink,
    /// A device, socket or FIFO.
    Other,
}

/// Identity and age of a file on disk; equal stamps mean equal content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<std::time::SystemTime>,
    len: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Stamp {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            inode,
        }
    }
}

/// An entry of a directory on disk.
#[derive(Debug, Clone)]
pub(crate) struct DirEntry {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The open workspace folder.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    #[cfg(unix)]
    handle: rustix::fd::OwnedFd,
}

impl Root {
    /// Opens the folder; the only place where links on the way to it are followed.
    pub(crate) fn open(path: &Path) -> std::io::Result<Root> {
        let path = std::fs::canonicalize(path)?;
        #[cfg(unix)]
        {
            use rustix::fs::{Mode, OFlags};
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let handle = rustix::fs::open(&path, flags, Mode::empty())?;
            Ok(Root { path, handle })
        }
        #[cfg(not(unix))]
        {
            if !path.is_dir() {
                return Err(std::io::ErrorKind::NotADirectory.into());
            }
            Ok(Root { path })
        }
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file is on disk; for messages and for writing, never for reading.
    pub(crate) fn absolute(&self, path: &WorkspacePath) -> PathBuf {
        path.components()
            .fold(self.path.clone(), |whole, part| whole.join(part))
    }

    /// Reads a regular file.
    pub(crate) fn read(&self, path: &WorkspacePath, max: u64) -> Result<(Vec<u8>, Stamp), FsError> {
        let (file, metadata) = self.open_regular(path)?;
        if metadata.len() > max {
            return Err(FsError::too_large(path, metadata.len(), max));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        // The file may grow while it is read.
        (&file)
            .take(max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| FsError::io(path, &e))?;
        if bytes.len() as u64 > max {
            return Err(FsError::too_large(path, bytes.len() as u64, max));
        }
        Ok((bytes, Stamp::of(&metadata)))
    }

    /// Kind and size, without following a link.
    pub(crate) fn stat(&self, path: &WorkspacePath) -> Result<(Kind, u64), FsError> {
        let metadata = self.metadata(path)?;
        let kind = kind_of(&metadata);
        Ok((
            kind,
            if kind == Kind::File {
                metadata.len()
            } else {
                0
            },
        ))
    }

    /// What tells whether a file changed; `None` when there is no regular file.
    pub(crate) fn stamp(&self, path: &WorkspacePath) -> Option<Stamp> {
        let metadata = self.metadata(path).ok()?;
        metadata.is_file().then(|| Stamp::of(&metadata))
    }

    fn open_regular(&self, path: &WorkspacePath) -> Result<(File, Metadata), FsError> {
        let file = self.open_file(path)?;
        let metadata = file.metadata().map_err(|e| FsError::io(path, &e))?;
        match kind_of(&metadata) {
            Kind::File => Ok((file, metadata)),
            Kind::Directory => Err(FsError::is_directory(path)),
            Kind::Symlink => Err(FsError::link(path)),
            Kind::Other => Err(FsError::new(
                FsErrorCode::NotRegular,
                format!("`{path}` is a device, socket or FIFO; tools read regular files only"),
            )),
        }
    }
}

fn kind_of(metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
    }
}

#[cfg(unix)]
mod unix {
    use super::{DirEntry, FsError, Kind, Root};
    use boxagnts_policy::path::WorkspacePath;
    use rustix::fd::OwnedFd;
    use rustix::fs::{FileType, Mode, OFlags};
    use rustix::io::Errno;
    use std::fs::{File, Metadata};

    impl Root {
        /// Opens without blocking on FIFOs and without following links.
        pub(super) fn open_file(&self, path: &WorkspacePath) -> Result<File, FsError> {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
            Ok(File::from(self.open_beneath(path, flags)?))
        }

        pub(super) fn metadata(&self, path: &WorkspacePath) -> Result<Metadata, FsError> {
            #[cfg(target_os = "linux")]
            let flags = OFlags::PATH;
            #[cfg(not(target_os = "linux"))]
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
            let file = File::from(self.open_beneath(path, flags | OFlags::NOFOLLOW)?);
            file.metadata().map_err(|error| FsError::io(path, &error))
        }

        /// Names and kinds of a directory's entries, unsorted; names that no tool may use are left
        /// out.
        pub(crate) fn read_dir(&self, path: &WorkspacePath) -> Result<Vec<DirEntry>, FsError> {
            let handle = self.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let failed = |error: Errno| FsError::io(path, &error.into());
            let mut entries = Vec::new();
            for entry in rustix::fs::Dir::new(handle).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                // A name that is not UTF-8 cannot be said to a tool; the others still can.
                let Ok(name) = entry.file_name().to_str() else {
                    continue;
                };
                if matches!(name, "." | "..") {
                    continue;
                }
                let kind = match entry.file_type() {
                    FileType::RegularFile => Kind::File,
                    FileType::Directory => Kind::Directory,
                    FileType::Symlink => Kind::Symlink,
                    // Some file systems do not say.
                    FileType::Unknown => match path.join(name).map(|below| self.stat(&below)) {
                        Ok(Ok((kind, _))) => kind,
                        _ => continue,
                    },
                    _ => Kind::Other,
                };
                entries.push(DirEntry {
                    name: name.to_owned(),
                    kind,
                });
            }
            Ok(entries)
        }

        fn open_beneath(&self, path: &WorkspacePath, flags: OFlags) -> Result<OwnedFd, FsError> {
            let flags = flags | OFlags::CLOEXEC;
            let text = if path.is_root() { "." } else { path.as_str() };
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::{ResolveFlags, openat2};
                let resolve = ResolveFlags::BENEATH
                    | ResolveFlags::NO_MAGICLINKS
                    // A link itself may be looked at, with O_PATH and O_NOFOLLOW.
                    | ResolveFlags::NO_SYMLINKS;
                match openat2(&self.handle, text, flags, Mode::empty(), resolve) {
                    Ok(handle) => return Ok(handle),
                    // Old kernels, and containers whose filter does not know the call.
                    Err(Errno::NOSYS | Errno::PERM) => {}
                    Err(error) => return Err(refusal(path, error)),
                }
            }
            self.open_by_steps(path, text, flags)
                .map_err(|error| refusal(path, error))
        }

        /// One component at a time, each without following a link.
        fn open_by_steps(
            &self,
            path: &WorkspacePath,
            text: &str,
            flags: OFlags,
        ) -> Result<OwnedFd, Errno> {
            let step = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut parents: Vec<&str> = path.components().collect();
            let last = parents.pop().unwrap_or(text);
            let mut directory: Option<OwnedFd> = None;
            for part in parents {
                let next = match &directory {
                    Some(handle) => rustix::fs::openat(handle, part, step, Mode::empty())?,
                    None => rustix::fs::openat(&self.handle, part, step, Mode::empty())?,
                };
                directory = Some(next);
            }
            let flags = flags | OFlags::NOFOLLOW;
            match &directory {
                Some(handle) => rustix::fs::openat(handle, last, flags, Mode::empty()),
                None => rustix::fs::openat(&self.handle, last, flags, Mode::empty()),
            }
        }
    }

    fn refusal(path: &WorkspacePath, error: Errno) -> FsError {
        match error {
            // ELOOP tells of a link, EXDEV of a way out.
            Errno::LOOP | Errno::XDEV | Errno::MLINK => FsError::link(path),
            Errno::NOENT => FsError::not_found(path),
            Errno::NOTDIR => FsError::not_directory(path),
            // Opening a socket, or a device without a driver.
            Errno::NXIO | Errno::NODEV => FsError::new(
                crate::error::FsErrorCode::NotRegular,
                format!("`{path}` is a device, socket or FIFO; tools read regular files only"),
            ),
            error => FsError::io(path, &error.into()),
        }
    }
}

#[cfg(not(unix))]
mod portable {
    use super::{DirEntry, FsError, Kind, Root, kind_of};
    use boxagnts_policy::path::WorkspacePath;
    use std::fs::{File, Metadata};
    use std::path::PathBuf;

    impl Root {
        /// Refuses when any component is a link. Not safe against a race with another process,
        /// which these platforms offer no portable way around.
        fn checked(&self, path: &WorkspacePath) -> Result<PathBuf, FsError> {
            let mut whole = self.path.clone();
            let mut parents: Vec<&str> = path.components().collect();
            let last = parents.pop();
            for part in parents {
                whole.push(part);
                match std::fs::symlink_metadata(&whole) {
                    Ok(metadata) if metadata.file_type().is_symlink() => {
                        return Err(FsError::link(path));
                    }
                    Ok(_) => {}
                    Err(error) => return Err(FsError::io(path, &error)),
                }
            }
            whole.extend(last);
            Ok(whole)
        }

        pub(super) fn open_file(&self, path: &WorkspacePath) -> Result<File, FsError> {
            let whole = self.checked(path)?;
            if self.metadata(path)?.file_type().is_symlink() {
                return Err(FsError::link(path));
            }
            File::open(whole).map_err(|error| FsError::io(path, &error))
        }

        pub(super) fn metadata(&self, path: &WorkspacePath) -> Result<Metadata, FsError> {
            std::fs::symlink_metadata(self.checked(path)?).map_err(|e| FsError::io(path, &e))
        }

        pub(crate) fn read_dir(&self, path: &WorkspacePath) -> Result<Vec<DirEntry>, FsError> {
            let mut entries = Vec::new();
            let failed = |error: std::io::Error| FsError::io(path, &error);
            for entry in std::fs::read_dir(self.checked(path)?).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                entries.push(DirEntry {
                    name,
                    kind: kind_of(&metadata),
                });
            }
            Ok(entries)
        }
    }
}
