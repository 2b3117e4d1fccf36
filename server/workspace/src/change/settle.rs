//! What becomes of hunks that the user decided on.

use super::{FileChange, LineHunk};
use crate::lines::split;
use crate::merge::{Change, Placement, splice};
use std::collections::HashSet;
use std::ops::Range as Span;

/// Which side takes over selected hunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Accepted: the base now has them.
    Base,
    /// Rejected: the current text no longer has them.
    Current,
}

impl FileChange {
    /// Edits of the user's lines for those of `ids` that fit, and the ids that do not.
    pub(crate) fn edits(&self, ids: &HashSet<&str>) -> (Vec<(Span<usize>, String)>, Vec<String>) {
        let current = self.texts().map(|(_, current)| split(current));
        let current = current.unwrap_or_default();
        let mut edits = Vec::new();
        let mut refused = Vec::new();
        let selected = |hunk: &&LineHunk| ids.contains(&*hunk.name.id);
        for hunk in self.lines.iter().filter(selected) {
            match &hunk.place {
                Placement::Clean(span) => {
                    edits.push((span.clone(), current[hunk.change.new.clone()].concat()));
                }
                Placement::Merged(merged) => edits.push((merged.span.clone(), merged.text.clone())),
                Placement::Done => {}
                Placement::Conflict(_) => refused.push(hunk.name.id.to_string()),
            }
        }
        (edits, refused)
    }

    /// Gives the selected line hunks to one side; they are gone afterwards.
    pub(crate) fn settle(&mut self, ids: &HashSet<&str>, side: Side) {
        let Some((base_text, current_text)) = self.texts() else {
            return;
        };
        let (base, current) = (split(base_text), split(current_text));
        let selected = |hunk: &LineHunk| ids.contains(&*hunk.name.id);
        let edits = self
            .lines
            .iter()
            .filter(|hunk| selected(hunk))
            .map(|hunk| match side {
                Side::Base => (hunk.change.old.clone(), &current[hunk.change.new.clone()]),
                Side::Current => (hunk.change.new.clone(), &base[hunk.change.old.clone()]),
            });
        let (base_text, current_text) = match side {
            Side::Base => (splice(&base, edits), current_text.to_owned()),
            Side::Current => (base_text.to_owned(), splice(&current, edits)),
        };
        let mut shift = 0isize;
        let mut kept = Vec::new();
        for hunk in &self.lines {
            let (old, new) = (hunk.change.old.clone(), hunk.change.new.clone());
            let grows = new.len() as isize - old.len() as isize;
            let moved = |span: Span<usize>| {
                span.start.saturating_add_signed(shift)..span.end.saturating_add_signed(shift)
            };
            if selected(hunk) {
                shift += if side == Side::Base { grows } else { -grows };
                continue;
            }
            let mut hunk = hunk.clone();
            hunk.change = match side {
                Side::Base => Change {
                    old: moved(old),
                    new,
                },
                Side::Current => Change {
                    old,
                    new: moved(new),
                },
            };
            kept.push(hunk);
        }
        self.set_texts(base_text, current_text);
        self.lines = kept;
    }
}
