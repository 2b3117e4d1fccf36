//! Hunks as the user sees them, positioned in the user's text of now.

use super::{FileChange, LineHunk};
use crate::content::Content;
use crate::lines::{self, split};
use crate::merge::Placement;
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState, Position, Range};

impl FileChange {
    /// The hunks that wait, in file order, positioned in `live`.
    pub(crate) fn hunks(&self, live: Option<&Content>) -> Vec<Hunk> {
        let state = match self.obstacle {
            Some(_) => HunkState::Conflicted,
            None => HunkState::Pending,
        };
        let mut hunks: Vec<Hunk> = self.whole_hunk(state).into_iter().collect();
        if let Some((base, current)) = self.texts() {
            let live = live.and_then(Content::text).unwrap_or("");
            // Where everything merged, the user's text is the base.
            let same = base == live;
            let (base, current) = (split(base), split(current));
            let own = if same { Vec::new() } else { split(live) };
            let live = if same { &base } else { &own };
            hunks.extend(self.lines.iter().map(|hunk| {
                let state = match hunk.place {
                    Placement::Clean(_) | Placement::Merged(_) => HunkState::Pending,
                    Placement::Done => HunkState::Accepted,
                    Placement::Conflict(_) => HunkState::Conflicted,
                };
                self.line_hunk(hunk, &base, &current, live, state)
            }));
        }
        hunks
    }

    pub(super) fn line_hunk(
        &self,
        hunk: &LineHunk,
        base: &[&str],
        current: &[&str],
        live: &[&str],
        state: HunkState,
    ) -> Hunk {
        let span = hunk.place.span().unwrap_or(hunk.change.old.clone());
        let theirs = || live.get(span.clone()).unwrap_or_default().concat();
        let (old_text, new_text) = match &hunk.place {
            Placement::Merged(merged) => (theirs(), merged.text.clone()),
            _ => (
                base[hunk.change.old.clone()].concat(),
                current[hunk.change.new.clone()].concat(),
            ),
        };
        Hunk {
            id: hunk.name.id.to_string(),
            state,
            range: lines::range(live, &span),
            live_text: (state == HunkState::Conflicted).then(theirs),
            old_text,
            new_text,
            note: None,
            group: hunk.name.group.as_deref().map(str::to_owned),
            executor: None,
        }
    }

    pub(super) fn whole_hunk(&self, state: HunkState) -> Option<Hunk> {
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
            id: name.id.to_string(),
            state,
            range: Range { start, end },
            live_text: None,
            old_text,
            new_text,
            note: Some(note),
            group: name.group.as_deref().map(str::to_owned),
            executor: None,
        })
    }
}
