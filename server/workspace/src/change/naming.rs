//! Identities of hunks, and how they outlive a new text.

use super::{FileChange, LineHunk};
use crate::lines::split;
use crate::merge::{Change, Placement, changes};
use boxagnts_protocol::update::NamedHunk;
use std::collections::HashMap;
use std::sync::Arc;

/// Identity of a hunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) id: Arc<str>,
    /// The tool call that made it.
    pub(crate) group: Option<Arc<str>>,
}

/// Gives hunks their ids.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namer {
    pub(crate) last: u64,
}

impl Namer {
    pub(crate) fn name(&mut self, group: Option<&Arc<str>>) -> Name {
        self.last += 1;
        Name {
            id: format!("h{}", self.last).into(),
            group: group.cloned(),
        }
    }
}

impl FileChange {
    /// Finds the hunks again after `current` changed. Where base and current say the same as
    /// before, the hunks are the same, however they were split; every other one gets a new id,
    /// because what the user looked at is gone.
    pub(crate) fn name_hunks(
        &mut self,
        before: Option<&FileChange>,
        namer: &mut Namer,
        group: Option<&Arc<str>>,
    ) {
        self.lines = match self.texts() {
            None => Vec::new(),
            Some((base, current)) => {
                let (base, current) = (split(base), split(current));
                Known::of(before, &base).name(&base, &current, || namer.name(group))
            }
        };
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

    /// The hunks with their ids and lines, as the journal keeps them.
    pub(crate) fn named(&self) -> Vec<NamedHunk> {
        let named = |name: &Name, lines| NamedHunk {
            id: name.id.to_string(),
            group: name.group.as_deref().map(str::to_owned),
            lines,
        };
        let whole = self.whole.iter().map(|name| named(name, None));
        let lines = self.lines.iter().map(|hunk| {
            let Change { old, new } = &hunk.change;
            let at = [old.start, old.end, new.start, new.end].map(|line| line as u64);
            named(&hunk.name, Some(at))
        });
        whole.chain(lines).collect()
    }

    /// Gives the hunks the ids that the journal kept, where they are hunks of these texts.
    pub(crate) fn rename_hunks(&mut self, names: &[NamedHunk], namer: &mut Namer) {
        let name = |hunk: &NamedHunk| Name {
            id: hunk.id.as_str().into(),
            group: hunk.group.as_deref().map(Arc::from),
        };
        let whole = names.iter().find(|hunk| hunk.lines.is_none());
        if let (Some(_), Some(whole)) = (&self.whole, whole) {
            self.whole = Some(name(whole));
        }
        let kept = names.iter().filter_map(|hunk| {
            let lines = hunk
                .lines?
                .map(|line| usize::try_from(line).unwrap_or(usize::MAX));
            Some(LineHunk {
                name: name(hunk),
                change: Change {
                    old: lines[0]..lines[1],
                    new: lines[2]..lines[3],
                },
                place: Placement::Clean(lines[0]..lines[1]),
            })
        });
        let kept: Vec<LineHunk> = kept.collect();
        let Some((base, current)) = self.texts() else {
            return;
        };
        let (base, current) = (split(base), split(current));
        if lead(&kept, &base, &current) {
            // What was journalled is the partition that the user saw.
            self.lines = kept;
        } else {
            // A journal that does not fit names nothing.
            self.lines = Known::default().name(&base, &current, || namer.name(None));
        }
    }
}

/// Whether the hunks lead from one text to the other: all that is between them is equal.
pub(super) fn lead(hunks: &[LineHunk], base: &[&str], current: &[&str]) -> bool {
    let (mut old, mut new) = (0, 0);
    for LineHunk { change, .. } in hunks {
        let ordered = old <= change.old.start
            && change.old.start <= change.old.end
            && new <= change.new.start
            && change.new.start <= change.new.end;
        if !ordered
            || base.get(old..change.old.start) != current.get(new..change.new.start)
            || base.get(change.old.clone()).is_none()
            || current.get(change.new.clone()).is_none()
        {
            return false;
        }
        (old, new) = (change.old.end, change.new.end);
    }
    base[old..] == current[new..]
}

/// The hunks of before, and the lines that they made.
#[derive(Default)]
struct Known<'a> {
    /// Only when the base is still the same.
    hunks: &'a [LineHunk],
    lines: Vec<&'a str>,
    /// Hunks by what they replace and what they put there.
    by_text: HashMap<(String, String), Vec<Name>>,
}

impl<'a> Known<'a> {
    fn of(before: Option<&'a FileChange>, base: &[&str]) -> Known<'a> {
        let Some((old_base, old_current)) = before.and_then(FileChange::texts) else {
            return Known::default();
        };
        let hunks = before.map(|before| &before.lines[..]).unwrap_or_default();
        let (old_base, lines) = (split(old_base), split(old_current));
        let mut by_text: HashMap<_, Vec<Name>> = HashMap::new();
        for hunk in hunks.iter().rev() {
            let texts = (
                old_base[hunk.change.old.clone()].concat(),
                lines[hunk.change.new.clone()].concat(),
            );
            by_text.entry(texts).or_default().push(hunk.name.clone());
        }
        let hunks = if old_base == base { hunks } else { &[] };
        Known {
            hunks,
            lines,
            by_text,
        }
    }

    /// The hunks from the base to `current`: those of before that nobody touched, where they are
    /// now, and what else differs between them. A difference of the whole texts might pair the lines
    /// of a hunk with others than before.
    fn name(
        mut self,
        base: &[&str],
        current: &[&str],
        mut new_name: impl FnMut() -> Name,
    ) -> Vec<LineHunk> {
        let kept = self.untouched(current);
        let mut found: Vec<(Option<Name>, Change)> = Vec::new();
        let (mut old, mut new) = (0, 0);
        let end = Change {
            old: base.len()..base.len(),
            new: current.len()..current.len(),
        };
        let stops = kept.into_iter().map(|(name, change)| (Some(name), change));
        for (name, change) in stops.chain([(None, end)]) {
            let gap = (
                &base[old..change.old.start],
                &current[new..change.new.start],
            );
            for found_there in changes(gap.0, gap.1) {
                let Change { old: a, new: b } = found_there;
                let change = Change {
                    old: old + a.start..old + a.end,
                    new: new + b.start..new + b.end,
                };
                found.push((None, change));
            }
            (old, new) = (change.old.end, change.new.end);
            if let Some(name) = name {
                // It must not be given away again.
                for names in self.by_text.values_mut() {
                    names.retain(|other| *other != name);
                }
                found.push((Some(name), change));
            }
        }
        let named = found.into_iter().map(|(name, change)| {
            let texts = || {
                let old = base[change.old.clone()].concat();
                (old, current[change.new.clone()].concat())
            };
            let known = || self.by_text.get_mut(&texts())?.pop();
            LineHunk {
                name: name.or_else(known).unwrap_or_else(&mut new_name),
                place: Placement::Clean(change.old.clone()),
                change,
            }
        });
        named.collect()
    }

    /// Hunks of before of which no line changed, nor one beside them, with where they are now.
    fn untouched(&self, current: &[&str]) -> Vec<(Name, Change)> {
        let edits = match self.hunks {
            [] => Vec::new(),
            _ => changes(&self.lines, current),
        };
        let mut kept = Vec::with_capacity(self.hunks.len());
        let mut ahead = &edits[..];
        let mut shift = 0isize;
        for hunk in self.hunks {
            let Change { old, new } = &hunk.change;
            while let Some((edit, rest)) = ahead.split_first()
                && edit.old.end < new.start
            {
                shift += edit.new.len() as isize - edit.old.len() as isize;
                ahead = rest;
            }
            if ahead.first().is_none_or(|edit| edit.old.start > new.end) {
                let now =
                    new.start.saturating_add_signed(shift)..new.end.saturating_add_signed(shift);
                let change = Change {
                    old: old.clone(),
                    new: now,
                };
                kept.push((hunk.name.clone(), change));
            }
        }
        kept
    }
}
