//! `write`: a whole file.

use boxagnts_tool_sdk::fs::{self, ErrorCode};
use boxagnts_tool_sdk::{Error, Output, count, plural};
use schemars::JsonSchema;
use serde::Deserialize;

const MAX_FILE: u64 = 64 << 20;
const BOM: &str = "\u{feff}";

/// Input of `write`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// File, relative to the workspace.
    path: String,
    /// All of its new text.
    content: String,
}

fn run(input: Input) -> Result<Output, Error> {
    let Input { path, content } = input;
    let old = match fs::read(&path, MAX_FILE) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.code == ErrorCode::NotFound => None,
        // Too large to look at its line endings, not to be replaced.
        Err(error) if error.code == ErrorCode::TooLarge => Some(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut text = content;
    let mut kept = "";
    if let Some(old) = old.as_deref().and_then(|old| std::str::from_utf8(old).ok()) {
        if only_crlf(old) && !text.contains('\r') && text.contains('\n') {
            text = text.replace('\n', "\r\n");
            kept = " (with the file's CRLF line endings)";
        }
        if old.starts_with(BOM) && !text.starts_with(BOM) {
            text.insert_str(0, BOM);
        }
    }
    fs::write(&path, text.as_bytes())?;
    let lines = plural(count(&text), "line");
    Ok(Output::new(match old {
        Some(_) => format!("Replaced `{path}`: {lines}{kept}."),
        None => format!("Created `{path}`: {lines}."),
    }))
}

fn only_crlf(text: &str) -> bool {
    let newlines = text.matches('\n').count();
    newlines > 0 && text.matches("\r\n").count() == newlines
}

boxagnts_tool_sdk::tool! {
    name: "write", level: Write, capabilities: [WorkspaceRead, WorkspaceWrite],
    description: "Create a file, or replace all of it. Prefer `edit` for changes in a file.",
    input: Input, run: run,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: Option<&str>, content: &str, says: &str, expect: &str) {
        fs::set_files(old.map(|old| ("a", old.as_bytes())));
        let output = run(Input {
            path: "a".to_owned(),
            content: content.to_owned(),
        })
        .unwrap();
        assert_eq!(output.text, says);
        assert_eq!(String::from_utf8(fs::file("a").unwrap()).unwrap(), expect);
    }

    #[test]
    fn files_are_created_and_replaced_with_their_conventions() {
        check(None, "x\ny\n", "Created `a`: 2 lines.", "x\ny\n");
        check(Some("old\n"), "x", "Replaced `a`: 1 line.", "x");
        check(
            Some("\u{feff}a\r\nb\r\n"),
            "x\ny\n",
            "Replaced `a`: 2 lines (with the file's CRLF line endings).",
            "\u{feff}x\r\ny\r\n",
        );
        check(
            Some("a\r\nb\n"),
            "x\ny\n",
            "Replaced `a`: 2 lines.",
            "x\ny\n",
        );
    }

    #[test]
    fn denied_paths_are_told() {
        let input = Input {
            path: "../a".to_owned(),
            content: String::new(),
        };
        assert!(matches!(run(input), Err(Error::Failed(why)) if why.contains("denied")));
    }
}
