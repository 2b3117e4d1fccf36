//! The overlay from a tool's call to the user's file, over real folders.

mod back;
mod calls;
mod decisions;
mod fork;
mod git;
mod journal;
mod model;
mod remade;
mod worktree;

use crate::*;
use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::{FileProposal, HunkState};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Documents that a test opens and types in.
#[derive(Default)]
struct Editor(Mutex<BTreeMap<String, Buffer>>);

impl Editor {
    fn show(&self, path: &str, text: &str, dirty: bool) {
        let mut open = self.0.lock().unwrap();
        let version = open.get(path).map_or(1, |buffer| buffer.version + 1);
        open.insert(
            path.to_owned(),
            Buffer {
                text: text.into(),
                version,
                dirty,
            },
        );
    }
}

impl Buffers for Editor {
    fn get(&self, path: &WorkspacePath) -> Option<Buffer> {
        self.0.lock().unwrap().get(path.as_str()).cloned()
    }

    fn open_paths(&self) -> Vec<WorkspacePath> {
        let open = self.0.lock().unwrap();
        open.keys()
            .map(|path| WorkspacePath::parse(path).unwrap())
            .collect()
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    editor: Arc<Editor>,
    overlay: Arc<Overlay>,
}

impl Fixture {
    /// A tree from `//- path` sections.
    fn new(fixture: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        for section in fixture
            .split("//- ")
            .filter(|section| !section.trim().is_empty())
        {
            let (path, text) = section.split_once('\n').unwrap();
            put(folder.path(), path, text.as_bytes());
        }
        let editor = Arc::<Editor>::default();
        let overlay = Overlay::open(
            folder.path(),
            &Mounts::none(),
            Arc::clone(&editor) as Arc<dyn Buffers>,
        )
        .unwrap();
        Fixture {
            folder,
            editor,
            overlay,
        }
    }

    fn call(&self) -> Call {
        self.overlay.begin("call_1")
    }

    fn write(&self, path: &str, text: &str) {
        let mut call = self.call();
        call.write(path, text.as_bytes().to_vec()).unwrap();
        call.commit().unwrap();
    }

    fn read(&self, path: &str) -> Result<String, FsErrorCode> {
        let bytes = self
            .call()
            .read(path, u64::MAX)
            .map_err(|error| error.code)?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    fn on_disk(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(path)).ok()
    }

    fn accept(&self, selection: &Selection) -> Vec<String> {
        let mut problems = Vec::new();
        for plan in self.overlay.plan(selection).unwrap() {
            problems.extend(
                plan.refused
                    .iter()
                    .filter_map(|status| status.reason.clone()),
            );
            if plan.hunks.is_empty() {
                continue;
            }
            match apply_to_disk(&self.overlay, &plan) {
                Ok(()) => self.overlay.accepted(&plan),
                Err(error) => problems.push(error.to_string()),
            }
        }
        problems
    }

    fn walk(&self) -> Vec<String> {
        let mut call = self.call();
        let mut walk = call.walk(".").unwrap();
        let mut all = Vec::new();
        loop {
            let some = call.walk_next(&mut walk, 2).unwrap();
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// `path id state old>new` of every hunk.
    fn hunks(&self) -> Vec<String> {
        let show = |file: FileProposal| {
            let path = file.path;
            let line = move |hunk: boxagnts_protocol::proposal::Hunk| {
                let state = match hunk.state {
                    HunkState::Pending => "pending",
                    HunkState::Accepted => "accepted",
                    HunkState::Rejected => "rejected",
                    HunkState::Conflicted => "conflicted",
                };
                let at = hunk.range.start.line;
                let (old, new) = (
                    hunk.old_text.replace('\n', "/"),
                    hunk.new_text.replace('\n', "/"),
                );
                format!("{path}:{at} {} {state} {old}>{new}", hunk.id)
            };
            file.hunks.into_iter().map(line)
        };
        self.overlay.proposal().into_iter().flat_map(show).collect()
    }
}

fn put(folder: &Path, path: &str, bytes: &[u8]) {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}

fn ids(ids: &[&str]) -> Selection {
    Selection::Hunks(ids.iter().map(|id| (*id).to_owned()).collect())
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{0,2}\n", 0..8).prop_map(|lines| lines.concat())
}

/// Files with what is proposed for them.
fn shown(overlay: &Overlay) -> Vec<String> {
    let mut shown = Vec::new();
    for file in overlay.proposal() {
        for hunk in file.hunks {
            if matches!(hunk.state, HunkState::Pending | HunkState::Conflicted) {
                let (state, range) = (hunk.state, hunk.range.start.line);
                let texts = (&hunk.old_text, &hunk.new_text, &hunk.note);
                shown.push(format!(
                    "{} {} {:?} {:?} {state:?} {range} {texts:?}",
                    hunk.id, file.path, file.from, hunk.group
                ));
            }
        }
    }
    shown
}
