//! From the user's decision to exact edits of the user's text of now.

use crate::change::{FileChange, Side};
use crate::content::Content;
use crate::error::DecideError;
use crate::lines::{self, split};
use crate::merge::splice;
use crate::overlay::{Decided, Overlay, State};
use crate::view::Live;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::proposal::{ChangeKind, HunkState, Range};

/// Which hunks a decision covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything that waits.
    All,
    /// Hunks by id.
    Hunks(Vec<String>),
    /// All hunks of files, by path relative to the workspace.
    Files(Vec<String>),
}

/// A replacement in the text that the plan was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// What is replaced, in UTF-16 code units.
    pub range: Range,
    /// What comes there.
    pub new_text: String,
}

/// What to do to one file so that it has exactly the selected hunks. The only thing that may change
/// a user's file, and only [`Overlay::plan`] makes one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FilePlan {
    /// The file, after the plan.
    pub path: WorkspacePath,
    /// Where it is before, when the plan moves it.
    pub from: Option<WorkspacePath>,
    /// What happens to it.
    pub kind: ChangeKind,
    /// Hunks that the plan carries out.
    pub hunks: Vec<String>,
    /// Hunks that were selected and cannot be carried out, with the reason.
    pub refused: Vec<HunkStatus>,
    /// Where `before` was found.
    pub live: Live,
    /// The user's text that the plan was made for.
    pub before: Option<Content>,
    /// The text afterwards; `None` when the file goes away.
    pub after: Option<Content>,
    /// From `before` to `after`, ascending, for text that exists before and after.
    pub edits: Vec<TextEdit>,
}

impl Overlay {
    /// Plans the selected hunks against the user's files as they are now.
    ///
    /// # Errors
    /// The selection names a hunk or a file that waits for no decision.
    pub fn plan(&self, selection: &Selection) -> Result<Vec<FilePlan>, DecideError> {
        let mut state = self.lock();
        self.refresh(&mut state);
        let selected = select(&state, selection)?;
        Ok(selected
            .iter()
            .filter_map(|(path, ids)| self.plan_file(&state, path, ids))
            .collect())
    }

    pub(crate) fn plan_file(
        &self,
        state: &State,
        path: &WorkspacePath,
        ids: &[String],
    ) -> Option<FilePlan> {
        let change = state.changes.get(path)?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let whole = change.whole.as_ref().map(|name| name.id.as_str());
        let takes_whole = whole.is_some_and(|id| ids.contains(&id));
        let source = change.from.as_ref().unwrap_or(path);
        let (live, before) = self.live(source);

        let mut plan = FilePlan {
            path: path.clone(),
            from: change.from.clone().filter(|_| takes_whole),
            kind: if takes_whole {
                change.kind()
            } else {
                ChangeKind::Modify
            },
            hunks: Vec::new(),
            refused: Vec::new(),
            live,
            before: before.clone(),
            after: before.clone(),
            edits: Vec::new(),
        };
        let refuse = |plan: &mut FilePlan, id: &str, state, reason: &str| {
            let reason = Some(reason.to_owned());
            plan.refused.push(HunkStatus {
                id: id.to_owned(),
                state,
                reason,
            });
        };
        if let (Some(id), Some(obstacle)) = (whole.filter(|_| takes_whole), &change.obstacle) {
            for id in std::iter::once(id).chain(ids.iter().copied().filter(|other| *other != id)) {
                refuse(&mut plan, id, HunkState::Conflicted, obstacle);
            }
            return Some(plan);
        }
        if let (Some(id), false) = (whole.filter(|_| change.from.is_some()), takes_whole) {
            for other in &ids {
                let reason = format!("the file moves first: accept `{id}` with it");
                refuse(&mut plan, other, HunkState::Pending, &reason);
            }
            return Some(plan);
        }
        if takes_whole && (change.from.is_none() || !change.is_of_lines()) {
            plan.hunks.extend(whole.map(str::to_owned));
            plan.after = change.current.clone();
            return Some(plan);
        }
        let (edits, refused) = change.edits(&ids);
        for id in refused {
            refuse(
                &mut plan,
                &id,
                HunkState::Conflicted,
                "your text changed at the same place",
            );
        }
        let kept = ids
            .iter()
            .filter(|id| !plan.refused.iter().any(|r| r.id == **id));
        plan.hunks = kept.map(|id| (*id).to_owned()).collect();
        if let Some(text) = before.as_ref().and_then(Content::text) {
            let live_lines = split(text);
            let with: Vec<Vec<&str>> = edits.iter().map(|(_, new)| split(new)).collect();
            let spans = edits
                .iter()
                .zip(&with)
                .map(|((span, _), new)| (span.clone(), &new[..]));
            let after = splice(&live_lines, spans);
            plan.after = Some(Content::from_text(after.into()).with_bom_of(before.as_ref()));
            plan.edits = edits
                .into_iter()
                .map(|(span, new_text)| TextEdit {
                    range: lines::range(&live_lines, &span),
                    new_text,
                })
                .collect();
        }
        Some(plan)
    }

    /// The plan was carried out and its effect was seen: its hunks are accepted.
    pub fn accepted(&self, plan: &FilePlan) {
        let mut state = self.lock();
        self.settle(&mut state, &plan.path, &plan.hunks, HunkState::Accepted);
        if let Some(after) = &plan.after {
            state.seen.insert(plan.path.clone(), after.clone());
        }
    }

    /// Drops the selected hunks: tools no longer see them.
    ///
    /// # Errors
    /// The selection names a hunk or a file that waits for no decision. Nothing is dropped then.
    pub fn reject(&self, selection: &Selection) -> Result<Vec<HunkStatus>, DecideError> {
        let mut state = self.lock();
        self.refresh(&mut state);
        let selected = select(&state, selection)?;
        let mut hunks = Vec::new();
        for (path, ids) in selected {
            self.settle(&mut state, &path, &ids, HunkState::Rejected);
            let rejected = |id| HunkStatus {
                id,
                state: HunkState::Rejected,
                reason: None,
            };
            hunks.extend(ids.into_iter().map(rejected));
        }
        Ok(hunks)
    }

    fn settle(&self, state: &mut State, path: &WorkspacePath, ids: &[String], decision: HunkState) {
        let Some(change) = state.changes.get(path) else {
            return;
        };
        let source = change.from.as_ref().unwrap_or(path);
        let live = self.live(source).1;
        let (kind, shown) = (change.kind(), change.hunks(live.as_ref()));
        for mut hunk in shown.into_iter().filter(|hunk| ids.contains(&hunk.id)) {
            hunk.state = decision;
            state.decided.push(Decided {
                path: path.clone(),
                kind,
                hunk,
            });
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let Some(mut change) = state.changes.take(path) else {
            return;
        };
        state.altered(path);
        let side = if decision == HunkState::Accepted {
            Side::Base
        } else {
            Side::Current
        };
        let takes_whole = change
            .whole
            .as_ref()
            .is_some_and(|name| ids.contains(&name.id.as_str()));
        change.settle(&ids, side);
        if takes_whole && !change.is_of_lines() {
            // There are no hunks of lines that could take over a part.
            match side {
                Side::Base => change.base.clone_from(&change.current),
                Side::Current => change.current.clone_from(&change.base),
            }
        }
        match (takes_whole, change.from.clone(), side) {
            (false, ..) => state.changes.put(path.clone(), change),
            // Where the file is now; line hunks that were not selected still wait there.
            (true, Some(_), Side::Base) => {
                state.changes.put(
                    path.clone(),
                    FileChange {
                        from: None,
                        whole: None,
                        ..change
                    },
                );
            }
            (true, Some(from), Side::Current) => {
                state.altered(&from);
                state.changes.put(
                    from,
                    FileChange {
                        from: None,
                        whole: None,
                        ..change
                    },
                );
            }
            (true, None, _) => {}
        }
    }
}

/// The selected hunks by file.
fn select(
    state: &State,
    selection: &Selection,
) -> Result<Vec<(WorkspacePath, Vec<String>)>, DecideError> {
    let waiting: Vec<(WorkspacePath, Vec<String>)> = state
        .changes
        .iter()
        .map(|(path, change)| (path.clone(), change.ids()))
        .collect();
    let listed = |names: Vec<String>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    match selection {
        Selection::All => Ok(waiting),
        Selection::Files(paths) => {
            for path in paths {
                if !waiting.iter().any(|(known, _)| known.as_str() == path) {
                    let changed = waiting.iter().map(|(known, _)| known.to_string()).collect();
                    return Err(DecideError::UnknownFile {
                        path: path.clone(),
                        changed: listed(changed),
                    });
                }
            }
            let chosen = |(path, _): &(WorkspacePath, _)| paths.iter().any(|p| p == path.as_str());
            Ok(waiting.into_iter().filter(chosen).collect())
        }
        Selection::Hunks(ids) => {
            for id in ids {
                if !waiting.iter().any(|(_, known)| known.contains(id)) {
                    let waiting = waiting.iter().flat_map(|(_, ids)| ids.clone()).collect();
                    return Err(DecideError::UnknownHunk {
                        id: id.clone(),
                        waiting: listed(waiting),
                    });
                }
            }
            let keep = |(path, known): (WorkspacePath, Vec<String>)| {
                let chosen: Vec<String> = known.into_iter().filter(|id| ids.contains(id)).collect();
                (!chosen.is_empty()).then_some((path, chosen))
            };
            Ok(waiting.into_iter().filter_map(keep).collect())
        }
    }
}
