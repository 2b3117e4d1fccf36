//! `edit`: exact replacements in a file, all of them or none.

mod nearest;

use boxagnts_tool_sdk::fs::{self, ErrorCode};
use boxagnts_tool_sdk::{Error, Lines, Output, failed, plural};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write;

const MAX_FILE: u64 = 64 << 20;
/// Places that a message names.
const MAX_PLACES: usize = 10;

/// Input of `edit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// File, relative to the workspace.
    path: String,
    /// Applied in order, all or none.
    edits: Vec<Edit>,
}

/// One replacement.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct Edit {
    /// Text as in the file, without line numbers, with enough around it to be found once.
    old_text: String,
    /// What comes there.
    new_text: String,
    /// Replace every occurrence.
    #[serde(default)]
    replace_all: bool,
    /// Skip occurrences inside of longer words.
    #[serde(default)]
    whole_word: bool,
}

fn run(input: Input) -> Result<Output, Error> {
    let Input { path, edits } = input;
    if edits.is_empty() {
        return Err(Error::InvalidInput("`edits` is empty".to_owned()));
    }
    let bytes = fs::read(&path, MAX_FILE).map_err(|error| {
        let hint = match error.code {
            ErrorCode::NotFound => "; use `write` to create it, or `glob` to find it",
            _ => "",
        };
        Error::Failed(format!("{}{hint}", error.message))
    })?;
    let Ok(mut text) = String::from_utf8(bytes) else {
        return failed(format!(
            "`{path}` is not UTF-8 text; it can only be replaced with `write`"
        ));
    };
    let mut made = 0;
    for (index, edit) in edits.iter().enumerate() {
        let which = if edits.len() > 1 {
            format!("edits[{index}]: ")
        } else {
            String::new()
        };
        made += apply(&mut text, edit).map_err(|why| {
            Error::Failed(format!("{which}{why}; nothing was changed in `{path}`"))
        })?;
    }
    fs::write(&path, text.as_bytes())?;
    Ok(Output::new(format!(
        "Edited `{path}`: {}.",
        plural(made, "replacement")
    )))
}

/// Makes one edit and says how many places it changed.
fn apply(text: &mut String, edit: &Edit) -> Result<usize, String> {
    let (mut old, mut new) = (edit.old_text.clone(), edit.new_text.clone());
    if old.is_empty() {
        return Err("`old_text` is empty; use `write` for a whole file".to_owned());
    }
    if old == new {
        return Err("`old_text` and `new_text` are the same".to_owned());
    }
    let mut places = find(text, &old, edit.whole_word);
    if places.is_empty() && old.contains('\n') && !old.contains('\r') && text.contains("\r\n") {
        // Models write LF; the file keeps its CRLF.
        old = old.replace('\n', "\r\n");
        places = find(text, &old, edit.whole_word);
    }
    if text.contains("\r\n") && !text.replace("\r\n", "").contains('\n') && !new.contains('\r') {
        new = new.replace('\n', "\r\n");
    }
    match places.as_slice() {
        [] => return Err(not_found(text, edit)),
        [_] => {}
        several if !edit.replace_all => {
            let lines: Vec<String> = several
                .iter()
                .take(MAX_PLACES)
                .map(|&at| line_number(text, at).to_string())
                .collect();
            let more = if several.len() > MAX_PLACES {
                ", …"
            } else {
                ""
            };
            return Err(format!(
                "`old_text` is there {} times, at lines {}{more}; give more text around it, or set \
                 `replace_all`",
                several.len(),
                lines.join(", ")
            ));
        }
        _ => {}
    }
    let mut edited = String::with_capacity(text.len());
    let mut from = 0;
    for &at in &places {
        edited.push_str(&text[from..at]);
        edited.push_str(&new);
        from = at + old.len();
    }
    edited.push_str(&text[from..]);
    *text = edited;
    Ok(places.len())
}

/// Where `old` is, from the beginning, without overlaps.
fn find(text: &str, old: &str, whole_word: bool) -> Vec<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let begins = old.chars().next().is_some_and(is_word);
    let ends = old.chars().next_back().is_some_and(is_word);
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find(old) {
        let at = from + found;
        let behind = at + old.len();
        let inside = (begins && text[..at].chars().next_back().is_some_and(is_word))
            || (ends && text[behind..].chars().next().is_some_and(is_word));
        if whole_word && inside {
            from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        } else {
            places.push(at);
            from = behind;
        }
    }
    places
}

fn line_number(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn not_found(text: &str, edit: &Edit) -> String {
    let mut why = "`old_text` is not in the file".to_owned();
    if edit.whole_word && text.contains(&edit.old_text) {
        why.push_str(" as a whole word, only inside of longer ones");
        return why;
    }
    let lines: Vec<&str> = Lines::of(text)
        .map(|line| line.trim_end_matches(['\r', '\n']))
        .collect();
    let wanted: Vec<&str> = edit.old_text.lines().collect();
    if let Some(near) = nearest::nearest(&lines, &wanted) {
        let (first, last) = (near.first + 1, near.first + near.lines.len());
        let _ = write!(why, "; the nearest is at lines {first}-{last}");
        if near.only_whitespace {
            why.push_str(", which differ in white space only");
        }
        why.push_str(":\n");
        for line in near.lines {
            let _ = writeln!(why, "{line}");
        }
        why.push_str("Copy the text exactly as `read` shows it behind the tab");
    } else {
        why.push_str("; read the file again, it may have changed");
    }
    why
}

boxagnts_tool_sdk::tool! {
    name: "edit", level: Write, capabilities: [WorkspaceRead, WorkspaceWrite],
    description: "Replace exact text in a file. Each `old_text` must be there exactly once, unless `replace_all` is set.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(content: &str, edits: &str, expect: Result<&str, &str>) {
        fs::set_files([("a", content.as_bytes())]);
        let result = call(&format!(r#"{{"path":"a","edits":{edits}}}"#));
        let now = String::from_utf8(fs::file("a").unwrap()).unwrap();
        match (result, expect) {
            (Ok(_), Ok(text)) => assert_eq!(now, text),
            (Err(Error::Failed(why) | Error::InvalidInput(why)), Err(part)) => {
                assert!(why.contains(part), "{why}");
                assert_eq!(now, content, "nothing changes");
            }
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn edits_are_exact_and_in_order() {
        check("a b c", r#"[{"old_text":"b","new_text":"x"}]"#, Ok("a x c"));
        check(
            "a b",
            r#"[{"old_text":"a","new_text":"b"},{"old_text":"b b","new_text":"c"}]"#,
            Ok("c"),
        );
        check(
            "a a",
            r#"[{"old_text":"a","new_text":"b","replace_all":true}]"#,
            Ok("b b"),
        );
        check(
            "foo food _foo foo",
            r#"[{"old_text":"foo","new_text":"bar","replace_all":true,"whole_word":true}]"#,
            Ok("bar food _foo bar"),
        );
        check(
            "x\r\ny\r\n",
            r#"[{"old_text":"x\ny","new_text":"1\n2\n3"}]"#,
            Ok("1\r\n2\r\n3\r\n"),
        );
        check(
            "\u{feff}x",
            r#"[{"old_text":"x","new_text":"y"}]"#,
            Ok("\u{feff}y"),
        );
    }

    #[test]
    fn all_or_nothing_with_the_reason() {
        check(
            "a\nb\na\n",
            r#"[{"old_text":"b","new_text":"c"},{"old_text":"a","new_text":"x"}]"#,
            Err("edits[1]: `old_text` is there 2 times, at lines 1, 3"),
        );
        check("a", r#"[]"#, Err("empty"));
        check(
            "a",
            r#"[{"old_text":"","new_text":"x"}]"#,
            Err("use `write`"),
        );
        check("a", r#"[{"old_text":"a","new_text":"a"}]"#, Err("the same"));
        check(
            "fn a() {\n\tlet x = 1;\n}\n",
            r#"[{"old_text":"fn a() {\n    let x = 1;\n}","new_text":"x"}]"#,
            Err("lines 1-3, which differ in white space only:\nfn a() {\n\tlet x = 1;\n}"),
        );
        check(
            "one\nlet total = 1;\ntwo\n",
            r#"[{"old_text":"let totals = 1;","new_text":"x"}]"#,
            Err("nearest is at lines 2-2:\nlet total = 1;"),
        );
        check(
            "food",
            r#"[{"old_text":"foo","new_text":"x","whole_word":true}]"#,
            Err("longer ones"),
        );
        check(
            "qqq",
            r#"[{"old_text":"zzz","new_text":"x"}]"#,
            Err("read the file again"),
        );
    }

    #[test]
    fn files_that_cannot_be_edited() {
        fs::set_files([("bin", &b"\xff\xfe"[..])]);
        let edit = |path| {
            call(&format!(
                r#"{{"path":"{path}","edits":[{{"old_text":"a","new_text":"b"}}]}}"#
            ))
        };
        assert!(matches!(edit("bin"), Err(Error::Failed(why)) if why.contains("not UTF-8")));
        assert!(matches!(edit("nope"), Err(Error::Failed(why)) if why.contains("use `write`")));
    }

    proptest! {
        #[test]
        fn replacing_all_is_what_the_standard_library_does(
            text in "[ab\n]{0,40}", old in "[ab\n]{1,3}", new in "[abc\n]{0,3}",
        ) {
            prop_assume!(old != new);
            let mut edited = text.clone();
            let edit = Edit { old_text: old.clone(), new_text: new.clone(), replace_all: true, whole_word: false };
            match apply(&mut edited, &edit) {
                Ok(count) => {
                    prop_assert_eq!(count, text.matches(&old).count());
                    prop_assert_eq!(edited, text.replace(&old, &new));
                }
                Err(_) => prop_assert!(!text.contains(&old)),
            }
        }
    }
}
