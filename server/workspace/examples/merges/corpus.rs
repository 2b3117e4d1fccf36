//! Three-way merges from histories: a git repository's, and those that the versions of a crate in
//! cargo's registry are.

use crate::classify::Edit;
use git2::{DiffOptions, ObjectType, Oid, Patch, Repository, Sort};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longer texts are left out, in bytes.
const MAX_TEXT: usize = 256 << 10;

/// How the three texts of a merge came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Two parents of a merge commit and what they have in common.
    Merge,
    /// Two commits that changed the same version of a file.
    Siblings,
    /// A change is undone after the next one was made.
    Undo,
    /// Every other hunk of a change, and the hunks between them.
    Halves,
    /// Every other hunk of a change, and the hunks between those of that change and the next one.
    Later,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [
        Kind::Merge,
        Kind::Siblings,
        Kind::Undo,
        Kind::Halves,
        Kind::Later,
    ];

    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Merge => "merge commits",
            Kind::Siblings => "two changes of one version",
            Kind::Undo => "undoing a change after the next",
            Kind::Halves => "odd and even hunks of a change",
            Kind::Later => "odd hunks, and even ones of two changes",
        }
    }
}

/// Three texts to merge.
#[derive(Debug, Clone)]
pub struct Case {
    /// Where it is from.
    pub place: String,
    /// How it came about.
    pub kind: Kind,
    /// What both sides began with.
    pub base: String,
    /// What the tool made of it.
    pub ours: String,
    /// What the user made of it.
    pub theirs: String,
}

/// Where a version's text is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    Blob(Oid),
    File(PathBuf),
}

/// A merge whose texts are not read yet.
struct Planned {
    place: String,
    kind: Kind,
    versions: [Version; 3],
}

/// Steps of files from one version to the next, and merges of branches.
#[derive(Default)]
struct History {
    steps: Vec<(String, Version, Version)>,
    merges: Vec<Planned>,
}

/// At most `limit` merges of a git repository's history, of every kind and from all of its time.
///
/// # Errors
/// There is no repository, or it cannot be read.
pub fn of_repository(path: &Path, limit: usize) -> Result<Vec<Case>, git2::Error> {
    let repository = Repository::discover(path)?;
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push_head()?;
    let mut history = History::default();
    for id in walk {
        let commit = repository.find_commit(id?)?;
        let id = commit.id().to_string();
        let short = id.get(..10).unwrap_or(&id);
        // Where a shallow clone ends, parents are named and not there.
        let parents: Vec<_> = commit.parents().collect();
        match &parents[..] {
            [parent] => {
                let (old, new) = (parent.tree()?, commit.tree()?);
                for (path, [old, new]) in files(&repository, [&old, &new])? {
                    let place = format!("{short} {path}");
                    history
                        .steps
                        .push((place, Version::Blob(old), Version::Blob(new)));
                }
            }
            [ours, theirs] => {
                let Ok(base) = repository.merge_base(ours.id(), theirs.id()) else {
                    continue;
                };
                let base = repository.find_commit(base)?.tree()?;
                let (ours, theirs) = (ours.tree()?, theirs.tree()?);
                for (path, [base, ours, theirs]) in files(&repository, [&base, &ours, &theirs])? {
                    history.merges.push(Planned {
                        place: format!("{short} {path}"),
                        kind: Kind::Merge,
                        versions: [base, ours, theirs].map(Version::Blob),
                    });
                }
            }
            _ => {}
        }
    }
    let read = |version: &Version| match version {
        Version::Blob(id) => Some(repository.find_blob(*id).ok()?.content().to_vec()),
        Version::File(_) => None,
    };
    Ok(cases(history, limit, read))
}

/// Files that are in all of the trees, with another content in each.
fn files<const N: usize>(
    repository: &Repository,
    trees: [&git2::Tree<'_>; N],
) -> Result<Vec<(String, [Oid; N])>, git2::Error> {
    let [old, new, ..] = trees[..] else {
        return Ok(Vec::new());
    };
    let diff = repository.diff_tree_to_tree(Some(old), Some(new), None)?;
    let mut found = Vec::new();
    for delta in diff.deltas() {
        let Some(path) = delta.new_file().path() else {
            continue;
        };
        let ids = trees.map(|tree| {
            let entry = tree.get_path(path).ok()?;
            (entry.kind() == Some(ObjectType::Blob)).then(|| entry.id())
        });
        if ids.iter().any(Option::is_none) {
            continue;
        }
        let ids = ids.map(|id| id.unwrap_or(Oid::ZERO_SHA1));
        let different: BTreeSet<Oid> = ids.iter().copied().collect();
        if different.len() == N {
            found.push((path.display().to_string(), ids));
        }
    }
    Ok(found)
}

/// At most `limit` merges from crates of which cargo's registry has several versions, which are a
/// history of each of their files.
///
/// # Errors
/// There is no registry on this machine.
pub fn of_registry(limit: usize) -> std::io::Result<Vec<Case>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let sources = home.unwrap_or_default().join("registry/src");
    let mut crates: BTreeMap<String, Vec<([u64; 3], PathBuf)>> = BTreeMap::new();
    for registry in std::fs::read_dir(&sources)? {
        for folder in std::fs::read_dir(registry?.path())? {
            let folder = folder?;
            let name = folder.file_name().to_string_lossy().into_owned();
            if let Some((name, version)) = versioned(&name) {
                let versions = crates.entry(name.to_owned()).or_default();
                versions.push((version, folder.path()));
            }
        }
    }
    let mut history = History::default();
    for (name, mut versions) in crates {
        versions.sort();
        for pair in versions.windows(2) {
            let [(_, old), (version, new)] = pair else {
                continue;
            };
            let mut below = Vec::new();
            walk(new, &mut below)?;
            for file in below {
                let Ok(path) = file.strip_prefix(new) else {
                    continue;
                };
                if old.join(path).is_file() {
                    let [major, minor, patch] = version;
                    let place = format!("{name}-{major}.{minor}.{patch} {}", path.display());
                    history
                        .steps
                        .push((place, Version::File(old.join(path)), Version::File(file)));
                }
            }
        }
    }
    let read = |version: &Version| match version {
        Version::File(path) => std::fs::read(path).ok(),
        Version::Blob(_) => None,
    };
    Ok(cases(history, limit, read))
}

/// `name-1.2.3+more` in its parts.
fn versioned(folder: &str) -> Option<(&str, [u64; 3])> {
    let dash = folder.match_indices('-').find(|(at, _)| {
        folder[at + 1..]
            .split('.')
            .next()
            .is_some_and(|n| n.parse::<u64>().is_ok())
    });
    let (at, _) = dash?;
    let numbers = folder[at + 1..].split(['.', '-', '+']).take(3);
    let numbers: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
    Some((&folder[..at], numbers.try_into().ok()?))
}

/// The files below a folder, sorted.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let entries: Result<BTreeSet<PathBuf>, _> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    for path in entries? {
        match path.is_dir() {
            true => walk(&path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}

/// Merges of every kind from a history, with their texts.
fn cases(history: History, limit: usize, read: impl Fn(&Version) -> Option<Vec<u8>>) -> Vec<Case> {
    let mut planned = history.merges;
    // Steps that begin at a version, in the order of the history.
    let mut from: BTreeMap<&Version, Vec<&(String, Version, Version)>> = BTreeMap::new();
    for step in &history.steps {
        from.entry(&step.1).or_default().push(step);
    }
    for (place, a, b) in &history.steps {
        let mut plan = |kind, versions: [&Version; 3]| {
            planned.push(Planned {
                place: place.clone(),
                kind,
                versions: versions.map(Clone::clone),
            });
        };
        plan(Kind::Halves, [a, b, b]);
        for (_, _, other) in from.get(a).into_iter().flatten() {
            // Each pair once.
            if other > b {
                plan(Kind::Siblings, [a, b, other]);
            }
        }
        if let Some((_, _, c)) = from.get(b).and_then(|steps| steps.first()) {
            plan(Kind::Undo, [b, a, c]);
            plan(Kind::Later, [a, b, c]);
        }
    }
    let text = |version: &Version| {
        let bytes = read(version)?;
        let fits = bytes.len() <= MAX_TEXT && !bytes.contains(&0);
        let text = fits.then(|| String::from_utf8(bytes).ok()).flatten();
        // Where a carriage return alone ends a line, git counts other lines than an editor does.
        text.filter(|text| !text.replace("\r\n", "\n").contains('\r'))
    };
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let all: Vec<&Planned> = planned.iter().filter(|plan| plan.kind == kind).collect();
        // The rarer kinds leave what is theirs to the others.
        let left = Kind::ALL.iter().filter(|other| **other >= kind).count();
        let most = (limit - found.len()) / left;
        let mut taken = 0;
        // Some of the plans come to nothing; those that are left over then come in.
        let stride = (all.len() / most.max(1)).max(1);
        let order = (0..stride).flat_map(|first| (first..all.len()).step_by(stride));
        for at in order {
            if taken == most {
                break;
            }
            let plan = all[at];
            let texts: Option<Vec<String>> = plan.versions.iter().map(text).collect();
            let Some([base, one, other]) = texts.as_deref() else {
                continue;
            };
            let (ours, theirs) = match kind {
                Kind::Halves | Kind::Later => (half(base, one, 0), half(base, other, 1)),
                _ => (one.clone(), other.clone()),
            };
            if ours != *base && theirs != *base && ours != theirs {
                taken += 1;
                found.push(Case {
                    place: plan.place.clone(),
                    kind,
                    base: base.clone(),
                    ours,
                    theirs,
                });
            }
        }
    }
    found
}

/// `old` with every other of the hunks that lead to `new`, from the one of that number on.
fn half(old: &str, new: &str, first: usize) -> String {
    let lines = lines(old);
    let mut text = String::new();
    let mut at = 0;
    for edit in hunks(old, new).into_iter().skip(first).step_by(2) {
        text.extend(lines[at..edit.old.start].iter().copied());
        text.push_str(&edit.text);
        at = edit.old.end;
    }
    text.extend(lines[at..].iter().copied());
    text
}

/// The hunks between two texts as git's own algorithm finds them.
pub fn hunks(old: &str, new: &str) -> Vec<Edit> {
    let mut options = DiffOptions::new();
    options.context_lines(0).interhunk_lines(0).force_text(true);
    let patch = Patch::from_buffers(
        old.as_bytes(),
        None,
        new.as_bytes(),
        None,
        Some(&mut options),
    );
    let new = lines(new);
    // Without lines, the number is that of the line before.
    let span = |start: u32, len: u32| {
        let start = start as usize - usize::from(len > 0);
        start..start + len as usize
    };
    let hunk = |patch: &Patch<'_>, at| {
        let (hunk, _) = patch.hunk(at).ok()?;
        Some(Edit {
            old: span(hunk.old_start(), hunk.old_lines()),
            text: new[span(hunk.new_start(), hunk.new_lines())].concat(),
        })
    };
    let patch = patch.ok();
    let all = patch
        .iter()
        .flat_map(|patch| (0..patch.num_hunks()).map_while(|at| hunk(patch, at)));
    all.collect()
}

/// Lines with their ends, as git counts them.
pub fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}
