//! What an executor changes: it works on a fork of the proposal, and what it changed there is merged
//! back, three-way, into what is proposed by then.

use crate::change::{FileChange, Name};
use crate::changes::{Changes, Lookup};
use crate::content::Content;
use crate::error::FsErrorCode;
use crate::overlay::{Overlay, State};
use boxagnts_policy::path::WorkspacePath;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A view of its own over the same files, which begins with all that is proposed already.
#[derive(Debug)]
pub struct Fork {
    /// The view.
    pub overlay: Arc<Overlay>,
    /// What was proposed when it began.
    origin: Changes,
}

/// What became of a fork's changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Files that it changed, in order.
    pub files: Vec<String>,
    /// Hunks of it that are proposed now.
    pub hunks: u64,
    /// What it changed and is not proposed, each with the reason.
    pub left_out: Vec<String>,
    /// Hunks of it that do not fit what is proposed already; they wait beside it.
    pub conflicts: Vec<MergeConflict>,
}

/// A hunk that does not fit what is proposed already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeConflict {
    /// Its id.
    pub id: String,
    /// Its file.
    pub path: String,
    /// The first line of what stands in its way in the proposed text, from 1.
    pub line: u64,
    /// What stands there.
    pub there: String,
    /// What the fork has there.
    pub wanted: String,
    /// The hunks that put there what stands there.
    pub with: Vec<String>,
}

impl Overlay {
    /// A view over the same files that begins with what is proposed now, for somebody who works beside
    /// others. Copies no content.
    pub fn fork(&self) -> Fork {
        let mut state = self.lock();
        self.refresh_lately(&mut state);
        Fork {
            overlay: self.beginning_with(&state),
            origin: state.changes.clone(),
        }
    }

    /// Takes over what was changed in a fork. What others changed since is kept: hunks that do not fit
    /// it wait beside the proposal as conflicts, until what is in their way is decided on, or somebody
    /// writes there. `group` names the fork in its hunks.
    pub fn merge(&self, fork: &Fork, group: &str) -> Merged {
        let theirs = {
            let mut state = fork.overlay.lock();
            fork.overlay.refresh_lately(&mut state);
            state.changes.clone()
        };
        let mut state = self.lock();
        self.refresh_lately(&mut state);
        let known = fork.origin.iter().chain(theirs.iter());
        let known = known.filter(|(path, _)| !same(fork.origin.get(path), theirs.get(path)));
        let paths: BTreeSet<WorkspacePath> = known.map(|(path, _)| path.clone()).collect();
        // Or what the user did since the last look would be taken for the fork's.
        for path in &paths {
            self.compare(&mut state, path, false);
        }
        let group: Arc<str> = group.into();
        let ours = state.changes.clone();
        let mut merged = Merged::default();
        for path in paths {
            let theirs_there = theirs.get(&path);
            // The file is where it was moved to.
            if theirs.moved_to(&path).is_some() {
                continue;
            }
            if same(ours.get(&path), theirs_there) {
                continue;
            }
            let sources = [Some(&path), theirs_there.and_then(|t| t.from.as_ref())];
            let untouched = sources.into_iter().flatten().all(|path| {
                same(ours.get(path), fork.origin.get(path))
                    && ours.moved_to(path) == fork.origin.moved_to(path)
            });
            if untouched {
                let State { changes, namer, .. } = &mut *state;
                let source = theirs_there.and_then(|change| change.from.clone());
                // What was proposed for it moves along.
                let moved = source.filter(|source| changes.take(source).is_some());
                changes.adopt(&path, &theirs, namer, Some(&group));
                if let Some(source) = moved {
                    state.altered(&source);
                }
                state.altered(&path);
                state.decided();
            } else {
                let rival = self.rival(&fork.origin, &theirs, &path);
                self.propose_rival(&mut state, &path, rival, &group);
            }
            merged.files.push(path.to_string());
        }
        self.tell(&state, &group, merged)
    }

    /// Takes over what somebody changed in files of their own, which were as this view showed them: for each
    /// what it was and what it is now. Else as [`Overlay::merge`].
    pub fn merge_files(
        self: &Arc<Self>,
        files: Vec<(WorkspacePath, Option<Content>, Option<Content>)>,
        group: &str,
    ) -> Merged {
        let mut merged = Merged::default();
        // As a tool could have written it here: the other files know nothing of what is mounted, hidden
        // or in the way.
        let mut call = self.begin(group);
        let mut allowed = Vec::new();
        for file in files {
            let (path, was, is) = &file;
            let checked = match is {
                _ if was == is => continue,
                Some(_) => call.check_target(path),
                None => call.check_source(path),
            };
            match checked {
                Err(error) if error.code == FsErrorCode::NotFound && is.is_none() => {}
                Err(error) => merged.left_out.push(error.message),
                Ok(()) => allowed.push(file),
            }
        }
        drop(call);
        let mut state = self.lock();
        self.refresh(&mut state);
        let group: Arc<str> = group.into();
        for (path, was, is) in allowed {
            merged.files.push(path.to_string());
            let rival = FileChange::new(was.or_else(|| none_as_text(is.as_ref())), is);
            self.propose_rival(&mut state, &path, rival, &group);
        }
        self.tell(&state, &group, merged)
    }

    /// Proposes what fits of a change of what is proposed; the rest waits beside it.
    fn propose_rival(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        mut rival: FileChange,
        group: &Arc<str>,
    ) {
        rival.name_hunks(None, &mut state.namer, Some(group));
        if let Some(rest) = self.fit(state, path, rival) {
            state.rivals.entry(path.clone()).or_default().push(rest);
            state.rivals_changed();
        }
    }

    /// What became of the changes of that group.
    fn tell(&self, state: &State, group: &Arc<str>, merged: Merged) -> Merged {
        let of_group = |name: &&Name| name.group.as_ref() == Some(group);
        let hunks = state.changes.iter();
        let hunks = hunks.map(|(_, change)| change.names().filter(of_group).count() as u64);
        Merged {
            hunks: hunks.sum(),
            conflicts: self.conflicts(state, group),
            ..merged
        }
    }

    /// What led there from the origin, as a change of what is proposed.
    fn rival(&self, origin: &Changes, theirs: &Changes, path: &WorkspacePath) -> FileChange {
        let from = theirs.get(path).and_then(|change| change.from.clone());
        let is = self.content(theirs, path);
        match from {
            // What moves was where it came from.
            Some(from) => FileChange {
                from: Some(from.clone()),
                ..FileChange::new(self.content(origin, &from), is)
            },
            None => {
                let was = self.content(origin, path);
                FileChange::new(was.or_else(|| none_as_text(is.as_ref())), is)
            }
        }
    }

    /// A file as these changes have it.
    pub(crate) fn content(&self, changes: &Changes, path: &WorkspacePath) -> Option<Content> {
        match changes.lookup(path) {
            Lookup::Content(content) => Some(content.clone()),
            Lookup::Absent => None,
            Lookup::Below => self.live(path).1,
        }
    }
}

/// What was there of a new file: two new ones are two texts where there was none.
fn none_as_text(is: Option<&Content>) -> Option<Content> {
    let is_text = is.is_some_and(|is| is.text().is_some());
    is_text.then(|| Content::from_text("".into()))
}

/// Whether two changes of a path say the same.
fn same(a: Option<&Arc<FileChange>>, b: Option<&Arc<FileChange>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.base == b.base && a.current == b.current && a.from == b.from,
        _ => false,
    }
}
