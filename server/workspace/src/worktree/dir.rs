//! A folder by its handle: whatever is done in it is done by one name, and no link is followed. What
//! commands leave in a worktree is not trusted, so all of its files are reached this way.

use crate::root::Kind;
use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind, Read, Result, Write};

/// What the system says of an entry, without following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    pub(crate) executable: bool,
    /// Names of the file; a file with a second name is not written to.
    pub(crate) links: u64,
    pub(crate) stamp: Stamp,
    pub(crate) dev: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What tells whether a file was written since: its change time cannot be set back, as that of its
/// content can. Seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) len: u64,
    pub(crate) modified: (i64, u32),
    pub(crate) changed: (i64, u32),
    pub(crate) inode: u64,
}

/// Folders that are open at a time while a tree is removed or counted.
const MAX_OPEN: usize = 96;

impl Dir {
    /// The content of a regular file, of at most `max` bytes, and what it was before and behind.
    ///
    /// # Errors
    /// It is something else, too large, changes while it is read, or cannot be read.
    pub(crate) fn read(&self, name: &str, max: u64) -> Result<(Vec<u8>, Stat)> {
        let mut tries = 3;
        loop {
            let (mut file, before) = self.open_file(OsStr::new(name))?;
            if before.kind != Kind::File {
                return Err(Error::other("it is no regular file"));
            }
            if before.stamp.len > max {
                return Err(ErrorKind::FileTooLarge.into());
            }
            let mut bytes = Vec::with_capacity(usize::try_from(before.stamp.len).unwrap_or(0) + 1);
            (&mut file)
                .take(max.saturating_add(1))
                .read_to_end(&mut bytes)?;
            let after = self.stat(OsStr::new(name))?;
            if after == Some(before) && bytes.len() as u64 == before.stamp.len {
                return Ok((bytes, before));
            }
            tries -= 1;
            if tries == 0 {
                return Err(Error::other("it changes while it is read"));
            }
        }
    }

    /// Puts a regular file at `name`, in place of whatever is there.
    ///
    /// # Errors
    /// The system cannot.
    pub(crate) fn write(&self, name: &str, bytes: &[u8], executable: bool) -> Result<Stat> {
        let os = OsStr::new(name);
        let old = match self.stat(os)? {
            Some(stat) if stat.kind == Kind::File && stat.links == 1 => self.reopen(os)?,
            Some(_) => {
                self.remove(os)?;
                None
            }
            None => None,
        };
        let mut file = match old {
            Some(file) => file,
            None => self.create(os, executable)?,
        };
        file.write_all(bytes)?;
        self.seal(&file, executable)
    }

    /// Removes whatever is at `name`, with all below it.
    ///
    /// # Errors
    /// The system cannot; nothing being there is none.
    pub(crate) fn remove(&self, name: &OsStr) -> Result<()> {
        let mut left = vec![name.to_owned()];
        while let Some(name) = left.pop() {
            self.remove_below(&name, MAX_OPEN, &mut (self, &mut left))?;
        }
        Ok(())
    }

    /// Folders that are too deep to be reached with few handles are moved up, to be removed there.
    fn remove_below(
        &self,
        name: &OsStr,
        depth: usize,
        top: &mut (&Dir, &mut Vec<OsString>),
    ) -> Result<()> {
        match self.stat(name)? {
            None => return Ok(()),
            Some(stat) if stat.kind != Kind::Directory => return self.unlink(name),
            Some(_) => {}
        }
        let folder = self.sub_writable(name)?;
        if depth == 0 {
            let mut number = top.1.len();
            let free = loop {
                let free = OsString::from(format!(".boxagnts-removed-{number}"));
                if top.0.stat(&free)?.is_none() {
                    break free;
                }
                number += 1;
            };
            self.rename(name, top.0, &free)?;
            top.1.push(free);
            return Ok(());
        }
        for (entry, _) in folder.entries()? {
            folder.remove_below(&entry, depth - 1, top)?;
        }
        self.unlink_folder(name)
    }

    /// Files below, folders not counted.
    pub(crate) fn count(&self) -> u64 {
        let mut files = 0;
        let mut open = vec![self.entries().unwrap_or_default()];
        // Handles of the way down alone are open at a time.
        let mut way: Vec<Dir> = Vec::new();
        while let Some(level) = open.last_mut() {
            let Some((name, kind)) = level.pop() else {
                open.pop();
                way.pop();
                continue;
            };
            if kind != Kind::Directory {
                files += 1;
                continue;
            }
            // What is deeper is no tree that somebody works in.
            if way.len() >= MAX_OPEN {
                continue;
            }
            let here = way.last().unwrap_or(self);
            if let Ok(folder) = here.sub(&name) {
                open.push(folder.entries().unwrap_or_default());
                way.push(folder);
            }
        }
        files
    }
}

/// A folder that is ours, with all that leads to it, for its owner alone.
///
/// # Errors
/// It cannot be made, or is somebody else's.
pub(crate) fn make_private(folder: &std::path::Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let metadata = std::fs::symlink_metadata(folder)?;
        if !metadata.is_dir() {
            return Err(Error::other("it is a link, or no folder"));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(Error::other("it belongs to somebody else"));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
pub(crate) use unix::Dir;
#[cfg(unix)]
mod unix {
    use super::*;
    use rustix::fd::OwnedFd;
    use rustix::fs::{AtFlags, FileType, Mode, OFlags};
    use rustix::io::Errno;
    use std::fs::File;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::Path;

    const FOLDER: OFlags = OFlags::RDONLY
        .union(OFlags::DIRECTORY)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC);

    /// An open folder.
    #[derive(Debug)]
    pub(crate) struct Dir(OwnedFd);

    impl Dir {
        pub(crate) fn open(path: &Path) -> Result<Dir> {
            Ok(Dir(rustix::fs::open(path, FOLDER, Mode::empty())?))
        }

        pub(crate) fn from_handle(handle: OwnedFd) -> Dir {
            Dir(handle)
        }

        /// The folder at a path with `/` in it; itself where that is empty.
        pub(crate) fn below(&self, path: &str) -> Result<Dir> {
            let mut names = path.split('/').filter(|name| !name.is_empty());
            let Some(first) = names.next() else {
                return self.sub(OsStr::new("."));
            };
            let mut here = self.sub(OsStr::new(first))?;
            for name in names {
                here = here.sub(OsStr::new(name))?;
            }
            Ok(here)
        }

        pub(crate) fn sub(&self, name: &OsStr) -> Result<Dir> {
            Ok(Dir(rustix::fs::openat(
                &self.0,
                name.as_bytes(),
                FOLDER,
                Mode::empty(),
            )?))
        }

        /// As [`Dir::sub`], of one that commands may have made read-only.
        pub(super) fn sub_writable(&self, name: &OsStr) -> Result<Dir> {
            let found = match self.sub(name) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    self.open_up(name)?;
                    self.sub(name)?
                }
                found => found?,
            };
            let stat = rustix::fs::fstat(&found.0)?;
            if !Mode::from_raw_mode(stat.st_mode).contains(Mode::RWXU) {
                rustix::fs::fchmod(&found.0, Mode::RWXU)?;
            }
            Ok(found)
        }

        /// Gives its owner access to a folder, and to nothing that a link leads to.
        #[cfg(target_os = "linux")]
        fn open_up(&self, name: &OsStr) -> Result<()> {
            use std::os::fd::AsRawFd;
            let flags = FOLDER | OFlags::PATH;
            let handle = rustix::fs::openat(&self.0, name.as_bytes(), flags, Mode::empty())?;
            let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
            Ok(rustix::fs::chmod(path, Mode::RWXU)?)
        }

        #[cfg(not(target_os = "linux"))]
        fn open_up(&self, name: &OsStr) -> Result<()> {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let changed = rustix::fs::chmodat(&self.0, name.as_bytes(), Mode::RWXU, flags);
            Ok(changed?)
        }

        pub(super) fn rename(&self, name: &OsStr, to: &Dir, other: &OsStr) -> Result<()> {
            let renamed = rustix::fs::renameat(&self.0, name.as_bytes(), &to.0, other.as_bytes());
            Ok(renamed?)
        }

        /// The folder of that name, in place of whatever else is there.
        pub(crate) fn make(&self, name: &str) -> Result<Dir> {
            let os = OsStr::new(name);
            match self.stat(os)? {
                Some(stat) if stat.kind == Kind::Directory => return self.sub_writable(os),
                Some(_) => self.remove(os)?,
                None => {}
            }
            rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777))?;
            self.sub(os)
        }

        pub(crate) fn stat(&self, name: &OsStr) -> Result<Option<Stat>> {
            match rustix::fs::statat(&self.0, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(Some(of(&stat))),
                Err(Errno::NOENT) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }

        pub(super) fn open_file(&self, name: &OsStr) -> Result<(File, Stat)> {
            let flags = OFlags::RDONLY
                | OFlags::NOFOLLOW
                | OFlags::NONBLOCK
                | OFlags::NOCTTY
                | OFlags::CLOEXEC;
            let handle = rustix::fs::openat(&self.0, name.as_bytes(), flags, Mode::empty())?;
            let stat = of(&rustix::fs::fstat(&handle)?);
            Ok((File::from(handle), stat))
        }

        /// An existing file with nothing in it any more; `None` where it has to be made anew.
        pub(super) fn reopen(&self, name: &OsStr) -> Result<Option<File>> {
            let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match rustix::fs::openat(&self.0, name.as_bytes(), flags, Mode::empty()) {
                Ok(handle) => {
                    let stat = of(&rustix::fs::fstat(&handle)?);
                    if stat.kind == Kind::File && stat.links == 1 {
                        let file = File::from(handle);
                        file.set_len(0)?;
                        return Ok(Some(file));
                    }
                }
                Err(Errno::ACCESS | Errno::LOOP | Errno::NOENT | Errno::NXIO) => {}
                Err(error) => return Err(error.into()),
            }
            self.remove(name)?;
            Ok(None)
        }

        pub(super) fn create(&self, name: &OsStr, executable: bool) -> Result<File> {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
            let handle = rustix::fs::openat(&self.0, name.as_bytes(), flags, mode)?;
            Ok(File::from(handle))
        }

        /// Gives a written file its mode.
        pub(super) fn seal(&self, file: &File, executable: bool) -> Result<Stat> {
            let raw = rustix::fs::fstat(file)?;
            let stat = of(&raw);
            let mode = Mode::from_raw_mode(raw.st_mode);
            let special = mode.intersects(Mode::SUID | Mode::SGID | Mode::SVTX);
            let readable = mode.contains(Mode::RUSR | Mode::WUSR);
            if stat.executable == executable && readable && !special {
                return Ok(stat);
            }
            let mode = if executable { 0o755 } else { 0o644 };
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
            Ok(of(&rustix::fs::fstat(file)?))
        }

        pub(crate) fn entries(&self) -> Result<Vec<(OsString, Kind)>> {
            let mut all = Vec::new();
            // A handle of its own: reading moves its offset.
            for entry in rustix::fs::Dir::read_from(&self.0)? {
                let entry = entry?;
                let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
                if name == "." || name == ".." {
                    continue;
                }
                let kind = match entry.file_type() {
                    FileType::Unknown => match self.stat(&name)? {
                        Some(stat) => stat.kind,
                        None => continue,
                    },
                    kind => kind_of(kind),
                };
                all.push((name, kind));
            }
            Ok(all)
        }

        pub(crate) fn read_link(&self, name: &str) -> Result<OsString> {
            let target = rustix::fs::readlinkat(&self.0, name, Vec::new())?;
            Ok(OsString::from_vec(target.into_bytes()))
        }

        /// Puts a link at `name`, in place of whatever is there. Whether it may lead there is the
        /// caller's to know.
        pub(crate) fn link(&self, name: &str, target: &str) -> Result<Stat> {
            self.remove(OsStr::new(name))?;
            rustix::fs::symlinkat(target, &self.0, name)?;
            let stat = self.stat(OsStr::new(name))?;
            stat.ok_or_else(|| ErrorKind::NotFound.into())
        }

        pub(super) fn unlink(&self, name: &OsStr) -> Result<()> {
            match rustix::fs::unlinkat(&self.0, name.as_bytes(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }

        pub(super) fn unlink_folder(&self, name: &OsStr) -> Result<()> {
            match rustix::fs::unlinkat(&self.0, name.as_bytes(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
    }

    fn kind_of(kind: FileType) -> Kind {
        match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        }
    }

    /// The widths of the fields are the platform's.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    fn of(stat: &rustix::fs::Stat) -> Stat {
        let mode = Mode::from_raw_mode(stat.st_mode);
        Stat {
            kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
            executable: mode.contains(Mode::XUSR),
            links: stat.st_nlink as u64,
            stamp: Stamp {
                len: stat.st_size as u64,
                modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
                changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
                inode: stat.st_ino as u64,
            },
            dev: stat.st_dev as u64,
            uid: stat.st_uid,
            gid: stat.st_gid,
        }
    }
}

#[cfg(not(unix))]
pub(crate) use portable::Dir;
#[cfg(not(unix))]
mod portable {
    use super::*;
    use std::fs::{self, File, Metadata};
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    /// A folder by its path. Links are refused when they are seen; against a race with another process
    /// these platforms offer no portable way.
    #[derive(Debug)]
    pub(crate) struct Dir(PathBuf);

    impl Dir {
        pub(crate) fn open(path: &Path) -> Result<Dir> {
            match fs::symlink_metadata(path)?.is_dir() {
                true => Ok(Dir(path.to_path_buf())),
                false => Err(ErrorKind::NotADirectory.into()),
            }
        }

        pub(crate) fn below(&self, path: &str) -> Result<Dir> {
            let mut here = Dir(self.0.clone());
            for name in path.split('/').filter(|name| !name.is_empty()) {
                here = here.sub(OsStr::new(name))?;
            }
            Ok(here)
        }

        pub(crate) fn sub(&self, name: &OsStr) -> Result<Dir> {
            Dir::open(&self.0.join(name))
        }

        pub(super) fn sub_writable(&self, name: &OsStr) -> Result<Dir> {
            self.sub(name)
        }

        pub(super) fn rename(&self, name: &OsStr, to: &Dir, other: &OsStr) -> Result<()> {
            fs::rename(self.0.join(name), to.0.join(other))
        }

        pub(crate) fn make(&self, name: &str) -> Result<Dir> {
            let os = OsStr::new(name);
            match self.stat(os)? {
                Some(stat) if stat.kind == Kind::Directory => return self.sub(os),
                Some(_) => self.remove(os)?,
                None => {}
            }
            fs::create_dir(self.0.join(name))?;
            self.sub(os)
        }

        pub(crate) fn stat(&self, name: &OsStr) -> Result<Option<Stat>> {
            match fs::symlink_metadata(self.0.join(name)) {
                Ok(metadata) => Ok(Some(of(&metadata))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        }

        pub(super) fn open_file(&self, name: &OsStr) -> Result<(File, Stat)> {
            let stat = self.stat(name)?.ok_or(ErrorKind::NotFound)?;
            if stat.kind != Kind::File {
                return Err(Error::other("it is no regular file"));
            }
            Ok((File::open(self.0.join(name))?, stat))
        }

        /// Whether a file has other names is not known here, so it is made anew.
        pub(super) fn reopen(&self, name: &OsStr) -> Result<Option<File>> {
            self.remove(name)?;
            Ok(None)
        }

        pub(super) fn create(&self, name: &OsStr, _executable: bool) -> Result<File> {
            let mut options = File::options();
            options.write(true).create_new(true);
            options.open(self.0.join(name))
        }

        pub(super) fn seal(&self, file: &File, _executable: bool) -> Result<Stat> {
            Ok(of(&file.metadata()?))
        }

        pub(crate) fn entries(&self) -> Result<Vec<(OsString, Kind)>> {
            let mut all = Vec::new();
            for entry in fs::read_dir(&self.0)? {
                let entry = entry?;
                all.push((entry.file_name(), of(&entry.metadata()?).kind));
            }
            Ok(all)
        }

        pub(crate) fn read_link(&self, name: &str) -> Result<OsString> {
            Ok(fs::read_link(self.0.join(name))?.into_os_string())
        }

        /// As git does without `core.symlinks`: a file that says where the link leads.
        pub(crate) fn link(&self, name: &str, target: &str) -> Result<Stat> {
            self.write(name, target.as_bytes(), false)
        }

        pub(super) fn unlink(&self, name: &OsStr) -> Result<()> {
            let path = self.0.join(name);
            let removed = fs::remove_file(&path);
            removed.or_else(|_| fs::remove_dir(path))
        }

        pub(super) fn unlink_folder(&self, name: &OsStr) -> Result<()> {
            fs::remove_dir(self.0.join(name))
        }
    }

    fn of(metadata: &Metadata) -> Stat {
        let kind = metadata.file_type();
        let kind = if kind.is_symlink() {
            Kind::Symlink
        } else if kind.is_dir() {
            Kind::Directory
        } else if kind.is_file() {
            Kind::File
        } else {
            Kind::Other
        };
        let since = |time: Result<SystemTime>| {
            let since = time
                .ok()
                .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            since.map_or((0, 0), |since| {
                let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
                (seconds, since.subsec_nanos())
            })
        };
        Stat {
            kind,
            executable: false,
            links: 1,
            stamp: Stamp {
                len: metadata.len(),
                modified: since(metadata.modified()),
                changed: since(metadata.modified()),
                inode: 0,
            },
            dev: 0,
            uid: 0,
            gid: 0,
        }
    }
}
