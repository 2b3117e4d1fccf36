//! What a worktree was filled with: of each file its content's hash, and what tells that neither it nor
//! the user's file was written since. A line a file, so that it can be looked at.

use super::dir::{Stamp, Stat};
use git2::Oid;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::str::FromStr;

const HEAD: &str = "boxagnts worktree 1";
const TAIL: &str = "files";
/// Larger ones are not read: a worktree is then filled anew.
const MAX_BYTES: u64 = 1 << 30;

/// A file, or a link, that was put into a worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Of the bytes, as git names blobs.
    pub(crate) hash: Oid,
    /// Whether the last commit has these very bytes, or the same with other line ends.
    pub(crate) committed: Committed,
    pub(crate) link: bool,
    pub(crate) executable: bool,
    /// Of the file in the worktree.
    pub(crate) own: Stamp,
    /// Of the user's file that it is a copy of; `None` where it is not known to be.
    pub(crate) source: Option<Stamp>,
}

/// How a file relates to the one of the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    Same,
    /// But for `\r\n`.
    LineEnds,
    Other,
}

/// All of them, by path from the worktree's root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    /// The commit that it was filled from; none before the first one.
    pub(crate) commit: Option<Oid>,
    pub(crate) entries: HashMap<String, Entry>,
}

impl Manifest {
    /// The one that was kept; an empty one, by which no file is believed, where that cannot be read.
    pub(crate) fn load(path: &Path) -> Manifest {
        let small =
            std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.len() < MAX_BYTES);
        let text = small.then(|| std::fs::read_to_string(path).ok()).flatten();
        text.and_then(|text| Manifest::parse(&text))
            .unwrap_or_default()
    }

    /// Keeps it, all or nothing.
    pub(crate) fn save(&self, path: &Path) -> std::io::Result<()> {
        let beside = path.with_extension("new");
        std::fs::write(&beside, self.show())?;
        std::fs::rename(beside, path)
    }

    fn show(&self) -> String {
        let mut text = String::with_capacity(self.entries.len() * 192);
        let commit = self
            .commit
            .map_or_else(|| "-".to_owned(), |oid| oid.to_string());
        let _ = writeln!(text, "{HEAD} {commit}");
        for (path, entry) in &self.entries {
            let committed = match entry.committed {
                Committed::Same => 's',
                Committed::LineEnds => 'l',
                Committed::Other => 'o',
            };
            let kind = match (entry.link, entry.executable) {
                (true, _) => 'l',
                (false, true) => 'x',
                (false, false) => 'f',
            };
            let _ = write!(text, "{} {committed}{kind} ", entry.hash);
            show_stamp(&mut text, Some(&entry.own));
            show_stamp(&mut text, entry.source.as_ref());
            let _ = writeln!(text, "{path}");
        }
        // A file that the system lost the end of has none.
        let _ = writeln!(text, "{TAIL} {}", self.entries.len());
        text
    }

    fn parse(text: &str) -> Option<Manifest> {
        let (head, rest) = text.split_once('\n')?;
        let commit = match head.strip_prefix(HEAD)?.trim() {
            "-" => None,
            oid => Some(Oid::from_str(oid).ok()?),
        };
        let rest = rest.strip_suffix('\n')?;
        let (lines, tail) = rest.rsplit_once('\n').unwrap_or(("", rest));
        let count: usize = tail.strip_prefix(TAIL)?.trim().parse().ok()?;
        let entries: Option<HashMap<String, Entry>> = lines
            .lines()
            .map(|line| {
                let mut words = line.splitn(15, ' ');
                let hash = Oid::from_str(words.next()?).ok()?;
                let kinds = words.next()?;
                let committed = match kinds.get(..1)? {
                    "s" => Committed::Same,
                    "l" => Committed::LineEnds,
                    _ => Committed::Other,
                };
                let kind = kinds.get(1..)?;
                let entry = Entry {
                    hash,
                    committed,
                    link: kind == "l",
                    executable: kind == "x",
                    own: parse_stamp(&mut words)??,
                    source: parse_stamp(&mut words)?,
                };
                Some((words.next()?.to_owned(), entry))
            })
            .collect();
        entries
            .filter(|entries| entries.len() == count)
            .map(|entries| Manifest { commit, entries })
    }
}

fn show_stamp(text: &mut String, stamp: Option<&Stamp>) {
    let _ = match stamp {
        None => write!(text, "- - - - - - "),
        Some(stamp) => write!(
            text,
            "{} {} {} {} {} {} ",
            stamp.len,
            stamp.modified.0,
            stamp.modified.1,
            stamp.changed.0,
            stamp.changed.1,
            stamp.inode
        ),
    };
}

/// The next six words; `Some(None)` where they say that there is none.
fn parse_stamp<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Option<Stamp>> {
    fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
        word?.parse().ok()
    }
    let first = words.next()?;
    if first == "-" {
        for _ in 0..5 {
            words.next()?;
        }
        return Some(None);
    }
    Some(Some(Stamp {
        len: number(Some(first))?,
        modified: (number(words.next())?, number(words.next())?),
        changed: (number(words.next())?, number(words.next())?),
        inode: number(words.next())?,
    }))
}

impl Entry {
    /// Whether the file in the worktree is still the one that was put there.
    pub(crate) fn is_untouched(&self, now: Option<&Stat>) -> bool {
        use crate::root::Kind;
        now.is_some_and(|now| {
            let kind = if self.link { Kind::Symlink } else { Kind::File };
            // Where there are no links, a file stands for one.
            let same_kind = now.kind == kind || (!cfg!(unix) && now.kind == Kind::File);
            same_kind && now.stamp == self.own && now.links == 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keep: impl Fn(String) -> String, expect: usize) {
        let stamp = Stamp {
            len: 3,
            modified: (-4, 5),
            changed: (6, 7),
            inode: 8,
        };
        let entry = |source| Entry {
            hash: Oid::ZERO_SHA1,
            committed: Committed::LineEnds,
            link: false,
            executable: true,
            own: stamp,
            source,
        };
        let entries = [
            ("a b/ü  c".to_owned(), entry(Some(stamp))),
            ("x".to_owned(), entry(None)),
        ];
        let manifest = Manifest {
            commit: Some(Oid::ZERO_SHA1),
            entries: entries.into(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest");
        manifest.save(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, keep(text)).unwrap();
        let loaded = Manifest::load(&path);
        assert_eq!(loaded.entries.len(), expect);
        if expect > 0 {
            assert_eq!(loaded.entries, manifest.entries);
            assert_eq!(loaded.commit, manifest.commit);
        }
    }

    #[test]
    fn what_is_kept_comes_back_whole_or_not_at_all() {
        check(|text| text, 2);
        check(|text| text[..text.len() - 1].to_owned(), 0);
        check(|text| text[..text.len() / 2].to_owned(), 0);
        check(|text| text.lines().next().unwrap().to_owned() + "\n", 0);
        check(|_| String::new(), 0);
        check(|text| text.replace("files 2", "files 3"), 0);
        check(|text| text.replace(" 1 ", " 2 "), 0);
    }
}
