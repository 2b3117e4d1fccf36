//! The text that a command printed, made harmless, and its lines.

/// What is read of a text; the rest is left out.
pub(super) const MAX_TEXT: usize = 64 << 10;

/// How far a tab goes.
const TAB: usize = 8;
/// Where a line begins at most; nobody indents further, and a line of tabs must not grow.
const MAX_INDENT: usize = 200;

/// A line without the spaces around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) indent: usize,
    pub(super) text: String,
}

impl Line {
    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
}

/// The lines of a text without what could command a terminal or hide from its reader.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // Manual pages print a letter over itself to make it bold.
    let mut single = String::with_capacity(end);
    for c in text[..end].chars() {
        match c {
            '\u{8}' => drop(single.pop()),
            '\r' => {}
            c => single.push(c),
        }
    }
    let plain = anstream::adapter::strip_str(&single).to_string();
    plain.lines().map(line).collect()
}

fn line(line: &str) -> Line {
    let mut text = String::new();
    let mut column = 0;
    let mut indent = 0;
    for c in line.chars() {
        match c {
            '\t' => {
                let to = (column / TAB + 1) * TAB;
                if !text.is_empty() {
                    // Two at least, so that a tab always separates.
                    text.push_str("  ");
                }
                column = to;
            }
            c if c.is_whitespace() => {
                if !text.is_empty() {
                    text.push(' ');
                }
                column += 1;
            }
            c if is_sly(c) => {}
            c => {
                if text.is_empty() {
                    indent = column.min(MAX_INDENT);
                }
                text.push(c);
                column += 1;
            }
        }
    }
    text.truncate(text.trim_end().len());
    Line { indent, text }
}

/// Control characters and marks of writing direction.
fn is_sly(c: char) -> bool {
    match c {
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}

/// The first `max` bytes of a text, marked when that is not all.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// The byte behind the bracket that closes the one at the beginning of `text`.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut open = 0u32;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' | '<' | '{' => open += 1,
            ']' | ')' | '>' | '}' => {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Some(at + c.len_utf8());
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_plain_lines() {
        let check = |text: &str, expect: &[(usize, &str)]| {
            let lines = lines(text);
            let got: Vec<_> = lines.iter().map(|l| (l.indent, l.text.as_str())).collect();
            assert_eq!(got, expect, "{text:?}");
        };
        check("a\r\n\n  b  \n", &[(0, "a"), (0, ""), (2, "b")]);
        check("\x1b[1m\x1b[4mUsage:\x1b[0m x", &[(0, "Usage: x")]);
        check("\x1b]8;;http://x\x07link\x1b]8;;\x07", &[(0, "link")]);
        check("O\x08Op\x08pt", &[(0, "Opt")]);
        check("  -n int\n    \tcount", &[(2, "-n int"), (8, "count")]);
        check("-n\tcount", &[(0, "-n  count")]);
        check("a\0b\u{202e}c\u{9b}", &[(0, "abc")]);
    }

    #[test]
    fn long_texts_are_cut() {
        let text = "é".repeat(MAX_TEXT);
        assert_eq!(lines(&text)[0].text.len(), MAX_TEXT);
        assert_eq!(cut("äää", 5), "ä…");
        assert_eq!(cut("äää", 6), "äää");
        assert_eq!(closing("[a (b)] c"), Some(7));
        assert_eq!(closing("[a (b"), None);
    }
}
