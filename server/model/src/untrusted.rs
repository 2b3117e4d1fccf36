//! What providers send, made harmless where it goes on: counts, ids and names of calls, and the words
//! of errors.

use crate::secrets::Scrubber;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;

/// No answer has as many tokens. Sums of some of them stay exact in JavaScript, too.
const MOST_TOKENS: u64 = 1 << 50;

/// What is said about an error is cut here, in characters.
pub(crate) const MAX_EXCERPT: usize = 500;

/// Names and ids of calls that providers take back, in bytes.
const MAX_NAME: usize = 64;
const MAX_ID: usize = 256;

/// Less of a key than this tells nothing of it.
const SHORTEST_PART: usize = 6;

/// A number of tokens; one that is none, as `-1` or `"many"`, is as good as not told.
pub(crate) fn count<'de, D>(deserializer: D) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|n| n.is_finite() && *n >= 0.0)?;
        Some(number as u64)
    });
    Ok(whole.map(|tokens| tokens.min(MOST_TOKENS)))
}

/// The name of a call as providers take it back. A model may have called anything, and a request
/// with a name that is none would be refused, as would all that follow it.
pub(crate) fn wire_name(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    let plain = name.chars().take(MAX_NAME);
    let plain: String = plain.map(|c| if fits(c) { c } else { '_' }).collect();
    match plain.as_str() {
        "" => Cow::Borrowed("unnamed"),
        _ => Cow::Owned(plain),
    }
}

/// The id of a call, or one of our own where what came is no id: it is kept and sent for ever.
pub(crate) fn call_id(id: String, index: usize) -> String {
    let fits = !id.is_empty() && id.len() <= MAX_ID && id.chars().all(|c| c.is_ascii_graphic());
    match fits {
        true => id,
        false => format!("call_{index}"),
    }
}

/// Words about an error, for people: without keys and without characters that move a cursor, cut.
pub(crate) fn words(text: &str, key: Option<&str>) -> String {
    let text = match key {
        Some(key) => without_key(text, key),
        None => text.to_owned(),
    };
    let text = Scrubber::new().text(&text).into_owned();
    let cut: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(MAX_EXCERPT)
        .collect();
    match cut.as_str() {
        "" => "no explanation".to_owned(),
        _ => cut,
    }
}

/// Also without what is left of a key at the end, where the text was cut.
fn without_key(text: &str, key: &str) -> String {
    let text = text.replace(key, "[key]");
    let parts = key.char_indices().map(|(end, _)| end).rev();
    let cut = parts
        .take_while(|end| *end >= SHORTEST_PART)
        .find_map(|end| text.strip_suffix(&key[..end]));
    match cut {
        Some(before) => format!("{before}[key]"),
        None => text,
    }
}

/// An address as it may be shown: what stands before `@` and behind `?` may be a key.
pub(crate) fn shown_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (shown, hidden) = url.split_at(end);
    let shown = match shown.split_once("://") {
        Some((scheme, rest)) => {
            let host_end = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(host_end);
            match host.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://…@{host}{path}"),
                None => shown.to_owned(),
            }
        }
        None => shown.to_owned(),
    };
    match hidden {
        "" => shown,
        _ => format!("{shown}?…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn counts_are_counts() {
        let check = |value: Value, expect: Option<u64>| {
            assert_eq!(count(&value).expect("a value"), expect, "{value}");
        };
        check(json!(0), Some(0));
        check(json!(12), Some(12));
        check(json!(12.0), Some(12));
        check(json!(u64::MAX), Some(MOST_TOKENS));
        check(json!(1e300), Some(MOST_TOKENS));
        check(json!(-1), None);
        check(json!(-0.5), None);
        check(json!(null), None);
        check(json!("12"), None);
        check(json!({"tokens": 12}), None);
    }

    #[test]
    fn names_and_ids_can_be_sent_back() {
        let check = |name: &str, expect: &str| assert_eq!(wire_name(name), expect, "{name:?}");
        check("read_file-2", "read_file-2");
        check("read\u{1b}[2J\n", "read__2J_");
        check("ä.b/c", "__b_c");
        check("", "unnamed");
        check(&"x".repeat(1 << 20), &"x".repeat(MAX_NAME));
        let check = |id: &str, expect: &str| {
            assert_eq!(call_id(id.to_owned(), 7), expect, "{id:?}");
        };
        check("toolu_01:a/b", "toolu_01:a/b");
        check("", "call_7");
        check("a b", "call_7");
        check("a\u{1b}", "call_7");
        check(&"x".repeat(1 << 20), "call_7");
    }

    #[test]
    fn words_have_no_key() {
        let check = |text: &str, expect: &str| {
            assert_eq!(words(text, Some("correct-horse")), expect, "{text:?}");
        };
        check(" no\u{1b}[2J way\r\n", "no[2J way");
        check("", "no explanation");
        check("\u{7}", "no explanation");
        check(
            "https://x/?key=correct-horse: no",
            "https://x/?key=[key]: no",
        );
        check("https://x/?key=correct-h", "https://x/?key=[key]");
        check("it is correct", "it is [key]");
        check("sk-0123456789abcdefghij", "[scrubbed]");
        check(&"ä".repeat(9000), &"ä".repeat(MAX_EXCERPT));
    }

    #[test]
    fn addresses_are_shown_without_secrets() {
        let check = |url: &str, expect: &str| assert_eq!(shown_url(url), expect, "{url}");
        check("https://a.example/v1", "https://a.example/v1");
        check("https://a.example/v1?key=s", "https://a.example/v1?…");
        check("https://u:s@a.example:1/v1#x", "https://…@a.example:1/v1?…");
        check("https://u:s/@a.example", "https://u:s/@a.example");
        check("nonsense", "nonsense");
    }

    proptest! {
        #[test]
        fn any_name_becomes_one(name in ".{0,90}") {
            let plain = wire_name(&name);
            prop_assert!((1..=MAX_NAME).contains(&plain.len()));
            prop_assert_eq!(wire_name(&plain), &*plain);
        }

        #[test]
        fn no_words_have_the_key(before in "[a-z ]{0,30}", key in "[A-Z0-9]{8,20}", end in 0usize..20) {
            let end = end.min(key.len());
            for text in [format!("{before}{key}{before}"), format!("{before}{}", &key[..end])] {
                let words = words(&text, Some(&key));
                prop_assert!(!words.contains(&key[..8.min(key.len())]), "{}", words);
            }
        }
    }
}
