//! Diffs that a person edited by hand.

use std::fmt::Write;

/// The diff with the line counts of its hunks as they are by now, as `git apply --recount` takes them.
/// Hunks that change nothing any more are left out; context lines whose single space an editor cut
/// off have it again; what stands in front of the first file is gone.
pub fn recount(diff: &str) -> String {
    let mut out = String::with_capacity(diff.len());
    let mut hunk: Option<Hunk<'_>> = None;
    let mut inside = false;
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
}
