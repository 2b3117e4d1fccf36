//! The hunks that wait, in order, and what was decided on them so far. Nothing is carried out here.

use super::keys::Place;
use crate::render;
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, Hunk, HunkState};
use std::collections::HashMap;

/// A decision on one hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    /// With the user's words for the model.
    Reject(Option<String>),
}

/// What the dialogue ends with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decisions {
    pub(super) accept: Vec<String>,
    /// By the words that go with it.
    pub(super) reject: Vec<(Option<String>, Vec<String>)>,
}

/// The hunks on the table.
#[derive(Debug, Default)]
pub(super) struct Board {
    files: Vec<FileProposal>,
    /// Of each hunk that waits: its file, and its place in it.
    order: Vec<(usize, usize)>,
    /// By the hunk's id, which outlives other hunks' changes.
    verdicts: HashMap<String, Verdict>,
}

impl Board {
    /// Puts other hunks on the table; what was decided on those that stay is kept.
    pub(super) fn load(&mut self, files: Vec<FileProposal>) {
        self.order = files
            .iter()
            .enumerate()
            .flat_map(|(at, file)| (0..file.hunks.len()).map(move |hunk| (at, hunk)))
            .filter(|(at, hunk)| render::is_waiting(&files[*at].hunks[*hunk]))
            .collect();
        self.files = files;
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<(&FileProposal, &Hunk)> {
        let (file, hunk) = *self.order.get(at)?;
        let file = self.files.get(file)?;
        Some((file, file.hunks.get(hunk)?))
    }

    pub(super) fn verdict(&self, at: usize) -> Option<&Verdict> {
        self.verdicts.get(&self.get(at)?.1.id)
    }

    pub(super) fn position(&self, id: &str) -> Option<usize> {
        (0..self.len()).find(|at| self.get(*at).is_some_and(|(_, hunk)| hunk.id == id))
    }

    /// The first hunk from `at` on that is not decided on.
    pub(super) fn undecided(&self, at: usize) -> Option<usize> {
        (at..self.len()).find(|at| self.verdict(*at).is_none())
    }

    /// The first hunk behind `at`, and then from the beginning, that has the text.
    pub(super) fn find(&self, at: usize, text: &str) -> Option<usize> {
        let has = |at: &usize| {
            self.get(*at).is_some_and(|(file, hunk)| {
                let mut texts = [&hunk.old_text, &hunk.new_text, &file.path].into_iter();
                texts.any(|it| it.contains(text))
            })
        };
        (at + 1..self.len()).chain(0..=at).find(has)
    }

    pub(super) fn decide(&mut self, at: usize, verdict: Verdict) {
        if let Some((_, hunk)) = self.get(at) {
            let id = hunk.id.clone();
            self.verdicts.insert(id, verdict);
        }
    }

    /// Decides on this hunk and on those of `others` that are not decided on; what conflicts is not
    /// accepted along with others. Tells how many it were.
    pub(super) fn decide_with(
        &mut self,
        at: usize,
        others: impl Fn(&FileProposal, &Hunk) -> bool,
        range: std::ops::Range<usize>,
        verdict: &Verdict,
    ) -> usize {
        let with: Vec<usize> = range
            .filter(|other| *other != at && self.verdict(*other).is_none())
            .filter(|other| {
                self.get(*other).is_some_and(|(file, hunk)| {
                    let fits = *verdict != Verdict::Accept || hunk.state == HunkState::Pending;
                    fits && others(file, hunk)
                })
            })
            .collect();
        for at in with.iter().chain([&at]) {
            self.decide(*at, verdict.clone());
        }
        with.len() + 1
    }

    /// What is true of a hunk here.
    pub(super) fn place(&self, at: usize) -> Place {
        let Some((file, hunk)) = self.get(at) else {
            return Place::default();
        };
        let others = (0..self.len()).filter(|other| *other != at && self.verdict(*other).is_none());
        let same_group = |other: usize| self.get(other).is_some_and(|(_, o)| o.group == hunk.group);
        // A file that goes away has no text afterwards; a binary one and a move have none to show.
        let has_text = !hunk.old_text.is_empty() || !hunk.new_text.is_empty();
        let goes = file.kind == ChangeKind::Delete;
        // What is in the way of a whole file is not solved by another text.
        let is_blocked = hunk.state == HunkState::Conflicted && hunk.live_text.is_none();
        Place {
            is_conflicted: hunk.state == HunkState::Conflicted,
            is_first: at == 0,
            is_last: at + 1 >= self.len(),
            has_group: hunk.group.is_some() && others.into_iter().any(same_group),
            can_split: has_parts(file, hunk),
            can_edit: has_text && !goes && !is_blocked,
        }
    }

    /// Everything that was decided, in the order of the hunks.
    pub(super) fn decisions(self) -> Decisions {
        let mut decisions = Decisions::default();
        for at in 0..self.len() {
            let (Some((_, hunk)), Some(verdict)) = (self.get(at), self.verdict(at)) else {
                continue;
            };
            let id = hunk.id.clone();
            match verdict {
                Verdict::Accept => decisions.accept.push(id),
                Verdict::Reject(comment) => {
                    let reject = &mut decisions.reject;
                    match reject.iter_mut().find(|(words, _)| words == comment) {
                        Some((_, ids)) => ids.push(id),
                        None => reject.push((comment.clone(), vec![id])),
                    }
                }
            }
        }
        decisions
    }
}

/// Whether a session can split a hunk: lines fall into parts, whole files and conflicts do not.
fn has_parts(file: &FileProposal, hunk: &Hunk) -> bool {
    let is_whole = matches!(file.kind, ChangeKind::Create | ChangeKind::Delete);
    let lines = [&hunk.old_text, &hunk.new_text].map(|text| text.split_inclusive('\n').count());
    hunk.state == HunkState::Pending && !is_whole && lines.iter().any(|count| *count > 1)
}
