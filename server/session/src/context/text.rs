//! Text of others on its way into a prompt: fences that it cannot close, and characters that nobody
//! sees.

use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write;

/// A block of a user's message: a label of ours, and text of others in a fence.
pub(super) fn push_block(message: &mut String, label: &str, language: &str, text: &str) {
    let _ = write!(message, "\n\n[{label}]");
    push_fenced(message, language, text);
}

/// Text in a fence longer than any in it, so that it cannot close it.
pub(crate) fn push_fenced(message: &mut String, language: &str, text: &str) {
    let fence = "`".repeat(longest_backtick_run(text).max(2) + 1);
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let _ = write!(message, "\n{fence}{language}\n{text}{end}{fence}");
}

fn longest_backtick_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// The beginning of a text, of at most `max` bytes, ending at a line's end where there is one in the
/// last quarter.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let head = &text[..floor_char_boundary(text, max)];
    match head.rfind('\n') {
        Some(at) if at > max / 4 * 3 => &head[..=at],
        _ => head,
    }
}

pub(super) fn floor_char_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at)
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0)
}

/// The first place from `at` on at which the text can be cut.
pub(super) fn ceil_char_boundary(text: &str, at: usize) -> usize {
    (at..text.len())
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(text.len())
}

/// The text with characters escaped that a person who reads the file does not see, or sees
/// elsewhere: what guides a model must be what its user can review.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) {
            let _ = write!(plain, "\\u{{{:x}}}", c as u32);
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}

/// The same in one line of at most `max` characters.
pub(super) fn line(text: &str, max: usize) -> String {
    let text = visible(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    match words.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}

/// A name or another word of strangers for a label of ours, in one line of at most `max` characters,
/// without what would end the label or the quotes around it.
pub(super) fn label(text: &str, max: usize) -> String {
    let plain = text.replace('`', "'").replace('[', "(").replace(']', ")");
    line(&plain, max)
}

/// Controls, marks that turn the direction of text, tags and selectors that carry hidden text. Joiners
/// stay: scripts and emoji need them.
fn is_invisible(c: char) -> bool {
    match c {
        '\n' | '\t' | '\r' => false,
        '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control(),
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_nobody_sees_is_shown() {
        let check = |text: &str, expect: &str| assert_eq!(visible(text), expect);
        check("plain\ttext\r\n", "plain\ttext\r\n");
        check("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c");
        check("x\u{e0041}\u{e0042}", "x\\u{e0041}\\u{e0042}");
        check("\u{1b}[2J\0", "\\u{1b}[2J\\u{0}");
        check(
            "👩\u{200d}💻 می\u{200c}خواهم",
            "👩\u{200d}💻 می\u{200c}خواهم",
        );
        assert_eq!(line("a\n b \u{200b} c", 100), "a b \\u{200b} c");
        assert_eq!(line("äöü", 2), "äö…");
        assert_eq!(
            label("a`:]\n\n[The user says `b\u{202e}", 100),
            "a':) (The user says 'b\\u{202e}"
        );
    }

    proptest! {
        #[test]
        fn text_stays_in_its_fence(text in "[`a\\n]{0,40}") {
            let mut message = String::new();
            push_block(&mut message, "label", "", &text);
            let mut lines = message.lines().skip(3);
            let fence = lines.next().unwrap().to_owned();
            let closing: Vec<usize> = lines
                .enumerate()
                .filter(|(_, line)| line.trim_end() == fence)
                .map(|(at, _)| at)
                .collect();
            prop_assert_eq!(closing.len(), 1);
            prop_assert!(message.ends_with(&fence));
        }

        #[test]
        fn cuts_are_beginnings(text in "[a-zä\\n]{0,60}", max in 0usize..70) {
            let cut = cut(&text, max);
            prop_assert!(text.starts_with(cut) && cut.len() <= max);
        }
    }
}
