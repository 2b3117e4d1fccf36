//! Texts full of repeated lines, with words in them that are unique: what a person typed is `u7`,
//! what the agent wrote `g7`, what a person made of a hunk `m7`.

use super::dice::Dice;
use boxagnts_protocol::proposal::{Position, Range};
use std::collections::BTreeSet;

/// The plain lines: few, so that differences are ambiguous.
const LINES: [&str; 7] = [
    "}",
    "",
    "    x = 1;",
    "foo bar baz",
    "if a b c {",
    "ä ö 😀 ü",
    "end",
];
const WORDS: [&str; 5] = ["foo", "bar", "a", "😀", "x"];

/// The unique words of a text, in order.
pub(super) fn marks(text: &str) -> Vec<String> {
    let unique = |word: &&str| {
        let digits = word.strip_prefix(['u', 'g', 'm']);
        digits.is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    text.split(|c: char| !c.is_alphanumeric())
        .filter(unique)
        .map(str::to_owned)
        .collect()
}

pub(super) fn mark_set(text: &str) -> BTreeSet<String> {
    marks(text).into_iter().collect()
}

/// The unique words that one text has more often than another one.
pub(super) fn more_marks(text: &str, other: &str) -> BTreeSet<String> {
    let mut all = marks(text);
    for mark in marks(other) {
        if let Some(at) = all.iter().position(|other| *other == mark) {
            all.swap_remove(at);
        }
    }
    all.into_iter().collect()
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    User,
    /// Leaves what the user typed alone.
    Agent,
}

/// Edits texts at random.
pub(super) struct Writer<'a> {
    pub(super) dice: &'a mut Dice,
    /// The number of the last unique word.
    pub(super) last: &'a mut u32,
    pub(super) author: Author,
}

impl Writer<'_> {
    pub(super) fn mark(&mut self) -> String {
        *self.last += 1;
        let letter = match self.author {
            Author::User => 'u',
            Author::Agent => 'g',
        };
        format!("{letter}{}", self.last)
    }

    /// A line without its end.
    fn line(&mut self) -> String {
        let plain = self.dice.pick(&LINES).copied().unwrap_or_default();
        match self.dice.below(10) {
            0..=3 => plain.to_owned(),
            4..=6 => self.mark(),
            _ => format!("{plain} {}", self.mark()),
        }
    }

    /// A new text.
    pub(super) fn text(&mut self, ending: &str) -> String {
        let count = self.dice.below(9);
        let mut text = String::new();
        for _ in 0..count {
            text.push_str(&self.line());
            text.push_str(ending);
        }
        if self.dice.chance(15) {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    }

    /// One to three edits.
    pub(super) fn edit(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.dice.below(3) {
            text = self.edit_once(&text);
        }
        text
    }

    pub(super) fn edit_once(&mut self, text: &str) -> String {
        let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let at = self.dice.below(lines.len());
        let full = lines.len() > 14;
        let choice = if full && self.dice.chance(60) {
            11
        } else {
            self.dice.below(24)
        };
        match choice {
            0..=6 => {
                let at = self.dice.below(lines.len() + 1);
                if at == lines.len()
                    && let Some(last) = lines.last_mut()
                    && !last.ends_with('\n')
                {
                    last.push_str(ending);
                    let line = self.line();
                    lines.push(line);
                } else {
                    let line = self.line() + ending;
                    lines.insert(at, line);
                }
            }
            7..=10 => self.on_words(&mut lines, at, |writer, words| {
                let at = writer.dice.below(words.len() + 1);
                words.insert(at, writer.mark());
            }),
            11..=13 if lines.get(at).is_some_and(|line| self.may_go(line)) => {
                lines.remove(at);
            }
            11..=13 => {}
            14 | 15 => self.on_words(&mut lines, at, |writer, words| {
                let at = writer.dice.below(words.len());
                if words.get(at).is_some_and(|word| writer.may_go(word)) {
                    words[at] = match writer.dice.chance(60) {
                        true => writer.mark(),
                        false => writer
                            .dice
                            .pick(&WORDS)
                            .copied()
                            .unwrap_or_default()
                            .to_owned(),
                    };
                }
            }),
            16 => self.on_words(&mut lines, at, |writer, words| {
                let at = writer.dice.below(words.len());
                if words.get(at).is_some_and(|word| writer.may_go(word)) {
                    words.remove(at);
                }
            }),
            17..=19 => {
                let end = (at + self.dice.below(4)).min(lines.len());
                let old: Vec<String> = lines.drain(at.min(end)..end).collect();
                let kept: Vec<String> = old.into_iter().filter(|line| !self.may_go(line)).collect();
                let mut new: Vec<String> = Vec::new();
                for _ in 0..self.dice.below(4) {
                    new.push(self.line() + ending);
                }
                let at = at.min(lines.len());
                lines.splice(at..at, kept.into_iter().chain(new));
            }
            20 => {
                if let Some(line) = lines.get(at).cloned()
                    && marks(&line).is_empty()
                    && line.ends_with('\n')
                {
                    lines.insert(at, line);
                }
            }
            21 => {
                if let Some(last) = lines.last_mut() {
                    match last.ends_with('\n') {
                        true => last.truncate(last.trim_end_matches(['\r', '\n']).len()),
                        false => last.push_str(ending),
                    }
                }
            }
            22 => {
                for line in &mut lines {
                    if !line.trim().is_empty() {
                        line.insert_str(0, "  ");
                    }
                }
            }
            _ if self.dice.chance(25) => match ending {
                "\n" => return lines.concat().replace('\n', "\r\n"),
                _ => return lines.concat().replace("\r\n", "\n"),
            },
            _ if self.dice.chance(30) => lines.retain(|line| !self.may_go(line)),
            _ => {}
        }
        // A line without an end that is not the last one any more.
        let last = lines.len().saturating_sub(1);
        for line in lines.iter_mut().take(last) {
            if !line.ends_with('\n') {
                line.push_str(ending);
            }
        }
        lines.concat()
    }

    /// Whether this author takes that away: the agent leaves alone what the user typed.
    fn may_go(&self, text: &str) -> bool {
        self.author == Author::User || !marks(text).iter().any(|mark| mark.starts_with('u'))
    }

    fn on_words(
        &mut self,
        lines: &mut [String],
        at: usize,
        edit: impl FnOnce(&mut Self, &mut Vec<String>),
    ) {
        let Some(line) = lines.get_mut(at) else {
            return;
        };
        let body = line.trim_end_matches(['\r', '\n']).len();
        let end = line.split_off(body);
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        edit(self, &mut words);
        *line = words.join(" ") + &end;
    }
}

/// Where a position of the language server protocol is in a text; `None` when there is none.
pub(super) fn offset(text: &str, position: Position) -> Option<usize> {
    let mut start = 0;
    for _ in 0..position.line {
        let rest = &text[start..];
        let end = rest.find(['\n', '\r'])?;
        start += end
            + if rest[end..].starts_with("\r\n") {
                2
            } else {
                1
            };
    }
    let mut units = 0;
    for (at, c) in text[start..].char_indices() {
        if units >= position.character {
            return Some(start + at);
        }
        if matches!(c, '\n' | '\r') {
            return None;
        }
        units += u32::try_from(c.len_utf16()).unwrap_or(0);
    }
    (units == position.character).then_some(text.len())
}

/// `text` with ascending edits in it; `None` when they overlap or stand outside.
pub(super) fn with_edits<'a>(
    text: &str,
    edits: impl IntoIterator<Item = (Range, &'a str)>,
) -> Option<String> {
    let mut out = String::new();
    let mut at = 0;
    for (range, new_text) in edits {
        let (start, end) = (offset(text, range.start)?, offset(text, range.end)?);
        if start < at || end < start {
            return None;
        }
        out.push_str(&text[at..start]);
        out.push_str(new_text);
        at = end;
    }
    out.push_str(&text[at..]);
    Some(out)
}
