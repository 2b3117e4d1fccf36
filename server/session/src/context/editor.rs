//! What the user's editor and repository look like while the user asks, in short lines.

use super::text;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::Range;
use boxagnts_workspace::GitState;
use std::fmt::Write;

/// What the user looks at while asking.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// The open file, relative to the workspace.
    pub path: String,
    /// The selection in it.
    pub range: Option<Range>,
    /// The selected text.
    pub selection: Option<String>,
    /// The editor's language id.
    pub language: Option<String>,
}

/// Longest selection that goes into a prompt, in bytes; the model can read the rest itself.
const MAX_SELECTION_BYTES: usize = 16 * 1024;
/// Open files that the model is told of.
const MAX_OPEN: usize = 20;
/// Changed files are counted so far.
const MAX_CHANGED: usize = 1000;

pub(super) fn push_looked_at(message: &mut String, context: &Context) {
    let _ = write!(
        message,
        "\n\n[The user is looking at `{}`",
        text::label(&context.path, 300)
    );
    if let Some(range) = context.range {
        // People and tools count lines from one.
        let _ = write!(
            message,
            ", lines {}-{}",
            range.start.line + 1,
            range.end.line + 1
        );
    }
    message.push(']');
    if let Some(selection) = context
        .selection
        .as_deref()
        .filter(|text| !text.trim().is_empty())
    {
        let cut = text::floor_char_boundary(selection, MAX_SELECTION_BYTES);
        let language = context.language.as_deref().unwrap_or("");
        text::push_fenced(message, language, &selection[..cut]);
        if cut < selection.len() {
            message.push_str("\n[The selection is longer; read the file for the rest.]");
        }
    }
}

/// The files that are open, most recent first, but for the one that is looked at.
pub(super) fn open_files(paths: &[WorkspacePath], looked_at: Option<&str>) -> String {
    let others = paths.iter().map(WorkspacePath::as_str);
    let others = others.filter(|path| Some(*path) != looked_at);
    let shown: Vec<String> = others
        .take(MAX_OPEN)
        .map(|path| format!("`{}`", text::label(path, 300)))
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    format!("\n\n[The user's open files: {}]", shown.join(", "))
}

/// The repository's state.
pub(super) fn git(state: Option<&GitState>) -> String {
    let Some(GitState { branch, changed }) = state else {
        return String::new();
    };
    // A branch has the name that its author wanted.
    let branch = text::line(&branch.replace('`', "'"), 100);
    let changed = match changed {
        None => String::new(),
        Some(0) => ", nothing changed since the last commit".to_owned(),
        Some(1) => ", 1 file changed since the last commit".to_owned(),
        Some(n) if *n > MAX_CHANGED => {
            format!(", more than {MAX_CHANGED} files changed since the last commit")
        }
        Some(n) => format!(", {n} files changed since the last commit"),
    };
    format!("\n\n[The user's git branch: `{branch}`{changed}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::proposal::Position;

    fn check(selection: &str, expect: &str) {
        let context = Context {
            path: "src/a.rs".into(),
            range: Some(Range {
                start: Position {
                    line: 2,
                    character: 0,
                },
                end: Position {
                    line: 3,
                    character: 4,
                },
            }),
            selection: Some(selection.into()),
            language: Some("rust".into()),
        };
        let mut message = String::new();
        push_looked_at(&mut message, &context);
        assert_eq!(message, expect);
    }

    #[test]
    fn a_selection_is_fenced_safely() {
        let head = "\n\n[The user is looking at `src/a.rs`, lines 3-4]";
        check("fn a() {}", &format!("{head}\n```rust\nfn a() {{}}\n```"));
        check("x\n```\ny", &format!("{head}\n````rust\nx\n```\ny\n````"));
        check("  ", head);
    }

    #[test]
    fn a_long_selection_is_cut_at_a_character() {
        let long = "ä".repeat(MAX_SELECTION_BYTES);
        let context = Context {
            path: "a".into(),
            range: None,
            selection: Some(long),
            language: None,
        };
        let mut message = String::new();
        push_looked_at(&mut message, &context);
        assert!(message.len() < MAX_SELECTION_BYTES + 200);
        assert!(message.ends_with("read the file for the rest.]"));
    }

    #[test]
    fn the_state_is_a_line() {
        let check = |branch: &str, changed, expect: &str| {
            let branch = branch.to_owned();
            let text = git(Some(&GitState { branch, changed }));
            assert_eq!(text.trim(), expect);
        };
        check(
            "main",
            Some(0),
            "[The user's git branch: `main`, nothing changed since the last commit]",
        );
        check(
            "main",
            Some(5000),
            "[The user's git branch: `main`, more than 1000 files changed since the last commit]",
        );
        check("a`b", None, "[The user's git branch: `a'b`]");
        assert_eq!(git(None), "");
        let paths = ["a", "b"].map(|path| WorkspacePath::parse(path).unwrap());
        assert_eq!(
            open_files(&paths, Some("a")),
            "\n\n[The user's open files: `b`]"
        );
        assert_eq!(open_files(&paths[..1], Some("a")), "");
    }
}
