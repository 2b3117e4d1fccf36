//! The proposed change of one file: what it was, what it would be, and the hunks between.
//!
//! A hunk is a difference between `base` and `current`, always. Accepting moves the base, rejecting
//! moves the current text; what is left between them is what waits for a decision.

mod amend;
mod naming;
mod rebase;
mod settle;
mod show;

pub(crate) use amend::{Amended, fitting};
pub(crate) use naming::{Name, Namer};
pub(crate) use settle::Side;

use crate::content::Content;
use crate::merge::{Change, Placement};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::ChangeKind;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A hunk of lines.
#[derive(Debug, Clone)]
pub(crate) struct LineHunk {
    pub(crate) name: Name,
    /// From base lines to current lines.
    pub(crate) change: Change,
    /// Where it lands in the user's text of now.
    pub(crate) place: Placement,
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
    /// Ascending; between two of them may lie no line when the user split one.
    pub(crate) lines: Vec<LineHunk>,
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

    /// Whether it has text before and after, so that hunks of lines tell what changes.
    pub(crate) fn is_of_lines(&self) -> bool {
        self.texts().is_some()
    }

    /// The names of the hunks that wait.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        let lines = self.lines.iter().map(|hunk| &hunk.name);
        self.whole.iter().chain(lines)
    }

    /// Which hunks wait in which state, as one number.
    pub(crate) fn states(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let whole = self
            .whole
            .iter()
            .map(|name| (name, self.obstacle.is_some()));
        let lines = self.lines.iter();
        let lines = lines.map(|hunk| (&hunk.name, matches!(hunk.place, Placement::Conflict(_))));
        for (name, conflicts) in whole.chain(lines) {
            (&*name.id, conflicts).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// How many hunks wait, and how many of them conflict.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let conflicting = |hunk: &&LineHunk| matches!(hunk.place, Placement::Conflict(_));
        let whole = u64::from(self.whole.is_some());
        let blocked = whole * u64::from(self.obstacle.is_some());
        let conflicts = self.lines.iter().filter(conflicting).count() as u64;
        (self.lines.len() as u64 + whole, conflicts + blocked)
    }

    /// Both sides, when the change between them is one of lines.
    fn texts(&self) -> Option<(&str, &str)> {
        Some((self.base.as_ref()?.text()?, self.current.as_ref()?.text()?))
    }

    fn set_texts(&mut self, base: String, current: String) {
        self.set_base(Content::from_text(base.into()));
        self.set_current(Content::from_text(current.into()));
    }

    fn set_base(&mut self, text: Content) {
        self.base = Some(text.with_bom_of(self.base.as_ref()));
    }

    fn set_current(&mut self, text: Content) {
        self.current = Some(text.with_bom_of(self.current.as_ref()));
    }
}
