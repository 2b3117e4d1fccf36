//! What is known of models: windows, prices, abilities. The table is data, and the user's own
//! entries stand above it.

use boxagnts_protocol::conversation::Price;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What is known of a model. A field that nobody knows is `None`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Tokens that a request may have, answer included.
    pub context_window: Option<u64>,
    /// Tokens that an answer may have.
    pub max_output: Option<u64>,
    /// US dollars per million tokens. When it is unknown, limits on tokens govern.
    pub price: Option<Price>,
    /// Whether it takes pictures.
    pub images: Option<bool>,
    /// How it is told to think.
    pub thinking: Option<ThinkingStyle>,
}

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingStyle {
    /// It cannot think.
    None,
    /// By a number of tokens.
    Budget,
    /// By a level: low, medium, high.
    Level,
}

/// Models by patterns over `provider:model`, in which `*` stands for anything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelTable {
    known: BTreeMap<String, ModelInfo>,
    own: BTreeMap<String, ModelInfo>,
}

static BUILT_IN: LazyLock<ModelTable> = LazyLock::new(|| {
    // A test reads it too: it has no mistakes.
    ModelTable::parse(include_str!("../data/models.toml")).unwrap_or_default()
});

impl ModelTable {
    /// The table that comes with the program.
    pub fn built_in() -> &'static ModelTable {
        &BUILT_IN
    }

    /// A table in the form of `data/models.toml`: `[models."PATTERN"]` with the fields of
    /// [`ModelInfo`].
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<ModelTable, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            models: BTreeMap<String, ModelInfo>,
        }
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        Ok(ModelTable {
            known: file.models,
            own: BTreeMap::new(),
        })
    }

    /// This table with the user's entries above it: where one matches, the fields that it has
    /// count, and the others are as they were.
    #[must_use]
    pub fn with(&self, own: impl IntoIterator<Item = (String, ModelInfo)>) -> ModelTable {
        let mut table = self.clone();
        table.own.extend(own);
        table
    }

    /// The price that the user has set for `provider:model` by a pattern that says more than its
    /// provider.
    pub(crate) fn own_price(&self, model: &str) -> Option<Price> {
        let provider = model.find(':').map_or(0, |colon| colon + 1);
        let (pattern, info) = longest(&self.own, model)?;
        info.price.filter(|_| literal(pattern) > provider)
    }

    /// What is known of `provider:model`. Of several patterns that match, the one with the most
    /// characters beside `*` counts.
    pub fn get(&self, model: &str) -> Option<ModelInfo> {
        let known = longest(&self.known, model).map(|(_, info)| info);
        let own = longest(&self.own, model).map(|(_, info)| info);
        match (own, known) {
            (None, known) => known.cloned(),
            (Some(own), None) => Some(own.clone()),
            (Some(own), Some(known)) => Some(ModelInfo {
                context_window: own.context_window.or(known.context_window),
                max_output: own.max_output.or(known.max_output),
                price: own.price.or(known.price),
                images: own.images.or(known.images),
                thinking: own.thinking.or(known.thinking),
            }),
        }
    }
}

/// Characters beside `*`.
fn literal(pattern: &str) -> usize {
    pattern.bytes().filter(|byte| *byte != b'*').count()
}

fn longest<'a>(
    table: &'a BTreeMap<String, ModelInfo>,
    model: &str,
) -> Option<(&'a String, &'a ModelInfo)> {
    table
        .iter()
        .filter(|(pattern, _)| matches(pattern, model))
        .max_by_key(|(pattern, _)| literal(pattern))
}

/// Whether a pattern stands for all of the text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        // What comes behind a star is looked for as early as it can be; the last one ends the text.
        if let Some(part) = last.replace(part) {
            match rest.split_once(part) {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(matches(pattern, text), expect, "{pattern} on {text}");
        };
        check("a:b", "a:b", true);
        check("a:b", "a:bc", false);
        check("a:b*", "a:bc", true);
        check("a:b*", "a:b", true);
        check("*", "", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c-b", false);
        check("*b", "ab", true);
        check("a*a", "a", false);
        check("", "", true);
        check("", "a", false);
    }

    proptest! {
        /// A regular expression comes to the same.
        #[test]
        fn patterns_are_what_they_seem(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let expression = format!("^{}$", pattern.replace('*', ".*"));
            let expect = regex::Regex::new(&expression).expect("an expression").is_match(&text);
            prop_assert_eq!(matches(&pattern, &text), expect);
        }
    }

    fn table(text: &str) -> BTreeMap<String, ModelInfo> {
        ModelTable::parse(text).expect("a table").known
    }

    #[test]
    fn the_longest_pattern_counts_and_the_users_fields_stand_above_it() {
        let known = ModelTable::parse(
            "[models.\"a:*\"]\ncontext_window = 1\nimages = true\n\
             [models.\"a:b*\"]\ncontext_window = 2\nmax_output = 3\n",
        )
        .expect("a table");
        let own = table("[models.\"a:*\"]\ncontext_window = 9\n[models.\"c:d\"]\nimages = false\n");
        let table = known.with(own);
        let window = |model: &str| table.get(model).and_then(|info| info.context_window);
        assert_eq!(
            known.get("a:x").and_then(|info| info.context_window),
            Some(1)
        );
        assert_eq!(
            known.get("a:bx").and_then(|info| info.context_window),
            Some(2)
        );
        assert_eq!((window("a:x"), window("a:bx")), (Some(9), Some(9)));
        assert_eq!(table.get("a:bx").and_then(|info| info.max_output), Some(3));
        assert_eq!(table.get("c:d").and_then(|info| info.images), Some(false));
        assert_eq!(table.get("e:f"), None);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let error = ModelTable::parse("[models.\"a:b\"]\nwindow = 1\n").expect_err("a mistake");
        assert!(error.contains("window") && error.contains('2'), "{error}");
    }

    #[test]
    fn the_built_in_table_is_sound() {
        let parsed = ModelTable::parse(include_str!("../data/models.toml")).expect("the table");
        assert!(parsed.known.len() > 40, "{} patterns", parsed.known.len());
        for (pattern, info) in &parsed.known {
            assert!(pattern.contains(':'), "{pattern}");
            if let (Some(window), Some(output)) = (info.context_window, info.max_output) {
                assert!(output <= window, "{pattern}");
            }
            if let Some(price) = info.price {
                let all = [
                    price.input,
                    price.output,
                    price.cache_read,
                    price.cache_write,
                ];
                assert!(all.iter().all(|p| (0.0..=1000.0).contains(p)), "{pattern}");
                assert!(price.cache_read <= price.input, "{pattern}");
            }
        }
    }
}
