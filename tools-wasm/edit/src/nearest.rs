//! The lines of a file that look most like a text that is not there.

/// Files with more lines are not searched: the hint is not worth the fuel.
const MAX_LINES: usize = 20_000;
const MAX_WANTED: usize = 60;
/// Share of the text that must be alike to be worth showing.
const WORTH: f64 = 0.6;

/// What was found.
pub(crate) struct Nearest<'a> {
    /// Index of its first line.
    pub(crate) first: usize,
    pub(crate) lines: &'a [&'a str],
    /// Whether only white space differs.
    pub(crate) only_whitespace: bool,
}

/// The window of `lines` that is most like `wanted`, if any is.
pub(crate) fn nearest<'a>(lines: &'a [&'a str], wanted: &[&str]) -> Option<Nearest<'a>> {
    let size = wanted.len();
    if size == 0 || size > MAX_WANTED || lines.len() < size || lines.len() > MAX_LINES {
        return None;
    }
    let mut best: Option<(f64, usize)> = None;
    for first in 0..=lines.len() - size {
        let score: f64 = lines[first..first + size]
            .iter()
            .zip(wanted)
            .map(|(a, b)| alike(a, b))
            .sum();
        if best.is_none_or(|(least, _)| score > least) {
            best = Some((score, first));
        }
    }
    let (score, first) = best?;
    if score / (size as f64) < WORTH {
        return None;
    }
    let found = &lines[first..first + size];
    let only_whitespace = found.iter().zip(wanted).all(|(a, b)| bare(a).eq(bare(b)));
    Some(Nearest {
        first,
        lines: found,
        only_whitespace,
    })
}

fn bare(line: &str) -> impl Iterator<Item = char> + '_ {
    line.chars().filter(|c| !c.is_whitespace())
}

/// 1 for lines that are the same but for white space at their ends, less by what is not shared at
/// their beginning and end.
fn alike(a: &str, b: &str) -> f64 {
    let (a, b) = (a.trim().as_bytes(), b.trim().as_bytes());
    if a == b {
        return 1.0;
    }
    let longest = a.len().max(b.len());
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - head;
    let tail = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take(rest)
        .take_while(|(x, y)| x == y)
        .count();
    (head + tail) as f64 / longest as f64
}
