//! Folders: listing, making, removing and moving them, and what is in them.

use super::{Errno, Files, MAX_MADE, Outcome};
use crate::files::{FileKind, FsErrorCode};
use std::collections::BTreeMap;

impl Files {
    /// Names and kinds of a folder's entries.
    pub(crate) fn list(&mut self, folder: &str) -> Outcome<Vec<(String, FileKind)>> {
        let shown = if folder.is_empty() { "." } else { folder };
        let mut entries: BTreeMap<String, FileKind> = match self.fs.list(shown) {
            Ok(entries) => entries.into_iter().map(|e| (e.name, e.kind)).collect(),
            // It exists only as long as the call runs.
            Err(error) if error.code == FsErrorCode::NotFound && self.made.contains(folder) => {
                BTreeMap::new()
            }
            Err(error) => return Err(self.refuse(error)),
        };
        let path = |name: &str| match folder {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        entries.retain(|name, _| !self.removed.contains(&path(name)));
        let prefix = path("");
        for made in self.made.range(prefix.clone()..) {
            let Some(name) = made.strip_prefix(&prefix) else {
                break;
            };
            if !name.contains('/') {
                entries.insert(name.to_owned(), FileKind::Directory);
            }
        }
        Ok(entries.into_iter().collect())
    }

    /// Makes a folder that lasts as long as the call, or for ever with a file in it: the workspace
    /// knows files alone.
    pub(crate) fn make_folder(&mut self, base: &str, path: &str) -> Outcome<()> {
        let path = self.resolve(base, path)?;
        self.check_writable()?;
        if self.exists(&path)?.is_some() {
            return Err(Errno::Exist.into());
        }
        self.check_parent(&path)?;
        // A folder is as forbidden as a file would be in its place.
        self.fs
            .may_write(&path)
            .map_err(|error| self.refuse(error))?;
        if self.made.len() >= MAX_MADE {
            return Err(Errno::FileTooLarge.into());
        }
        self.count_written(path.len() as u64)?;
        self.removed.remove(&path);
        self.made.insert(path);
        Ok(())
    }

    pub(crate) fn remove_folder(&mut self, base: &str, path: &str) -> Outcome<()> {
        let path = self.resolve(base, path)?;
        self.check_writable()?;
        if path.is_empty() {
            return Err(Errno::NotPermitted.into());
        }
        if self.kind(&path)?.kind != FileKind::Directory {
            return Err(Errno::NotDirectory.into());
        }
        if !self.list(&path)?.is_empty() {
            return Err(Errno::NotEmpty.into());
        }
        self.made.remove(&path);
        if self.fs.stat(&path).is_ok() && self.removed.len() < MAX_MADE {
            self.removed.insert(path);
        }
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, base: &str, path: &str) -> Outcome<()> {
        let path = self.resolve(base, path)?;
        self.check_writable()?;
        if self.kind(&path)?.kind == FileKind::Directory {
            return Err(Errno::IsDirectory.into());
        }
        self.count_written(path.len() as u64)?;
        self.unlink(&path)
    }

    /// Removes a file; whoever holds it open goes on with its content.
    fn unlink(&mut self, path: &str) -> Outcome<()> {
        if let Some(&number) = self.by_path.get(path) {
            self.load(number)?;
        }
        self.fs.remove(path).map_err(|error| self.refuse(error))?;
        if let Some(number) = self.by_path.remove(path)
            && let Some(node) = self.nodes.get_mut(&number)
        {
            node.path = None;
            node.dirty = false;
        }
        Ok(())
    }

    /// Moves a file or folder, over a file that is there.
    pub(crate) fn rename(
        &mut self,
        (from_base, from): (&str, &str),
        (to_base, to): (&str, &str),
    ) -> Outcome<()> {
        let from = self.resolve(from_base, from)?;
        let to = self.resolve(to_base, to)?;
        self.check_writable()?;
        if from.is_empty() || to.is_empty() {
            return Err(Errno::NotPermitted.into());
        }
        let source = self.kind(&from)?.kind;
        self.count_written((from.len() + to.len()) as u64)?;
        if from == to {
            return Ok(());
        }
        match source {
            FileKind::Directory => self.rename_folder(&from, &to),
            _ => self.rename_file(&from, &to),
        }
    }

    fn rename_file(&mut self, from: &str, to: &str) -> Outcome<()> {
        if let Some(&number) = self.by_path.get(from) {
            self.flush(number)?;
        }
        match self.exists(to)? {
            Some(target) if target.kind == FileKind::Directory => {
                return Err(Errno::IsDirectory.into());
            }
            // What programs do that write a file whole: the file gets its new content, and that is
            // what its user reviews.
            Some(_) => {
                let max = self.max_held();
                let content = self.fs.read(from, max).map_err(|e| self.refuse(e))?;
                self.count_written(content.len() as u64)?;
                self.fs.may_write(from).map_err(|e| self.refuse(e))?;
                if let Some(&number) = self.by_path.get(to) {
                    self.load(number)?;
                }
                self.fs.write(to, content).map_err(|e| self.refuse(e))?;
                self.fs.remove(from).map_err(|e| self.refuse(e))?;
            }
            None => {
                self.check_parent(to)?;
                self.fs.rename(from, to).map_err(|e| self.refuse(e))?;
            }
        }
        if let Some(number) = self.by_path.remove(to)
            && let Some(node) = self.nodes.get_mut(&number)
        {
            node.path = None;
            node.dirty = false;
        }
        self.move_node(from, to);
        Ok(())
    }

    fn rename_folder(&mut self, from: &str, to: &str) -> Outcome<()> {
        if let Some(below) = to.strip_prefix(from)
            && below.starts_with('/')
        {
            return Err(Errno::Invalid.into());
        }
        match self.exists(to)? {
            Some(target) if target.kind != FileKind::Directory => {
                return Err(Errno::NotDirectory.into());
            }
            Some(_) => {
                if !self.list(to)?.is_empty() {
                    return Err(Errno::NotEmpty.into());
                }
                // Its place is free only when it was of this call.
                if !self.made.remove(to) {
                    return Err(Errno::Exist.into());
                }
            }
            None => self.check_parent(to)?,
        }
        let prefix = format!("{from}/");
        let below = |path: &String| path.starts_with(&prefix);
        let numbers: Vec<(String, u64)> = self
            .by_path
            .range(prefix.clone()..)
            .take_while(|(path, _)| below(path))
            .map(|(path, number)| (path.clone(), *number))
            .collect();
        for (_, number) in &numbers {
            self.flush(*number)?;
        }
        if self.fs.stat(from).is_ok() && !self.empty(from)? {
            self.fs.rename(from, to).map_err(|e| self.refuse(e))?;
            self.removed.insert(from.to_owned());
        }
        for (path, _) in numbers {
            self.move_node(&path, &format!("{to}/{}", &path[prefix.len()..]));
        }
        let made: Vec<String> = self.made.iter().filter(|p| below(p)).cloned().collect();
        for path in made {
            self.made.remove(&path);
            self.made.insert(format!("{to}/{}", &path[prefix.len()..]));
        }
        self.made.remove(from);
        self.removed.remove(to);
        self.made.insert(to.to_owned());
        Ok(())
    }

    /// Whether a folder has no file that could move.
    fn empty(&mut self, folder: &str) -> Outcome<bool> {
        let walk = self.fs.walk(folder).map_err(|e| self.refuse(e))?;
        let found = self.fs.walk_next(walk, 1);
        self.fs.walk_end(walk);
        Ok(found.map_err(|e| self.refuse(e))?.is_empty())
    }

    fn move_node(&mut self, from: &str, to: &str) {
        if let Some(number) = self.by_path.remove(from) {
            if let Some(node) = self.nodes.get_mut(&number) {
                node.path = Some(to.to_owned());
            }
            self.by_path.insert(to.to_owned(), number);
        }
    }
}
