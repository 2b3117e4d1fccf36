//! What a folder holds, exactly: two trees that are equal are the same host.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Every path below a folder, without following links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<PathBuf, Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Type and permissions, as the system has them.
    mode: u32,
    /// A file that is made and removed again, or written with what it had, shows here.
    modified: Option<SystemTime>,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    File(Vec<u8>),
    Link(PathBuf),
    /// A folder has its entries; a device, socket or FIFO has nothing that can be read.
    Other,
}

impl Tree {
    /// Everything below `root` but `skip`.
    pub(crate) fn of(root: &Path, skip: &Path) -> Tree {
        let mut entries = BTreeMap::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder of the test") {
                let path = entry.expect("a folder of the test").path();
                if path == skip {
                    continue;
                }
                let metadata = fs::symlink_metadata(&path).expect("nothing is removed meanwhile");
                let content = if metadata.is_symlink() {
                    Content::Link(fs::read_link(&path).expect("a link"))
                } else if metadata.is_file() {
                    Content::File(fs::read(&path).expect("a file"))
                } else {
                    if metadata.is_dir() {
                        folders.push(path.clone());
                    }
                    Content::Other
                };
                let name = path.strip_prefix(root).expect("below the root").to_owned();
                entries.insert(
                    name,
                    Entry {
                        mode: mode(&metadata),
                        modified: metadata.modified().ok(),
                        content,
                    },
                );
            }
        }
        Tree(entries)
    }

    /// Without one path and the times of the folders that hold it: where a change is expected.
    pub(crate) fn without(mut self, path: &str) -> Tree {
        self.0.remove(Path::new(path));
        for parent in Path::new(path).ancestors().skip(1) {
            if let Some(entry) = self.0.get_mut(parent) {
                entry.modified = None;
            }
        }
        self
    }

    /// What is different there, line by line; empty when nothing is.
    pub(crate) fn difference(&self, now: &Tree) -> String {
        let mut lines = String::new();
        let paths: BTreeSet<&PathBuf> = self.0.keys().chain(now.0.keys()).collect();
        for path in paths {
            let (before, after) = (self.0.get(path), now.0.get(path));
            if before != after {
                let _ = writeln!(lines, "{}: {before:?} -> {after:?}", path.display());
            }
        }
        lines
    }
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata)
}

#[cfg(not(unix))]
fn mode(metadata: &Metadata) -> u32 {
    u32::from(metadata.permissions().readonly())
}
