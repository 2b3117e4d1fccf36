//! The head of a Markdown file: flat `key: value` lines between two `---`.
//!
//! Not all of YAML, on purpose: strangers write these files, and what is wanted of them are texts.

use std::collections::BTreeMap;

/// Fields that are read.
const MAX_FIELDS: usize = 50;

/// Fields and body. Without a head, or with one that does not end, everything is body.
pub(super) fn split(text: &str) -> (BTreeMap<String, String>, &str) {
    let mut fields = BTreeMap::new();
    let mut lines = text.split_inclusive('\n');
    if lines.next().map(str::trim_end) != Some("---") {
        return (fields, text);
    }
    let mut head: Vec<&str> = Vec::new();
    let mut ended = false;
    for line in lines.by_ref() {
        if line.trim_end() == "---" {
            ended = true;
            break;
        }
        head.push(line.trim_end());
    }
    if !ended {
        return (fields, text);
    }
    let mut at = 0;
    while at < head.len() && fields.len() < MAX_FIELDS {
        let line = head[at];
        at += 1;
        let indented = line.starts_with([' ', '\t', '-', '#']);
        let Some((key, value)) = line.split_once(':').filter(|_| !indented) else {
            continue;
        };
        // What is indented below goes on with the value.
        let below = head[at..]
            .iter()
            .take_while(|line| line.is_empty() || line.starts_with([' ', '\t']));
        let below: Vec<&str> = below.map(|line| line.trim()).collect();
        at += below.len();
        fields.insert(key.trim().to_owned(), value_of(value.trim(), &below));
    }
    let body = text.len() - lines.map(str::len).sum::<usize>();
    (fields, &text[body..])
}

fn value_of(first: &str, below: &[&str]) -> String {
    let folded = |first: Option<&str>| {
        let lines = first.into_iter().chain(below.iter().copied());
        let words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        words.join(" ")
    };
    match first {
        "|" | "|-" | "|+" => below.join("\n").trim_end().to_owned(),
        ">" | ">-" | ">+" => folded(None),
        first => unquoted(&folded(Some(first))),
    }
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|v| v.strip_suffix(quote))
        {
            return match quote {
                '"' => inner.replace("\\\"", "\"").replace("\\n", " "),
                _ => inner.replace("''", "'"),
            };
        }
    }
    // A comment begins behind a space.
    let end = value.find(" #").unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, fields: &[(&str, &str)], body: &str) {
        let (got, rest) = split(text);
        let got: Vec<(&str, &str)> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!((got.as_slice(), rest), (fields, body));
    }

    #[test]
    fn heads_as_people_write_them() {
        check("no head", &[], "no head");
        check("---\na: b\nno end", &[], "---\na: b\nno end");
        check("---\na: b # c\n---\nbody\n", &[("a", "b")], "body\n");
        check(
            "---\r\na: \"b: \\\"c\\\"\"\r\n---\r\nx",
            &[("a", "b: \"c\"")],
            "x",
        );
        check(
            "---\na: >-\n  one\n  two\nb: 'it''s'\n---\n",
            &[("a", "one two"), ("b", "it's")],
            "",
        );
        check("---\na: |\n  one\n  two\n---\n", &[("a", "one\ntwo")], "");
        check(
            "---\na: one\n  two\nlist:\n  - x\n# c: d\n---\n",
            &[("a", "one two"), ("list", "- x")],
            "",
        );
        check("---\n---\n---\n", &[], "---\n");
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "(---\n)?[-a:\"'|> #\n]{0,60}") {
            let (_, body) = split(&text);
            prop_assert!(text.ends_with(body));
        }
    }
}
