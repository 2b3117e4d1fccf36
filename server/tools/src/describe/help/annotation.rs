//! What help texts say of a flag in brackets: `[default: a]`, `(required)`, `[choices: "a", "b"]`.

use super::text::closing;
use crate::describe::field::{Field, Kind};

/// Takes from a field's help what its schema can say.
pub(super) fn annotate(field: &mut Field) {
    let mut text = std::mem::take(&mut field.help);
    for tag in ["[string]", "[number]", "[boolean]", "[array]", "[count]"] {
        if let Some(at) = text.find(tag) {
            text.replace_range(at..at + tag.len(), "");
            match tag {
                "[number]" => field.kind = Kind::Number,
                "[boolean]" => field.kind = Kind::Bare,
                "[array]" => {
                    field.kind = Kind::Text;
                    field.repeatable = true;
                }
                "[string]" if field.kind == Kind::Bare => field.kind = Kind::Text,
                _ => {}
            }
        }
    }
    if let Some(list) = take(
        &mut text,
        &["possible values:", "choices:", "one of:", "values:"],
    ) {
        field.choices = list_of(&list);
        // `10..4000 (inclusive)` is a range.
        if field.choices.iter().any(|choice| choice.contains("..")) {
            field.choices.clear();
        }
    } else if field.choices.is_empty() {
        field.choices = listed(&text);
    }
    if let Some(default) = take(
        &mut text,
        &["default:", "default=", "default ", "defaults to "],
    ) {
        // `[default: 5; required]`
        let (value, more) = default.split_once(';').unwrap_or((&default, ""));
        field.required |= more.trim() == "required";
        let value = unquote(value.trim());
        if !value.is_empty() && value != "none" && value != "None" {
            field.default = Some(value.to_owned());
        }
    }
    if take(&mut text, &["required"]).is_some() {
        field.required = true;
    }
    field.help = tidy(&text);
}

/// Takes the first bracket that begins with one of `keys`, and gives what stands behind the key.
fn take(text: &mut String, keys: &[&str]) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    for (at, _) in lower.match_indices(['[', '(']) {
        let inner = &lower[at + 1..];
        let Some(key) = keys.iter().find(|key| inner.starts_with(**key)) else {
            continue;
        };
        let Some(end) = closing(&text[at..]).map(|end| at + end) else {
            continue;
        };
        let value = text[at + 1 + key.len()..end - 1].trim().to_owned();
        // `(required by --other)` is a sentence.
        if *key == "required" && !value.is_empty() {
            continue;
        }
        text.replace_range(at..end, "");
        return Some(value);
    }
    None
}

/// `a, b`, `"a", "b"`, `a|b`.
fn list_of(text: &str) -> Vec<String> {
    let separator = if text.contains(',') { ',' } else { '|' };
    let values = text.split(separator).map(|value| unquote(value.trim()));
    values
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The values of `Possible values: - a: first - b: second`, lines joined.
fn listed(text: &str) -> Vec<String> {
    let Some((_, list)) = text.split_once("Possible values: - ") else {
        return Vec::new();
    };
    let list = list.split_once(" [").map_or(list, |(list, _)| list);
    let values = list.split(" - ").map(|value| {
        let name = value.split(' ').next().unwrap_or_default();
        name.trim_end_matches(':').to_owned()
    });
    values.filter(|value| !value.is_empty()).collect()
}

fn unquote(text: &str) -> &str {
    for quote in ['"', '\'', '`'] {
        let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    text
}

/// What is left, without the gaps that taken brackets left.
fn tidy(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let text = text
        .strip_suffix(" .")
        .map(|text| format!("{text}."))
        .unwrap_or(text);
    if text == "." { String::new() } else { text }
}
