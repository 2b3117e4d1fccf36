//! Lines as the language server protocol counts them: ended by `\n`, `\r\n` or `\r`.

use boxagnts_protocol::proposal::{Position, Range};
use std::ops::Range as Span;

/// The lines of `text`, each with its terminator; the last one may have none. Empty text has no
/// lines.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    // Growing costs more than room that stays empty.
    let mut lines = Vec::with_capacity(text.len() / 32 + 1);
    let mut start = 0;
    for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
        // `\r\n` ends at its second byte.
        if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
            continue;
        }
        lines.push(&text[start..=at]);
        start = at + 1;
    }
    if start < bytes.len() {
        lines.push(&text[start..]);
    }
    lines
}

/// The range of `span` in a text of these lines, in UTF-16 code units.
pub(crate) fn range(lines: &[&str], span: &Span<usize>) -> Range {
    Range {
        start: position(lines, span.start),
        end: position(lines, span.end),
    }
}

/// Where line `at` begins, or the end of the text when there is no such line.
fn position(lines: &[&str], at: usize) -> Position {
    let line = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    match lines.last() {
        Some(last) if at >= lines.len() && !last.ends_with(['\n', '\r']) => {
            let character = line(last.encode_utf16().count());
            Position {
                line: line(lines.len() - 1),
                character,
            }
        }
        _ => Position {
            line: line(at.min(lines.len())),
            character: 0,
        },
    }
}

/// The line ending that most lines of a text have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Lf,
    CrLf,
}

impl Ending {
    /// Its characters.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Ending::Lf => "\n",
            Ending::CrLf => "\r\n",
        }
    }
}

/// The prevailing line ending; `None` without a line break.
pub(crate) fn ending(text: &str) -> Option<Ending> {
    let bytes = text.as_bytes();
    let (mut breaks, mut crlf) = (0usize, 0usize);
    for at in memchr::memchr_iter(b'\n', bytes) {
        breaks += 1;
        crlf += usize::from(at > 0 && bytes[at - 1] == b'\r');
    }
    match (breaks, crlf) {
        (0, _) => None,
        (all, crlf) if crlf * 2 > all => Some(Ending::CrLf),
        _ => Some(Ending::Lf),
    }
}

/// `text` with every `\n` and `\r\n` made `ending`.
pub(crate) fn with_ending(text: &str, ending: Ending) -> String {
    let lf = text.replace("\r\n", "\n");
    match ending {
        Ending::Lf => lf,
        Ending::CrLf => lf.replace('\n', "\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_lsp() {
        let check = |text: &str, expect: &[&str]| assert_eq!(split(text), expect, "{text:?}");
        check("", &[]);
        check("a", &["a"]);
        check("a\nb", &["a\n", "b"]);
        check("a\r\nb\rc\n", &["a\r\n", "b\r", "c\n"]);
        check("\n\n", &["\n", "\n"]);
        check("a\r", &["a\r"]);
    }

    #[test]
    fn positions_are_utf16() {
        let check = |text: &str, at: usize, line: u32, character: u32| {
            let lines = split(text);
            assert_eq!(
                position(&lines, at),
                Position { line, character },
                "{text:?} {at}"
            );
        };
        check("a\nb\n", 2, 2, 0);
        check("a\nb", 2, 1, 1);
        check("a\n😀", 2, 1, 2);
        check("", 0, 0, 0);
        check("a\nb", 1, 1, 0);
    }

    #[test]
    fn endings_are_found_and_made() {
        assert_eq!(ending("a"), None);
        assert_eq!(ending("a\r\nb\n"), Some(Ending::Lf));
        assert_eq!(ending("a\r\nb\r\n"), Some(Ending::CrLf));
        assert_eq!(with_ending("a\r\nb\n", Ending::CrLf), "a\r\nb\r\n");
        assert_eq!(with_ending("a\r\nb\n", Ending::Lf), "a\nb\n");
    }
}
