//! Batches that are taken back.

use super::carry::{Allowed, text};
use super::check::{ONLY_APPROVED, UNDO};
use super::text::{mark_set, more_marks};
use super::world::{Batch, Marks, Outcome, World, ensure};
use crate::lines::split;
use crate::merge::changes;
use crate::{Content, Step};
use std::collections::BTreeSet;

impl World {
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
