//! Hunks that the user makes anew: amended, split, brought back.

use super::naming::lead;
use super::{FileChange, LineHunk, Name, Namer};
use crate::content::Content;
use crate::lines::{Ending, ending, split, with_ending};
use crate::merge::{Change, Placement, Texts, carry, changes, place_all, splice};
use boxagnts_protocol::proposal::ChangeKind;
use std::ops::Range;

/// What became of a hunk that was amended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amended {
    /// It proposes the text that was given.
    Pending,
    /// The text that was given is the one that the user has: nothing is proposed there any more.
    Gone,
}

impl FileChange {
    /// Makes the hunk propose `text` for the lines at which it is shown. `live` is the user's file,
    /// with which the change was compared just now. A conflict is solved by that.
    ///
    /// # Errors
    /// Why this hunk takes no text.
    pub(crate) fn amend(
        &mut self,
        id: &str,
        text: &str,
        live: Option<&Content>,
    ) -> Result<Amended, String> {
        if self.whole.as_ref().is_some_and(|name| &*name.id == id) {
            return self.amend_whole(text);
        }
        let (Some((base, current)), Some(at)) = (self.texts(), self.position(id)) else {
            return Err("it is gone".to_owned());
        };
        let Some(file) = live.and_then(Content::text) else {
            return Err("the file is no text any more".to_owned());
        };
        let (base, current, live) = (split(base), split(current), split(file));
        let hunk = &self.lines[at];
        let (mut region, mut theirs) = match &hunk.place {
            Placement::Clean(span) => (hunk.change.old.clone(), span.clone()),
            _ => region(&hunk.change, &changes(&base, &live)),
        };
        // Of lines that merged, those that the hunk shows; the lines around them stay as the user has
        // them.
        let shown = match &hunk.place {
            Placement::Merged(merged) => merged.span.clone(),
            _ => theirs.clone(),
        };
        let more = (
            theirs.start.saturating_sub(shown.start),
            shown.end.saturating_sub(theirs.end),
        );
        region = region.start.saturating_sub(more.0)..region.end + more.1;
        theirs = theirs.start - more.0..theirs.end + more.1;
        let others = self.lines.iter().enumerate().filter(|(n, _)| *n != at);
        let mut inside = others
            .map(|(_, other)| other)
            .filter(|other| overlap(&other.change.old, &region));
        if let Some(other) = inside.next() {
            return Err(format!(
                "`{}` is at the same place; decide on that one first",
                other.name.id
            ));
        }
        // What the hunk shows stands between these lines of the current text.
        let Change { old, new } = &hunk.change;
        let ours = (new.start + region.start).saturating_sub(old.start)
            ..(new.end + region.end).saturating_sub(old.end);
        let behind = theirs.start > 0 && theirs.start >= live.len();
        if behind && !file.ends_with(['\n', '\r']) && !text.is_empty() {
            return Err("the last line of the file has no end; give it one first".to_owned());
        }
        // Where another hunk conflicts, lines may follow in the proposal that the user took out.
        let last =
            shown.end >= live.len() && at + 1 == self.lines.len() && ours.end == current.len();
        let text = fitting(text, file, last);
        let text = split(&text);
        let (before, after) = (theirs.start..shown.start, shown.end..theirs.end);
        let outcome = match live[shown.clone()] == text {
            true => Amended::Gone,
            false => Amended::Pending,
        };
        let around = before.len() + after.len();
        let grows = (
            theirs.len() as isize - region.len() as isize,
            (around + text.len()) as isize - ours.len() as isize,
        );
        let (old, new) = (region.start + before.len(), ours.start + before.len());
        let change = Change {
            old: old..old + shown.len(),
            new: new..new + text.len(),
        };
        let text = [&live[before], &text, &live[after]].concat();
        let texts = (
            splice(&base, [(region, &live[theirs])]),
            splice(&current, [(ours, &text[..])]),
        );
        self.set_texts(texts.0, texts.1);
        self.lines[at].place = Placement::Clean(change.old.clone());
        self.lines[at].change = change;
        for hunk in &mut self.lines[at + 1..] {
            let moved = |span: &Range<usize>, by: isize| {
                span.start.saturating_add_signed(by)..span.end.saturating_add_signed(by)
            };
            hunk.change = Change {
                old: moved(&hunk.change.old, grows.0),
                new: moved(&hunk.change.new, grows.1),
            };
        }
        if outcome == Amended::Gone {
            self.lines.remove(at);
        }
        Ok(outcome)
    }

    fn amend_whole(&mut self, text: &str) -> Result<Amended, String> {
        if let Some(obstacle) = &self.obstacle {
            return Err(obstacle.clone());
        }
        match (self.kind(), &self.current) {
            (ChangeKind::Create, Some(Content::Text { .. })) => {
                self.set_current(Content::from_text(text.into()));
                Ok(Amended::Pending)
            }
            (ChangeKind::Create | ChangeKind::Modify, _) => Err("it is binary".to_owned()),
            (ChangeKind::Delete, _) => Err("it deletes the file".to_owned()),
            (ChangeKind::Rename, _) => Err("it moves the file".to_owned()),
        }
    }

    /// Carries what led from `was` to `now`, two texts of what is proposed, over to the proposal of
    /// now. Its hunks are to be found anew.
    ///
    /// # Errors
    /// Why it cannot be carried over. Nothing has changed then.
    pub(crate) fn rewrite(
        &mut self,
        was: Option<&Content>,
        now: Option<&Content>,
    ) -> Result<(), String> {
        if self.current.as_ref() == was {
            self.current = now.cloned();
            return Ok(());
        }
        let changed = || "what is proposed changed since".to_owned();
        let text = |content| Option::<&Content>::and_then(content, Content::text);
        let (Some(was), Some(now), Some(current)) =
            (text(was), text(now), text(self.current.as_ref()))
        else {
            return Err(changed());
        };
        let text = carry(was, now, current).map_err(|_| changed())?;
        self.set_current(Content::from_text(text.into()));
        Ok(())
    }

    /// Makes several hunks of one; gives their ids.
    ///
    /// # Errors
    /// Why it has no parts.
    pub(crate) fn split(&mut self, id: &str, namer: &mut Namer) -> Result<Vec<String>, String> {
        if self.whole.as_ref().is_some_and(|name| &*name.id == id) {
            return Err("it is the whole file".to_owned());
        }
        let (Some((base, current)), Some(at)) = (self.texts(), self.position(id)) else {
            return Err("it is gone".to_owned());
        };
        let hunk = &self.lines[at];
        let (base, current) = (split(base), split(current));
        if !matches!(hunk.place, Placement::Clean(_)) {
            return Err("your text changed at the same place".to_owned());
        }
        let Change { old, new } = &hunk.change;
        // A part can be taken alone: nothing comes behind a line without an end by that.
        let ended = |lines: &[&str], at: usize| at == 0 || lines[at - 1].ends_with(['\n', '\r']);
        let (old_lines, new_lines) = (&base[old.clone()], &current[new.clone()]);
        let mut cuts = cuts(old_lines, new_lines);
        cuts.retain(|cut| ended(old_lines, cut.0) && ended(new_lines, cut.1));
        if cuts.is_empty() {
            return Err("it is a single change".to_owned());
        }
        let group = hunk.name.group.clone();
        let shift = hunk.place.span().map_or(0, |span| span.start) as isize - old.start as isize;
        let mut pieces = Vec::new();
        let mut from = (old.start, new.start);
        let ends = cuts
            .iter()
            .map(|cut| (old.start + cut.0, new.start + cut.1));
        for to in ends.chain([(old.end, new.end)]) {
            let change = Change {
                old: from.0..to.0,
                new: from.1..to.1,
            };
            let place = change.old.start.saturating_add_signed(shift)
                ..change.old.end.saturating_add_signed(shift);
            pieces.push(LineHunk {
                name: namer.name(group.as_ref()),
                change,
                place: Placement::Clean(place),
            });
            from = to;
        }
        let ids = pieces
            .iter()
            .map(|piece| piece.name.id.to_string())
            .collect();
        self.lines.splice(at..=at, pieces);
        Ok(ids)
    }

    /// Proposes again the changes `ours` that led from `before` to `after`, two earlier texts of this
    /// file, with these names; gives the ids of the hunks that wait by that. What the user has
    /// already is left out.
    ///
    /// # Errors
    /// Why it cannot be proposed again. Nothing has changed then.
    pub(crate) fn reinstate(
        &mut self,
        before: &str,
        after: &str,
        ours: &[Change],
        mut name: impl FnMut(usize) -> Name,
    ) -> Result<Vec<String>, String> {
        let Some((base, current)) = self.texts() else {
            return Err("the file is not text any more".to_owned());
        };
        let (base, current) = (split(base), split(current));
        let (before, after) = (split(before), split(after));
        let theirs = changes(&before, &base);
        let texts = Texts {
            base: &before,
            ours: &after,
            live: &base,
        };
        let places = place_all(&texts, ours, &theirs);
        let mut all: Vec<(Name, Range<usize>, String)> = self
            .lines
            .iter()
            .map(|hunk| {
                let text = current[hunk.change.new.clone()].concat();
                (hunk.name.clone(), hunk.change.old.clone(), text)
            })
            .collect();
        let waiting = all.len();
        let mut ids = Vec::new();
        for (index, (change, place)) in ours.iter().zip(places).enumerate() {
            let (span, text) = match place {
                Placement::Clean(span) => (span, after[change.new.clone()].concat()),
                Placement::Merged(merged) => (merged.span, merged.text),
                Placement::Done => continue,
                Placement::Conflict(_) => {
                    return Err("your text changed at the same place".to_owned());
                }
            };
            if let Some((name, ..)) = all[..waiting]
                .iter()
                .find(|(_, old, _)| overlap(old, &span))
            {
                return Err(format!(
                    "`{}` is at the same place; decide on that one first",
                    name.id
                ));
            }
            let name = name(index);
            ids.push(name.id.to_string());
            all.push((name, span, text));
        }
        all.sort_by_key(|(_, span, _)| (span.start, span.end));
        let mut lines = Vec::new();
        let mut shift = 0isize;
        for (name, old, text) in &all {
            let len = split(text).len();
            let start = old.start.saturating_add_signed(shift);
            shift += len as isize - old.len() as isize;
            lines.push(LineHunk {
                name: name.clone(),
                change: Change {
                    old: old.clone(),
                    new: start..start + len,
                },
                place: Placement::Clean(old.clone()),
            });
        }
        let texts: Vec<_> = all
            .iter()
            .map(|(_, old, text)| (old, split(text)))
            .collect();
        let edits = texts
            .iter()
            .map(|(old, lines)| ((*old).clone(), &lines[..]));
        let current = splice(&base, edits);
        if !lead(&lines, &base, &split(&current)) {
            return Err("another hunk ends the file there; decide on that one first".to_owned());
        }
        self.set_current(Content::from_text(current.into()));
        self.lines = lines;
        Ok(ids)
    }

    /// The change without what led from `before` to `after` in its base: it was accepted, is not in
    /// the user's text any more, and other hunks that conflict keep the base where it is. `None` when
    /// the base does not have it.
    pub(crate) fn without(
        &self,
        before: &str,
        after: &str,
        namer: &mut Namer,
    ) -> Option<FileChange> {
        let (base, current) = self.texts()?;
        let has = carry(before, after, base).is_ok_and(|same| same == base);
        let back = carry(after, before, base)
            .ok()
            .filter(|text| has && text != base)?;
        let current = carry(after, before, current).ok()?;
        let mut change = self.clone();
        change.set_texts(back, current);
        change.name_hunks(Some(self), namer, None);
        Some(change)
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.lines.iter().position(|hunk| &*hunk.name.id == id)
    }
}

/// The lines of the base, and those of the user's text, where `ours` and what the user changed at
/// the same place stand.
fn region(ours: &Change, theirs: &[Change]) -> (Range<usize>, Range<usize>) {
    let mut region = ours.old.clone();
    let mut shift = 0isize;
    let mut live: Option<Range<usize>> = None;
    for their in theirs {
        if overlap(&their.old, &ours.old) {
            let start = their
                .new
                .start
                .saturating_sub(their.old.start.saturating_sub(region.start));
            region.start = region.start.min(their.old.start);
            let start = live.as_ref().map_or(start, |live| live.start);
            let end = their.new.end + region.end.saturating_sub(their.old.end);
            region.end = region.end.max(their.old.end);
            live = Some(start..end);
        } else if their.old.end <= ours.old.start {
            shift += their.new.len() as isize - their.old.len() as isize;
        }
    }
    let clean =
        ours.old.start.saturating_add_signed(shift)..ours.old.end.saturating_add_signed(shift);
    (region, live.unwrap_or(clean))
}

/// Whether two changes of the same text are at the same place.
fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    (a == b && a.is_empty()) || (a.start < b.end && b.start < a.end)
}

/// `text` with the line endings of the file, and a last one unless it is at the end of the file.
pub(crate) fn fitting(text: &str, file: &str, last: bool) -> String {
    let ending = ending(file).unwrap_or(Ending::Lf);
    let mut text = with_ending(text, ending);
    if !last && !text.is_empty() && !text.ends_with(['\n', '\r']) {
        text.push_str(ending.as_str());
    }
    text
}

/// Where a hunk falls into parts, as numbers of its old and its new lines: each line with the one
/// that replaces it and the rest for itself; what is only put in or taken out, behind blank lines,
/// else in the middle.
fn cuts(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let one_sided = |lines: &[&str]| -> Vec<usize> {
        let blank = |at: &usize| lines[at - 1].trim().is_empty() && !lines[*at].trim().is_empty();
        let blanks: Vec<usize> = (1..lines.len()).filter(blank).collect();
        match blanks.is_empty() && lines.len() > 1 {
            true => vec![lines.len() / 2],
            false => blanks,
        }
    };
    match (old.len(), new.len()) {
        (0, _) => one_sided(new).into_iter().map(|at| (0, at)).collect(),
        (_, 0) => one_sided(old).into_iter().map(|at| (at, 0)).collect(),
        (a, b) if a == b => (1..a).map(|at| (at, at)).collect(),
        (a, b) => (1..=a.min(b)).map(|at| (at, at)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_fall_into_parts() {
        let check = |old: &str, new: &str, expect: &[(usize, usize)]| {
            assert_eq!(cuts(&split(old), &split(new)), expect, "{old:?} {new:?}");
        };
        check("a\n", "b\n", &[]);
        check("a\nb\nc\n", "A\nB\nC\n", &[(1, 1), (2, 2)]);
        check("a\n", "A\nB\nC\n", &[(1, 1)]);
        check("a\nb\nc\n", "A\nB\n", &[(1, 1), (2, 2)]);
        check("", "a\n\n\nb\n", &[(0, 3)]);
        check("", "a\nb\nc\n", &[(0, 1)]);
        check("a\nb\n", "", &[(1, 0)]);
        check("", "a\n", &[]);
    }

    #[test]
    fn a_conflict_stands_on_the_lines_of_both() {
        let check = |ours: (Range<usize>, Range<usize>),
                     theirs: &[(Range<usize>, Range<usize>)]| {
            let change = |(old, new): &(Range<usize>, Range<usize>)| Change {
                old: old.clone(),
                new: new.clone(),
            };
            let theirs: Vec<Change> = theirs.iter().map(change).collect();
            region(&change(&ours), &theirs)
        };
        assert_eq!(check((3..6, 0..0), &[(4..5, 4..5)]), (3..6, 3..6));
        assert_eq!(
            check((3..4, 0..0), &[(0..1, 0..3), (2..6, 4..5)]),
            (2..6, 4..5)
        );
        assert_eq!(
            check((3..6, 0..0), &[(2..4, 2..2), (5..8, 3..9)]),
            (2..8, 2..9)
        );
        assert_eq!(check((3..3, 0..0), &[(3..3, 3..5)]), (3..3, 3..5));
    }
}
