//! The git folder of a worktree: made by us, all of it, and outside of the user's `.git`. It borrows the
//! user's objects and nothing else, so that the user's repository knows nothing of it, and git in the
//! worktree runs nothing that the user's repository names.

use super::error::WorktreeError;
use super::head::Head;
use super::manifest::{Committed, Manifest};
use boxagnts_policy::path::WorkspacePath;
use git2::{Index, IndexEntry, IndexTime, Oid};
use std::fs;
use std::io::Error;
use std::path::Path;

/// Git looks no further at a file of which the index says so.
const SKIP_WORKTREE: u16 = 1 << 14;
const SUBMODULE: u32 = 0o160_000;
/// Git writes 4 bytes of a file's size.
const MASK: u64 = u32::MAX as u64;

/// Makes the folder, of which nothing is there.
///
/// # Errors
/// It cannot be written.
pub(crate) fn make(folder: &Path, head: &Head, ignore_case: bool) -> Result<(), WorktreeError> {
    let failed = |error: Error| WorktreeError::file(folder, &error);
    for below in [
        "objects/info",
        "objects/pack",
        "refs/heads",
        "refs/tags",
        "info",
    ] {
        fs::create_dir_all(folder.join(below)).map_err(failed)?;
    }
    let objects = head.objects.to_str().filter(|path| !path.contains('\n'));
    let objects = objects.ok_or_else(|| {
        let reason = format!(
            "git cannot borrow objects from {}, for its path",
            head.objects.display()
        );
        WorktreeError::file(folder, &Error::other(reason))
    })?;
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).map_err(failed);
    write("objects/info/alternates", format!("{objects}\n").as_bytes())?;
    write("config", config(head, ignore_case).as_bytes())?;
    let pointed = match (&head.commit, &head.unborn) {
        (Some(commit), _) => format!("{commit}\n"),
        (None, Some(branch)) if !branch.contains(['\n', '\r']) => format!("ref: {branch}\n"),
        (None, _) => "ref: refs/heads/main\n".to_owned(),
    };
    if let Some(exclude) = &head.exclude {
        write("info/exclude", exclude)?;
    }
    if let Some(shallow) = &head.shallow {
        write("shallow", shallow)?;
    }
    // Last: without it, it is no repository.
    write("HEAD", pointed.as_bytes())
}

fn config(head: &Head, ignore_case: bool) -> String {
    let mut text =
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tfsmonitor = false\n".to_owned();
    let null = if cfg!(windows) { "NUL" } else { "/dev/null" };
    text.push_str(&format!("\thooksPath = {null}\n"));
    text.push_str(&format!(
        "\tfilemode = {}\n\tsymlinks = {}\n",
        cfg!(unix),
        cfg!(unix)
    ));
    text.push_str(&format!("\tignorecase = {ignore_case}\n"));
    for (name, value) in &head.line_ends {
        text.push_str(&format!("\t{name} = {value}\n"));
    }
    // Nothing of the user's objects is packed or removed from here.
    text.push_str("[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
    text
}

/// Writes the index: the commit's files, with what tells git that those in the worktree are the same.
/// What tools may not see, and what was not asked for yet, is marked so that git does not miss it.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_index(
    folder: &Path,
    head: &Head,
    manifest: &Manifest,
    device: (u64, u32, u32),
    is_removed: &mut dyn FnMut(&WorkspacePath) -> bool,
) -> Result<(), WorktreeError> {
    let path = folder.join("index");
    let failed =
        |error: git2::Error| WorktreeError::file(&path, &Error::other(error.message().to_owned()));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(WorktreeError::file(&path, &error));
        }
        _ => {}
    }
    let mut index = Index::open(&path).map_err(failed)?;
    for known in &head.entries {
        let text = std::str::from_utf8(&known.path).ok();
        let filled = text.and_then(|path| manifest.entries.get(path));
        let filled = filled.filter(|_| known.mode != SUBMODULE);
        let mut entry = entry(known.path.clone(), known.id, known.mode);
        match filled {
            Some(filled) => {
                let mode = match (filled.link, filled.executable) {
                    (true, _) => 0o120_000,
                    (false, true) => 0o100_755,
                    (false, false) => 0o100_644,
                };
                let same = filled.committed != Committed::Other && mode == known.mode;
                if same {
                    let own = &filled.own;
                    let time = |(seconds, nanos): (i64, u32)| {
                        IndexTime::new(i32::try_from(seconds).unwrap_or(0), nanos)
                    };
                    entry.ctime = time(own.changed);
                    entry.mtime = time(own.modified);
                    (entry.dev, entry.uid, entry.gid) = (low(device.0), device.1, device.2);
                    entry.ino = low(own.inode);
                    entry.file_size = low(own.len);
                }
            }
            None if known.mode == SUBMODULE => {}
            None => {
                let below = text.and_then(|path| path.strip_prefix(head.prefix.as_str()));
                let path = below.and_then(|path| WorkspacePath::parse(path).ok());
                if !path.is_some_and(|path| is_removed(&path)) {
                    entry.flags_extended = SKIP_WORKTREE;
                }
            }
        }
        if let Err(error) = index.add(&entry) {
            // A name that no git takes.
            tracing::debug!(%error, "a file of the commit is not in the worktree's index");
        }
    }
    index.write().map_err(failed)
}

/// An entry of an index that tells nothing of a file in the folder.
pub(crate) fn entry(path: Vec<u8>, id: Oid, mode: u32) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path,
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & MASK).unwrap_or(0)
}
