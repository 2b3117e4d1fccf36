//! Writing an accepted plan to disk: atomic, keeping the file's mode, refusing when the file is no
//! longer what the plan was made for.
//!
//! A file with other names (hard links) becomes one of its own, as it does with git: the other name
//! may be in a store of packages, or outside of the workspace, and nobody looked at a change there.

use crate::content::Content;
use crate::error::ApplyError;
use crate::overlay::Overlay;
use crate::plan::FilePlan;
use crate::view::Live;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::ChangeKind;
use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// Names of files that are about to take another one's place: with the process between the two.
const PREFIX: &str = ".boxagnts-";
const SUFFIX: &str = ".tmp";
/// Replacing a file takes much less.
const PATIENCE: Duration = Duration::from_secs(2);

/// Removes what a killed process left beside these files: complete or half texts that did not take
/// their place.
pub fn remove_leftovers<'a>(
    overlay: &Overlay,
    beside: impl IntoIterator<Item = &'a WorkspacePath>,
) {
    let folders: BTreeSet<_> = beside
        .into_iter()
        .filter_map(|path| path.parent())
        .filter(|folder| overlay.root.stat(folder).is_ok())
        .collect();
    for folder in folders {
        let entries = fs::read_dir(overlay.root.absolute(&folder));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX))
                .and_then(|name| name.split_once('-')?.0.parse().ok());
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && process.is_some_and(|process| !lives(process)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether there is such a process; where that cannot be known, there may be.
#[cfg(unix)]
fn lives(process: u32) -> bool {
    let process = i32::try_from(process)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let answer = process.map(rustix::process::test_kill_process);
    !matches!(answer, None | Some(Err(rustix::io::Errno::SRCH))) && !process.is_some_and(is_zombie)
}

/// Whether a process has ended, and nobody has asked how: in containers nobody may ever.
#[cfg(target_os = "linux")]
fn is_zombie(process: rustix::process::Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    // The name in front is in parentheses and may have any character in it.
    let state = stat.ok().and_then(|stat| {
        let (_, behind) = stat.rsplit_once(')')?;
        behind.trim_start().chars().next()
    });
    state.is_some_and(|state| matches!(state, 'Z' | 'X'))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn is_zombie(_: rustix::process::Pid) -> bool {
    false
}

#[cfg(not(unix))]
fn lives(_: u32) -> bool {
    true
}

/// Carries one plan out and checks the result.
///
/// # Errors
/// The file changed since the plan was made, or the system failed; the file is as it was then.
pub fn apply_to_disk(overlay: &Overlay, plan: &FilePlan) -> Result<(), ApplyError> {
    let failed = |reason: String| ApplyError {
        path: plan.path.clone(),
        reason,
    };
    let _alone = alone(overlay);
    let source = plan.from.as_ref().unwrap_or(&plan.path);
    make_ready(overlay, plan).map_err(&failed)?;
    let target = overlay.root.absolute(&plan.path);
    let system = |error: std::io::Error| failed(error.to_string());
    match (&plan.after, plan.kind) {
        (None, _) => {
            fs::remove_file(&target).map_err(system)?;
            remove_empty_folders(overlay, &plan.path);
        }
        (Some(after), kind) => {
            let from = overlay.root.absolute(source);
            let mode = match plan.mode {
                Some(bits) => permissions(bits),
                None => fs::metadata(&from).ok().map(|old| old.permissions()),
            };
            // A document has no byte-order mark, and the file that moves may have one.
            let moved = plan.from.as_ref().and_then(|from| on_disk(overlay, from));
            let after = match moved {
                Some(file) if matches!(plan.live, Live::Buffer { .. }) => {
                    after.clone().with_bom_of(Some(&file))
                }
                _ => after.clone(),
            };
            let file = prepare(&target, &after.bytes(), mode).map_err(system)?;
            // Flushing takes long enough for somebody to save.
            if on_disk(overlay, source) != plan.before {
                return Err(failed(CHANGED.to_owned()));
            }
            if matches!(kind, ChangeKind::Create | ChangeKind::Rename) {
                file.persist_noclobber(&target).map_err(|error| {
                    match error.error.kind() == ErrorKind::AlreadyExists {
                        true => failed("something is at that place already".to_owned()),
                        false => system(error.error),
                    }
                })?;
            } else {
                file.persist(&target).map_err(|error| system(error.error))?;
            }
            if kind == ChangeKind::Rename {
                if let Err(error) = fs::remove_file(&from) {
                    // Still one file, at its old place.
                    let _ = fs::remove_file(&target);
                    return Err(system(error));
                }
                remove_empty_folders(overlay, source);
            }
        }
    }
    match on_disk(overlay, &plan.path) == plan.after {
        true => Ok(()),
        false => Err(failed("the file is not what was written".to_owned())),
    }
}

/// Makes ready that somebody else, an editor, carries a plan out on disk: the file is what the plan was
/// made for, nothing stands where it goes, and the folders of that place are there.
///
/// # Errors
/// It is not so; nothing may be asked for then.
pub fn make_ready_on_disk(overlay: &Overlay, plan: &FilePlan) -> Result<(), ApplyError> {
    make_ready(overlay, plan).map_err(|reason| ApplyError {
        path: plan.path.clone(),
        reason,
    })
}

/// Whether the files show that somebody carried a plan out. The folders that it left empty go then.
pub fn is_carried_out(overlay: &Overlay, plan: &FilePlan) -> bool {
    let source = plan.from.as_ref().unwrap_or(&plan.path);
    let gone = source == &plan.path || on_disk(overlay, source).is_none();
    let done = gone && on_disk(overlay, &plan.path) == plan.after;
    if done && (plan.after.is_none() || plan.from.is_some()) {
        remove_empty_folders(overlay, source);
    }
    done
}

const CHANGED: &str = "the file changed; nothing was written";

fn make_ready(overlay: &Overlay, plan: &FilePlan) -> Result<(), String> {
    let source = plan.from.as_ref().unwrap_or(&plan.path);
    if on_disk(overlay, source) != plan.before {
        return Err(CHANGED.to_owned());
    }
    if source != &plan.path && overlay.root.stat(&plan.path).is_ok() {
        return Err("something is at that place already".to_owned());
    }
    // A link that stands where the parents were would lead the write out of the workspace.
    check_parents(overlay, &plan.path)
}

fn on_disk(overlay: &Overlay, path: &WorkspacePath) -> Option<Content> {
    let read = overlay.root.read(path, crate::view::MAX_FILE);
    read.ok().map(|(bytes, _)| Content::from_bytes(bytes))
}

/// Keeps other processes of ours from writing in the workspace between our look at a file and its
/// replacement. Whoever else holds a lock of the folder for long does not keep us: the look itself
/// stays.
fn alone(overlay: &Overlay) -> Option<fs::File> {
    let folder = fs::File::open(overlay.root.path()).ok()?;
    let until = Instant::now().checked_add(PATIENCE)?;
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(_) => return None,
        }
    }
}

/// Permission bits of a file on disk; `None` where it has none, or there is no file.
pub fn mode_on_disk(overlay: &Overlay, path: &WorkspacePath) -> Option<u32> {
    let metadata = fs::metadata(overlay.root.absolute(path)).ok()?;
    bits(&metadata.permissions())
}

#[cfg(unix)]
fn bits(permissions: &fs::Permissions) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(permissions.mode() & 0o7777)
}

#[cfg(not(unix))]
fn bits(_: &fs::Permissions) -> Option<u32> {
    None
}

#[cfg(unix)]
fn permissions(bits: u32) -> Option<fs::Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(fs::Permissions::from_mode(bits))
}

#[cfg(not(unix))]
fn permissions(_: u32) -> Option<fs::Permissions> {
    None
}

/// Makes missing folders, none of them through a link.
fn check_parents(overlay: &Overlay, path: &WorkspacePath) -> Result<(), String> {
    let mut missing = Vec::new();
    let mut folder = path.parent();
    while let Some(here) = folder.filter(|folder| !folder.is_root()) {
        match overlay.root.stat(&here) {
            Ok((crate::root::Kind::Directory, _)) => break,
            Ok(_) => return Err(format!("`{here}` is not a directory")),
            Err(error) if error.code == crate::error::FsErrorCode::NotFound => {}
            Err(error) => return Err(error.message),
        }
        folder = here.parent();
        missing.push(here);
    }
    for here in missing.iter().rev() {
        fs::create_dir(overlay.root.absolute(here))
            .map_err(|error| format!("`{here}`: {error}"))?;
    }
    Ok(())
}

/// Removes the folders that held a file and hold nothing any more, as git does; none above the
/// workspace, and none that is mounted.
fn remove_empty_folders(overlay: &Overlay, path: &WorkspacePath) {
    let mut folder = path.parent();
    let kept = |folder: &WorkspacePath| folder.is_root() || overlay.root.is_mount(folder);
    while let Some(here) = folder.filter(|folder| !kept(folder)) {
        if fs::remove_dir(overlay.root.absolute(&here)).is_err() {
            return;
        }
        folder = here.parent();
    }
}

/// A complete file beside the target, which then takes its place: readers see the one or the other.
fn prepare(
    target: &Path,
    bytes: &[u8],
    mode: Option<fs::Permissions>,
) -> std::io::Result<NamedTempFile> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    let prefix = format!("{PREFIX}{}-", std::process::id());
    builder.prefix(&prefix).suffix(SUFFIX);
    // New files get the mode that the user's umask gives, not that of temporary files.
    #[cfg(unix)]
    if mode.is_none() {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}
