//! Files that a command writes for its user: known to be writable before the work, replaced as a
//! whole after it.

use crate::exit::Failure;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where a command writes.
pub(crate) struct OutFile {
    /// What is written, in words.
    what: &'static str,
    target: PathBuf,
    /// A device or a pipe cannot be replaced.
    in_place: bool,
}

impl OutFile {
    /// Finds out before the work whether there can be such a file.
    pub(crate) fn find(what: &'static str, path: &Path) -> Result<OutFile, Failure> {
        let wrong = |reason: &str| {
            Failure::usage(format!(
                "cannot write {what} to {}: {reason}",
                path.display()
            ))
        };
        let (target, in_place) = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(wrong("it is a folder")),
            // A link stays; the file behind it is replaced.
            Ok(metadata) => (
                path.canonicalize().unwrap_or(path.to_path_buf()),
                !metadata.is_file(),
            ),
            Err(_) => (path.to_path_buf(), false),
        };
        let folder = folder_of(&target);
        if !folder.is_dir() {
            return Err(wrong("there is no such folder"));
        }
        Ok(OutFile {
            what,
            target,
            in_place,
        })
    }

    /// The file itself, behind links.
    pub(crate) fn path(&self) -> &Path {
        &self.target
    }

    pub(crate) fn write(&self, text: &str) -> Result<(), Failure> {
        self.try_write(text).map_err(|error| {
            Failure::failed(format!(
                "cannot write {} to {}: {error}",
                self.what,
                self.target.display()
            ))
        })
    }

    fn try_write(&self, text: &str) -> std::io::Result<()> {
        if self.in_place {
            let mut file = std::fs::OpenOptions::new().write(true).open(&self.target)?;
            return file.write_all(text.as_bytes());
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".boxagnts-").suffix(".tmp");
        // As any new file, and not for the owner alone as temporary files are.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(folder_of(&self.target))?;
        file.write_all(text.as_bytes())?;
        file.persist(&self.target).map_err(|error| error.error)?;
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_files_and_only_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.diff");
        OutFile::find("it", &path).unwrap().write("a\n").unwrap();
        OutFile::find("it", &path).unwrap().write("b\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(OutFile::find("it", folder.path()).is_err());
        assert!(OutFile::find("it", &folder.path().join("no/such")).is_err());
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            OutFile::find("it", &link).unwrap().write("c\n").unwrap();
            assert!(link.is_symlink());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "c\n");
            assert!(
                OutFile::find("it", Path::new("/dev/null"))
                    .unwrap()
                    .in_place
            );
        }
    }
}
