//! The workspace folder on disk: every file of it is opened from one directory handle, without
//! following a link anywhere on the way.

use crate::error::{FsError, FsErrorCode, OpenError};
use crate::worktree::Dir;
use boxagnts_policy::mounts::{Access, Mount, Mounts};
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
    /// Seconds and nanoseconds.
    #[cfg(unix)]
    modified: (i64, i64),
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
    len: u64,
    inode: u64,
}

impl Stamp {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        Stamp {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            len: metadata.len(),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            inode: 0,
        }
    }

    /// The widths of the fields are the platform's.
    #[cfg(unix)]
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    fn of_stat(stat: &rustix::fs::Stat) -> Stamp {
        Stamp {
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            len: stat.st_size as u64,
            inode: stat.st_ino as u64,
        }
    }
}

/// The folder in which the last file was looked at. Not to be kept: the folder may be moved.
#[derive(Default)]
pub(crate) struct Near {
    /// `None` when it cannot be opened.
    #[cfg(unix)]
    folder: Option<(String, Option<rustix::fd::OwnedFd>)>,
}

/// An entry of a directory on disk.
#[derive(Debug, Clone)]
pub(crate) struct DirEntry {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// An open folder of the machine.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    #[cfg(unix)]
    handle: rustix::fd::OwnedFd,
}

/// A folder of the machine that is in the workspace by configuration.
#[derive(Debug)]
struct Mounted {
    at: WorkspacePath,
    folder: Folder,
    access: Access,
}

/// The open workspace folder, and the folders that are mounted in it.
#[derive(Debug)]
pub(crate) struct Root {
    folder: Folder,
    /// None lies inside of another.
    mounted: Vec<Mounted>,
    /// Where BoxAgnts' own things are, if they are in here.
    own: Vec<WorkspacePath>,
}

impl Folder {
    /// The only place where links on the way to a folder are followed.
    fn open(path: &Path) -> std::io::Result<Folder> {
        let path = std::fs::canonicalize(path)?;
        #[cfg(unix)]
        {
            use rustix::fs::{Mode, OFlags};
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let handle = rustix::fs::open(&path, flags, Mode::empty())?;
            Ok(Folder { path, handle })
        }
        #[cfg(not(unix))]
        {
            if !path.is_dir() {
                return Err(std::io::ErrorKind::NotADirectory.into());
            }
            Ok(Folder { path })
        }
    }
}

impl Root {
    /// Opens the folder and what is mounted in it.
    ///
    /// # Errors
    /// One of the folders is not there, cannot be opened, or leads by a link to where no mount may
    /// be.
    pub(crate) fn open(path: &Path, mounts: &Mounts) -> Result<Root, OpenError> {
        let open = |path: &Path| {
            Folder::open(path).map_err(|source| OpenError {
                path: path.to_path_buf(),
                source,
            })
        };
        let mounted = mounts.dirs.iter().map(|mount| {
            let given = match mount.host.strip_prefix("~") {
                Ok(below) => std::env::home_dir().unwrap_or_default().join(below),
                Err(_) => mount.host.clone(),
            };
            let folder = open(&given)?;
            let real = format!("{}:{}", folder.path.display(), mount.at);
            let refused = |reason: String| OpenError {
                path: given,
                source: std::io::Error::other(format!("`{mount}` of map_dirs {reason}")),
            };
            Mount::parse(&real).map_err(refused)?;
            Ok(Mounted {
                at: mounts
                    .work_dir
                    .join(mount.at.as_str())
                    .unwrap_or_else(|_| mount.at.clone()),
                folder,
                access: mount.access,
            })
        });
        let mounted = mounted.collect::<Result<_, _>>()?;
        let folder = open(path)?;
        let mut root = Root {
            folder,
            mounted,
            own: Vec::new(),
        };
        let places = crate::own::places();
        root.own = places.iter().flat_map(|place| root.inside(place)).collect();
        Ok(root)
    }

    /// Opens a folder that is among BoxAgnts' own, which shows nothing else of them.
    pub(crate) fn open_own(path: &Path) -> Result<Root, OpenError> {
        let folder = Folder::open(path).map_err(|source| OpenError {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Root {
            folder,
            mounted: Vec::new(),
            own: Vec::new(),
        })
    }

    /// Every path that a place of the machine has in here.
    fn inside(&self, place: &Path) -> Vec<WorkspacePath> {
        let main = (&self.folder, WorkspacePath::root());
        let mounted = self.mounted.iter().map(|m| (&m.folder, m.at.clone()));
        let below = |(folder, at): (&Folder, WorkspacePath)| {
            // A folder of ours that is mounted itself has nothing to show.
            if folder.path.starts_with(place) {
                return Some(at);
            }
            let below = place.strip_prefix(&folder.path).ok()?;
            let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
            at.join(&parts?.join("/")).ok()
        };
        std::iter::once(main)
            .chain(mounted)
            .filter_map(below)
            .collect()
    }

    /// Whether it is BoxAgnts' own.
    pub(crate) fn is_own(&self, path: &WorkspacePath) -> bool {
        self.own.iter().any(|own| path.is_within(own))
    }

    /// Absolute path of the workspace folder.
    pub(crate) fn path(&self) -> &Path {
        &self.folder.path
    }

    /// The folder of the machine that has `path`, and what is below it there.
    fn locate<'a>(&'a self, path: &'a WorkspacePath) -> (&'a Folder, &'a str) {
        for mounted in &self.mounted {
            if path.is_within(&mounted.at) {
                let below = path.as_str().get(mounted.at.as_str().len()..);
                return (
                    &mounted.folder,
                    below.unwrap_or_default().trim_start_matches('/'),
                );
            }
        }
        (&self.folder, path.as_str())
    }

    /// Whether `path` is in a folder of the machine that is mounted.
    pub(crate) fn is_mounted(&self, path: &WorkspacePath) -> bool {
        self.mounted
            .iter()
            .any(|mounted| path.is_within(&mounted.at))
    }

    /// Whether a folder of the machine is mounted at `path`.
    pub(crate) fn is_mount(&self, path: &WorkspacePath) -> bool {
        self.mounted.iter().any(|mounted| mounted.at == *path)
    }

    /// Whether changes of `path` cannot even be proposed.
    pub(crate) fn is_read_only(&self, path: &WorkspacePath) -> bool {
        let mut mounted = self.mounted.iter();
        mounted.any(|m| path.is_within(&m.at) && m.access == Access::ReadOnly)
    }

    /// Whether something is mounted below `path`.
    fn has_mounts_below(&self, path: &WorkspacePath) -> bool {
        let mut mounted = self.mounted.iter();
        mounted.any(|mounted| mounted.at != *path && mounted.at.is_within(path))
    }

    /// Names and kinds of a directory's entries, unsorted; names that no tool may use are left out.
    pub(crate) fn read_dir(&self, path: &WorkspacePath) -> Result<Vec<DirEntry>, FsError> {
        if !self.has_mounts_below(path) {
            return self.read_dir_on_disk(path);
        }
        // The way to a mount need not be on disk.
        let mut entries = match self.read_dir_on_disk(path) {
            Err(error) if error.code == FsErrorCode::NotFound => Vec::new(),
            read => read?,
        };
        for mounted in self.mounted.iter().filter(|m| m.at.is_within(path)) {
            let below = mounted.at.components().nth(path.components().count());
            if let Some(name) = below {
                entries.retain(|entry| entry.name != name);
                entries.push(DirEntry {
                    name: name.to_owned(),
                    kind: Kind::Directory,
                });
            }
        }
        Ok(entries)
    }

    /// Where a file is on disk; for messages and for writing, never for reading.
    pub(crate) fn absolute(&self, path: &WorkspacePath) -> PathBuf {
        let (folder, below) = self.locate(path);
        let parts = below.split('/').filter(|part| !part.is_empty());
        parts.fold(folder.path.clone(), |whole, part| whole.join(part))
    }

    /// A folder by its handle, for who looks at all that is in it.
    pub(crate) fn folder(&self, path: &WorkspacePath) -> std::io::Result<Dir> {
        #[cfg(unix)]
        {
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
            let handle = self.open_beneath(path, flags);
            handle.map(Dir::from_handle).map_err(std::io::Error::other)
        }
        #[cfg(not(unix))]
        {
            let whole = self.checked(path).map_err(std::io::Error::other)?;
            Dir::open(&whole)
        }
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
        let metadata = match self.metadata(path) {
            // The way to a mount need not be on disk.
            Err(error) if error.code == FsErrorCode::NotFound && self.has_mounts_below(path) => {
                return Ok((Kind::Directory, 0));
            }
            found => found?,
        };
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

    /// As [`Root::stamp`], for many files one after the other: those of one folder are looked at from
    /// its handle, which `near` keeps.
    pub(crate) fn stamp_near(&self, path: &WorkspacePath, near: &mut Near) -> Option<Stamp> {
        #[cfg(unix)]
        return self.stamp_from(path, near);
        #[cfg(not(unix))]
        {
            let _ = near;
            self.stamp(path)
        }
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
    use super::{DirEntry, Folder, FsError, Kind, Near, Root, Stamp};
    use boxagnts_policy::path::WorkspacePath;
    use rustix::fd::OwnedFd;
    use rustix::fs::{AtFlags, FileType, Mode, OFlags};
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

        pub(super) fn read_dir_on_disk(
            &self,
            path: &WorkspacePath,
        ) -> Result<Vec<DirEntry>, FsError> {
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

        pub(super) fn stamp_from(&self, path: &WorkspacePath, near: &mut Near) -> Option<Stamp> {
            let (folder, name) = path
                .as_str()
                .rsplit_once('/')
                .unwrap_or(("", path.as_str()));
            if near
                .folder
                .as_ref()
                .is_none_or(|(known, _)| known != folder)
            {
                let parent = path.parent().unwrap_or_else(WorkspacePath::root);
                let handle = self.open_beneath(&parent, OFlags::RDONLY | OFlags::DIRECTORY);
                near.folder = Some((folder.to_owned(), handle.ok()));
            }
            let handle = near.folder.as_ref()?.1.as_ref()?;
            let stat = rustix::fs::statat(handle, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            regular.then(|| Stamp::of_stat(&stat))
        }

        pub(super) fn open_beneath(
            &self,
            path: &WorkspacePath,
            flags: OFlags,
        ) -> Result<OwnedFd, FsError> {
            let flags = flags | OFlags::CLOEXEC;
            let (folder, below) = self.locate(path);
            let text = if below.is_empty() { "." } else { below };
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::{ResolveFlags, openat2};
                let resolve = ResolveFlags::BENEATH
                    | ResolveFlags::NO_MAGICLINKS
                    // A link itself may be looked at, with O_PATH and O_NOFOLLOW.
                    | ResolveFlags::NO_SYMLINKS;
                match openat2(&folder.handle, text, flags, Mode::empty(), resolve) {
                    Ok(handle) => return Ok(handle),
                    // Old kernels, and containers whose filter does not know the call.
                    Err(Errno::NOSYS | Errno::PERM) => {}
                    Err(error) => return Err(refusal(path, error)),
                }
            }
            open_by_steps(folder, text, flags).map_err(|error| refusal(path, error))
        }
    }

    /// One component at a time, each without following a link.
    fn open_by_steps(folder: &Folder, text: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let step = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut parents: Vec<&str> = text.split('/').collect();
        let last = parents.pop().unwrap_or(text);
        let mut directory: Option<OwnedFd> = None;
        for part in parents {
            let next = match &directory {
                Some(handle) => rustix::fs::openat(handle, part, step, Mode::empty())?,
                None => rustix::fs::openat(&folder.handle, part, step, Mode::empty())?,
            };
            directory = Some(next);
        }
        let flags = flags | OFlags::NOFOLLOW;
        match &directory {
            Some(handle) => rustix::fs::openat(handle, last, flags, Mode::empty()),
            None => rustix::fs::openat(&folder.handle, last, flags, Mode::empty()),
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
        pub(super) fn checked(&self, path: &WorkspacePath) -> Result<PathBuf, FsError> {
            let (folder, below) = self.locate(path);
            let mut whole = folder.path.clone();
            let mut parents: Vec<&str> = below.split('/').filter(|p| !p.is_empty()).collect();
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

        pub(super) fn read_dir_on_disk(
            &self,
            path: &WorkspacePath,
        ) -> Result<Vec<DirEntry>, FsError> {
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
