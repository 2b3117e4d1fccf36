//! Keys, taken out of what is written down: those that this process uses, those of its environment,
//! and whatever looks like one.

use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What stands in the place of a key.
pub(crate) const SCRUBBED: &str = "[scrubbed]";

/// A shorter one is taken out only where it is all that there is: it may be a word.
const MIN_CHARS: usize = 8;

/// Forms of keys that services give out.
const FORMS: &str = r"(?x)
    \b sk-[A-Za-z0-9_-]{16,}
  | \b (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}
  | \b gh[pousr]_[A-Za-z0-9]{20,}
  | \b github_pat_[A-Za-z0-9_]{20,}
  | \b glpat-[A-Za-z0-9_-]{16,}
  | \b xox[abeprs]-[A-Za-z0-9-]{10,}
  | \b A(?:KI|SI)A[0-9A-Z]{16}
  | \b AIza[0-9A-Za-z_-]{35}
  | \b (?:hf|gsk|npm|xai)[_-][A-Za-z0-9]{20,}
  | \b eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}
  | (?i: \b (?:Bearer|Basic)\ )[A-Za-z0-9._~+/=-]{16,}
  | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----(?s:.*?)(?:-----END\ [A-Z\ ]*PRIVATE\ KEY-----|\z)";

/// Where keys stand in URLs and headers, whatever their form: what is before the key stays.
const PLACES: &str = r#"(?xi)
    (?P<before>
        [?&;] (?:[a-z0-9_-]*[_-])? (?:key|apikey|token|secret|password|sig|signature) =
      | \b (?:x-api-key|api-key|x-goog-api-key|x-auth-token|authorization) "? \s* [:=] \s* "?
        (?:token\ )?
    )
    [A-Za-z0-9._~+/=%-]{16,}
  | (?P<scheme> \b [a-z][a-z0-9+.-]* :// ) [^\s/@:"'`]* : [^\s/@"'`]+ (?P<at> @ )"#;

/// Ends of the names of variables that have keys in them.
const VARIABLES: &[&str] = &["_KEY", "_TOKEN", "_SECRET", "_PASSWORD"];

fn used() -> MutexGuard<'static, BTreeSet<String>> {
    static USED: OnceLock<Mutex<BTreeSet<String>>> = OnceLock::new();
    USED.get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// A key that this process uses from now on.
pub(crate) fn remember(key: &str) {
    used().insert(key.to_owned());
}

/// What takes keys out. Made for one text or a few: keys may be added meanwhile.
pub(crate) struct Scrubber {
    keys: Vec<String>,
    forms: Option<&'static Regex>,
    places: Option<&'static Regex>,
}

impl Scrubber {
    /// For all keys that are known now.
    pub(crate) fn new() -> Scrubber {
        let named = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.to_str()?.to_uppercase();
            let value = value.into_string().ok()?;
            let is_key = VARIABLES.iter().any(|end| name.ends_with(end));
            (is_key && value.chars().count() >= MIN_CHARS).then_some(value)
        });
        let mut keys = used().clone();
        keys.extend(named);
        Scrubber::of(keys)
    }

    fn of(keys: impl IntoIterator<Item = String>) -> Scrubber {
        static FORMS_COMPILED: OnceLock<Option<Regex>> = OnceLock::new();
        static PLACES_COMPILED: OnceLock<Option<Regex>> = OnceLock::new();
        let mut all: Vec<String> = Vec::new();
        for key in keys.into_iter().filter(|key| !key.is_empty()) {
            // As it stands in JSON.
            let escaped = Value::from(key.as_str()).to_string();
            let escaped = escaped.trim_matches('"');
            if escaped != key {
                all.push(escaped.to_owned());
            }
            // As it stands in URLs.
            let encoded: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
            if encoded != key {
                all.push(encoded.replace('+', "%20"));
                all.push(encoded);
            }
            all.push(key);
        }
        // One may be the beginning of another.
        all.sort_by_key(|key| std::cmp::Reverse(key.len()));
        Scrubber {
            keys: all,
            forms: FORMS_COMPILED
                .get_or_init(|| Regex::new(FORMS).ok())
                .as_ref(),
            places: PLACES_COMPILED
                .get_or_init(|| Regex::new(PLACES).ok())
                .as_ref(),
        }
    }

    /// The text without keys.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut scrubbed = Cow::Borrowed(text);
        for key in &self.keys {
            if key.chars().count() < MIN_CHARS {
                if *key == *scrubbed {
                    return Cow::Borrowed(SCRUBBED);
                }
            } else if scrubbed.contains(key.as_str()) {
                scrubbed = Cow::Owned(scrubbed.replace(key.as_str(), SCRUBBED));
            }
        }
        let rest = format!("${{before}}${{scheme}}{SCRUBBED}${{at}}");
        for (regex, with) in [(self.forms, SCRUBBED), (self.places, rest.as_str())] {
            let Some(regex) = regex else { continue };
            let replaced = match regex.replace_all(&scrubbed, with) {
                Cow::Borrowed(_) => continue,
                Cow::Owned(other) => other,
            };
            scrubbed = Cow::Owned(replaced);
        }
        scrubbed
    }

    /// The value with every text in it scrubbed, names of fields too.
    pub(crate) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(other) = self.text(text) {
                    *text = other;
                } else if self.is_short_key(text) {
                    SCRUBBED.clone_into(text);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => {
                let named: Vec<String> = fields
                    .keys()
                    .filter(|name| *self.text(name) != **name)
                    .cloned()
                    .collect();
                for name in named {
                    if let Some(value) = fields.remove(&name) {
                        fields.insert(self.text(&name).into_owned(), value);
                    }
                }
                fields.values_mut().for_each(|value| self.value(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn is_short_key(&self, text: &str) -> bool {
        self.keys.iter().any(|key| key == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(text: &str, expect: &str) {
        let keys = ["correct horse", "with\"quote", "short"].map(str::to_owned);
        assert_eq!(Scrubber::of(keys).text(text), expect, "{text}");
    }

    #[test]
    fn keys_are_taken_out_and_words_stay() {
        check(
            "the correct horse, twice: correct horse",
            "the [scrubbed], twice: [scrubbed]",
        );
        check(r#"{"a":"with\"quote"}"#, r#"{"a":"[scrubbed]"}"#);
        check("short", "[scrubbed]");
        check("a short word", "a short word");
        for key in [
            "sk-ant-api03-abcdefghijklmnop",
            "sk-proj-0123456789abcdef",
            "ghp_0123456789abcdefghij",
            "AKIAIOSFODNN7EXAMPLE",
            "xoxb-0123456789-abc",
            "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4",
            "Bearer 0123456789abcdef",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMIIE",
        ] {
            check(&format!("key={key}"), "key=[scrubbed]");
        }
        check("with%22quote and with\"quote", "[scrubbed] and [scrubbed]");
        check(
            "q=correct+horse&r=correct%20horse",
            "q=[scrubbed]&r=[scrubbed]",
        );
        for (text, expect) in [
            (
                "https://h/v1?a=1&key=0123456789abcdef&b=2",
                "https://h/v1?a=1&key=[scrubbed]&b=2",
            ),
            (
                "https://h/?access_token=0123456789abcdef",
                "https://h/?access_token=[scrubbed]",
            ),
            ("x-api-key: 0123456789abcdef", "x-api-key: [scrubbed]"),
            (
                r#"{"Authorization": "0123456789abcdef"}"#,
                r#"{"Authorization": "[scrubbed]"}"#,
            ),
            (
                "Authorization: Basic dXNlcjpwYXNzd29yZA==",
                "Authorization: [scrubbed]",
            ),
            (
                "via http://me:hunter2@proxy:8080/",
                "via http://[scrubbed]@proxy:8080/",
            ),
        ] {
            check(text, expect);
        }
        for word in [
            "task-management-configuration",
            "sk-learn",
            "a bearer of bad news",
            "-----BEGIN CERTIFICATE-----",
            "https://host:8080/a?key=b&monkey=0123456789abcdef",
            "std::collections::BTreeMap<String, u64>",
            "git@example.org:a/b.git",
            "let authorization = check(user, document);",
        ] {
            check(word, word);
        }
    }

    #[test]
    fn every_text_of_a_value_is_looked_at() {
        let scrubber = Scrubber::of(["correct horse".to_owned(), "short".to_owned()]);
        let mut value = json!({"a correct horse": [1, "correct horse!", {"b": "short"}], "c": "d"});
        scrubber.value(&mut value);
        let expect = json!({"a [scrubbed]": [1, "[scrubbed]!", {"b": "[scrubbed]"}], "c": "d"});
        assert_eq!(value, expect);
    }

    proptest! {
        #[test]
        fn no_text_has_a_key_afterwards(before in ".{0,20}", key in "[!-~]{8,30}", behind in ".{0,20}") {
            let scrubber = Scrubber::of([key.clone()]);
            let scrubbed = scrubber.text(&format!("{before}{key}{behind}")).into_owned();
            // What is put there may make the key anew only when it has the same characters.
            prop_assume!(!format!("{before}{SCRUBBED}{behind}").contains(&key));
            prop_assert!(!scrubbed.contains(&key));
        }
    }
}
