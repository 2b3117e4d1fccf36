//! What a summary of the conversation must not lose and the runtime knows: files, hunks, decisions.

use super::{blocking, text};
use crate::session::Session;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_protocol::update::SessionEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

/// Names of a kind that are told; the others are counted.
const MOST: usize = 200;
/// Bytes of a name, or of the user's comment.
const MAX_NAME: usize = 300;
const MAX_COMMENT: usize = 2000;

/// The facts, as a text for the model; empty when there are none. Reads the journal.
pub(crate) async fn facts(session: &Arc<Session>) -> String {
    let session = Arc::clone(session);
    blocking(move || {
        let mut facts = Facts::default();
        match session.environment.store().events(&session.id, 0) {
            Ok(entries) => entries
                .into_iter()
                .filter_map(|entry| entry.event.known())
                .for_each(|event| facts.take_in(&event)),
            Err(error) => tracing::error!(%error, "cannot read what a summary should keep"),
        }
        for file in session.overlay.proposal() {
            let waits = |state| file.hunks.iter().filter(|hunk| hunk.state == state).count();
            let (pending, conflicted) = (waits(HunkState::Pending), waits(HunkState::Conflicted));
            if pending + conflicted > 0 {
                facts.open.insert(file.path, (pending, conflicted));
            }
        }
        facts.text()
    })
    .await
}

#[derive(Default)]
struct Facts {
    read: BTreeSet<String>,
    written: BTreeSet<String>,
    /// Hunks that wait and that conflict, by file.
    open: BTreeMap<String, (usize, usize)>,
    accepted: usize,
    rejected: usize,
    comments: Vec<String>,
}

impl Facts {
    fn take_in(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::ToolFinished { report, .. } if report.ok => {
                self.read.extend(report.audit.files_read.iter().cloned());
                self.written
                    .extend(report.audit.files_written.iter().cloned());
            }
            SessionEvent::Decided { hunks, comment, .. } => {
                let count = |state| hunks.iter().filter(|hunk| hunk.state == state).count();
                self.accepted += count(HunkState::Accepted);
                self.rejected += count(HunkState::Rejected);
                self.comments.extend(comment.clone());
            }
            _ => {}
        }
    }

    fn text(mut self) -> String {
        let mut text = String::new();
        self.read = &self.read - &self.written;
        let name = |path: &String| format!("`{}`", text::label(path, MAX_NAME));
        list(
            &mut text,
            "Files that were changed in the proposal",
            self.written.iter().map(name),
        );
        list(
            &mut text,
            "Files that were read",
            self.read.iter().map(name),
        );
        let open = self.open.iter().map(|(path, (pending, conflicted))| {
            let conflicts = match conflicted {
                0 => String::new(),
                n => format!(", {n} in conflict with what the user changed"),
            };
            format!("{} ({pending} pending{conflicts})", name(path))
        });
        list(&mut text, "Hunks that wait for the user's decision", open);
        if self.accepted + self.rejected > 0 {
            let _ = writeln!(
                text,
                "- Decisions of the user: {} hunks accepted, {} rejected",
                self.accepted, self.rejected
            );
        }
        let comments = self.comments.iter().rev().take(MOST).rev();
        let said = comments.map(|comment| format!("\"{}\"", text::label(comment, MAX_COMMENT)));
        list(&mut text, "What the user said of rejected hunks", said);
        match text.is_empty() {
            true => text,
            false => format!("[What is known besides:]\n{}", text.trim_end()),
        }
    }
}

fn list(text: &mut String, what: &str, entries: impl ExactSizeIterator<Item = String>) {
    let all = entries.len();
    if all == 0 {
        return;
    }
    let shown: Vec<String> = entries.take(MOST).collect();
    let more = match all - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let _ = writeln!(text, "- {what}: {}{more}", shown.join(", "));
}
