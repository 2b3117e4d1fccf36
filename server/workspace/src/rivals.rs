//! What does not fit a proposal: changes on top of it, whose hunks wait until what is in their way is
//! decided on, or somebody writes there.

use crate::change::{FileChange, Name, Side, fitting};
use crate::content::Content;
use crate::fork::MergeConflict;
use crate::lines::split;
use crate::merge::{Placement, changes, splice};
use crate::overlay::{Overlay, State};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

impl Overlay {
    /// Proposes what fits of the hunks of a rival, whose conflicts the rest is.
    pub(crate) fn fit(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        mut rival: FileChange,
    ) -> Option<FileChange> {
        loop {
            let proposed = self.content(&state.changes, path);
            if proposed == rival.current && rival.from.is_none() {
                return None;
            }
            let text = proposed.as_ref().and_then(Content::text);
            let (Some(text), true) = (text, rival.is_of_lines() && rival.from.is_none()) else {
                return self.fit_whole(state, path, rival, proposed.as_ref());
            };
            if let (Some(name), true) = (rival.whole.take(), rival.lines.is_empty()) {
                // The file was away, and is back.
                let group = name.group.clone();
                rival.name_hunks(None, &mut state.namer, group.as_ref());
                if let Some(first) = rival.lines.first_mut() {
                    first.name = name;
                }
            }
            rival.refresh(proposed.as_ref(), false);
            if rival.lines.is_empty() {
                return None;
            }
            let ids: Vec<Arc<str>> = rival.names().map(|name| Arc::clone(&name.id)).collect();
            let (edits, refused) = rival.edits(&ids.iter().map(|id| &**id).collect());
            if edits.is_empty() {
                return Some(rival);
            }
            let with: Vec<Vec<&str>> = edits.iter().map(|(_, new)| split(new)).collect();
            let spans = edits.iter().zip(&with);
            let spans = spans.map(|((span, _), new)| (span.clone(), &new[..]));
            let after = splice(&split(text), spans);
            let fitting = rival.lines.iter().filter(|hunk| {
                !refused.iter().any(|id| *id == *hunk.name.id) && hunk.place != Placement::Done
            });
            let mut shift = 0isize;
            let places = fitting
                .zip(&edits)
                .zip(&with)
                .map(|((hunk, (span, _)), new)| {
                    let start = span.start.saturating_add_signed(shift);
                    shift += new.len() as isize - span.len() as isize;
                    (hunk.name.clone(), start..start + new.len())
                });
            let places: Vec<(Name, Range<usize>)> = places.collect();
            let content = Content::from_text(after.into()).with_bom_of(proposed.as_ref());
            self.propose(state, path, content, &places);
            let fitted = ids.iter().map(|id| &**id);
            let fitted = fitted.filter(|id| !refused.iter().any(|other| other == id));
            rival.settle(&fitted.collect(), Side::Base);
        }
    }

    /// A rival that is no change of lines fits where nothing is in its way, or not at all.
    fn fit_whole(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        mut rival: FileChange,
        proposed: Option<&Content>,
    ) -> Option<FileChange> {
        if rival.whole.is_none()
            && let Some(first) = rival.lines.first()
        {
            // The text that its hunks of lines were for is gone.
            rival.whole = Some(first.name.clone());
        }
        rival.lines.clear();
        let fits = match &rival.from {
            // Two new files were two texts where there was none; one of them is gone.
            None if proposed.is_none() && rival.base.as_ref().is_some_and(Content::is_empty) => {
                self.live(path).1.is_none()
            }
            None => proposed == rival.base.as_ref(),
            Some(from) => {
                let there = self.content(&state.changes, from);
                proposed.is_none() && there == rival.base
            }
        };
        if !fits {
            rival.obstacle = Some(match proposed {
                Some(_) => "something else is proposed for the file".to_owned(),
                None => "the file is gone in what is proposed".to_owned(),
            });
            return Some(rival);
        }
        let (name, base) = (rival.whole.clone(), rival.base.clone());
        match rival.from.clone() {
            Some(from) => {
                state.changes.rename(&from, path, || base.clone());
                let current = rival.current.clone();
                state.changes.set(path, || base, current);
            }
            None => {
                let live = || self.live(path).1;
                state.changes.set(path, live, rival.current.clone());
            }
        }
        let group = name.as_ref().and_then(|name| name.group.clone());
        if let Some(mut change) = state.changes.take(path) {
            change.name_hunks(None, &mut state.namer, group.as_ref());
            if change.whole.is_some() && name.is_some() {
                change.whole = name;
            }
            state.changes.put(path.clone(), change);
        }
        state.altered(path);
        state.decided();
        None
    }

    /// Proposes that the file has this text; its new hunks at these lines are named so.
    fn propose(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        text: Content,
        places: &[(Name, Range<usize>)],
    ) {
        let before = state.changes.get(path).cloned();
        state.changes.set(path, || self.live(path).1, Some(text));
        if let Some(mut change) = state.changes.take(path) {
            let group = places.first().and_then(|(name, _)| name.group.clone());
            change.name_hunks(before.as_deref(), &mut state.namer, group.as_ref());
            let known: HashSet<&Name> = before.iter().flat_map(|before| before.names()).collect();
            for hunk in &mut change.lines {
                let at = places.iter().find(|(_, at)| *at == hunk.change.new);
                if let Some((name, _)) = at.filter(|_| !known.contains(&hunk.name)) {
                    hunk.name = name.clone();
                }
            }
            state.changes.put(path.clone(), change);
        }
        state.altered(path);
        state.decided();
    }

    /// Looks again at what did not fit: what was in its way may be gone.
    pub(crate) fn fit_rivals(&self, state: &mut State) {
        if state.rivals.is_empty() {
            return;
        }
        let shown = |state: &State| -> Vec<String> {
            let rivals = state.rivals.values().flatten();
            rivals.map(|rival| format!("{:?}", rival.named())).collect()
        };
        let before = shown(state);
        for (path, rivals) in std::mem::take(&mut state.rivals) {
            let rest = rivals.into_iter();
            let rest: Vec<FileChange> = rest.filter_map(|r| self.fit(state, &path, r)).collect();
            if !rest.is_empty() {
                state.rivals.insert(path, rest);
            }
        }
        if before != shown(state) {
            state.rivals_changed();
        }
    }

    pub(crate) fn conflicts(&self, state: &State, group: &Arc<str>) -> Vec<MergeConflict> {
        let mut conflicts = Vec::new();
        for (path, rivals) in &state.rivals {
            let proposed = self.content(&state.changes, path);
            let of_group =
                |rival: &&FileChange| rival.names().any(|name| name.group.as_ref() == Some(group));
            for rival in rivals.iter().filter(of_group) {
                for hunk in rival.hunks(proposed.as_ref()) {
                    conflicts.push(MergeConflict {
                        path: path.to_string(),
                        line: u64::from(hunk.range.start.line) + 1,
                        there: hunk.live_text.or(hunk.note).unwrap_or_default(),
                        wanted: hunk.new_text,
                        with: state.in_the_way(path, &hunk.id),
                        id: hunk.id,
                    });
                }
            }
        }
        conflicts
    }

    /// The hunks that do not fit, where they are in the user's file of now.
    pub(crate) fn rival_hunks(
        &self,
        state: &State,
        path: &WorkspacePath,
        live: Option<&Content>,
    ) -> Vec<Hunk> {
        let Some(rivals) = state.rivals.get(path) else {
            return Vec::new();
        };
        let proposed = self.content(&state.changes, path);
        let lines = split(live.and_then(Content::text).unwrap_or_default());
        let change = state.changes.get(path);
        let mut shown = Vec::new();
        for rival in rivals {
            let hunks = rival.hunks(proposed.as_ref());
            for mut hunk in hunks {
                let line = rival.lines.iter().find(|line| *line.name.id == hunk.id);
                if let Some(span) = line.and_then(|line| line.place.span()) {
                    let span = change.map_or(span.clone(), |change| change.in_live(&span));
                    hunk.range = crate::lines::range(&lines, &span);
                }
                let with = state.in_the_way(path, &hunk.id);
                let reason = match with.is_empty() {
                    true => "something else is there by now".to_owned(),
                    false => format!("{} has something else here", with.join(", ")),
                };
                hunk.note = Some(match hunk.note {
                    Some(note) => format!("{note}; {reason}"),
                    None => reason,
                });
                shown.push(hunk);
            }
        }
        shown
    }

    /// Hunks that do not fit can be dropped alone.
    pub(crate) fn settle_rivals(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        ids: &[String],
        decision: HunkState,
    ) {
        let known = ids.iter().filter(|id| state.rival(path, id).is_some());
        let selected: HashSet<&str> = known.map(String::as_str).collect();
        if selected.is_empty() || decision != HunkState::Rejected {
            return;
        }
        let kind = state.changes.get(path).map(|change| change.kind());
        let live = self.live(path).1;
        for mut hunk in self.rival_hunks(state, path, live.as_ref()) {
            if selected.contains(hunk.id.as_str()) {
                hunk.state = decision;
                let kind = kind.unwrap_or(ChangeKind::Modify);
                state.decided.push(path, kind, hunk, None);
            }
        }
        state.drop_rivals(path, &selected);
    }

    /// Has the file say `text` where a hunk does not fit, which solves it.
    ///
    /// # Errors
    /// Why this hunk takes no text.
    pub(crate) fn amend_rival(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        id: &str,
        text: &str,
    ) -> Result<bool, String> {
        let rival = state.rival(path, id).ok_or("it is gone")?;
        let hunk = rival.lines.iter().find(|hunk| &*hunk.name.id == id);
        let hunk =
            hunk.ok_or("it is one of the whole file; accept or reject what is in its way")?;
        let span = hunk.place.span().ok_or("it is gone")?;
        let name = hunk.name.clone();
        let proposed = self.content(&state.changes, path);
        let lines = proposed.as_ref().and_then(Content::text);
        let lines = split(lines.ok_or("the file is no text any more")?);
        let file = proposed
            .as_ref()
            .and_then(Content::text)
            .unwrap_or_default();
        let text = fitting(text, file, span.end >= lines.len());
        let new = split(&text);
        let after = splice(&lines, [(span.clone(), &new[..])]);
        let place = span.start..span.start + new.len();
        let content = Content::from_text(after.into()).with_bom_of(proposed.as_ref());
        self.propose(state, path, content, &[(name, place)]);
        state.drop_rivals(path, &HashSet::from([id]));
        Ok(state
            .waiting()
            .iter()
            .any(|(_, ids)| ids.iter().any(|known| known == id)))
    }
}

impl State {
    /// The change whose hunk does not fit.
    pub(crate) fn rival(&self, path: &WorkspacePath, id: &str) -> Option<&FileChange> {
        let mut rivals = self.rivals.get(path)?.iter();
        rivals.find(|rival| rival.names().any(|name| &*name.id == id))
    }

    /// The file of a hunk that does not fit.
    pub(crate) fn rival_path(&self, id: &str) -> Option<WorkspacePath> {
        let mut paths = self.rivals.keys();
        paths.find(|path| self.rival(path, id).is_some()).cloned()
    }

    /// Forgets hunks that do not fit; gives those that were there.
    pub(crate) fn drop_rivals(&mut self, path: &WorkspacePath, ids: &HashSet<&str>) {
        let Some(rivals) = self.rivals.remove(path) else {
            return;
        };
        let mut rest = Vec::new();
        for mut rival in rivals {
            let whole = rival.whole.as_ref();
            if whole.is_some_and(|name| ids.contains(&*name.id)) {
                continue;
            }
            rival.settle(ids, Side::Current);
            if !rival.is_nothing() {
                rest.push(rival);
            }
        }
        if !rest.is_empty() {
            self.rivals.insert(path.clone(), rest);
        }
        self.rivals_changed();
    }

    /// Somebody wrote the file: hunks that did not fit there are solved by that.
    pub(crate) fn overwritten(
        &mut self,
        path: &WorkspacePath,
        before: Option<&Content>,
        after: Option<&Content>,
    ) {
        let text = |content| Option::<&Content>::and_then(content, Content::text);
        let (before, after) = (text(before).unwrap_or(""), text(after).unwrap_or(""));
        let edits = changes(&split(before), &split(after));
        let written = |span: &Range<usize>| {
            let touches = |at: &Range<usize>| at.start <= span.end && span.start <= at.end;
            edits.iter().any(|edit| touches(&edit.old))
        };
        let mut solved: Vec<Arc<str>> = Vec::new();
        for rival in self.rivals.get(path).into_iter().flatten() {
            solved.extend(rival.whole.iter().map(|name| Arc::clone(&name.id)));
            let lines = rival.lines.iter();
            let lines = lines.filter(|line| line.place.span().is_some_and(|span| written(&span)));
            solved.extend(lines.map(|line| Arc::clone(&line.name.id)));
        }
        if !solved.is_empty() {
            self.drop_rivals(path, &solved.iter().map(|id| &**id).collect());
        }
    }

    /// The proposed hunks where a hunk does not fit.
    fn in_the_way(&self, path: &WorkspacePath, id: &str) -> Vec<String> {
        let Some(change) = self.changes.get(path) else {
            return Vec::new();
        };
        let rival = self.rival(path, id);
        let line = rival.and_then(|rival| rival.lines.iter().find(|line| &*line.name.id == id));
        let Some(span) = line.and_then(|line| line.place.span()) else {
            return change.names().map(|name| name.id.to_string()).collect();
        };
        let touches = |at: &Range<usize>| at.start <= span.end && span.start <= at.end;
        let lines = change.lines.iter().filter(|line| touches(&line.change.new));
        let names = change.whole.iter().chain(lines.map(|line| &line.name));
        names.map(|name| name.id.to_string()).collect()
    }

    /// Other hunks do not fit than before.
    pub(crate) fn rivals_changed(&mut self) {
        self.version += 1;
        self.rivals_at = self.version;
        self.decided();
    }
}

impl FileChange {
    /// Where lines of the proposed text are in the user's, about.
    fn in_live(&self, span: &Range<usize>) -> Range<usize> {
        let at = |line: usize, end: bool| {
            let mut shift = 0isize;
            for hunk in &self.lines {
                let new = &hunk.change.new;
                let there = hunk.place.span().unwrap_or(hunk.change.old.clone());
                let inside = new.start <= line && line <= new.end;
                if inside && end {
                    return there.end;
                }
                if inside {
                    return there.start;
                }
                if new.start > line {
                    break;
                }
                shift = there.end as isize - new.end as isize;
            }
            line.saturating_add_signed(shift)
        };
        let start = at(span.start, false);
        start..at(span.end, true).max(start)
    }
}
