//! Hunks by the journal alone: those that were decided on, and those that wait by its last word. It
//! has what is proposed as diffs, and which lines each hunk stands for.

use boxagnts_protocol::commands::{HunkStatus, UndoResult};
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState, Position, Range};
use boxagnts_protocol::update::{NamedHunk, ProposedDiff, SessionEvent};
use boxagnts_session::workspace::diff;
use std::collections::{BTreeMap, HashMap};

/// A hunk of a file as the journal has it.
#[derive(Debug, Clone)]
pub(super) struct Journalled<'a> {
    pub(super) path: &'a str,
    pub(super) from: Option<String>,
    pub(super) kind: ChangeKind,
    pub(super) hunk: Hunk,
    /// The user's words with the decision.
    pub(super) comment: Option<&'a str>,
    /// The text that the hunk was made on.
    pub(super) base: &'a str,
    /// By what it could be taken back.
    checkpoint: Option<u64>,
    /// It was accepted, and is not in the user's file any more.
    pub(super) is_undone: bool,
}

/// Follows the proposal through the journal.
#[derive(Default)]
pub(super) struct Replay<'a> {
    /// The text that the latest change of each path was made on.
    bases: HashMap<&'a str, &'a str>,
    files: BTreeMap<&'a str, Proposed<'a>>,
    /// Of each checkpoint that was made by taking others back: those.
    undoing: HashMap<u64, &'a [u64]>,
    /// In the order of the decisions.
    decided: Vec<Journalled<'a>>,
}

/// What is proposed for one file.
#[derive(Debug)]
struct Proposed<'a> {
    path: &'a str,
    from: Option<String>,
    kind: ChangeKind,
    base: &'a str,
    /// `None` for binary content and for diffs that cannot be read.
    after: Option<String>,
    hunks: &'a [NamedHunk],
}

impl<'a> Replay<'a> {
    pub(super) fn event(&mut self, event: &'a SessionEvent) {
        match event {
            SessionEvent::Decided {
                hunks,
                comment,
                checkpoint,
            } => {
                for status in hunks {
                    self.decide(status, comment.as_deref(), *checkpoint);
                }
            }
            SessionEvent::Undone {
                checkpoints,
                result,
            } => self.undo(checkpoints, result),
            SessionEvent::ProposalChanged { changed, .. } => {
                changed.iter().for_each(|file| self.change(file));
            }
            _ => {}
        }
    }

    /// What was decided, and what still waits.
    pub(super) fn end(self) -> (Vec<Journalled<'a>>, Vec<Journalled<'a>>) {
        let waiting = self.files.values();
        let waiting = waiting.flat_map(|file| file.hunks.iter().map(|named| file.hunk(named)));
        let waiting: Vec<Journalled<'a>> = waiting.collect();
        let mut decided = self.decided;
        // What was decided on and proposed again waits.
        decided.retain(|it| !waiting.iter().any(|other| other.hunk.id == it.hunk.id));
        (decided, waiting)
    }

    fn change(&mut self, file: &'a ProposedDiff) {
        if let Some(base) = &file.base {
            self.bases.insert(&file.path, base);
        }
        if file.diff.is_empty() {
            self.files.remove(file.path.as_str());
            return;
        }
        let base = self.bases.get(file.path.as_str()).copied();
        let proposed = Proposed::read(file, base.unwrap_or_default());
        self.files.insert(&file.path, proposed);
    }

    fn decide(&mut self, status: &HunkStatus, comment: Option<&'a str>, checkpoint: Option<u64>) {
        if !matches!(status.state, HunkState::Accepted | HunkState::Rejected) {
            return;
        }
        let named = self.files.values().find_map(|file| {
            let named = file.hunks.iter().find(|named| named.id == status.id)?;
            Some(file.hunk(named))
        });
        let earlier = self.decided.iter().position(|it| it.hunk.id == status.id);
        let Some(mut journalled) = named.or_else(|| Some(self.decided.get(earlier?)?.clone()))
        else {
            return;
        };
        journalled.hunk.state = status.state;
        journalled.comment = comment;
        journalled.checkpoint = checkpoint;
        journalled.is_undone = false;
        if let Some(at) = earlier {
            self.decided.remove(at);
        }
        self.decided.push(journalled);
    }
}

impl<'a> Replay<'a> {
    /// Taking back what took something back brings that again.
    fn undo(&mut self, checkpoints: &'a [u64], result: &'a UndoResult) {
        for checkpoint in checkpoints {
            let (batches, is_undone) = match self.undoing.get(checkpoint) {
                Some(batches) => (*batches, false),
                None => (std::slice::from_ref(checkpoint), true),
            };
            let of = |it: &&mut Journalled<'_>| {
                it.checkpoint.is_some_and(|at| batches.contains(&at))
                    && result.files.iter().any(|file| file == it.path)
            };
            for journalled in self.decided.iter_mut().filter(of) {
                journalled.is_undone = is_undone;
            }
        }
        if let Some(made) = result.checkpoint {
            self.undoing.insert(made, checkpoints);
        }
    }
}

impl<'a> Proposed<'a> {
    fn read(file: &'a ProposedDiff, base: &'a str) -> Proposed<'a> {
        let mut proposed = Proposed {
            path: &file.path,
            from: None,
            kind: ChangeKind::Modify,
            base,
            after: None,
            hunks: &file.hunks,
        };
        let patches = diff::parse(file.diff.as_bytes()).unwrap_or_default();
        let Some(patch) = patches.first() else {
            return proposed;
        };
        let moved = patch
            .from
            .as_ref()
            .filter(|from| from.as_str() != file.path);
        proposed.kind = match (&patch.from, &patch.to) {
            (None, _) => ChangeKind::Create,
            (_, None) => ChangeKind::Delete,
            _ if moved.is_some() => ChangeKind::Rename,
            _ => ChangeKind::Modify,
        };
        proposed.from = moved.map(ToString::to_string);
        if proposed.kind == ChangeKind::Create {
            proposed.base = "";
        }
        let after = patch.apply(proposed.base.as_bytes()).ok();
        proposed.after = after.and_then(|bytes| String::from_utf8(bytes).ok());
        proposed
    }

    fn hunk(&self, named: &NamedHunk) -> Journalled<'a> {
        let after = self.after.as_deref().unwrap_or_default();
        let is_whole = named.lines.is_none();
        let [start, end, from, to] = named.lines.unwrap_or(match self.kind {
            ChangeKind::Create | ChangeKind::Delete => [0, u64::MAX, 0, u64::MAX],
            ChangeKind::Modify | ChangeKind::Rename => [0; 4],
        });
        let old_text = lines(self.base, start, end);
        let end = end.min(start.saturating_add(old_text.lines().count() as u64));
        let at = |line: u64| Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            character: 0,
        };
        let range = Range {
            start: at(start),
            end: at(end),
        };
        Journalled {
            path: self.path,
            from: self.from.clone(),
            kind: self.kind,
            hunk: Hunk {
                id: named.id.clone(),
                state: HunkState::Pending,
                range,
                old_text: old_text.to_owned(),
                new_text: lines(after, from, to).to_owned(),
                live_text: None,
                note: is_whole.then(|| self.note()),
                group: named.group.clone(),
                executor: None,
            },
            comment: None,
            base: self.base,
            checkpoint: None,
            is_undone: false,
        }
    }

    fn note(&self) -> String {
        let what = match self.kind {
            ChangeKind::Create => "creates the file",
            ChangeKind::Delete => "deletes the file",
            ChangeKind::Modify => "replaces it",
            ChangeKind::Rename => {
                let from = self.from.as_deref().unwrap_or_default();
                return format!("moves the file here from `{from}`");
            }
        };
        let size = match (self.kind, &self.after) {
            (_, None) => return format!("{what}; it is binary"),
            (ChangeKind::Delete, _) => self.base.len(),
            (_, Some(after)) => after.len(),
        };
        format!("{what} ({size} bytes)")
    }
}

/// Lines of a text, ended as the language server protocol has it.
fn lines(text: &str, start: u64, end: u64) -> &str {
    let bytes = text.as_bytes();
    let breaks = bytes.iter().enumerate().filter(|(at, byte)| match **byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    let begins = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1));
    let (mut from, mut to) = (text.len(), text.len());
    for (number, begin) in (0..).zip(begins) {
        if number == start {
            from = begin;
        }
        if number == end {
            to = begin;
            break;
        }
    }
    text.get(from..to).unwrap_or_default()
}
