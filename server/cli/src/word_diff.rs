//! Changed lines with the words that changed in them, bounded in number and length: what terminals
//! and pages show of a hunk.

use similar::{ChangeTag, InlineChangeOptions, TextDiff};
use std::time::{Duration, Instant};

/// Past this the words of a hunk are not compared; whole lines are marked.
const MAX_WORD_BYTES: usize = 64 << 10;
/// A hostile pair of texts must not keep us busy; past this whole lines are marked.
const WORD_TIME: Duration = Duration::from_millis(200);

/// Which text a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Both,
    Old,
    New,
}

impl Sign {
    /// As unified diffs have it.
    pub(crate) fn char(self) -> char {
        match self {
            Sign::Both => ' ',
            Sign::Old => '-',
            Sign::New => '+',
        }
    }
}

/// One line to show, without its line break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) sign: Sign,
    /// Pieces of the line, and whether each is what changed in it.
    pub(crate) pieces: Vec<(bool, String)>,
    /// Characters at its end that are not shown.
    pub(crate) cut: usize,
    /// The last line of a text, without a line break.
    pub(crate) unended: bool,
}

/// How much is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Lines of each of the two texts.
    pub(crate) lines: usize,
    /// Characters of a line.
    pub(crate) chars: usize,
}

/// What is shown of a hunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) lines: Vec<Line>,
    /// Lines that are not shown, of the old and of the new text.
    pub(crate) left_out: (usize, usize),
}

/// The lines of `old` and `new`.
pub(crate) fn lines(old: &str, new: &str, bounds: Bounds) -> Shown {
    let split = |text| -> Vec<&str> { str::split_inclusive(text, '\n').collect() };
    let (mut before, mut after) = (split(old), split(new));
    // A changed line ending must be seen; one that stays would only be noise.
    let crlf = before.iter().chain(&after).all(|l| l.ends_with("\r\n"));
    let left_out = [&mut before, &mut after].map(|lines| {
        let more = lines.len().saturating_sub(bounds.lines);
        lines.truncate(bounds.lines);
        more
    });
    let bytes: usize = before.iter().chain(&after).map(|line| line.len()).sum();
    let tidy = |(sign, pieces): (Sign, Vec<(bool, &str)>)| tidy(sign, &pieces, crlf, bounds.chars);
    let shown = if bytes <= MAX_WORD_BYTES && !before.is_empty() && !after.is_empty() {
        by_words(&before, &after, tidy)
    } else {
        let old = before.into_iter().map(|line| (Sign::Old, line));
        let new = after.into_iter().map(|line| (Sign::New, line));
        let whole = old
            .chain(new)
            .map(|(sign, line)| tidy((sign, vec![(false, line)])));
        whole.collect()
    };
    Shown {
        lines: shown,
        left_out: (left_out[0], left_out[1]),
    }
}

fn by_words(
    old: &[&str],
    new: &[&str],
    tidy: impl Fn((Sign, Vec<(bool, &str)>)) -> Line,
) -> Vec<Line> {
    let diff = TextDiff::configure()
        .timeout(WORD_TIME)
        .diff_slices(old, new);
    let deadline = Instant::now().checked_add(WORD_TIME);
    let mut options = InlineChangeOptions::new();
    options.semantic_cleanup(true);
    let mut lines = Vec::new();
    for op in diff.ops() {
        for change in diff.iter_inline_changes_with_options_deadline(op, options, deadline) {
            let sign = match change.tag() {
                ChangeTag::Equal => Sign::Both,
                ChangeTag::Delete => Sign::Old,
                ChangeTag::Insert => Sign::New,
            };
            lines.push(tidy((sign, change.values().to_vec())));
        }
    }
    lines
}

/// Takes the line break off, and what is too long.
fn tidy(sign: Sign, pieces: &[(bool, &str)], crlf: bool, chars: usize) -> Line {
    let whole: usize = pieces.iter().map(|(_, text)| text.len()).sum();
    let ended = pieces.iter().rev().find(|(_, text)| !text.is_empty());
    let ended = ended.is_some_and(|(_, text)| text.ends_with('\n'));
    let ending = match (ended, crlf) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    };
    let mut line = Line {
        sign,
        pieces: Vec::new(),
        cut: 0,
        unended: !ended,
    };
    let (mut bytes, mut room) = (whole.saturating_sub(ending), chars);
    for (changed, text) in pieces {
        // The line break may lie across pieces; its bytes are characters.
        let text = text.get(..text.len().min(bytes)).unwrap_or(text);
        bytes -= text.len().min(bytes);
        match text.char_indices().nth(room) {
            None => room -= text.chars().count(),
            Some((at, _)) => {
                line.cut += text[at..].chars().count();
                push(&mut line.pieces, *changed, &text[..at]);
                room = 0;
                continue;
            }
        }
        push(&mut line.pieces, *changed, text);
    }
    line
}

/// Neighbours that are alike become one piece.
fn push(pieces: &mut Vec<(bool, String)>, changed: bool, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some((same, before)) if *same == changed => before.push_str(text),
        _ => pieces.push((changed, text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Bounds = Bounds {
        lines: usize::MAX,
        chars: usize::MAX,
    };

    fn show(shown: &Shown) -> String {
        let mut text = String::new();
        for line in &shown.lines {
            text.push(line.sign.char());
            for (changed, piece) in &line.pieces {
                let piece = piece.replace('\r', "␍");
                text.push_str(&if *changed {
                    format!("[{piece}]")
                } else {
                    piece
                });
            }
            if line.cut > 0 {
                text.push_str(&format!("…{}", line.cut));
            }
            text.push_str(if line.unended { "$\n" } else { "\n" });
        }
        if shown.left_out != (0, 0) {
            text.push_str(&format!("left out {:?}\n", shown.left_out));
        }
        text
    }

    fn check(old: &str, new: &str, bounds: Bounds, expect: &str) {
        assert_eq!(show(&lines(old, new, bounds)), expect);
    }

    #[test]
    fn words_that_changed_are_marked() {
        check(
            "let total = total_cost(a, b);\n",
            "let total = order_total(a, b);\n",
            ALL,
            "-let total = [total_cost](a, b);\n+let total = [order_total](a, b);\n",
        );
        check("one\n", "entirely other\n", ALL, "-one\n+entirely other\n");
        check("", "new\n", ALL, "+new\n");
        check("gone", "", ALL, "-gone$\n");
    }

    #[test]
    fn line_endings_are_shown_only_when_they_change() {
        check("a b c\r\n", "a b d\r\n", ALL, "-a b [c]\n+a b [d]\n");
        check("a\r\n", "a\n", ALL, "-a␍\n+a\n");
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let bounds = Bounds { lines: 2, chars: 3 };
        check(
            "1\n2\n3\n",
            "äöüß\n",
            bounds,
            "-1\n-2\n+äöü…1\nleft out (1, 0)\n",
        );
        let huge = "x".repeat(MAX_WORD_BYTES);
        let shown = lines(&huge, "x", bounds);
        assert_eq!(shown.lines[0].cut, MAX_WORD_BYTES - 3);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(old in "[ab \r\n]{0,40}", new in "[ab \r\n]{0,40}") {
            let shown = lines(&old, &new, ALL);
            let text = |with: Sign| -> Vec<String> {
                let of = shown.lines.iter().filter(|l| l.sign == with || l.sign == Sign::Both);
                of.map(|l| l.pieces.iter().map(|(_, piece)| piece.as_str()).collect()).collect()
            };
            let all = || old.split_inclusive('\n').chain(new.split_inclusive('\n'));
            let ending = if all().all(|l| l.ends_with("\r\n")) { "\r\n" } else { "\n" };
            let expect = |text: &str| -> Vec<String> {
                let lines = text.split_inclusive('\n');
                lines.map(|l| l.strip_suffix(ending).unwrap_or(l).to_owned()).collect()
            };
            prop_assert_eq!(text(Sign::Old), expect(&old));
            prop_assert_eq!(text(Sign::New), expect(&new));
        }
    }
}
