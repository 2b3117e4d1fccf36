//! Positions of the negotiated encoding in a rope.

use ropey::Rope;
use tower_lsp::ls_types::{Position, PositionEncodingKind, Range};

/// How the client counts characters in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16,
    Utf32,
}

impl Encoding {
    /// The first encoding that the client offers and we know; UTF-16 when it offers none, as the
    /// protocol demands.
    pub(crate) fn negotiate(offered: Option<&[PositionEncodingKind]>) -> Encoding {
        let known = |kind: &PositionEncodingKind| match kind.as_str() {
            "utf-8" => Some(Encoding::Utf8),
            "utf-16" => Some(Encoding::Utf16),
            "utf-32" => Some(Encoding::Utf32),
            _ => None,
        };
        offered
            .unwrap_or_default()
            .iter()
            .find_map(known)
            .unwrap_or(Encoding::Utf16)
    }

    pub(crate) fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
            Encoding::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    /// The char index of a position. One behind the end of its line means the line's end, one
    /// behind the last line the document's end, one inside of a character its begin.
    pub(crate) fn char_at(self, rope: &Rope, position: Position) -> usize {
        let line = position.line as usize;
        if line >= rope.len_lines() {
            return rope.len_chars();
        }
        let start = rope.line_to_char(line);
        let text = rope.line(line);
        let wanted = position.character as usize;
        let mut units = 0;
        for (index, c) in text.chars().enumerate() {
            if c == '\n' || c == '\r' {
                return start + index;
            }
            let width = match self {
                Encoding::Utf8 => c.len_utf8(),
                Encoding::Utf16 => c.len_utf16(),
                Encoding::Utf32 => 1,
            };
            if units + width > wanted {
                return start + index;
            }
            units += width;
        }
        start + text.len_chars()
    }

    /// A range in UTF-16, as our own vocabulary has it, in this encoding.
    pub(crate) fn encode_range(self, rope: &Rope, range: Range) -> Range {
        if self == Encoding::Utf16 {
            return range;
        }
        let convert = |position| {
            let at = Encoding::Utf16.char_at(rope, position);
            self.position(rope, at)
        };
        Range {
            start: convert(range.start),
            end: convert(range.end),
        }
    }

    /// A range in this encoding, in UTF-16.
    pub(crate) fn decode_range(self, rope: &Rope, range: Range) -> Range {
        let convert = |position| Encoding::Utf16.position(rope, self.char_at(rope, position));
        Range {
            start: convert(range.start),
            end: convert(range.end),
        }
    }

    fn position(self, rope: &Rope, at: usize) -> Position {
        let at = at.min(rope.len_chars());
        let line = rope.char_to_line(at);
        let start = rope.line_to_char(line);
        let before = rope.slice(start..at);
        let character = match self {
            Encoding::Utf8 => before.len_bytes(),
            Encoding::Utf16 => before.chars().map(char::len_utf16).sum(),
            Encoding::Utf32 => before.len_chars(),
        };
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position {
            line: small(line),
            character: small(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: Encoding, text: &str, line: u32, character: u32, expect: usize) {
        let at = encoding.char_at(&Rope::from_str(text), Position { line, character });
        assert_eq!(at, expect, "{encoding:?} {text:?} {line}:{character}");
    }

    #[test]
    fn positions_are_found_in_each_encoding() {
        check(Encoding::Utf16, "a😀b\nc", 0, 3, 2);
        check(Encoding::Utf8, "a😀b\nc", 0, 5, 2);
        check(Encoding::Utf32, "a😀b\nc", 0, 2, 2);
        check(Encoding::Utf16, "a😀b\r\nc", 0, 99, 3);
        check(Encoding::Utf16, "a😀b", 0, 2, 1);
        check(Encoding::Utf16, "a\nb", 9, 0, 3);
        check(Encoding::Utf16, "a\n", 1, 0, 2);
    }

    #[test]
    fn ranges_go_between_encodings() {
        let rope = Rope::from_str("x\nä😀y");
        let range = |from, to| Range {
            start: Position {
                line: 1,
                character: from,
            },
            end: Position {
                line: 1,
                character: to,
            },
        };
        assert_eq!(Encoding::Utf8.encode_range(&rope, range(1, 3)), range(2, 6));
        assert_eq!(Encoding::Utf8.decode_range(&rope, range(2, 6)), range(1, 3));
        assert_eq!(
            Encoding::Utf32.encode_range(&rope, range(1, 3)),
            range(1, 2)
        );
    }
}
