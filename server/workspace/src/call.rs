//! One tool call's transaction: it sees the overlay as it was when the call began, with its own
//! writes on top. Dropped without [`Call::commit`], it leaves nothing.

use crate::changes::{Changes, Lookup};
use crate::content::Content;
use crate::diff::{self, FileDiff};
use crate::error::{CommitError, FsError, FsErrorCode};
use crate::lines::split;
use crate::merge::{self, changes};
use crate::overlay::Overlay;
use crate::root::Kind;
use crate::seen::Seen;
use crate::view;
use crate::visibility::{NAMES, Visibility};
use boxagnts_policy::path::WorkspacePath;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Files that one rename of a folder may move.
const MAX_MOVED_FILES: usize = 10_000;
/// Bytes of files that one call may hold: what it writes, and what was there before.
const MAX_HELD: u64 = 512 << 20;
/// Paths that one call may change: each is held in memory and compared afterwards. A move has two.
const MAX_CHANGED_PATHS: usize = 2 * MAX_MOVED_FILES;

const READ_ONLY: &str = "it is in a folder that `map_dirs` mounts read-only";

/// An entry of a folder, as tools see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Last component.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// A tool call's view of the workspace, and its staged changes.
pub struct Call {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) visibility: Visibility,
    /// The changeset when the call began.
    before: Changes,
    pub(crate) changes: Changes,
    touched: BTreeSet<WorkspacePath>,
    /// What the user has of the files that the call has read, to be the base of what it writes.
    read: Seen,
    /// New files that only an unsaved document has.
    unsaved: BTreeSet<WorkspacePath>,
    group: String,
    /// Bytes of what was written and of what it was made on.
    held: u64,
    pub(crate) walked: bool,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn new(overlay: Arc<Overlay>, changes: Changes, group: String) -> Call {
        let visibility = Visibility::new(Arc::clone(&overlay.root), Arc::clone(&overlay.rules));
        let dirty = |path: &WorkspacePath| overlay.buffers.get(path).is_some_and(|b| b.dirty);
        let new = |path: &WorkspacePath| overlay.root.stamp(path).is_none();
        let open = overlay.buffers.open_paths();
        let unsaved = open
            .into_iter()
            .filter(|path| dirty(path) && new(path))
            .collect();
        Call {
            visibility,
            before: changes.clone(),
            changes,
            touched: BTreeSet::new(),
            read: Seen::default(),
            unsaved,
            group,
            held: 0,
            walked: false,
            overlay,
        }
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// Refused or hidden path, no regular file there, more than `max` bytes.
    pub fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, FsError> {
        let path = WorkspacePath::parse(path)?;
        let content = self.content(&path, max)?;
        let bytes = content.bytes().into_owned();
        match self.changes.get(&path) {
            None => self.read.insert(path, Some(content)),
            // What is proposed is not what the user has.
            Some(change) => {
                let source = change.from.clone().unwrap_or(path);
                self.read.insert(source, change.base.clone());
            }
        }
        Ok(bytes)
    }

    pub(crate) fn content(&mut self, path: &WorkspacePath, max: u64) -> Result<Content, FsError> {
        if path.is_root() {
            return Err(FsError::is_directory(path));
        }
        self.visibility.check(path, Some(false))?;
        match self.changes.lookup(path) {
            Lookup::Content(content) => {
                let len = content.len() as u64;
                if len > max {
                    return Err(FsError::too_large(path, len, max));
                }
                Ok(content.clone())
            }
            Lookup::Absent => Err(FsError::not_found(path)),
            Lookup::Below => {
                let found = view::below(&self.overlay.root, &*self.overlay.buffers, path, max);
                match found {
                    // The folder may exist by the changeset alone.
                    Err(error) if error.code == FsErrorCode::NotFound => {
                        match self.changes.has_files_below(path) {
                            true => Err(FsError::is_directory(path)),
                            false => Err(error),
                        }
                    }
                    other => other,
                }
            }
        }
    }

    /// Kind and size in bytes.
    ///
    /// # Errors
    /// Refused or hidden path, nothing there.
    pub fn stat(&mut self, path: &str) -> Result<(Kind, u64), FsError> {
        let path = WorkspacePath::parse(path)?;
        self.kind(&path)
    }

    pub(crate) fn kind(&mut self, path: &WorkspacePath) -> Result<(Kind, u64), FsError> {
        if path.is_root() {
            return Ok((Kind::Directory, 0));
        }
        // By the strictest reading until the disk has told what it is.
        let hidden_as_unknown = self.visibility.check(path, None);
        if let Lookup::Content(content) = self.changes.lookup(path) {
            let len = content.len() as u64;
            return self
                .visibility
                .check(path, Some(false))
                .map(|()| (Kind::File, len));
        }
        let below = |set: &BTreeSet<WorkspacePath>| {
            set.iter()
                .any(|other| other != path && other.is_within(path))
        };
        if self.changes.has_files_below(path) || below(&self.unsaved) {
            return self
                .visibility
                .check(path, Some(true))
                .map(|()| (Kind::Directory, 0));
        }
        if self.changes.lookup(path) == Lookup::Absent {
            hidden_as_unknown?;
            return Err(FsError::not_found(path));
        }
        if let Some(buffer) = self.overlay.buffers.get(path)
            && buffer.dirty
        {
            let len = buffer.text.len() as u64;
            return self
                .visibility
                .check(path, Some(false))
                .map(|()| (Kind::File, len));
        }
        match self.overlay.root.stat(path) {
            Ok((kind, size)) => {
                self.visibility.check(path, Some(kind == Kind::Directory))?;
                Ok((kind, size))
            }
            Err(error) => hidden_as_unknown.and(Err(error)),
        }
    }

    /// Visible entries of a folder with their sizes in bytes, sorted by name.
    ///
    /// # Errors
    /// Refused or hidden path, no folder there.
    pub fn list(&mut self, path: &str) -> Result<Vec<(Entry, u64)>, FsError> {
        let folder = WorkspacePath::parse(path)?;
        if self.kind(&folder)?.0 == Kind::File {
            return Err(FsError::not_directory(&folder));
        }
        let entries = self.entries(&folder)?;
        let size = |entry: &Entry, call: &Call| {
            let Ok(path) = folder.join(&entry.name) else {
                return 0;
            };
            match (entry.kind, call.changes.lookup(&path)) {
                (Kind::File, Lookup::Content(content)) => content.len() as u64,
                (Kind::File, _) => {
                    let buffer = call
                        .overlay
                        .buffers
                        .get(&path)
                        .filter(|buffer| buffer.dirty);
                    let on_disk = || call.overlay.root.stat(&path).map_or(0, |(_, size)| size);
                    buffer.map_or_else(on_disk, |buffer| buffer.text.len() as u64)
                }
                _ => 0,
            }
        };
        Ok(entries
            .into_iter()
            .map(|entry| (entry.clone(), size(&entry, self)))
            .collect())
    }

    /// Visible entries of a folder, sorted by name.
    pub(crate) fn entries(&mut self, folder: &WorkspacePath) -> Result<Vec<Entry>, FsError> {
        let on_disk = match self.overlay.root.read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.code == FsErrorCode::NotFound => {
                let unsaved = self.unsaved.iter().any(|path| path.is_within(folder));
                if !unsaved && !self.changes.has_files_below(folder) {
                    return Err(error);
                }
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        let present = NAMES.map(|name| on_disk.iter().any(|entry| entry.name == name));
        let chain = self.visibility.folder(folder, Some(present))?;
        let mut merged: BTreeMap<String, Kind> = BTreeMap::new();
        for entry in on_disk {
            let Ok(path) = folder.join(&entry.name) else {
                continue;
            };
            let is_dir = entry.kind == Kind::Directory;
            let gone = !is_dir && self.changes.lookup(&path) == Lookup::Absent;
            if !gone && self.visibility.check_in(&chain, &path, is_dir).is_ok() {
                merged.insert(entry.name, entry.kind);
            }
        }
        let skip = if folder.is_root() {
            0
        } else {
            folder.as_str().len() + 1
        };
        let unsaved = self.unsaved.iter().filter(|path| path.is_within(folder));
        let unsaved = unsaved.filter(|path| self.changes.lookup(path) != Lookup::Absent);
        for path in self.changes.present_below(folder).chain(unsaved) {
            let below = path.as_str().get(skip..).unwrap_or_default();
            let (name, kind) = match below.split_once('/') {
                Some((name, _)) => (name, Kind::Directory),
                // A file that was proposed where the user has a folder now.
                None if below.is_empty() => continue,
                None => (below, Kind::File),
            };
            let Ok(path) = folder.join(name) else {
                continue;
            };
            let known = merged.contains_key(name);
            let is_dir = kind == Kind::Directory;
            if !known && self.visibility.check_in(&chain, &path, is_dir).is_ok() {
                merged.insert(name.to_owned(), kind);
            }
        }
        Ok(merged
            .into_iter()
            .map(|(name, kind)| Entry { name, kind })
            .collect())
    }

    /// Whether [`Call::write`] to `path` would be let happen.
    ///
    /// # Errors
    /// As [`Call::write`].
    pub fn may_write(&mut self, path: &str) -> Result<(), FsError> {
        self.check_target(&WorkspacePath::parse(path)?)
    }

    /// Creates or replaces a file, missing folders included.
    ///
    /// # Errors
    /// Refused, hidden or protected path, a folder there, a file where a folder should be.
    pub fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), FsError> {
        let path = WorkspacePath::parse(path)?;
        self.check_target(&path)?;
        self.hold(&path, content.len())?;
        let content = Content::from_bytes(content);
        let base = self.base(&path, Some(&content))?;
        self.touch(&path)?;
        self.changes.set(&path, || base, Some(content));
        Ok(())
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Refused, hidden or protected path, no file there.
    pub fn remove(&mut self, path: &str) -> Result<(), FsError> {
        let path = WorkspacePath::parse(path)?;
        self.check_source(&path)?;
        self.remove_file(&path)
    }

    fn remove_file(&mut self, path: &WorkspacePath) -> Result<(), FsError> {
        let base = self.base(path, None)?;
        self.touch(path)?;
        self.changes.set(path, || base, None);
        Ok(())
    }

    /// Moves a file, or every visible file of a folder.
    ///
    /// # Errors
    /// As [`Call::write`] for `to` and [`Call::remove`] for `from`; something is at `to`.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError> {
        let (from, to) = (WorkspacePath::parse(from)?, WorkspacePath::parse(to)?);
        if from == to {
            return Err(FsError::exists(&to));
        }
        match self.kind(&from)?.0 {
            Kind::Directory => self.rename_folder(&from, &to),
            _ => {
                self.check_source(&from)?;
                self.rename_file(&from, &to)
            }
        }
    }

    fn rename_file(&mut self, from: &WorkspacePath, to: &WorkspacePath) -> Result<(), FsError> {
        self.check_target(to)?;
        match self.kind(to) {
            Ok(_) => return Err(FsError::exists(to)),
            Err(error) if error.code == FsErrorCode::NotFound => {}
            Err(error) => return Err(error),
        }
        let base = self.base(from, None)?;
        self.touch(from)?;
        self.touch(to)?;
        self.changes.rename(from, to, || base);
        Ok(())
    }

    fn rename_folder(&mut self, from: &WorkspacePath, to: &WorkspacePath) -> Result<(), FsError> {
        if from.is_root() || to.is_within(from) {
            let message = format!("`{from}` cannot move into itself");
            return Err(FsError::new(FsErrorCode::InvalidPath, message));
        }
        if self.kind(to).is_ok() {
            return Err(FsError::exists(to));
        }
        let mut walk = self.walk(from.as_str())?;
        let most = u32::try_from(MAX_MOVED_FILES + 1).unwrap_or(u32::MAX);
        let files = self.walk_next(&mut walk, most)?;
        if files.is_empty() {
            let message = format!("`{from}` has no visible file to move");
            return Err(FsError::new(FsErrorCode::NotFound, message));
        }
        if files.len() > MAX_MOVED_FILES {
            let message = format!("`{from}` has more than {MAX_MOVED_FILES} files; move its parts");
            return Err(FsError::new(FsErrorCode::TooLarge, message));
        }
        for file in files {
            let below = file.get(from.as_str().len() + 1..).unwrap_or_default();
            let source = WorkspacePath::parse(&file)?;
            self.check_source(&source)?;
            self.rename_file(&source, &to.join(below)?)?;
        }
        Ok(())
    }

    /// Whether a file may come to be at `path`.
    pub(crate) fn check_target(&mut self, path: &WorkspacePath) -> Result<(), FsError> {
        if path.is_root() {
            return Err(FsError::is_directory(path));
        }
        if let Some(reason) = path.protected() {
            return Err(FsError::denied(path, reason));
        }
        if self.overlay.root.is_read_only(path) {
            return Err(FsError::denied(path, READ_ONLY));
        }
        self.visibility.check(path, Some(false))?;
        let mut parent = path.parent();
        while let Some(folder) = parent.filter(|folder| !folder.is_root()) {
            match self.kind(&folder) {
                Ok((Kind::Directory, _)) => break,
                Ok((Kind::Symlink, _)) => return Err(FsError::link(path)),
                Ok(_) => return Err(FsError::not_directory(&folder)),
                Err(error) if error.code == FsErrorCode::NotFound => {}
                Err(error) => return Err(error),
            }
            parent = folder.parent();
        }
        match self.kind(path) {
            Ok((Kind::Directory, _)) => Err(FsError::is_directory(path)),
            Ok((Kind::Symlink, _)) => Err(FsError::link(path)),
            Ok((Kind::Other, _)) => {
                let message = format!("`{path}` is a device, socket or FIFO");
                Err(FsError::new(FsErrorCode::NotRegular, message))
            }
            Ok((Kind::File, _)) => Ok(()),
            Err(error) if error.code == FsErrorCode::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the file at `path` may go away.
    pub(crate) fn check_source(&mut self, path: &WorkspacePath) -> Result<(), FsError> {
        if let Some(reason) = path.protected() {
            return Err(FsError::denied(path, reason));
        }
        if self.overlay.root.is_read_only(path) {
            return Err(FsError::denied(path, READ_ONLY));
        }
        match self.kind(path)?.0 {
            Kind::File => Ok(()),
            Kind::Directory => Err(FsError::is_directory(path)),
            Kind::Symlink => Err(FsError::link(path)),
            Kind::Other => {
                let message = format!("`{path}` is a device, socket or FIFO");
                Err(FsError::new(FsErrorCode::NotRegular, message))
            }
        }
    }

    /// What a file was when the tools first saw it: the base of a change that begins now, to
    /// `content` where it has any.
    fn base(
        &mut self,
        path: &WorkspacePath,
        content: Option<&Content>,
    ) -> Result<Option<Content>, FsError> {
        let base = self.find_base(path, content)?;
        if let Some(base) = &base {
            self.hold(path, base.len())?;
        }
        Ok(base)
    }

    fn find_base(
        &self,
        path: &WorkspacePath,
        content: Option<&Content>,
    ) -> Result<Option<Content>, FsError> {
        if self.changes.lookup(path) != Lookup::Below {
            return Ok(None);
        }
        let seen = || self.overlay.lock().seen.get(path).cloned();
        if let Some(Some(read)) = self.read.get(path) {
            // A tool that reads a file may still write what the model made of an earlier reading.
            let older = seen()
                .flatten()
                .filter(|seen| seen != read && content.is_some_and(|new| nearer(seen, read, new)));
            return Ok(Some(older.unwrap_or_else(|| read.clone())));
        }
        let live = view::below(
            &self.overlay.root,
            &*self.overlay.buffers,
            path,
            view::MAX_FILE,
        );
        match live {
            // Read in an earlier call: what the user typed since is then merged, not undone.
            // A file that was not there when it was last asked for is one that is moved or removed now.
            Ok(live) => Ok(seen()
                .filter(|seen| seen.is_some() || content.is_some())
                .unwrap_or(Some(live))),
            Err(error) if error.code == FsErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Counts what is kept until the call is over.
    fn hold(&mut self, path: &WorkspacePath, bytes: usize) -> Result<(), FsError> {
        self.held = self.held.saturating_add(bytes as u64);
        if self.held > MAX_HELD {
            let message = format!(
                "`{path}`: one call changes at most {} MiB of files; use several",
                MAX_HELD >> 20
            );
            return Err(FsError::new(FsErrorCode::TooLarge, message));
        }
        Ok(())
    }

    /// Marks everything that an operation on `path` may change.
    fn touch(&mut self, path: &WorkspacePath) -> Result<(), FsError> {
        if self.touched.len() >= MAX_CHANGED_PATHS && !self.touched.contains(path) {
            let message = format!(
                "`{path}`: one call changes at most {MAX_CHANGED_PATHS} files; use several"
            );
            return Err(FsError::new(FsErrorCode::TooLarge, message));
        }
        let moved_here = self
            .changes
            .get(path)
            .and_then(|change| change.from.clone());
        let moved_away = self.changes.moved_to(path).cloned();
        self.touched
            .extend(moved_here.into_iter().chain(moved_away));
        self.touched.insert(path.clone());
        Ok(())
    }

    /// Unified diff of what the call has changed so far, as tools see the files.
    pub fn diff(&self) -> String {
        let content = |changes: &Changes, path: &WorkspacePath| match changes.lookup(path) {
            Lookup::Content(content) => Some(content.clone()),
            Lookup::Absent => None,
            Lookup::Below => self.read.get(path).cloned().flatten().or_else(|| {
                view::below(
                    &self.overlay.root,
                    &*self.overlay.buffers,
                    path,
                    view::MAX_FILE,
                )
                .ok()
            }),
        };
        let mut files = Vec::new();
        let mut sources = BTreeSet::new();
        for path in &self.touched {
            let was_moved = self
                .before
                .get(path)
                .is_some_and(|change| change.from.is_some());
            let from = self
                .changes
                .get(path)
                .and_then(|change| change.from.clone());
            let before = match &from {
                Some(from) if !was_moved => {
                    sources.insert(from.clone());
                    content(&self.before, from)
                }
                _ => content(&self.before, path),
            };
            let from = from.filter(|_| !was_moved);
            let after = content(&self.changes, path);
            files.push(FileDiff {
                path: path.clone(),
                from,
                before,
                after,
            });
        }
        files.retain(|file| {
            file.from.is_some() || !sources.contains(&file.path) || file.after.is_some()
        });
        diff::unified(&files)
    }

    /// Hands the changes to the overlay, all or none.
    ///
    /// # Errors
    /// The user decided on one of the files meanwhile; nothing is taken over then.
    pub fn commit(self) -> Result<(), CommitError> {
        if !self.touched.is_empty() {
            self.overlay
                .commit(&self.before, &self.changes, &self.touched, &self.group)?;
        }
        // The model does not see what a search reads, nor what a tool reads to change it.
        if !self.walked {
            let mut state = self.overlay.lock();
            for (path, content) in self.read {
                if self.touched.contains(&path) {
                    continue;
                }
                state.seen.insert(path, content);
            }
        }
        Ok(())
    }
}

/// Whether `new` differs no more from `one` than from the `other`: by words, where the texts are not
/// too long for that, else by lines. Not for what is no text.
fn nearer(one: &Content, other: &Content, new: &Content) -> bool {
    let (Some(one), Some(other), Some(new)) = (one.text(), other.text(), new.text()) else {
        return false;
    };
    let lines = |old: &str| {
        let changes = changes(&split(old), &split(new));
        let lines = changes.iter().map(|c| c.old.len().max(c.new.len()));
        lines.sum::<usize>()
    };
    match (merge::distance(one, new), merge::distance(other, new)) {
        (Some(one), Some(other)) => one <= other,
        _ => lines(one) <= lines(other),
    }
}
