//! The pieces of a unified diff as pairs of texts, which is how ACP shows changes.

/// Most that is shown of one diff, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// One hunk with its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The file, relative to the workspace: where it is afterwards, or was when it goes away.
    pub(crate) path: String,
    /// First line in the file afterwards, from 1.
    pub(crate) line: u32,
    /// `None` when the file is new.
    pub(crate) old: Option<String>,
    pub(crate) new: String,
}

/// The hunks of a diff in git's format, as far as they fit, and whether something was left out.
pub(crate) fn of(diff: &str) -> (Vec<Fragment>, bool) {
    let mut found: Vec<Fragment> = Vec::new();
    let (mut from, mut to) = (None, None);
    // Lines of the running hunk that are still to come, on both sides.
    let (mut olds, mut news) = (0_u32, 0_u32);
    let mut bytes = 0;
    for line in diff.split_inclusive('\n') {
        if olds > 0 || news > 0 {
            bytes += line.len();
            if bytes > MAX_BYTES {
                found.pop();
                return (found, true);
            }
            let Some(fragment) = found.last_mut() else {
                break;
            };
            let (sign, text) = line.split_at_checked(1).unwrap_or((" ", "\n"));
            if sign != "+" && sign != "\\" {
                olds = olds.saturating_sub(1);
                fragment.old.get_or_insert_default().push_str(text);
            }
            if sign != "-" && sign != "\\" {
                news = news.saturating_sub(1);
                fragment.new.push_str(text);
            }
        } else if let Some(name) = line.strip_prefix("--- ") {
            from = name_of(name, "a/");
        } else if let Some(name) = line.strip_prefix("+++ ") {
            to = name_of(name, "b/");
        } else if let Some((old, new)) = line.strip_prefix("@@ -").and_then(|l| l.split_once(" +"))
        {
            olds = range(old).1;
            let (line, count) = range(new);
            news = count;
            if let Some(path) = to.clone().or_else(|| from.clone()) {
                found.push(Fragment {
                    path,
                    line,
                    old: from.is_some().then(String::new),
                    new: String::new(),
                });
            } else {
                (olds, news) = (0, 0);
            }
        }
    }
    (found, false)
}

/// `None` for `/dev/null`.
fn name_of(text: &str, prefix: &str) -> Option<String> {
    let text = text.trim_end_matches(['\n', '\r', '\t']);
    let text = text
        .strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .unwrap_or(text);
    let name = text.strip_prefix(prefix).unwrap_or(text);
    (text != "/dev/null").then(|| name.to_owned())
}

/// First line and number of lines, of `12,3 …` or `12 …`.
fn range(text: &str) -> (u32, u32) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ',');
    let text = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    let (line, count) = text.split_once(',').unwrap_or((text, "1"));
    (line.parse().unwrap_or(1), count.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(diff: &str, expect: &[(&str, u32, Option<&str>, &str)]) {
        let (found, cut) = of(diff);
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.path.as_str(), f.line, f.old.as_deref(), f.new.as_str()))
            .collect();
        assert_eq!((&found[..], cut), (expect, false));
    }

    #[test]
    fn hunks_become_pairs_of_texts() {
        check("", &[]);
        check(
            "diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -1,2 +1,2 @@\n x\n--- y\n+++ z\n@@ -9 +9 @@ fn\n-a\n+b\n",
            &[
                ("a.rs", 1, Some("x\n-- y\n"), "x\n++ z\n"),
                ("a.rs", 9, Some("a\n"), "b\n"),
            ],
        );
        check(
            "--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n",
            &[("new", 1, None, "x\n")],
        );
        check(
            "--- a/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
            &[("old", 0, Some("x\n"), "")],
        );
        check("@@ -1 +1 @@\n-x\n+y\n", &[]);
        check("@@ nonsense\n@@ -, +é\n", &[]);
    }

    #[test]
    fn a_long_diff_is_cut_between_hunks() {
        let long = "+".to_owned() + &"x".repeat(MAX_BYTES) + "\n";
        let diff = format!("--- a/a\n+++ b/a\n@@ -1 +1 @@\n-x\n+y\n@@ -5,0 +6 @@\n{long}");
        let (found, cut) = of(&diff);
        assert_eq!((found.len(), cut), (1, true));
    }
}
