//! What the user has not committed, read with libgit2: nothing that a repository names (hooks,
//! filters, fsmonitor) is run, and nothing is written.
//!
//! Whoever sent the workspace may have written its `.git`, too. A repository counts only when it
//! belongs to this very folder: one whose files are links, or which points to the files of another,
//! would show what is not in the workspace.

use crate::content::Content;
use crate::diff::{self, FileDiff};
use crate::error::FsErrorCode;
use crate::overlay::Overlay;
use crate::root::Kind;
use crate::view;
use boxagnts_policy::path::WorkspacePath;
use git2::{ErrorCode, Repository, RepositoryOpenFlags, StatusOptions, StatusShow, Tree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Larger files are named, not compared.
const MAX_COMPARED: u64 = 1 << 20;
/// Files are counted only below this size of the index: looking at each costs time.
const MAX_COUNTED_INDEX: u64 = 2 << 20;

/// A repository's state in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitState {
    /// The branch, or the first digits of the commit where there is none.
    pub branch: String,
    /// Tracked files that differ from the last commit; `None` where there are too many to look at.
    pub changed: Option<usize>,
}

/// What was not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncommitted {
    /// As a unified diff; files that are binary or too large are named.
    pub diff: String,
    /// Changed files that did not fit.
    pub left_out: usize,
}

impl Overlay {
    /// The repository that the workspace belongs to, in short. `None` without one, and when it cannot
    /// be trusted or read. Reads files; takes its time in a large repository.
    pub fn git_state(&self) -> Option<GitState> {
        let (repository, prefix) = open(self.root()).ok()?;
        let branch = branch(&repository)?;
        let index = std::fs::metadata(repository.path().join("index"));
        let small = index.map_or(0, |metadata| metadata.len()) <= MAX_COUNTED_INDEX;
        let changed = small.then(|| changed_paths(&repository, &prefix, false).ok());
        Some(GitState {
            branch,
            changed: changed.flatten().map(|paths| paths.len()),
        })
    }

    /// What the user's files of now, unsaved text included, have over the last commit. Files that
    /// tools may not see, or `may` refuses, are no part of it. Ends with the first file that goes over `max` bytes.
    ///
    /// # Errors
    /// There is no repository, or it cannot be trusted or read; in words.
    pub fn uncommitted(
        self: &Arc<Self>,
        max: usize,
        may: impl Fn(&WorkspacePath) -> bool,
    ) -> Result<Uncommitted, String> {
        let (repository, prefix) = open(self.root())?;
        let failed = |error: git2::Error| format!("git: {}", error.message());
        let head = head_tree(&repository).map_err(failed)?;
        let mut paths = changed_paths(&repository, &prefix, true).map_err(failed)?;
        let dirty = |path: &WorkspacePath| self.buffers.get(path).is_some_and(|b| b.dirty);
        let open = self.buffers.open_paths();
        paths.extend(open.into_iter().filter(|path| dirty(path)));
        // As the user has them, without what is proposed.
        let mut call = self.another().begin("diff");
        let mut all = Uncommitted {
            diff: String::new(),
            left_out: 0,
        };
        for path in paths.into_iter().filter(may) {
            let size = match call.kind(&path) {
                Ok((Kind::File, size)) => size,
                Err(error) if error.code == FsErrorCode::NotFound => 0,
                // Hidden from tools, or no file.
                Ok(_) | Err(_) => continue,
            };
            if all.diff.len() >= max {
                all.left_out += 1;
                continue;
            }
            let in_git = format!("{prefix}{}", path.as_str());
            let before = match blob(&repository, head.as_ref(), &in_git) {
                Ok(before) => before,
                Err(reason) => {
                    all.diff.push_str(&format!("{path}: {reason}\n"));
                    continue;
                }
            };
            if size > MAX_COMPARED {
                all.diff.push_str(&format!("{path}: too large to show\n"));
                continue;
            }
            let after = view::live(&self.root, &*self.buffers, &path).1;
            let one = file_diff(&path, before, after);
            if all.diff.is_empty() || all.diff.len() + one.len() <= max {
                all.diff.push_str(&one);
            } else {
                all.left_out += 1;
            }
        }
        Ok(all)
    }
}

fn file_diff(path: &WorkspacePath, before: Option<Content>, after: Option<Content>) -> String {
    let before = match (before, after.as_ref().and_then(Content::text)) {
        // Git may keep other line ends than the folder has.
        (Some(before), Some(after)) => match before.text() {
            Some(text) if after.contains("\r\n") && !text.contains("\r\n") => Some(
                Content::from_text(text.replace('\n', "\r\n").as_str().into()),
            ),
            _ => Some(before),
        },
        (before, _) => before,
    };
    if before == after {
        return String::new();
    }
    let is_binary = |content: &Option<Content>| matches!(content, Some(Content::Binary(_)));
    if is_binary(&before) || is_binary(&after) {
        return format!("{path}: a binary file that differs\n");
    }
    diff::unified(&[FileDiff {
        path: path.clone(),
        from: None,
        before,
        after,
    }])
}

/// The folder that holds the git repository which a folder is in, as git finds it. Nothing of the
/// repository is read, so that it need not be trusted.
pub fn top(folder: &Path) -> Option<PathBuf> {
    let is_top = |folder: &&Path| {
        let git = folder.join(".git");
        git.is_file() || git.join("HEAD").symlink_metadata().is_ok()
    };
    folder.ancestors().find(is_top).map(Path::to_path_buf)
}

/// The repository of a folder, and the folder's path in it, with a slash behind it if any.
pub(crate) fn open(root: &Path) -> Result<(Repository, String), String> {
    let none = || "the workspace is in no git repository".to_owned();
    let no_ceiling: [&Path; 0] = [];
    let repository = Repository::open_ext(root, RepositoryOpenFlags::empty(), no_ceiling);
    let repository = repository.map_err(|error| match error.code() {
        ErrorCode::NotFound => none(),
        _ => format!("git: {}", error.message()),
    })?;
    let work = repository.workdir().and_then(|dir| dir.canonicalize().ok());
    let work = work.ok_or_else(none)?;
    let foreign = || {
        format!(
            "the repository of {} has its files elsewhere, or in links; it is not read",
            work.display()
        )
    };
    if !belongs(&repository, &work) {
        return Err(foreign());
    }
    let below = root.strip_prefix(&work).map_err(|_| foreign())?;
    let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
    let mut prefix = parts.ok_or_else(none)?.join("/");
    if !prefix.is_empty() {
        prefix.push('/');
    }
    Ok((repository, prefix))
}

/// Whether a repository is that of the folder: in it, or a worktree or submodule that the other
/// repository knows of.
fn belongs(repository: &Repository, work: &Path) -> bool {
    let link = work.join(".git");
    let Ok(metadata) = std::fs::symlink_metadata(&link) else {
        return false;
    };
    let Ok(own) = repository.path().canonicalize() else {
        return false;
    };
    let Ok(common) = repository.commondir().canonicalize() else {
        return false;
    };
    let plain = ["HEAD", "refs", "objects", "packed-refs", "index", "config"];
    let is_link = |path: PathBuf| {
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink())
    };
    if plain
        .iter()
        .any(|name| is_link(own.join(name)) || is_link(common.join(name)))
    {
        return false;
    }
    if metadata.is_dir() {
        return own == link && common == own;
    }
    // Both of these are written by git into the other repository.
    let is_known = if repository.is_worktree() {
        let back = own.join("gitdir");
        let small = std::fs::symlink_metadata(&back).is_ok_and(|m| m.is_file() && m.len() < 8192);
        small
            && std::fs::read_to_string(back).is_ok_and(|path| {
                let path = own.join(path.trim_end_matches(['\n', '\r']));
                path.canonicalize().is_ok_and(|path| path == link)
            })
    } else {
        let config = git2::Config::open(&own.join("config"));
        let given = config.and_then(|config| config.get_string("core.worktree"));
        common == own
            && given.is_ok_and(|given| own.join(given).canonicalize().is_ok_and(|dir| dir == work))
    };
    metadata.is_file() && is_known
}

fn branch(repository: &Repository) -> Option<String> {
    let head = repository.find_reference("HEAD").ok()?;
    if let Ok(Some(target)) = head.symbolic_target() {
        let name = target.strip_prefix("refs/heads/").unwrap_or(target);
        return Some(name.to_owned());
    }
    let commit = head.target()?.to_string();
    Some(format!("commit {}", commit.get(..9).unwrap_or(&commit)))
}

/// `None` before the first commit.
fn head_tree(repository: &Repository) -> Result<Option<Tree<'_>>, git2::Error> {
    match repository.head() {
        Ok(head) => head.peel_to_tree().map(Some),
        Err(error) if error.code() == ErrorCode::UnbornBranch => Ok(None),
        Err(error) => Err(error),
    }
}

/// Paths in the workspace that differ from the last commit, in the index or in the folder.
fn changed_paths(
    repository: &Repository,
    prefix: &str,
    untracked: bool,
) -> Result<BTreeSet<WorkspacePath>, git2::Error> {
    let mut options = StatusOptions::new();
    options
        .show(StatusShow::IndexAndWorkdir)
        .include_untracked(untracked)
        .recurse_untracked_dirs(untracked)
        .exclude_submodules(true)
        .disable_pathspec_match(true);
    if !prefix.is_empty() {
        options.pathspec(prefix.trim_end_matches('/'));
    }
    let statuses = repository.statuses(Some(&mut options))?;
    let paths = statuses.iter().filter_map(|entry| {
        let path = entry.path().ok()?.strip_prefix(prefix)?;
        WorkspacePath::parse(path).ok()
    });
    Ok(paths.filter(|path| !path.is_root()).collect())
}

/// What the last commit has at a path.
fn blob(
    repository: &Repository,
    head: Option<&Tree<'_>>,
    path: &str,
) -> Result<Option<Content>, String> {
    let Some(entry) = head.and_then(|tree| tree.get_path(Path::new(path)).ok()) else {
        return Ok(None);
    };
    let cannot = |error: git2::Error| format!("cannot be read from git: {}", error.message());
    let odb = repository.odb().map_err(cannot)?;
    let (size, kind) = odb.read_header(entry.id()).map_err(cannot)?;
    if kind != git2::ObjectType::Blob {
        return Ok(None);
    }
    if size as u64 > MAX_COMPARED {
        return Err("too large to show".to_owned());
    }
    let blob = repository.find_blob(entry.id()).map_err(cannot)?;
    Ok(Some(Content::from_bytes(blob.content().to_vec())))
}
