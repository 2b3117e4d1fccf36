//! The visible files below a folder, sorted, depth first: disk, changeset and unsaved new documents
//! merged while walking.

use crate::call::{Call, Entry};
use crate::error::FsError;
use crate::root::Kind;
use boxagnts_policy::path::WorkspacePath;

/// A walk in progress.
#[derive(Debug)]
pub struct Walk {
    /// Folders on the way down, each with what is left of it, last first.
    stack: Vec<(WorkspacePath, Vec<Entry>)>,
    /// For a walk that starts at a file.
    single: Option<WorkspacePath>,
}

impl Call {
    /// Starts at a folder, or names a single file.
    ///
    /// # Errors
    /// The path is refused, hidden, or not there.
    pub fn walk(&mut self, path: &str) -> Result<Walk, FsError> {
        let path = WorkspacePath::parse(path)?;
        self.walked = true;
        match self.kind(&path)?.0 {
            Kind::File => Ok(Walk {
                stack: Vec::new(),
                single: Some(path),
            }),
            _ => {
                let mut entries = self.entries(&path)?;
                entries.reverse();
                Ok(Walk {
                    stack: vec![(path, entries)],
                    single: None,
                })
            }
        }
    }

    /// At most `max` further paths; none at the end. Folders that cannot be read are passed over.
    ///
    /// # Errors
    /// None at present: what cannot be seen is left out.
    pub fn walk_next(&mut self, walk: &mut Walk, max: u32) -> Result<Vec<String>, FsError> {
        let mut found = Vec::new();
        if max == 0 {
            return Ok(found);
        }
        if let Some(single) = walk.single.take() {
            found.push(single.as_str().to_owned());
            return Ok(found);
        }
        while let Some((folder, entries)) = walk.stack.last_mut() {
            let Some(entry) = entries.pop() else {
                walk.stack.pop();
                continue;
            };
            // The name came from `entries`, which lets no other name pass.
            let Ok(path) = folder.join(&entry.name) else {
                continue;
            };
            match entry.kind {
                Kind::File => {
                    found.push(path.as_str().to_owned());
                    if found.len() >= max as usize {
                        return Ok(found);
                    }
                }
                Kind::Directory => {
                    if let Ok(mut below) = self.entries(&path) {
                        below.reverse();
                        walk.stack.push((path, below));
                    }
                }
                Kind::Symlink | Kind::Other => {}
            }
        }
        Ok(found)
    }
}
