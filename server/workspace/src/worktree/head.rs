//! The commit that a worktree starts from, as it is in the user's repository, and what of the user's
//! settings decides which bytes a file has in git.

use super::error::WorktreeError;
use crate::git;
use boxagnts_policy::path::MAX_PATH_BYTES;
use git2::{ErrorCode, ObjectType, Oid, Repository};
use std::path::{Path, PathBuf};

const SUBMODULE: u32 = 0o160_000;
/// Files of a commit.
const MAX_ENTRIES: usize = 5_000_000;
/// Larger lists of excluded files, or of commits without parents, are not taken over.
const MAX_TAKEN_OVER: u64 = 16 << 20;

/// A file of the commit.
#[derive(Debug, Clone)]
pub(crate) struct HeadEntry {
    /// From the repository's root; may be no UTF-8.
    pub(crate) path: Vec<u8>,
    pub(crate) id: Oid,
    /// As git writes it.
    pub(crate) mode: u32,
}

/// The commit, and where it is from.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// None before the first one.
    pub(crate) commit: Option<Oid>,
    /// What `HEAD` of a new repository names: its branch that has no commit yet.
    pub(crate) unborn: Option<String>,
    /// By path.
    pub(crate) entries: Vec<HeadEntry>,
    /// The user's store of objects.
    pub(crate) objects: PathBuf,
    /// The workspace's path in the repository, with a slash behind it if any.
    pub(crate) prefix: String,
    /// `core.autocrlf` and `core.eol`, where the user has them.
    pub(crate) line_ends: Vec<(&'static str, &'static str)>,
    /// `info/exclude`.
    pub(crate) exclude: Option<Vec<u8>>,
    /// Commits whose parents a shallow clone does not have.
    pub(crate) shallow: Option<Vec<u8>>,
}

/// The user's repository of a workspace, when it may be used.
pub(crate) fn open(workspace: &Path) -> Result<(Repository, String), WorktreeError> {
    let refused = |reason: String| {
        // As libgit2 says it, nobody would know what to do.
        let sha256 = reason.contains("object format") || reason.contains("objectformat");
        let reason = match sha256 {
            true => format!(
                "its repository names objects by SHA-256, which the library for git cannot read yet \
                 ({reason}); work without worktrees here"
            ),
            false => reason,
        };
        WorktreeError::repository(workspace, reason)
    };
    git::open(workspace).map_err(refused)
}

impl Head {
    /// Reads the commit of now.
    ///
    /// # Errors
    /// There is no repository, or it cannot be trusted or read.
    pub(crate) fn read(workspace: &Path) -> Result<Head, WorktreeError> {
        let (repository, prefix) = open(workspace)?;
        let failed = |error: git2::Error| {
            WorktreeError::repository(workspace, format!("git: {}", error.message()))
        };
        let (commit, unborn) = match repository.head() {
            Ok(head) => (Some(head.peel_to_commit().map_err(failed)?), None),
            Err(error) if error.code() == ErrorCode::UnbornBranch => {
                let head = repository.find_reference("HEAD").map_err(failed)?;
                let target = head.symbolic_target().map_err(failed)?;
                (None, target.map(str::to_owned))
            }
            Err(error) => return Err(failed(error)),
        };
        let entries = match &commit {
            Some(commit) => entries(&repository, commit.tree_id()).map_err(|reason| {
                let reason = format!("git: the commit {} {reason}", commit.id());
                WorktreeError::repository(workspace, reason)
            })?,
            None => Vec::new(),
        };
        let common = repository.commondir();
        let objects = common.join("objects");
        let objects = objects
            .canonicalize()
            .map_err(|error| WorktreeError::file(&objects, &error))?;
        Ok(Head {
            commit: commit.as_ref().map(git2::Commit::id),
            unborn,
            entries,
            objects,
            prefix,
            line_ends: line_ends(&repository),
            exclude: small(&common.join("info/exclude")),
            shallow: small(&common.join("shallow")),
        })
    }

    /// The file of the commit at a path from the repository's root.
    pub(crate) fn get(&self, path: &str) -> Option<&HeadEntry> {
        let found = self
            .entries
            .binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes()));
        found.ok().and_then(|at| self.entries.get(at))
    }

    pub(crate) fn is_submodule(&self, path: &str) -> bool {
        self.get(path).is_some_and(|entry| entry.mode == SUBMODULE)
    }
}

/// All files below a tree, by path, whatever their names: which of them may come to be is decided later.
fn entries(repository: &Repository, root: Oid) -> Result<Vec<HeadEntry>, String> {
    let mut all = Vec::new();
    let mut open = vec![(Vec::new(), root)];
    while let Some((folder, id)) = open.pop() {
        let tree = repository.find_tree(id);
        let tree = tree.map_err(|error| format!("cannot be read: {}", error.message()))?;
        for entry in tree.iter() {
            let mut path: Vec<u8> = folder.clone();
            path.extend_from_slice(entry.name_bytes());
            if path.len() > MAX_PATH_BYTES {
                continue;
            }
            if entry.kind() == Some(ObjectType::Tree) {
                path.push(b'/');
                open.push((path, entry.id()));
            } else {
                all.push(HeadEntry {
                    path,
                    id: entry.id(),
                    mode: u32::try_from(entry.filemode()).unwrap_or(0),
                });
            }
        }
        // A few objects can name any number of files.
        if all.len() + open.len() > MAX_ENTRIES {
            return Err(format!("has more than {MAX_ENTRIES} files"));
        }
    }
    all.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

/// Only values that git knows: they are written into a configuration.
fn line_ends(repository: &Repository) -> Vec<(&'static str, &'static str)> {
    let config = repository.config().and_then(|mut config| config.snapshot());
    let Ok(config) = config else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Ok(value) = config.get_str("core.autocrlf") {
        match value.eq_ignore_ascii_case("input") {
            true => found.push(("autocrlf", "input")),
            false if config.get_bool("core.autocrlf").unwrap_or(false) => {
                found.push(("autocrlf", "true"));
            }
            false => found.push(("autocrlf", "false")),
        }
    }
    let eol = config.get_str("core.eol").unwrap_or_default();
    let known = ["lf", "crlf", "native"];
    let eol = known
        .into_iter()
        .find(|known| eol.eq_ignore_ascii_case(known));
    found.extend(eol.map(|eol| ("eol", eol)));
    found
}

/// A small file that is no link.
fn small(path: &Path) -> Option<Vec<u8>> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let fits = metadata.is_file() && metadata.len() <= MAX_TAKEN_OVER;
    fits.then(|| std::fs::read(path).ok()).flatten()
}
