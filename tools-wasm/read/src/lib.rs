//! `read`: numbered lines of a file, a part at a time.

use boxagnts_tool_sdk::fs::{self, ErrorCode, Kind};
use boxagnts_tool_sdk::{Error, Lines, Output, failed};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write;

/// Larger files are read by `grep`, not by eye.
const MAX_FILE: u64 = 64 << 20;
const DEFAULT_LINES: usize = 2000;
const MAX_LINE: usize = 2000;
/// Keeps one answer within what a model can use.
const MAX_TEXT: usize = 256 << 10;

/// Input of `read`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// File, relative to the workspace.
    path: String,
    /// First line, from 1.
    offset: Option<usize>,
    /// How many lines (default 2000).
    limit: Option<usize>,
}

fn run(input: Input) -> Result<Output, Error> {
    let Input {
        path,
        offset,
        limit,
    } = input;
    let first = offset.unwrap_or(1);
    if first == 0 {
        return Err(Error::InvalidInput(
            "`offset` counts lines from 1".to_owned(),
        ));
    }
    let limit = limit.unwrap_or(DEFAULT_LINES);
    if limit == 0 {
        return Err(Error::InvalidInput("`limit` is at least 1".to_owned()));
    }
    let bytes = fs::read(&path, MAX_FILE).map_err(|error| explain(&path, error))?;
    if bytes.is_empty() {
        return Ok(Output::new("[the file is empty]"));
    }
    let binary = bytes.iter().take(8192).any(|&byte| byte == 0);
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return failed(format!("`{path}` is not UTF-8 text: {} bytes", bytes.len()));
    };
    if binary {
        return failed(format!("`{path}` is a binary file: {} bytes", bytes.len()));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);

    let mut shown = String::new();
    let (mut total, mut last) = (0, 0);
    let mut long = false;
    for (index, line) in Lines::of(text).enumerate() {
        total = index + 1;
        if total < first || last + 1 >= first.saturating_add(limit) || shown.len() > MAX_TEXT {
            continue;
        }
        last = total;
        let line = line.trim_end_matches(['\n', '\r']);
        let kept = cut(line);
        let _ = write!(shown, "{total}\t{kept}");
        if kept.len() < line.len() {
            long = true;
            shown.push('…');
        }
        shown.push('\n');
    }
    if first > total {
        return failed(format!(
            "`{path}` has {total} lines; `offset` {first} is behind its end"
        ));
    }
    if last < total {
        let next = last + 1;
        let _ = write!(
            shown,
            "[lines {first}-{last} of {total}; continue with offset {next}]"
        );
    }
    if long {
        let _ = write!(
            shown,
            "[lines with … are longer than {MAX_LINE} bytes and were cut]"
        );
    }
    Ok(Output {
        truncated: last < total || long,
        text: shown,
    })
}

fn cut(line: &str) -> &str {
    let end = (0..=MAX_LINE.min(line.len()))
        .rev()
        .find(|&end| line.is_char_boundary(end));
    &line[..end.unwrap_or(0)]
}

fn explain(path: &str, error: fs::Error) -> Error {
    let hint = match error.code {
        ErrorCode::IsDirectory => "; use `list`".to_owned(),
        ErrorCode::TooLarge => "; use `grep` to find the part that you need".to_owned(),
        ErrorCode::NotFound => similar(path),
        _ => String::new(),
    };
    Error::Failed(format!("{}{hint}", error.message))
}

/// Names in the same directory that look like what was asked for.
fn similar(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
    let stem = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    let wanted = stem(name);
    let close = |other: &str| {
        let other = stem(other);
        !wanted.is_empty()
            && (other.contains(&wanted) || wanted.contains(&other))
            && !other.is_empty()
    };
    let names: Vec<String> = fs::list(directory)
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.kind == Kind::File && close(&entry.name))
        .map(|entry| format!("`{}`", entry.name))
        .take(5)
        .collect();
    match names.is_empty() {
        true => "; use `glob` to find it".to_owned(),
        false => format!("; there is {} in {directory}", names.join(", ")),
    }
}

boxagnts_tool_sdk::tool! {
    name: "read", level: Read, capabilities: [WorkspaceRead],
    description: "Read a text file. Lines come as NUMBER<tab>TEXT; the number is not part of the file.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8], input: &str, expect: Result<&str, &str>) {
        fs::set_files([("a.txt", content), ("dir/b", b"x")]);
        match (call(input), expect) {
            (Ok(output), Ok(text)) => assert_eq!(output.text, text),
            (Err(Error::Failed(why) | Error::InvalidInput(why)), Err(part)) => {
                assert!(why.contains(part), "{why}")
            }
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn parts_of_files() {
        check(b"one\r\ntwo", r#"{"path":"a.txt"}"#, Ok("1\tone\n2\ttwo\n"));
        check(b"", r#"{"path":"a.txt"}"#, Ok("[the file is empty]"));
        check(
            b"1\n2\n3\n4\n",
            r#"{"path":"a.txt","offset":2,"limit":2}"#,
            Ok("2\t2\n3\t3\n[lines 2-3 of 4; continue with offset 4]"),
        );
        let long = "x".repeat(3000);
        let cut = format!(
            "1\t{}…\n[lines with … are longer than 2000 bytes and were cut]",
            &long[..2000]
        );
        check(long.as_bytes(), r#"{"path":"a.txt"}"#, Ok(&cut));
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        check(b"x", r#"{"path":"a.txt","offset":9}"#, Err("has 1 lines"));
        check(b"x", r#"{"path":"a.txt","offset":0}"#, Err("from 1"));
        check(b"x", r#"{"path":"dir"}"#, Err("use `list`"));
        check(b"x", r#"{"path":"a.md"}"#, Err("there is `a.txt`"));
        check(b"x", r#"{"path":"zzz"}"#, Err("use `glob`"));
        check(b"a\0b", r#"{"path":"a.txt"}"#, Err("binary file: 3 bytes"));
        check(b"\xff", r#"{"path":"a.txt"}"#, Err("not UTF-8"));
        check(b"x", r#"{"path":"a.txt","lines":1}"#, Err("unknown field"));
        check(b"x", r#"{"path":"../x"}"#, Err("denied"));
    }
}
