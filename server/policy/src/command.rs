//! Shell commands as text: whether one is really several, and what it might run. A rule that
//! allows one command must not allow what is strung to it.
//!
//! A shell has more ways to hide a command than any reader of text finds, so what is read here is
//! read against the command. That keeps rules useful; what a command cannot do is not decided here.

use std::collections::BTreeSet;

/// Whether the text can run more than one simple command, or read and write files by itself. What
/// stands in quotes counts too: it is often for another shell.
pub fn is_compound(text: &str) -> bool {
    text.chars().any(is_operator) || text.contains("${") || !is_balanced(text)
}

/// The text and everything that it may run, spelled in the ways that a rule may be written for: split at
/// operators, within quotes and without; less what may stand before a command; without quotes and
/// backslashes; by the program's name alone.
pub fn parts(text: &str) -> Vec<String> {
    let mut parts = BTreeSet::new();
    let mut add = |part: &str| {
        let part = part.trim();
        if !part.is_empty() && !parts.contains(part) {
            parts.insert(part.to_owned());
        }
    };
    let pieces = split(text, false).into_iter().chain(split(text, true));
    for part in std::iter::once(text).chain(pieces) {
        add(part);
        let words: String = part.chars().filter(|c| !"'\"\\".contains(*c)).collect();
        let mut words: Vec<&str> = words.split_whitespace().collect();
        add(&words.join(" "));
        let before = words.iter().take_while(|word| stands_before(word)).count();
        words.drain(..before);
        add(&words.join(" "));
        if let Some(program) = words.first_mut() {
            *program = program.rsplit('/').next().unwrap_or(program);
        }
        add(&words.join(" "));
    }
    parts.into_iter().collect()
}

fn is_operator(c: char) -> bool {
    matches!(
        c,
        ';' | '&' | '|' | '\n' | '\r' | '`' | '>' | '<' | '(' | ')'
    )
}

/// Words of the shell and assignments, which a command may follow.
fn stands_before(word: &str) -> bool {
    let assigns = word.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim_end_matches('+');
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    assigns
        || matches!(
            word,
            "if" | "then"
                | "elif"
                | "else"
                | "while"
                | "until"
                | "do"
                | "{"
                | "!"
                | "time"
                | "command"
                | "builtin"
                | "exec"
                | "env"
                | "nohup"
                | "sudo"
        )
}

/// Splits at operators; those in quotes count only when asked for.
fn split(text: &str, quoted_too: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut quotes = Quotes::default();
    for (at, c) in text.char_indices() {
        let quoted = quotes.take(c);
        // `${` may hide a command in its default.
        let splits = is_operator(c) || matches!(c, '{' | '}' | '$');
        if splits && (quoted_too || !quoted) {
            parts.push(&text[begin..at]);
            begin = at + c.len_utf8();
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn is_balanced(text: &str) -> bool {
    let mut quotes = Quotes::default();
    for c in text.chars() {
        quotes.take(c);
    }
    quotes.open.is_none() && !quotes.escaped
}

/// Where a reader is, as a POSIX shell sees it.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    escaped: bool,
}

impl Quotes {
    /// Whether the character means itself.
    fn take(&mut self, c: char) -> bool {
        if self.escaped {
            self.escaped = false;
            return true;
        }
        match (self.open, c) {
            (None | Some('"'), '\\') => self.escaped = true,
            (None, '\'' | '"') => self.open = Some(c),
            (Some(open), c) if open == c => self.open = None,
            (Some(_), _) => return true,
            (None, _) => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, compound: bool, runs: &[&str]) {
        assert_eq!(is_compound(text), compound, "{text}");
        let parts = parts(text);
        for run in runs {
            assert!(parts.iter().any(|part| part == run), "{text}: {parts:?}");
        }
    }

    #[test]
    fn simple_commands_are_simple() {
        check("git status", false, &["git status"]);
        check(
            "echo 'a b' \"c d\"",
            false,
            &["echo 'a b' \"c d\"", "echo a b c d"],
        );
        check("echo $HOME", false, &[]);
        check("", false, &[]);
        check("grep it\\'s x", false, &["grep its x"]);
    }

    #[test]
    fn what_can_run_more_is_compound() {
        check("ls; rm x", true, &["ls", "rm x"]);
        check("ls && rm x", true, &["ls", "rm x"]);
        check("ls & rm x", true, &["rm x"]);
        check("ls | sh", true, &["ls", "sh"]);
        check("ls\nrm x", true, &["rm x"]);
        check("ls\rrm x", true, &["rm x"]);
        check("echo `rm x`", true, &["rm x"]);
        check("echo $(rm x)", true, &["rm x"]);
        check("echo \"$(rm x)\"", true, &["rm x"]);
        check("echo ${A:-x}", true, &[]);
        check("(rm x)", true, &["rm x"]);
        check("cat <(rm x)", true, &["rm x"]);
        check("ls > x", true, &["ls"]);
        check("cat < x", true, &["cat"]);
        check("echo 'a", true, &[]);
        check("echo \"a", true, &[]);
        check("echo a\\", true, &[]);
        check("sh -c 'ls; rm x'", true, &["rm x"]);
        check("true; foo \"a;b\" c", true, &["foo \"a;b\" c"]);
    }

    #[test]
    fn other_spellings_are_found() {
        check("  r\\m   -rf\tx", false, &["rm -rf x"]);
        check("'rm' \"-rf\" x", false, &["rm -rf x"]);
        check("/bin/rm -rf x", false, &["rm -rf x"]);
        check("A=1 B+=2 rm x", false, &["rm x"]);
        check("if rm x; then sudo rm y; fi", true, &["rm x", "rm y"]);
        check("{ rm x; }", true, &["rm x"]);
    }

    proptest! {
        #[test]
        fn whatever_is_strung_on_is_found(
            head in "[a-z ]{0,8}",
            operator in "[;&|\n`(><)]|&&|\\|\\||\\$\\(",
            quote in "[\"']?",
        ) {
            let text = format!("{head}{quote}{operator}rm -rf x{quote}");
            prop_assert!(is_compound(&text));
            prop_assert!(parts(&text).contains(&"rm -rf x".to_owned()), "{:?}", parts(&text));
        }

        #[test]
        fn parts_of_anything_are_not_empty(text in "[a-c;&|$(){}'\"\\\\ \n]{0,16}|\\PC{0,16}") {
            prop_assert!(parts(&text).iter().all(|part| !part.is_empty()));
        }
    }
}
