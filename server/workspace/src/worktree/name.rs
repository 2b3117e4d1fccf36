//! Names of branches that are to be made: looked at before anything is done for them.

use super::{WorktreeError, head};
use git2::{ErrorCode, Reference, Repository};
use std::path::Path;

/// Whether a branch of that name can be made in the repository of a workspace.
///
/// # Errors
/// The workspace is in no git repository that can be used; the name is none, or is taken, or git cannot
/// have it beside another.
pub fn check_branch(workspace: &Path, name: &str) -> Result<(), WorktreeError> {
    let (repository, _) = head::open(workspace)?;
    check(&repository, name).map_err(|reason| WorktreeError::Branch {
        branch: name.to_owned(),
        reason,
    })
}

/// As git names the branch.
pub(super) fn reference(name: &str) -> String {
    format!("refs/heads/{name}")
}

/// Why there can be no branch of that name.
pub(super) fn check(repository: &Repository, name: &str) -> Result<(), String> {
    let is_valid = git2::Branch::name_is_valid(name).unwrap_or(false);
    // Git takes these, and then nobody can say which branch is meant.
    let misleads = name == "@" || name.starts_with("refs/");
    if !is_valid || misleads || !Reference::is_valid_name(&reference(name)) {
        return Err("that is no name of a branch; one is `agent/rename`, say".to_owned());
    }
    if exists(repository, name)? {
        return Err("it exists already; name another".to_owned());
    }
    let above = name.match_indices('/').map(|(at, _)| &name[..at]);
    for above in above {
        if exists(repository, above)? {
            return Err(format!(
                "git can have none below the branch `{above}`; name another"
            ));
        }
    }
    let mut below = repository
        .references_glob(&reference(&format!("{name}/*")))
        .map_err(|error| format!("git: {}", error.message()))?;
    match below.names().next() {
        Some(Ok(other)) => {
            let other = other.trim_start_matches("refs/heads/");
            Err(format!(
                "git can have none above the branch `{other}`; name another"
            ))
        }
        _ => Ok(()),
    }
}

fn exists(repository: &Repository, name: &str) -> Result<bool, String> {
    match repository.find_reference(&reference(name)) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(format!("git: {}", error.message())),
    }
}
