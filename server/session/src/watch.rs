//! Notices when something else than an editor changes files that have pending hunks: a shell, git, a
//! formatter. Only the folders of those files are watched, never the tree.

use crate::session::lock;
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Whoever changes one file often changes more: all are looked at together.
const SETTLE: Duration = Duration::from_millis(50);
/// Longest wait for a pause: a build may write without one.
const LONGEST: Duration = Duration::from_secs(1);

/// The folders that the sessions of a workspace want watched.
#[derive(Default)]
pub(crate) struct Watcher {
    watched: Mutex<Watched>,
    changed: Arc<Notify>,
    /// What was removed since somebody followed: the system no longer watches it.
    gone: Arc<Mutex<BTreeSet<PathBuf>>>,
}

#[derive(Default)]
struct Watched {
    /// Made when the first folder is to be watched.
    system: Option<RecommendedWatcher>,
    by_session: HashMap<String, BTreeSet<PathBuf>>,
    folders: BTreeSet<PathBuf>,
}

impl Watcher {
    /// From now on `session` has hunks in files of these folders, and in no others.
    pub(crate) fn follow(&self, session: &str, folders: BTreeSet<PathBuf>) {
        let mut watched = lock(&self.watched);
        let gone = std::mem::take(&mut *lock(&self.gone));
        let lost = watched.folders.iter().any(|folder| gone.contains(folder));
        watched.folders.retain(|folder| !gone.contains(folder));
        let known = watched.by_session.get(session);
        if !lost && known.map_or(folders.is_empty(), |known| *known == folders) {
            return;
        }
        watched.by_session.insert(session.to_owned(), folders);
        let wanted: BTreeSet<PathBuf> = watched.by_session.values().flatten().cloned().collect();
        let Watched {
            system, folders, ..
        } = &mut *watched;
        if system.is_none() {
            let (changed, gone) = (Arc::clone(&self.changed), Arc::clone(&self.gone));
            let made = notify::recommended_watcher(move |event: notify::Result<Event>| {
                // Reading is no change, and we read ourselves.
                let Some(event) = event.ok().filter(|event| !event.kind.is_access()) else {
                    return;
                };
                if event.kind.is_remove() || is_move(event.kind) {
                    lock(&gone).extend(event.paths);
                }
                changed.notify_one();
            });
            *system = made
                .inspect_err(|error| tracing::warn!(%error, "cannot watch files"))
                .ok();
        }
        let Some(system) = system else { return };
        for folder in folders.difference(&wanted) {
            let _ = system.unwatch(folder);
        }
        folders.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            if folders.contains(&folder) {
                continue;
            }
            match system.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(folders.insert(folder)),
                // It is still looked at whenever somebody asks, and tried again.
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), %error, "cannot watch");
                }
            }
        }
    }

    /// Waits until something in a watched folder was changed and whoever does it pauses.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
        let begun = Instant::now();
        let more = || tokio::time::timeout(SETTLE, self.changed.notified());
        while begun.elapsed() < LONGEST && more().await.is_ok() {}
    }
}

/// Whether something got another name, and is watched under it if at all.
fn is_move(kind: EventKind) -> bool {
    matches!(kind, EventKind::Modify(ModifyKind::Name(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn changed(watcher: &Watcher) {
        let changed = tokio::time::timeout(Duration::from_secs(20), watcher.changed());
        changed.await.expect("a change is noticed");
    }

    #[tokio::test]
    async fn a_folder_that_went_and_came_back_is_watched() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("d");
        let watcher = Watcher::default();
        let follow = || watcher.follow("s", [folder.clone()].into());
        // It is not there yet.
        follow();
        for moved in [false, true] {
            std::fs::create_dir(&folder).expect("made");
            watcher.follow("s", BTreeSet::new());
            follow();
            std::fs::write(folder.join("a"), "").expect("written");
            changed(&watcher).await;
            match moved {
                true => std::fs::rename(&folder, root.path().join("e")).expect("moved"),
                false => std::fs::remove_dir_all(&folder).expect("removed"),
            }
            changed(&watcher).await;
            std::fs::create_dir(&folder).expect("made");
            follow();
            std::fs::write(folder.join("a"), "").expect("written");
            changed(&watcher).await;
            std::fs::remove_dir_all(&folder).expect("removed");
            changed(&watcher).await;
        }
    }
}
