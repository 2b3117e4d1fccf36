//! All proposed changes of a session, by path, and the operations of tools on them.

use crate::change::{FileChange, Namer};
use crate::content::Content;
use boxagnts_policy::path::WorkspacePath;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the changeset says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup<'a> {
    /// The file has this content.
    Content(&'a Content),
    /// There is no file.
    Absent,
    /// The changeset does not know the path: look below.
    Below,
}

/// The changeset. Cloning shares contents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    files: BTreeMap<WorkspacePath, Arc<FileChange>>,
    /// Source of each pending move, with its target.
    moved: BTreeMap<WorkspacePath, WorkspacePath>,
}

impl Changes {
    pub(crate) fn lookup(&self, path: &WorkspacePath) -> Lookup<'_> {
        match self.files.get(path) {
            Some(change) => change
                .current
                .as_ref()
                .map_or(Lookup::Absent, Lookup::Content),
            None if self.moved.contains_key(path) => Lookup::Absent,
            None => Lookup::Below,
        }
    }

    pub(crate) fn get(&self, path: &WorkspacePath) -> Option<&Arc<FileChange>> {
        self.files.get(path)
    }

    /// Where a pending move takes the file from `path`.
    pub(crate) fn moved_to(&self, path: &WorkspacePath) -> Option<&WorkspacePath> {
        self.moved.get(path)
    }

    /// Files that change.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&WorkspacePath, &Arc<FileChange>)> {
        self.files.iter()
    }

    /// Whether the changeset has a file below `folder`.
    pub(crate) fn has_files_below(&self, folder: &WorkspacePath) -> bool {
        self.present_below(folder).next().is_some()
    }

    /// Files below `folder` that exist by the changeset.
    pub(crate) fn present_below(
        &self,
        folder: &WorkspacePath,
    ) -> impl Iterator<Item = &WorkspacePath> {
        let within = move |path: &&WorkspacePath| path.is_within(folder);
        self.files
            .range(folder.clone()..)
            // Paths sort by bytes, and `-` sorts before `/`: siblings may lie in between.
            .take_while(|(path, _)| path.as_str().starts_with(folder.as_str()))
            .filter(|(_, change)| change.current.is_some())
            .map(|(path, _)| path)
            .filter(within)
    }

    /// Puts a change in place; removes it when it proposes nothing.
    pub(crate) fn put(&mut self, path: WorkspacePath, change: FileChange) {
        self.take(&path);
        if change.is_nothing() {
            return;
        }
        if let Some(from) = &change.from {
            self.moved.insert(from.clone(), path.clone());
        }
        self.files.insert(path, Arc::new(change));
    }

    pub(crate) fn take(&mut self, path: &WorkspacePath) -> Option<FileChange> {
        let change = Arc::unwrap_or_clone(self.files.remove(path)?);
        if let Some(from) = &change.from {
            self.moved.remove(from);
        }
        Some(change)
    }

    /// A tool gives `path` content, or removes it. `base` is what the file was when the tools first
    /// saw it; only asked for when the changeset does not know the file.
    pub(crate) fn set(
        &mut self,
        path: &WorkspacePath,
        base: impl FnOnce() -> Option<Content>,
        current: Option<Content>,
    ) {
        self.untangle(path);
        match self.take(path) {
            Some(mut change) => {
                change.current = current.map(|content| match &change.base {
                    // Content that tools wrote from text keeps the file's byte-order mark.
                    Some(base) if change.from.is_some() => content.with_bom_of(Some(base)),
                    _ => content,
                });
                match (change.from.clone(), &change.current) {
                    // A moved file that is removed is a removed file.
                    (Some(from), None) => self.put(from, FileChange::new(change.base, None)),
                    _ => self.put(path.clone(), change),
                }
            }
            None => self.put(path.clone(), FileChange::new(base(), current)),
        }
    }

    /// A tool moves a file. The caller has checked that `from` is a file and `to` is not.
    pub(crate) fn rename(
        &mut self,
        from: &WorkspacePath,
        to: &WorkspacePath,
        base: impl FnOnce() -> Option<Content>,
    ) {
        self.untangle(to);
        let source = self.take(from);
        let target = self.take(to);
        let (origin, base, current) = match source {
            // Moved before: still one move, from where the user has it.
            Some(FileChange {
                from: Some(origin),
                base,
                current,
                ..
            }) => (Some(origin), base, current),
            Some(FileChange {
                base: Some(base),
                current,
                ..
            }) => (Some(from.clone()), Some(base), current),
            Some(FileChange {
                base: None,
                current,
                ..
            }) => (None, None, current),
            None => {
                let base = base();
                (Some(from.clone()), base.clone(), base)
            }
        };
        match (target, origin) {
            // The target is a file that the session removed: now it has other content.
            (
                Some(FileChange {
                    base: Some(old), ..
                }),
                origin,
            ) => {
                self.put(to.clone(), FileChange::new(Some(old), current));
                if let Some(origin) = origin {
                    self.put(origin, FileChange::new(base, None));
                }
            }
            // Back where it came from.
            (_, Some(origin)) if origin == *to => {
                self.put(to.clone(), FileChange::new(base, current))
            }
            (_, origin) => {
                let change = FileChange {
                    from: origin,
                    ..FileChange::new(base, current)
                };
                self.put(to.clone(), change);
            }
        }
    }

    /// Something is put where a move took a file away: the move becomes a new file and whatever
    /// comes to the old place.
    fn untangle(&mut self, path: &WorkspacePath) {
        let Some(target) = self.moved.get(path).cloned() else {
            return;
        };
        if let Some(mut change) = self.take(&target) {
            let base = change.base.take();
            change.from = None;
            self.put(target, change);
            self.put(path.clone(), FileChange::new(base, None));
        }
    }

    /// Takes over what a call did to `path`, and finds its hunks.
    pub(crate) fn adopt(
        &mut self,
        path: &WorkspacePath,
        theirs: &Changes,
        namer: &mut Namer,
        group: Option<&Arc<str>>,
    ) {
        let before = self.take(path);
        if let Some(change) = theirs.get(path) {
            let mut change = FileChange::clone(change);
            change.name_hunks(before.as_ref(), namer, group);
            self.put(path.clone(), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::proposal::ChangeKind;

    fn path(text: &str) -> WorkspacePath {
        WorkspacePath::parse(text).expect("a path")
    }

    fn content(text: &str) -> Content {
        Content::from_text(text.into())
    }

    /// Runs operations over a tree where `a` and `b` hold their own names; shows what comes out.
    fn check(operations: &[&str], expect: &[&str]) {
        let mut changes = Changes::default();
        for operation in operations {
            let words: Vec<&str> = operation.split(' ').collect();
            let on_disk = |name: &str| matches!(name, "a" | "b").then(|| content(name));
            match words[..] {
                ["write", name, text] => {
                    changes.set(&path(name), || on_disk(name), Some(content(text)));
                }
                ["remove", name] => changes.set(&path(name), || on_disk(name), None),
                ["rename", from, to] => changes.rename(&path(from), &path(to), || on_disk(from)),
                _ => panic!("{operation}"),
            }
        }
        let show = |(path, change): (&WorkspacePath, &Arc<FileChange>)| {
            let kind = match change.kind() {
                ChangeKind::Create => "create",
                ChangeKind::Modify => "modify",
                ChangeKind::Delete => "delete",
                ChangeKind::Rename => "move",
            };
            let from = change
                .from
                .as_ref()
                .map(|from| format!(" from {from}"))
                .unwrap_or_default();
            let text = change
                .current
                .as_ref()
                .and_then(Content::text)
                .unwrap_or("-");
            format!("{kind} {path}{from} {text}")
        };
        assert_eq!(
            changes.iter().map(show).collect::<Vec<_>>(),
            expect,
            "{operations:?}"
        );
    }

    #[test]
    fn operations_combine() {
        check(&["write c x"], &["create c x"]);
        check(&["write a x"], &["modify a x"]);
        check(&["write a x", "write a a"], &[]);
        check(&["write c x", "remove c"], &[]);
        check(&["remove a"], &["delete a -"]);
        check(&["remove a", "write a x"], &["modify a x"]);
    }

    #[test]
    fn moves_combine() {
        check(&["rename a c"], &["move c from a a"]);
        check(&["rename a c", "write c x"], &["move c from a x"]);
        check(&["write a x", "rename a c"], &["move c from a x"]);
        check(&["rename a c", "rename c d"], &["move d from a a"]);
        check(&["rename a c", "rename c a"], &[]);
        check(&["rename a c", "write c x", "rename c a"], &["modify a x"]);
        check(&["rename a c", "remove c"], &["delete a -"]);
        check(&["write c x", "rename c d"], &["create d x"]);
        check(&["remove b", "rename a b"], &["delete a -", "modify b a"]);
        check(
            &["rename a c", "write a new"],
            &["modify a new", "create c a"],
        );
        check(
            &["rename a c", "rename b a"],
            &["modify a b", "delete b -", "create c a"],
        );
    }
}
