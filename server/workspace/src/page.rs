//! The proposal as it is shown: files and hunks where they are now, a page at a time.

use crate::change::FileChange;
use crate::overlay::{Overlay, State};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, Hunk, HunkState};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

/// Which files of a proposal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// Only these files, by path relative to the workspace.
    pub files: Option<Vec<String>>,
    /// Only files behind this path.
    pub after: Option<String>,
    /// At most so many files.
    pub limit: Option<usize>,
    /// Only what waits for a decision.
    pub waiting: bool,
}

/// How much waits for a decision.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) files: u64,
    pub(crate) pending: u64,
    pub(crate) conflicted: u64,
}

impl State {
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (path, change) in self.changes.iter() {
            let (waiting, conflicted) = change.counts();
            counts.files += u64::from(waiting > 0 || self.rivals.contains_key(path));
            counts.pending += waiting - conflicted;
            counts.conflicted += conflicted;
        }
        for (path, rivals) in &self.rivals {
            counts.files += u64::from(self.changes.get(path).is_none());
            let hunks = rivals.iter().map(|rival| rival.names().count() as u64);
            counts.conflicted += hunks.sum::<u64>();
        }
        counts
    }
}

/// Files of a proposal, and how much there is of it in all.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Sorted by path.
    pub files: Vec<FileProposal>,
    /// Where the next page begins; `None` behind the last one.
    pub next: Option<String>,
    /// Files with hunks that wait for a decision.
    pub waiting_files: u64,
    /// Hunks that wait and fit.
    pub pending: u64,
    /// Hunks that wait and conflict.
    pub conflicted: u64,
}

impl Overlay {
    /// What the user reviews, every hunk where it is now; sorted by path.
    pub fn proposal(&self) -> Vec<FileProposal> {
        self.page(&PageQuery::default()).files
    }

    /// A part of what the user reviews. Costs as much as the files of the page, and a look at
    /// whether each changed file is still what it was.
    pub fn page(&self, query: &PageQuery) -> Page {
        let mut state = self.lock();
        self.refresh(&mut state);
        let mut decided: BTreeMap<&WorkspacePath, (ChangeKind, Vec<&Hunk>)> = BTreeMap::new();
        if !query.waiting {
            for hunk in state.decided.iter() {
                let (_, hunks) = decided.entry(&hunk.path).or_insert((hunk.kind, Vec::new()));
                hunks.push(&hunk.hunk);
            }
        }
        let waiting = state.changes.iter().map(|(path, _)| path);
        let waiting = waiting.chain(state.rivals.keys());
        let all: BTreeSet<&WorkspacePath> = decided.keys().copied().chain(waiting).collect();
        let after = query
            .after
            .as_deref()
            .and_then(|path| WorkspacePath::parse(path).ok());
        let behind = match &after {
            Some(path) => (Bound::Excluded(path), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let named = |path: &&&WorkspacePath| {
            let files = query.files.as_ref();
            files.is_none_or(|files| files.iter().any(|file| file == path.as_str()))
        };
        let mut paths = all.range::<WorkspacePath, _>(behind).filter(named);
        let limit = query.limit.unwrap_or(usize::MAX);
        let chosen: Vec<WorkspacePath> = paths
            .by_ref()
            .take(limit)
            .map(|path| (*path).clone())
            .collect();
        let more = paths.next().is_some();
        let mut page = Page {
            files: Vec::with_capacity(chosen.len()),
            next: chosen.last().filter(|_| more).map(ToString::to_string),
            waiting_files: 0,
            pending: 0,
            conflicted: 0,
        };
        let decided: BTreeMap<WorkspacePath, (ChangeKind, Vec<Hunk>)> = chosen
            .iter()
            .filter_map(|path| {
                let (kind, hunks) = decided.get(path)?;
                Some((
                    path.clone(),
                    (*kind, hunks.iter().copied().cloned().collect()),
                ))
            })
            .collect();
        for path in &chosen {
            page.files
                .push(self.file(&mut state, path, decided.get(path)));
        }
        let counts = state.counts();
        page.waiting_files = counts.files;
        page.pending = counts.pending;
        page.conflicted = counts.conflicted;
        page
    }

    /// Folders on disk of the files that the proposal changes, or the nearest that exist.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let state = self.lock();
        let sources = |(path, change): (&WorkspacePath, &Arc<FileChange>)| {
            let from = change.from.clone();
            [Some(path.clone()), from]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        let parents: BTreeSet<Option<WorkspacePath>> = state
            .changes
            .iter()
            .flat_map(sources)
            .map(|path| path.parent())
            .collect();
        drop(state);
        let existing = |folder: Option<WorkspacePath>| {
            let folder = self
                .root
                .absolute(&folder.unwrap_or_else(WorkspacePath::root));
            folder
                .ancestors()
                .find(|folder| folder.is_dir())
                .map(PathBuf::from)
        };
        parents.into_iter().filter_map(existing).collect()
    }

    fn file(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        decided: Option<&(ChangeKind, Vec<Hunk>)>,
    ) -> FileProposal {
        let live = self.compare(state, path, true);
        let change = state.changes.get(path);
        let kind = change.map(|change| change.kind());
        let kind = kind.or(decided.map(|(kind, _)| *kind));
        let from = change.and_then(|change| change.from.as_ref());
        let rivals = state.rivals.contains_key(path);
        let live = match live {
            None if rivals => self.live(path).1,
            live => live.and_then(|(_, content)| content),
        };
        let waiting = change.map(|change| change.hunks(live.as_ref()));
        let mut hunks = waiting.unwrap_or_default();
        hunks.extend(self.rival_hunks(state, path, live.as_ref()));
        hunks.extend(decided.iter().flat_map(|(_, hunks)| hunks.iter().cloned()));
        hunks.sort_by_key(|hunk| (hunk.range.start, hunk.range.end));
        if let Some(reason) = path.dangerous() {
            let pending = |hunk: &&mut Hunk| hunk.state == HunkState::Pending;
            for hunk in hunks.iter_mut().filter(pending) {
                let note = hunk
                    .note
                    .take()
                    .map(|note| format!("{note}; "))
                    .unwrap_or_default();
                hunk.note = Some(format!("{note}dangerous: {reason}"));
            }
        }
        FileProposal {
            uri: self.uri(path),
            path: path.to_string(),
            from: from.map(ToString::to_string),
            kind: kind.unwrap_or(ChangeKind::Modify),
            hunks,
        }
    }
}
