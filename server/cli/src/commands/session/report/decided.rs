//! Hunks that were decided on. The journal has them only as the difference that a decision made to
//! the proposal: what was proposed before it and is not proposed behind it.

use boxagnts_protocol::commands::HunkStatus;
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState, Position, Range};
use boxagnts_protocol::update::{ProposedDiff, SessionEvent};
use boxagnts_session::workspace::diff;
use similar::{DiffOp, TextDiff};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range as Span;
use std::time::Duration;

/// A hostile pair of texts must not keep us busy.
const DIFF_TIME: Duration = Duration::from_millis(500);

/// A hunk of a file as the journal has it.
#[derive(Debug)]
pub(super) struct Journalled<'a> {
    pub(super) path: String,
    pub(super) from: Option<String>,
    pub(super) kind: ChangeKind,
    /// Its id is empty where the journal does not tell it.
    pub(super) hunk: Hunk,
    /// The user's words with the decision.
    pub(super) comment: Option<String>,
    /// The text that the hunk was made on.
    pub(super) base: &'a str,
}

/// Follows the proposal through the journal.
#[derive(Default)]
pub(super) struct Replay<'a> {
    /// The text that the latest change of each path was made on.
    bases: HashMap<&'a str, &'a str>,
    files: BTreeMap<&'a str, Proposed<'a>>,
    /// The decision whose effect comes next.
    decision: Option<(&'a [HunkStatus], Option<&'a str>)>,
    decided: Vec<Journalled<'a>>,
}

/// What is proposed for one file.
#[derive(Debug)]
struct Proposed<'a> {
    from: Option<String>,
    kind: ChangeKind,
    base: &'a str,
    /// `None` for binary content and for diffs that cannot be read.
    after: Option<String>,
}

impl<'a> Replay<'a> {
    pub(super) fn event(&mut self, event: &'a SessionEvent) {
        match event {
            SessionEvent::Decided { hunks, comment } => {
                self.decision = Some((hunks, comment.as_deref()));
            }
            SessionEvent::ProposalChanged { changed, .. } => match self.decision.take() {
                Some(decision) => self.explain(decision, changed),
                None => changed.iter().for_each(|file| self.change(file)),
            },
            _ => {}
        }
    }

    /// What was decided, and what still waits by the journal.
    pub(super) fn end(self) -> (Vec<Journalled<'a>>, Vec<Journalled<'a>>) {
        let waiting = self.files.iter().flat_map(|(path, file)| file.hunks(path));
        let waiting = waiting.collect();
        (self.decided, waiting)
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

    fn hunks(&self, changed: &[ProposedDiff]) -> Vec<Journalled<'a>> {
        let files = changed.iter().filter_map(|file| {
            let path = file.path.as_str();
            Some((path, self.files.get(path)?))
        });
        files.flat_map(|(path, file)| file.hunks(path)).collect()
    }

    fn explain(
        &mut self,
        (statuses, comment): (&'a [HunkStatus], Option<&'a str>),
        changed: &'a [ProposedDiff],
    ) {
        let mut gone = self.hunks(changed);
        changed.iter().for_each(|file| self.change(file));
        for left in self.hunks(changed) {
            // A move that was decided on leaves its lines at the other end of it.
            let place = |hunk: &Journalled<'_>| {
                let (a, b) = (hunk.from.as_ref(), left.from.as_ref());
                hunk.path == left.path || a == Some(&left.path) || b == Some(&hunk.path)
            };
            let same = |hunk: &Journalled<'_>| {
                let (a, b) = (&hunk.hunk, &left.hunk);
                (&a.old_text, &a.new_text, &a.note) == (&b.old_text, &b.new_text, &b.note)
            };
            if let Some(at) = gone.iter().position(|hunk| place(hunk) && same(hunk)) {
                gone.remove(at);
            }
        }
        let decided =
            |hunk: &&HunkStatus| matches!(hunk.state, HunkState::Accepted | HunkState::Rejected);
        let statuses: Vec<&HunkStatus> = statuses.iter().filter(decided).collect();
        let Some(first) = statuses.first() else {
            return;
        };
        // Only as many as were decided on can be told apart; one decision is of one kind.
        let told = gone.len() == statuses.len();
        for (at, mut journalled) in gone.into_iter().enumerate() {
            journalled.hunk.state = first.state;
            if told {
                journalled.hunk.state = statuses[at].state;
                journalled.hunk.id.clone_from(&statuses[at].id);
            }
            journalled.comment = comment.map(str::to_owned);
            self.decided.push(journalled);
        }
    }
}

impl<'a> Proposed<'a> {
    fn read(file: &ProposedDiff, base: &'a str) -> Proposed<'a> {
        let unreadable = Proposed {
            from: None,
            kind: ChangeKind::Modify,
            base,
            after: None,
        };
        let Ok(patches) = diff::parse(file.diff.as_bytes()) else {
            return unreadable;
        };
        let Some(patch) = patches.first() else {
            return unreadable;
        };
        let moved = patch
            .from
            .as_ref()
            .filter(|from| from.as_str() != file.path);
        let kind = match (&patch.from, &patch.to) {
            (None, _) => ChangeKind::Create,
            (_, None) => ChangeKind::Delete,
            _ if moved.is_some() => ChangeKind::Rename,
            _ => ChangeKind::Modify,
        };
        let base = if kind == ChangeKind::Create { "" } else { base };
        let after = patch.apply(base.as_bytes()).ok();
        Proposed {
            from: moved.map(ToString::to_string),
            kind,
            base,
            after: after.and_then(|bytes| String::from_utf8(bytes).ok()),
        }
    }

    fn hunks(&self, path: &str) -> Vec<Journalled<'a>> {
        let note = match (self.kind, &self.after) {
            (ChangeKind::Modify, Some(_)) => None,
            (ChangeKind::Create, Some(after)) => {
                Some(format!("creates the file ({} bytes)", after.len()))
            }
            (ChangeKind::Delete, Some(_)) => {
                Some(format!("deletes the file ({} bytes)", self.base.len()))
            }
            (ChangeKind::Rename, _) => {
                let from = self.from.as_deref().unwrap_or_default();
                Some(format!("moves the file here from `{from}`"))
            }
            (ChangeKind::Create, None) => Some("creates the file; it is binary".to_owned()),
            (ChangeKind::Delete, None) => Some("deletes the file; it is binary".to_owned()),
            (ChangeKind::Modify, None) => Some("replaces it; it is binary".to_owned()),
        };
        let after = self.after.as_deref().unwrap_or(self.base);
        let of_lines = matches!(self.kind, ChangeKind::Modify | ChangeKind::Rename);
        let mut hunks = Vec::new();
        let mut add = |old: &str, new: &str, span: Span<usize>, note: Option<String>| {
            let at = |line: usize| Position {
                line: u32::try_from(line).unwrap_or(u32::MAX),
                character: 0,
            };
            hunks.push(Journalled {
                path: path.to_owned(),
                from: self.from.clone(),
                kind: self.kind,
                hunk: Hunk {
                    id: String::new(),
                    state: HunkState::Pending,
                    range: Range {
                        start: at(span.start),
                        end: at(span.end),
                    },
                    old_text: old.to_owned(),
                    new_text: new.to_owned(),
                    note,
                    group: None,
                },
                comment: None,
                base: self.base,
            });
        };
        if note.is_some() {
            let (old, new) = if of_lines {
                ("", "")
            } else {
                (self.base, after)
            };
            let lines = old.lines().count();
            add(old, new, 0..lines, note);
        }
        if of_lines {
            let diff = TextDiff::configure()
                .timeout(DIFF_TIME)
                .diff_lines(self.base, after);
            for (old, new) in changes(diff.ops()) {
                let old_text: String = old.clone().filter_map(|at| diff.old_slice(at)).collect();
                let new_text: String = new.filter_map(|at| diff.new_slice(at)).collect();
                add(&old_text, &new_text, old, None);
            }
        }
        hunks
    }
}

/// The changes, cut as the session cuts hunks: between two of them lies an equal line.
fn changes(ops: &[DiffOp]) -> Vec<(Span<usize>, Span<usize>)> {
    let mut found: Vec<(Span<usize>, Span<usize>)> = Vec::new();
    for op in ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
        let (old, new) = (op.old_range(), op.new_range());
        match found.last_mut() {
            Some(last) if last.0.end == old.start && last.1.end == new.start => {
                (last.0.end, last.1.end) = (old.end, new.end);
            }
            _ => found.push((old, new)),
        }
    }
    found
}
