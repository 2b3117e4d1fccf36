//! Following the user: the change is carried over to what the file is now.

use super::{FileChange, LineHunk, Side};
use crate::content::Content;
use crate::lines::{ending, split, with_ending};
use crate::merge::{
    Change, Merged, Placement, Texts, changes, keep_lines_apart, place_all, splice,
};
use boxagnts_protocol::proposal::{Hunk, HunkState};
use std::collections::HashSet;

impl LineHunk {
    /// Its place in a text that is the base.
    fn clean(&self) -> Placement {
        Placement::Clean(self.change.old.clone())
    }
}

impl FileChange {
    /// Compares with the user's file as it is now. What merges is rebased onto it; hunks that the
    /// user's text has already are returned and gone.
    ///
    /// `live` is the file at the source of a move; `taken` tells that the target of a move exists.
    pub(crate) fn refresh(&mut self, live: Option<&Content>, taken: bool) -> Vec<Hunk> {
        self.obstacle = None;
        if let (Some(_), Some(live)) = (self.texts(), live.filter(|live| live.text().is_some())) {
            if taken {
                self.obstacle = Some("a file is at the new place already".to_owned());
            }
            return self.refresh_lines(live);
        }
        if self.from.is_some() && self.base == self.current && live.is_some() {
            // It moves whatever is there.
            self.base = live.cloned();
            self.current = live.cloned();
        }
        let fits = live == self.base.as_ref() && !taken;
        let done = self.from.is_none() && live == self.current.as_ref();
        if done && let Some(hunk) = self.whole_hunk(HunkState::Accepted) {
            self.base = self.current.clone();
            self.whole = None;
            return vec![hunk];
        }
        if !fits {
            self.obstacle = Some(match (live, &self.base) {
                (Some(_), None) => "a file is there by now".to_owned(),
                (None, Some(_)) => "the file is gone by now".to_owned(),
                _ if taken => "a file is at the new place already".to_owned(),
                _ => "the file changed since".to_owned(),
            });
            // A text that became binary, or went away, takes none of the line hunks.
            for hunk in &mut self.lines {
                hunk.place = Placement::Conflict(0..0);
            }
        }
        Vec::new()
    }

    fn refresh_lines(&mut self, live_content: &Content) -> Vec<Hunk> {
        let live_text = live_content.text().unwrap_or_default();
        if self.base.as_ref().and_then(Content::text) == Some(live_text) {
            self.stay();
            return Vec::new();
        }
        let done = self.adopt_ending(live_text);
        if !done.is_empty() {
            return done
                .into_iter()
                .chain(self.refresh_lines(live_content))
                .collect();
        }
        let Some((base_text, current_text)) = self.texts() else {
            return Vec::new();
        };
        let (base, current, live) = (split(base_text), split(current_text), split(live_text));
        let theirs = changes(&base, &live);
        let texts = Texts {
            base: &base,
            ours: &current,
            live: &live,
        };
        let places = place_all(&texts, self.lines.iter().map(|hunk| &hunk.change), &theirs);
        let done = self.lines.iter().zip(&places);
        let done: Vec<&LineHunk> = done
            .filter(|(_, place)| **place == Placement::Done)
            .map(|(hunk, _)| hunk)
            .collect();
        if !done.is_empty() {
            let show = |hunk: &&LineHunk| {
                self.line_hunk(hunk, &base, &current, &live, HunkState::Accepted)
            };
            let mut shown: Vec<Hunk> = done.iter().map(show).collect();
            let ids: HashSet<String> = done.iter().map(|hunk| hunk.name.id.to_string()).collect();
            // The base has them too; what is left is compared again.
            self.settle(&ids.iter().map(String::as_str).collect(), Side::Base);
            shown.extend(self.refresh_lines(live_content));
            return shown;
        }
        if places
            .iter()
            .any(|place| matches!(place, Placement::Conflict(_)))
        {
            for (hunk, place) in self.lines.iter_mut().zip(places) {
                hunk.place = place;
            }
            return Vec::new();
        }
        // Everything merges: the user's text becomes the base.
        let mut kept: Vec<LineHunk> = Vec::with_capacity(self.lines.len());
        let mut edits = Vec::with_capacity(self.lines.len());
        let mut shift = 0isize;
        let merged: Vec<Option<Vec<&str>>> = places
            .iter()
            .map(|place| match place {
                Placement::Merged(Merged { text, .. }) => Some(split(text)),
                _ => None,
            })
            .collect();
        for ((hunk, place), merged) in self.lines.iter().zip(&places).zip(&merged) {
            let Some(span) = place.span() else { continue };
            let new = merged
                .as_deref()
                .unwrap_or(&current[hunk.change.new.clone()]);
            let start = span.start.saturating_add_signed(shift);
            shift += new.len() as isize - span.len() as isize;
            kept.push(LineHunk {
                name: hunk.name.clone(),
                change: Change {
                    old: span.clone(),
                    new: start..start + new.len(),
                },
                place: Placement::Clean(span.clone()),
            });
            edits.push((span, new));
        }
        let merged = splice(&live, edits);
        // Hunks that make nothing new together, as one that takes a line away and one that brings it
        // where only the user's line was between them.
        let nothing = merged == live_text;
        let done = self.lines.iter().filter(|_| nothing);
        let done =
            done.map(|hunk| self.line_hunk(hunk, &base, &current, &live, HunkState::Accepted));
        let done = done.collect();
        if nothing {
            kept.clear();
        }
        self.set_base(live_content.clone());
        self.set_current(Content::from_text(merged.into()));
        self.lines = kept;
        done
    }

    /// The user's text is the base: nothing of it is a guess.
    fn stay(&mut self) {
        let open = |content: &Option<Content>| {
            let text = content.as_ref().and_then(Content::text);
            text.is_some_and(|text| !text.is_empty() && !text.ends_with(['\n', '\r']))
        };
        let plain = !open(&self.base) && !open(&self.current);
        let places: Vec<Placement> = match self.texts().filter(|_| !plain) {
            None => self.lines.iter().map(|hunk| hunk.clean()).collect(),
            Some((base, current)) => {
                let (base, current) = (split(base), split(current));
                let mut taken = 0;
                let place = |hunk: &LineHunk| {
                    let new = &current[hunk.change.new.clone()];
                    let place = keep_lines_apart(hunk.clean(), new, &base);
                    let span = place.span().unwrap_or(hunk.change.old.clone());
                    // The line whose end it needs is another hunk's.
                    if span.start < taken {
                        return Placement::Conflict(span);
                    }
                    taken = span.end;
                    place
                };
                self.lines.iter().map(place).collect()
            }
        };
        for (hunk, place) in self.lines.iter_mut().zip(places) {
            hunk.place = place;
        }
    }

    /// Editors and tools may disagree on line endings of a whole file; the user's file decides.
    /// Hunks that change nothing else are returned and gone.
    fn adopt_ending(&mut self, live: &str) -> Vec<Hunk> {
        let Some((base, current)) = self.texts() else {
            return Vec::new();
        };
        let (Some(ours), Some(theirs)) = (ending(base), ending(live)) else {
            return Vec::new();
        };
        // A mixed file decides nothing.
        if ours == theirs || with_ending(live, theirs) != live {
            return Vec::new();
        }
        let texts = (with_ending(base, theirs), with_ending(current, theirs));
        let (base, current, live) = (split(base), split(current), split(live));
        let (old, new) = (split(&texts.0), split(&texts.1));
        let same = |hunk: &&LineHunk| old[hunk.change.old.clone()] == new[hunk.change.new.clone()];
        let done = self.lines.iter().filter(same);
        let done =
            done.map(|hunk| self.line_hunk(hunk, &base, &current, &live, HunkState::Accepted));
        let done: Vec<Hunk> = done.collect();
        self.set_texts(texts.0, texts.1);
        self.lines
            .retain(|hunk| done.iter().all(|done| done.id != *hunk.name.id));
        done
    }
}
