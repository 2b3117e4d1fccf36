//! `glob`: files by name.

use boxagnts_tool_sdk::{Error, Output, fs};
use globset::GlobBuilder;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Write;

const MAX_FILES: usize = 1000;
const BATCH: u32 = 2000;

/// Input of `glob`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// As `*.rs`, `src/**/*.{ts,tsx}`. Without a `/` it matches names at any depth.
    pattern: String,
    /// Directory to look in.
    path: Option<String>,
}

fn run(input: Input) -> Result<Output, Error> {
    let Input { pattern, path } = input;
    let anywhere = !pattern.contains('/');
    let glob = if anywhere {
        format!("**/{pattern}")
    } else {
        pattern.clone()
    };
    let matcher = GlobBuilder::new(glob.trim_start_matches("./"))
        .literal_separator(true)
        .build()
        .map_err(|error| Error::InvalidInput(format!("`pattern` {pattern:?}: {}", error.kind())))?
        .compile_matcher();
    let base = path.as_deref().unwrap_or(".").trim_end_matches('/');
    let inside = if base == "." || base.is_empty() {
        String::new()
    } else {
        format!("{base}/")
    };

    let mut walk = fs::walk(if base.is_empty() { "." } else { base })?;
    let mut text = String::new();
    let mut found = 0;
    loop {
        let files = walk.next(BATCH)?;
        if files.is_empty() {
            break;
        }
        for file in files {
            // A pattern is relative to where it looks, or to the workspace: models mean either.
            let below = file.strip_prefix(&inside).unwrap_or(&file);
            if matcher.is_match(below) || matcher.is_match(&file) {
                found += 1;
                if found <= MAX_FILES {
                    let _ = writeln!(text, "{file}");
                }
            }
        }
    }
    if found == 0 {
        return Ok(Output::new("[no files match]"));
    }
    if found > MAX_FILES {
        let _ = write!(
            text,
            "[{MAX_FILES} of {found} files; narrow the pattern or the path]"
        );
        return Ok(Output::cut(text));
    }
    Ok(Output::new(text))
}

boxagnts_tool_sdk::tool! {
    name: "glob", level: Read, capabilities: [WorkspaceRead],
    description: "Find files by name, sorted by path. Ignored files are hidden.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: Option<&str>, expect: Result<&str, &str>) {
        let files = ["a.rs", "src/b.rs", "src/c/d.rs", "src/c/e.txt", "[x].md"];
        fs::set_files(files.map(|file| (file, &b""[..])));
        let input = Input {
            pattern: pattern.to_owned(),
            path: path.map(str::to_owned),
        };
        match (run(input), expect) {
            (Ok(output), Ok(text)) => assert_eq!(output.text.trim().replace('\n', " "), text),
            (Err(Error::Failed(why) | Error::InvalidInput(why)), Err(part)) => {
                assert!(why.contains(part), "{why}")
            }
            (got, expect) => panic!("{got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn patterns() {
        check("*.rs", None, Ok("a.rs src/b.rs src/c/d.rs"));
        check("src/*.rs", None, Ok("src/b.rs"));
        check(
            "src/**/*.{rs,txt}",
            None,
            Ok("src/b.rs src/c/d.rs src/c/e.txt"),
        );
        check("c/*", Some("src"), Ok("src/c/d.rs src/c/e.txt"));
        check("src/c/*", Some("src/"), Ok("src/c/d.rs src/c/e.txt"));
        check("./*.rs", None, Ok("a.rs"));
        check("*.go", None, Ok("[no files match]"));
        check("[", None, Err("unclosed character class"));
        check("*", Some("nope"), Err("does not exist"));
    }
}
