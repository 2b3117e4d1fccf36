//! Taking accepted changes back: from what files were and became to edits of what they are now.

use crate::content::Content;
use crate::lines::{self, split};
use crate::merge::{Change, carry, changes};
use crate::overlay::Overlay;
use crate::plan::{FilePlan, TextEdit};
use crate::view::{self, Live};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::ChangeKind;
use std::collections::{BTreeMap, BTreeSet};

/// What was done to one file. `None` content means that there was no file.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where the file is since then.
    pub path: WorkspacePath,
    /// Where it was, when it was moved.
    pub from: Option<WorkspacePath>,
    /// What it was.
    pub before: Option<Content>,
    /// What it became.
    pub after: Option<Content>,
    /// Permission bits that it had.
    pub mode: Option<u32>,
}

/// How steps are taken back.
#[derive(Debug, Default)]
pub struct WayBack {
    /// What to do; files that are what they were already are left out.
    pub plans: Vec<FilePlan>,
    /// Files that stay as they are, and why.
    pub refused: Vec<(WorkspacePath, String)>,
}

/// A file on the way back.
struct Here {
    live: Live,
    now: Option<Content>,
    then: Option<Content>,
    mode: Option<u32>,
    /// What a document shows there although no file is there.
    shown: Option<Content>,
}

impl Here {
    fn new(live: Live, now: Option<Content>) -> Here {
        Here {
            live,
            then: now.clone(),
            now,
            mode: None,
            shown: None,
        }
    }
}

impl Overlay {
    /// Plans to take `steps` back, the newest first. What the user changed since stays: it is merged,
    /// and where that is not possible the file is refused. A file that went away comes back on disk,
    /// also where a document shows it still.
    pub fn way_back(&self, steps: &[Step]) -> WayBack {
        let mut files: BTreeMap<WorkspacePath, Here> = BTreeMap::new();
        let mut refused: BTreeMap<WorkspacePath, String> = BTreeMap::new();
        // Where the same file was under two names.
        let mut moves: Vec<[WorkspacePath; 2]> = Vec::new();
        // Where a file went away.
        let left = |step: &Step| match (&step.from, &step.after) {
            (None, None) => Some(step.path.clone()),
            (from, _) => from.clone(),
        };
        let left: BTreeSet<WorkspacePath> = steps.iter().filter_map(left).collect();
        for step in steps {
            let source = step.from.as_ref().unwrap_or(&step.path);
            if step.from.is_some() {
                moves.push([step.path.clone(), source.clone()]);
            }
            for path in [&step.path, source] {
                let find = || self.here(path, left.contains(path));
                files.entry(path.clone()).or_insert_with(find);
            }
            let together = connected(&step.path, &moves);
            if let Some((other, _)) = refused.iter().find(|(path, _)| together.contains(*path)) {
                let reason = format!("`{other}` is the same file and stays as it is");
                for path in together {
                    refused.entry(path).or_insert_with(|| reason.clone());
                }
                continue;
            }
            let then = |path| files.get(path).and_then(|here: &Here| here.then.as_ref());
            let back = match (&step.from, then(source)) {
                (Some(_), Some(old)) => match is_half(step, Some(old), then(&step.path)) {
                    true => Ok(step.before.clone()),
                    false => Err("a file is at the old place again".to_owned()),
                },
                _ => step_back(then(&step.path), step),
            };
            match back {
                Ok(content) => {
                    if let Some(here) = files.get_mut(&step.path) {
                        here.then = None;
                    }
                    if let Some(here) = files.get_mut(source) {
                        here.then = content;
                        here.mode = step.mode;
                    }
                }
                Err(reason) => {
                    // Newer steps of the same file cannot be taken back without this one.
                    for path in together {
                        let touched = files.get(&path).is_some_and(|here| here.then != here.now);
                        if touched || path == step.path {
                            refused.insert(path, reason.clone());
                        }
                    }
                }
            }
        }
        for (path, here) in &files {
            let shown = here.shown.as_ref().and_then(Content::text);
            if let (Some(shown), Some(then)) = (shown, &here.then)
                && !then.is_shown_as(shown)
            {
                let reason = format!("`{path}` is open with other text; save or close it first");
                for path in connected(path, &moves) {
                    refused.entry(path).or_insert_with(|| reason.clone());
                }
            }
        }
        files.retain(|path, _| {
            let together = connected(path, &moves);
            !refused.keys().any(|path| together.contains(path))
        });
        WayBack {
            plans: plans(files, &moves),
            refused: refused.into_iter().collect(),
        }
    }

    /// The file as it is now. Where it `left`, a document that stayed is none: the file is looked for
    /// on disk, and brought back there.
    fn here(&self, path: &WorkspacePath, left: bool) -> Here {
        let (live, now) = self.live(path);
        if left && matches!(live, Live::Buffer { .. }) && view::is_gone(&self.root, path) {
            return Here {
                shown: now,
                ..Here::new(Live::Absent, None)
            };
        }
        Here::new(live, now)
    }

    /// Whether the user's file of now has what the step made of it, whatever else was typed: it is
    /// nearer to that than to what it was.
    pub fn arrived(&self, step: &Step) -> bool {
        if let Some(from) = &step.from {
            return self.saved(&step.path).is_some() && self.saved(from).is_none();
        }
        let now = match step.before.is_some() && step.after.is_some() {
            true => self.live(&step.path).1,
            false => self.saved(&step.path),
        };
        if now == step.after {
            return true;
        }
        let text = |content: &Option<Content>| content.as_ref()?.text().map(str::to_owned);
        let texts = (text(&step.before), text(&step.after), text(&now));
        let (Some(before), Some(after), Some(live)) = texts else {
            return false;
        };
        let live = split(&live);
        let lines = |change: &Change| change.old.len().max(change.new.len());
        let distance =
            |text: &str| -> usize { changes(&split(text), &live).iter().map(lines).sum() };
        distance(&after) < distance(&before)
    }

    /// Whether a move was interrupted when the file was at both places.
    pub fn half_arrived(&self, step: &Step) -> bool {
        let from = step.from.as_ref().and_then(|from| self.saved(from));
        is_half(step, from.as_ref(), self.saved(&step.path).as_ref())
    }
}

fn is_half(step: &Step, old: Option<&Content>, new: Option<&Content>) -> bool {
    step.from.is_some()
        && new.is_some()
        && old == step.before.as_ref()
        && new == step.after.as_ref()
}

/// All names that a file had.
fn connected(path: &WorkspacePath, moves: &[[WorkspacePath; 2]]) -> BTreeSet<WorkspacePath> {
    let mut found = BTreeSet::from([path.clone()]);
    loop {
        let known = found.len();
        for names in moves {
            if names.iter().any(|name| found.contains(name)) {
                found.extend(names.iter().cloned());
            }
        }
        if found.len() == known {
            return found;
        }
    }
}

/// What to do with the files. One that goes back to an old name does so in one step, which is done or
/// not.
fn plans(mut files: BTreeMap<WorkspacePath, Here>, moves: &[[WorkspacePath; 2]]) -> Vec<FilePlan> {
    let mut plans = Vec::new();
    while let Some((path, here)) = files.pop_first() {
        let mut together: Vec<(WorkspacePath, Here)> = connected(&path, moves)
            .into_iter()
            .filter_map(|path| files.remove_entry(&path))
            .collect();
        together.insert(0, (path, here));
        together.retain(|(_, here)| here.now != here.then);
        let goes = |(_, here): &(_, Here)| here.then.is_none();
        let comes = |(_, here): &(_, Here)| here.now.is_none();
        if together.len() == 2 && together.iter().any(goes) && together.iter().any(comes) {
            if goes(&together[0]) {
                together.swap(0, 1);
            }
            let from = together.pop();
            let to = together.pop();
            if let (Some((from, gone)), Some((path, back))) = (from, to) {
                let here = Here {
                    then: back.then,
                    ..Here::new(gone.live, gone.now)
                };
                plans.extend(here.plan(path, Some(from)));
            }
            continue;
        }
        let single = together.into_iter();
        plans.extend(single.filter_map(|(path, here)| here.plan(path, None)));
    }
    plans
}

/// What a file is without the step.
fn step_back(now: Option<&Content>, step: &Step) -> Result<Option<Content>, String> {
    let untouched = now == step.after.as_ref();
    if untouched || step.from.is_none() && now == step.before.as_ref() {
        // A document has no byte-order mark, and its file may have one.
        let before = step.before.clone();
        return Ok(before.map(|before| match now {
            Some(_) => before.with_bom_of(now),
            None => before,
        }));
    }
    let changed = || "you changed it since".to_owned();
    let Some(now) = now else {
        return Err("it is gone by now".to_owned());
    };
    let (Some(before), Some(after)) = (&step.before, &step.after) else {
        return Err(match step.after {
            Some(_) => changed(),
            None => "a file is there again".to_owned(),
        });
    };
    let (Some(before), Some(after), Some(text)) = (before.text(), after.text(), now.text()) else {
        return Err(changed());
    };
    let merged = carry(after, before, text)
        .map_err(|span| format!("you changed line {} since", span.start + 1))?;
    Ok(Some(
        Content::from_text(merged.into()).with_bom_of(Some(now)),
    ))
}

impl Here {
    fn plan(self, path: WorkspacePath, from: Option<WorkspacePath>) -> Option<FilePlan> {
        let kind = match (&self.now, &self.then) {
            _ if from.is_some() => ChangeKind::Rename,
            (now, then) if now == then => return None,
            (None, _) => ChangeKind::Create,
            (_, None) => ChangeKind::Delete,
            _ => ChangeKind::Modify,
        };
        let texts = self.now.as_ref().and_then(Content::text);
        let texts = texts.zip(self.then.as_ref().and_then(Content::text));
        let edits = texts.map(|(now, then)| edits(now, then));
        Some(FilePlan {
            path,
            from,
            kind,
            hunks: Vec::new(),
            refused: Vec::new(),
            live: self.live,
            mode: self.mode.filter(|_| self.now.is_none()),
            before: self.now,
            after: self.then,
            edits: edits.unwrap_or_default(),
        })
    }
}

/// Edits from one text to the other.
fn edits(from: &str, to: &str) -> Vec<TextEdit> {
    let (from, to) = (split(from), split(to));
    let edit = |change: Change| TextEdit {
        range: lines::range(&from, &change.old),
        new_text: to[change.new].concat(),
    };
    changes(&from, &to).into_iter().map(edit).collect()
}
