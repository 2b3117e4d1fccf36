//! What a prompt mentions with an `@`, found by its text alone: whether it exists is for others to
//! say, as e-mail addresses, decorators and names of people have an `@`, too.

/// Mentions of one text that are looked at.
const MAX_MENTIONS: usize = 64;

/// Something that a text mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    /// As it is written, with the `@`.
    pub(super) raw: String,
    pub(super) what: What,
}

impl Mention {
    /// A file that nobody had to find in a text.
    pub(super) fn of_file(path: &str) -> Mention {
        let candidate = Candidate {
            raw: path.to_owned(),
            path: path.to_owned(),
            lines: None,
        };
        Mention {
            raw: path.to_owned(),
            what: What::Path {
                candidates: vec![candidate],
                surely: true,
            },
        }
    }
}

/// What is mentioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A file or folder.
    Path {
        /// What may be meant, likeliest first.
        candidates: Vec<Candidate>,
        /// Whether nothing but a path can be meant: then it is told when there is none.
        surely: bool,
    },
    /// What is not committed.
    Diff,
    /// What the session proposes.
    Proposal,
    /// What the editor's language servers say.
    Diagnostics,
    /// Where a name is defined.
    Symbol(String),
    /// A page.
    Url(String),
}

/// A path that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// How much of the text it is, with the `@`.
    pub(super) raw: String,
    pub(super) path: String,
    /// First and last line, from 1.
    pub(super) lines: Option<(usize, usize)>,
}

/// What ends a sentence, or what a path is put into.
const TRAILING: &[char] = &[
    '.', ',', ';', ':', '!', '?', '(', ')', '[', ']', '{', '}', '\'', '*', '…',
];

/// Everything that the text mentions, in order, each once.
pub(super) fn find(text: &str) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    let mut before: Option<char> = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let opens = before.is_none_or(|b| b.is_whitespace() || "([{<\"'`,;:*_".contains(b));
        if c == '@'
            && opens
            && let Some((mention, length)) = mention(&text[at..])
        {
            before = text[..at + length].chars().next_back();
            at += length;
            let known = found.iter().any(|other| other.what == mention.what);
            if !known {
                found.push(mention);
            }
            if found.len() >= MAX_MENTIONS {
                break;
            }
            continue;
        }
        before = Some(c);
        at += c.len_utf8();
    }
    found
}

/// The mention that the text begins with, and how long it is.
fn mention(text: &str) -> Option<(Mention, usize)> {
    let rest = text.strip_prefix('@')?;
    if let Some(quoted) = rest.strip_prefix('"') {
        return in_quotes(text, quoted);
    }
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '<' | '>' | '|'));
    let word = &rest[..end.unwrap_or(rest.len())];
    let of = |length: usize, what: What| {
        let length = length + 1;
        let raw = text[..length].to_owned();
        Some((Mention { raw, what }, length))
    };
    if let Some(url) = word.strip_prefix("url:") {
        let url = url.trim_end_matches(TRAILING);
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        return is_web.then(|| of("url:".len() + url.len(), What::Url(url.to_owned())))?;
    }
    if let Some(name) = word.strip_prefix("symbol:") {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | ':' | '.');
        let end = name.find(|c| !fits(c)).unwrap_or(name.len());
        let name = name[..end].trim_end_matches(TRAILING);
        let is_name = !name.is_empty() && name.len() <= 200;
        return is_name.then(|| of("symbol:".len() + name.len(), What::Symbol(name.to_owned())))?;
    }
    let plain = word.trim_end_matches(TRAILING);
    let special = match plain {
        "diff" => Some(What::Diff),
        "proposal" => Some(What::Proposal),
        "diagnostics" => Some(What::Diagnostics),
        _ => None,
    };
    if let Some(what) = special {
        return of(plain.len(), what);
    }
    let candidates = candidates(word);
    let likeliest = candidates.last()?;
    let name = likeliest.path.rsplit('/').next().unwrap_or_default();
    let has_extension = name
        .rsplit_once('.')
        .is_some_and(|(stem, ext)| !stem.is_empty() && ext.chars().all(char::is_alphanumeric));
    let is_dotfile = name.len() > 1 && name.starts_with('.');
    let called = rest[likeliest.raw.len() - 1..].starts_with('(');
    let surely = likeliest.path.contains('/')
        || likeliest.lines.is_some()
        || is_dotfile
        || has_extension && !called;
    of(word.len(), What::Path { candidates, surely })
}

fn in_quotes(text: &str, quoted: &str) -> Option<(Mention, usize)> {
    let end = quoted.find(['"', '\n'])?;
    let (path, behind) = quoted.split_at(end);
    let behind = behind.strip_prefix('"')?;
    if path.trim().is_empty() {
        return None;
    }
    let (lines, used) = match behind.strip_prefix(':').and_then(lines) {
        Some((lines, used)) => (Some(lines), used + 1),
        None => (None, 0),
    };
    let length = "@\"\"".len() + path.len() + used;
    let raw = text[..length].to_owned();
    let candidate = Candidate {
        raw: raw.clone(),
        path: path.to_owned(),
        lines,
    };
    let what = What::Path {
        candidates: vec![candidate],
        surely: true,
    };
    Some((Mention { raw, what }, length))
}

/// The lines that a text begins with, as in `10` or `10-20`, and its length.
fn lines(text: &str) -> Option<((usize, usize), usize)> {
    let number = |text: &str| {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let number: usize = text[..end].parse().ok()?;
        (number > 0).then_some((number, end))
    };
    let (first, used) = number(text)?;
    let last = text[used..].strip_prefix('-').and_then(number);
    Some(match last {
        Some((last, more)) if last >= first => ((first, last), used + 1 + more),
        _ => ((first, first), used),
    })
}

/// What of a word may be a path: all of it, then less and less of what may be punctuation; each with
/// lines where it has some.
fn candidates(word: &str) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut add = |word: &str| {
        if word.is_empty() {
            return;
        }
        let mut push = |path: &str, lines| {
            candidates.push(Candidate {
                raw: format!("@{word}"),
                path: path.to_owned(),
                lines,
            });
        };
        push(word, None);
        if let Some((path, numbers)) = word.rsplit_once(':')
            && let Some((lines, used)) = lines(numbers)
            && used == numbers.len()
            && !path.is_empty()
        {
            push(path, Some(lines));
        }
    };
    add(word);
    let mut rest = word;
    // Brackets may be part of a name, as in `(group)/page.tsx`.
    while let Some(shorter) = rest.strip_suffix(TRAILING) {
        rest = shorter;
        add(rest);
    }
    // A decorator's arguments.
    if let Some(at) = rest.find('(').filter(|at| *at > 0) {
        add(&rest[..at]);
    }
    candidates.truncate(2 * 8);
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(mention: &Mention) -> String {
        match &mention.what {
            What::Path { candidates, surely } => {
                let paths: Vec<String> = candidates
                    .iter()
                    .map(|c| match c.lines {
                        Some((a, b)) if a == b => format!("{} {a}", c.path),
                        Some((a, b)) => format!("{} {a}-{b}", c.path),
                        None => c.path.clone(),
                    })
                    .collect();
                format!("{}{}", paths.join("|"), if *surely { "!" } else { "?" })
            }
            What::Symbol(name) => format!("symbol {name}"),
            What::Url(url) => format!("url {url}"),
            other => format!("{other:?}"),
        }
    }

    fn check(text: &str, expect: &[&str]) {
        let found: Vec<String> = find(text).iter().map(shown).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn paths_in_sentences() {
        check("fix @src/a.rs", &["src/a.rs!"]);
        check(
            "see @src/a.rs:10-20.",
            &["src/a.rs:10-20.|src/a.rs:10-20|src/a.rs 10-20!"],
        );
        check(
            "(@a.rs:7), @b/",
            &["a.rs:7),|a.rs:7)|a.rs:7|a.rs 7!", "b/!"],
        );
        check("@\"a b/c.txt\":3-4 and @\"d\"", &["a b/c.txt 3-4!", "d!"]);
        check("@a.rs and @a.rs", &["a.rs!"]);
        check("@(group)/page.tsx", &["(group)/page.tsx!"]);
        check("@a.rs:9-3 @a.rs:0", &["a.rs:9-3?", "a.rs:0?"]);
    }

    #[test]
    fn a_dot_makes_a_file() {
        check("@.gitignore", &[".gitignore!"]);
        check("@a.b.c, @.", &["a.b.c,|a.b.c!", ".?"]);
    }

    #[test]
    fn what_is_no_mention() {
        check("mail me@example.com or you@host", &[]);
        check("a @ b, @", &[]);
        check("@\"open", &[]);
        check("@url:ftp://x @url: @symbol: @symbol:()", &[]);
    }

    #[test]
    fn what_may_be_none_is_not_told_of() {
        check("@property", &["property?"]);
        check("@app.route(\"/x\")", &["app.route(|app.route?"]);
        check("thanks, @anna!", &["anna!|anna?"]);
        check(
            "@Test(timeout=1)",
            &["Test(timeout=1)|Test(timeout=1|Test?"],
        );
    }

    #[test]
    fn special_ones() {
        check(
            "review @diff, then @proposal. @diagnostics?",
            &["Diff", "Proposal", "Diagnostics"],
        );
        check("@diffs and @diff/x", &["diffs?", "diff/x!"]);
        check(
            "@symbol:foo::Bar(), @symbol:π_2.",
            &["symbol foo::Bar", "symbol π_2"],
        );
        check(
            "see @url:https://a.b/c?d=(e). @url:http://x,",
            &["url https://a.b/c?d=(e", "url http://x"],
        );
        check("**@diff**", &["Diff"]);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[@\":./( a1äπ\n-]{0,50}") {
            for mention in find(&text) {
                prop_assert!(text.contains(&mention.raw));
                prop_assert!(mention.raw.starts_with('@'));
            }
        }

        #[test]
        fn a_mention_is_found_anywhere(before in "[a-z ,\n]{0,20}", path in "[a-z]{1,8}/[a-z]{1,8}\\.rs") {
            let found = find(&format!("{before} @{path} after"));
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(shown(&found[0]), format!("{path}!"));
        }
    }
}
