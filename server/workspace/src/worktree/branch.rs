//! What was done in a worktree as a commit on a new branch of the user's repository: the only thing that is
//! ever written there, and only when the user asks for it.

use super::changes::{Before, WorktreeChanges, with_cr};
use super::fill::{hash, without_cr};
use super::gitdir::entry;
use super::head::HeadEntry;
use super::manifest;
use super::{Worktree, WorktreeError, head, name};
use crate::content::Content;
use crate::error::FsErrorCode;
use crate::merge;
use crate::view::MAX_FILE;
use boxagnts_policy::path::WorkspacePath;
use git2::{AttrCheckFlags, AttrValue, Index, Oid, Repository, Signature};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

const LINK: u32 = 0o120_000;
const PROGRAM: u32 = 0o100_755;
const PLAIN: u32 = 0o100_644;
const SUBMODULE: u32 = 0o160_000;

/// Somebody who commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// For people.
    pub name: String,
    /// Address.
    pub email: String,
}

/// The user of a workspace's repository, as git knows them.
///
/// # Errors
/// The workspace is in no git repository that can be used, or nobody told git who they are.
pub fn user(workspace: &Path) -> Result<Person, WorktreeError> {
    let (repository, _) = head::open(workspace)?;
    let signature = repository.signature().map_err(|error| {
        let reason = format!(
            "nobody told git who you are ({}); set user.name and user.email",
            error.message()
        );
        WorktreeError::repository(workspace, reason)
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Person {
        name: text(signature.name_bytes()),
        email: text(signature.email_bytes()),
    })
}

/// A branch that is to be made.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Without `refs/heads/` in front.
    pub name: String,
    /// What the commit says.
    pub message: String,
    /// Who made the change.
    pub author: Person,
    /// Who puts it into the repository.
    pub committer: Person,
    /// Who signs it off, in the message's last lines.
    pub sign_off: Option<Person>,
    /// Whether what the user had not committed is in it, too: the commit is then all of the worktree. Else
    /// it has what was changed in the worktree and nothing else; files where that cannot be told apart are
    /// left out.
    pub uncommitted: bool,
    /// What was left out already, each with its reason: told beside what is left out here.
    pub left_out: Vec<String>,
}

/// A branch that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit, in hexadecimal.
    pub commit: String,
    /// Paths in it.
    pub files: usize,
    /// What is not in it, each with its reason.
    pub left_out: Vec<String>,
}

/// A file of the commit to be: its content and mode; `None` where it is removed.
type Files = BTreeMap<String, Option<(Vec<u8>, u32)>>;

impl Worktree {
    /// Commits what was done in the worktree to a new branch of the user's repository, on top of the commit
    /// that the worktree was filled from. Writes objects and that one branch; checks nothing out, and runs
    /// no hook.
    ///
    /// # Errors
    /// There is such a branch, its name is none, nothing was changed, the commit that it would stand on is
    /// gone, or the repository cannot be written.
    pub fn commit_to_branch(&mut self, branch: &Branch) -> Result<Committed, WorktreeError> {
        let refused = |reason: String| WorktreeError::Branch {
            branch: branch.name.clone(),
            reason,
        };
        let failed = |error: git2::Error| refused(format!("git: {}", error.message()));
        let (repository, _) = head::open(&self.workspace)?;
        name::check(&repository, &branch.name).map_err(refused)?;
        let changes = self.changes()?;
        let mut left_out = branch.left_out.clone();
        left_out.extend_from_slice(&changes.left_out);
        let files = match branch.uncommitted {
            true => self.all_files(changes)?,
            false => self.committed_files(&repository, changes, &mut left_out),
        };
        let parent = match self.head.commit {
            Some(id) => Some(repository.find_commit(id).map_err(|error| {
                let reason = error.message();
                refused(format!(
                    "the commit {id}, which the worktree was made from, is gone: {reason}"
                ))
            })?),
            None => None,
        };
        let mut index = Index::new().map_err(failed)?;
        if let Some(parent) = &parent {
            let tree = parent.tree().map_err(failed)?;
            index.read_tree(&tree).map_err(failed)?;
        }
        let mut count = 0;
        // A folder may stand where a file was.
        let (removed, written): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(_, file)| file.is_none());
        for (path, file) in removed.into_iter().chain(written) {
            let known = self.head.get(&path);
            let Some((bytes, mode)) = file else {
                if known.is_some() {
                    index.remove(Path::new(&path), 0).map_err(failed)?;
                    count += 1;
                }
                continue;
            };
            if let Some(reason) = driver(&repository, &path) {
                left_out.push(format!("`{path}`: {reason}"));
                continue;
            }
            let bytes = match mode {
                LINK => bytes,
                _ => clean(&repository, &path, bytes, known),
            };
            let id = repository.blob(&bytes).map_err(failed)?;
            if known.is_some_and(|known| known.id == id && known.mode == mode) {
                continue;
            }
            let added = index.add(&entry(path.clone().into_bytes(), id, mode));
            match added {
                Ok(()) => count += 1,
                Err(error) => left_out.push(format!("`{path}`: {}", error.message())),
            }
        }
        if count == 0 {
            let mut reason = "nothing of what was changed can be committed".to_owned();
            for path in &left_out {
                reason.push_str("; ");
                reason.push_str(path);
            }
            return Err(refused(reason));
        }
        let tree = index.write_tree_to(&repository).map_err(failed)?;
        let tree = repository.find_tree(tree).map_err(failed)?;
        let message = signed_off(&branch.message, branch.sign_off.as_ref());
        let author = signature(&branch.author).map_err(refused)?;
        let committer = signature(&branch.committer).map_err(refused)?;
        let parents: Vec<_> = parent.iter().collect();
        let commit = repository
            .commit(None, &author, &committer, &message, &tree, &parents)
            .map_err(failed)?;
        // Somebody else may have made it meanwhile: not forced, it is refused then.
        let log = "branch: made by BoxAgnts from a worktree";
        let made = repository.reference(&name::reference(&branch.name), commit, false, log);
        made.map_err(|error| {
            let reason = error.message().trim_end_matches([' ', ':']);
            refused(format!("git: {reason}; try again, or name another"))
        })?;
        Ok(Committed {
            commit: commit.to_string(),
            files: count,
            left_out,
        })
    }

    /// What was changed in the worktree, on the files as the commit has them, by path from the repository's
    /// root: what the user had changed there and not committed is no part of it.
    fn committed_files(
        &self,
        repository: &Repository,
        changes: WorktreeChanges,
        left_out: &mut Vec<String>,
    ) -> Files {
        let mut files = Files::new();
        for change in changes.files {
            let path = format!("{}{}", self.head.prefix, change.path.as_str());
            let Some(after) = change.after else {
                files.insert(path, None);
                continue;
            };
            let entry = self.manifest.entries.get(&path);
            let mode = match (entry, self.head.get(&path)) {
                // Whether it is a program is the user's doing, and the commit may have it otherwise.
                (Some(entry), Some(known))
                    if entry.executable == change.executable && is_file(known) =>
                {
                    known.mode
                }
                _ if change.executable => PROGRAM,
                _ => PLAIN,
            };
            match self.committed_file(repository, &path, change.before, &after) {
                Ok(bytes) => {
                    files.insert(path, Some((bytes, mode)));
                }
                Err(reason) => left_out.push(format!("`{path}`: {reason}")),
            }
        }
        files
    }

    /// Whether the user has something in a file, by its path from the repository's root, that is not
    /// committed; nothing where there is no file.
    pub(super) fn is_committed(&self, repository: &Repository, path: &str) -> bool {
        let Some(entry) = self.manifest.entries.get(path) else {
            return true;
        };
        let known = self.head.get(path);
        let has_mode = known
            .is_none_or(|known| !is_file(known) || (known.mode == PROGRAM) == entry.executable);
        has_mode
            && match entry.committed {
                manifest::Committed::Same => true,
                manifest::Committed::LineEnds => has_cr_converted(repository, path, known),
                manifest::Committed::Other => false,
            }
    }

    /// A file as the commit is to have it.
    fn committed_file(
        &self,
        repository: &Repository,
        path: &str,
        before: Before,
        after: &Content,
    ) -> Result<Vec<u8>, String> {
        let entry = self.manifest.entries.get(path);
        match before {
            Before::Absent if entry.is_none() => Ok(after.bytes().into_owned()),
            Before::Content(before) => {
                let Some(known) = self.head.get(path) else {
                    return Err("you have not committed the file itself".to_owned());
                };
                let bytes = clean(repository, path, before.bytes().into_owned(), Some(known));
                match hash(&bytes).is_ok_and(|hash| hash == known.id) {
                    true => Ok(after.bytes().into_owned()),
                    false => on_committed(repository, known, &before, after),
                }
            }
            Before::Absent | Before::Unknown if self.is_committed(repository, path) => {
                Ok(after.bytes().into_owned())
            }
            Before::Absent | Before::Unknown => {
                Err("what you have not committed there cannot be told from it".to_owned())
            }
        }
    }

    /// All that the worktree has other than the commit, by path from the repository's root.
    fn all_files(&mut self, changes: WorktreeChanges) -> Result<Files, WorktreeError> {
        let mut files = Files::new();
        for change in changes.files {
            let path = format!("{}{}", self.head.prefix, change.path.as_str());
            let mode = if change.executable { PROGRAM } else { PLAIN };
            let after = change.after.map(|after| (after.bytes().into_owned(), mode));
            files.insert(path, after);
        }
        for (path, entry) in &self.manifest.entries {
            let mode = match (entry.link, entry.executable) {
                (true, _) => LINK,
                (false, true) => PROGRAM,
                (false, false) => PLAIN,
            };
            let known = self.head.get(path).is_some_and(|known| known.mode == mode);
            if files.contains_key(path) || (known && entry.committed != manifest::Committed::Other)
            {
                continue;
            }
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let read = self.handle.below(folder).and_then(|here| match entry.link {
                true => Ok(here.read_link(name)?.into_encoded_bytes()),
                false => Ok(here.read(name, MAX_FILE)?.0),
            });
            match read {
                Ok(bytes) => files.insert(path.clone(), Some((bytes, mode))),
                // A link that somebody removed.
                Err(_) if entry.link => continue,
                Err(error) => return Err(WorktreeError::file(&self.tree.join(path), &error)),
            };
        }
        if !self.sparse {
            let removed = self.removed_by_user();
            files.extend(removed.into_iter().map(|path| (path, None)));
        }
        Ok(files)
    }

    /// Files of the commit that the user, or a tool, had removed when the worktree was filled.
    fn removed_by_user(&mut self) -> Vec<String> {
        let filled: HashSet<&String> = self.manifest.entries.keys().collect();
        let mut removed = Vec::new();
        for known in &self.head.entries {
            let Ok(path) = std::str::from_utf8(&known.path) else {
                continue;
            };
            if known.mode == SUBMODULE || filled.contains(&path.to_owned()) {
                continue;
            }
            let below = path.strip_prefix(self.head.prefix.as_str());
            if let Some(Ok(below)) = below.map(WorkspacePath::parse)
                && let Err(error) = self.call.kind(&below)
                && error.code == FsErrorCode::NotFound
            {
                removed.push(path.to_owned());
            }
        }
        removed
    }
}

/// What led from one content to another, on the file as the commit has it.
fn on_committed(
    repository: &Repository,
    known: &HeadEntry,
    before: &Content,
    after: &Content,
) -> Result<Vec<u8>, String> {
    let stands = || "it stands on what you have not committed there".to_owned();
    let blob = repository.find_blob(known.id).map_err(|_| stands())?;
    let committed = blob.content();
    // What may differ is words, not how lines end.
    let plain = |bytes: &[u8]| Content::from_bytes(without_cr(bytes).unwrap_or(bytes.to_vec()));
    let ends = |bytes: &[u8]| without_cr(bytes).is_some();
    let same_ends = ends(&before.bytes()) == ends(committed);
    let [before, after, there] = match same_ends {
        true => [
            before.clone(),
            after.clone(),
            Content::from_bytes(committed.to_vec()),
        ],
        false => [
            plain(&before.bytes()),
            plain(&after.bytes()),
            plain(committed),
        ],
    };
    let (Some(old), Some(new), Some(text)) = (before.text(), after.text(), there.text()) else {
        return Err(stands());
    };
    let carried = merge::carry(old, new, text).map_err(|_| stands())?;
    let carried = Content::from_text(carried.into()).with_bom_of(Some(&there));
    let bytes = carried.bytes().into_owned();
    match !same_ends && ends(committed) {
        false => Ok(bytes),
        true if with_cr(committed) == committed => Ok(with_cr(&bytes)),
        // Nobody can say how its lines end.
        true => Err(stands()),
    }
}

fn is_file(known: &HeadEntry) -> bool {
    matches!(known.mode, PLAIN | PROGRAM)
}

fn signature(person: &Person) -> Result<Signature<'static>, String> {
    let signature = Signature::now(&person.name, &person.email);
    signature.map_err(|error| {
        let (name, email) = (&person.name, &person.email);
        format!(
            "`{name} <{email}>` is nobody that git takes: {}",
            error.message()
        )
    })
}

fn signed_off(message: &str, by: Option<&Person>) -> String {
    let mut text = message.trim_end().to_owned();
    if let Some(Person { name, email }) = by {
        let line = format!("Signed-off-by: {name} <{email}>").replace(['\n', '\r'], " ");
        if !text.lines().any(|other| other == line) {
            let trailers = git2::message_trailers_strs(&text);
            let behind_others = trailers.is_ok_and(|trailers| trailers.iter().next().is_some());
            text.push_str(if behind_others { "\n" } else { "\n\n" });
            text.push_str(&line);
        }
    }
    text.push('\n');
    text
}

fn attribute(repository: &Repository, path: &str, name: &str) -> Option<String> {
    let flags = AttrCheckFlags::NO_SYSTEM;
    let value = repository
        .get_attr_bytes(Path::new(path), name, flags)
        .ok()?;
    match AttrValue::from_bytes(value) {
        AttrValue::True => Some("true".to_owned()),
        AttrValue::False => Some("false".to_owned()),
        AttrValue::String(text) => Some(text.to_owned()),
        AttrValue::Bytes(_) | AttrValue::Unspecified => None,
    }
}

/// Why only git itself could commit a file: a program would have to convert it.
fn driver(repository: &Repository, path: &str) -> Option<String> {
    let set = |name: &str| attribute(repository, path, name).filter(|value| value != "false");
    let filter = set("filter").map(|name| format!("the filter `{name}`, which is not run"));
    let encoding = || {
        let encoding = set("working-tree-encoding");
        encoding.map(|name| format!("the encoding `{name}`"))
    };
    let what = filter.or_else(encoding)?;
    Some(format!(
        "`.gitattributes` gives it {what}; commit it with git"
    ))
}

/// The bytes of a file as git would take them into the repository.
fn clean(
    repository: &Repository,
    path: &str,
    bytes: Vec<u8>,
    known: Option<&HeadEntry>,
) -> Vec<u8> {
    match without_cr(&bytes) {
        Some(plain) if has_cr_converted(repository, path, known) => plain,
        _ => bytes,
    }
}

/// Whether git makes `\n` of a file's `\r\n` when it takes it into the repository.
fn has_cr_converted(repository: &Repository, path: &str, known: Option<&HeadEntry>) -> bool {
    let autocrlf = || {
        let config = repository.config().and_then(|mut config| config.snapshot());
        config.is_ok_and(|config| {
            let value = config.get_str("core.autocrlf");
            value.is_ok_and(|value| value.eq_ignore_ascii_case("input"))
                || config.get_bool("core.autocrlf").unwrap_or(false)
        })
    };
    let text = attribute(repository, path, "text");
    let (convert, always) = match text.as_deref() {
        Some("true") => (true, true),
        Some("false") => (false, false),
        Some("auto") => (true, false),
        Some(_) | None => match attribute(repository, path, "eol").as_deref() {
            Some("lf" | "crlf") => (true, true),
            _ => (autocrlf(), false),
        },
    };
    // Where git guesses, it leaves alone what has such line ends in the repository.
    let has_cr = |id: Oid| {
        let blob = repository.find_blob(id);
        blob.is_ok_and(|blob| without_cr(blob.content()).is_some())
    };
    let kept = !always && known.is_some_and(|known| has_cr(known.id));
    convert && !kept
}
