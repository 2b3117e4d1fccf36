//! The proposed change of one file: what it was, what it would be, and the hunks between.
//!
//! A hunk is a difference between `base` and `current`, always. Accepting moves the base, rejecting
//! moves the current text; what is left between them is what waits for a decision.

use crate::content::Content;
use crate::lines::{self, ending, split, with_ending};
use crate::merge::{Change, Placement, changes, place, splice};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState, Position, Range};
use std::ops::Range as Span;

/// Identity of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) id: String,
    /// The tool call that made it.
    pub(crate) group: Option<String>,
}

/// Gives hunks their ids.
#[derive(Debug, Clone)]
pub(crate) struct Namer {
    pub(crate) last: u64,
}

impl Namer {
    pub(crate) fn name(&mut self, group: Option<&str>) -> Name {
        self.last += 1;
        Name {
            id: format!("h{}", self.last),
            group: group.map(str::to_owned),
        }
    }
}

/// A hunk of lines.
#[derive(Debug, Clone)]
pub(crate) struct LineHunk {
    pub(crate) name: Name,
    /// From base lines to current lines.
    change: Change,
    /// Where it lands in the user's text of now.
    place: Placement,
}

/// The proposed change of one file. `None` content means that there is no file.
#[derive(Debug, Clone)]
pub(crate) struct FileChange {
    /// Where the file was, for a move; `base` is its content there.
    pub(crate) from: Option<WorkspacePath>,
    pub(crate) base: Option<Content>,
    pub(crate) current: Option<Content>,
    /// The hunk that moves, creates, deletes, or replaces binary content.
    pub(crate) whole: Option<Name>,
    /// Why the whole-file hunk does not fit the user's tree of now.
    pub(crate) obstacle: Option<String>,
    pub(crate) lines: Vec<LineHunk>,
}

/// Which side takes over selected hunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Accepted: the base now has them.
    Base,
    /// Rejected: the current text no longer has them.
    Current,
}

impl FileChange {
    /// A change without hunks yet; [`FileChange::name_hunks`] finds them.
    pub(crate) fn new(base: Option<Content>, current: Option<Content>) -> FileChange {
        FileChange {
            from: None,
            base,
            current,
            whole: None,
            obstacle: None,
            lines: Vec::new(),
        }
    }

    pub(crate) fn kind(&self) -> ChangeKind {
        match (&self.from, &self.base, &self.current) {
            (Some(_), ..) => ChangeKind::Rename,
            (None, None, _) => ChangeKind::Create,
            (None, Some(_), None) => ChangeKind::Delete,
            (None, Some(_), Some(_)) => ChangeKind::Modify,
        }
    }

    /// Whether nothing is proposed any more.
    pub(crate) fn is_nothing(&self) -> bool {
        self.from.is_none() && self.base == self.current
    }

    /// Both sides, when the change between them is one of lines.
    fn texts(&self) -> Option<(&str, &str)> {
        Some((self.base.as_ref()?.text()?, self.current.as_ref()?.text()?))
    }

    /// Finds the hunks again after `current` changed. A hunk that says the same as before keeps its
    /// id; every other one gets a new id, because what the user looked at is gone.
    pub(crate) fn name_hunks(
        &mut self,
        before: Option<&FileChange>,
        namer: &mut Namer,
        group: Option<&str>,
    ) {
        let mut old: Vec<(Name, String, String)> =
            before.map(|b| b.described()).unwrap_or_default();
        let mut found = Vec::new();
        if let Some((base, current)) = self.texts() {
            let (base, current) = (split(base), split(current));
            for change in changes(&base, &current) {
                let texts = (
                    base[change.old.clone()].concat(),
                    current[change.new.clone()].concat(),
                );
                let known = old
                    .iter()
                    .position(|(_, a, b)| (a, b) == (&texts.0, &texts.1));
                let name = match known {
                    Some(index) => old.remove(index).0,
                    None => namer.name(group),
                };
                let place = Placement::Clean(change.old.clone());
                found.push(LineHunk {
                    name,
                    change,
                    place,
                });
            }
        }
        self.lines = found;
        let lines_only = self.from.is_none() && (self.texts().is_some() || self.is_nothing());
        self.whole = if lines_only {
            None
        } else {
            let same = before.filter(|b| b.kind() == self.kind() && b.from == self.from);
            let unchanged = same.filter(|b| self.from.is_some() || b.current == self.current);
            Some(
                unchanged
                    .and_then(|b| b.whole.clone())
                    .unwrap_or_else(|| namer.name(group)),
            )
        };
    }

    fn described(&self) -> Vec<(Name, String, String)> {
        let Some((base, current)) = self.texts() else {
            return Vec::new();
        };
        let (base, current) = (split(base), split(current));
        let describe = |hunk: &LineHunk| {
            let old = base[hunk.change.old.clone()].concat();
            (
                hunk.name.clone(),
                old,
                current[hunk.change.new.clone()].concat(),
            )
        };
        self.lines.iter().map(describe).collect()
    }

    /// Compares with the user's file as it is now. What merges is rebased onto it; hunks that the
    /// user's text has already are returned and gone.
    ///
    /// `live` is the file at the source of a move; `taken` tells that the target of a move exists.
    pub(crate) fn refresh(&mut self, live: Option<&Content>, taken: bool) -> Vec<Hunk> {
        self.obstacle = None;
        if let (Some(_), Some(live_text)) = (self.texts(), live.and_then(Content::text)) {
            if taken {
                self.obstacle = Some("a file is at the new place already".to_owned());
            }
            return self.refresh_lines(live_text);
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

    fn refresh_lines(&mut self, live_text: &str) -> Vec<Hunk> {
        self.adopt_ending(live_text);
        let Some((base_text, current_text)) = self.texts() else {
            return Vec::new();
        };
        if base_text == live_text {
            for hunk in &mut self.lines {
                hunk.place = Placement::Clean(hunk.change.old.clone());
            }
            return Vec::new();
        }
        let (base, current, live) = (split(base_text), split(current_text), split(live_text));
        let theirs = changes(&base, &live);
        let places: Vec<Placement> = self
            .lines
            .iter()
            .map(|hunk| place(&hunk.change, &current, &theirs, &live))
            .collect();
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
        let mut done = Vec::new();
        let mut kept: Vec<LineHunk> = Vec::new();
        let mut edits = Vec::new();
        let mut shift = 0isize;
        for (hunk, place) in self.lines.iter().zip(places) {
            let new = &current[hunk.change.new.clone()];
            match place {
                Placement::Clean(span) => {
                    let start = span.start.saturating_add_signed(shift);
                    shift += new.len() as isize - span.len() as isize;
                    let change = Change {
                        old: span.clone(),
                        new: start..start + new.len(),
                    };
                    let place = Placement::Clean(span.clone());
                    kept.push(LineHunk {
                        name: hunk.name.clone(),
                        change,
                        place,
                    });
                    edits.push((span, new));
                }
                _ => done.push(line_hunk(hunk, &base, &current, &live, HunkState::Accepted)),
            }
        }
        let merged = splice(&live, edits);
        self.set_texts(live_text.to_owned(), merged);
        self.lines = kept;
        done
    }

    /// Editors and tools may disagree on line endings of a whole file; the user's file decides.
    fn adopt_ending(&mut self, live: &str) {
        let Some((base, current)) = self.texts() else {
            return;
        };
        if let (Some(ours), Some(theirs)) = (ending(base), ending(live))
            && ours != theirs
        {
            let texts = (with_ending(base, theirs), with_ending(current, theirs));
            self.set_texts(texts.0, texts.1);
        }
    }

    fn set_texts(&mut self, base: String, current: String) {
        let text = |text: String, old: &Option<Content>| {
            Some(Content::from_text(text.into()).with_bom_of(old.as_ref()))
        };
        self.base = text(base, &self.base);
        self.current = text(current, &self.current);
    }

    /// The hunks that wait, in file order, positioned in `live`.
    pub(crate) fn hunks(&self, live: Option<&Content>) -> Vec<Hunk> {
        let state = if self.obstacle.is_some() {
            HunkState::Conflicted
        } else {
            HunkState::Pending
        };
        let mut hunks: Vec<Hunk> = self.whole_hunk(state).into_iter().collect();
        if let Some((base, current)) = self.texts() {
            let live = live.and_then(Content::text).unwrap_or("");
            let (base, current, live) = (split(base), split(current), split(live));
            hunks.extend(self.lines.iter().map(|hunk| {
                let state = match hunk.place {
                    Placement::Clean(_) => HunkState::Pending,
                    Placement::Done => HunkState::Accepted,
                    Placement::Conflict(_) => HunkState::Conflicted,
                };
                line_hunk(hunk, &base, &current, &live, state)
            }));
        }
        hunks
    }

    /// Whether it has text before and after, so that hunks of lines tell what changes.
    pub(crate) fn is_of_lines(&self) -> bool {
        self.texts().is_some()
    }

    /// Ids of the hunks that wait.
    pub(crate) fn ids(&self) -> Vec<String> {
        let whole = self.whole.iter().map(|name| name.id.clone());
        let lines = self.lines.iter().map(|hunk| hunk.name.id.clone());
        whole.chain(lines).collect()
    }

    /// How many hunks wait, and how many of them conflict.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let conflicting = |hunk: &&LineHunk| matches!(hunk.place, Placement::Conflict(_));
        let whole = u64::from(self.whole.is_some());
        let blocked = whole * u64::from(self.obstacle.is_some());
        let conflicts = self.lines.iter().filter(conflicting).count() as u64;
        (self.lines.len() as u64 + whole, conflicts + blocked)
    }

    fn whole_hunk(&self, state: HunkState) -> Option<Hunk> {
        let name = self.whole.as_ref()?;
        let text = |content: &Option<Content>| {
            content
                .as_ref()
                .and_then(Content::text)
                .unwrap_or("")
                .to_owned()
        };
        let size = |content: &Option<Content>| content.as_ref().map_or(0, Content::len);
        let binary = |content: &Option<Content>| matches!(content, Some(Content::Binary(_)));
        let (mut old_text, mut new_text) = (text(&self.base), text(&self.current));
        let mut note = match self.kind() {
            ChangeKind::Create => format!("creates the file ({} bytes)", size(&self.current)),
            ChangeKind::Delete => format!("deletes the file ({} bytes)", size(&self.base)),
            ChangeKind::Modify => {
                format!(
                    "replaces it: {} bytes become {}",
                    size(&self.base),
                    size(&self.current)
                )
            }
            ChangeKind::Rename => {
                (old_text, new_text) = (String::new(), String::new());
                let from = self
                    .from
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let replaced = self.texts().is_none() && self.base != self.current;
                let more = if replaced {
                    " and replaces its content"
                } else {
                    ""
                };
                format!("moves the file here from `{from}`{more}")
            }
        };
        if binary(&self.base) || binary(&self.current) {
            (old_text, new_text) = (String::new(), String::new());
            note.push_str("; it is binary");
        }
        if let Some(obstacle) = &self.obstacle {
            note = format!("{note}; {obstacle}");
        }
        let end = lines::range(&split(&old_text), &(0..usize::MAX)).end;
        let start = Position {
            line: 0,
            character: 0,
        };
        let end = if old_text.is_empty() { start } else { end };
        Some(Hunk {
            id: name.id.clone(),
            state,
            range: Range { start, end },
            old_text,
            new_text,
            note: Some(note),
            group: name.group.clone(),
        })
    }

    /// Edits of the user's lines for those of `ids` that fit, and the ids that do not.
    pub(crate) fn edits(&self, ids: &[&str]) -> (Vec<(Span<usize>, String)>, Vec<String>) {
        let current = self
            .current
            .as_ref()
            .and_then(Content::text)
            .map(split)
            .unwrap_or_default();
        let mut edits = Vec::new();
        let mut refused = Vec::new();
        for hunk in self
            .lines
            .iter()
            .filter(|hunk| ids.contains(&hunk.name.id.as_str()))
        {
            match &hunk.place {
                Placement::Clean(span) => {
                    edits.push((span.clone(), current[hunk.change.new.clone()].concat()));
                }
                Placement::Done => {}
                Placement::Conflict(_) => refused.push(hunk.name.id.clone()),
            }
        }
        (edits, refused)
    }

    /// Gives the selected line hunks to one side; they are gone afterwards.
    pub(crate) fn settle(&mut self, ids: &[&str], side: Side) {
        let Some((base_text, current_text)) = self.texts() else {
            return;
        };
        let (base, current) = (split(base_text), split(current_text));
        let selected = |hunk: &LineHunk| ids.contains(&hunk.name.id.as_str());
        let edits = self
            .lines
            .iter()
            .filter(|hunk| selected(hunk))
            .map(|hunk| match side {
                Side::Base => (hunk.change.old.clone(), &current[hunk.change.new.clone()]),
                Side::Current => (hunk.change.new.clone(), &base[hunk.change.old.clone()]),
            });
        let (base_text, current_text) = match side {
            Side::Base => (splice(&base, edits), current_text.to_owned()),
            Side::Current => (base_text.to_owned(), splice(&current, edits)),
        };
        let mut shift = 0isize;
        let mut kept = Vec::new();
        for hunk in &self.lines {
            let (old, new) = (hunk.change.old.clone(), hunk.change.new.clone());
            let grows = new.len() as isize - old.len() as isize;
            let moved = |span: Span<usize>| {
                span.start.saturating_add_signed(shift)..span.end.saturating_add_signed(shift)
            };
            if selected(hunk) {
                shift += if side == Side::Base { grows } else { -grows };
                continue;
            }
            let mut hunk = hunk.clone();
            hunk.change = match side {
                Side::Base => Change {
                    old: moved(old),
                    new,
                },
                Side::Current => Change {
                    old,
                    new: moved(new),
                },
            };
            kept.push(hunk);
        }
        self.set_texts(base_text, current_text);
        self.lines = kept;
    }
}

fn line_hunk(
    hunk: &LineHunk,
    base: &[&str],
    current: &[&str],
    live: &[&str],
    state: HunkState,
) -> Hunk {
    let span = match &hunk.place {
        Placement::Clean(span) | Placement::Conflict(span) => span.clone(),
        Placement::Done => hunk.change.old.clone(),
    };
    Hunk {
        id: hunk.name.id.clone(),
        state,
        range: lines::range(live, &span),
        old_text: base[hunk.change.old.clone()].concat(),
        new_text: current[hunk.change.new.clone()].concat(),
        note: None,
        group: hunk.name.group.clone(),
    }
}
