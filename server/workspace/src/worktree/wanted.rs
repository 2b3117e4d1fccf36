//! What belongs into a worktree: the files that tools see, by folder, and the links between them.

use super::head::Head;
use crate::call::Call;
use crate::root::Kind;
use boxagnts_policy::path::WorkspacePath;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Display;

/// Notes that are told; of more only the number.
const MAX_NOTES: usize = 100;
/// Larger `.gitattributes` are not looked at for filters.
const MAX_ATTRIBUTES: u64 = 1 << 20;

/// What a folder of the worktree has in it.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Where it is in the workspace; `None` above it.
    pub(crate) at: Option<WorkspacePath>,
    pub(crate) files: Vec<String>,
    /// With where they lead.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) folders: BTreeSet<String>,
}

/// Folders by path from the worktree's root, each with those above it.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) folders: BTreeMap<String, Folder>,
    pub(crate) notes: Notes,
}

/// What somebody who works in the worktree should know of it.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    told: Vec<String>,
    more: usize,
}

impl Notes {
    pub(crate) fn add(&mut self, path: &dyn Display, what: &str) {
        let note = format!("`{path}`: {what}");
        if self.told.contains(&note) {
        } else if self.told.len() < MAX_NOTES {
            self.told.push(note);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn take(&mut self, other: Notes) {
        for note in other.told {
            match self.told.len() < MAX_NOTES {
                true => self.told.push(note),
                false => self.more += 1,
            }
        }
        self.more += other.more;
    }

    pub(crate) fn told(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.told.iter().cloned().chain(more).collect()
    }
}

/// The path of something in the worktree, where `prefix` is the workspace's path in its repository,
/// with a slash behind it if any.
pub(crate) fn in_tree(prefix: &str, path: &WorkspacePath) -> String {
    match path.is_root() {
        true => prefix.trim_end_matches('/').to_owned(),
        false => format!("{prefix}{}", path.as_str()),
    }
}

/// A name in a folder of the worktree.
pub(crate) fn join(folder: &str, name: &str) -> String {
    match folder.is_empty() {
        true => name.to_owned(),
        false => format!("{folder}/{name}"),
    }
}

impl Wanted {
    /// Everything that the call sees at these paths and below; nothing of what is not there.
    pub(crate) fn look(
        call: &mut Call,
        paths: &[WorkspacePath],
        prefix: &str,
        head: &Head,
    ) -> Wanted {
        let mut wanted = Wanted::default();
        let mut open = Vec::new();
        // A path is what the folder above says, as for who walks there: where the user has a folder now, a
        // file may be proposed.
        let mut listed: HashMap<WorkspacePath, HashMap<String, Kind>> = HashMap::new();
        for path in paths {
            let Some(parent) = path.parent() else {
                open.push(path.clone());
                continue;
            };
            if !listed.contains_key(&parent) {
                let entries = call.entries(&parent).unwrap_or_default().into_iter();
                let kinds = entries.map(|entry| (entry.name, entry.kind));
                listed.insert(parent.clone(), kinds.collect());
            }
            let kind = listed.get(&parent).and_then(|all| all.get(path.name()));
            match kind {
                None => {}
                Some(kind @ (Kind::File | Kind::Symlink)) => {
                    wanted.one(call, &parent, path.name(), *kind, prefix);
                }
                Some(Kind::Directory) => open.push(path.clone()),
                _ => wanted
                    .notes
                    .add(path, "a device, socket or FIFO, which is not there"),
            }
        }
        while let Some(folder) = open.pop() {
            let entries = match call.entries(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    wanted.notes.add(&folder, &error.message);
                    continue;
                }
            };
            for entry in entries {
                // The name came from `entries`, which lets no other name pass.
                let Ok(path) = folder.join(&entry.name) else {
                    continue;
                };
                if entry.kind != Kind::Directory {
                    wanted.one(call, &folder, &entry.name, entry.kind, prefix);
                } else if call.overlay.root.is_mount(&path) {
                    let what = "a mounted folder, which is not there: it is not the repository's";
                    wanted.notes.add(&path, what);
                } else if head.is_submodule(&in_tree(prefix, &path)) {
                    wanted
                        .notes
                        .add(&path, "a submodule, whose folder is empty");
                    wanted.folder(&path, prefix);
                } else {
                    open.push(path);
                }
            }
        }
        wanted
    }

    fn one(
        &mut self,
        call: &mut Call,
        folder: &WorkspacePath,
        name: &str,
        kind: Kind,
        prefix: &str,
    ) {
        let Ok(path) = folder.join(name) else {
            return;
        };
        match kind {
            Kind::File => {
                if name == ".gitattributes" {
                    self.look_for_filters(call, &path);
                }
                self.folder(folder, prefix).files.push(name.to_owned());
            }
            Kind::Symlink => {
                let handle = call.overlay.root.folder(folder);
                let target = handle.and_then(|handle| handle.read_link(name));
                let parent = in_tree(prefix, folder);
                let depth = parent.split('/').filter(|part| !part.is_empty());
                match target.map(|target| target.into_string()) {
                    Ok(Ok(target)) if stays(depth.count(), &target) => {
                        let link = (name.to_owned(), target);
                        self.folder(folder, prefix).links.push(link);
                    }
                    _ => {
                        let what = "a link that leads out of the repository, which is not there";
                        self.notes.add(&path, what);
                    }
                }
            }
            Kind::Directory | Kind::Other => {
                let what = "a device, socket or FIFO, which is not there";
                self.notes.add(&path, what);
            }
        }
    }

    fn look_for_filters(&mut self, call: &mut Call, path: &WorkspacePath) {
        let content = call.content(path, MAX_ATTRIBUTES).ok();
        let text = content.as_ref().and_then(|content| content.text());
        if text.is_some_and(|text| text.contains("filter=")) {
            let what = "it names filters, which are not run: the files of them, pointers of Git LFS \
                        among them, are as they are in the user's folder";
            self.notes.add(path, what);
        }
    }

    /// A folder of the workspace, with those above it.
    pub(crate) fn folder(&mut self, at: &WorkspacePath, prefix: &str) -> &mut Folder {
        let path = in_tree(prefix, at);
        if !self.folders.contains_key(&path) {
            let mut here = Some(at.clone());
            let mut below = path.as_str();
            loop {
                let folder = self.folders.entry(below.to_owned()).or_default();
                folder.at = here.clone();
                if below.is_empty() {
                    break;
                }
                let (parent, name) = below.rsplit_once('/').unwrap_or(("", below));
                let above = self.folders.entry(parent.to_owned()).or_default();
                above.folders.insert(name.to_owned());
                here = here.and_then(|here| here.parent());
                below = parent;
            }
        }
        self.folders.entry(path).or_default()
    }

    /// For a disk that ignores case: leaves out what would be the same file as another there.
    pub(crate) fn without_collisions(&mut self) {
        let mut gone: HashSet<String> = HashSet::new();
        for (path, folder) in &mut self.folders {
            let mut taken = HashSet::new();
            let mut free = |name: &str| taken.insert(name.to_lowercase());
            let mut left_out = Vec::new();
            folder.folders.retain(|name| {
                let kept = free(name);
                if !kept {
                    left_out.push(name.clone());
                }
                kept
            });
            gone.extend(left_out.iter().map(|name| join(path, name)));
            folder.files.retain(|name| {
                let kept = free(name);
                if !kept {
                    left_out.push(name.clone());
                }
                kept
            });
            folder.links.retain(|(name, _)| free(name));
            for name in left_out {
                let what = "it differs from another by case alone, which files here cannot";
                self.notes.add(&join(path, &name), what);
            }
        }
        self.folders.retain(|path, _| {
            let mut above = path.as_str();
            loop {
                if gone.contains(above) {
                    return false;
                }
                match above.rsplit_once('/') {
                    Some((parent, _)) => above = parent,
                    None => return true,
                }
            }
        });
    }
}

/// Whether a link in a folder at that depth leads to somewhere in the tree, through other such links
/// too: `..` is let pass only in front, where the folders are real ones.
pub(crate) fn stays(depth: usize, target: &str) -> bool {
    let parts = target.split('/').filter(|part| !matches!(*part, "" | "."));
    let mut ups = 0;
    let mut rest = String::new();
    for part in parts {
        if part == ".." {
            if !rest.is_empty() {
                return false;
            }
            ups += 1;
        } else {
            rest.push('/');
            rest.push_str(part);
        }
    }
    let below = rest.trim_start_matches('/');
    !target.starts_with('/') && ups <= depth && WorkspacePath::parse(below).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depth: usize, target: &str, expect: bool) {
        assert_eq!(stays(depth, target), expect, "{depth} {target}");
    }

    #[test]
    fn links_stay_in_the_tree() {
        check(0, "a", true);
        check(0, "./a/b", true);
        check(1, "../a", true);
        check(2, "../..", true);
        check(0, "..", false);
        check(1, "../../a", false);
        check(0, "/etc/passwd", false);
        // `a` may be a link to a folder further up.
        check(2, "a/../../b", false);
        check(0, "a/../b", false);
        check(0, ".git/hooks", false);
        check(1, "../.GIT", false);
        check(0, "C:/x", false);
        check(0, "a\\..\\..\\b", false);
    }
}
