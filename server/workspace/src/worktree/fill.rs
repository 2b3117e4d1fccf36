//! Puts files into a worktree: only those that differ from what is there, by a few threads.
//!
//! Files are copied from what the user has on disk, which has the line ends and the filters' results that
//! the user works with; git's objects are not needed for that, and none of its filters.

use super::changes::with_cr;
use super::dir::{Dir, Stamp};
use super::error::WorktreeError;
use super::head::Head;
use super::manifest::{Committed, Entry, Manifest};
use super::wanted::{Folder, Notes, Wanted, join};
use crate::call::Call;
use crate::changes::Changes;
use crate::changes::Lookup;
use crate::overlay::Overlay;
use crate::root::Kind;
use crate::view::MAX_FILE;
use git2::{ObjectType, Oid};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files that a thread takes at a time.
const CHUNK: usize = 128;
/// More threads wait for the disk, and for each other in its folders.
const MAX_THREADS: usize = 4;
/// A text that no commit has is kept beside the worktree up to this size, all of them up to the other: to
/// say later what a command changed.
const MAX_KEPT: usize = 16 << 20;
const MAX_KEPT_ALL: u64 = 256 << 20;
/// A file that was changed so shortly before it was read may be changed again without looking newer: for
/// disks that count nanoseconds, in ticks of the system, and for those that count seconds, or two.
const TICKS: Duration = Duration::from_millis(100);
const SECONDS: Duration = Duration::from_secs(2);

/// Who fills.
pub(crate) struct Filler<'a> {
    overlay: &'a Overlay,
    changes: &'a Changes,
    head: &'a Head,
    old: &'a Manifest,
    tree: &'a Dir,
    tree_path: &'a Path,
    /// Where texts are kept that no commit has.
    kept: &'a Path,
    /// Whether all that is not wanted goes.
    whole: bool,
    kept_bytes: AtomicU64,
}

/// A part of a folder's files.
struct Chunk<'a> {
    path: &'a str,
    folder: &'a Folder,
    files: &'a [String],
    /// Whether it is the folder's first one.
    first: bool,
}

/// What was filled.
#[derive(Default)]
pub(crate) struct Filled {
    pub(crate) entries: Vec<(String, Entry)>,
    pub(crate) notes: Notes,
    /// Files that were written; the others were there.
    pub(crate) written: usize,
}

/// A file as it is to be.
enum Source {
    /// As a tool proposed it, or the user has it in a document.
    Bytes(Vec<u8>, bool),
    /// On disk, with what tells whether it changes.
    Disk(Stamp, bool),
}

impl<'a> Filler<'a> {
    pub(crate) fn new(
        call: &'a Call,
        head: &'a Head,
        old: &'a Manifest,
        (tree, tree_path): (&'a Dir, &'a Path),
        kept: &'a Path,
        whole: bool,
    ) -> Filler<'a> {
        Filler {
            overlay: &call.overlay,
            changes: &call.changes,
            head,
            old,
            tree,
            tree_path,
            kept,
            whole,
            kept_bytes: AtomicU64::new(0),
        }
    }

    /// Fills. Half done, it is done again from the start: what is there is looked at, not believed.
    ///
    /// # Errors
    /// The worktree cannot be written.
    pub(crate) fn fill(&self, wanted: &Wanted) -> Result<Filled, WorktreeError> {
        for path in wanted.folders.keys().filter(|path| !path.is_empty()) {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let made = self.tree.below(parent).and_then(|dir| dir.make(name));
            made.map_err(|error| self.failed(path, &error))?;
        }
        let chunks: Vec<Chunk<'_>> = wanted.folders.iter().flat_map(chunks).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(MAX_THREADS).min(chunks.len()).max(1);
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut all = Filled::default();
            while !stop.load(Ordering::Relaxed)
                && let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed))
            {
                if let Err(error) = self.chunk(chunk, &mut all) {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            Ok(all)
        };
        let mut all = std::thread::scope(|scope| {
            // With fewer threads, where the system has no more, it only takes longer.
            let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads).filter_map(spawn).collect();
            let mut results = vec![work()];
            for other in others {
                results.push(other.join().unwrap_or_else(|_| {
                    let panicked = std::io::Error::other("a thread that fills it panicked");
                    Err(WorktreeError::file(self.tree_path, &panicked))
                }));
            }
            results.into_iter().collect::<Result<Vec<_>, _>>()
        })?;
        let mut filled = all.pop().unwrap_or_default();
        for one in all {
            filled.entries.extend(one.entries);
            filled.notes.take(one.notes);
            filled.written += one.written;
        }
        Ok(filled)
    }

    fn failed(&self, path: &str, error: &std::io::Error) -> WorktreeError {
        WorktreeError::file(&self.tree_path.join(path), error)
    }

    fn chunk(&self, chunk: &Chunk<'_>, all: &mut Filled) -> Result<(), WorktreeError> {
        let here = self.tree.below(chunk.path);
        let here = here.map_err(|error| self.failed(chunk.path, &error))?;
        if chunk.first && self.whole {
            self.clean(&here, chunk)
                .map_err(|error| self.failed(chunk.path, &error))?;
        }
        // A folder that only the proposal has is on no disk.
        let at = chunk.folder.at.as_ref();
        let source = at.and_then(|at| self.overlay.root.folder(at).ok());
        for name in chunk.files {
            let path = join(chunk.path, name);
            let filled = self.file(&here, source.as_ref(), chunk, name, &path, all);
            let entry = filled.map_err(|error| self.failed(&path, &error))?;
            match entry {
                Ok(entry) => all.entries.push((path, entry)),
                Err(reason) => {
                    all.notes.add(&path, &format!("it is not there: {reason}"));
                    // What was there before is not what it would be.
                    let gone = here.remove(OsStr::new(name));
                    gone.map_err(|error| self.failed(&path, &error))?;
                }
            }
        }
        for (name, target) in chunk.folder.links.iter().filter(|_| chunk.first) {
            let path = join(chunk.path, name);
            let entry = self.link(&here, name, target, &path, all);
            let entry = entry.map_err(|error| self.failed(&path, &error))?;
            all.entries.push((path, entry));
        }
        Ok(())
    }

    /// Removes what does not belong there.
    fn clean(&self, here: &Dir, chunk: &Chunk<'_>) -> std::io::Result<()> {
        let folder = chunk.folder;
        let names = folder.files.iter().chain(&folder.folders);
        let names = names.chain(folder.links.iter().map(|(name, _)| name));
        let wanted: HashSet<&OsStr> = names.map(OsStr::new).collect();
        let pointer = |name: &OsString| chunk.path.is_empty() && name == ".git";
        let extra = |name: &OsString| !wanted.contains(name.as_os_str()) && !pointer(name);
        let entries = here.entries()?.into_iter();
        for (name, _) in entries.filter(|(name, _)| extra(name)) {
            here.remove(&name)?;
        }
        Ok(())
    }

    /// The outer error is the worktree's, the inner one the user's file's.
    fn file(
        &self,
        here: &Dir,
        folder: Option<&Dir>,
        chunk: &Chunk<'_>,
        name: &str,
        path: &str,
        all: &mut Filled,
    ) -> std::io::Result<Result<Entry, String>> {
        let Some(source) = self.source(folder, chunk, name) else {
            return Ok(Err("it is gone from the user's folder".to_owned()));
        };
        let there = here.stat(OsStr::new(name))?;
        let old = self.old.entries.get(path).filter(|old| !old.link);
        let old = old.filter(|old| old.is_untouched(there.as_ref()));
        let (stamp, executable) = match &source {
            Source::Bytes(_, executable) => (None, *executable),
            Source::Disk(stamp, executable) => (Some(*stamp), *executable),
        };
        if let Some(old) = old
            && stamp.is_some()
            && old.source == stamp
            && old.executable == executable
        {
            let (committed, known) = self.known(path, old);
            if known {
                if committed == Committed::Other {
                    self.kept_bytes.fetch_add(old.own.len, Ordering::Relaxed);
                }
                return Ok(Ok(Entry { committed, ..*old }));
            }
        }
        let now = SystemTime::now();
        let (bytes, stamp) = match (source, folder) {
            (Source::Bytes(bytes, _), _) => (bytes, None),
            (Source::Disk(..), Some(folder)) => match folder.read(name, MAX_FILE) {
                Ok((bytes, stat)) => (bytes, Some(stat.stamp).filter(|stamp| is_old(stamp, now))),
                Err(error) => return Ok(Err(error.to_string())),
            },
            (Source::Disk(..), None) => return Ok(Err("its folder is gone".to_owned())),
        };
        let hash = hash(&bytes)?;
        let committed = self.committed(path, hash, &bytes)?;
        let as_committed = match committed {
            Committed::Same => true,
            // Of mixed line ends, the commit does not know which were which.
            Committed::LineEnds => with_cr(&bytes) == bytes,
            Committed::Other => false,
        };
        if !as_committed {
            self.keep(hash, &bytes);
        }
        let own = match old {
            Some(old) if old.hash == hash && old.executable == executable => old.own,
            _ => {
                all.written += 1;
                here.write(name, &bytes, executable)?.stamp
            }
        };
        Ok(Ok(Entry {
            hash,
            committed,
            link: false,
            executable,
            own,
            source: stamp,
        }))
    }

    fn source(&self, folder: Option<&Dir>, chunk: &Chunk<'_>, name: &str) -> Option<Source> {
        let path = chunk.folder.at.as_ref()?.join(name).ok()?;
        let stat = folder.and_then(|folder| folder.stat(OsStr::new(name)).ok().flatten());
        let stat = stat.filter(|stat| stat.kind == Kind::File);
        let executable = stat.is_some_and(|stat| stat.executable);
        match self.changes.lookup(&path) {
            Lookup::Absent => return None,
            Lookup::Content(content) => {
                // A file that moves stays what it is.
                let from = self
                    .changes
                    .get(&path)
                    .and_then(|change| change.from.clone());
                let executable = match from {
                    Some(from) => self.is_executable(&from),
                    None => executable,
                };
                return Some(Source::Bytes(content.bytes().into_owned(), executable));
            }
            Lookup::Below => {}
        }
        if let Some(buffer) = self.overlay.buffers.get(&path)
            && buffer.dirty
        {
            return Some(Source::Bytes(buffer.text.as_bytes().to_vec(), executable));
        }
        stat.map(|stat| Source::Disk(stat.stamp, executable))
    }

    fn is_executable(&self, path: &boxagnts_policy::path::WorkspacePath) -> bool {
        let parent = path
            .parent()
            .and_then(|at| self.overlay.root.folder(&at).ok());
        let stat = parent.and_then(|dir| dir.stat(OsStr::new(path.name())).ok().flatten());
        stat.is_some_and(|stat| stat.executable)
    }

    fn link(
        &self,
        here: &Dir,
        name: &str,
        target: &str,
        path: &str,
        all: &mut Filled,
    ) -> std::io::Result<Entry> {
        let hash = hash(target.as_bytes())?;
        let old = self
            .old
            .entries
            .get(path)
            .filter(|old| old.link && old.hash == hash);
        let there = here.stat(OsStr::new(name))?;
        let own = match old.filter(|old| old.is_untouched(there.as_ref())) {
            Some(old) => old.own,
            None => {
                all.written += 1;
                here.link(name, target)?.stamp
            }
        };
        Ok(Entry {
            hash,
            committed: self.committed(path, hash, target.as_bytes())?,
            link: true,
            executable: false,
            own,
            source: None,
        })
    }

    /// How a file whose bytes are not read again relates to the commit of now, and whether that can be
    /// told.
    fn known(&self, path: &str, old: &Entry) -> (Committed, bool) {
        let same_id = self
            .head
            .get(path)
            .is_some_and(|entry| entry.id == old.hash);
        match old.committed {
            _ if same_id => (Committed::Same, true),
            // It was kept then, or is the user's file.
            Committed::Other if self.old.commit == self.head.commit => (Committed::Other, true),
            Committed::LineEnds if self.old.commit == self.head.commit => {
                (Committed::LineEnds, true)
            }
            _ => (Committed::Other, false),
        }
    }

    fn committed(&self, path: &str, hash: Oid, bytes: &[u8]) -> std::io::Result<Committed> {
        let Some(entry) = self.head.get(path) else {
            return Ok(Committed::Other);
        };
        if entry.id == hash {
            return Ok(Committed::Same);
        }
        let other = without_cr(bytes);
        match other {
            Some(plain) if self::hash(&plain)? == entry.id => Ok(Committed::LineEnds),
            _ => Ok(Committed::Other),
        }
    }

    /// Without it, what it was can only be told while the user's file stays as it is.
    fn keep(&self, hash: Oid, bytes: &[u8]) {
        let len = bytes.len() as u64;
        let sum = self.kept_bytes.fetch_add(len, Ordering::Relaxed);
        if bytes.len() > MAX_KEPT || sum.saturating_add(len) > MAX_KEPT_ALL {
            return;
        }
        let path = kept_path(self.kept, hash);
        let there = std::fs::symlink_metadata(&path);
        if !there.is_ok_and(|there| there.is_file() && there.len() == len)
            && let Err(error) = std::fs::write(&path, bytes)
        {
            tracing::debug!(%error, path = %path.display(), "a base is not kept");
        }
    }
}

/// Where a content that no commit has is kept.
pub(crate) fn kept_path(folder: &Path, hash: Oid) -> PathBuf {
    folder.join(hash.to_string())
}

/// As git names a blob with these bytes.
pub(crate) fn hash(bytes: &[u8]) -> std::io::Result<Oid> {
    Oid::hash_object(ObjectType::Blob, bytes).map_err(std::io::Error::other)
}

/// A text's bytes with `\n` for each `\r\n`; `None` where it has none, or is no text.
pub(crate) fn without_cr(bytes: &[u8]) -> Option<Vec<u8>> {
    if memchr::memmem::find(bytes, b"\r\n").is_none() || bytes.contains(&0) {
        return None;
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        let (line, behind) = rest.split_at(at);
        plain.extend_from_slice(line);
        rest = behind.strip_prefix(b"\r").unwrap_or(behind);
        plain.push(b'\n');
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    plain.extend_from_slice(rest);
    Some(plain)
}

fn chunks<'a>((path, folder): (&'a String, &'a Folder)) -> impl Iterator<Item = Chunk<'a>> {
    // A folder without files is still one to clean.
    let none = folder.files.is_empty().then_some((0, &[] as &[String]));
    let some = folder.files.chunks(CHUNK).enumerate();
    none.into_iter().chain(some).map(move |(at, files)| Chunk {
        path,
        folder,
        files,
        first: at == 0,
    })
}

/// Whether what changes a file from `now` on is seen in its stamp.
fn is_old(stamp: &Stamp, now: SystemTime) -> bool {
    let coarse = stamp.changed.1 == 0;
    let changed = u64::try_from(stamp.changed.0).unwrap_or(0);
    let changed = UNIX_EPOCH + Duration::new(changed, stamp.changed.1);
    let margin = if coarse { SECONDS } else { TICKS };
    changed.checked_add(margin).is_some_and(|end| end < now)
}
