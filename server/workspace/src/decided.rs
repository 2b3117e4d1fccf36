//! Hunks that the user has decided on: shown in the proposal, and what brings them back.

use crate::change::{FileChange, Name};
use crate::content::Content;
use crate::lines::split;
use crate::merge::{Change, splice};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState};
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Texts of decided hunks that are kept, in bytes; the oldest go first. What became of each hunk is
/// kept always.
const MAX_BYTES: usize = 64 << 20;

/// A hunk that the user has decided on.
#[derive(Debug, Clone)]
pub(crate) struct DecidedHunk {
    pub(crate) path: WorkspacePath,
    pub(crate) kind: ChangeKind,
    pub(crate) hunk: Hunk,
    redo: Option<Redo>,
}

/// What a hunk was when it was rejected.
#[derive(Debug, Clone)]
pub(crate) enum Redo {
    /// These lines of the base became this text.
    Lines {
        name: Name,
        base: Content,
        old: Range<usize>,
        new_text: String,
    },
    /// One of the whole file.
    Whole(Arc<FileChange>),
}

impl Redo {
    /// The texts before and after a hunk of lines, and the hunk.
    pub(crate) fn texts(&self) -> Option<(String, String, Change)> {
        let Redo::Lines {
            base,
            old,
            new_text,
            ..
        } = self
        else {
            return None;
        };
        let base = base.text()?;
        let new = split(new_text);
        let change = Change {
            old: old.clone(),
            new: old.start..old.start + new.len(),
        };
        let after = splice(&split(base), [(old.clone(), &new[..])]);
        Some((base.to_owned(), after, change))
    }
}

/// All of them, in the order of the decisions.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    kept: VecDeque<DecidedHunk>,
    states: HashMap<String, HunkState>,
    bytes: usize,
}

impl Decided {
    pub(crate) fn push(
        &mut self,
        path: &WorkspacePath,
        kind: ChangeKind,
        hunk: Hunk,
        redo: Option<Redo>,
    ) {
        self.states.insert(hunk.id.clone(), hunk.state);
        self.bytes += size(&hunk);
        self.kept.push_back(DecidedHunk {
            path: path.clone(),
            kind,
            hunk,
            redo,
        });
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= size(&oldest.hunk);
        }
    }

    /// What the user decided on a hunk.
    pub(crate) fn state(&self, id: &str) -> Option<HunkState> {
        self.states.get(id).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &DecidedHunk> {
        self.kept.iter()
    }

    /// What brings a rejected hunk back, with its file.
    pub(crate) fn redo(&self, id: &str) -> Option<(WorkspacePath, Redo)> {
        let found = self
            .kept
            .iter()
            .rev()
            .find(|decided| decided.hunk.id == id)?;
        Some((found.path.clone(), found.redo.clone()?))
    }

    /// The hunk waits again.
    pub(crate) fn forget(&mut self, id: &str) {
        self.states.remove(id);
        let bytes = &mut self.bytes;
        self.kept.retain(|decided| {
            let keep = decided.hunk.id != id;
            *bytes -= if keep { 0 } else { size(&decided.hunk) };
            keep
        });
    }
}

fn size(hunk: &Hunk) -> usize {
    hunk.old_text.len() + hunk.new_text.len()
}
