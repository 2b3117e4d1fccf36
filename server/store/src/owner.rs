//! Who lives: each store that applies batches holds the lock of a file of its own. The operating
//! system takes the lock back when the process dies, however it dies.

use crate::error::StoreError;
use crate::store::{make_private_file, make_private_folder, random_id};
use rusqlite::Transaction;
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One open store, as the batches name it that it applies.
///
/// Lock files are made, looked at and removed in write transactions of the journal alone. So no
/// process sees the file of another between being made and being locked, and none takes the lock
/// that another holds for a look as a sign of life.
#[derive(Debug)]
pub(crate) struct Owner {
    id: String,
    /// Where the lock files are; `None` when no other process sees the journal.
    folder: Option<PathBuf>,
    /// The own lock file, from the first use on.
    held: Mutex<Option<File>>,
}

impl Owner {
    /// An owner that nobody has heard of yet. `journal` is the file without links in its path: its
    /// lock files must be the same for all who share it.
    pub(crate) fn new(journal: Option<&Path>) -> Result<Owner, StoreError> {
        let folder = journal.map(|journal| {
            let mut name = journal.as_os_str().to_owned();
            name.push("-owners");
            PathBuf::from(name)
        });
        Ok(Owner {
            id: random_id()?,
            folder,
            held: Mutex::new(None),
        })
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Its id, and from now on others see that it lives.
    pub(crate) fn register(&self, inside: &Transaction<'_>) -> Result<&str, StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(folder)) = (&*held, &self.folder) {
            let path = folder.join(&self.id);
            let file = make_private_folder(folder).and_then(|()| hold(&path));
            *held = Some(file.map_err(|error| StoreError::Owner {
                path,
                reason: error.to_string(),
            })?);
            self.sweep(folder, inside);
        }
        Ok(&self.id)
    }

    /// Whether the owner of that id lives. When nothing is known of it, it may.
    pub(crate) fn lives(&self, id: &str, _inside: &Transaction<'_>) -> bool {
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match &self.folder {
            Some(folder) if is_id && id != self.id => is_held(&folder.join(id)),
            _ => true,
        }
    }

    /// Removes what killed processes left.
    fn sweep(&self, folder: &Path, inside: &Transaction<'_>) {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        for file in files {
            if let Some(id) = file.file_name().to_str() {
                self.lives(id, inside);
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (Some(_), Some(folder)) = (held, &self.folder) {
            // Without a file is as dead as without a lock.
            let _ = fs::remove_file(folder.join(&self.id));
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    // Some systems lock only what was opened for writing.
    File::options().read(true).write(true).open(path)
}

fn hold(path: &Path) -> Result<File, Error> {
    make_private_file(path)?;
    let file = open(path)?;
    file.try_lock()?;
    Ok(file)
}

/// Whether somebody holds the lock of the file; removes the file when nobody does.
fn is_held(path: &Path) -> bool {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) => return error.kind() != ErrorKind::NotFound,
    };
    let free = file.try_lock().is_ok();
    if free {
        let _ = fs::remove_file(path);
    }
    !free
}
