//! Unified diffs in git's extended format: written for people and `git apply`, read back when a
//! session comes back from its journal.

mod below;
mod binary;
mod recount;

pub use below::below;
pub use recount::recount;

use crate::content::Content;
use crate::merge::{Change, changes};
use boxagnts_policy::path::{PathError, WorkspacePath};
use diffy::patch_set::{FileOperation, ParseOptions, PatchKind, PatchSet};
use git2::{DiffOptions, ObjectType, Oid, Patch};
use std::fmt::Write;
use std::ops::Range;

const CONTEXT_LINES: usize = 3;

/// What happens to one file. `None` content means that there is no file.
#[derive(Debug, Clone)]
pub struct FileDiff {
    /// Where it is afterwards.
    pub path: WorkspacePath,
    /// Where it was, when it moves.
    pub from: Option<WorkspacePath>,
    /// What it was.
    pub before: Option<Content>,
    /// What it becomes.
    pub after: Option<Content>,
}

/// The diff of all files, which `git apply` takes.
pub fn unified(files: &[FileDiff]) -> String {
    let mut out = String::new();
    for file in files {
        file_diff(&mut out, file);
    }
    out
}

fn file_diff(out: &mut String, file: &FileDiff) {
    if file.from.is_none() && file.before == file.after {
        return;
    }
    let old_name = file.from.as_ref().unwrap_or(&file.path).as_str();
    let new_name = file.path.as_str();
    out.push_str(&git_line(old_name, new_name));
    match (&file.before, &file.after) {
        (None, _) => out.push_str("new file mode 100644\n"),
        (_, None) => out.push_str("deleted file mode 100644\n"),
        _ => {}
    }
    if file.from.is_some() {
        if file.before == file.after {
            out.push_str("similarity index 100%\n");
        }
        let _ = writeln!(out, "rename from {}", quoted("", old_name));
        let _ = writeln!(out, "rename to {}", quoted("", new_name));
    }
    if file.before == file.after {
        return;
    }
    let bytes = |content: &Option<Content>| {
        content
            .as_ref()
            .map(|c| c.bytes().into_owned())
            .unwrap_or_default()
    };
    let (old, new) = (bytes(&file.before), bytes(&file.after));
    let texts = (std::str::from_utf8(&old), std::str::from_utf8(&new));
    let is_binary = |content: &Option<Content>| matches!(content, Some(Content::Binary(_)));
    match texts {
        (Ok(old), Ok(new)) if !is_binary(&file.before) && !is_binary(&file.after) => {
            // Git leaves the names out when there is nothing to change.
            if old.is_empty() && new.is_empty() {
                return;
            }
            let name = |present: bool, prefix, name: &str| match present {
                true => side(prefix, name),
                false => "/dev/null".to_owned(),
            };
            let _ = writeln!(out, "--- {}", name(file.before.is_some(), "a/", old_name));
            let _ = writeln!(out, "+++ {}", name(file.after.is_some(), "b/", new_name));
            text_hunks(out, old, new);
        }
        _ => binary_hunk(out, file, &old, &new),
    }
}

/// The line that a file begins with.
fn git_line(old_name: &str, new_name: &str) -> String {
    let (old, new) = (quoted("a/", old_name), quoted("b/", new_name));
    format!("diff --git {old} {new}\n")
}

/// A name behind `---` or `+++`.
fn side(prefix: &str, name: &str) -> String {
    // A tab ends a name with spaces in it.
    let end = if name.contains(' ') { "\t" } else { "" };
    format!("{}{end}", quoted(prefix, name))
}

fn text_hunks(out: &mut String, old: &str, new: &str) {
    let (old, new): (Vec<&str>, Vec<&str>) = (
        old.split_inclusive('\n').collect(),
        new.split_inclusive('\n').collect(),
    );
    let changed = changes(&old, &new);
    let near = |a: &Change, b: &Change| b.old.start - a.old.end <= 2 * CONTEXT_LINES;
    for group in changed.chunk_by(near) {
        let [first, ..] = group else { continue };
        let last = group.last().unwrap_or(first);
        // What is around is equal, so there is as much of it in both.
        let before = first.old.start.min(CONTEXT_LINES);
        let after = (old.len() - last.old.end).min(CONTEXT_LINES);
        let old_span = first.old.start - before..last.old.end + after;
        let new_span = first.new.start - before..last.new.end + after;
        // Without lines, the number is that of the line before.
        let place = |span: &Range<usize>| match span.len() {
            0 => format!("{},0", span.start),
            1 => format!("{}", span.start + 1),
            n => format!("{},{n}", span.start + 1),
        };
        let _ = writeln!(out, "@@ -{} +{} @@", place(&old_span), place(&new_span));
        let mut at = old_span.start;
        for change in group {
            put_lines(out, ' ', &old[at..change.old.start]);
            put_lines(out, '-', &old[change.old.clone()]);
            put_lines(out, '+', &new[change.new.clone()]);
            at = change.old.end;
        }
        put_lines(out, ' ', &old[at..old_span.end]);
    }
}

fn put_lines(out: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// Git's own format for binary content, by git's own library.
fn binary_hunk(out: &mut String, file: &FileDiff, old: &[u8], new: &[u8]) {
    let oid = |present: bool, bytes: &[u8]| match present {
        true => Oid::hash_object(ObjectType::Blob, bytes).map(|oid| oid.to_string()),
        false => Ok("0".repeat(40)),
    };
    let mut options = DiffOptions::new();
    options.show_binary(true).force_binary(true);
    let body = Patch::from_buffers(old, None, new, None, Some(&mut options))
        .and_then(|mut patch| Ok(patch.to_buf()?.to_vec()))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let ids = (
        oid(file.before.is_some(), old),
        oid(file.after.is_some(), new),
    );
    let body = body
        .as_deref()
        .and_then(|text| text.find("GIT binary patch").map(|at| &text[at..]));
    match (ids, body) {
        ((Ok(old), Ok(new)), Some(body)) => {
            let mode = if file.before.is_some() && file.after.is_some() {
                " 100644"
            } else {
                ""
            };
            let _ = writeln!(out, "index {old}..{new}{mode}");
            out.push_str(body);
            if !out.ends_with("\n\n") {
                out.push('\n');
            }
        }
        _ => {
            let _ = writeln!(out, "Binary files a/{0} and b/{0} differ", file.path);
        }
    }
}

/// A name as git writes it: in quotes, with escapes, when it has characters that would mislead.
fn quoted(prefix: &str, name: &str) -> String {
    if !name.contains(['"', '\\']) && !name.chars().any(char::is_control) {
        return format!("{prefix}{name}");
    }
    let mut out = format!("\"{prefix}");
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\{:03o}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Why a diff cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// It is no unified diff.
    #[error("the diff cannot be read: {0}")]
    Malformed(String),
    /// It names a path that tools may not use.
    #[error("the diff names a path that is refused: {0}")]
    Path(#[from] PathError),
    /// It does not fit the file.
    #[error("the diff does not fit `{path}`: {reason}")]
    Misfit {
        /// The file.
        path: WorkspacePath,
        /// Why.
        reason: String,
    },
}

/// What a diff does to one file, not yet applied.
#[derive(Debug)]
pub struct FilePatch<'a> {
    /// Where the file was; `None` when the diff creates it.
    pub from: Option<WorkspacePath>,
    /// Where it is afterwards; `None` when the diff deletes it.
    pub to: Option<WorkspacePath>,
    patch: PatchKind<'a, [u8]>,
}

impl FilePatch<'_> {
    /// Whether the file moves, and its content stays what it is.
    pub(crate) fn only_moves(&self) -> bool {
        let moves = self.from.is_some() && self.to.is_some() && self.from != self.to;
        moves && matches!(&self.patch, PatchKind::Text(patch) if patch.hunks().is_empty())
    }

    /// The file's content afterwards.
    ///
    /// # Errors
    /// The lines that the diff expects are not there.
    pub fn apply(&self, before: &[u8]) -> Result<Vec<u8>, DiffError> {
        let misfit = |reason: String| {
            let path = self.to.as_ref().or(self.from.as_ref());
            DiffError::Misfit {
                path: path.cloned().unwrap_or_else(WorkspacePath::root),
                reason,
            }
        };
        match &self.patch {
            PatchKind::Text(patch) => {
                diffy::apply_bytes(before, patch).map_err(|error| misfit(error.to_string()))
            }
            PatchKind::Binary(patch) => {
                binary::check(patch).map_err(&misfit)?;
                patch
                    .apply(before)
                    .map_err(|error| misfit(error.to_string()))
            }
        }
    }
}

/// Whether `bytes` are what the first file of a diff was made on, by the id that git gives content.
pub(crate) fn is_base(diff: &str, bytes: &[u8]) -> bool {
    let index = diff.lines().find_map(|line| line.strip_prefix("index "));
    let id = index
        .and_then(|ids| ids.split_once(".."))
        .map(|(old, _)| old);
    let own = Oid::hash_object(ObjectType::Blob, bytes).map(|oid| oid.to_string());
    // Without an index line, the content stays as it is.
    id.is_none_or(|id| own.is_ok_and(|own| own == id))
}

/// Reads a diff in git's extended format.
///
/// # Errors
/// It is malformed, or names paths outside of what [`WorkspacePath::parse`] takes.
pub fn parse(diff: &[u8]) -> Result<Vec<FilePatch<'_>>, DiffError> {
    let mut files = Vec::new();
    for file in PatchSet::parse_bytes(diff, ParseOptions::gitdiff()) {
        let file = file.map_err(|error| DiffError::Malformed(error.to_string()))?;
        let path = |name: &[u8], prefix: &str| {
            let name = std::str::from_utf8(name)
                .map_err(|_| DiffError::Malformed("a file name is not UTF-8".to_owned()))?;
            Ok::<_, DiffError>(WorkspacePath::parse(
                name.strip_prefix(prefix).unwrap_or(name),
            )?)
        };
        let (from, to) = match file.operation() {
            FileOperation::Create(name) => (None, Some(path(name, "b/")?)),
            FileOperation::Delete(name) => (Some(path(name, "a/")?), None),
            FileOperation::Modify { original, modified } => {
                (Some(path(original, "a/")?), Some(path(modified, "b/")?))
            }
            FileOperation::Rename { from, to } => (Some(path(from, "")?), Some(path(to, "")?)),
            FileOperation::Copy { to, .. } => {
                return Err(DiffError::Malformed(format!(
                    "it copies a file to `{}`, which is not supported",
                    String::from_utf8_lossy(to)
                )));
            }
        };
        files.push(FilePatch {
            from,
            to,
            patch: file.into_patch(),
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(name: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> FileDiff {
        let content = |bytes: &[u8]| Content::from_bytes(bytes.to_vec());
        FileDiff {
            path: WorkspacePath::parse(name).expect("a path"),
            from: None,
            before: before.map(content),
            after: after.map(content),
        }
    }

    /// Applies our diff with the system's git, which must exist, and with our own reader.
    fn check(file: &FileDiff) {
        let diff = unified(std::slice::from_ref(file));
        let bytes = |content: &Option<Content>| content.as_ref().map(|c| c.bytes().into_owned());
        let (before, after) = (bytes(&file.before), bytes(&file.after));
        let folder = tempfile::tempdir().expect("a folder");
        let place = |path: &WorkspacePath| folder.path().join(path.as_str());
        if let Some(before) = &before {
            std::fs::write(place(file.from.as_ref().unwrap_or(&file.path)), before)
                .expect("written");
        }
        std::fs::write(folder.path().join("the.diff"), &diff).expect("written");
        let git = std::process::Command::new("git")
            .args(["apply", "the.diff"])
            .current_dir(folder.path())
            .output()
            .expect("git runs");
        let complaint = String::from_utf8_lossy(&git.stderr).into_owned();
        assert!(git.status.success(), "{complaint}\n{diff}");
        assert_eq!(std::fs::read(place(&file.path)).ok(), after, "{diff}");

        let ours = parse(diff.as_bytes()).expect("it is ours");
        assert_eq!(ours.len(), 1, "{diff}");
        let applied = ours[0].to.as_ref().map(|_| {
            ours[0]
                .apply(before.as_deref().unwrap_or_default())
                .expect("it fits")
        });
        assert_eq!(applied, after, "{diff}");
    }

    #[test]
    fn git_takes_our_diffs() {
        check(&file("a.txt", Some(b"a\nb\nc\n"), Some(b"a\nB\nc\n")));
        check(&file("a.txt", Some(b"a\nb"), Some(b"a\nb\n")));
        check(&file("a.txt", Some(b"a\r\nb\r\n"), Some(b"a\r\nB\r\n")));
        check(&file(
            "a.txt",
            Some(b"\xef\xbb\xbfa\n"),
            Some(b"\xef\xbb\xbfb\n"),
        ));
        check(&file("new file.txt", None, Some(b"hello\n")));
        check(&file("empty", None, Some(b"")));
        check(&file("gone.txt", Some(b"x\n"), None));
        check(&file("\u{fc}.txt", Some(b"x\n"), Some(b"y\n")));
        check(&file("q\"uote.txt", Some(b"x\n"), Some(b"y\n")));
    }

    #[test]
    fn git_takes_our_binary_diffs() {
        check(&file("a.bin", Some(b"\0\x01\x02"), Some(b"\0\xff")));
        check(&file("a.bin", None, Some(b"\0\xff")));
        check(&file("a.bin", Some(b"\0\x01\x02"), None));
        check(&file("a.bin", Some(b"\xff\xfe"), Some(b"text\n")));
    }

    #[test]
    fn binary_content_that_is_cut_off_is_refused() {
        let after: Vec<u8> = (0..=255).collect();
        let diff = unified(&[file("f", Some(b"\0"), Some(&after))]);
        let at = diff
            .find("\nliteral ")
            .or(diff.find("\ndelta "))
            .expect("a block")
            + 1;
        let block = at + diff[at..].find('\n').expect("a line") + 1;
        let end = block + diff[block..].find("\n\n").expect("its end");
        // Half of the last line, told with its own length.
        let line = diff[block..end]
            .rfind('\n')
            .map_or(block, |newline| block + newline + 1);
        let cut = format!(
            "{}A{}{}",
            &diff[..line],
            &diff[line + 1..line + 6],
            &diff[end..]
        );
        let files = parse(cut.as_bytes()).expect("it still has its form");
        let error = files[0]
            .apply(b"\0")
            .expect_err("it is damaged")
            .to_string();
        assert!(error.contains("unpack"), "{error}");
    }

    #[test]
    fn git_takes_our_moves() {
        let from = Some(WorkspacePath::parse("old name.txt").expect("a path"));
        check(&FileDiff {
            from: from.clone(),
            ..file("b.txt", Some(b"a\n"), Some(b"a\n"))
        });
        check(&FileDiff {
            from,
            ..file("b.txt", Some(b"a\nb\nc\n"), Some(b"a\nB\nc\n"))
        });
    }

    #[test]
    fn what_is_no_diff_is_refused() {
        let check = |diff: &str, expect: &str| match parse(diff.as_bytes()) {
            Err(error) => assert!(error.to_string().contains(expect), "{error}"),
            Ok(files) => panic!("{diff}: {files:?}"),
        };
        let out = "diff --git a/../x b/../x\n--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n";
        check(out, "is refused");
        check(
            "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,9 +1 @@\n-a\n",
            "cannot be read",
        );
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec("[ab+-]{0,2}(\r\n|\n|\r)", 0..10).prop_flat_map(|lines| {
            prop_oneof![
                Just(lines.concat()),
                Just(lines.concat().trim_end().to_owned())
            ]
            .prop_map(String::into_bytes)
        })
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(before in text(), after in text()) {
            prop_assume!(before != after);
            let diff = unified(&[file("f", Some(&before), Some(&after))]);
            let files = parse(diff.as_bytes()).map_err(|e| TestCaseError::fail(format!("{e}\n{diff}")))?;
            prop_assert_eq!(files.len(), 1);
            prop_assert_eq!(files[0].apply(&before).expect("it fits"), after);
        }

        #[test]
        fn arbitrary_bytes_never_panic(diff in prop::collection::vec(any::<u8>(), 0..200)) {
            for file in parse(&diff).into_iter().flatten() {
                let _ = file.apply(b"a\nb\n");
            }
        }

        /// A journal that was damaged is an error, never a hang.
        #[test]
        fn damaged_diffs_end(
            before in prop::collection::vec(any::<u8>(), 0..300),
            after in prop::collection::vec(any::<u8>(), 0..300),
            place in any::<prop::sample::Index>(),
            damage in prop_oneof![Just(None), any::<u8>().prop_map(Some)],
        ) {
            prop_assume!(before != after);
            let mut diff = unified(&[file("f", Some(&before), Some(&after))]).into_bytes();
            let at = place.index(diff.len());
            match damage {
                Some(byte) => diff[at] = byte,
                None => drop(diff.remove(at)),
            }
            for file in parse(&diff).into_iter().flatten() {
                let _ = file.apply(&before);
            }
        }
    }
}
