//! Notices when something else than an editor changes files that have pending hunks: a shell, git, a
//! formatter. Only the folders of those files are watched, never the tree.

use crate::session::lock;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Whoever changes one file often changes more: all are looked at together.
const SETTLE: Duration = Duration::from_millis(50);

/// The folders that the sessions of a workspace want watched.
#[derive(Default)]
pub(crate) struct Watcher {
    watched: Mutex<Watched>,
    changed: Arc<Notify>,
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
        let known = watched.by_session.get(session);
        if known.map_or(folders.is_empty(), |known| *known == folders) {
            return;
        }
        watched.by_session.insert(session.to_owned(), folders);
        let wanted: BTreeSet<PathBuf> = watched.by_session.values().flatten().cloned().collect();
        let Watched {
            system, folders, ..
        } = &mut *watched;
        if system.is_none() {
            let changed = Arc::clone(&self.changed);
            let made = notify::recommended_watcher(move |event: notify::Result<Event>| {
                // Reading is no change, and we read ourselves.
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    changed.notify_one();
                }
            });
            *system = made
                .inspect_err(|error| tracing::warn!(%error, "cannot watch files"))
                .ok();
        }
        let Some(system) = system else { return };
        for folder in folders.difference(&wanted) {
            let _ = system.unwatch(folder);
        }
        for folder in wanted.difference(folders) {
            // What cannot be watched is still looked at whenever somebody asks.
            if let Err(error) = system.watch(folder, RecursiveMode::NonRecursive) {
                tracing::debug!(folder = %folder.display(), %error, "cannot watch");
            }
        }
        *folders = wanted;
    }

    /// Waits until something in a watched folder was changed and whoever does it pauses.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
        tokio::time::sleep(SETTLE).await;
    }
}
