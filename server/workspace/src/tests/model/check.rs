//! The invariants of `INVARIANTS.md`, by name.

use super::super::shown;
use super::text::{mark_set, more_marks, with_edits};
use super::world::{Marks, Outcome, PATHS, World, ensure};
use crate::{Content, FilePlan, PageQuery, Selection};
use boxagnts_protocol::proposal::{FileProposal, Hunk, HunkState};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const TYPING_STAYS: &str = "typing-stays";
pub(super) const DELETED_STAYS: &str = "deleted-stays-deleted";
pub(super) const ONLY_APPROVED: &str = "only-approved-bytes";
pub(super) const ALL_IS_THE_MERGE: &str = "all-is-the-merge";
pub(super) const UNDO: &str = "undo-is-exact";
pub(super) const IDS: &str = "ids-are-stable";
pub(super) const RESTART: &str = "a-restart-shows-the-same";
pub(super) const HUNKS_LEAD: &str = "hunks-lead-to-the-proposal";
pub(super) const COUNTS: &str = "counts-agree";
pub(super) const LOOKS: &str = "looks-are-exact";

pub(super) const ALL: [&str; 10] = [
    TYPING_STAYS,
    DELETED_STAYS,
    ONLY_APPROVED,
    ALL_IS_THE_MERGE,
    UNDO,
    IDS,
    RESTART,
    HUNKS_LEAD,
    COUNTS,
    LOOKS,
];

/// What waits, and whether it conflicts.
fn states(files: &[FileProposal]) -> BTreeMap<String, bool> {
    let hunks = files.iter().flat_map(|file| &file.hunks);
    hunks
        .map(|hunk| (hunk.id.clone(), hunk.state == HunkState::Conflicted))
        .collect()
}

impl World {
    /// Everything, behind a step; `users` tells that it was one of the user's.
    pub(super) fn check(&mut self, users: bool) -> Outcome {
        self.check_disk()?;
        let look = self.overlay.look(self.looked);
        let delta = self.journal.hear(&self.overlay);
        let query = PageQuery {
            waiting: true,
            ..PageQuery::default()
        };
        let page = self.overlay.page(&query);

        // Who looks at a proposal that came back has seen nothing of it.
        let seen = if self.looked == 0 {
            &[][..]
        } else {
            &self.listed
        };
        let (was, is) = (states(seen), states(&page.files));
        match look {
            Some(version) => {
                self.looked = version;
                ensure!(LOOKS, !users || was != is, "the same waits: {is:?}");
            }
            None => ensure!(LOOKS, was == is, "not told: {was:?} became {is:?}"),
        }
        let hunks = page.files.iter().flat_map(|file| &file.hunks);
        let odd = hunks
            .clone()
            .find(|hunk| !matches!(hunk.state, HunkState::Pending | HunkState::Conflicted));
        ensure!(COUNTS, odd.is_none(), "it waits, and is decided: {odd:?}");
        let conflicted = is.values().filter(|conflicts| **conflicts).count() as u64;
        let pending = is.len() as u64 - conflicted;
        let files = page
            .files
            .iter()
            .filter(|file| !file.hunks.is_empty())
            .count() as u64;
        let listed = (files, pending, conflicted);
        let told = (delta.files, delta.pending, delta.conflicted);
        ensure!(
            COUNTS,
            told == listed,
            "a delta says {told:?}, listed are {listed:?}"
        );
        let told = (page.waiting_files, page.pending, page.conflicted);
        ensure!(
            COUNTS,
            told == listed,
            "a page says {told:?}, listed are {listed:?}"
        );

        self.check_ids(&page.files, users)?;
        // What an agent writes into a hunk that conflicts makes others of it.
        let hunks = self.listed.iter().flat_map(|file| &file.hunks);
        let conflicted = hunks.filter(|hunk| hunk.state == HunkState::Conflicted);
        for hunk in conflicted.filter(|hunk| !is.contains_key(&hunk.id)) {
            let taken = more_marks(&hunk.new_text, &hunk.old_text);
            self.deleted.retain(|mark| !taken.contains(mark));
        }
        // A line that the agent moves goes by one hunk and comes by another one.
        for file in &page.files {
            let new: Marks = file
                .hunks
                .iter()
                .flat_map(|hunk| mark_set(&hunk.new_text))
                .collect();
            for hunk in &file.hunks {
                let gone = more_marks(&hunk.old_text, &hunk.new_text);
                let moved: Marks = gone.intersection(&new).cloned().collect();
                // One of the two may be accepted, and gone with text that the user does not keep.
                if let Some(proposed) = self.proposed.get_mut(&file.path) {
                    proposed.retain(|mark| !moved.contains(mark));
                }
                self.at_risk.extend(moved);
            }
        }
        self.listed = page.files;
        let plans = self
            .overlay
            .plan(&Selection::All)
            .map_err(|error| error.to_string())?;
        for plan in &plans {
            self.check_plan(plan)?;
        }
        for file in &self.listed {
            let planned = plans.iter().any(|plan| plan.path.as_str() == file.path);
            ensure!(HUNKS_LEAD, planned, "no plan for `{}`", file.path);
        }
        self.check_proposed(&plans)?;
        if self.dice.chance(8) {
            self.check_restart()?;
        }
        self.check_disk()
    }

    /// The disk is what the user, and accepted plans, made of it.
    fn check_disk(&self) -> Outcome {
        for path in PATHS {
            let found = std::fs::read(self.at(path)).ok();
            let expect = self.disk.get(path);
            ensure!(
                ONLY_APPROVED,
                found.as_ref() == expect,
                "`{path}` should be {expect:?} and is {found:?}"
            );
        }
        Ok(())
    }

    fn check_ids(&mut self, files: &[FileProposal], users: bool) -> Outcome {
        let was: BTreeSet<&String> = self
            .listed
            .iter()
            .flat_map(|file| &file.hunks)
            .map(|hunk| &hunk.id)
            .collect();
        let mut listed: BTreeSet<&String> = BTreeSet::new();
        for file in files {
            for hunk in &file.hunks {
                ensure!(IDS, listed.insert(&hunk.id), "`{}` waits twice", hunk.id);
                let says = (
                    more_marks(&hunk.new_text, &hunk.old_text),
                    more_marks(&hunk.old_text, &hunk.new_text),
                );
                let known = self.ids.get(&hunk.id);
                // An undo may bring back what it was before it was amended.
                let back = self.back.contains(&hunk.id) && self.amended.contains(&hunk.id);
                let remade = self.remade.contains(&hunk.id) || back;
                if let Some(known) = known {
                    let here = was.contains(&hunk.id) || self.back.contains(&hunk.id);
                    ensure!(IDS, here, "`{}` was gone and is used again", hunk.id);
                    // After a restart only the order of a batch's hunks is known.
                    let unsaid = self.back.contains(&hunk.id) && self.restarted.contains(&hunk.id);
                    ensure!(
                        IDS,
                        remade || unsaid || *known == says,
                        "`{}` said {known:?} and says {says:?}: {hunk:?}",
                        hunk.id
                    );
                }
                let before = self.listed.iter().find(|before| before.path == file.path);
                let before = before.and_then(|b| b.hunks.iter().find(|b| b.id == hunk.id));
                let edited = self.edited.get(&file.path) == Some(&self.step) || users;
                if let Some(before) = before
                    && !edited
                    && !remade
                    // Another hunk of the file, amended or brought back, may bring the end of a line.
                    && self.remade.is_empty()
                    && self.back.is_empty()
                    && file.from.is_none()
                    && before.state == HunkState::Pending
                    && hunk.state == HunkState::Pending
                {
                    ensure!(
                        IDS,
                        (&before.old_text, &before.new_text) == (&hunk.old_text, &hunk.new_text),
                        "`{}` was {before:?} and is {hunk:?}",
                        hunk.id
                    );
                }
                self.ids.insert(hunk.id.clone(), says);
            }
        }
        Ok(())
    }

    /// A plan is what its hunks, as they are listed, make of the user's file.
    pub(super) fn check_plan(&self, plan: &FilePlan) -> Outcome {
        let path = plan.path.to_string();
        let source = plan
            .from
            .as_ref()
            .map_or_else(|| path.clone(), ToString::to_string);
        let users = self.users(&source);
        let moves_first = self
            .listed
            .iter()
            .any(|file| file.path == path && file.from.is_some());
        if moves_first && plan.from.is_none() {
            ensure!(
                HUNKS_LEAD,
                plan.hunks.is_empty(),
                "a file that is not there: {plan:?}"
            );
            return Ok(());
        }
        ensure!(
            HUNKS_LEAD,
            plan.before == users,
            "the plan for `{path}` is of another text"
        );
        let Some(file) = self.listed.iter().find(|file| file.path == path) else {
            return Err(format!(
                "{HUNKS_LEAD}: a plan for `{path}`, which is not listed"
            ));
        };
        let lines: Vec<&Hunk> = file
            .hunks
            .iter()
            .filter(|hunk| hunk.note.is_none())
            .collect();
        let lines: Vec<&Hunk> = if path.is_empty() { Vec::new() } else { lines };
        let Some(text) = users.as_ref().and_then(Content::text) else {
            return Ok(());
        };
        let whole = file.hunks.iter().any(|hunk| hunk.note.is_some());
        let text_after = plan
            .after
            .as_ref()
            .is_some_and(|after| after.text().is_some());
        if whole && (file.from.is_none() || !text_after) {
            return Ok(());
        }
        for hunk in &lines {
            let start = super::text::offset(text, hunk.range.start);
            let end = super::text::offset(text, hunk.range.end);
            let there = start.zip(end).and_then(|(start, end)| text.get(start..end));
            let expect = match hunk.state {
                HunkState::Conflicted => hunk.live_text.as_deref(),
                _ => Some(hunk.old_text.as_str()),
            };
            ensure!(
                HUNKS_LEAD,
                there == expect,
                "in {text:?} stands {there:?}: {hunk:?}"
            );
        }
        let pending: Vec<&&Hunk> = lines
            .iter()
            .filter(|hunk| hunk.state == HunkState::Pending)
            .collect();
        for pair in pending.windows(2) {
            ensure!(
                HUNKS_LEAD,
                pair[0].range.end <= pair[1].range.start,
                "overlap: {pair:?}"
            );
        }
        let applied = pending
            .into_iter()
            .filter(|hunk| plan.hunks.contains(&hunk.id));
        let edits = applied.map(|hunk| (hunk.range, hunk.new_text.as_str()));
        let expect = with_edits(text, edits);
        let after = plan.after.as_ref().and_then(Content::text);
        ensure!(
            HUNKS_LEAD,
            after == expect.as_deref(),
            "the hunks of `{path}` make {expect:?} of {text:?}, the plan {after:?}"
        );
        Ok(())
    }

    /// What the agent proposed, and nobody turned down, is proposed still.
    fn check_proposed(&mut self, plans: &[FilePlan]) -> Outcome {
        let plan_of = |path: &str| plans.iter().find(|plan| plan.path.as_str() == path);
        for path in PATHS {
            let mut moves = self.listed.iter();
            let moves_away = moves.any(|file| file.from.as_deref() == Some(path));
            let then = match plan_of(path) {
                Some(plan) => plan.after.clone(),
                None => self.users(path).filter(|_| !moves_away),
            };
            let file = self.listed.iter().find(|file| file.path == path);
            let mut there = then
                .as_ref()
                .and_then(Content::text)
                .map(mark_set)
                .unwrap_or_default();
            let hunks = file.map(|file| &file.hunks[..]).unwrap_or_default();
            // While something conflicts, what the user has there is no part of what is proposed.
            let mut agents = None;
            if hunks.iter().any(|hunk| hunk.state == HunkState::Conflicted) {
                let proposed = self
                    .overlay
                    .begin("looks")
                    .read(path, u64::MAX)
                    .unwrap_or_default();
                let proposed = mark_set(&String::from_utf8_lossy(&proposed));
                // What was taken back from the user's text may be in the base until all merges again.
                let mut own: Marks = self.users_marks(path);
                own.extend(
                    hunks
                        .iter()
                        .flat_map(|hunk| more_marks(&hunk.new_text, &hunk.old_text)),
                );
                agents = Some(proposed.intersection(&own).cloned().collect());
                there.extend(proposed);
            }
            if self.resync.contains(path) {
                let mut there = agents.unwrap_or(there);
                there.retain(|mark| !mark.starts_with('u'));
                self.proposed.insert(path.to_owned(), there);
                continue;
            }
            let wanted = self.proposed.get(path).cloned().unwrap_or_default();
            let lost: Vec<&String> = wanted.difference(&there).collect();
            ensure!(
                ALL_IS_THE_MERGE,
                lost.is_empty(),
                "lost from `{path}`: {lost:?} were proposed; it comes to {then:?}"
            );
        }
        for (path, expect) in &self.exact {
            let then = match plan_of(path) {
                Some(plan) => plan.after.clone(),
                None => self.users(path),
            };
            ensure!(
                ALL_IS_THE_MERGE,
                then == *expect,
                "not exact in `{path}`: {expect:?} was proposed; it comes to {then:?}"
            );
        }
        Ok(())
    }

    /// What the journal has makes the same proposal.
    fn check_restart(&mut self) -> Outcome {
        let again = self.overlay.another();
        let lost = self.journal.restore(&again);
        let (mut was, is) = (shown(&self.overlay), shown(&again));
        if !lost.is_empty() {
            // Binary files must be what they were.
            let said = |line: &String| {
                let path = line.split(' ').nth(1).unwrap_or_default();
                lost.iter()
                    .any(|said| said.contains(&format!("`{path}`")) && said.contains("binary"))
            };
            was.retain(|line| !said(line));
        }
        ensure!(RESTART, was == is, "{was:#?} became {is:#?}, lost {lost:?}");
        Ok(())
    }
}
