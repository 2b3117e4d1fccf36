//! Files from a string, in a directory of their own, and proof that nobody has touched them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory made from a fixture string:
///
/// ```text
/// //- /src/main.rs
/// fn main() {}
/// //- /run.sh mode:755
/// exit 0
/// //- /empty/
/// //- /here link:src/main.rs
/// ```
///
/// Indentation that all lines have in common is taken off. What needs other bytes than lines that
/// end with `\n` is written with [`Fixture::write`].
#[derive(Debug)]
pub struct Fixture {
    root: PathBuf,
    _dir: TempDir,
}

impl Fixture {
    /// Makes the files.
    pub fn new(text: &str) -> Fixture {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Where `/tmp` is a link, tools would see another path than the test.
        let root = dir.path().canonicalize().expect("the directory is there");
        let fixture = Fixture { root, _dir: dir };
        let text = without_indentation(text);
        let (before, files) = match text.strip_prefix(HEAD) {
            Some(files) => ("", files),
            None => text.split_once(&format!("\n{HEAD}")).unwrap_or((&text, "")),
        };
        assert!(
            before.trim().is_empty(),
            "text before the first `{HEAD}`: {before:?}"
        );
        for file in files
            .split(&format!("\n{HEAD}"))
            .filter(|file| !file.is_empty())
        {
            let (head, content) = file.split_once('\n').unwrap_or((file, ""));
            let mut content = content.to_owned();
            if !content.is_empty() && !content.ends_with('\n') {
                content.push('\n');
            }
            fixture.add(head, &content);
        }
        fixture
    }

    fn add(&self, head: &str, content: &str) {
        let mut words = head.split_whitespace();
        let path = words.next().expect("a path behind `//-`");
        assert!(path.starts_with('/'), "`{path}` begins with `/`");
        let (mut mode, mut link) = (None, None);
        for flag in words {
            match flag.split_once(':') {
                Some(("mode", octal)) => {
                    mode = Some(u32::from_str_radix(octal, 8).expect("an octal mode"));
                }
                Some(("link", target)) => link = Some(target),
                _ => panic!("`{flag}` is no flag of a fixture"),
            }
        }
        let place = self.place(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(&place).expect("the directory is made");
        } else if let Some(target) = link {
            make_parent(&place);
            symlink(target, &place);
        } else {
            self.write(path, content);
        }
        if let Some(mode) = mode {
            set_mode(&place, mode);
        }
    }

    /// The root, without links in it.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Where a file of the fixture is.
    pub fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file's text.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.place(path))
            .unwrap_or_else(|error| panic!("cannot read `{path}`: {error}"))
    }

    /// Writes a file, as somebody else than the program under test.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let place = self.place(path);
        make_parent(&place);
        std::fs::write(&place, content)
            .unwrap_or_else(|error| panic!("cannot write `{path}`: {error}"));
    }

    /// Everything that is there now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.root)
    }
}

const HEAD: &str = "//- ";

fn without_indentation(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let lines = || text.split_inclusive('\n');
    let indentation = lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    // A line of white space alone may be shorter than that.
    let strip = |line: &'_ str| match line.trim().is_empty() {
        true => line.trim_start_matches([' ', '\t']).to_owned(),
        false => line[indentation..].to_owned(),
    };
    lines().map(strip).collect()
}

fn make_parent(place: &Path) {
    let parent = place.parent().expect("a place within the fixture");
    std::fs::create_dir_all(parent).expect("the directory is made");
}

/// Every path below a directory, with content and mode. Two that are equal are the same tree, byte
/// for byte; the type prints as text, and [`Snapshot::assert_same`] names only what differs.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot(pub BTreeMap<String, Entry>);

/// What is at a path.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// Its bytes.
        content: Vec<u8>,
        /// Its permissions.
        mode: u32,
    },
    /// A symbolic link, and where it points.
    Link(PathBuf),
    /// A directory.
    Directory,
}

impl Snapshot {
    /// Reads everything below `root`, following no links.
    pub fn of(root: &Path) -> Snapshot {
        let mut entries = BTreeMap::new();
        walk(root, "", &mut entries);
        Snapshot(entries)
    }

    /// Panics with what was added, removed and changed, if anything was.
    #[track_caller]
    pub fn assert_same(&self, now: &Snapshot) {
        let paths: std::collections::BTreeSet<&String> =
            self.0.keys().chain(now.0.keys()).collect();
        let changed: Vec<String> = paths
            .into_iter()
            .filter(|path| self.0.get(*path) != now.0.get(*path))
            .map(|path| format!("{path}: {:?} -> {:?}", self.0.get(path), now.0.get(path)))
            .collect();
        assert!(
            changed.is_empty(),
            "the tree has changed:\n{}",
            changed.join("\n")
        );
    }
}

fn walk(directory: &Path, prefix: &str, entries: &mut BTreeMap<String, Entry>) {
    for entry in std::fs::read_dir(directory).expect("a directory that can be read") {
        let entry = entry.expect("a directory that can be read");
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a kind of file");
        let found = if kind.is_symlink() {
            Entry::Link(std::fs::read_link(entry.path()).expect("a link"))
        } else if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), entries);
            Entry::Directory
        } else if kind.is_file() {
            let mode = mode(&entry.metadata().expect("metadata"));
            let content = std::fs::read(entry.path())
                .unwrap_or_else(|error| panic!("cannot read `{path}`: {error}"));
            Entry::File { content, mode }
        } else {
            // A pipe or socket has no content to compare.
            continue;
        };
        entries.insert(path, found);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::File { content, mode } => {
                write!(f, "{mode:o} {:?}", String::from_utf8_lossy(content))
            }
            Entry::Link(target) => write!(f, "link to {}", target.display()),
            Entry::Directory => write!(f, "directory"),
        }
    }
}

#[cfg(unix)]
fn mode(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
fn mode(metadata: &std::fs::Metadata) -> u32 {
    u32::from(!metadata.permissions().readonly())
}

#[cfg(unix)]
fn set_mode(place: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(place, permissions).expect("the mode is set");
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

#[cfg(unix)]
fn symlink(target: &str, place: &Path) {
    std::os::unix::fs::symlink(target, place).expect("the link is made");
}

#[cfg(not(unix))]
fn symlink(_: &str, place: &Path) {
    panic!(
        "{} would be a link, which this system does not have",
        place.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn files_links_and_modes_are_made_and_seen() {
        let fixture = Fixture::new(
            "
            //- /src/main.rs
            fn main() {
                x();

            }
            //- /run.sh mode:755
            exit
            //- /empty/
            //- /nothing
            //- /here link:src/main.rs
            ",
        );
        assert_eq!(fixture.read("src/main.rs"), "fn main() {\n    x();\n\n}\n");
        assert_eq!(fixture.read("/here"), fixture.read("/src/main.rs"));
        assert_eq!(fixture.read("nothing"), "");
        let before = fixture.snapshot();
        let seen: Vec<String> = before
            .0
            .iter()
            .map(|(path, entry)| format!("{path} {entry:?}"))
            .collect();
        let mode = |name| match &before.0[name] {
            Entry::File { mode, .. } => *mode,
            other => panic!("{other:?}"),
        };
        assert_eq!(mode("run.sh"), 0o755);
        assert_eq!(seen[0], "empty directory");
        assert_eq!(seen[1], "here link to src/main.rs");
        assert_eq!(seen.len(), 6);

        before.assert_same(&fixture.snapshot());
        fixture.write("run.sh", "exit 1\n");
        assert_ne!(before, fixture.snapshot());
    }

    #[test]
    #[should_panic(expected = "the tree has changed:\na: None -> Some(")]
    fn changes_are_named() {
        let fixture = Fixture::new("");
        let before = fixture.snapshot();
        fixture.write("a", "x");
        before.assert_same(&fixture.snapshot());
    }

    #[test]
    #[should_panic(expected = "text before the first")]
    fn text_without_a_file_is_a_mistake() {
        Fixture::new("fn main() {}\n//- /a\n");
    }
}
