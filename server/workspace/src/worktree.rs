//! Git worktrees for those who need real files: full or partial copies of what tools see, outside of the
//! user's folder and unknown to the user's repository.
//!
//! A worktree has the last commit, what the user has not committed, unsaved text and what is proposed. Its
//! git folder is made here ([`gitdir`]) and borrows the user's objects; the one thing that is ever written
//! into the user's repository is a new branch, when [`Worktree::commit_to_branch`] is asked for. One that
//! is given back is kept and filled again with what differs: what is there is looked at, never believed,
//! so that one that a killed process left half filled is as good as any.

mod branch;
mod changes;
mod dir;
mod error;
mod fill;
mod gitdir;
mod head;
mod manifest;
mod name;
mod pool;
mod settle;
mod wanted;

pub use branch::{Branch, Committed, Person, user};
pub use changes::{Before, WorktreeChange, WorktreeChanges};
pub(crate) use dir::Dir;
pub use error::WorktreeError;
pub use name::check_branch;
pub use pool::{PruneReport, WorktreeInfo, WorktreeState, list, prune};

use crate::buffers::Buffers;
use crate::call::Call;
use crate::error::{FsErrorCode, OpenError};
use crate::overlay::Overlay;
use boxagnts_policy::path::WorkspacePath;
use dir::make_private;
use fill::{Filled, Filler};
use head::Head;
use manifest::Manifest;
use pool::{Pool, Slot};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wanted::{Notes, Wanted};

/// A tree with more files than these is filled by and by, as they are asked for.
pub const SPARSE_ABOVE: usize = 20_000;
/// Idle worktrees of a repository that are worth keeping.
pub const IDLE_KEPT: usize = 4;

/// The worktrees of one workspace.
#[derive(Debug)]
pub struct Worktrees {
    pool: Pool,
    workspace: PathBuf,
    /// Of the folder with the files.
    name: String,
    sparse_above: usize,
}

/// A worktree, for as long as it is not dropped: then it is given back.
pub struct Worktree {
    slot: Slot,
    /// Of the repository's files; the workspace may be a folder in it.
    tree: PathBuf,
    path: PathBuf,
    workspace: PathBuf,
    handle: Dir,
    /// What tools saw when it was taken.
    call: Call,
    head: Head,
    manifest: Manifest,
    sparse: bool,
    ignores_case: bool,
    written: usize,
    notes: Notes,
}

impl fmt::Debug for Worktree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worktree")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Worktrees {
    /// Those of the workspace's repository, kept below `state`, which is made for its owner alone. Trees
    /// of more than [`SPARSE_ABOVE`] files are filled as files are asked for.
    ///
    /// # Errors
    /// The workspace is in no git repository, or one that cannot be trusted or read; `state` is in the
    /// workspace, or around it, or cannot be used.
    pub fn open(state: &Path, overlay: &Overlay) -> Result<Worktrees, WorktreeError> {
        let workspace = overlay.root().to_path_buf();
        let (repository, _) = head::open(&workspace)?;
        let cannot = |error: std::io::Error| WorktreeError::state(state, &error);
        refuse_inside(state, repository.workdir().unwrap_or(&workspace))?;
        make_private(state).map_err(cannot)?;
        let state = state.canonicalize().map_err(cannot)?;
        let files = repository.workdir().and_then(|dir| dir.canonicalize().ok());
        let files = files.unwrap_or_else(|| workspace.clone());
        // Again, now that it has no links in its path.
        refuse_inside(&state, &files)?;
        if files.starts_with(&state) {
            let reason = "the workspace is in it: a worktree has no worktrees";
            return Err(WorktreeError::state(&state, &reason));
        }
        let name = files.file_name().and_then(OsStr::to_str).unwrap_or("tree");
        let name = match WorkspacePath::parse(name) {
            Ok(path) if !path.is_root() => path.name().to_owned(),
            _ => "tree".to_owned(),
        };
        let identity = [repository.path(), workspace.as_path()]
            .map(|path| path.as_os_str().as_encoded_bytes())
            .join(&0);
        let hash = fill::hash(&identity).map_err(cannot)?.to_string();
        let key = format!("{name}-{}", hash.get(..16).unwrap_or(&hash));
        let pool = Pool::open(&state, &key, &workspace);
        Ok(Worktrees {
            pool: pool.map_err(|error| WorktreeError::state(&state, &error))?,
            workspace,
            name,
            sparse_above: SPARSE_ABOVE,
        })
    }

    /// With another number of files above which trees are filled by and by.
    pub fn sparse_above(self, files: usize) -> Worktrees {
        Worktrees {
            sparse_above: files,
            ..self
        }
    }

    /// A worktree with what the overlay shows now, its proposal included. `name` says to people what it is
    /// taken for. Takes its time: not to be called where others wait for the thread.
    ///
    /// # Errors
    /// The repository cannot be read, or the worktree cannot be written.
    pub fn take(&self, overlay: &Arc<Overlay>, name: &str) -> Result<Worktree, WorktreeError> {
        if overlay.root() != self.workspace {
            let reason = format!("these are the worktrees of {}", self.workspace.display());
            return Err(WorktreeError::repository(overlay.root(), reason));
        }
        let head = Head::read(&self.workspace)?;
        let slot = self.pool.take(name);
        let slot = slot.map_err(|error| WorktreeError::state(&self.workspace, &error))?;
        let call = overlay.begin("worktree");
        Worktree::fill(slot, &self.name, call, head, self.sparse_above)
    }
}

fn refuse_inside(state: &Path, files: &Path) -> Result<(), WorktreeError> {
    if state.starts_with(files) {
        let reason = format!(
            "it is in the user's folder {}; name another by BOXAGNTS_STATE_DIR",
            files.display()
        );
        return Err(WorktreeError::state(state, &reason));
    }
    Ok(())
}

impl Worktree {
    fn fill(
        slot: Slot,
        name: &str,
        mut call: Call,
        head: Head,
        sparse_above: usize,
    ) -> Result<Worktree, WorktreeError> {
        let failed = |path: &Path, error: std::io::Error| WorktreeError::file(path, &error);
        let in_slot = |error| failed(&slot.folder, error);
        let top = Dir::open(&slot.folder).map_err(in_slot)?;
        // All that commands could have written of it goes: nothing of it is needed.
        top.remove(OsStr::new("git")).map_err(in_slot)?;
        let kept = slot.folder.join("kept");
        make_private(&kept).map_err(in_slot)?;
        let parent = top.make("tree").map_err(in_slot)?;
        let handle = parent.make(name).map_err(in_slot)?;
        for (other, _) in parent.entries().map_err(in_slot)? {
            if other != name {
                parent.remove(&other).map_err(in_slot)?;
            }
        }
        let tree = slot.folder.join("tree").join(name);
        let path = head.prefix.split('/').filter(|part| !part.is_empty());
        let path = path.fold(tree.clone(), |whole, part| whole.join(part));
        let ignores_case = ignores_case(&top).map_err(in_slot)?;
        gitdir::make(&slot.folder.join("git"), &head, ignores_case)?;
        let pointer = handle.write(".git", b"gitdir: ../../git\n", false);
        pointer.map_err(|error| failed(&tree, error))?;
        let old = Manifest::load(&slot.manifest());
        let sparse = head.entries.len() > sparse_above;
        let root = WorkspacePath::root();
        let paths = match sparse {
            false => vec![root.clone()],
            // What it had is put in order, or removed where it is gone.
            true => {
                let mut paths: Vec<WorkspacePath> = known(&old, &head.prefix).collect();
                paths.retain(|path| call.kind(path).is_ok());
                paths
            }
        };
        let mut wanted = Wanted::look(&mut call, &paths, &head.prefix, &head);
        wanted.folder(&root, &head.prefix);
        if ignores_case {
            wanted.without_collisions();
        }
        let mut worktree = Worktree {
            workspace: call.overlay.root().to_path_buf(),
            manifest: Manifest {
                commit: head.commit,
                entries: Default::default(),
            },
            slot,
            tree,
            path,
            handle,
            call,
            head,
            sparse,
            ignores_case,
            written: 0,
            notes: Notes::default(),
        };
        worktree.put(wanted, &old, true)?;
        worktree.forget_kept(&kept);
        if !worktree.head.prefix.is_empty() {
            let what = "the folder of the repository that is open, and no other is there";
            worktree.notes.add(&worktree.head.prefix, what);
        }
        Ok(worktree)
    }

    /// Puts files there, and keeps in mind what they were.
    fn put(&mut self, wanted: Wanted, old: &Manifest, whole: bool) -> Result<(), WorktreeError> {
        let kept = self.slot.folder.join("kept");
        let tree = (&self.handle, self.tree.as_path());
        let filler = Filler::new(&self.call, &self.head, old, tree, &kept, whole);
        let Filled {
            entries,
            notes,
            written,
        } = filler.fill(&wanted)?;
        self.written = written;
        self.notes.take(wanted.notes);
        self.notes.take(notes);
        let in_slot = |error| WorktreeError::file(&self.slot.folder, &error);
        let mut entries = entries;
        let top = Dir::open(&self.slot.folder).map_err(in_slot)?;
        let stamps = entries.iter().map(|(_, entry)| &entry.own);
        if !settle::settle(&top, stamps).map_err(in_slot)? {
            // By its time alone none of them would be known again: they are compared by what they say.
            for (_, entry) in &mut entries {
                entry.own.inode = u64::MAX;
            }
        }
        self.manifest.entries.extend(entries);
        self.write_index()?;
        let manifest = self.slot.manifest();
        let saved = self.manifest.save(&manifest);
        saved.map_err(|error| WorktreeError::file(&manifest, &error))
    }

    fn write_index(&mut self) -> Result<(), WorktreeError> {
        let stat = Dir::open(&self.tree).and_then(|tree| tree.stat(OsStr::new(".git")));
        let stat = stat.map_err(|error| WorktreeError::file(&self.tree, &error))?;
        let device = stat.map_or((0, 0, 0), |stat| (stat.dev, stat.uid, stat.gid));
        let (call, sparse) = (&mut self.call, self.sparse);
        let mut is_removed = |path: &WorkspacePath| {
            // One look for each file of a large tree would take too long.
            let missing = |found: crate::error::FsError| found.code == FsErrorCode::NotFound;
            !sparse && call.kind(path).err().is_some_and(missing)
        };
        let folder = self.slot.folder.join("git");
        gitdir::write_index(&folder, &self.head, &self.manifest, device, &mut is_removed)
    }

    /// Removes texts that were kept for what is no longer there.
    fn forget_kept(&self, kept: &Path) {
        let entries = self.manifest.entries.values();
        let used: HashSet<String> = entries.map(|entry| entry.hash.to_string()).collect();
        for file in fs::read_dir(kept).into_iter().flatten().flatten() {
            let name = file.file_name();
            if !name.to_str().is_some_and(|name| used.contains(name)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Where the workspace's files are, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the repository's files are: the same, or above [`Worktree::path`]. Git in it needs the
    /// [`Worktree::git_folder`] and the [`Worktree::objects`].
    pub fn repository_path(&self) -> &Path {
        &self.tree
    }

    /// The worktree's own git folder.
    pub fn git_folder(&self) -> PathBuf {
        self.slot.folder.join("git")
    }

    /// The user's objects, which git in the worktree reads and never writes.
    pub fn objects(&self) -> &Path {
        &self.head.objects
    }

    /// Whether files are there only when they were asked for, with [`Worktree::need`].
    pub fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// Files that the last filling wrote; the others were there.
    pub fn written(&self) -> usize {
        self.written
    }

    /// What of the workspace is not there, and why, for who works in it.
    pub fn notes(&self) -> Vec<String> {
        self.notes.told()
    }

    /// Makes files and folders, with all below them, be there that are not yet. What somebody has made,
    /// changed or removed meanwhile in the worktree is left alone. Gives how many files came.
    ///
    /// # Errors
    /// The overlay shows nothing at one of the paths, or the worktree cannot be written.
    pub fn need(&mut self, paths: &[&str]) -> Result<usize, WorktreeError> {
        if !self.sparse {
            return Ok(0);
        }
        let in_words = |reason: String| WorktreeError::Path { reason };
        let paths = paths.iter().map(|path| WorkspacePath::parse(path));
        let paths: Result<Vec<WorkspacePath>, _> = paths.collect();
        let paths = paths.map_err(|error| in_words(error.to_string()))?;
        for path in &paths {
            self.call
                .kind(path)
                .map_err(|error| in_words(error.message))?;
        }
        let mut wanted = Wanted::look(&mut self.call, &paths, &self.head.prefix, &self.head);
        if self.ignores_case {
            wanted.without_collisions();
        }
        let mut coming = 0;
        for (path, folder) in &mut wanted.folders {
            let here = self.handle.below(path).ok();
            let new = |name: &str| {
                let path = wanted::join(path, name);
                let there = here.as_ref().map(|dir| dir.stat(OsStr::new(name)));
                !self.manifest.entries.contains_key(&path)
                    && there.is_none_or(|there| matches!(there, Ok(None)))
            };
            folder.files.retain(|name| new(name));
            folder.links.retain(|(name, _)| new(name));
            coming += folder.files.len() + folder.links.len();
        }
        // A folder that somebody replaced by a file stays replaced.
        let replaced = |path: &str| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let stat = self
                .handle
                .below(parent)
                .and_then(|dir| dir.stat(OsStr::new(name)));
            matches!(stat, Ok(Some(stat)) if stat.kind != crate::root::Kind::Directory)
        };
        let mut gone: Vec<String> = Vec::new();
        wanted.folders.retain(|path, _| {
            let below = |above: &String| {
                path.strip_prefix(above.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            let out = gone.iter().any(below) || (!path.is_empty() && replaced(path));
            if out {
                gone.push(path.clone());
            }
            !out
        });
        if coming > 0 {
            self.put(wanted, &Manifest::default(), false)?;
        }
        Ok(self.written.min(coming))
    }

    /// Whether the user has changes in a file of the workspace that are not committed.
    pub fn has_uncommitted(&self, path: &WorkspacePath) -> bool {
        let path = wanted::in_tree(&self.head.prefix, path);
        match head::open(&self.workspace) {
            Ok((repository, _)) => !self.is_committed(&repository, &path),
            Err(_) => true,
        }
    }

    /// An overlay over the worktree, for tools that work in it: though it lies among what is BoxAgnts' own,
    /// which no other overlay shows.
    ///
    /// # Errors
    /// Its folder is gone.
    pub fn overlay(&self, buffers: Arc<dyn Buffers>) -> Result<Arc<Overlay>, OpenError> {
        Overlay::open_own(&self.path, buffers)
    }
}

/// Paths in the workspace of what a worktree was filled with.
fn known<'a>(manifest: &'a Manifest, prefix: &'a str) -> impl Iterator<Item = WorkspacePath> + 'a {
    let below = manifest.entries.keys();
    below.filter_map(move |path| WorkspacePath::parse(path.strip_prefix(prefix)?).ok())
}

/// Whether the disk takes two names that differ by case for one.
fn ignores_case(folder: &Dir) -> std::io::Result<bool> {
    folder.write("Case", b"", false)?;
    let same = folder.stat(OsStr::new("case"))?.is_some();
    folder.remove(OsStr::new("Case"))?;
    Ok(same)
}
