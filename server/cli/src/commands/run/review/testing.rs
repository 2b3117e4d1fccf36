//! Hunks, a desk and an editor that do as tests say.

use super::desk::Desk;
use super::editor::Editor;
use crate::exit::Failure;
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, Hunk, HunkState, Position, Range};
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

pub(super) fn a_hunk(id: &str, state: HunkState, old: &str, new: &str) -> Hunk {
    let at = |line| Position { line, character: 0 };
    Hunk {
        id: id.to_owned(),
        state,
        range: Range {
            start: at(0),
            end: at(old.lines().count() as u32),
        },
        old_text: old.into(),
        new_text: new.into(),
        live_text: None,
        note: None,
        group: None,
        executor: None,
    }
}

pub(super) fn file(path: &str, hunks: Vec<Hunk>) -> FileProposal {
    FileProposal {
        uri: String::new(),
        path: path.into(),
        from: None,
        kind: ChangeKind::Modify,
        hunks,
    }
}

/// Splits by lines; what is amended gets a new id. Refuses to touch hunks named in `refuses`.
pub(super) struct FakeDesk {
    pub(super) files: RefCell<Vec<FileProposal>>,
    pub(super) refuses: Option<&'static str>,
}

impl FakeDesk {
    fn replace(
        &self,
        hunk: &str,
        with: impl Fn(&Hunk) -> Vec<Hunk>,
    ) -> Result<Vec<String>, Failure> {
        if let Some(reason) = self.refuses {
            return Err(Failure::failed(reason));
        }
        for file in self.files.borrow_mut().iter_mut() {
            if let Some(at) = file.hunks.iter().position(|known| known.id == hunk) {
                let new = with(&file.hunks[at]);
                let ids = new.iter().map(|hunk| hunk.id.clone()).collect();
                file.hunks.splice(at..=at, new);
                return Ok(ids);
            }
        }
        Err(Failure::usage(format!("no hunk {hunk}")))
    }
}

impl Desk for FakeDesk {
    fn files(&self) -> Result<Vec<FileProposal>, Failure> {
        Ok(self.files.borrow().clone())
    }

    fn split(&self, hunk: &str) -> Result<Vec<String>, Failure> {
        self.replace(hunk, |hunk| {
            let lines = hunk.old_text.lines().zip(hunk.new_text.lines());
            let part = |(at, (old, new)): (usize, (&str, &str))| {
                let id = format!("{}.{}", hunk.id, at + 1);
                let (old, new) = (format!("{old}\n"), format!("{new}\n"));
                a_hunk(&id, hunk.state, &old, &new)
            };
            lines.enumerate().map(part).collect()
        })
    }

    fn amend(&self, hunk: &str, text: &str) -> Result<Vec<String>, Failure> {
        self.replace(hunk, |hunk| {
            let amended = Hunk {
                id: format!("{}'", hunk.id),
                state: HunkState::Pending,
                new_text: text.to_owned(),
                ..hunk.clone()
            };
            match text == hunk.old_text {
                true => Vec::new(),
                false => vec![amended],
            }
        })
    }
}

/// Writes a text, or fails.
pub(super) struct FakeEditor(pub(super) Option<&'static str>);

impl Editor for FakeEditor {
    fn edit(&self, file: &Path) -> io::Result<ExitStatus> {
        match self.0 {
            Some(text) => std::fs::write(file, text)?,
            None => return Err(io::Error::other("it is not there")),
        }
        Ok(ExitStatus::default())
    }
}
