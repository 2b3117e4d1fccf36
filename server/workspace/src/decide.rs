//! What the user decides on hunks: taken, dropped, amended, split, brought back.

use crate::change::{Amended, FileChange, Name, Namer, Side};
use crate::content::Content;
use crate::decided::Redo;
use crate::error::DecideError;
use crate::lines::split;
use crate::merge::{Change, carry, changes};
use crate::overlay::{InFlight, Overlay, State};
use crate::plan::{FilePlan, Selection};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::proposal::HunkState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Overlay {
    /// Plans the selected hunks that still wait, to be carried out now: until [`Overlay::accepted`] or
    /// [`Overlay::not_applied`] nobody else decides on them, and a text that is exactly what a plan
    /// makes has its hunks. Gives also the hunks that were selected and are not proposed any more.
    ///
    /// # Errors
    /// The selection names a file or a tool call of which nothing waits.
    pub fn plan_to_apply(
        &self,
        selection: &Selection,
    ) -> Result<(Vec<FilePlan>, Vec<HunkStatus>), DecideError> {
        let mut state = self.lock();
        let planned = match selection {
            Selection::Hunks(ids) => self.plan_hunks(&mut state, ids),
            _ => (self.plan_selection(&mut state, selection)?, Vec::new()),
        };
        for plan in planned.0.iter().filter(|plan| !plan.hunks.is_empty()) {
            let in_flight = InFlight {
                hunks: plan.hunks.clone(),
                // The text of a moved file tells nothing.
                after: plan.from.is_none().then(|| plan.after.clone()),
            };
            state.in_flight.insert(plan.path.clone(), in_flight);
        }
        Ok(planned)
    }

    /// Plans those of the hunks that still wait. Gives also those that are not proposed any more,
    /// unless the user decided on them.
    pub fn plan_waiting(&self, ids: &[String]) -> (Vec<FilePlan>, Vec<HunkStatus>) {
        self.plan_hunks(&mut self.lock(), ids)
    }

    fn plan_hunks(&self, state: &mut State, ids: &[String]) -> (Vec<FilePlan>, Vec<HunkStatus>) {
        self.refresh(state);
        let waiting: HashSet<String> = state
            .waiting()
            .into_iter()
            .flat_map(|(_, ids)| ids)
            .collect();
        let (left, gone): (Vec<String>, Vec<String>) =
            ids.iter().cloned().partition(|id| waiting.contains(id));
        let undecided = gone
            .into_iter()
            .filter(|id| state.decided.state(id).is_none());
        let gone = undecided.map(|id| HunkStatus {
            reason: Some("it is not proposed any more".to_owned()),
            ..status(id, HunkState::Conflicted)
        });
        let gone = gone.collect();
        let plans = self.plan_selection(state, &Selection::Hunks(left));
        (plans.unwrap_or_default(), gone)
    }

    /// The plan was not carried out.
    pub fn not_applied(&self, plan: &FilePlan) {
        self.lock().in_flight.remove(&plan.path);
    }

    /// The plan was carried out and its effect was seen: its hunks are accepted.
    pub fn accepted(&self, plan: &FilePlan) {
        let mut state = self.lock();
        state.in_flight.remove(&plan.path);
        self.settle(&mut state, &plan.path, &plan.hunks, HunkState::Accepted);
        state.knows(plan);
    }

    /// Another process that has this session open decided on these hunks.
    pub fn decided_elsewhere(&self, hunks: &[HunkStatus]) {
        let mut state = self.lock();
        for decision in [HunkState::Accepted, HunkState::Rejected] {
            let ids = hunks.iter().filter(|hunk| hunk.state == decision);
            let ids: HashSet<&str> = ids.map(|hunk| hunk.id.as_str()).collect();
            let all: Vec<_> = state.waiting();
            for (path, known) in all {
                let known: Vec<String> = known
                    .into_iter()
                    .filter(|id| ids.contains(id.as_str()))
                    .collect();
                if !known.is_empty() {
                    self.settle(&mut state, &path, &known, decision);
                }
            }
        }
    }

    /// Drops the selected hunks: tools no longer see them.
    ///
    /// # Errors
    /// The selection names a hunk or a file that waits for no decision, or a hunk that is being
    /// applied. Nothing is dropped then.
    pub fn reject(&self, selection: &Selection) -> Result<Vec<HunkStatus>, DecideError> {
        let mut state = self.lock();
        self.refresh(&mut state);
        if let Selection::Hunks(ids) = selection {
            state.check_free(ids)?;
        }
        let mut selected = state.select(selection)?;
        for (_, ids) in &mut selected {
            ids.retain(|id| !state.applies(id));
        }
        selected.retain(|(_, ids)| !ids.is_empty());
        let mut hunks = Vec::new();
        for (path, ids) in selected {
            self.settle(&mut state, &path, &ids, HunkState::Rejected);
            hunks.extend(ids.into_iter().map(|id| status(id, HunkState::Rejected)));
        }
        Ok(hunks)
    }

    /// Makes a hunk propose `text` instead, for the lines at which it is shown. A hunk that
    /// conflicts is solved by that. Text that the user has there already drops the hunk.
    ///
    /// # Errors
    /// No such hunk waits, or it is none of text. Nothing is changed then.
    pub fn amend(&self, id: &str, text: &str) -> Result<HunkStatus, DecideError> {
        let mut state = self.lock();
        self.refresh(&mut state);
        if let Some(path) = state.rival_path(id) {
            let unfit = |reason| DecideError::Unfit {
                id: id.to_owned(),
                reason,
            };
            let waits = self.amend_rival(&mut state, &path, id, text);
            return Ok(match waits.map_err(unfit)? {
                true => status(id.to_owned(), HunkState::Pending),
                false => status(id.to_owned(), HunkState::Rejected),
            });
        }
        drop(state);
        self.remake(id, |change, live, _| {
            let amended = change.amend(id, text, live)?;
            Ok(match amended {
                Amended::Pending => status(id.to_owned(), HunkState::Pending),
                Amended::Gone => status(id.to_owned(), HunkState::Rejected),
            })
        })
    }

    /// Makes several hunks of one, with ids of their own.
    ///
    /// # Errors
    /// No such hunk waits, or it has no parts. Nothing is changed then.
    pub fn split(&self, id: &str) -> Result<Vec<HunkStatus>, DecideError> {
        self.remake(id, |change, _, namer| {
            let ids = change.split(id, namer)?;
            let statuses = ids.into_iter().map(|id| status(id, HunkState::Pending));
            Ok(statuses.collect())
        })
    }

    /// Carries what the user made of proposed files over to the proposal: for each path what was
    /// proposed when the user began, and what is by now. All or none.
    ///
    /// # Errors
    /// A file is not proposed any more, or its proposal changed at the same place.
    pub fn rewrite(
        &self,
        files: &[(WorkspacePath, Option<Content>, Option<Content>)],
    ) -> Result<(), DecideError> {
        let mut state = self.lock();
        self.refresh(&mut state);
        let mut namer = state.namer.clone();
        let mut rewritten = Vec::new();
        for (path, was, now) in files {
            if let Some(in_flight) = state.in_flight.get(path) {
                state.check_free(&in_flight.hunks)?;
            }
            let before = state
                .changes
                .get(path)
                .ok_or_else(|| DecideError::UnknownFile {
                    path: path.to_string(),
                    changed: "others".to_owned(),
                })?;
            let mut change = FileChange::clone(before);
            change
                .rewrite(was.as_ref(), now.as_ref())
                .map_err(|reason| DecideError::Unfit {
                    id: path.to_string(),
                    reason,
                })?;
            change.name_hunks(Some(before), &mut namer, None);
            rewritten.push((path, change));
        }
        state.namer = namer;
        for (path, change) in rewritten {
            state.changes.put(path.clone(), change);
            state.altered(path);
        }
        state.decided();
        Ok(())
    }

    fn remake<T>(
        &self,
        id: &str,
        make: impl FnOnce(&mut FileChange, Option<&Content>, &mut Namer) -> Result<T, String>,
    ) -> Result<T, DecideError> {
        let mut state = self.lock();
        self.refresh(&mut state);
        state.check_free(&[id.to_owned()])?;
        let selected = state.select(&Selection::Hunks(vec![id.to_owned()]))?;
        if state.rival_path(id).is_some() {
            return Err(DecideError::Unfit {
                id: id.to_owned(),
                reason: "it does not fit what else is proposed; amend it, or decide on that first"
                    .to_owned(),
            });
        }
        let unfit = |reason| DecideError::Unfit {
            id: id.to_owned(),
            reason,
        };
        let (path, _) = selected
            .into_iter()
            .next()
            .ok_or_else(|| unfit("it is gone".to_owned()))?;
        let live = self.compare(&mut state, &path, true);
        let live = live.and_then(|(_, content)| content);
        let mut namer = state.namer.clone();
        let mut change = state
            .changes
            .get(&path)
            .map(|change| FileChange::clone(change))
            .ok_or_else(|| unfit("it is gone".to_owned()))?;
        let made = make(&mut change, live.as_ref(), &mut namer).map_err(unfit)?;
        state.namer = namer;
        state.changes.put(path.clone(), change);
        state.altered(&path);
        state.decided();
        Ok(made)
    }

    /// Proposes rejected hunks again, under their old ids.
    ///
    /// # Errors
    /// A hunk was not rejected, or the file changed at its place. Those in front of it are back then.
    pub fn repropose(&self, ids: &[String]) -> Result<Vec<HunkStatus>, DecideError> {
        let mut state = self.lock();
        self.refresh(&mut state);
        let mut hunks = Vec::new();
        for id in ids {
            let unfit = |reason: &str| DecideError::Unfit {
                id: id.clone(),
                reason: reason.to_owned(),
            };
            if state.decided.state(id) != Some(HunkState::Rejected) {
                return Err(unfit("it was not rejected"));
            }
            let (path, redo) = state
                .decided
                .redo(id)
                .ok_or_else(|| unfit("its text is not kept any more"))?;
            match (&redo, redo.texts()) {
                (Redo::Lines { name, .. }, Some((before, after, change))) => {
                    let texts = (before.as_str(), after.as_str());
                    let ours = [change];
                    self.reinstate_lines(&mut state, &path, texts, &ours, false, |_, _| {
                        name.clone()
                    })
                    .map_err(|reason| unfit(&reason))?;
                }
                (Redo::Whole(change), _) => {
                    let from = change.from.as_ref().unwrap_or(&path);
                    let known = |path| {
                        state.changes.get(path).is_some() || state.changes.moved_to(path).is_some()
                    };
                    if known(&path) || known(from) {
                        return Err(unfit(
                            "the file has other hunks by now; decide on them first",
                        ));
                    }
                    state.changes.put(path.clone(), FileChange::clone(change));
                    state.altered(&path);
                    state.decided();
                }
                _ => return Err(unfit("its text is not kept any more")),
            }
            state.decided.forget(id);
            hunks.push(status(id.clone(), HunkState::Pending));
        }
        Ok(hunks)
    }

    /// Proposes again what led from `before` to `after`, where it was taken back from the user's
    /// file: under the old `ids`, when it has as many hunks as they are. Gives the ids.
    ///
    /// # Errors
    /// Why it cannot be proposed again. Nothing is changed then.
    pub fn reinstate(
        &self,
        path: &WorkspacePath,
        before: Option<&Content>,
        after: Option<&Content>,
        ids: &[String],
    ) -> Result<Vec<String>, String> {
        let mut state = self.lock();
        self.refresh(&mut state);
        let mut left = state.left(ids);
        let texts = before
            .and_then(Content::text)
            .zip(after.and_then(Content::text));
        let back = match texts {
            Some((before, after)) => {
                let (old, new) = (split(before), split(after));
                let ours = changes(&old, &new);
                let names: Vec<Option<Name>> = ours
                    .iter()
                    .map(|change| {
                        let old = old[change.old.clone()].concat();
                        left.take(&old, &new[change.new.clone()].concat(), ours.len())
                    })
                    .collect();
                let name = |index: usize, namer: &mut Namer| {
                    let known = names.get(index).cloned().flatten();
                    known.unwrap_or_else(|| namer.name(None))
                };
                self.reinstate_lines(&mut state, path, (before, after), &ours, true, name)?
            }
            None => {
                if state.changes.get(path).is_some() || state.changes.moved_to(path).is_some() {
                    return Err("the file has other hunks by now".to_owned());
                }
                let mut change = FileChange::new(before.cloned(), after.cloned());
                let name = left.first().unwrap_or_else(|| state.namer.name(None));
                let id = name.id.to_string();
                change.whole = Some(name);
                state.changes.put(path.clone(), change);
                state.altered(path);
                state.decided();
                vec![id]
            }
        };
        for id in &back {
            state.decided.forget(id);
        }
        Ok(back)
    }

    fn reinstate_lines(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        (before, after): (&str, &str),
        ours: &[Change],
        taken_back: bool,
        name: impl Fn(usize, &mut Namer) -> Name,
    ) -> Result<Vec<String>, String> {
        // Where a pending move takes the file, its hunks of lines wait there.
        let moved = state.changes.moved_to(path).cloned();
        let path = moved.as_ref().unwrap_or(path);
        self.compare(state, path, false);
        let mut change = match state.changes.get(path) {
            Some(change) => FileChange::clone(change),
            None => {
                let live = self.live(path).1;
                FileChange::new(live.clone(), live)
            }
        };
        let mut namer = state.namer.clone();
        if taken_back && let Some(without) = change.without(before, after, &mut namer) {
            change = without;
        }
        let ids = change.reinstate(before, after, ours, |index| name(index, &mut namer))?;
        state.namer = namer;
        state.changes.put(path.clone(), change);
        state.altered(path);
        state.decided();
        Ok(ids)
    }

    /// How many hunks of each tool call wait.
    pub fn group_sizes(&self) -> HashMap<Arc<str>, usize> {
        let state = self.lock();
        let mut sizes = HashMap::new();
        for group in state.names().filter_map(|(_, name)| name.group.as_ref()) {
            *sizes.entry(Arc::clone(group)).or_insert(0) += 1;
        }
        sizes
    }

    /// What the user decided on a hunk; `None` while it waits, and for unknown ones.
    pub fn decision(&self, id: &str) -> Option<HunkState> {
        self.lock().decided.state(id)
    }

    pub(crate) fn settle(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        ids: &[String],
        decision: HunkState,
    ) {
        self.settle_rivals(state, path, ids, decision);
        let Some(change) = state.changes.get(path).cloned() else {
            return;
        };
        if !change
            .names()
            .any(|name| ids.iter().any(|id| **id == *name.id))
        {
            return;
        }
        // Not compared with it first: where the hunks are in the text already, that would be a guess
        // at what the decision says.
        let live = self.live(change.from.as_ref().unwrap_or(path)).1;
        let selected: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let redo = |id: &str| {
            (decision == HunkState::Rejected)
                .then(|| change.redo(id))
                .flatten()
        };
        for mut hunk in change.hunks(live.as_ref()) {
            if selected.contains(hunk.id.as_str()) {
                hunk.state = decision;
                let redo = redo(&hunk.id);
                state.decided.push(path, change.kind(), hunk, redo);
            }
        }
        let mut change = FileChange::clone(&change);
        state.changes.take(path);
        state.altered(path);
        state.decided();
        let side = match decision {
            HunkState::Accepted => Side::Base,
            _ => Side::Current,
        };
        let takes_whole = change
            .whole
            .as_ref()
            .is_some_and(|name| selected.contains(&*name.id));
        change.settle(&selected, side);
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

impl FileChange {
    /// What brings a hunk of it back after it was rejected.
    fn redo(&self, id: &str) -> Option<Redo> {
        if self.whole.as_ref().is_some_and(|name| &*name.id == id) {
            return Some(Redo::Whole(Arc::new(self.without_lines())));
        }
        let hunk = self.lines.iter().find(|hunk| &*hunk.name.id == id)?;
        let current = split(self.current.as_ref()?.text()?);
        Some(Redo::Lines {
            name: hunk.name.clone(),
            base: self.base.clone()?,
            old: hunk.change.old.clone(),
            new_text: current[hunk.change.new.clone()].concat(),
        })
    }

    /// The hunk of the whole file alone.
    fn without_lines(&self) -> FileChange {
        let mut change = self.clone();
        if change.is_of_lines() {
            change.current.clone_from(&change.base);
            change.lines.clear();
        }
        change
    }
}

fn status(id: String, state: HunkState) -> HunkStatus {
    HunkStatus {
        id,
        state,
        reason: None,
    }
}

/// Ids of hunks that are taken back, and what they said as far as it is known.
struct Left {
    all: usize,
    ids: Vec<(String, Option<(String, String)>)>,
}

impl Left {
    fn first(&mut self) -> Option<Name> {
        self.remove(0)
    }

    fn remove(&mut self, at: usize) -> Option<Name> {
        (at < self.ids.len()).then(|| Name {
            id: self.ids.remove(at).0.into(),
            group: None,
        })
    }

    /// The id of the hunk that said the same; of hunks of which that is not known the next, when they
    /// are as many as there are changes.
    fn take(&mut self, old: &str, new: &str, changes: usize) -> Option<Name> {
        let says = |(_, said): &(String, Option<(String, String)>)| match said {
            Some((was, became)) => was == old && became == new,
            None => self.all == changes,
        };
        let at = self.ids.iter().position(says)?;
        self.remove(at)
    }
}

impl State {
    /// Those of `ids` that no hunk has that waits.
    fn left(&self, ids: &[String]) -> Left {
        let waiting = self.waiting().into_iter().flat_map(|(_, ids)| ids);
        let waiting: HashSet<String> = waiting.collect();
        let said = |id: &String| {
            let decided = self.decided.iter().filter(|decided| decided.hunk.id == *id);
            decided.last().map(|decided| {
                let hunk = &decided.hunk;
                (hunk.old_text.clone(), hunk.new_text.clone())
            })
        };
        let ids_left = ids.iter().filter(|id| !waiting.contains(*id));
        Left {
            all: ids.len(),
            ids: ids_left.map(|id| (id.clone(), said(id))).collect(),
        }
    }

    /// The model knows that the user took what it proposed, and nothing of what the user typed
    /// meanwhile: that must be merged with what it writes next.
    fn knows(&mut self, plan: &FilePlan) {
        let text = |content| Option::<&Content>::and_then(content, Content::text);
        let known = plan.from.as_ref().unwrap_or(&plan.path);
        let Some(seen) = self.seen.get(known).cloned() else {
            return;
        };
        self.seen.forget(known);
        let texts = (text(plan.before.as_ref()), text(plan.after.as_ref()));
        match (texts, text(seen.as_ref())) {
            ((Some(before), Some(after)), Some(known)) => {
                let carried = carry(before, after, known);
                let carried = carried
                    .map(|text| Some(Content::from_text(text.into()).with_bom_of(seen.as_ref())));
                self.seen.insert(plan.path.clone(), carried.unwrap_or(seen));
            }
            _ => self.seen.insert(plan.path.clone(), plan.after.clone()),
        }
    }
}
