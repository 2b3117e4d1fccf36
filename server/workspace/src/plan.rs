//! From the user's decision to exact edits of the user's text of now.

use crate::content::Content;
use crate::error::DecideError;
use crate::lines::{self, split};
use crate::merge::splice;
use crate::overlay::{Overlay, State};
use crate::view::Live;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::proposal::{ChangeKind, HunkState, Range};
use std::collections::HashSet;

/// Which hunks a decision covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything that waits.
    All,
    /// Hunks by id.
    Hunks(Vec<String>),
    /// All hunks of files, by path relative to the workspace.
    Files(Vec<String>),
    /// All hunks that tool calls made, by the calls' ids.
    Groups(Vec<String>),
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
/// a user's file, and only [`Overlay::plan`] makes one, or [`Overlay::way_back`] of
/// what was accepted before.
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
    /// Permission bits of a file that comes back; others keep theirs, and new ones get the usual.
    pub mode: Option<u32>,
    /// From `before` to `after`, ascending, for text that exists before and after.
    pub edits: Vec<TextEdit>,
}

impl Overlay {
    /// Plans the selected hunks against the user's files as they are now.
    ///
    /// # Errors
    /// The selection names a hunk or a file that waits for no decision.
    pub fn plan(&self, selection: &Selection) -> Result<Vec<FilePlan>, DecideError> {
        self.plan_selection(&mut self.lock(), selection)
    }

    pub(crate) fn plan_selection(
        &self,
        state: &mut State,
        selection: &Selection,
    ) -> Result<Vec<FilePlan>, DecideError> {
        self.refresh(state);
        let selected = state.select(selection)?;
        Ok(selected
            .iter()
            .filter_map(|(path, ids)| self.plan_file(state, path, ids))
            .collect())
    }

    pub(crate) fn plan_file(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        ids: &[String],
    ) -> Option<FilePlan> {
        let is_rival = |id: &&String| state.rival(path, id).is_some();
        let (rivals, ids): (Vec<&String>, Vec<&String>) = ids.iter().partition(is_rival);
        let rivals = rivals.into_iter().map(|id| HunkStatus {
            id: id.clone(),
            state: HunkState::Conflicted,
            reason: Some(
                "something else is proposed at the same place, or was accepted there; reject one of the two, \
                 or amend this one"
                    .to_owned(),
            ),
        });
        let rivals: Vec<HunkStatus> = rivals.collect();
        // The very text that the hunks were placed in.
        let compared = self.compare(state, path, true);
        let Some(((live, before), change)) = compared.zip(state.changes.get(path)) else {
            let (live, before) = self.live(path);
            return (!rivals.is_empty()).then(|| FilePlan {
                path: path.clone(),
                from: None,
                kind: ChangeKind::Modify,
                hunks: Vec::new(),
                refused: rivals,
                live,
                after: before.clone(),
                before,
                mode: None,
                edits: Vec::new(),
            });
        };
        let ids: Vec<&str> = ids.into_iter().map(String::as_str).collect();
        let selected: HashSet<&str> = ids.iter().copied().collect();
        let whole = change.whole.as_ref().map(|name| &*name.id);
        let takes_whole = whole.is_some_and(|id| selected.contains(&id));

        let mut plan = FilePlan {
            path: path.clone(),
            from: change.from.clone().filter(|_| takes_whole),
            kind: if takes_whole {
                change.kind()
            } else {
                ChangeKind::Modify
            },
            hunks: Vec::new(),
            refused: rivals,
            live,
            before: before.clone(),
            after: before.clone(),
            mode: None,
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
        let (edits, refused) = change.edits(&selected);
        for id in refused {
            refuse(
                &mut plan,
                &id,
                HunkState::Conflicted,
                "your text changed at the same place",
            );
        }
        let refused: HashSet<&str> = plan.refused.iter().map(|hunk| hunk.id.as_str()).collect();
        let kept = ids.iter().filter(|id| !refused.contains(**id));
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
}
