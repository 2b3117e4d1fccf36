//! Where the two merges agree, and why where they do not. Every explanation is checked: the edits of
//! both sides, as we and as git found them, are woven together by the plainest rule there is.

use crate::compare::{Comparison, Outcome};
use crate::corpus::{Case, hunks, lines};
use std::collections::HashMap;
use std::ops::Range;

/// What came of a merge by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The same text.
    Same,
    /// A conflict for both.
    BothConflict,
    /// Git conflicts; our changes of lines touch theirs and do not overlap.
    Touching,
    /// Git conflicts; words of the same lines were merged, and those of both sides are there.
    Words,
    /// Git conflicts; the edits that we found lie apart, those that git found do not.
    GitAligned,
    /// We conflict; the edits that git found lie apart, those that we found do not.
    OursAligned,
    /// Two texts; each is right for the edits that it was made of, which are different ones.
    BothAligned,
    /// None of that.
    Unexplained,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 8] = [
        Verdict::Same,
        Verdict::BothConflict,
        Verdict::Touching,
        Verdict::Words,
        Verdict::GitAligned,
        Verdict::OursAligned,
        Verdict::BothAligned,
        Verdict::Unexplained,
    ];

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Same => "same text",
            Verdict::BothConflict => "both conflict",
            Verdict::Touching => "git conflicts: touching lines",
            Verdict::Words => "git conflicts: words of a line",
            Verdict::GitAligned => "git conflicts: alignment",
            Verdict::OursAligned => "we conflict: alignment",
            Verdict::BothAligned => "other text: alignment",
            Verdict::Unexplained => "unexplained",
        }
    }

    /// Whether both did the same.
    pub fn agrees(self) -> bool {
        matches!(self, Verdict::Same | Verdict::BothConflict)
    }
}

/// Lines `old` of the base become `text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which lines.
    pub old: Range<usize>,
    /// What they become.
    pub text: String,
}

/// How the edits of two sides lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    Apart,
    Touching,
    Overlapping,
}

/// Merges by both and says what came of it.
///
/// # Errors
/// One of them cannot be run.
pub fn verdict(
    comparison: &Comparison,
    case: &Case,
) -> Result<Verdict, Box<dyn std::error::Error>> {
    let outcomes = (comparison.ours(case)?, comparison.git(case)?);
    match &outcomes {
        (Outcome::Clean(ours), Outcome::Clean(git)) if ours == git => return Ok(Verdict::Same),
        (Outcome::Conflict, Outcome::Conflict) => return Ok(Verdict::BothConflict),
        _ => {}
    }
    let mine = [&case.ours, &case.theirs].map(|side| comparison.edits(&case.base, side));
    let [ours, theirs] = mine;
    let ours = Sides::new(&case.base, ours?, theirs?);
    let [one, other] = [&case.ours, &case.theirs].map(|side| hunks(&case.base, side));
    let git = Sides::new(&case.base, one, other);
    let aligned = ours.edits != git.edits;
    Ok(match &outcomes {
        (Outcome::Clean(text), Outcome::Clean(other)) => {
            let woven = || ours.woven(text) && git.woven(other);
            // Of a passage that one side has twice, each may have taken another one for the base's.
            let moved = || sorted_lines(text) == sorted_lines(other);
            match aligned && (woven() || moved()) {
                true => Verdict::BothAligned,
                false => Verdict::Unexplained,
            }
        }
        (Outcome::Clean(text), Outcome::Conflict) => match ours.relation {
            Relation::Apart if aligned && ours.woven(text) => Verdict::GitAligned,
            Relation::Touching if ours.woven(text) => Verdict::Touching,
            Relation::Overlapping if has_words_of_both(case, text) => Verdict::Words,
            _ => Verdict::Unexplained,
        },
        (Outcome::Conflict, Outcome::Clean(text)) => {
            let overlaps = ours.relation == Relation::Overlapping;
            match aligned && overlaps && git.woven(text) {
                true => Verdict::OursAligned,
                false => Verdict::Unexplained,
            }
        }
        (Outcome::Conflict, Outcome::Conflict) => Verdict::BothConflict,
    })
}

/// The edits of both sides.
struct Sides {
    edits: [Vec<Edit>; 2],
    relation: Relation,
    /// The base with all edits, when they do not overlap.
    woven: Option<String>,
}

impl Sides {
    fn new(base: &str, ours: Vec<Edit>, theirs: Vec<Edit>) -> Sides {
        let mut relation = Relation::Apart;
        for a in &ours {
            for b in theirs.iter().filter(|b| *b != a) {
                relation = relation.max(related(&a.old, &b.old));
            }
        }
        let woven = (relation < Relation::Overlapping).then(|| {
            let mut all: Vec<&Edit> = ours.iter().chain(&theirs).collect();
            all.sort_by_key(|edit| (edit.old.start, edit.old.end));
            all.dedup();
            let lines = lines(base);
            let mut text = String::new();
            let mut at = 0;
            for edit in all {
                text.extend(lines[at..edit.old.start].iter().copied());
                text.push_str(&edit.text);
                at = edit.old.end;
            }
            text.extend(lines[at..].iter().copied());
            text
        });
        Sides {
            edits: [ours, theirs],
            relation,
            woven,
        }
    }

    fn woven(&self, text: &str) -> bool {
        self.woven.as_deref() == Some(text)
    }
}

fn related(a: &Range<usize>, b: &Range<usize>) -> Relation {
    if a == b || (a.start < b.end && b.start < a.end) {
        Relation::Overlapping
    } else if a.end == b.start || b.end == a.start {
        Relation::Touching
    } else {
        Relation::Apart
    }
}

/// How often each word is there.
fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn words(text: &str) -> HashMap<&str, i64> {
    let mut counts = HashMap::new();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    for word in words.filter(|word| !word.is_empty()) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// Whether each word is there as often as the two sides together make it: what one side put in or
/// took out counts once, and the same of both may count once or twice.
fn has_words_of_both(case: &Case, merged: &str) -> bool {
    let texts = [&case.base, &case.ours, &case.theirs].map(|text| words(text));
    let merged = words(merged);
    let all = texts.iter().flat_map(HashMap::keys);
    all.into_iter().all(|word| {
        let [base, ours, theirs] = [0, 1, 2].map(|n| texts[n].get(word).copied().unwrap_or(0));
        let (ours, theirs) = (ours - base, theirs - base);
        let made = merged.get(word).copied().unwrap_or(0) - base;
        let (once, twice) = match (ours.signum(), theirs.signum()) {
            (1, 1) => (ours.max(theirs), ours + theirs),
            (-1, -1) => (ours.min(theirs), ours + theirs),
            _ => (ours + theirs, ours + theirs),
        };
        (once.min(twice)..=once.max(twice)).contains(&made)
    })
}
