//! The proposal as a patch file that the user may edit: what is saved there is what is proposed.

use crate::error::SessionError;
use crate::session::{Session, lock};
use crate::sessions::Sessions;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_workspace::diff::{self, FileDiff};
use boxagnts_workspace::{Content, Selection};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// In front of the first file, where readers of patches skip text.
const HEAD: &str = "\
# What is proposed. Nothing of it is written yet. Edit this file and save it: lines that you change
# are proposed as you write them, hunks and files that you take out are dropped.

";

/// Longest patch that is read back, in bytes.
const MAX_PATCH: u64 = 256 << 20;

/// The patch files of a workspace's sessions, in a private folder that goes with the process.
#[derive(Default)]
pub(crate) struct Patches {
    folder: Mutex<Option<tempfile::TempDir>>,
    shown: Mutex<HashMap<String, Shown>>,
}

/// A patch as it was last written or read.
struct Shown {
    path: PathBuf,
    text: String,
    files: BTreeMap<WorkspacePath, ShownFile>,
}

struct ShownFile {
    moves: bool,
    hunks: Vec<String>,
    before: Option<Content>,
    /// What the patch made of it.
    after: Option<Content>,
}

impl Patches {
    fn path(&self, session: &str) -> std::io::Result<PathBuf> {
        let mut folder = lock(&self.folder);
        let folder = match &mut *folder {
            Some(folder) => folder,
            none => none.insert(tempfile::Builder::new().prefix("boxagnts-").tempdir()?),
        };
        Ok(folder.path().join(format!("{session}.diff")))
    }
}

impl Sessions {
    /// Writes what waits in a session, without conflicts, as a patch file, and reads it back whenever
    /// it is saved. Gives its path.
    ///
    /// # Errors
    /// Unknown session, or the file cannot be written.
    pub fn show_patch(&self, session: &str) -> Result<PathBuf, SessionError> {
        let session = self.get(session)?;
        let plans = session.overlay.plan(&Selection::All)?;
        let mut files = BTreeMap::new();
        let mut diffs = Vec::new();
        for plan in plans.into_iter().filter(|plan| !plan.hunks.is_empty()) {
            files.insert(
                plan.path.clone(),
                ShownFile {
                    moves: plan.from.is_some(),
                    hunks: plan.hunks,
                    before: plan.before.clone(),
                    after: plan.after.clone(),
                },
            );
            diffs.push(FileDiff {
                path: plan.path,
                from: plan.from,
                before: plan.before,
                after: plan.after,
            });
        }
        let text = format!("{HEAD}{}", diff::unified(&diffs));
        let failed = |error: std::io::Error| SessionError::Patch(error.to_string());
        let path = self.patches().path(&session.id).map_err(failed)?;
        std::fs::write(&path, &text).map_err(failed)?;
        let shown = Shown {
            path: path.clone(),
            text,
            files,
        };
        lock(&self.patches().shown).insert(session.id.clone(), shown);
        self.watch_patch(&session.id, path.parent().unwrap_or(Path::new("/")));
        Ok(path)
    }

    /// Reads the patch files that were saved since; what does not fit is told, and nothing of that
    /// file is taken.
    pub(crate) fn take_patches(&self) {
        let shown: Vec<String> = lock(&self.patches().shown).keys().cloned().collect();
        for id in shown {
            let Ok(session) = self.get(&id) else { continue };
            if let Err(error) = self.take_patch(&session) {
                let message = format!("the patch was not taken: {error}");
                let _ = session.emit(SessionEvent::Notice { message });
            }
        }
    }

    fn take_patch(&self, session: &Arc<Session>) -> Result<(), SessionError> {
        let mut all = lock(&self.patches().shown);
        let Some(shown) = all.get_mut(&session.id) else {
            return Ok(());
        };
        let refused = |reason: &str| SessionError::Patch(reason.to_owned());
        let size = std::fs::metadata(&shown.path).map(|file| file.len());
        if size.is_ok_and(|size| size > MAX_PATCH) {
            return Err(refused("it is too large"));
        }
        // An editor may be in the middle of replacing it.
        let Ok(text) = std::fs::read_to_string(&shown.path) else {
            return Ok(());
        };
        if text == shown.text || text.is_empty() {
            return Ok(());
        }
        shown.text.clone_from(&text);
        let recounted = diff::recount(&text);
        if recounted.is_empty() {
            return Err(refused("nothing is left in it; reject the hunks instead"));
        }
        let patches = diff::parse(recounted.as_bytes());
        let patches = patches.map_err(|error| refused(&error.to_string()))?;
        let mut amended = Vec::new();
        for patch in &patches {
            let path = patch.to.as_ref().or(patch.from.as_ref());
            let known = path.is_some_and(|path| shown.files.contains_key(path));
            if !known {
                let path = path.map(ToString::to_string).unwrap_or_default();
                return Err(refused(&format!("`{path}` is not in the proposal")));
            }
        }
        for (path, file) in &shown.files {
            let patch = patches
                .iter()
                .find(|patch| patch.to.as_ref().or(patch.from.as_ref()) == Some(path));
            let now = match patch {
                None => file.before.clone(),
                Some(patch) => {
                    let before = file
                        .before
                        .as_ref()
                        .map(|content| content.bytes().into_owned());
                    let after = patch.apply(&before.unwrap_or_default());
                    let after = after.map_err(|error| refused(&error.to_string()))?;
                    patch.to.as_ref().map(|_| Content::from_bytes(after))
                }
            };
            if now == file.after && (patch.is_some() || !file.moves) {
                continue;
            }
            if file.moves && patch.is_none() {
                let reason = format!("`{path}` is moved; reject that instead");
                return Err(refused(&reason));
            }
            let accepted = |id: &&String| session.overlay.decision(id) == Some(HunkState::Accepted);
            if let Some(id) = file.hunks.iter().find(accepted) {
                // What is left of it would be proposed to be taken away.
                let reason = format!("`{id}` of `{path}` was accepted since; show the patch again");
                return Err(refused(&reason));
            }
            amended.push((path.clone(), file.after.clone(), now));
        }
        if amended.is_empty() {
            return Ok(());
        }
        session.overlay.rewrite(&amended)?;
        for (path, _, now) in amended {
            if let Some(file) = shown.files.get_mut(&path) {
                file.after = now;
            }
        }
        drop(all);
        let note = "[The user edited your proposal; read a file again before you change it]";
        lock(&session.activity).notes.push(note.to_owned());
        session.emit_proposal()?;
        Ok(())
    }
}
