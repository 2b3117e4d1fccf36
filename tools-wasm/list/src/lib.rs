//! `list`: the entries of a directory.

use boxagnts_tool_sdk::fs::{self, ErrorCode, Kind};
use boxagnts_tool_sdk::{Error, Output};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write;

const MAX_ENTRIES: usize = 1000;

/// Input of `list`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Directory; `.` is the workspace.
    path: String,
}

fn run(input: Input) -> Result<Output, Error> {
    let entries = fs::list(&input.path).map_err(|error| {
        let hint = if error.code == ErrorCode::NotDirectory {
            "; use `read`"
        } else {
            ""
        };
        Error::Failed(format!("{}{hint}", error.message))
    })?;
    if entries.is_empty() {
        return Ok(Output::new("[the directory is empty]"));
    }
    let mut text = String::new();
    for entry in entries.iter().take(MAX_ENTRIES) {
        let _ = match entry.kind {
            Kind::Directory => writeln!(text, "{}/", entry.name),
            Kind::File => writeln!(text, "{}\t{}", entry.name, entry.size),
            Kind::Symlink => writeln!(text, "{}\t[link, not followed]", entry.name),
            Kind::Other => writeln!(text, "{}\t[no regular file]", entry.name),
        };
    }
    if entries.len() > MAX_ENTRIES {
        let total = entries.len();
        let _ = write!(
            text,
            "[{MAX_ENTRIES} of {total} entries; use `glob` for the others]"
        );
        return Ok(Output::cut(text));
    }
    Ok(Output::new(text))
}

boxagnts_tool_sdk::tool! {
    name: "list", level: Read, capabilities: [WorkspaceRead],
    description: "List a directory: `name/` for directories, `name<tab>bytes` for files. Ignored files are hidden.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Result<&str, &str>) {
        fs::set_files([("a.txt", &b"abc"[..]), ("dir/b", b"x"), ("dir/c/d", b"")]);
        match (
            run(Input {
                path: path.to_owned(),
            }),
            expect,
        ) {
            (Ok(output), Ok(text)) => assert_eq!(output.text, text),
            (Err(Error::Failed(why)), Err(part)) => assert!(why.contains(part), "{why}"),
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn directories_and_what_is_none() {
        check(".", Ok("a.txt\t3\ndir/\n"));
        check("dir", Ok("b\t1\nc/\n"));
        check("a.txt", Err("use `read`"));
        check("nope", Err("does not exist"));
    }

    #[test]
    fn a_full_directory_is_cut() {
        let names: Vec<String> = (0..1001).map(|n| format!("f{n:04}")).collect();
        fs::set_files(names.iter().map(|name| (name.as_str(), &b""[..])));
        let output = run(Input {
            path: ".".to_owned(),
        })
        .unwrap();
        assert!(
            output.truncated
                && output
                    .text
                    .ends_with("[1000 of 1001 entries; use `glob` for the others]")
        );
    }
}
