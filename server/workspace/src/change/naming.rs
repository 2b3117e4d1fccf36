//! Identities of hunks, and how they outlive a new text.

use super::{FileChange, LineHunk};
use crate::lines::split;
use crate::merge::{Change, Placement, changes};
use boxagnts_protocol::update::NamedHunk;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Identity of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
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
                let fresh = changes(&base, &current);
                let known = Known::of(before, &base);
                known.name(&fresh, &base, &current, || namer.name(group))
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
            let fresh = changes(&base, &current);
            self.lines = Known::default().name(&fresh, &base, &current, || namer.name(None));
        }
    }
}

/// Whether the hunks lead from one text to the other: all that is between them is equal.
fn lead(hunks: &[LineHunk], base: &[&str], current: &[&str]) -> bool {
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

    /// Names the changes of now, from the base to `current`.
    fn name(
        mut self,
        fresh: &[Change],
        base: &[&str],
        current: &[&str],
        mut new_name: impl FnMut() -> Name,
    ) -> Vec<LineHunk> {
        let mut found: Vec<(Option<Name>, Change)> = Vec::with_capacity(fresh.len());
        let (mut olds, mut news) = (self.hunks, fresh);
        while let Some(first) = news.first() {
            // A hunk of before that is gone from the text.
            if let Some(old) = olds.first()
                && old.change.old.end < first.old.start
            {
                olds = &olds[1..];
                continue;
            }
            let (old, new) = component(olds, news);
            let same = self.same(&olds[..old], &news[..new], current);
            match same {
                Some((from, to)) => {
                    for hunk in &olds[..old] {
                        let Change { old, new } = hunk.change.clone();
                        let new = new.start - from + to..new.end - from + to;
                        let name = hunk.name.clone();
                        // It must not be given away again.
                        for names in self.by_text.values_mut() {
                            names.retain(|other| *other != name);
                        }
                        found.push((Some(name), Change { old, new }));
                    }
                }
                None => found.extend(news[..new].iter().map(|change| (None, change.clone()))),
            }
            (olds, news) = (&olds[old..], &news[new..]);
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

    /// Where the hunks of before and the changes of now make the same of the same lines of the base:
    /// the first line of that in both texts.
    fn same(
        &self,
        before: &[LineHunk],
        now: &[Change],
        current: &[&str],
    ) -> Option<(usize, usize)> {
        let region = |first: &Change, last: &Change| {
            (first.old.start..last.old.end, first.new.start..last.new.end)
        };
        let (was_base, was) = region(&before.first()?.change, &before.last()?.change);
        let (is_base, is) = region(now.first()?, now.last()?);
        // Both, widened to the same lines of the base.
        let start = was_base.start.min(is_base.start);
        let end = was_base.end.max(is_base.end);
        let wide = |base: Range<usize>, text: Range<usize>| {
            Some(text.start.checked_sub(base.start - start)?..text.end + (end - base.end))
        };
        let (was, is) = (wide(was_base, was)?, wide(is_base, is)?);
        let equal = self.lines.get(was.clone())? == current.get(is.clone())?;
        equal.then_some((was.start, is.start))
    }
}

/// How many hunks of before and changes of now stand at connected lines of the base, from the first
/// change on.
fn component(olds: &[LineHunk], news: &[Change]) -> (usize, usize) {
    let (mut old, mut new) = (0, 0);
    let mut end = 0;
    loop {
        let next_old = olds.get(old).map(|hunk| &hunk.change.old);
        let next_new = news.get(new).map(|change| &change.old);
        let empty = old + new == 0;
        if let Some(next) = next_new
            && (new == 0 && empty || next.start <= end)
            && next_old.is_none_or(|other| next.start <= other.start)
        {
            end = end.max(next.end);
            new += 1;
        } else if let Some(next) = next_old
            && (empty || next.start <= end)
        {
            end = end.max(next.end);
            old += 1;
        } else if let Some(next) = next_new
            && next.start <= end
        {
            end = end.max(next.end);
            new += 1;
        } else {
            return (old, new);
        }
    }
}
