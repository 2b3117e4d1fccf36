//! Files as WASI wants them (descriptors, offsets, folders that are made and removed) over the whole
//! contents that a [`GuestFs`](crate::GuestFs) serves. Nothing here touches the host's files.

mod counting;
mod folders;

use crate::files::{AnyFs, FileKind, FsError, FsErrorCode};
use crate::meter::Stop;
use boxagnts_policy::limits::Limits;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Bytes that one read brings.
const MAX_READ: usize = 1 << 20;
/// Folders without files that a call may make: they exist only as long as it runs.
const MAX_MADE: usize = 10_000;
/// Contents that a call may hold open when its own memory is smaller, in bytes.
const MIN_HELD: u64 = 1 << 20;

/// Why an operation on files has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// For the guest.
    Refused(Errno),
    /// Ends the call.
    Stopped(Stop),
}

/// Error codes of `wasi:filesystem` that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    /// Policy hides or protects it.
    Access,
    BadDescriptor,
    Exist,
    FileTooLarge,
    InsufficientMemory,
    Invalid,
    Io,
    IsDirectory,
    Loop,
    NameTooLong,
    NoEntry,
    NotDirectory,
    NotEmpty,
    /// It leads out of the folder.
    NotPermitted,
    ReadOnly,
    Unsupported,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Refused(errno)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        Failure::Stopped(stop)
    }
}

type Outcome<T> = Result<T, Failure>;

/// How a file or folder is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OpenOptions {
    pub(crate) follow: bool,
    pub(crate) create: bool,
    pub(crate) directory: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) write: bool,
}

/// What an open descriptor stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A file, by its number.
    File(u64),
    /// A folder, by its path; empty for the root.
    Folder(String),
}

/// What is known of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: FileKind,
    pub(crate) size: u64,
}

/// An open file. All descriptors of one path share it.
struct Node {
    /// `None` once it was removed: the guest may still read and write what it holds open.
    path: Option<String>,
    /// `None` until something is read or written.
    content: Option<Vec<u8>>,
    /// Bytes of it that were counted as written.
    counted: u64,
    dirty: bool,
    descriptors: usize,
}

/// What an entry of a listing takes besides its name, in bytes.
const ENTRY: u64 = 64;
/// Refused paths that are told.
const MAX_REFUSED: usize = 100;
/// Longest of them, in bytes.
const MAX_REFUSED_PATH: usize = 300;

/// The same for the same path as long as the call runs: a file stays the file that it is when it is
/// written.
pub(crate) fn metadata_hash(identity: &str) -> [u64; 2] {
    let hash = blake3::hash(identity.as_bytes());
    let half = |at: usize| {
        let bytes = hash.as_bytes()[at..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    [half(0), half(8)]
}

fn note(refused: &mut BTreeSet<String>, path: &str) {
    if refused.len() < MAX_REFUSED {
        let path = crate::meter::cut(path, MAX_REFUSED_PATH);
        refused.insert(path.chars().flat_map(char::escape_debug).collect());
    }
}

/// The files of one call.
pub(crate) struct Files {
    fs: Box<dyn AnyFs>,
    limits: Limits,
    writable: bool,
    nodes: HashMap<u64, Node>,
    by_path: BTreeMap<String, u64>,
    last: u64,
    /// Folders without files, which the file system below does not know.
    made: BTreeSet<String>,
    /// Folders without visible files that were removed.
    removed: BTreeSet<String>,
    open: u64,
    opened: u64,
    /// Bytes written.
    written: u64,
    /// Bytes of contents that nodes hold.
    held: u64,
    /// The latest denial: when the guest then fails, that was the reason.
    denied: Option<String>,
    /// What was refused here, before the workspace was asked.
    refused: BTreeSet<String>,
    /// A file that could not be written when its last descriptor went away.
    lost: Option<String>,
}

impl Files {
    /// `writable` is whether the call may change files.
    pub(crate) fn new(fs: Box<dyn AnyFs>, limits: Limits, writable: bool) -> Files {
        Files {
            fs,
            limits,
            writable,
            nodes: HashMap::new(),
            by_path: BTreeMap::new(),
            last: 0,
            made: BTreeSet::new(),
            removed: BTreeSet::new(),
            open: 0,
            opened: 0,
            written: 0,
            held: 0,
            denied: None,
            refused: BTreeSet::new(),
            lost: None,
        }
    }

    /// Bytes written and files opened so far.
    pub(crate) fn used(&self) -> (u64, u64) {
        (self.written, self.opened)
    }

    /// The latest denial.
    pub(crate) fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// Paths that were refused without asking the workspace.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.iter().cloned().collect()
    }

    /// Gives back the file system with everything written.
    ///
    /// # Errors
    /// What the guest left open cannot be written.
    pub(crate) fn finish(mut self) -> (Box<dyn AnyFs>, Result<(), String>) {
        let numbers: Vec<u64> = self.nodes.keys().copied().collect();
        for number in numbers {
            let _ = self.flush(number);
        }
        (self.fs, self.lost.map_or(Ok(()), Err))
    }

    /// The path that `relative` names below the folder `base`.
    fn resolve(&mut self, base: &str, relative: &str) -> Outcome<String> {
        if relative.is_empty() {
            return Err(Errno::NoEntry.into());
        }
        let mut out = |why: &str| {
            self.denied = Some(format!("`{relative}` is denied: {why}"));
            note(&mut self.refused, relative);
            Failure::from(Errno::NotPermitted)
        };
        if relative.starts_with('/') {
            return Err(out("it is an absolute path below an open folder"));
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                // Not below a folder that is no folder; but nothing of that name is followed.
                ".." => {
                    if parts.pop().is_none() {
                        return Err(out("it leads out of the folder"));
                    }
                }
                part => parts.push(part),
            }
        }
        let below = parts.join("/");
        Ok(match (base, below.as_str()) {
            (base, "") => base.to_owned(),
            ("", below) => below.to_owned(),
            (base, below) => format!("{base}/{below}"),
        })
    }

    fn refuse(&mut self, error: FsError) -> Failure {
        let errno = match error.code {
            FsErrorCode::NotFound => Errno::NoEntry,
            FsErrorCode::Denied => Errno::Access,
            FsErrorCode::IsDirectory => Errno::IsDirectory,
            FsErrorCode::NotDirectory => Errno::NotDirectory,
            FsErrorCode::NotRegular => Errno::Unsupported,
            FsErrorCode::TooLarge => Errno::FileTooLarge,
            FsErrorCode::Exists => Errno::Exist,
            FsErrorCode::InvalidPath => Errno::NameTooLong,
            FsErrorCode::Io => Errno::Io,
        };
        if errno == Errno::Access {
            self.denied = Some(error.message);
        }
        errno.into()
    }

    pub(crate) fn check_writable(&self) -> Outcome<()> {
        if self.writable {
            Ok(())
        } else {
            Err(Errno::ReadOnly.into())
        }
    }

    fn kind(&mut self, path: &str) -> Outcome<Stat> {
        let folder = Stat {
            kind: FileKind::Directory,
            size: 0,
        };
        if path.is_empty() || self.made.contains(path) {
            return Ok(folder);
        }
        if let Some(node) = self.by_path.get(path).and_then(|n| self.nodes.get(n))
            && let Some(content) = &node.content
        {
            return Ok(Stat {
                kind: FileKind::File,
                size: content.len() as u64,
            });
        }
        match self.fs.stat(path) {
            Ok(found) if found.kind == FileKind::Directory && self.removed.contains(path) => {
                Err(Errno::NoEntry.into())
            }
            Ok(found) => Ok(Stat {
                kind: found.kind,
                size: found.size,
            }),
            Err(error) => Err(self.refuse(error)),
        }
    }

    fn exists(&mut self, path: &str) -> Outcome<Option<Stat>> {
        match self.kind(path) {
            Ok(stat) => Ok(Some(stat)),
            Err(Failure::Refused(Errno::NoEntry)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Whether a new entry may come to be at `path`: its folder must be there, as on any system.
    fn check_parent(&mut self, path: &str) -> Outcome<()> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self.kind(parent)?.kind {
            FileKind::Directory => Ok(()),
            _ => Err(Errno::NotDirectory.into()),
        }
    }

    /// Opens what is below the folder `base`.
    pub(crate) fn open_at(&mut self, base: &str, path: &str, how: OpenOptions) -> Outcome<Opened> {
        let wants_folder = how.directory || path.ends_with('/');
        let path = self.resolve(base, path)?;
        if how.create || how.truncate || how.write {
            self.check_writable()?;
        }
        if how.truncate && !how.write {
            return Err(Errno::Invalid.into());
        }
        self.count_open()?;
        let opened = self.open(path, how, wants_folder);
        if opened.is_err() {
            self.open -= 1;
        }
        opened
    }

    fn open(&mut self, path: String, how: OpenOptions, wants_folder: bool) -> Outcome<Opened> {
        let Some(found) = self.exists(&path)? else {
            if !how.create || wants_folder {
                return Err(Errno::NoEntry.into());
            }
            self.check_parent(&path)?;
            // Now, so that a refusal meets the guest that can still react to it.
            self.fs
                .write(&path, Vec::new())
                .map_err(|error| self.refuse(error))?;
            return Ok(Opened::File(self.node(path, Some(Vec::new()))));
        };
        match found.kind {
            FileKind::Symlink if how.follow => {
                let denied = format!("`{path}` is a symbolic link; tools follow none");
                self.denied = Some(denied);
                note(&mut self.refused, &path);
                Err(Errno::Access.into())
            }
            FileKind::Symlink => Err(Errno::Loop.into()),
            FileKind::Other => Err(Errno::Unsupported.into()),
            _ if how.create && how.exclusive => Err(Errno::Exist.into()),
            // Who asks for a folder and every right means a folder.
            FileKind::Directory if how.truncate || (how.write && !how.directory) => {
                Err(Errno::IsDirectory.into())
            }
            FileKind::Directory => Ok(Opened::Folder(path)),
            FileKind::File if wants_folder => Err(Errno::NotDirectory.into()),
            FileKind::File => {
                if how.write {
                    self.fs
                        .may_write(&path)
                        .map_err(|error| self.refuse(error))?;
                }
                let number = self.node(path, None);
                if how.truncate {
                    self.set_size(number, 0)
                        .inspect_err(|_| self.release(number))?;
                }
                Ok(Opened::File(number))
            }
        }
    }

    fn node(&mut self, path: String, content: Option<Vec<u8>>) -> u64 {
        let number = *self.by_path.entry(path.clone()).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        let node = self.nodes.entry(number).or_insert(Node {
            path: Some(path),
            content,
            counted: 0,
            dirty: false,
            descriptors: 0,
        });
        node.descriptors += 1;
        number
    }

    /// Another descriptor or stream of an open file.
    pub(crate) fn share(&mut self, number: u64) -> Outcome<()> {
        self.count_open()?;
        if let Some(node) = self.nodes.get_mut(&number) {
            node.descriptors += 1;
        }
        Ok(())
    }

    /// A listing or a folder is open, too.
    pub(crate) fn open_folder(&mut self) -> Outcome<()> {
        self.count_open()
    }

    pub(crate) fn close_folder(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Closes one descriptor of a file; what was written by the last one goes to the file system.
    pub(crate) fn close(&mut self, number: u64) -> Outcome<()> {
        self.open = self.open.saturating_sub(1);
        let last = match self.nodes.get(&number) {
            Some(node) => node.descriptors == 1,
            None => return Ok(()),
        };
        let flushed = if last { self.flush(number) } else { Ok(()) };
        self.release(number);
        flushed
    }

    fn release(&mut self, number: u64) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        node.descriptors -= 1;
        if node.descriptors > 0 {
            return;
        }
        if let Some(node) = self.nodes.remove(&number) {
            self.held -= node.content.map_or(0, |content| content.len() as u64);
            if let Some(path) = node.path {
                self.by_path.remove(&path);
            }
        }
    }

    /// Writes a file's content to the file system, when it changed.
    pub(crate) fn flush(&mut self, number: u64) -> Outcome<()> {
        // A byte that changes has all of its file staged.
        let staged = match self.nodes.get_mut(&number) {
            Some(node) if node.dirty => {
                let size = node.content.as_ref().map_or(0, Vec::len) as u64;
                let more = size.saturating_sub(node.counted);
                node.counted = node.counted.max(size);
                more
            }
            _ => 0,
        };
        self.count_written(staged)?;
        let Some(node) = self.nodes.get_mut(&number) else {
            return Ok(());
        };
        let (Some(path), Some(content), true) = (&node.path, &node.content, node.dirty) else {
            return Ok(());
        };
        let written = self.fs.write(path, content.clone());
        node.dirty = false;
        written.map_err(|error| {
            self.lost = Some(error.message.clone());
            self.refuse(error)
        })
    }

    /// Sees to it that a file's content is at hand.
    fn load(&mut self, number: u64) -> Outcome<&mut Node> {
        let path = match self.nodes.get(&number) {
            None => return Err(Errno::Invalid.into()),
            Some(node) if node.content.is_some() => None,
            Some(node) => Some(node.path.clone().unwrap_or_default()),
        };
        if let Some(path) = path {
            // What cannot be held need not be read.
            let max = self.max_held();
            let content = self
                .fs
                .read(&path, max)
                .map_err(|error| self.refuse(error))?;
            self.hold(content.len() as u64)?;
            if let Some(node) = self.nodes.get_mut(&number) {
                node.content = Some(content);
            }
        }
        let node = self.nodes.get_mut(&number);
        node.ok_or(Failure::Refused(Errno::Invalid))
    }

    /// At most `len` bytes from `offset`; none at the end.
    pub(crate) fn read(&mut self, number: u64, offset: u64, len: u64) -> Outcome<Vec<u8>> {
        let node = self.load(number)?;
        let content = node.content.as_deref().unwrap_or_default();
        let start = usize::try_from(offset).map_or(content.len(), |at| at.min(content.len()));
        let len = usize::try_from(len).map_or(MAX_READ, |len| len.min(MAX_READ));
        let end = start.saturating_add(len).min(content.len());
        Ok(content[start..end].to_vec())
    }

    /// Writes at `offset`, or at the end for `None`.
    pub(crate) fn write(&mut self, number: u64, offset: Option<u64>, bytes: &[u8]) -> Outcome<()> {
        let size = self.load(number)?.content.as_ref().map_or(0, Vec::len) as u64;
        let offset = offset.unwrap_or(size);
        let end = offset
            .checked_add(bytes.len() as u64)
            .ok_or(Errno::FileTooLarge)?;
        // A hole is made of bytes, too.
        let grown = end.saturating_sub(size);
        self.count_written((bytes.len() as u64).max(grown))?;
        self.hold(grown)?;
        let node = self.load(number)?;
        let content = node.content.get_or_insert_default();
        let (Ok(offset), Ok(end)) = (usize::try_from(offset), usize::try_from(end)) else {
            return Err(Errno::FileTooLarge.into());
        };
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(bytes);
        node.counted = node.counted.saturating_add((bytes.len() as u64).max(grown));
        node.dirty = true;
        Ok(())
    }

    pub(crate) fn set_size(&mut self, number: u64, size: u64) -> Outcome<()> {
        let now = self.load(number)?.content.as_ref().map_or(0, Vec::len) as u64;
        let grown = size.saturating_sub(now);
        self.count_written(grown)?;
        self.hold(grown)?;
        self.held -= now.saturating_sub(size);
        let size = usize::try_from(size).map_err(|_| Errno::FileTooLarge)?;
        let node = self.load(number)?;
        let content = node.content.get_or_insert_default();
        content.resize(size, 0);
        content.shrink_to_fit();
        node.counted = node.counted.saturating_add(grown);
        node.dirty = true;
        Ok(())
    }

    /// Kind and size of an open file.
    pub(crate) fn stat(&mut self, number: u64) -> Outcome<Stat> {
        let node = self.nodes.get(&number).ok_or(Errno::Invalid)?;
        match (&node.content, node.path.clone()) {
            (Some(content), _) => Ok(Stat {
                kind: FileKind::File,
                size: content.len() as u64,
            }),
            (None, path) => self.kind(&path.unwrap_or_default()),
        }
    }

    /// Kind and size of what is below the folder `base`. A link is told as what it is, or denied
    /// where it should be followed.
    pub(crate) fn stat_at(&mut self, base: &str, path: &str, follow: bool) -> Outcome<Stat> {
        let wants_folder = path.ends_with('/');
        let path = self.resolve(base, path)?;
        let found = self.kind(&path)?;
        match found.kind {
            FileKind::Symlink if follow => {
                self.denied = Some(format!("`{path}` is a symbolic link; tools follow none"));
                note(&mut self.refused, &path);
                Err(Errno::Access.into())
            }
            FileKind::File if wants_folder => Err(Errno::NotDirectory.into()),
            _ => Ok(found),
        }
    }

    /// The path that `path` names, for those who compare files.
    pub(crate) fn identity_at(&mut self, base: &str, path: &str, follow: bool) -> Outcome<String> {
        self.stat_at(base, path, follow)?;
        self.resolve(base, path)
    }

    /// What tells an open file from others.
    pub(crate) fn identity(&self, number: u64) -> String {
        let path = self.nodes.get(&number).and_then(|node| node.path.clone());
        // No path begins so.
        path.unwrap_or_else(|| format!("/removed/{number}"))
    }

    /// Times of files are not kept; whoever sets them is told no lie about what is not there.
    pub(crate) fn touch_at(&mut self, base: &str, path: &str, follow: bool) -> Outcome<()> {
        self.check_writable()?;
        self.stat_at(base, path, follow)?;
        let path = self.resolve(base, path)?;
        self.fs.may_write(&path).map_err(|error| self.refuse(error))
    }

    /// Links: none are made, none are followed.
    pub(crate) fn refuse_link(&mut self, base: &str, path: &str) -> Failure {
        match self.resolve(base, path) {
            Err(failure) => failure,
            Ok(path) => {
                self.denied = Some(format!("`{path}` is denied: tools make no links"));
                note(&mut self.refused, &path);
                Errno::NotPermitted.into()
            }
        }
    }

    /// What a link says is not told: it may lead out of the workspace.
    pub(crate) fn read_link(&mut self, base: &str, path: &str) -> Failure {
        let kind = self.resolve(base, path).and_then(|path| self.kind(&path));
        match kind {
            Err(failure) => failure,
            Ok(stat) if stat.kind == FileKind::Symlink => Errno::Access.into(),
            Ok(_) => Errno::Invalid.into(),
        }
    }
}
