//! What kind of body an answer has, and its text in the character set that it says it is in.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How far into a page its own words about its character set are looked for, as browsers do.
const PRESCAN: usize = 1024;
const MAX_ESSENCE: usize = 100;

/// What can be done with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A page.
    Html,
    /// Shown as it is.
    Text,
    /// Not shown.
    Other,
}

/// The type of a `content-type` without its parameters, in small letters; `None` when that is none.
pub(crate) fn essence(content_type: &str) -> Option<String> {
    let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
    let of_type = |char: char| char.is_ascii_alphanumeric() || "!#$&^_.+-/".contains(char);
    let usable = essence.contains('/') && essence.len() <= MAX_ESSENCE;
    (usable && essence.chars().all(of_type)).then_some(essence)
}

/// What a body is, by its type and, where that says nothing, by its look.
pub(crate) fn kind(content_type: &str, body: &[u8]) -> Kind {
    let essence = essence(content_type).unwrap_or_default();
    let (family, name) = essence.split_once('/').unwrap_or_default();
    let look = || match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\0') => match is_page(text) {
            true => Kind::Html,
            false => Kind::Text,
        },
        _ => Kind::Other,
    };
    match (family, name) {
        ("text", "html") | ("application", "xhtml+xml") => Kind::Html,
        ("text", _) if binary(content_type, body) => Kind::Other,
        ("text", _) => Kind::Text,
        (_, name) if name.ends_with("+json") || name.ends_with("+xml") => Kind::Text,
        (_, name) if name.ends_with("+yaml") => Kind::Text,
        (
            "application",
            "json"
            | "xml"
            | "javascript"
            | "ecmascript"
            | "x-javascript"
            | "typescript"
            | "yaml"
            | "x-yaml"
            | "toml"
            | "sql"
            | "graphql"
            | "x-sh"
            | "x-ndjson"
            | "ndjson"
            | "jsonl"
            | "x-www-form-urlencoded",
        ) => Kind::Text,
        // Servers say it of files that they do not know, as Cargo.toml.
        ("application", "octet-stream") => match look() {
            Kind::Html => Kind::Text,
            other => other,
        },
        ("", _) => look(),
        _ => Kind::Other,
    }
}

fn is_page(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |with: &str| {
        let begin = text.get(..with.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    };
    begins("<!doctype html") || begins("<html")
}

/// Whether it is called text and is none.
fn binary(content_type: &str, body: &[u8]) -> bool {
    let wide = |encoding| encoding == UTF_16LE || encoding == UTF_16BE;
    !declared(body, content_type).is_some_and(wide) && body.iter().take(8192).any(|&b| b == 0)
}

/// The text of a body. What no character set has becomes `\u{fffd}`.
pub(crate) fn decode(body: &[u8], content_type: &str) -> String {
    let encoding = declared(body, content_type)
        .or_else(|| prescan(body))
        .unwrap_or(match std::str::from_utf8(body) {
            Ok(_) => UTF_8,
            Err(_) => WINDOWS_1252,
        });
    encoding.decode(body).0.into_owned()
}

/// What the body's first bytes or the server say.
fn declared(body: &[u8], content_type: &str) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(body) {
        return Some(encoding);
    }
    let parameters = content_type.split(';').skip(1);
    let named = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| Encoding::for_label(value.as_bytes()))?
    };
    parameters.filter_map(named).next()
}

/// What a page says in `<meta charset>`, or an XML text in its first line.
fn prescan(body: &[u8]) -> Option<&'static Encoding> {
    let begin = String::from_utf8_lossy(&body[..body.len().min(PRESCAN)]).to_ascii_lowercase();
    let encoding = if begin.trim_start().starts_with("<?xml") {
        let declaration = begin.split('>').next().unwrap_or_default();
        label(declaration, "encoding").or_else(|| in_meta(&begin))
    } else {
        in_meta(&begin)
    }?;
    // Read as ASCII until here, so it is not that.
    let wide = encoding == UTF_16LE || encoding == UTF_16BE;
    Some(if wide { UTF_8 } else { encoding })
}

fn in_meta(begin: &str) -> Option<&'static Encoding> {
    let tags = begin.split("<meta").skip(1);
    tags.filter_map(|tag| label(tag.split('>').next()?, "charset"))
        .next()
}

fn label(text: &str, name: &str) -> Option<&'static Encoding> {
    let (_, after) = text.split_once(name)?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let value = value.trim_start_matches(['"', '\'']);
    let end = value.find(|char: char| char.is_whitespace() || "\"';/?".contains(char));
    Encoding::for_label(&value.as_bytes()[..end.unwrap_or(value.len())])
}
