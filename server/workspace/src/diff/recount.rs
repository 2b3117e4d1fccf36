//! Diffs that a person edited by hand.

use std::fmt::Write;

/// The diff with the line counts of its hunks as they are by now, as `git apply --recount` takes them.
/// Hunks that change nothing any more are left out; context lines whose single space an editor cut
/// off have it again; what stands in front of the first file is gone.
pub fn recount(diff: &str) -> String {
    let mut out = String::with_capacity(diff.len());
    let mut hunk: Option<Hunk<'_>> = None;
    let mut inside = false;
    // Some editors put a byte order mark in front.
    let diff = diff.strip_prefix('\u{feff}').unwrap_or(diff);
    for line in diff.split_inclusive('\n') {
        if line.starts_with("diff --git ") {
            inside = true;
            finish(&mut out, hunk.take());
            out.push_str(line);
        } else if !inside {
            continue;
        } else if let Some(header) = Header::read(line) {
            finish(&mut out, hunk.take());
            hunk = Some(Hunk {
                header,
                body: String::new(),
                old: 0,
                new: 0,
                changes: false,
            });
        } else if let Some(hunk) = &mut hunk {
            hunk.push(line);
        } else {
            out.push_str(line);
        }
    }
    finish(&mut out, hunk);
    out
}

struct Header<'a> {
    old: u64,
    new: u64,
    /// What git writes behind the numbers.
    rest: &'a str,
}

impl<'a> Header<'a> {
    /// `@@ -1,2 +3 @@ fn main()`.
    fn read(line: &'a str) -> Option<Header<'a>> {
        let (numbers, rest) = line.strip_prefix("@@ -")?.split_once(" @@")?;
        let (old, new) = numbers.split_once(" +")?;
        let start = |numbers: &str| numbers.split(',').next()?.parse().ok();
        Some(Header {
            old: start(old)?,
            new: start(new)?,
            rest: rest.trim_end_matches(['\n', '\r']),
        })
    }
}

struct Hunk<'a> {
    header: Header<'a>,
    body: String,
    old: u64,
    new: u64,
    changes: bool,
}

impl Hunk<'_> {
    fn push(&mut self, line: &str) {
        match line.as_bytes().first() {
            Some(b'+') => {
                self.new += 1;
                self.changes = true;
            }
            Some(b'-') => {
                self.old += 1;
                self.changes = true;
            }
            Some(b'\\') => {}
            Some(b' ') => {
                self.old += 1;
                self.new += 1;
            }
            // The end of a diff may have empty lines; in a hunk one is an empty line of context.
            Some(b'\n' | b'\r') | None => {
                self.old += 1;
                self.new += 1;
                self.body.push(' ');
            }
            // Not a line of a hunk: its reader will say so.
            Some(_) => {}
        }
        self.body.push_str(line);
    }
}

fn finish(out: &mut String, hunk: Option<Hunk<'_>>) {
    let Some(hunk) = hunk.filter(|hunk| hunk.changes) else {
        return;
    };
    let Header { old, new, rest } = hunk.header;
    let place = |start: u64, count: u64| match count {
        1 => format!("{start}"),
        count => format!("{start},{count}"),
    };
    let _ = writeln!(
        out,
        "@@ -{} +{} @@{rest}",
        place(old, hunk.old),
        place(new, hunk.new)
    );
    out.push_str(&hunk.body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::diff::{FileDiff, parse, unified};
    use boxagnts_policy::path::WorkspacePath;
    use proptest::prelude::*;

    fn check(body: &str, expect: &str) {
        let head = "diff --git a/f b/f\n--- a/f\n+++ b/f\n";
        assert_eq!(recount(&format!("{head}{body}")), format!("{head}{expect}"));
    }

    #[test]
    fn counts_are_those_of_the_lines() {
        let hunk = "@@ -1,3 +1,3 @@ fn\n a\n-b\n+B\n c\n";
        check(hunk, hunk);
        check(
            "@@ -1,3 +1,3 @@\n a\n-b\n+B\n+more\n c\n",
            "@@ -1,3 +1,4 @@\n a\n-b\n+B\n+more\n c\n",
        );
        check(
            "@@ -1,3 +1,3 @@\n a\n b\n+B\n\n",
            "@@ -1,3 +1,4 @@\n a\n b\n+B\n \n",
        );
        check(
            "@@ -1,3 +1,3 @@\n a\n b\n c\n@@ -9 +9 @@\n-x\n+y\n",
            "@@ -9 +9 @@\n-x\n+y\n",
        );
        check(
            "@@ -1 +1 @@\n-x\n+y\n\\ No newline at end of file\n",
            "@@ -1 +1 @@\n-x\n+y\n\\ No newline at end of file\n",
        );
        check("@@ -0,0 +1,2 @@\n+a\n", "@@ -0,0 +1 @@\n+a\n");
    }

    #[test]
    fn what_stands_in_front_is_no_part_of_it() {
        assert_eq!(recount("# hello\n\n"), "");
    }

    fn content() -> impl Strategy<Value = Option<Content>> {
        let line = prop_oneof![
            "[ab]{0,2}",
            Just("diff --git a/x b/x".to_owned()),
            Just("@@ -1 +1 @@".to_owned()),
            Just("-- a".to_owned()),
            Just("++ b".to_owned()),
            Just("\\ No newline".to_owned()),
            Just("\r".to_owned()),
            Just("\u{feff}".to_owned())
        ];
        let lines = prop::collection::vec((line, prop_oneof![Just("\n"), Just("\r\n")]), 0..12);
        let text = (lines, any::<bool>()).prop_map(|(lines, ends)| {
            let text: String = lines
                .iter()
                .flat_map(|(line, end)| [line.as_str(), *end])
                .collect();
            if ends {
                text
            } else {
                text.trim_end_matches('\n').to_owned()
            }
        });
        prop::option::of(text.prop_map(|text| Content::from_bytes(text.into_bytes())))
    }

    proptest! {
        #[test]
        fn what_nobody_edited_stays(files in prop::collection::vec(("[a-c ]{0,2}[a-c]", content(), content()), 1..4)) {
            let files: Vec<FileDiff> = files
                .into_iter()
                .map(|(path, before, after)| FileDiff {
                    path: WorkspacePath::parse(path.trim()).unwrap(),
                    from: None,
                    before,
                    after,
                })
                .collect();
            let diff = unified(&files);
            let again = recount(&diff);
            prop_assert_eq!(&again, &diff);
            prop_assume!(!diff.is_empty());
            let patches = parse(again.as_bytes()).unwrap();
            let changed = files.iter().filter(|file| file.before != file.after);
            for (patch, file) in patches.iter().zip(changed) {
                let bytes = |content: &Option<Content>| content.as_ref().map(|c| c.bytes().into_owned());
                let applied = patch.apply(&bytes(&file.before).unwrap_or_default()).unwrap();
                prop_assert_eq!(patch.to.as_ref().map(|_| applied), bytes(&file.after));
            }
        }

        #[test]
        fn whatever_somebody_writes_is_no_harm(
            parts in prop::collection::vec(prop_oneof![
                Just("diff --git a/f b/f\n".to_owned()), Just("--- a/f\n".to_owned()), Just("+++ b/f\n".to_owned()),
                Just("--- /dev/null\n".to_owned()), Just("rename from f\n".to_owned()), Just("rename to g\n".to_owned()),
                Just("deleted file mode 100644\n".to_owned()), Just("new file mode 999999999999\n".to_owned()),
                Just("GIT binary patch\n".to_owned()), Just("literal 5\nAcmZQz\n\n".to_owned()),
                Just("literal 18446744073709551615\nzcmZQz\n".to_owned()), Just("delta 99\nAcmZQz\n".to_owned()),
                Just("\\ No newline at end of file\n".to_owned()), Just("@@ -1,2 +1,2 @@\n".to_owned()),
                "@@ -[0-9]{1,20}(,[0-9]{1,20})? \\+[0-9]{1,20} @@\n", "[ +-]a?\r?\n", "\\PC{0,8}\n", ".{0,4}",
            ], 0..16),
            before in "([ab]{0,1}\n){0,6}",
        ) {
            let text = parts.concat();
            for text in [recount(&text), text] {
                for patch in parse(text.as_bytes()).unwrap_or_default() {
                    let _ = patch.apply(before.as_bytes());
                }
            }
        }
    }
}
