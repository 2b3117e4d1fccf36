//! Tool calls: one or two in flight, that read first or not, and never take away what the user typed
//! but openly.

use super::text::{Author, mark_set};
use super::world::{Marks, PATHS, World};
use crate::{Call, Content};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{Hunk, HunkState};
use std::collections::{BTreeMap, BTreeSet};

/// A tool call that is not over.
pub(super) struct Running {
    call: Call,
    began: u64,
    read: BTreeMap<String, Vec<u8>>,
    /// Files as the call leaves them.
    left: BTreeMap<String, Option<Vec<u8>>>,
    moved: BTreeSet<String>,
    /// Written without having been read in this call.
    blind: BTreeSet<String>,
    /// What the user typed and the call takes away.
    at_risk: Marks,
    /// Words of lines that the call writes anew.
    anew: Marks,
    /// Words that it takes to another file.
    copied: Marks,
}

impl Running {
    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        let bytes = self.call.read(path, u64::MAX).ok()?;
        self.read.insert(path.to_owned(), bytes.clone());
        Some(bytes)
    }
}

impl World {
    pub(super) fn agent_step(&mut self) {
        let begin = self.calls.is_empty() || self.calls.len() < 2 && self.dice.chance(30);
        if begin {
            self.calls_begun += 1;
            let group = format!("c{}", self.calls_begun);
            let call = self.overlay.begin(&group);
            self.calls.push(Running {
                call,
                began: self.step,
                read: BTreeMap::new(),
                left: BTreeMap::new(),
                moved: BTreeSet::new(),
                blind: BTreeSet::new(),
                at_risk: Marks::new(),
                anew: Marks::new(),
                copied: Marks::new(),
            });
        }
        let at = self.dice.below(self.calls.len());
        let mut running = self.calls.swap_remove(at);
        for _ in 0..=self.dice.below(3) {
            self.agent_does(&mut running);
        }
        match self.dice.below(10) {
            0..=6 => self.commit(running),
            7 => self.say(|| "dropped".to_owned()),
            _ => self.calls.push(running),
        }
    }

    fn agent_does(&mut self, running: &mut Running) {
        let path = PATHS[self.dice.below(PATHS.len())];
        let choice = self.dice.below(100);
        match choice {
            0..=9 => {
                running.read(path);
                self.say(|| format!("read {path}"));
            }
            10..=22 if self.known.contains_key(path) && self.untouched(path, running) => {
                let bytes = self.known[path].clone();
                if let Content::Text { text, bom } = Content::from_bytes(bytes) {
                    let text = self.writer(Author::Agent).edit(&text);
                    running.blind.insert(path.to_owned());
                    self.write(running, path, with_bom(&text, bom).into_bytes());
                }
            }
            23..=28 => self.agent_removes(running, path),
            29..=34 => self.agent_moves(running, path),
            _ => self.agent_edits(running, path),
        }
    }

    /// Whether no proposal has the file, so that what was read is the base of what is written.
    fn untouched(&self, path: &str, running: &Running) -> bool {
        let proposed = |file: &boxagnts_protocol::proposal::FileProposal| {
            file.path == path || file.from.as_deref() == Some(path)
        };
        let left = running.left.contains_key(path) || running.read.contains_key(path);
        !left && !self.listed.iter().any(proposed)
    }

    fn agent_edits(&mut self, running: &mut Running, path: &str) {
        match running.read(path).map(Content::from_bytes) {
            Some(Content::Text { text, bom }) => {
                if self.dice.chance(3) {
                    running.at_risk.extend(mark_set(&text));
                    running.at_risk.extend(self.users_marks(path));
                    self.write(running, path, vec![0, 1, 2]);
                    return;
                }
                let text = self.writer(Author::Agent).edit(&text);
                self.write(running, path, with_bom(&text, bom).into_bytes());
            }
            Some(Content::Binary(_)) => {
                let bytes = match self.dice.chance(50) {
                    true => vec![0, u8::try_from(self.dice.below(256)).unwrap_or(0)],
                    false => self.writer(Author::Agent).text("\n").into_bytes(),
                };
                self.write(running, path, bytes);
            }
            None => {
                let users = self.users(path);
                let text = match users.as_ref().and_then(Content::text) {
                    Some(text) if self.dice.chance(50) => self.writer(Author::Agent).edit(text),
                    _ => self.writer(Author::Agent).text("\n"),
                };
                let kept = mark_set(&text);
                let gone = self
                    .users_marks(path)
                    .difference(&kept)
                    .cloned()
                    .collect::<Marks>();
                running.at_risk.extend(gone);
                running.copied.extend(kept);
                self.write(running, path, text.into_bytes());
            }
        }
    }

    fn write(&mut self, running: &mut Running, path: &str, bytes: Vec<u8>) {
        // A line that the agent writes anew may have words that the user took away meanwhile.
        let earlier = self
            .known
            .get(path)
            .filter(|_| running.blind.contains(path));
        let known = running
            .read
            .get(path)
            .or(earlier)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let text = String::from_utf8_lossy(&bytes);
        let known = known.unwrap_or_default();
        // Nor has a line that is as it was before the proposal.
        let base = WorkspacePath::parse(path).ok().and_then(|path| {
            let state = self.overlay.lock();
            state.changes.get(&path)?.base.clone()
        });
        let base = base.as_ref().and_then(Content::text).unwrap_or_default();
        let lines: std::collections::HashSet<&str> = known.lines().chain(base.lines()).collect();
        for line in text.lines().filter(|line| !lines.contains(line)) {
            running.anew.extend(mark_set(line));
        }
        let done = running.call.write(path, bytes.clone());
        self.say(|| {
            format!(
                "write {path} {:?} {}",
                String::from_utf8_lossy(&bytes),
                done.is_ok()
            )
        });
        if done.is_ok() {
            running.left.insert(path.to_owned(), Some(bytes));
        }
    }

    fn agent_removes(&mut self, running: &mut Running, path: &str) {
        let content = running.read(path).map(Content::from_bytes);
        if running.call.remove(path).is_ok() {
            self.say(|| format!("remove {path}"));
            let text = content.as_ref().and_then(Content::text).unwrap_or_default();
            running.at_risk.extend(mark_set(text));
            running.at_risk.extend(self.users_marks(path));
            running.left.insert(path.to_owned(), None);
        }
    }

    fn agent_moves(&mut self, running: &mut Running, path: &str) {
        let to = PATHS[self.dice.below(PATHS.len())];
        let content = running.read(path);
        if running.call.rename(path, to).is_ok() {
            self.say(|| format!("rename {path} {to}"));
            // It may stand where the user has another file, which an earlier call removed.
            running.at_risk.extend(self.users_marks(to));
            running.at_risk.extend(self.users_marks(path));
            let text = content
                .as_deref()
                .map(String::from_utf8_lossy)
                .unwrap_or_default();
            running.at_risk.extend(mark_set(&text));
            running.copied.extend(mark_set(&text));
            running.left.insert(path.to_owned(), None);
            running.left.insert(to.to_owned(), content);
            running.moved.extend([path.to_owned(), to.to_owned()]);
        }
    }

    fn commit(&mut self, running: Running) {
        let Running {
            call,
            began,
            read,
            left,
            moved,
            blind,
            at_risk,
            anew,
            copied,
        } = running;
        // Where the overlay remembers another text, it may be what the model wrote on.
        let remembered: Vec<String> = {
            let state = self.overlay.lock();
            let parsed = left
                .keys()
                .filter_map(|path| WorkspacePath::parse(path).ok());
            let other = parsed.filter(|path| {
                let seen = state.seen.get(path);
                seen.is_some_and(|seen| *seen != self.below(path.as_str()))
            });
            other.map(|path| path.to_string()).collect()
        };
        let done = call.commit();
        self.say(|| format!("commit {}", done.is_ok()));
        if done.is_err() {
            return;
        }
        self.at_risk.extend(at_risk);
        self.copied.extend(copied);
        // Words that the user took out and a line has that the agent writes anew may come, or not.
        let deleted = self.deleted.clone();
        self.deleted.retain(|mark| !anew.contains(mark));
        let sources: Vec<String> = self
            .listed
            .iter()
            .filter_map(|file| file.from.clone())
            .collect();
        for path in &moved {
            self.exact.remove(path);
        }
        for (path, bytes) in &left {
            let content = bytes.clone().map(Content::from_bytes);
            let text = content.as_ref().and_then(Content::text).unwrap_or_default();
            let marks = mark_set(text);
            self.rejected.retain(|mark| !marks.contains(mark));
            let marks = marks.into_iter().filter(|mark| !mark.starts_with('u'));
            let gone = |mark: &String| deleted.contains(mark) || self.gone.contains(mark);
            let marks = marks.filter(|mark| !gone(mark)).collect();
            self.proposed.insert(path.clone(), marks);
            // What the user took out while the call ran is no news of the model: what counts is
            // what is proposed by now.
            if self.edited.get(path).is_some_and(|at| *at >= began) {
                self.resync.insert(path.clone());
            }

            let moves = moved.contains(path) || sources.contains(path);
            let waits = self.listed.iter().any(|file| file.path == *path);
            let edited = self.edited.get(path).copied().unwrap_or(0);
            let applied = self.applied.get(path).copied().unwrap_or(0);
            let known = self.seen_since.get(path).copied().unwrap_or(u64::MAX);
            let fresh = !waits
                && !remembered.contains(path)
                && !blind.contains(path)
                && edited < began.min(known)
                && applied < began.min(known)
                && self.users(path) == self.below(path);
            self.seen_since.entry(path.clone()).or_insert(began);
            // The model knows what it wrote.
            self.known.remove(path);
            match !moves && (fresh || waits && self.exact.contains_key(path)) {
                true => drop(self.exact.insert(path.clone(), content)),
                false => drop(self.exact.remove(path)),
            }
        }
        for (path, bytes) in read {
            if !left.contains_key(&path) {
                self.known.insert(path.clone(), bytes);
                // What is proposed there was not made on what the user has.
                let file = self.listed.iter().find(|file| file.path == path);
                let hunks = file.map(|file| &file.hunks[..]).unwrap_or_default();
                let conflicts = |hunk: &Hunk| hunk.state == HunkState::Conflicted;
                let of_now = !hunks.iter().any(conflicts);
                self.seen_since.insert(path, if of_now { began } else { 0 });
            }
        }
    }
}

fn with_bom(text: &str, bom: bool) -> String {
    if bom {
        format!("\u{feff}{text}")
    } else {
        text.to_owned()
    }
}
