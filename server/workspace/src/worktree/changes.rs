//! What somebody changed in a worktree since it was filled.

use super::fill::{hash, kept_path, without_cr};
use super::manifest::{Committed, Entry};
use super::wanted::join;
use super::{Worktree, WorktreeError, head};
use crate::content::Content;
use crate::error::FsErrorCode;
use crate::root::Kind;
use crate::view::MAX_FILE;
use boxagnts_policy::path::WorkspacePath;
use git2::{Oid, Repository};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::ErrorKind;

/// Bytes of files that are held at once; changes of more are named.
const MAX_HELD: usize = 512 << 20;

/// What changed in a worktree.
#[derive(Debug, Default)]
pub struct WorktreeChanges {
    /// Files, by path. Those that tools may not see are no part of it.
    pub files: Vec<WorktreeChange>,
    /// What changed and is not in `files`, each with its reason.
    pub left_out: Vec<String>,
}

/// A file that changed in a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeChange {
    /// Where it is in the workspace.
    pub path: WorkspacePath,
    /// What it was when the worktree was filled.
    pub before: Before,
    /// What it is now; `None` where it was removed.
    pub after: Option<Content>,
    /// Whether it is a program now.
    pub executable: bool,
}

/// What a file in a worktree was when that was filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// It was not there.
    Absent,
    /// This.
    Content(Content),
    /// Something that is nowhere any more: it was too large to be kept, and the user has changed it since.
    Unknown,
}

impl Worktree {
    /// What differs from what the worktree was filled with. Looks at all of its files; reads those that were
    /// written.
    ///
    /// # Errors
    /// The worktree cannot be read.
    pub fn changes(&mut self) -> Result<WorktreeChanges, WorktreeError> {
        let repository = head::open(&self.workspace)
            .ok()
            .map(|(repository, _)| repository);
        let mut looking = Looking {
            found: WorktreeChanges::default(),
            seen: HashSet::new(),
            held: 0,
            repository,
        };
        let mut open = vec![String::new()];
        while let Some(folder) = open.pop() {
            let at = self.tree.join(&folder);
            let failed = |error: std::io::Error| WorktreeError::file(&at, &error);
            let opened = self.handle.below(&folder);
            let opened = opened.and_then(|here| here.entries().map(|entries| (here, entries)));
            let (here, entries) = match opened {
                Ok(opened) => opened,
                Err(error) if folder.is_empty() => return Err(failed(error)),
                Err(error) => {
                    looking.leave_out(&folder, &error.to_string());
                    continue;
                }
            };
            for (name, kind) in entries {
                if folder.is_empty() && name == ".git" {
                    continue;
                }
                let shown = join(&folder, &name.to_string_lossy());
                let Some(name) = name.to_str() else {
                    looking.leave_out(&shown, "its name is no UTF-8");
                    continue;
                };
                let tree_path = join(&folder, name);
                let prefix = self.head.prefix.as_str();
                let below = tree_path.strip_prefix(prefix).map(WorkspacePath::parse);
                let path = match below {
                    Some(Ok(path)) => path,
                    // On the way to the workspace.
                    None if kind == Kind::Directory
                        && prefix.starts_with(&format!("{tree_path}/")) =>
                    {
                        open.push(tree_path);
                        continue;
                    }
                    Some(Err(_)) if kind != Kind::Directory || name != ".git" => {
                        looking.leave_out(&shown, "its name is not one that tools may use");
                        continue;
                    }
                    Some(Err(_)) => continue,
                    None => {
                        looking.leave_out(&shown, "it is outside of the workspace");
                        continue;
                    }
                };
                let is_dir = kind == Kind::Directory;
                let hidden = self.call.visibility.check(&path, Some(is_dir)).is_err();
                if hidden {
                    // Built, ignored or secret.
                } else if is_dir {
                    open.push(tree_path);
                } else {
                    let stat = here.stat(OsStr::new(name)).map_err(failed)?;
                    let entry = self.manifest.entries.get(&tree_path).copied();
                    let same = entry.is_some_and(|entry| entry.is_untouched(stat.as_ref()));
                    if !same {
                        match kind {
                            Kind::File => {
                                let read = here.read(name, MAX_FILE);
                                self.written_file(&mut looking, &path, entry, read)?;
                            }
                            Kind::Symlink => {
                                let target = here.read_link(name).map_err(failed)?;
                                let target = hash(target.as_encoded_bytes()).map_err(failed)?;
                                if !entry.is_some_and(|old| old.link && old.hash == target) {
                                    looking.leave_out(&shown, "it is a link");
                                }
                            }
                            _ => looking.leave_out(&shown, "it is a device, socket or FIFO"),
                        }
                    }
                    looking.seen.insert(tree_path);
                }
            }
        }
        self.removed_files(&mut looking);
        looking.found.files.sort_by(|a, b| a.path.cmp(&b.path));
        looking.found.left_out.sort();
        Ok(looking.found)
    }

    fn written_file(
        &mut self,
        looking: &mut Looking,
        path: &WorkspacePath,
        entry: Option<Entry>,
        read: std::io::Result<(Vec<u8>, super::dir::Stat)>,
    ) -> Result<(), WorktreeError> {
        let (bytes, stat) = match read {
            Ok(read) => read,
            Err(error) => {
                looking.leave_out(path.as_str(), &error.to_string());
                return Ok(());
            }
        };
        let failed = |error| WorktreeError::file(&self.tree, &error);
        let now = hash(&bytes).map_err(failed)?;
        let old = entry.filter(|entry| !entry.link);
        if old.is_some_and(|old| old.hash == now && old.executable == stat.executable) {
            return Ok(());
        }
        let after = Content::from_bytes(bytes);
        let before = match (&old, entry) {
            (Some(old), _) => self.before(looking.repository.as_ref(), path, old),
            // A link that became a file.
            (None, Some(_)) => Before::Absent,
            (None, None) => match self.call.content(path, MAX_FILE) {
                Err(error) if error.code == FsErrorCode::NotFound => Before::Absent,
                Err(_) => Before::Unknown,
                // Not asked for yet, and made by somebody else.
                Ok(content) if content == after && content.len() == after.len() => return Ok(()),
                Ok(content) => Before::Content(content),
            },
        };
        looking.add(WorktreeChange {
            path: path.clone(),
            before,
            after: Some(after),
            executable: stat.executable,
        });
        Ok(())
    }

    fn removed_files(&mut self, looking: &mut Looking) {
        let seen = std::mem::take(&mut looking.seen);
        for (tree_path, entry) in &self.manifest.entries {
            if seen.contains(tree_path) || !self.is_gone(tree_path) {
                continue;
            }
            let below = tree_path.strip_prefix(self.head.prefix.as_str());
            let Some(Ok(path)) = below.map(WorkspacePath::parse) else {
                continue;
            };
            if self.call.visibility.check(&path, Some(false)).is_err() {
                continue;
            }
            if entry.link {
                looking.leave_out(tree_path, "a link that was removed");
                continue;
            }
            let before = self.before(looking.repository.as_ref(), &path, entry);
            looking.add(WorktreeChange {
                path,
                before,
                after: None,
                executable: false,
            });
        }
    }

    /// Whether nothing is there: a file that was not seen may be in a folder that is closed.
    fn is_gone(&self, tree_path: &str) -> bool {
        let (folder, name) = tree_path.rsplit_once('/').unwrap_or(("", tree_path));
        let found = self.handle.below(folder);
        match found.and_then(|here| here.stat(OsStr::new(name))) {
            Ok(found) => found.is_none(),
            Err(error) => {
                // What some systems say of a link where a folder is wanted.
                #[cfg(unix)]
                let link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
                #[cfg(not(unix))]
                let link = false;
                link || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
            }
        }
    }

    /// What a file was when it was put there, from wherever it still is; proven by its hash.
    fn before(
        &self,
        repository: Option<&Repository>,
        path: &WorkspacePath,
        entry: &Entry,
    ) -> Before {
        let blob = |id: Oid| {
            let blob = repository.and_then(|repository| repository.find_blob(id).ok());
            blob.map(|blob| blob.content().to_vec())
        };
        let in_head = || {
            let path = format!("{}{}", self.head.prefix, path.as_str());
            self.head.get(&path).map(|entry| entry.id)
        };
        let committed = || match entry.committed {
            Committed::Same => blob(entry.hash),
            Committed::LineEnds => in_head().and_then(blob).map(|bytes| with_cr(&bytes)),
            Committed::Other => None,
        };
        let kept = || {
            let path = kept_path(&self.slot.folder.join("kept"), entry.hash);
            std::fs::read(path).ok()
        };
        let of_user = || {
            let read = self.call.overlay.root.read(path, MAX_FILE);
            read.ok().map(|(bytes, _)| bytes)
        };
        let proven = |bytes: &Vec<u8>| hash(bytes).is_ok_and(|hash| hash == entry.hash);
        let found = committed()
            .filter(proven)
            .or_else(|| kept().filter(proven))
            .or_else(|| of_user().filter(proven));
        found.map_or(Before::Unknown, |bytes| {
            Before::Content(Content::from_bytes(bytes))
        })
    }
}

/// A walk over a worktree.
struct Looking {
    found: WorktreeChanges,
    /// Paths from the worktree's root.
    seen: HashSet<String>,
    held: usize,
    repository: Option<Repository>,
}

impl Looking {
    fn leave_out(&mut self, path: &str, why: &str) {
        self.found
            .left_out
            .push(format!("`{}`: {why}", path.escape_debug()));
    }

    fn add(&mut self, change: WorktreeChange) {
        let before = match &change.before {
            Before::Content(content) => content.len(),
            Before::Absent | Before::Unknown => 0,
        };
        let after = change.after.as_ref().map_or(0, Content::len);
        self.held = self.held.saturating_add(before).saturating_add(after);
        if self.held > MAX_HELD {
            let path = change.path;
            let why = format!("more than {} MiB changed in all", MAX_HELD >> 20);
            self.leave_out(path.as_str(), &why);
            return;
        }
        self.found.files.push(change);
    }
}

/// A text's bytes with `\r\n` for each `\n`.
pub(crate) fn with_cr(bytes: &[u8]) -> Vec<u8> {
    let plain = without_cr(bytes);
    let plain = plain.as_deref().unwrap_or(bytes);
    let mut all = Vec::with_capacity(plain.len() + plain.len() / 16);
    for line in plain.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                all.extend_from_slice(text);
                all.extend_from_slice(b"\r\n");
            }
            None => all.extend_from_slice(line),
        }
    }
    all
}
