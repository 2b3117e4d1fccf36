//! The copy-on-write view of a workspace: changeset over dirty documents over disk.
//!
//! Opening one does no walk and reads no file; it costs the same for any size of tree.

use crate::buffers::Buffers;
use crate::call::Call;
use crate::change::Namer;
use crate::changes::Changes;
use crate::content::Content;
use crate::diff::{self, DiffError, FileDiff, FilePatch};
use crate::error::{CommitError, OpenError};
use crate::plan::{FilePlan, Selection};
use crate::root::{Root, Stamp};
use crate::seen::Seen;
use crate::view::{self, Live};
use crate::visibility::Rules;
use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, Hunk, HunkState};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a session proposes on top of a workspace.
pub struct Overlay {
    pub(crate) root: Arc<Root>,
    pub(crate) buffers: Arc<dyn Buffers>,
    pub(crate) rules: Arc<Rules>,
    state: Mutex<State>,
}

/// The session's part, behind one lock that is never held across a wait.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) changes: Changes,
    pub(crate) namer: Option<Namer>,
    pub(crate) decided: Vec<Decided>,
    pub(crate) seen: Seen,
    /// The user's files when the changes were last compared with them.
    compared: HashMap<WorkspacePath, Compared>,
    /// Counts alterations of the changes.
    version: u64,
    /// The version at which a path's change was last altered.
    altered: BTreeMap<WorkspacePath, u64>,
    /// The bases that the listener to deltas knows.
    told: HashMap<WorkspacePath, Content>,
}

/// What became another in a proposal, and how much of it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalDelta {
    /// Where the next delta begins.
    pub version: u64,
    /// Files with hunks that wait for a decision.
    pub files: u64,
    /// Hunks that wait and fit.
    pub pending: u64,
    /// Hunks that wait and conflict.
    pub conflicted: u64,
    /// Number of the youngest hunk.
    pub last_hunk: u64,
    /// The files whose change was altered.
    pub changed: Vec<AlteredFile>,
}

/// A file whose proposed change was altered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredFile {
    /// Where it will be after the change.
    pub path: WorkspacePath,
    /// Unified diff from `base` to what is proposed; empty when nothing is any more.
    pub diff: String,
    /// The text that the change was made on, unless it is the one that was told last for this path.
    pub base: Option<String>,
}

/// A hunk that the user has decided on.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) path: WorkspacePath,
    pub(crate) kind: ChangeKind,
    pub(crate) hunk: Hunk,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Compared {
    Buffer(i32),
    Disk(Stamp),
    Absent,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("root", &self.root.path())
            .finish_non_exhaustive()
    }
}

impl Overlay {
    /// Opens a workspace folder with what is mounted in it.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be opened; the same of a mounted one.
    pub fn open(
        root: &Path,
        mounts: &Mounts,
        buffers: Arc<dyn Buffers>,
    ) -> Result<Arc<Overlay>, OpenError> {
        Ok(Arc::new(Overlay {
            root: Arc::new(Root::open(root, mounts)?),
            buffers,
            rules: Arc::default(),
            state: Mutex::default(),
        }))
    }

    /// Another session's overlay over the same folder; shares the parsed ignore files.
    pub fn another(&self) -> Arc<Overlay> {
        Arc::new(Overlay {
            root: Arc::clone(&self.root),
            buffers: Arc::clone(&self.buffers),
            rules: Arc::clone(&self.rules),
            state: Mutex::default(),
        })
    }

    /// Absolute path of the folder.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// URI of a file in it.
    pub fn uri(&self, path: &WorkspacePath) -> String {
        let absolute = self.root.absolute(path);
        url::Url::from_file_path(&absolute)
            .map_or_else(|()| absolute.display().to_string(), |url| url.to_string())
    }

    /// Begins a tool call's transaction; `group` names the call in the hunks that come of it.
    pub fn begin(self: &Arc<Self>, group: &str) -> Call {
        let mut state = self.lock();
        self.refresh(&mut state);
        let changes = state.changes.clone();
        drop(state);
        Call::new(Arc::clone(self), changes, group.to_owned())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // The data is consistent between any two statements that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a call did.
    pub(crate) fn commit(
        &self,
        before: &Changes,
        after: &Changes,
        touched: &BTreeSet<WorkspacePath>,
        group: &str,
    ) -> Result<(), CommitError> {
        let mut state = self.lock();
        for path in touched {
            let same = match (before.get(path), state.changes.get(path)) {
                (None, None) => true,
                (Some(a), Some(b)) => {
                    a.base == b.base && a.current == b.current && a.from == b.from
                }
                _ => false,
            };
            if !same {
                return Err(CommitError { path: path.clone() });
            }
        }
        let mut namer = state.namer();
        for path in touched {
            state.changes.adopt(path, after, &mut namer, Some(group));
            state.altered(path);
        }
        state.namer = Some(namer);
        Ok(())
    }

    /// Compares every change with the user's file of now, where that has changed since last time.
    pub(crate) fn refresh(&self, state: &mut State) {
        for path in state.changes.paths() {
            let Some(change) = state.changes.get(&path) else {
                continue;
            };
            let source = change.from.clone().unwrap_or_else(|| path.clone());
            let compared = self.compared(&source);
            if change.from.is_none() && state.compared.get(&path) == Some(&compared) {
                continue;
            }
            let (_, live) = view::live(&self.root, &*self.buffers, &source);
            let taken = source != path && self.compared(&path) != Compared::Absent;
            let Some(mut change) = state.changes.take(&path) else {
                continue;
            };
            let kind = change.kind();
            for hunk in change.refresh(live.as_ref(), taken) {
                state.decided.push(Decided {
                    path: path.clone(),
                    kind,
                    hunk,
                });
            }
            state.changes.put(path.clone(), change);
            state.altered(&path);
            state.compared.insert(path, compared);
        }
    }

    fn compared(&self, path: &WorkspacePath) -> Compared {
        match self.buffers.get(path) {
            Some(buffer) => Compared::Buffer(buffer.version),
            None => self
                .root
                .stamp(path)
                .map_or(Compared::Absent, Compared::Disk),
        }
    }

    /// What the user reviews, every hunk where it is now; sorted by path.
    pub fn proposal(&self) -> Vec<FileProposal> {
        let mut state = self.lock();
        self.refresh(&mut state);
        let mut files: BTreeMap<WorkspacePath, FileProposal> = BTreeMap::new();
        let entry = |path: &WorkspacePath, from: Option<String>, kind| FileProposal {
            uri: self.uri(path),
            path: path.to_string(),
            from,
            kind,
            hunks: Vec::new(),
        };
        for (path, change) in state.changes.iter() {
            let from = change.from.as_ref().map(ToString::to_string);
            let mut file = entry(path, from, change.kind());
            let source = change.from.as_ref().unwrap_or(path);
            file.hunks = change.hunks(view::live(&self.root, &*self.buffers, source).1.as_ref());
            files.insert(path.clone(), file);
        }
        for decided in &state.decided {
            let file = files
                .entry(decided.path.clone())
                .or_insert_with(|| entry(&decided.path, None, decided.kind));
            file.hunks.push(decided.hunk.clone());
        }
        for (path, file) in &mut files {
            file.hunks
                .sort_by_key(|hunk| (hunk.range.start, hunk.range.end));
            if let Some(reason) = path.dangerous() {
                for hunk in file
                    .hunks
                    .iter_mut()
                    .filter(|hunk| hunk.state == HunkState::Pending)
                {
                    let note = hunk
                        .note
                        .take()
                        .map(|note| format!("{note}; "))
                        .unwrap_or_default();
                    hunk.note = Some(format!("{note}dangerous: {reason}"));
                }
            }
        }
        files.into_values().collect()
    }

    /// Unified diff from the user's files of now to what is proposed, without hunks that conflict.
    pub fn diff(&self) -> String {
        let plans = self.plan(&Selection::All).unwrap_or_default();
        diff::unified(&plans.into_iter().filter_map(file_diff).collect::<Vec<_>>())
    }

    /// What was altered behind `since`, a version of a delta before or 0. Costs as much as the
    /// altered files, whatever else is proposed. For one listener, who hears each base once.
    pub fn delta(&self, since: u64) -> ProposalDelta {
        let mut state = self.lock();
        self.refresh(&mut state);
        let altered = state.altered.iter();
        let altered = altered.filter(|(_, version)| **version > since);
        let paths: Vec<WorkspacePath> = altered.map(|(path, _)| path.clone()).collect();
        let changed = paths.into_iter().map(|path| state.altered_file(path));
        let mut delta = ProposalDelta {
            changed: changed.collect(),
            version: state.version,
            files: 0,
            pending: 0,
            conflicted: 0,
            last_hunk: state.namer.as_ref().map_or(0, |namer| namer.last),
        };
        for (_, change) in state.changes.iter() {
            let (waiting, conflicted) = change.counts();
            delta.files += u64::from(waiting > 0);
            delta.pending += waiting - conflicted;
            delta.conflicted += conflicted;
        }
        delta
    }

    /// Takes what deltas told back into an empty overlay; what the user has changed meanwhile is
    /// merged, or conflicts. Files that cannot come back are named, with the reason. Ids of new
    /// hunks are greater than `last_id`.
    pub fn restore<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        last_id: u64,
    ) -> Vec<String> {
        let mut lost = Vec::new();
        let mut state = self.lock();
        let mut namer = Namer { last: last_id };
        for (diff, base) in files {
            let restored = diff::parse(diff.as_bytes()).and_then(|patches| {
                let patches = patches.iter();
                patches
                    .map(|patch| self.restored(patch, diff, base))
                    .collect::<Result<Vec<_>, _>>()
            });
            match restored {
                Ok(files) => {
                    for (path, changes) in files {
                        state.changes.adopt(&path, &changes, &mut namer, None);
                        state.altered(&path);
                    }
                }
                Err(error) => lost.push(error.to_string()),
            }
        }
        state.namer = Some(namer);
        lost
    }

    fn restored(
        &self,
        patch: &FilePatch<'_>,
        diff: &str,
        base: Option<&str>,
    ) -> Result<(WorkspacePath, Changes), DiffError> {
        let path = patch.to.as_ref().or(patch.from.as_ref()).cloned();
        let path = path.unwrap_or_else(WorkspacePath::root);
        let base = match (&patch.from, base) {
            (None, _) => None,
            (Some(_), Some(base)) => Some(Content::from_bytes(base.as_bytes().to_vec())),
            // Binary content is not told along: it must still be what it was.
            (Some(from), None) => {
                let live = view::live(&self.root, &*self.buffers, from).1;
                let same = live.filter(|live| diff::is_base(diff, &live.bytes()));
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

    /// Where the user's text of a file lives now.
    pub fn live(&self, path: &WorkspacePath) -> (Live, Option<Content>) {
        view::live(&self.root, &*self.buffers, path)
    }
}

impl State {
    pub(crate) fn namer(&mut self) -> Namer {
        self.namer.take().unwrap_or(Namer { last: 0 })
    }

    /// The change of `path` is another one: neither what was compared nor what was told.
    pub(crate) fn altered(&mut self, path: &WorkspacePath) {
        self.compared.remove(path);
        self.version += 1;
        self.altered.insert(path.clone(), self.version);
    }
}

impl State {
    fn altered_file(&mut self, path: WorkspacePath) -> AlteredFile {
        let Some(change) = self.changes.get(&path) else {
            return AlteredFile {
                path,
                diff: String::new(),
                base: None,
            };
        };
        let base = change.base.clone().filter(|base| base.text().is_some());
        let diff = diff::unified(&[FileDiff {
            path: path.clone(),
            from: change.from.clone(),
            before: change.base.clone(),
            after: change.current.clone(),
        }]);
        let known = base.is_some() && self.told.get(&path) == base.as_ref();
        if let Some(base) = &base {
            self.told.insert(path.clone(), base.clone());
        }
        let bytes = base
            .filter(|_| !known)
            .map(|base| base.bytes().into_owned());
        AlteredFile {
            path,
            diff,
            base: bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        }
    }
}

/// What a plan does to its file, when it does anything.
fn file_diff(plan: FilePlan) -> Option<FileDiff> {
    (!plan.hunks.is_empty()).then_some(FileDiff {
        path: plan.path,
        from: plan.from,
        before: plan.before,
        after: plan.after,
    })
}
