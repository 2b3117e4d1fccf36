//! A diff of a folder as one of a folder above it.

use super::{DiffError, git_line, parse, quoted, side};
use boxagnts_policy::path::WorkspacePath;

/// The diff with its names in `folder`: `git apply` takes names from the top of the repository,
/// wherever it is called. An empty `folder` changes nothing.
///
/// # Errors
/// It is none of [`super::unified`].
pub fn below(folder: &str, diff: &str) -> Result<String, DiffError> {
    if folder.is_empty() || diff.is_empty() {
        return Ok(diff.to_owned());
    }
    let mut files = parse(diff.as_bytes())?.into_iter();
    let name =
        |path: Option<&WorkspacePath>| format!("{folder}/{}", path.map_or("", |p| p.as_str()));
    let (mut old, mut new) = (String::new(), String::new());
    // Lines of the content may look like those with names.
    let mut names = false;
    let mut out = String::with_capacity(diff.len());
    for line in diff.split_inclusive('\n') {
        if line.starts_with("diff --git ") {
            let file = files.next().ok_or_else(|| {
                DiffError::Malformed("it names more files than it changes".to_owned())
            })?;
            old = name(file.from.as_ref().or(file.to.as_ref()));
            new = name(file.to.as_ref().or(file.from.as_ref()));
            names = true;
            out.push_str(&git_line(&old, &new));
        } else if !names {
            out.push_str(line);
        } else if line.starts_with("@@ ") || line.starts_with("GIT binary patch") {
            names = false;
            out.push_str(line);
        } else if line.starts_with("rename from ") {
            out.push_str(&format!("rename from {}\n", quoted("", &old)));
        } else if line.starts_with("rename to ") {
            out.push_str(&format!("rename to {}\n", quoted("", &new)));
        } else if line.starts_with("--- ") && line != "--- /dev/null\n" {
            out.push_str(&format!("--- {}\n", side("a/", &old)));
        } else if line.starts_with("+++ ") && line != "+++ /dev/null\n" {
            out.push_str(&format!("+++ {}\n", side("b/", &new)));
        } else {
            out.push_str(line);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::below;
    use crate::Content;
    use crate::diff::{FileDiff, unified};
    use boxagnts_policy::path::WorkspacePath;

    fn file(from: &str, to: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> FileDiff {
        let path = |path: &str| WorkspacePath::parse(path).expect("a path");
        let content = |bytes: &[u8]| Content::from_bytes(bytes.to_vec());
        FileDiff {
            path: path(to),
            from: (from != to).then(|| path(from)),
            before: before.map(content),
            after: after.map(content),
        }
    }

    /// What is told of the files in a folder is what would be told of them from above.
    fn check(folder: &str) {
        let files = |folder: &str| {
            let file = |from: &str, to: &str, before, after| {
                file(
                    &format!("{folder}{from}"),
                    &format!("{folder}{to}"),
                    before,
                    after,
                )
            };
            let all = [
                file(
                    "a.txt",
                    "a.txt",
                    Some(b"a\n-- a/a.txt\n"),
                    Some(b"b\n++ b/a.txt\n"),
                ),
                file("new file", "new file", None, Some(b"a\n")),
                file("gone", "gone", Some(b"a"), None),
                file("empty", "empty", None, Some(b"")),
                file("old b/name", "moved", Some(b"a\n"), Some(b"a\n")),
                file("q\"uote", "changed too", Some(b"a\n"), Some(b"b\n")),
                file("c.bin", "c.bin", Some(b"\0\x01"), Some(b"\0\x02")),
            ];
            unified(&all)
        };
        let above = match folder {
            "" => files(""),
            folder => files(&format!("{folder}/")),
        };
        assert_eq!(below(folder, &files("")).expect("it is ours"), above);
    }

    #[test]
    fn names_are_those_from_above() {
        check("");
        check("sub");
        check("sub folder/b/deep");
        check("q\"uote");
    }
}
