//! Entries of a help text: `-f, --file <FILE>...  The file [default: a]`.

use super::text::closing;
use crate::describe::field::Kind;

/// Longest declaration of a flag.
const MAX_SPEC: usize = 1 << 10;

/// How an entry declares a flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spec {
    /// With their dashes.
    pub(super) names: Vec<String>,
    /// Placeholder of the value, `{a,b}` for choices.
    pub(super) value: Option<String>,
    pub(super) value_optional: bool,
    pub(super) repeatable: bool,
    /// What is no part of the declaration.
    pub(super) rest: String,
}

/// An entry's declaration, and what it says on the same line.
pub(super) fn split(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(gap) = text[from..].find("  ") {
        let at = from + gap;
        let rest = text[at..].trim_start();
        let spec = text[..at].trim_end();
        // Some align short and long names in columns of their own.
        if !spec.ends_with([',', '|']) {
            return (spec, rest);
        }
        from = text.len() - rest.len();
    }
    (text, "")
}

/// Whether a line could declare a flag.
pub(super) fn begins_flag(text: &str) -> bool {
    let name = text
        .strip_prefix("--")
        .or_else(|| text.strip_prefix('-'))
        .unwrap_or_default();
    let name = name.strip_prefix("[no-]").unwrap_or(name);
    text.starts_with('-') && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Reads `-f, --file <FILE>`, `--file=FILE`, `-f FILE, --file FILE`, `--[no-]color[=WHEN]`, ….
pub(super) fn spec(text: &str) -> Option<Spec> {
    if !begins_flag(text) || text.len() > MAX_SPEC {
        return None;
    }
    let mut spec = Spec::default();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',', '|', '/']);
        if begins_flag(rest) {
            rest = name(rest, &mut spec);
            rest = value(rest, &mut spec);
        } else if let Some(behind) = rest.strip_prefix("...") {
            spec.repeatable = true;
            rest = behind;
        } else if spec.value.is_some() && rest.starts_with('[') {
            // `FILE [FILE ...]`
            let Some(end) = closing(rest).filter(|end| rest[..*end].contains("...")) else {
                break;
            };
            spec.repeatable = true;
            rest = &rest[end..];
        } else {
            break;
        }
    }
    spec.rest = rest.trim().to_owned();
    Some(spec)
}

/// Takes a flag's name off the front.
fn name<'a>(text: &'a str, spec: &mut Spec) -> &'a str {
    let dashes = text.len() - text.trim_start_matches('-').len();
    let dashes = dashes.min(2);
    let bare = &text[dashes..];
    let bare = bare.strip_prefix("[no-]").unwrap_or(bare);
    let end = bare
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .unwrap_or(bare.len());
    spec.names.push(format!(
        "{}{}",
        &text[..dashes],
        bare[..end].trim_end_matches('-')
    ));
    &bare[end..]
}

/// Takes the placeholder of a value off the front, when there is one.
fn value<'a>(text: &'a str, spec: &mut Spec) -> &'a str {
    if let Some(inner) = text.strip_prefix("[=").or_else(|| text.strip_prefix("[<")) {
        let Some(end) = closing(text) else {
            return text;
        };
        let inner = &text[text.len() - inner.len()..end - 1];
        spec.value = Some(placeholder(inner));
        spec.value_optional = true;
        return &text[end..];
    }
    let (spaced, behind) = match text.strip_prefix('=') {
        Some(behind) => (false, behind),
        None => (text.starts_with(' '), text.trim_start_matches(' ')),
    };
    if behind.starts_with(['<', '{', '[', '(']) {
        let Some(end) = closing(behind) else {
            return text;
        };
        let group = &behind[..end];
        // `--all [--other]`, `--file FILE [FILE ...]`
        if group.starts_with("[-") || (spec.value.is_some() && group.contains("...")) {
            return text;
        }
        spec.value = Some(placeholder(group));
        // `[a|b]` is a choice.
        spec.value_optional = group.starts_with('[') && !group.contains('|');
        return &behind[end..];
    }
    let end = behind.find([' ', ',', '[', '|']).unwrap_or(behind.len());
    let (word, rest) = behind.split_at(end);
    let (word, rest) = match word.strip_suffix("...") {
        Some(word) => (word, &behind[word.len()..]),
        None => (word, rest),
    };
    if word.is_empty() || (spaced && !is_value(word, rest)) {
        return text;
    }
    spec.value = Some(placeholder(word));
    rest
}

/// Whether a word behind a flag stands for its value, and does not begin a sentence.
fn is_value(word: &str, rest: &str) -> bool {
    if word.starts_with('-') {
        return false;
    }
    let loud = word.chars().any(|c| c.is_ascii_uppercase())
        && !word.chars().any(|c| c.is_ascii_lowercase());
    let last = matches!(rest.trim_start().chars().next(), None | Some(',' | '['))
        || rest.trim_start().starts_with("...");
    loud || last
}

fn placeholder(text: &str) -> String {
    text.trim_matches(['<', '>', '[', ']', '(', ')', '=', '"', '\'', ' '])
        .to_owned()
}

/// `{a,b}` and `a|b`, as choices.
pub(super) fn choices(placeholder: &str) -> Vec<String> {
    let (list, separator) = match placeholder.strip_prefix('{') {
        Some(list) => (list.trim_end_matches('}'), [',', '|']),
        None if placeholder.contains('|') => (placeholder, ['|', '|']),
        None => return Vec::new(),
    };
    let choices = list.split(separator).map(|choice| choice.trim().to_owned());
    choices.filter(|choice| !choice.is_empty()).collect()
}

/// What a placeholder says of the value.
pub(super) fn kind(placeholder: &str) -> Kind {
    match placeholder.to_ascii_lowercase().as_str() {
        "n" | "num" | "int" | "integer" | "count" | "uint" | "int32" | "int64" | "u8" | "u16"
        | "u32" | "u64" | "i32" | "i64" | "usize" => Kind::Integer,
        "number" | "float" | "double" | "decimal" | "f32" | "f64" | "float64" => Kind::Number,
        "bool" | "boolean" => Kind::Boolean,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, `=value`, `?` for an optional one, `*` for repeatable, and `:` before the rest.
    fn check(text: &str, expect: &str) {
        let shown = spec(text).map_or("none".to_owned(), |spec| {
            let mut shown = spec.names.join(" ");
            if let Some(value) = &spec.value {
                shown.push_str(&format!("={value}"));
            }
            shown.push_str(if spec.value_optional { "?" } else { "" });
            shown.push_str(if spec.repeatable { "*" } else { "" });
            if !spec.rest.is_empty() {
                shown.push_str(&format!(": {}", spec.rest));
            }
            shown
        });
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn declarations_of_every_style_are_read() {
        check("-a", "-a");
        check("-f, --file <FILE>", "-f --file=FILE");
        check("--file <FILE>...", "--file=FILE*");
        check("-f FILE, --file FILE", "-f --file=FILE");
        check("--files F [F ...]", "--files=F*");
        check("--files [F ...]", "--files=F ...?");
        check("-f, --file=FILE", "-f --file=FILE");
        check("--color[=WHEN]", "--color=WHEN?");
        check("--color [<WHEN>]", "--color=WHEN?");
        check("--[no-]color", "--color");
        check("-v, --verbose...", "-v --verbose*");
        check("-h --help", "-h --help");
        check("--format {json,text}", "--format={json,text}");
        check("--hash [md5|sha1]", "--hash=md5|sha1");
        check("--loud / --no-loud", "--loud --no-loud");
        check("-n int", "-n=int");
        check("-name string", "-name=string");
        check("--file value, -f value", "--file -f=value");
        check("-v be verbose", "-v: be verbose");
        check("-f FILE read this", "-f=FILE: read this");
        check("-p, --port <n> [env: P]", "-p --port=n: [env: P]");
        check("-x|--exclude GLOB", "-x --exclude=GLOB");
        check("--", "none");
        check("- item", "none");
        check("---", "none");
        check("-<", "none");
    }

    #[test]
    fn a_gap_ends_a_declaration() {
        let check = |text, expect| assert_eq!(split(text), expect);
        check("-a  all", ("-a", "all"));
        check("-a,  --all    all", ("-a,  --all", "all"));
        check("-a all", ("-a all", ""));
    }
}
