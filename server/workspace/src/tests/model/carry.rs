//! How plans reach the user's files: through editors that are honest, that refuse, and that are late.

use super::check::{ALL_IS_THE_MERGE, DELETED_STAYS, HUNKS_LEAD, ONLY_APPROVED, TYPING_STAYS};
use super::text::{Author, mark_set, marks, more_marks, with_edits};
use super::world::{Marks, Outcome, World, ensure};
use crate::{Content, FilePlan, Live, Selection, apply_to_disk};
use boxagnts_protocol::proposal::ChangeKind;

pub(super) fn text(content: Option<&Content>) -> &str {
    content.and_then(Content::text).unwrap_or_default()
}

/// What a change of texts may do to unique words.
pub(super) struct Allowed {
    pub(super) lost: Marks,
    pub(super) gained: Marks,
}

impl World {
    /// The editor said no, and did it after all.
    pub(super) fn comes_late(&mut self, plan: &FilePlan) -> Outcome {
        let path = plan.path.to_string();
        let Some(buffer) = self.buffer(&path) else {
            return Ok(());
        };
        let version = buffer.version;
        if !is_edit(plan) || plan.live != (Live::Buffer { version }) {
            return Ok(());
        }
        self.say(|| "late".to_owned());
        self.transition(plan, None)?;
        self.set_buffer(&path, text(plan.after.as_ref()), true);
        self.edited.insert(path.clone(), self.step);
        self.inexact(&path);
        self.resync.insert(path);
        Ok(())
    }

    /// Applies plans; `undo` tells what they may take away and bring back.
    pub(super) fn carry_out(
        &mut self,
        plans: &[FilePlan],
        undo: Option<&Allowed>,
    ) -> Result<Vec<bool>, String> {
        let mut results = Vec::new();
        for plan in plans {
            let applied = match is_edit(plan) {
                true => self.edit_document(plan, undo)?,
                false => self.write_file(plan, undo)?,
            };
            self.say(|| format!("apply {} {applied}", plan.path));
            results.push(applied);
            if self.dice.chance(40) {
                self.poke();
            }
            if applied && self.dice.chance(8) {
                let path = plan.path.to_string();
                self.types_at_once(&path);
                if self.dice.chance(50) {
                    self.poke();
                }
            }
        }
        Ok(results)
    }

    /// Somebody looks at the proposal.
    fn poke(&mut self) {
        match self.dice.below(4) {
            0 => drop(self.overlay.proposal()),
            1 => drop(self.overlay.begin("looks")),
            2 => drop(self.overlay.plan(&Selection::All)),
            _ => drop(self.journal.hear(&self.overlay)),
        }
    }

    fn types_at_once(&mut self, path: &str) {
        self.by_user(|world| match (world.buffer(path), world.on_disk(path)) {
            (Some(buffer), _) => {
                let text = world.writer(Author::User).edit_once(&buffer.text);
                world.set_buffer(path, &text, true);
            }
            (None, Some(Content::Text { text, bom })) => {
                let text = world.writer(Author::User).edit_once(&text);
                let text = if bom { format!("\u{feff}{text}") } else { text };
                world.put(path, text.into_bytes());
            }
            _ => {}
        });
        let now = self.users(path);
        self.say(|| format!("types at once {:?}", now.as_ref().and_then(Content::text)));
    }

    fn edit_document(&mut self, plan: &FilePlan, undo: Option<&Allowed>) -> Result<bool, String> {
        let path = plan.path.to_string();
        match self.dice.below(100) {
            0..=79 => {}
            80..=89 => return Ok(false),
            _ => self.types_at_once(&path),
        }
        let Some(buffer) = self.buffer(&path) else {
            return Err(format!(
                "{ONLY_APPROVED}: a plan for `{path}`, which is not open"
            ));
        };
        if plan.live
            != (Live::Buffer {
                version: buffer.version,
            })
        {
            return Ok(false);
        }
        self.transition(plan, undo)?;
        self.set_buffer(&path, text(plan.after.as_ref()), true);
        self.marks.insert(path.clone(), self.users_marks(&path));
        Ok(true)
    }

    fn write_file(&mut self, plan: &FilePlan, undo: Option<&Allowed>) -> Result<bool, String> {
        let path = plan.path.to_string();
        let source = plan
            .from
            .as_ref()
            .map_or_else(|| path.clone(), ToString::to_string);
        // Documents with unsaved text are not touched by what is done to whole files.
        let unsaved = |path: &String| self.buffer(path).is_some_and(|buffer| buffer.dirty);
        if [&path, &source].into_iter().any(unsaved) {
            return Ok(false);
        }
        match self.dice.below(100) {
            0..=79 => {}
            80..=89 => return Ok(false),
            _ => self.types_at_once(&source),
        }
        let target = self.on_disk(&path);
        let fresh = matches!(plan.kind, ChangeKind::Create | ChangeKind::Rename);
        let fits = self.on_disk(&source) == plan.before && (!fresh || target.is_none());
        let done = apply_to_disk(&self.overlay, plan);
        ensure!(
            ONLY_APPROVED,
            done.is_ok() == fits,
            "writing `{path}` should be {fits} and is {done:?}"
        );
        if done.is_err() {
            return Ok(false);
        }
        self.transition(plan, undo)?;
        let file = self.on_disk(&source);
        if source != path {
            self.disk.remove(&source);
        }
        // A document has no byte-order mark; the file that moves keeps its own.
        let shown = plan.from.is_some() && matches!(plan.live, Live::Buffer { .. });
        match &plan.after {
            Some(after) if shown => {
                let after = after.clone().with_bom_of(file.as_ref());
                self.disk.insert(path.clone(), after.bytes().into_owned());
            }
            Some(after) => drop(self.disk.insert(path.clone(), after.bytes().into_owned())),
            None => drop(self.disk.remove(&path)),
        }
        for path in [&path, &source] {
            // The editor notices.
            if self.buffer(path).is_some() {
                self.close(path);
            }
            self.marks.insert(path.clone(), self.users_marks(path));
        }
        Ok(true)
    }

    /// A plan is about to be carried out on the text that it was made for.
    fn transition(&mut self, plan: &FilePlan, undo: Option<&Allowed>) -> Outcome {
        let path = plan.path.as_str();
        let source = plan.from.as_ref().map_or(path, |from| from.as_str());
        let (before, after) = (text(plan.before.as_ref()), text(plan.after.as_ref()));
        let all = marks(after);
        let (had, has) = (mark_set(before), mark_set(after));
        // Lines that the agent moved: one hunk takes them away, another one brings them.
        let hunks = self.listed.iter().filter(|file| file.path == path);
        let mut moved = Marks::new();
        for hunk in hunks.flat_map(|file| &file.hunks) {
            moved.extend(more_marks(&hunk.new_text, &hunk.old_text));
            // A hunk of a whole file that is no text shows none.
            if hunk.note.is_some() && plan.hunks.contains(&hunk.id) {
                moved.extend(mark_set(after));
            }
        }
        let twice = all.len() - has.len();
        let already = marks(before).len() - had.len();
        let moving = all.iter().filter(|mark| moved.contains(*mark)).count();
        ensure!(
            ALL_IS_THE_MERGE,
            undo.is_some() || twice <= moving + already,
            "twice in `{path}`: {after:?}"
        );
        if let (Some(Content::Text { bom: a, .. }), Some(Content::Text { bom: b, .. })) =
            (&plan.before, &plan.after)
        {
            // What is taken back has its own again.
            ensure!(
                ONLY_APPROVED,
                a == b || undo.is_some(),
                "the byte-order mark of `{path}`: {a} becomes {b}"
            );
        }
        if plan.edits.is_empty() || plan.from.is_some() {
            // Nothing to compare.
        } else if let (Some(_), Some(_)) = (&plan.before, &plan.after) {
            let edits = plan
                .edits
                .iter()
                .map(|edit| (edit.range, edit.new_text.as_str()));
            let edited = with_edits(before, edits);
            ensure!(
                HUNKS_LEAD,
                edited.as_deref() == Some(after),
                "the edits of `{path}` make {edited:?} of {before:?}, and not {after:?}"
            );
        }
        for lost in had.difference(&has) {
            let allowed = match undo {
                Some(undo) => undo.lost.contains(lost),
                None => {
                    !lost.starts_with('u') || self.at_risk.contains(lost) || moved.contains(lost)
                }
            };
            ensure!(
                TYPING_STAYS,
                allowed,
                "`{lost}` goes from `{source}`: {before:?} becomes {after:?}"
            );
        }
        for gained in has.difference(&had) {
            let back = self.deleted.contains(gained) || self.rejected.contains(gained);
            // An agent may copy what it read to another file.
            let copied = undo.is_none() && self.copied.contains(gained);
            // What the accepted hunk shows as new is what its user wants.
            let again = undo.is_none() && moved.contains(gained);
            let allowed = copied || again || undo.is_some_and(|undo| undo.gained.contains(gained));
            ensure!(
                DELETED_STAYS,
                !back || allowed,
                "`{gained}` comes back to `{path}`: {before:?} becomes {after:?}"
            );
        }
        self.deleted.retain(|mark| !has.contains(mark));
        self.rejected.retain(|mark| !has.contains(mark));
        self.gone.extend(had.difference(&has).cloned());
        self.gone.retain(|mark| !has.contains(mark));
        for path in [path, source] {
            self.applied.insert(path.to_owned(), self.step);
        }
        Ok(())
    }
}

fn is_edit(plan: &FilePlan) -> bool {
    let stays = plan.from.is_none() && matches!(plan.after, Some(Content::Text { .. }));
    stays && matches!(plan.live, Live::Buffer { .. })
}
