//! Line changes between two texts, and where the changes of one side land in the other.
//!
//! Pure functions over lines; the three-way merge of the review is built on them.

mod tokens;

pub(crate) use tokens::{Merged, Texts, distance};

use crate::lines::{Ending, ending, split};
use imara_diff::{Algorithm, Diff, InternedInput};
use std::ops::Range;
use tokens::Starts;

/// One contiguous change: lines `old` of the first text became lines `new` of the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) old: Range<usize>,
    pub(crate) new: Range<usize>,
}

/// Equal lines around what differs that take part in the comparison: so far may a change be moved
/// to where it reads best.
const MARGIN: usize = 128;

/// The changes between two texts, in order; between two of them lies at least one equal line. Where
/// a change could stand at several places, it stands where git would show it.
pub(crate) fn changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    compare(old, new, |diff, input| diff.postprocess_lines(input))
}

/// The changes between two texts in tokens.
fn token_changes(old: &[&str], new: &[&str]) -> Vec<Change> {
    compare(old, new, |diff, input| diff.postprocess_no_heuristic(input))
}

fn compare<'a>(
    old: &[&'a str],
    new: &[&'a str],
    place: impl Fn(&mut Diff, &InternedInput<&'a str>),
) -> Vec<Change> {
    // Two versions of a file are mostly the same, and equal ends are found faster than hashed.
    let (head, tail) = common(old, new);
    if head == old.len() && head == new.len() {
        return Vec::new();
    }
    let (head, tail) = (head.saturating_sub(MARGIN), tail.saturating_sub(MARGIN));
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut input = InternedInput::default();
    let lines = |text: &[&str]| u32::try_from(text.len()).unwrap_or(u32::MAX);
    input.reserve(lines(old), lines(new));
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    place(&mut diff, &input);
    let span = |lines: Range<u32>| head + lines.start as usize..head + lines.end as usize;
    diff.hunks()
        .map(|hunk| Change {
            old: span(hunk.before),
            new: span(hunk.after),
        })
        .collect()
}

/// How many lines two texts have in common at the start, and at the end behind that.
pub(crate) fn common(a: &[&str], b: &[&str]) -> (usize, usize) {
    let equal = |(a, b): &(&&str, &&str)| a == b;
    let head = a.iter().zip(b).take_while(equal).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(equal);
    (head, tail.count())
}

/// Where a change of one side lands in the text of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It replaces these lines there.
    Clean(Range<usize>),
    /// It replaces these lines there by lines of both sides.
    Merged(Merged),
    /// The other side made the same change already.
    Done,
    /// The other side changed the same place; these lines there are closest.
    Conflict(Range<usize>),
}

impl Placement {
    /// The lines of the other side that it stands at.
    pub(crate) fn span(&self) -> Option<Range<usize>> {
        match self {
            Placement::Clean(span) | Placement::Conflict(span) => Some(span.clone()),
            Placement::Merged(merged) => Some(merged.span.clone()),
            Placement::Done => None,
        }
    }
}

/// Places each change of `ours` (base → ours, ascending) in the text that `theirs` (base → live)
/// leads to: by lines, and where both changed the same lines, by words.
///
/// Two insertions at the same point conflict, because their order is a guess; changes of lines that
/// only touch do not.
pub(crate) fn place_all<'c>(
    texts: &Texts<'_>,
    ours: impl IntoIterator<Item = &'c Change>,
    theirs: &[Change],
) -> Vec<Placement> {
    let ours: Vec<&Change> = ours.into_iter().collect();
    let same = same(texts, &ours, theirs);
    let starts = Starts::default();
    let mut places = Vec::with_capacity(ours.len());
    // Changes of the other side that end in front of the one at hand, and by how many lines they
    // move it.
    let (mut passed, mut shift) = (0, 0isize);
    // Where the last one ends: two of ours must not replace the same line.
    let mut taken = 0;
    for (change, same) in ours.into_iter().zip(same) {
        let at = &change.old;
        let touches = |other: &Change| {
            let same_point = other.old == *at && at.is_empty();
            same_point || (other.old.start < at.end && at.start < other.old.end)
        };
        while let Some(other) = theirs.get(passed)
            && other.old.end <= at.start
            && !touches(other)
        {
            shift += other.new.len() as isize - other.old.len() as isize;
            passed += 1;
        }
        let ahead = &theirs[passed..];
        let count = ahead.iter().take_while(|other| touches(other)).count();
        let touched = &ahead[..count];
        let place = match touched {
            [] => Placement::Clean(
                at.start.saturating_add_signed(shift)..at.end.saturating_add_signed(shift),
            ),
            _ if same => Placement::Done,
            [first, ..] => {
                let last = touched.last().unwrap_or(first);
                // The lines of both.
                let start = first.new.start - first.old.start.saturating_sub(at.start);
                let end = last.new.end + at.end.saturating_sub(last.old.end);
                let merged = tokens::merge(texts, &starts, change, touched)
                    .filter(|merged| merged.span.start >= taken);
                merged.map_or(Placement::Conflict(start..end), Placement::Merged)
            }
        };
        let place = match keep_lines_apart(place, &texts.ours[change.new.clone()], texts.live) {
            Placement::Merged(merged) => trimmed(merged, texts.live),
            place => place,
        };
        if let Placement::Clean(span) | Placement::Merged(Merged { span, .. }) = &place {
            if span.start < taken {
                places.push(Placement::Conflict(span.clone()));
                continue;
            }
            taken = span.end;
        }
        places.push(place);
    }
    places
}

/// What comes behind a last line without an end ends that line first, and what comes in front of a
/// line has an end itself.
pub(crate) fn keep_lines_apart(place: Placement, new: &[&str], live: &[&str]) -> Placement {
    let (mut span, merged) = match &place {
        Placement::Clean(span) => (span.clone(), None),
        Placement::Merged(merged) => (merged.span.clone(), Some(&merged.text)),
        Placement::Done | Placement::Conflict(_) => return place,
    };
    let open = |line: &&str| !line.ends_with(['\n', '\r']);
    let behind = live
        .last()
        .filter(|last| span.start == live.len() && open(last));
    let ends = merged.map_or(new.last().copied(), |text| Some(text.as_str()));
    let Some(ends) = ends.filter(|text| !text.is_empty()) else {
        return place;
    };
    let before = span.end < live.len() && open(&ends);
    if behind.is_none() && !before {
        return place;
    }
    let mut text = merged.cloned().unwrap_or_else(|| new.concat());
    let end = ending(&live.concat()).unwrap_or(Ending::Lf).as_str();
    if let Some(last) = behind {
        text = [last, end, &text].concat();
        span.start -= 1;
    }
    if before {
        text.push_str(end);
    }
    Placement::Merged(Merged { span, text })
}

/// Without the lines that a merge leaves as they are: they are no part of the change. One that does
/// nothing conflicts.
fn trimmed(merged: Merged, live: &[&str]) -> Placement {
    let Merged { span, text } = merged;
    let (old, new) = (&live[span.clone()], split(&text));
    let equal = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(equal).count();
    let (old, rest) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(rest.iter().rev()).take_while(equal);
    let tail = tail.count();
    if old.is_empty() && rest.is_empty() {
        return Placement::Conflict(span);
    }
    Placement::Merged(Merged {
        span: span.start + head..span.end - tail,
        text: rest[..rest.len() - tail].concat(),
    })
}

/// `live` with what led from `base` to `ours`.
///
/// # Errors
/// The lines of `live` where both changed the same.
pub(crate) fn carry(base: &str, ours: &str, live: &str) -> Result<String, Range<usize>> {
    let (base, ours, live) = (split(base), split(ours), split(live));
    let texts = Texts {
        base: &base,
        ours: &ours,
        live: &live,
    };
    let mine = changes(&base, &ours);
    let mut edits = Vec::new();
    for (change, place) in mine
        .iter()
        .zip(place_all(&texts, &mine, &changes(&base, &live)))
    {
        match place {
            Placement::Clean(span) => edits.push((span, ours[change.new.clone()].concat())),
            Placement::Merged(merged) => edits.push((merged.span, merged.text)),
            Placement::Done => {}
            Placement::Conflict(span) => return Err(span),
        }
    }
    let edits: Vec<_> = edits
        .iter()
        .map(|(span, text)| (span.clone(), split(text)))
        .collect();
    let edits = edits.iter().map(|(span, lines)| (span.clone(), &lines[..]));
    Ok(splice(&live, edits))
}

/// Which changes of ours stand where the other side made the very same of the same lines, however
/// each side's is cut into changes.
fn same(texts: &Texts<'_>, ours: &[&Change], theirs: &[Change]) -> Vec<bool> {
    let mut same = vec![false; ours.len()];
    let (mut our, mut their) = (0, 0);
    while our < ours.len() && their < theirs.len() {
        let (first_our, first_their) = (our, their);
        let mut span = ours[our].old.clone();
        if theirs[their].old.start < span.start {
            span = theirs[their].old.clone();
        }
        // Everything that stands on connected lines of the base.
        let joins =
            |span: &Range<usize>, next: &Range<usize>| next.start < span.end || next == span;
        loop {
            if let Some(next) = ours.get(our).filter(|next| joins(&span, &next.old)) {
                span.end = span.end.max(next.old.end);
                our += 1;
            } else if let Some(next) = theirs.get(their).filter(|next| joins(&span, &next.old)) {
                span.end = span.end.max(next.old.end);
                their += 1;
            } else {
                break;
            }
        }
        let wide = |first: &Change, last: &Change| {
            let start = first.new.start - (first.old.start - span.start);
            start..last.new.end + (span.end - last.old.end)
        };
        if let ([a, .., b] | [a @ b], [c, .., d] | [c @ d]) =
            (&ours[first_our..our], &theirs[first_their..their])
            && texts.ours.get(wide(a, b)) == texts.live.get(wide(c, d))
        {
            same[first_our..our].fill(true);
        }
    }
    same
}

/// `lines` with each of the spans replaced; spans are ascending and do not overlap. A line without an
/// end gets one when others come behind it.
pub(crate) fn splice<'a>(
    lines: &[&str],
    edits: impl IntoIterator<Item = (Range<usize>, &'a [&'a str])>,
) -> String {
    let mut text = String::with_capacity(lines.iter().map(|line| line.len()).sum());
    let mut push = |part: &[&str]| {
        if !part.is_empty() && !text.is_empty() && !text.ends_with(['\n', '\r']) {
            let end = ending(&text).or_else(|| ending(part[0]));
            text.push_str(end.unwrap_or(Ending::Lf).as_str());
        }
        text.extend(part.iter().copied());
    };
    let mut at = 0;
    for (span, with) in edits {
        push(&lines[at..span.start]);
        push(with);
        at = span.end;
    }
    push(&lines[at..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Merges `ours` into `live`; conflicting changes are left out and counted.
    fn merge(base: &str, ours: &str, live: &str) -> (String, usize) {
        let (base, ours, live) = (split(base), split(ours), split(live));
        let texts = Texts {
            base: &base,
            ours: &ours,
            live: &live,
        };
        let theirs = changes(&base, &live);
        let mine = changes(&base, &ours);
        let places = place_all(&texts, &mine, &theirs);
        let mut edits = Vec::new();
        let mut conflicts = 0;
        for (change, place) in mine.iter().zip(&places) {
            match place {
                Placement::Clean(span) => {
                    edits.push((span.clone(), ours[change.new.clone()].concat()))
                }
                Placement::Merged(merged) => edits.push((merged.span.clone(), merged.text.clone())),
                Placement::Done => {}
                Placement::Conflict(_) => conflicts += 1,
            }
        }
        let edits: Vec<_> = edits
            .iter()
            .map(|(span, text)| (span.clone(), split(text)))
            .collect();
        let edits = edits.iter().map(|(span, lines)| (span.clone(), &lines[..]));
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
    fn a_last_line_without_an_end_gets_one_when_another_comes_behind_it() {
        check("a\nb\n", "a\nb\nnew\n", "x\nb", "x\nb\nnew\n", 0);
        check(
            "a\r\nb\r\n",
            "a\r\nb\r\nc\r\n",
            "a\r\nb",
            "a\r\nb\r\nc\r\n",
            0,
        );
        check("a\nb\n", "a\nB", "a\nb\ntyped\n", "a\nB\ntyped\n", 0);
        // Nothing is left of it.
        check("a\nb\n", "a\nb", "a\nb\ntyped\n", "a\nb\ntyped\n", 1);
    }

    #[test]
    fn overlapping_changes_conflict_and_keep_the_users_text() {
        check("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", "a\nY\nc\n", 1);
        check("a\n", "a\nours\n", "a\ntheirs\n", "a\ntheirs\n", 1);
    }

    #[test]
    fn words_of_a_line_merge_with_something_between_them() {
        check(
            "let total = price * 2;\n",
            "let sum = price * 2;\n",
            "let total = price * 3;\n",
            "let sum = price * 3;\n",
            0,
        );
        // Moved by lines in front, and by letters in front.
        check(
            "x\nlet a = b(c);\n",
            "x\nlet a = b(d);\n",
            "new\nx\n    let aaa = b(c);\n",
            "new\nx\n    let aaa = b(d);\n",
            0,
        );
        // An indented block keeps its indent.
        check(
            "a one\nb two\nc tri\n",
            "a one\nb 2\nc tri\n",
            "  a one\n  b two\n  c tri\n",
            "  a one\n  b 2\n  c tri\n",
            0,
        );
        // Two of ours in one of theirs.
        check(
            "a 1\nb 2\nc 3\n",
            "a X\nb 2\nc Y\n",
            "  a 1\n  b 2\n  c 3\n",
            "  a X\n  b 2\n  c Y\n",
            0,
        );
        // Lines of ours that theirs did not touch come along.
        check(
            "f(a) {\n  x\n}\n",
            "f(a) {\n  y\n  z\n}\n",
            "f(a) {\n  x // w\n}\n",
            "f(a) {\n  x // w\n}\n",
            1,
        );
        // Words in front of a line that theirs moved.
        check(
            "a b\nc d\n",
            "  a b\n  c d\n",
            "a b x\nnew\nc d\n",
            "  a b x\nnew\n  c d\n",
            0,
        );
        // The same word, words side by side, and a line that was written anew.
        check(
            "let a = 1;\n",
            "let b = 1;\n",
            "let c = 1;\n",
            "let c = 1;\n",
            1,
        );
        check("f(a)\n", "f(a, b)\n", "f(c)\n", "f(c)\n", 1);
        check(
            "one two three four\n",
            "one two three 4\n",
            "none of this is left four\n",
            "none of this is left four\n",
            1,
        );
        // Two of ours on one line by now.
        check(
            "a 1\nb 2\nc 3\n",
            "a X\nb 2\nc Y\n",
            "a 1 b 2 c 3\n",
            "a 1 b 2 c Y\n",
            1,
        );
    }

    #[test]
    fn the_same_change_is_done() {
        check("a\nb\n", "a\nX\n", "a\nX\n", "a\nX\n", 0);
        // However it is cut into changes.
        let one = [((0..3), (0..3))];
        let two = [((0..1), (0..1)), ((2..3), (2..3))];
        let changes = |cut: &[(Range<usize>, Range<usize>)]| {
            let change = |(old, new): &(Range<usize>, Range<usize>)| Change {
                old: old.clone(),
                new: new.clone(),
            };
            cut.iter().map(change).collect::<Vec<_>>()
        };
        let texts = Texts {
            base: &["a", "b", "c"],
            ours: &["A", "b", "C"],
            live: &["A", "b", "C"],
        };
        for (ours, theirs) in [(&one[..], &two[..]), (&two, &one)] {
            let places = place_all(&texts, &changes(ours), &changes(theirs));
            assert!(places.iter().all(|place| *place == Placement::Done));
        }
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
