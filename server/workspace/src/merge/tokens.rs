//! The merge inside of lines that both sides changed: word by word, and only where the two sides
//! leave something between them.

use super::{Change, token_changes};
use std::cell::OnceCell;
use std::ops::Range;

/// Longer texts than this are not compared by tokens, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// Bytes `old` of the base became bytes `new` of the other text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

/// The three texts, in lines.
pub(crate) struct Texts<'a> {
    pub(crate) base: &'a [&'a str],
    pub(crate) ours: &'a [&'a str],
    pub(crate) live: &'a [&'a str],
}

/// Where the lines begin, once somebody asks.
#[derive(Default)]
pub(super) struct Starts {
    base: OnceCell<Vec<usize>>,
    live: OnceCell<Vec<usize>>,
}

/// Lines of the live text, and what they become with one of our changes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) span: Range<usize>,
    pub(crate) text: String,
}

/// Merges `change` (base → ours) into the live text, where the changes `theirs` (base → live) touch
/// the same lines. `None` when both changed the same words, or words side by side, or when theirs
/// wrote the lines anew.
pub(super) fn merge(
    texts: &Texts<'_>,
    known: &Starts,
    change: &Change,
    theirs: &[Change],
) -> Option<Merged> {
    let base_starts = known.base.get_or_init(|| starts(texts.base));
    let live_starts = known.live.get_or_init(|| starts(texts.live));
    let part = |lines: &[&str], span: &Range<usize>| lines[span.clone()].concat();
    let mut user = Vec::new();
    for their in theirs {
        let (old, new) = (part(texts.base, &their.old), part(texts.live, &their.new));
        if rewritten(&old, &new) {
            return None;
        }
        let at = (base_starts[their.old.start], live_starts[their.new.start]);
        user.extend(edits(&old, &new, at)?);
    }
    let (old, new) = (part(texts.base, &change.old), part(texts.ours, &change.new));
    let ours = edits(&old, &new, (base_starts[change.old.start], 0))?;

    // Everything in front of the first of their changes stands where it stood, moved by the lines
    // in front of it.
    let first = theirs.first()?;
    let from = (base_starts[first.old.start], live_starts[first.new.start]);
    let mut placed: Vec<(Range<usize>, &str)> = Vec::new();
    for edit in &ours {
        let apart = |their: &Edit| their.old.end < edit.old.start || edit.old.end < their.old.start;
        if !user.iter().all(apart) {
            return None;
        }
        let (base, live) = user
            .iter()
            .take_while(|their| their.old.end < edit.old.start)
            .last()
            .map_or(from, |their| (their.old.end, their.new.end));
        let start = (live + edit.old.start).checked_sub(base)?;
        placed.push((start..start + edit.old.len(), &new[edit.new.clone()]));
    }
    let (begin, end) = (placed.first()?.0.start, &placed.last()?.0);
    let last = texts.live.len();
    let line_of = |byte: usize| live_starts.partition_point(|start| *start <= byte) - 1;
    let from = match texts.live.last() {
        // Behind a last line without an end is still in that line.
        Some(line) if line_of(begin) == last && !line.ends_with(['\n', '\r']) => last - 1,
        _ => line_of(begin),
    };
    // Up to the end of a line, unless something comes to the begin of the next one.
    let full = !end.is_empty() && live_starts[line_of(end.end)] == end.end;
    let span = from..(line_of(end.end) + usize::from(!full)).min(last);
    let lines = texts.live[span.clone()].concat();
    let mut text = String::with_capacity(lines.len() + new.len());
    let offset = live_starts[span.start];
    let mut at = 0;
    for (range, with) in placed {
        text.push_str(lines.get(at..range.start - offset)?);
        text.push_str(with);
        at = range.end - offset;
    }
    text.push_str(lines.get(at..)?);
    Some(Merged { span, text })
}

/// Where each line begins, and the end of the last one.
fn starts(lines: &[&str]) -> Vec<usize> {
    let mut at = 0;
    let mut starts = Vec::with_capacity(lines.len() + 1);
    for line in lines {
        starts.push(at);
        at += line.len();
    }
    starts.push(at);
    starts
}

/// Bytes that differ between two texts, counted by tokens; `None` for long ones.
pub(crate) fn distance(old: &str, new: &str) -> Option<usize> {
    let edits = edits(old, new, (0, 0))?;
    Some(edits.iter().map(|e| e.old.len() + e.new.len()).sum())
}

/// Whether less than half of the words of a text are left in the other one: what is common to them
/// is then chance.
fn rewritten(old: &str, new: &str) -> bool {
    let (old, new) = (tokens(old), tokens(new));
    let is_word = |token: &str| token.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let words = |tokens: &[&str]| tokens.iter().filter(|token| is_word(token)).count();
    let changed = token_changes(&old, &new);
    let gone: usize = changed
        .iter()
        .map(|change| words(&old[change.old.clone()]))
        .sum();
    gone * 2 > words(&old)
}

/// The edits between two texts that begin at these bytes.
fn edits(old: &str, new: &str, at: (usize, usize)) -> Option<Vec<Edit>> {
    if old.len().max(new.len()) > MAX_BYTES {
        return None;
    }
    let (a, b) = (tokens(old), tokens(new));
    let (old_starts, new_starts) = (starts(&a), starts(&b));
    let edit = |Change { old, new }| Edit {
        old: at.0 + old_starts[old.start]..at.0 + old_starts[old.end],
        new: at.1 + new_starts[new.start]..at.1 + new_starts[new.end],
    };
    Some(token_changes(&a, &b).into_iter().map(edit).collect())
}

/// Words, runs of blanks, line ends, and every other character by itself.
fn tokens(text: &str) -> Vec<&str> {
    #[derive(PartialEq)]
    enum Kind {
        Word,
        Blank,
        Other,
    }
    let kind = |c: char| match c {
        '\r' | '\n' => Kind::Other,
        c if c.is_alphanumeric() || c == '_' => Kind::Word,
        c if c.is_whitespace() => Kind::Blank,
        _ => Kind::Other,
    };
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match kind(first) {
            Kind::Other if rest.starts_with("\r\n") => 2,
            Kind::Other => first.len_utf8(),
            same => rest.find(|c: char| kind(c) != same).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(end);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fall_into_tokens() {
        let check = |text: &str, expect: &[&str]| assert_eq!(tokens(text), expect);
        check("", &[]);
        check(
            "let a_1 = b+2;",
            &["let", " ", "a_1", " ", "=", " ", "b", "+", "2", ";"],
        );
        check("ä  ö\r\n\n", &["ä", "  ", "ö", "\r\n", "\n"]);
    }

    #[test]
    fn a_line_is_rewritten_when_few_of_its_words_are_left() {
        let check = |old: &str, new: &str, expect: bool| assert_eq!(rewritten(old, new), expect);
        check("a b c d", "a b c e", false);
        check("a b c d", "x b y d", false);
        check("a b c d", "w x y d", true);
        check("", "a", false);
    }
}
