//! Line changes between two texts, and where the changes of one side land in the other.
//!
//! Pure functions over lines; the three-way merge of the review is built on them.

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A hostile pair of texts must not keep us busy; past this the difference is still right, only
/// coarser.
const DIFF_TIME: Duration = Duration::from_millis(500);

/// One contiguous change: lines `old` of the first text became lines `new` of the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// The changes between two texts, in order; between two of them lies at least one equal line.
pub(crate) fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    let deadline = Instant::now().checked_add(DIFF_TIME);
    let mut found: Vec<Change> = Vec::new();
    for op in capture_diff_slices_deadline(Algorithm::Myers, old, new, deadline) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let change = Change {
            old: op.old_range(),
            new: op.new_range(),
        };
        match found.last_mut() {
            Some(last) if last.old.end == change.old.start && last.new.end == change.new.start => {
                last.old.end = change.old.end;
                last.new.end = change.new.end;
            }
            _ => found.push(change),
        }
    }
    found
}

/// Where a change of one side lands in the text of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It replaces these lines there.
    Clean(Range<usize>),
    /// The other side made the same change already.
    Done,
    /// The other side changed the same place; these lines there are closest.
    Conflict(Range<usize>),
}

/// Places `change` (base → ours) in the text that `theirs` (base → live) leads to.
///
/// Two insertions at the same point conflict, because their order is a guess; changes that only
/// touch do not.
pub(crate) fn place(change: &Change, ours: &[&str], theirs: &[Change], live: &[&str]) -> Placement {
    let at = &change.old;
    let mut before = 0isize;
    let mut touched: Option<Range<usize>> = None;
    for other in theirs {
        let same_point = other.old == *at && at.is_empty();
        if same_point || (other.old.start < at.end && at.start < other.old.end) {
            if other.old == *at && ours[change.new.clone()] == live[other.new.clone()] {
                return Placement::Done;
            }
            let lines = touched.get_or_insert(other.new.clone());
            lines.end = other.new.end;
        } else if other.old.end <= at.start {
            before += other.new.len() as isize - other.old.len() as isize;
        }
    }
    match touched {
        Some(lines) => Placement::Conflict(lines),
        None => Placement::Clean(
            at.start.saturating_add_signed(before)..at.end.saturating_add_signed(before),
        ),
    }
}

/// `lines` with each of the spans replaced; spans are ascending and do not overlap.
pub(crate) fn splice<'a>(
    lines: &[&str],
    edits: impl IntoIterator<Item = (Range<usize>, &'a [&'a str])>,
) -> String {
    let mut text = String::with_capacity(lines.iter().map(|line| line.len()).sum());
    let mut at = 0;
    for (span, with) in edits {
        text.extend(lines[at..span.start].iter().copied());
        text.extend(with.iter().copied());
        at = span.end;
    }
    text.extend(lines[at..].iter().copied());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::split;
    use proptest::prelude::*;

    /// Merges `ours` into `live`; conflicting changes are left out and counted.
    fn merge(base: &str, ours: &str, live: &str) -> (String, usize) {
        let (base, ours, live) = (split(base), split(ours), split(live));
        let theirs = changes(&base, &live);
        let mut edits = Vec::new();
        let mut conflicts = 0;
        for change in changes(&base, &ours) {
            match place(&change, &ours, &theirs, &live) {
                Placement::Clean(span) => edits.push((span, &ours[change.new])),
                Placement::Done => {}
                Placement::Conflict(_) => conflicts += 1,
            }
        }
        (splice(&live, edits), conflicts)
    }

    fn check(base: &str, ours: &str, live: &str, expect: &str, conflicts: usize) {
        assert_eq!(merge(base, ours, live), (expect.to_owned(), conflicts));
    }

    #[test]
    fn separate_changes_merge() {
        check("a\nb\nc\n", "a\nB\nc\n", "x\na\nb\nc\n", "x\na\nB\nc\n", 0);
        check("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n", 0);
        check("a\nb\n", "a\nb\nc\n", "x\nb\n", "x\nb\nc\n", 0);
    }

    #[test]
    fn touching_changes_merge() {
        check("a\nb\n", "A\nb\n", "a\nB\n", "A\nB\n", 0);
        check("a\nb\n", "a\nnew\nb\n", "a\nB\n", "a\nnew\nB\n", 0);
    }

    #[test]
    fn overlapping_changes_conflict_and_keep_the_users_text() {
        check("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", "a\nY\nc\n", 1);
        check("a\n", "a\nours\n", "a\ntheirs\n", "a\ntheirs\n", 1);
    }

    #[test]
    fn the_same_change_is_done() {
        check("a\nb\n", "a\nX\n", "a\nX\n", "a\nX\n", 0);
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec("[abc]?(\r\n|\n)", 0..12).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn merging_with_one_side_unchanged_gives_the_other(base in text(), other in text()) {
            prop_assert_eq!(merge(&base, &other, &base), (other.clone(), 0));
            prop_assert_eq!(merge(&base, &base, &other), (other, 0));
        }

        #[test]
        fn changes_lead_from_one_text_to_the_other(old in text(), new in text()) {
            let (a, b) = (split(&old), split(&new));
            let edits: Vec<_> = changes(&a, &b);
            let spliced = splice(&a, edits.into_iter().map(|c| (c.old, &b[c.new])));
            prop_assert_eq!(spliced, new);
        }

        #[test]
        fn nothing_of_the_users_text_is_lost(base in text(), ours in text(), typed in 0usize..12) {
            let marker = "user typed this\n";
            let mut live: Vec<&str> = split(&base);
            live.insert(typed.min(live.len()), marker);
            let live = live.concat();
            let (merged, _) = merge(&base, &ours, &live);
            prop_assert!(merged.contains(marker));
        }
    }
}
