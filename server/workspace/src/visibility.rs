//! Which files tools can see: not the secret ones, not what ignore files name.
//!
//! Decided by name alone, from ignore files on disk alone: a model can neither un-ignore a file by
//! proposing an ignore file nor learn whether a hidden file exists. `.boxagntsignore` beats
//! `.ignore`, which beats `.gitignore`; in each, deeper folders beat shallower ones, and nothing
//! below a hidden folder comes back.

use crate::error::{FsError, FsErrorCode};
use crate::root::{Root, Stamp};
use boxagnts_policy::path::WorkspacePath;
use dashmap::DashMap;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Ignore files of a folder, strongest first.
pub(crate) const NAMES: [&str; 3] = [".boxagntsignore", ".ignore", ".gitignore"];
/// Larger ignore files are not read.
const MAX_IGNORE_FILE: u64 = 1 << 20;

type Stamps = [Option<Stamp>; NAMES.len()];

/// The ignore files of one folder.
#[derive(Debug)]
struct FolderRules {
    stamps: Stamps,
    files: [Option<IgnoreFile>; NAMES.len()],
}

/// What an ignore file says.
#[derive(Debug)]
enum IgnoreFile {
    Rules(Gitignore),
    /// Too large, or with more rules than can be matched: what it would hide is not known, so all
    /// of its folder is hidden.
    Unusable,
}

/// Parsed ignore files of a workspace, kept as long as the files stay as they are.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    folders: DashMap<WorkspacePath, Arc<FolderRules>>,
    outside: OnceLock<Vec<Outside>>,
}

/// Rules from above the workspace: parent folders of the same repository, `info/exclude`, the
/// user's own excludes. Weakest, in this order.
#[derive(Debug)]
struct Outside {
    rules: IgnoreFile,
    /// From the rules' folder to the workspace, with a final `/` unless empty.
    prefix: String,
}

/// The rules that hold in a folder: its own and those of the folders above.
#[derive(Debug)]
pub(crate) struct Chain {
    folder: WorkspacePath,
    rules: Arc<FolderRules>,
    above: Option<Arc<Chain>>,
}

/// What tools can see, at one moment: each folder's ignore files are looked at once.
pub(crate) struct Visibility {
    root: Arc<Root>,
    rules: Arc<Rules>,
    folders: HashMap<WorkspacePath, Result<Arc<Chain>, FsError>>,
}

impl Visibility {
    pub(crate) fn new(root: Arc<Root>, rules: Arc<Rules>) -> Visibility {
        Visibility {
            root,
            rules,
            folders: HashMap::new(),
        }
    }

    /// Fails when tools may not see `path`. With `is_dir` unknown, a path that would be hidden as a
    /// file or as a folder counts as hidden.
    pub(crate) fn check(
        &mut self,
        path: &WorkspacePath,
        is_dir: Option<bool>,
    ) -> Result<(), FsError> {
        match path.parent() {
            None => Ok(()),
            Some(parent) => {
                let chain = self.folder(&parent, None)?;
                for as_dir in [false, true] {
                    if is_dir.is_none_or(|known| known == as_dir) {
                        self.check_in(&chain, path, as_dir)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Fails when tools may not see `path`, which lies in the chain's folder.
    pub(crate) fn check_in(
        &self,
        chain: &Chain,
        path: &WorkspacePath,
        is_dir: bool,
    ) -> Result<(), FsError> {
        if let Some(reason) = path.secret() {
            return Err(FsError::denied(path, reason));
        }
        if self.root.is_own(path) {
            let reason = "it belongs to BoxAgnts, which only its user configures";
            return Err(FsError::denied(path, reason));
        }
        // Its user put it there.
        if self.root.is_mount(path) {
            return Ok(());
        }
        match self.rules.hidden_by(&self.root, chain, path, is_dir) {
            Some(rule) => Err(FsError::new(
                FsErrorCode::Denied,
                format!("`{path}` is hidden from tools by {rule}"),
            )),
            None => Ok(()),
        }
    }

    /// The rules in a folder; fails when the folder is hidden. `present` says which ignore files
    /// the folder has, for who has just listed it.
    pub(crate) fn folder(
        &mut self,
        folder: &WorkspacePath,
        present: Option<[bool; NAMES.len()]>,
    ) -> Result<Arc<Chain>, FsError> {
        if let Some(known) = self.folders.get(folder) {
            return known.clone();
        }
        let found = self.find(folder, present);
        self.folders.insert(folder.clone(), found.clone());
        found
    }

    fn find(
        &mut self,
        folder: &WorkspacePath,
        present: Option<[bool; NAMES.len()]>,
    ) -> Result<Arc<Chain>, FsError> {
        let above = match folder.parent() {
            // Another tree, with rules of its own.
            _ if self.root.is_mount(folder) => None,
            Some(parent) => {
                let chain = self.folder(&parent, None)?;
                self.check_in(&chain, folder, true)?;
                Some(chain)
            }
            None => None,
        };
        let rules = self.rules.folder(&self.root, folder, present);
        Ok(Arc::new(Chain {
            folder: folder.clone(),
            rules,
            above,
        }))
    }
}

impl Rules {
    fn folder(
        &self,
        root: &Root,
        folder: &WorkspacePath,
        present: Option<[bool; NAMES.len()]>,
    ) -> Arc<FolderRules> {
        let mut stamps: Stamps = [None; NAMES.len()];
        for (index, name) in NAMES.iter().enumerate() {
            if present.is_none_or(|present| present[index])
                && let Ok(path) = folder.join(name)
            {
                stamps[index] = root.stamp(&path);
            }
        }
        if let Some(known) = self.folders.get(folder)
            && known.stamps == stamps
        {
            return Arc::clone(&known);
        }
        let mut files = [None, None, None];
        for (index, name) in NAMES.iter().enumerate() {
            if stamps[index].is_some()
                && let Ok(path) = folder.join(name)
            {
                files[index] = Some(read_rules(root, &path));
            }
        }
        let rules = Arc::new(FolderRules { stamps, files });
        self.folders.insert(folder.clone(), Arc::clone(&rules));
        rules
    }

    /// The rule that hides `path`, in words.
    fn hidden_by(
        &self,
        root: &Root,
        chain: &Chain,
        path: &WorkspacePath,
        is_dir: bool,
    ) -> Option<String> {
        for (kind, name) in NAMES.iter().enumerate() {
            let mut link = Some(chain);
            while let Some(here) = link {
                link = here.above.as_deref();
                let Some(rules) = &here.rules.files[kind] else {
                    continue;
                };
                let below = relative(path, &here.folder);
                let file = || {
                    let path = here.folder.join(name);
                    path.map_or_else(|_| (*name).to_owned(), |path| path.to_string())
                };
                let IgnoreFile::Rules(rules) = rules else {
                    return Some(format!("{}, which has too many rules to be used", file()));
                };
                match rules.matched(below, is_dir) {
                    Match::None => {}
                    Match::Whitelist(_) => return None,
                    Match::Ignore(glob) => {
                        return Some(format!("`{}` in {}", glob.original(), file()));
                    }
                }
            }
        }
        for outside in self.outside.get_or_init(|| outside(root)) {
            let below = format!("{}{}", outside.prefix, path.as_str());
            let IgnoreFile::Rules(rules) = &outside.rules else {
                return Some(
                    "the repository's excludes, which have too many rules to be used".to_owned(),
                );
            };
            match rules.matched(Path::new(&below), is_dir) {
                Match::None => {}
                Match::Whitelist(_) => return None,
                Match::Ignore(glob) => {
                    return Some(format!(
                        "`{}` in the repository's excludes",
                        glob.original()
                    ));
                }
            }
        }
        None
    }
}

/// `path` seen from `folder`, which holds it.
fn relative<'a>(path: &'a WorkspacePath, folder: &WorkspacePath) -> &'a Path {
    let text = path.as_str();
    let skip = if folder.is_root() {
        0
    } else {
        folder.as_str().len() + 1
    };
    Path::new(text.get(skip..).unwrap_or(text))
}

fn read_rules(root: &Root, path: &WorkspacePath) -> IgnoreFile {
    match root.read(path, MAX_IGNORE_FILE) {
        Ok((bytes, _)) => parse_rules(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            tracing::warn!(%error, "ignore file cannot be used");
            IgnoreFile::Unusable
        }
    }
}

fn parse_rules(text: &str) -> IgnoreFile {
    let mut builder = GitignoreBuilder::new("");
    for line in text.trim_start_matches('\u{feff}').lines() {
        if let Err(error) = builder.add_line(None, line) {
            tracing::debug!(%error, "ignore rule is not used");
        }
    }
    builder.build().map_or_else(
        |error| {
            tracing::warn!(%error, "ignore file cannot be used");
            IgnoreFile::Unusable
        },
        IgnoreFile::Rules,
    )
}

/// Rules from above the workspace. Reads a handful of files of the user, once.
fn outside(root: &Root) -> Vec<Outside> {
    let mut found = Vec::new();
    let mut read = |file: PathBuf, prefix: &str| {
        // Through a link, the message that names a rule would show a line of any file.
        let Ok(metadata) = std::fs::symlink_metadata(&file) else {
            return;
        };
        if !metadata.is_file() {
            return;
        }
        let rules = match std::fs::read(file) {
            Ok(bytes) if metadata.len() <= MAX_IGNORE_FILE => {
                parse_rules(&String::from_utf8_lossy(&bytes))
            }
            _ => IgnoreFile::Unusable,
        };
        let prefix = prefix.to_owned();
        found.push(Outside { rules, prefix });
    };
    let repository = root
        .path()
        .ancestors()
        .find(|folder| folder.join(".git").exists());
    if let Some(repository) = repository {
        let mut prefix = String::new();
        let mut folder = root.path();
        while folder != repository
            && let (Some(parent), Some(name)) = (folder.parent(), folder.file_name())
        {
            prefix = format!("{}/{prefix}", name.to_string_lossy());
            read(parent.join(".ignore"), &prefix);
            read(parent.join(".gitignore"), &prefix);
            folder = parent;
        }
        read(repository.join(".git/info/exclude"), &prefix);
    }
    let (global, _) = GitignoreBuilder::new("").build_global();
    found.push(Outside {
        rules: IgnoreFile::Rules(global),
        prefix: String::new(),
    });
    found
}
