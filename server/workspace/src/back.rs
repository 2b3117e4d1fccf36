//! Taking accepted changes back: from what files were and became to edits of what they are now.

use crate::content::Content;
use crate::lines::{self, split};
use crate::merge::{Change, carry, changes};
use crate::overlay::Overlay;
use crate::plan::{FilePlan, TextEdit};
use crate::view::Live;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::ChangeKind;
use std::collections::BTreeMap;

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
}

impl Overlay {
    /// Plans to take `steps` back, the newest first. What the user changed since stays: it is merged,
    /// and where that is not possible the file is refused.
    pub fn way_back(&self, steps: &[Step]) -> WayBack {
        let mut files: BTreeMap<WorkspacePath, Here> = BTreeMap::new();
        let mut way = WayBack::default();
        for step in steps {
            let source = step.from.as_ref().unwrap_or(&step.path);
            let refused = |path| way.refused.iter().any(|(other, _)| other == path);
            if refused(&step.path) || refused(source) {
                continue;
            }
            for path in [&step.path, source] {
                files.entry(path.clone()).or_insert_with(|| {
                    let (live, now) = self.live(path);
                    Here {
                        live,
                        then: now.clone(),
                        now,
                        mode: None,
                    }
                });
            }
            let then = |path| files.get(path).and_then(|here: &Here| here.then.as_ref());
            let back = match step.from.is_some() && then(source).is_some() {
                true => Err("a file is at the old place again".to_owned()),
                false => step_back(then(&step.path), step),
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
                    files.remove(&step.path);
                    files.remove(source);
                    way.refused.push((step.path.clone(), reason));
                }
            }
        }
        let plans = files.into_iter().filter_map(|(path, here)| here.plan(path));
        way.plans.extend(plans);
        way
    }
}

impl Overlay {
    /// Whether the user's file of now has what the step made of it, whatever else was typed: it is
    /// nearer to that than to what it was.
    pub fn arrived(&self, step: &Step) -> bool {
        let now = self.live(&step.path).1;
        if step.from.is_some() && now.is_some() {
            return true;
        }
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
    fn plan(self, path: WorkspacePath) -> Option<FilePlan> {
        let kind = match (&self.now, &self.then) {
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
            from: None,
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
