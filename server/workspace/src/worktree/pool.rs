//! Where worktrees are kept, and whose each is: a folder for each repository, in it a slot for each
//! worktree, whose lock is held by the process that works in it. The operating system takes the lock back
//! when the process dies, however it dies.

use super::dir::{Dir, make_private};
use super::error::WorktreeError;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Held while slots are made, looked at or removed, so that nobody takes a look for a sign of life.
const ALONE: &str = "lock";
/// In a repository's folder: which one it is.
const REPOSITORY: &str = "repository";
/// In a slot.
const LOCK: &str = "lock";
const OWNER: &str = "owner";
const MANIFEST: &str = "manifest";
/// In front of a slot's name while it is removed.
const GONE: &str = "removed-";
/// A longer name of a worktree is cut, in characters.
const MAX_NAME: usize = 100;

/// A place for a worktree, held by this process.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) folder: PathBuf,
    _lock: Lock,
}

/// A worktree that is kept for a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeInfo {
    /// Its files.
    pub path: PathBuf,
    /// The workspace folder that it is of.
    pub workspace: PathBuf,
    /// Whether somebody works in it.
    pub state: WorktreeState,
    /// Files in it, those that commands left included.
    pub files: u64,
    /// When it was taken, or given back.
    pub since: SystemTime,
}

/// Whether somebody works in a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorktreeState {
    /// A process works in it.
    InUse {
        /// Its number; 0 where it has not told it yet.
        pid: u32,
        /// What the worktree was taken for.
        name: String,
    },
    /// It was given back, and waits for the next.
    Idle,
    /// Its process died in it. The next one to take it puts it in order.
    Left {
        /// The number that the process had.
        pid: u32,
        /// What the worktree was taken for.
        name: String,
    },
}

/// What [`prune`] did.
#[derive(Debug, Default)]
pub struct PruneReport {
    /// Worktrees that are no more.
    pub removed: Vec<PathBuf>,
    /// Worktrees that stay: in use, or idle.
    pub kept: usize,
    /// What could not be removed, and why.
    pub failed: Vec<(PathBuf, String)>,
}

/// The slots of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    state: PathBuf,
    folder: PathBuf,
    workspace: PathBuf,
}

impl Pool {
    /// Those of the workspace, made when there are none.
    pub(crate) fn open(state: &Path, key: &str, workspace: &Path) -> Result<Pool> {
        let pool = Pool {
            state: state.to_path_buf(),
            folder: state.join(key),
            workspace: workspace.to_path_buf(),
        };
        let _alone = alone(state)?;
        pool.make()?;
        Ok(pool)
    }

    /// Makes the repository's folder, which goes as soon as it is one without worktrees.
    fn make(&self) -> Result<()> {
        make_private(&self.folder)?;
        let note = self.folder.join(REPOSITORY);
        if !note.exists() {
            fs::write(note, self.workspace.as_os_str().as_encoded_bytes())?;
        }
        Ok(())
    }

    /// A slot that nobody works in, the one that was filled last; else a new one.
    pub(crate) fn take(&self, name: &str) -> Result<Slot> {
        let _alone = alone(&self.state)?;
        let mut slots = slots(&self.folder)?;
        let filled = |slot: &PathBuf| {
            let metadata = fs::symlink_metadata(slot.join(MANIFEST));
            metadata.and_then(|metadata| metadata.modified()).ok()
        };
        slots.sort_by_cached_key(|slot| std::cmp::Reverse(filled(slot)));
        let mut free = slots
            .into_iter()
            .filter_map(|slot| Some((hold(&slot)?, slot)));
        let (lock, folder) = match free.next() {
            Some(free) => free,
            None => {
                self.make()?;
                let mut number = 1_u32;
                let folder = loop {
                    let folder = self.folder.join(number.to_string());
                    match fs::symlink_metadata(&folder) {
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => break folder,
                        _ => number = number.saturating_add(1),
                    }
                };
                make_private(&folder)?;
                let lock = hold(&folder).ok_or_else(|| Error::other("its lock cannot be held"))?;
                (lock, folder)
            }
        };
        let name: String = name
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_NAME)
            .collect();
        let mut owner = File::create(folder.join(OWNER))?;
        write!(owner, "{}\n{name}\n", std::process::id())?;
        Ok(Slot {
            folder,
            _lock: lock,
        })
    }
}

impl Slot {
    pub(crate) fn manifest(&self) -> PathBuf {
        self.folder.join(MANIFEST)
    }
}

/// A file that is locked until this is dropped.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it would not do: a process that is just being started has it open for a moment, too.
        let _ = self.0.unlock();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // With the lock still held: who finds it free finds no owner either.
        if let Err(error) = fs::remove_file(self.folder.join(OWNER)) {
            tracing::debug!(%error, slot = %self.folder.display(), "a worktree looks left behind");
        }
    }
}

/// Every worktree that is kept below `state`, whatever it is of.
pub fn list(state: &Path) -> Vec<WorktreeInfo> {
    let Ok(alone) = existing(state).and_then(|()| alone(state)) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for repository in folders(state).unwrap_or_default() {
        let workspace = workspace_of(&repository);
        for slot in slots(&repository).unwrap_or_default() {
            let held = hold(&slot).is_none();
            let owner = owner(&slot);
            let changed = |name: &str| {
                let metadata = fs::symlink_metadata(slot.join(name));
                metadata.and_then(|metadata| metadata.modified()).ok()
            };
            let (pid, name, since) = match owner {
                Some((pid, name)) => (pid, name, changed(OWNER)),
                None => (0, String::new(), changed(MANIFEST)),
            };
            let state = match (held, pid) {
                (true, _) => WorktreeState::InUse { pid, name },
                (false, 0) => WorktreeState::Idle,
                (false, _) => WorktreeState::Left { pid, name },
            };
            all.push(WorktreeInfo {
                path: files_of(&slot),
                workspace: workspace.clone().unwrap_or_default(),
                state,
                files: 0,
                since: since.or_else(|| changed(LOCK)).unwrap_or(UNIX_EPOCH),
            });
        }
    }
    // Nobody waits for that.
    drop(alone);
    for info in &mut all {
        let files = Dir::open(&info.path).map_or(0, |files| files.count());
        // The pointer to git's folder is not a file of the user.
        info.files = files.saturating_sub(1);
    }
    all
}

/// Removes worktrees: those that dead processes left, idle ones of a repository beyond `idle`, the longest
/// unused first, and all free ones of a repository that is gone. The repositories themselves have nothing
/// registered of them.
///
/// # Errors
/// The folder cannot be looked at. What single worktrees say is in the report.
pub fn prune(state: &Path, idle: usize) -> std::result::Result<PruneReport, WorktreeError> {
    let failed = |error: Error| WorktreeError::state(state, &error);
    let mut report = PruneReport::default();
    if existing(state).is_err() {
        return Ok(report);
    }
    let mut gone = Vec::new();
    {
        let _alone = alone(state).map_err(failed)?;
        for repository in folders(state).map_err(failed)? {
            prune_one(&repository, idle, &mut gone, &mut report);
            // Unless there is something in it.
            let note = repository.join(REPOSITORY);
            if fs::read_dir(&repository).is_ok_and(|all| all.count() <= 1) {
                let _ = fs::remove_file(note).and_then(|()| fs::remove_dir(&repository));
            }
        }
    }
    // That takes its time; nobody else needs to wait for it.
    for (place, was) in gone {
        let parent = place.parent().map(Dir::open);
        let removed = match (parent, place.file_name()) {
            (Some(Ok(parent)), Some(name)) => parent.remove(name),
            (Some(Err(error)), _) => Err(error),
            _ => Ok(()),
        };
        match removed {
            Ok(()) => {
                report.removed.extend(was);
                if let Some(repository) = place.parent()
                    && fs::read_dir(repository).is_ok_and(|all| all.count() <= 1)
                    && let Ok(_alone) = alone(state)
                    && fs::read_dir(repository).is_ok_and(|all| all.count() <= 1)
                {
                    let note = repository.join(REPOSITORY);
                    let _ = fs::remove_file(note).and_then(|()| fs::remove_dir(repository));
                }
            }
            Err(error) => report.failed.push((place, error.to_string())),
        }
    }
    Ok(report)
}

fn prune_one(
    repository: &Path,
    idle: usize,
    gone: &mut Vec<(PathBuf, Option<PathBuf>)>,
    report: &mut PruneReport,
) {
    let exists = workspace_of(repository).is_some_and(|folder| folder.is_dir());
    let keep = if exists { idle } else { 0 };
    // What an earlier one could not bring to its end.
    let entries = fs::read_dir(repository).into_iter().flatten().flatten();
    let half = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.starts_with(GONE))
    });
    gone.extend(half.map(|entry| (entry.path(), None)));
    let mut waiting = Vec::new();
    for slot in slots(repository).unwrap_or_default() {
        let Some(lock) = hold(&slot) else {
            report.kept += 1;
            continue;
        };
        let used =
            fs::symlink_metadata(slot.join(MANIFEST)).and_then(|metadata| metadata.modified());
        // Neither left by a dead process nor half made.
        let used = used.ok().filter(|_| owner(&slot).is_none());
        waiting.push((used, slot, lock));
    }
    waiting.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
    for (at, (used, slot, _lock)) in waiting.into_iter().enumerate() {
        if used.is_some() && at < keep {
            report.kept += 1;
            continue;
        }
        let name = slot.file_name().unwrap_or(OsStr::new("slot")).to_owned();
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut place = OsString::from(GONE);
        place.push(name);
        place.push(format!("-{}", stamp.unwrap_or(Duration::ZERO).as_nanos()));
        let place = repository.join(place);
        let was = files_of(&slot);
        match fs::rename(&slot, &place) {
            Ok(()) => gone.push((place, Some(was))),
            Err(error) => report.failed.push((slot, error.to_string())),
        }
    }
}

/// The folder of a worktree's files, which has the name of the user's.
pub(crate) fn files_of(slot: &Path) -> PathBuf {
    let tree = slot.join("tree");
    let entries = fs::read_dir(&tree).into_iter().flatten().flatten();
    let name = entries.map(|entry| entry.file_name()).next();
    name.map_or_else(|| tree.clone(), |name| tree.join(name))
}

/// Alone among the processes of ours that look at the worktrees there.
fn alone(state: &Path) -> Result<Lock> {
    let mut options = File::options();
    options.read(true).append(true).create(true);
    let file = options.open(state.join(ALONE))?;
    file.lock()?;
    Ok(Lock(file))
}

fn existing(state: &Path) -> Result<()> {
    Dir::open(state).map(drop)
}

/// The lock of a slot, when nobody holds it.
fn hold(slot: &Path) -> Option<Lock> {
    // Made anew where a process died before it made one.
    let mut options = File::options();
    options.read(true).append(true).create(true);
    let file = options.open(slot.join(LOCK)).ok()?;
    file.try_lock().ok()?;
    Some(Lock(file))
}

fn owner(slot: &Path) -> Option<(u32, String)> {
    let text = fs::read_to_string(slot.join(OWNER)).ok()?;
    let (pid, name) = text.split_once('\n').unwrap_or((&text, ""));
    Some((pid.parse().unwrap_or(0).max(1), name.trim_end().to_owned()))
}

fn workspace_of(repository: &Path) -> Option<PathBuf> {
    let bytes = fs::read(repository.join(REPOSITORY)).ok()?;
    #[cfg(unix)]
    let path = <OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes);
    #[cfg(not(unix))]
    let path = OsString::from(String::from_utf8(bytes).ok()?);
    Some(PathBuf::from(path))
}

fn slots(repository: &Path) -> Result<Vec<PathBuf>> {
    let all = folders(repository)?.into_iter();
    let is_slot = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Ok(all.filter(is_slot).collect())
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let entries = entries.flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    Ok(folders)
}
