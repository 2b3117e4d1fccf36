//! Decisions, and how they reach the user's files: as the session and its appliers do it, with
//! editors that are honest, that refuse, and that are late.

use super::check::HUNKS_LEAD;
use super::text::mark_set;
use super::world::{Batch, Marks, Outcome, World, ensure};
use crate::{FilePlan, Selection, Step, mode_on_disk};
use boxagnts_protocol::proposal::{Hunk, HunkState};

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
