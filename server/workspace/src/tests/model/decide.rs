//! Decisions, and how they reach the user's files: as the session and its appliers do it, with
//! editors that are honest, that refuse, and that are late.

use super::check::{
    ALL_IS_THE_MERGE, DELETED_STAYS, HUNKS_LEAD, ONLY_APPROVED, TYPING_STAYS, UNDO,
};
use super::text::{Author, mark_set, marks, more_marks, with_edits};
use super::world::{Batch, Marks, Outcome, World, ensure};
use crate::lines::split;
use crate::merge::changes;
use crate::{Content, FilePlan, Live, Selection, Step, apply_to_disk, mode_on_disk};
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState};
use std::collections::BTreeSet;

fn text(content: Option<&Content>) -> &str {
    content.and_then(Content::text).unwrap_or_default()
}

/// What a change of texts may do to unique words.
struct Allowed {
    lost: Marks,
    gained: Marks,
}

impl World {
    pub(super) fn waiting(&self) -> Vec<(String, Hunk)> {
        let hunks = |file: &boxagnts_protocol::proposal::FileProposal| {
            let path = file.path.clone();
            let hunks = file.hunks.clone().into_iter();
            hunks
                .map(move |hunk| (path.clone(), hunk))
                .collect::<Vec<_>>()
        };
        self.listed.iter().flat_map(hunks).collect()
    }

    fn a_hunk(&mut self) -> Option<(String, Hunk)> {
        let all = self.waiting();
        self.dice.pick(&all).cloned()
    }

    fn selection(&mut self) -> Option<Selection> {
        let (path, hunk) = self.a_hunk()?;
        Some(match self.dice.below(10) {
            0..=3 => Selection::Hunks(vec![hunk.id]),
            4 | 5 => {
                let all = self.waiting();
                let some: Vec<_> = all.into_iter().filter(|_| self.dice.chance(50)).collect();
                let mut ids: Vec<String> = some.into_iter().map(|(_, hunk)| hunk.id).collect();
                if ids.is_empty() {
                    ids.push(hunk.id);
                }
                Selection::Hunks(ids)
            }
            6 | 7 => Selection::Files(vec![path]),
            8 if hunk.group.is_some() => Selection::Groups(hunk.group.into_iter().collect()),
            _ => Selection::All,
        })
    }

    pub(super) fn accept(&mut self) -> Outcome {
        let Some(selection) = self.selection() else {
            return Ok(());
        };
        self.say(|| format!("accept {selection:?}"));
        let plans = self.overlay.plan_to_apply(&selection);
        let (plans, _) =
            plans.map_err(|error| format!("{HUNKS_LEAD}: what waits is not found: {error}"))?;
        for plan in &plans {
            self.check_plan(plan)?;
        }
        let plans: Vec<FilePlan> = plans
            .into_iter()
            .filter(|plan| !plan.hunks.is_empty())
            .collect();
        let modes: Vec<_> = plans
            .iter()
            .map(|plan| mode_on_disk(&self.overlay, plan.from.as_ref().unwrap_or(&plan.path)))
            .collect();
        let results = self.carry_out(&plans, None)?;
        let mut files = Vec::new();
        for ((plan, mode), result) in plans.iter().zip(modes).zip(results) {
            if !result {
                self.overlay.not_applied(plan);
                if self.dice.chance(15) {
                    self.comes_late(plan)?;
                }
                continue;
            }
            self.overlay.accepted(plan);
            if let Some(from) = &plan.from
                && let Some(since) = self.seen_since.remove(from.as_str())
            {
                self.seen_since.insert(plan.path.to_string(), since);
            }
            for id in &plan.hunks {
                let decision = self.overlay.decision(id);
                ensure!(
                    HUNKS_LEAD,
                    decision == Some(HunkState::Accepted),
                    "`{id}` was applied and is {decision:?}"
                );
            }
            let step = Step {
                path: plan.path.clone(),
                from: plan.from.clone(),
                before: plan.before.clone(),
                after: plan.after.clone(),
                mode,
            };
            files.push((step, plan.hunks.clone()));
        }
        if !files.is_empty() {
            let claimed = files.iter().flat_map(|(_, ids)| ids.clone()).collect();
            self.batches.push(Batch {
                at: self.step,
                accept: true,
                files,
                claimed,
            });
        }
        Ok(())
    }

    /// The editor said no, and did it after all.
    fn comes_late(&mut self, plan: &FilePlan) -> Outcome {
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
    fn carry_out(
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
        if source != path {
            self.disk.remove(&source);
        }
        match &plan.after {
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

    pub(super) fn reject(&mut self) -> Outcome {
        let Some(selection) = self.selection() else {
            return Ok(());
        };
        self.say(|| format!("reject {selection:?}"));
        let before = self.waiting();
        let statuses = self
            .overlay
            .reject(&selection)
            .map_err(|error| error.to_string())?;
        for status in statuses {
            let Some((path, hunk)) = before.iter().find(|(_, hunk)| hunk.id == status.id) else {
                return Err(format!("{HUNKS_LEAD}: `{}` was not listed", status.id));
            };
            self.inexact(path);
            if hunk.note.is_some() {
                let marks = self.users_marks(path);
                self.whole_hunks.insert(hunk.id.clone(), marks);
            }
            let (new, old) = (mark_set(&hunk.new_text), mark_set(&hunk.old_text));
            let live = self.marks.get(path).cloned().unwrap_or_default();
            self.rejected.extend(
                new.difference(&old)
                    .filter(|mark| !live.contains(*mark))
                    .cloned(),
            );
            self.rejected_ids.push(status.id);
            self.resync_all();
        }
        Ok(())
    }

    pub(super) fn amend(&mut self) -> Outcome {
        let Some((path, hunk)) = self.a_hunk() else {
            return Ok(());
        };
        let whole = hunk.note.is_some();
        self.last_mark += 1;
        let fresh = format!("m{}", self.last_mark);
        // The user keeps what the user has there, and takes some of what is proposed.
        let here = hunk.live_text.as_deref().unwrap_or(&hunk.old_text);
        let kept = mark_set(here)
            .into_iter()
            .filter(|mark| mark.starts_with('u'));
        let mut lines: Vec<String> = if whole { Vec::new() } else { kept.collect() };
        let known: Marks = mark_set(&hunk.old_text)
            .union(&mark_set(here))
            .cloned()
            .collect();
        let new = mark_set(&hunk.new_text)
            .into_iter()
            .filter(|mark| !known.contains(mark));
        lines.extend(new.filter(|mark| !self.deleted.contains(mark)));
        match self.dice.below(10) {
            0 => lines = here.lines().map(str::to_owned).collect(),
            1 => {}
            _ => lines.insert(self.dice.below(lines.len() + 1), fresh),
        }
        let mut text = lines.join("\n");
        if self.dice.chance(70) && !text.is_empty() {
            text.push('\n');
        }
        let amended = self.overlay.amend(&hunk.id, &text);
        self.say(|| format!("amend {} {text:?} {amended:?}", hunk.id));
        if let Ok(status) = amended {
            self.inexact(&path);
            self.remade.insert(hunk.id.clone());
            self.amended.insert(hunk.id.clone());
            self.at_risk.extend(mark_set(here));
            let taken = mark_set(&text);
            let gone = mark_set(&hunk.new_text);
            let live = self.marks.get(&path).cloned().unwrap_or_default();
            let gone = gone.difference(&taken).filter(|mark| !live.contains(*mark));
            self.rejected.extend(gone.cloned());
            self.rejected.retain(|mark| !taken.contains(mark));
            self.resync.insert(path.clone());
            let page = self.overlay.proposal();
            let file = page.into_iter().find(|file| file.path == path);
            let now = file.and_then(|file| file.hunks.into_iter().find(|now| now.id == hunk.id));
            let plain = |text: &str| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned();
            match (status.state, now) {
                (HunkState::Pending, Some(now)) => ensure!(
                    HUNKS_LEAD,
                    now.state == HunkState::Pending && plain(&now.new_text) == plain(&text),
                    "amended with {text:?}: {now:?}"
                ),
                (HunkState::Pending, None) => {
                    return Err(format!("{HUNKS_LEAD}: amended with {text:?}, and gone"));
                }
                (_, now) => ensure!(
                    HUNKS_LEAD,
                    now.is_none_or(|now| now.state != HunkState::Pending),
                    "amended away, and still there"
                ),
            }
        }
        Ok(())
    }

    pub(super) fn split(&mut self) -> Outcome {
        if let Some((_, hunk)) = self.a_hunk() {
            let pieces = self.overlay.split(&hunk.id);
            self.say(|| format!("split {} {pieces:?}", hunk.id));
        }
        Ok(())
    }

    pub(super) fn repropose(&mut self) -> Outcome {
        let rejected = std::mem::take(&mut self.rejected_ids);
        let Some(id) = self.dice.pick(&rejected).cloned() else {
            return Ok(());
        };
        let back = self.overlay.repropose(std::slice::from_ref(&id));
        self.say(|| format!("repropose {id} {back:?}"));
        self.rejected_ids = rejected;
        if back.is_ok() {
            self.rejected_ids.retain(|other| *other != id);
            self.back.insert(id.clone());
            if let Some((_, removed)) = self.ids.get(&id) {
                self.at_risk.extend(removed.clone());
            }
            self.at_risk
                .extend(self.whole_hunks.get(&id).cloned().unwrap_or_default());
            if let Some((added, _)) = self.ids.get(&id) {
                self.rejected.retain(|mark| !added.contains(mark));
            }
            self.exact.clear();
            self.resync_all();
        }
        Ok(())
    }

    /// As the session does it: what was taken back waits again.
    pub(super) fn undo(&mut self) -> Outcome {
        let restore = self.dice.chance(25);
        let newest = self
            .batches
            .iter()
            .rposition(|batch| batch.accept && !batch.claimed.is_empty());
        let any = self.dice.below(self.batches.len());
        let Some(at) = (if self.dice.chance(60) {
            newest
        } else {
            Some(any)
        }) else {
            return Ok(());
        };
        let chosen: Vec<usize> = match restore {
            true => (at..self.batches.len()).rev().collect(),
            false => vec![at],
        };
        let chosen: Vec<usize> = chosen
            .into_iter()
            .filter(|at| self.batches.get(*at).is_some())
            .collect();
        let steps: Vec<Step> = chosen
            .iter()
            .flat_map(|at| {
                self.undone_files(*at, restore)
                    .into_iter()
                    .map(|(step, _)| step)
            })
            .collect();
        let undone = |batch: &Batch| batch.accept && batch.claimed.is_empty();
        if steps.is_empty() || !restore && undone(&self.batches[at]) {
            return Ok(());
        }
        self.say(|| format!("undo {chosen:?}"));
        let way = self.overlay.way_back(&steps);
        self.say(|| format!("refused {:?}", way.refused));
        let mut allowed = Allowed {
            lost: Marks::new(),
            gained: Marks::new(),
        };
        for step in &steps {
            let (a, b) = (
                mark_set(text(step.before.as_ref())),
                mark_set(text(step.after.as_ref())),
            );
            allowed.lost.extend(b.difference(&a).cloned());
            // A word that it had moved, and that went from where it was by another batch.
            allowed.lost.extend(touched(step).1);
            allowed.gained.extend(a);
        }
        // A file that moved back takes along what was typed in it.
        for plan in &way.plans {
            let others = way.plans.iter().filter(|other| other.path != plan.path);
            for other in others {
                let kept = mark_set(text(other.after.as_ref()));
                let here = mark_set(text(plan.before.as_ref()));
                allowed.lost.extend(kept.intersection(&here).cloned());
            }
        }
        if let [at] = chosen[..] {
            self.check_way_back(at, &way)?;
        }
        for plan in &way.plans {
            let users = self.users(plan.from.as_ref().unwrap_or(&plan.path).as_str());
            ensure!(
                ONLY_APPROVED,
                plan.before == users,
                "the way back of `{}`",
                plan.path
            );
        }
        let results = self.carry_out(&way.plans, Some(&allowed))?;
        let mut refused: Vec<String> = way
            .refused
            .iter()
            .map(|(path, _)| path.to_string())
            .collect();
        let mut files = Vec::new();
        for (plan, result) in way.plans.iter().zip(results) {
            if !result {
                refused.push(plan.from.as_ref().unwrap_or(&plan.path).to_string());
                continue;
            }
            for path in [Some(&plan.path), plan.from.as_ref()].into_iter().flatten() {
                self.edited.insert(path.to_string(), self.step);
            }
            let step = Step {
                path: plan.path.clone(),
                from: plan.from.clone(),
                before: plan.before.clone(),
                after: plan.after.clone(),
                mode: None,
            };
            files.push((step, Vec::new()));
        }
        self.exact.clear();
        self.resync_all();
        if !files.is_empty() {
            let claimed = BTreeSet::new();
            self.batches.push(Batch {
                at: self.step,
                accept: false,
                files,
                claimed,
            });
        }
        for at in chosen.into_iter().rev() {
            let done = self.undone_files(at, restore);
            let back = |(step, _): &(Step, _)| !refused.contains(&step.path.to_string());
            for (step, ids) in done.into_iter().filter(back) {
                for id in &ids {
                    self.batches[at].claimed.remove(id);
                }
                if ids.is_empty() || step.from.is_some() {
                    continue;
                }
                let (before, after) = (step.before.as_ref(), step.after.as_ref());
                let back = self.overlay.reinstate(&step.path, before, after, &ids);
                self.say(|| format!("reinstate {ids:?} {back:?}"));
                // Where the user had taken it out already, nothing may wait again.
                let Some(back) = back.ok().filter(|back| !back.is_empty()) else {
                    continue;
                };
                self.back.extend(back);
                self.at_risk.extend(mark_set(text(before)));
                let (_, again) = touched(&step);
                self.rejected.retain(|mark| !again.contains(mark));
                self.deleted.retain(|mark| !again.contains(mark));
            }
        }
        Ok(())
    }

    /// What of a batch is taken back: what is already only together with all that came behind it.
    fn undone_files(&self, at: usize, restore: bool) -> Vec<(Step, Vec<String>)> {
        let batch = &self.batches[at];
        let left = |ids: &[String]| {
            restore || ids.is_empty() || ids.iter().any(|id| batch.claimed.contains(id))
        };
        batch
            .files
            .iter()
            .filter(|(_, ids)| left(ids))
            .cloned()
            .collect()
    }

    /// One batch: its own words go and come, and nothing else does.
    fn check_way_back(&self, at: usize, way: &crate::WayBack) -> Outcome {
        let batch = &self.batches[at];
        for (step, ids) in &batch.files {
            let path = step.path.to_string();
            let taken_back = !ids.iter().all(|id| batch.claimed.contains(id));
            if step.from.is_some() || taken_back {
                continue;
            }
            let plan = way.plans.iter().find(|plan| plan.path == step.path);
            let refused = way.refused.iter().find(|(other, _)| *other == step.path);
            let now = self.users(&path);
            let later = |other: &Batch| {
                let files = &other.files;
                files.iter().any(|(other, _)| {
                    other.path == step.path || other.from.as_ref() == Some(&step.path)
                })
            };
            let edited = self.edited.get(&path).copied().unwrap_or(0);
            let quiet = edited < batch.at && !self.batches[at + 1..].iter().any(later);
            if quiet {
                ensure!(
                    UNDO,
                    refused.is_none(),
                    "nothing was typed in `{path}`: {refused:?}"
                );
                let back = plan.map_or(now.as_ref(), |plan| plan.after.as_ref());
                let bytes = |content: Option<&Content>| content.map(|c| c.bytes().into_owned());
                let bom = |content: &Option<Content>| {
                    matches!(content, Some(Content::Text { bom: true, .. }))
                };
                // A document was saved since, which has no byte-order mark and whose file has.
                let same = match bom(&now) == bom(&step.after) {
                    true => bytes(back) == bytes(step.before.as_ref()),
                    false => back == step.before.as_ref(),
                };
                ensure!(UNDO, same, "`{path}` was {:?} and is {back:?}", step.before);
            }
            if let Some(plan) = plan {
                let (b, a) = (text(step.before.as_ref()), text(step.after.as_ref()));
                let (b, a) = (mark_set(b), mark_set(a));
                let users = now;
                let now = mark_set(text(users.as_ref()));
                let mut expect: Marks = now.difference(&a).cloned().collect();
                expect.extend(now.intersection(&b).cloned());
                // What the user took away meanwhile, or has by now anyway.
                expect.extend(b.difference(&a).cloned());
                let then = mark_set(text(plan.after.as_ref()));
                // What the user took out where the batch had moved it may be back where it was.
                let (taken, brought) = touched(step);
                let least: Marks = expect.difference(&brought).cloned().collect();
                let mut most: Marks = expect.union(&taken).cloned().collect();
                // What is there more often than the batch brought it.
                most.extend(more_marks(text(users.as_ref()), text(step.after.as_ref())));
                ensure!(
                    UNDO,
                    least.is_subset(&then) && then.is_subset(&most),
                    "`{path}` becomes {then:?}, not {expect:?}"
                );
            }
        }
        Ok(())
    }

    pub(super) fn step_once(&mut self, seed: u64) -> Outcome {
        self.step += 1;
        self.dice = super::dice::Dice::new(seed);
        self.back.clear();
        self.remade.clear();
        self.resync.clear();
        let mut users = false;
        match self.dice.below(100) {
            0..=34 => {
                users = true;
                self.user_step();
            }
            35..=64 => self.agent_step(),
            65..=76 => self.accept()?,
            77..=82 => self.reject()?,
            83..=86 => self.amend()?,
            87..=89 => self.split()?,
            90..=92 => self.repropose()?,
            93..=97 => self.undo()?,
            _ => self.restart()?,
        }
        self.check(users)
    }
}

/// Words of the lines that a step took out, and of those that it put in.
fn touched(step: &Step) -> (Marks, Marks) {
    let (old, new) = (text(step.before.as_ref()), text(step.after.as_ref()));
    let (old, new) = (split(old), split(new));
    let (mut taken, mut brought) = (Marks::new(), Marks::new());
    for change in changes(&old, &new) {
        taken.extend(mark_set(&old[change.old].concat()));
        brought.extend(mark_set(&new[change.new].concat()));
    }
    (taken, brought)
}

fn is_edit(plan: &FilePlan) -> bool {
    let stays = plan.from.is_none() && matches!(plan.after, Some(Content::Text { .. }));
    stays && matches!(plan.live, Live::Buffer { .. })
}
