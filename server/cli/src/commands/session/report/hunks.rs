//! The files of a report with all their hunks: those that wait, and those that were decided on.

use super::decided::Journalled;
use crate::render;
use boxagnts_protocol::proposal::{ChangeKind, FileProposal, Hunk, HunkState};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Lines shown around a hunk.
const CONTEXT_LINES: usize = 3;

/// A changed file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) from: Option<String>,
    pub(super) kind: ChangeKind,
    pub(super) hunks: Vec<Piece>,
}

/// A hunk with what stands around it.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) hunk: Hunk,
    /// The user's words with the decision.
    pub(super) comment: Option<String>,
    /// It was accepted, and is not in the user's file any more.
    pub(super) is_undone: bool,
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

/// Everything by file, sorted by path; the hunks of a file by their place. `root` is the folder
/// that `proposal` is of.
pub(super) fn files(
    decided: Vec<Journalled<'_>>,
    waiting: Vec<Journalled<'_>>,
    proposal: &[FileProposal],
    root: &Path,
) -> Vec<File> {
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    for file in proposal {
        let live = render::live_text(root, file);
        let lines: Vec<&str> = live.iter().flat_map(|text| text.lines()).collect();
        let pieces = file.hunks.iter();
        let pieces = pieces.map(|hunk| Piece::of(hunk.clone(), &lines)).collect();
        let known = File {
            path: file.path.clone(),
            from: file.from.clone(),
            kind: file.kind,
            hunks: pieces,
        };
        files.insert(file.path.clone(), known);
    }
    let shown: HashSet<String> = files
        .values()
        .flat_map(|file| file.hunks.iter().map(|piece| piece.hunk.id.clone()))
        .collect();
    for journalled in decided.into_iter().chain(waiting) {
        let file = files
            .entry(journalled.path.to_owned())
            .or_insert_with(|| File {
                path: journalled.path.to_owned(),
                from: journalled.from,
                kind: journalled.kind,
                hunks: Vec::new(),
            });
        let comment = journalled.comment.map(str::to_owned);
        let (id, state) = (&journalled.hunk.id, journalled.hunk.state);
        if shown.contains(id) {
            let same = |piece: &&mut Piece| piece.hunk.id == *id && piece.hunk.state == state;
            if let Some(piece) = file.hunks.iter_mut().find(same) {
                piece.comment = comment;
                piece.is_undone = journalled.is_undone;
            }
            continue;
        }
        let (lines, is_undone) = (journalled.base.lines(), journalled.is_undone);
        let lines: Vec<&str> = lines.collect();
        let mut piece = Piece::of(journalled.hunk, &lines);
        piece.comment = comment;
        piece.is_undone = is_undone;
        file.hunks.push(piece);
    }
    files.retain(|_, file| !file.hunks.is_empty());
    let mut files: Vec<File> = files.into_values().collect();
    for file in &mut files {
        let place = |piece: &Piece| (piece.hunk.range.start, piece.hunk.range.end);
        file.hunks.sort_by_key(place);
    }
    files
}

impl File {
    /// Hunks in a state.
    pub(super) fn count(&self, state: HunkState) -> usize {
        let hunks = self.hunks.iter();
        hunks.filter(|piece| piece.hunk.state == state).count()
    }

    /// Lines that are added and removed by the hunks that were not rejected.
    pub(super) fn lines(&self) -> (usize, usize) {
        let kept = self.hunks.iter().map(|piece| &piece.hunk);
        let kept = kept.filter(|hunk| hunk.state != HunkState::Rejected);
        kept.fold((0, 0), |(added, removed), hunk| {
            let added = added + hunk.new_text.split_inclusive('\n').count();
            (added, removed + hunk.old_text.split_inclusive('\n').count())
        })
    }
}

impl Piece {
    fn of(hunk: Hunk, lines: &[&str]) -> Piece {
        let (start, end) = render::lines_of(&hunk);
        let start = start.min(lines.len());
        let owned = |line: &&str| (*line).to_owned();
        let is_of_lines = !hunk.old_text.is_empty() || !hunk.new_text.is_empty();
        let context = if is_of_lines { CONTEXT_LINES } else { 0 };
        Piece {
            hunk,
            comment: None,
            is_undone: false,
            before: lines[start.saturating_sub(context)..start]
                .iter()
                .map(owned)
                .collect(),
            after: lines.iter().skip(end).take(context).map(owned).collect(),
        }
    }
}
