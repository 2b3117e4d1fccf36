//! What a session's journal needs of its proposal, and the way back.

use crate::change::FileChange;
use crate::changes::Changes;
use crate::content::Content;
use crate::diff::{self, DiffError, FileDiff, FilePatch};
use crate::overlay::{Overlay, State};
use crate::view;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::update::{NamedHunk, ProposedDiff};

/// What became another in a proposal, and how much of it waits.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposalDelta {
    /// Where the next delta begins.
    pub version: u64,
    /// What [`Overlay::look`] is to be asked with to hear of what comes behind it.
    pub states: u64,
    /// Files with hunks that wait for a decision.
    pub files: u64,
    /// Hunks that wait and fit.
    pub pending: u64,
    /// Hunks that wait and conflict.
    pub conflicted: u64,
    /// Number of the youngest hunk.
    pub last_hunk: u64,
    /// The files whose change was altered; the base only where the listener does not have it yet.
    pub changed: Vec<ProposedDiff>,
    /// All changes with hunks that do not fit what is proposed, each on the text that it was made on;
    /// `None` when they are as they were.
    pub rivals: Option<Vec<ProposedDiff>>,
}

impl Overlay {
    /// What was altered behind `since`, a version of a delta before or 0. Costs as much as the
    /// altered files, and a look at each that is proposed. For one listener, who hears each base once.
    pub fn delta(&self, since: u64) -> ProposalDelta {
        let mut state = self.lock();
        self.refresh_lately(&mut state);
        let altered = state.altered.iter();
        let altered = altered.filter(|(_, version)| **version > since);
        let paths: Vec<WorkspacePath> = altered.map(|(path, _)| path.clone()).collect();
        let changed = paths.into_iter().map(|path| state.altered_file(path));
        let changed = changed.collect();
        let rivals = state.rivals.iter();
        let rivals = rivals.flat_map(|(path, rivals)| rivals.iter().map(move |r| told(path, r)));
        let counts = state.counts();
        ProposalDelta {
            changed,
            rivals: (state.rivals_at > since).then(|| rivals.collect()),
            version: state.version,
            states: state.states,
            files: counts.files,
            pending: counts.pending,
            conflicted: counts.conflicted,
            last_hunk: state.namer.last,
        }
    }

    /// Takes what deltas told back into an empty overlay; what the user has changed meanwhile is
    /// merged, or conflicts. Files that cannot come back are named, with the reason. Ids of new
    /// hunks are greater than `last_id`.
    pub fn restore<'a>(
        &self,
        files: impl IntoIterator<Item = &'a ProposedDiff>,
        last_id: u64,
    ) -> Vec<String> {
        let mut lost = Vec::new();
        let mut state = self.lock();
        state.namer.last = last_id;
        for file in files {
            let restored = diff::parse(file.diff.as_bytes()).and_then(|patches| {
                let patches = patches.iter();
                patches
                    .map(|patch| self.restored(patch, file))
                    .collect::<Result<Vec<_>, _>>()
            });
            match restored {
                Ok(changes) => {
                    for (path, change) in changes {
                        state.bring_back(&path, &change, &file.hunks);
                    }
                }
                Err(error) => {
                    lost.push(error.to_string());
                    // The journal is to forget it too.
                    if let Ok(path) = WorkspacePath::parse(&file.path) {
                        state.altered(&path);
                    }
                }
            }
        }
        lost
    }

    /// Takes hunks that did not fit back, behind [`Overlay::restore`]; names those that cannot come back.
    pub fn restore_rivals<'a>(
        &self,
        rivals: impl IntoIterator<Item = &'a ProposedDiff>,
    ) -> Vec<String> {
        let mut lost = Vec::new();
        let mut state = self.lock();
        for rival in rivals {
            let patches = diff::parse(rival.diff.as_bytes());
            let restored = patches.and_then(|patches| {
                let patches = patches.iter();
                patches
                    .map(|patch| self.restored(patch, rival))
                    .collect::<Result<Vec<_>, _>>()
            });
            match restored {
                Err(error) => lost.push(error.to_string()),
                Ok(changes) => {
                    for (path, changes) in changes {
                        let Some(mut change) = changes.get(&path).map(|c| FileChange::clone(c))
                        else {
                            continue;
                        };
                        let namer = &mut state.namer;
                        change.name_hunks(None, namer, None);
                        change.rename_hunks(&rival.hunks, namer);
                        state.rivals.entry(path).or_default().push(change);
                    }
                }
            }
        }
        self.refresh(&mut state);
        lost
    }

    fn restored(
        &self,
        patch: &FilePatch<'_>,
        told: &ProposedDiff,
    ) -> Result<(WorkspacePath, Changes), DiffError> {
        let path = patch.to.as_ref().or(patch.from.as_ref()).cloned();
        let path = path.unwrap_or_else(WorkspacePath::root);
        let live = |from| view::live(&self.root, &*self.buffers, from).1;
        let moved = patch.from.as_ref().filter(|_| patch.only_moves());
        let base = match (&patch.from, &told.base) {
            (None, _) => None,
            // What moves as it is has no base but what is there.
            _ if let Some(live) = moved.and_then(live) => Some(live),
            // A text from before the file became binary is none.
            (Some(_), Some(base)) if diff::is_base(&told.diff, base.as_bytes()) => {
                Some(Content::from_bytes(base.as_bytes().to_vec()))
            }
            // Binary content is not told along: it must still be what it was.
            (Some(from), _) => {
                let same = live(from).filter(|live| diff::is_base(&told.diff, &live.bytes()));
                Some(same.ok_or_else(|| DiffError::Misfit {
                    path: path.clone(),
                    reason: "the binary file changed since".to_owned(),
                })?)
            }
        };
        let bytes = base.as_ref().map(|content| content.bytes().into_owned());
        let after = patch.apply(&bytes.unwrap_or_default())?;
        let after = patch.to.as_ref().map(|_| Content::from_bytes(after));
        let mut changes = Changes::default();
        let from = patch.from.as_ref().unwrap_or(&path);
        if from != &path {
            changes.rename(from, &path, || base.clone());
        }
        changes.set(&path, || base, after);
        Ok((path, changes))
    }
}

impl State {
    fn bring_back(&mut self, path: &WorkspacePath, changes: &Changes, names: &[NamedHunk]) {
        let State {
            changes: known,
            namer,
            ..
        } = self;
        known.adopt(path, changes, namer, None);
        if let Some(mut change) = known.take(path) {
            change.rename_hunks(names, namer);
            known.put(path.clone(), change);
        }
        self.altered(path);
        self.decided();
    }

    fn altered_file(&mut self, path: WorkspacePath) -> ProposedDiff {
        let Some(change) = self.changes.get(&path) else {
            return ProposedDiff {
                path: path.to_string(),
                diff: String::new(),
                base: None,
                hunks: Vec::new(),
            };
        };
        let base = change.base.clone().filter(|base| base.text().is_some());
        let mut file = told(&path, change);
        // To the byte: contents are equal whatever their byte-order marks.
        let heard = self.told.get(&path).map(Content::bytes);
        let known = base.is_some() && heard == base.as_ref().map(Content::bytes);
        if let Some(base) = &base {
            self.told.insert(path.clone(), base.clone());
        }
        if known {
            file.base = None;
        }
        file
    }
}

/// A change as the journal has it, with the text that it was made on.
fn told(path: &WorkspacePath, change: &FileChange) -> ProposedDiff {
    let base = change.base.as_ref().filter(|base| base.text().is_some());
    let bytes = base.map(|base| base.bytes().into_owned());
    ProposedDiff {
        path: path.to_string(),
        diff: diff::unified(&[FileDiff {
            path: path.clone(),
            from: change.from.clone(),
            before: change.base.clone(),
            after: change.current.clone(),
        }]),
        base: bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        hunks: change.named(),
    }
}
