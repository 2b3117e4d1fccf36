//! Adding tools and taking them away. Both are gestures of the user; nothing else calls this.

use super::{MAX_TOOLS, Place, Registry, Standing};
use crate::approvals::Approved;
use crate::describe::{tool_name, usable};
use crate::files::ToolFiles;
use crate::toolbox::ForeignTool;
use boxagnts_policy::permission::Level;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a tool cannot be added or removed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// It can have no such name.
    #[error("{0}")]
    Name(String),
    /// It can have no such level.
    #[error("{0}")]
    Level(String),
    /// Inputs could not be checked.
    #[error("the input schema of `{name}` {reason}")]
    Schema {
        /// Of the tool.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// There is another file of that name.
    #[error(
        "{path} is another tool; take it away with `boxagnts tool remove {name}`, or give another \
         name with --name", path = path.display()
    )]
    Exists {
        /// Of the tool.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// What the user saw is not what would be added.
    #[error("{path} changed while it was looked at; look at it again", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// There is no such tool.
    #[error("no tool `{name}` was added; `boxagnts tool list` shows those that were")]
    Unknown {
        /// As given.
        name: String,
    },
    /// There is no place for tools.
    #[error("cannot tell where your tools belong; set XDG_DATA_HOME or HOME to a folder")]
    NoFolder,
    /// There are too many.
    #[error("there are {MAX_TOOLS} tools already; `boxagnts tool remove NAME` makes room")]
    Full,
    /// A file cannot be read or written.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Approvals cannot be read or written.
    #[error("cannot use the approvals of tools: {0}")]
    Approvals(String),
}

/// What became of the files of a tool that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// They were deleted: adding it had put them there.
    Deleted(PathBuf),
    /// They are still there and cannot be called: somebody else put them there, or changed them.
    Kept(PathBuf),
    /// They were gone before.
    Gone,
}

impl Registry {
    /// What would be approved if the tool in `file` were added; changes nothing.
    ///
    /// # Errors
    /// It can have no such name or level.
    pub fn propose(
        &self,
        file: &Path,
        tool: &ForeignTool,
        name: Option<&str>,
        level: Option<Level>,
        place: Place,
    ) -> Result<Approved, RegistryError> {
        let in_place = self.in_place(file, place);
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = match name {
            Some(name) if in_place && name != stem => {
                return Err(RegistryError::Name(format!(
                    "{} is in its folder already and has the name of its file; rename the file",
                    file.display()
                )));
            }
            Some(name) => name.to_owned(),
            None if in_place => stem.into_owned(),
            None => tool_name(&tool.spec.name).unwrap_or_else(|| tool.spec.name.clone()),
        };
        if let Some(problem) = self.name_problem(&name, place) {
            return Err(RegistryError::Name(problem));
        }
        let schema = |reason| RegistryError::Schema {
            name: name.clone(),
            reason,
        };
        usable(&tool.spec.input_schema).map_err(schema)?;
        if tool.level == Level::Forbidden || level == Some(Level::Forbidden) {
            let message = format!("`{name}` asks for the level `forbidden`, which never runs");
            return Err(RegistryError::Level(message));
        }
        let mut spec = tool.spec.clone();
        spec.name.clone_from(&name);
        Ok(Approved {
            spec,
            sha256: tool.sha256.clone(),
            // More than the network is given only by name.
            level: level.unwrap_or(tool.level.min(Level::Network)),
            hosts: tool.hosts.clone(),
            described_by: tool.described_by,
            copied: !in_place,
            invocation: tool.invocation.clone(),
            name,
        })
    }

    /// Copies the files of a tool into their folder, unless they are there, and approves it. What is
    /// copied is what was proposed, whatever became of the file meanwhile. Gives the tool's place.
    ///
    /// # Errors
    /// It is not what was proposed any more, or it cannot be written.
    pub fn add(
        &self,
        file: &Path,
        proposed: &Approved,
        place: Place,
    ) -> Result<PathBuf, RegistryError> {
        let scope = self.scope(place).ok_or(RegistryError::NoFolder)?;
        let approvals = self.approvals.list(scope);
        let approvals = approvals.map_err(RegistryError::Approvals)?;
        let earlier = approvals.iter().find(|known| known.name == proposed.name);
        if earlier.is_none() && approvals.len() >= MAX_TOOLS {
            return Err(RegistryError::Full);
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| RegistryError::File { path, error }
        };
        let files = ToolFiles::read(file).map_err(failed(file))?;
        if files.sha256() != proposed.sha256 {
            return Err(RegistryError::Changed {
                path: file.to_owned(),
            });
        }
        let target = self.path(scope, place, &proposed.name);
        let mut approved = proposed.clone();
        if self.in_place(file, place) {
            // Added again after a change: who had put it there had put it there.
            approved.copied = earlier.is_some_and(|earlier| earlier.copied);
        } else {
            self.check_folder(place)
                .map_err(|reason| RegistryError::File {
                    path: target.clone(),
                    error: io::Error::other(reason),
                })?;
            self.make_folder(scope, place).map_err(failed(&target))?;
            approved.copied = copy(&files, &target, &proposed.name)?;
        }
        let recorded = self.approvals.approve(scope, &approved);
        recorded.map_err(RegistryError::Approvals)?;
        Ok(target)
    }

    /// Takes an approval back, and the files away that adding the tool had put there.
    ///
    /// # Errors
    /// There is no such approval, or it or the files cannot be removed.
    pub fn remove(&self, name: &str, place: Option<Place>) -> Result<Removed, RegistryError> {
        let candidates = self.candidates();
        let wanted = |candidate: &&super::Candidate| {
            let here = place.is_none_or(|place| place == candidate.place);
            candidate.name == name && here && candidate.approved.is_some()
        };
        let candidate = candidates
            .iter()
            .find(wanted)
            .ok_or_else(|| RegistryError::Unknown {
                name: name.to_owned(),
            })?;
        let scope = self.scope(candidate.place).ok_or(RegistryError::NoFolder)?;
        let revoked = self.approvals.revoke(scope, name);
        revoked.map_err(RegistryError::Approvals)?;
        if candidate.standing == Standing::Gone {
            return Ok(Removed::Gone);
        }
        let path = candidate.path.clone();
        let copied = candidate
            .approved
            .as_ref()
            .is_some_and(|approved| approved.copied);
        if !copied || candidate.standing != Standing::Usable {
            return Ok(Removed::Kept(path));
        }
        for file in [path.clone(), path.with_extension("toml")] {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RegistryError::File { path: file, error });
                }
                _ => {}
            }
        }
        Ok(Removed::Deleted(path))
    }

    /// Whether a file lies where tools of `place` belong.
    fn in_place(&self, file: &Path, place: Place) -> bool {
        let Some(scope) = self.scope(place) else {
            return false;
        };
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        // A link there is no file of the folder, whatever it points to.
        let parent = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let folder = real(&self.folder(scope, place));
        folder.is_some() && folder == real(parent)
    }

    fn make_folder(&self, scope: &Path, place: Place) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        if place == Place::User {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        }
        builder.create(self.folder(scope, place))
    }
}

/// Puts a tool's files where they belong, and says whether that was necessary.
fn copy(files: &ToolFiles, target: &Path, name: &str) -> Result<bool, RegistryError> {
    let beside = target.with_extension("toml");
    if target.symlink_metadata().is_ok() || beside.symlink_metadata().is_ok() {
        let there = ToolFiles::read_no_links(target);
        return match there.is_ok_and(|there| there.sha256() == files.sha256()) {
            true => Ok(false),
            false => Err(RegistryError::Exists {
                name: name.to_owned(),
                path: target.to_owned(),
            }),
        };
    }
    let failed = |path: &Path, error| RegistryError::File {
        path: path.to_owned(),
        error,
    };
    write_new(target, &files.wasm).map_err(|error| failed(target, error))?;
    if let Some(toml) = files.toml() {
        write_new(&beside, toml).map_err(|error| {
            // Half of a tool would only be in the way.
            let _ = std::fs::remove_file(target);
            failed(&beside, error)
        })?;
    }
    Ok(true)
}

/// Writes a file that is not there; a reader never sees a part of it.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let temporary = folder.join(format!(".boxagnts-{:016x}.tmp", u64::from_le_bytes(random)));
    let write = || -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
