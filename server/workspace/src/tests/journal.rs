//! A proposal goes into the journal and comes back.

use super::*;
use boxagnts_protocol::update::ProposedDiff;

/// What a journal of the deltas would hold.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) version: u64,
    files: BTreeMap<String, ProposedDiff>,
    last_hunk: u64,
}

impl Journal {
    pub(super) fn hear(&mut self, overlay: &Overlay) -> ProposalDelta {
        let delta = overlay.delta(self.version);
        (self.version, self.last_hunk) = (delta.version, delta.last_hunk);
        for file in &delta.changed {
            let known = self.files.remove(&file.path).and_then(|known| known.base);
            let base = file.base.clone().or(known);
            self.files.insert(
                file.path.clone(),
                ProposedDiff {
                    base,
                    ..file.clone()
                },
            );
        }
        delta
    }

    pub(super) fn restore(&self, overlay: &Overlay) -> Vec<String> {
        let files = self.files.values().filter(|file| !file.diff.is_empty());
        overlay.restore(files, self.last_hunk)
    }
}

#[test]
fn a_proposal_comes_back_from_its_journal() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n//- old\nx\n//- gone\nx\n");
    put(f.folder.path(), "bin", b"\0one");
    let mut call = f.call();
    call.write("a.txt", b"1\ntwo\n3\n".to_vec()).unwrap();
    call.write("new", b"n\n".to_vec()).unwrap();
    call.write("bin", b"\0two".to_vec()).unwrap();
    call.rename("old", "moved").unwrap();
    call.remove("gone").unwrap();
    call.commit().unwrap();
    let mut journal = Journal::default();
    journal.hear(&f.overlay);
    let again = f.overlay.another();
    assert_eq!(journal.restore(&again), Vec::<String>::new());
    assert_eq!(shown(&again), shown(&f.overlay));
    assert_eq!(again.diff(), f.overlay.diff());
    // Ids are never used twice, not even when nothing waits.
    let empty = f.overlay.another();
    assert_eq!(empty.restore([], 7), Vec::<String>::new());
    assert_eq!(empty.delta(0).last_hunk, 7);
    // Binary content must still be what it was.
    put(f.folder.path(), "bin", b"\0six");
    let third = f.overlay.another();
    assert_eq!(journal.restore(&third).len(), 1);
    // What was told to be gone does not come back when the file does.
    put(f.folder.path(), "bin", b"\0one");
    journal.version = 0;
    journal.hear(&third);
    let fourth = f.overlay.another();
    assert_eq!(journal.restore(&fourth), Vec::<String>::new());
    assert_eq!(shown(&fourth), shown(&third));
}

#[test]
fn what_comes_back_is_merged_with_what_the_user_did_meanwhile() {
    let block = "begin\na\nb\nvalue = 1\nc\nd\nend\n";
    let f = Fixture::new(&format!("//- a.txt\nhead\n{block}{block}{block}tail\n"));
    let before = f.read("a.txt").unwrap();
    // The second of three blocks that look alike.
    let at = before.match_indices("value = 1").nth(1).unwrap().0;
    let after = format!("{}value = 2{}", &before[..at], &before[at + 9..]);
    f.write("a.txt", &after);
    let mut journal = Journal::default();
    journal.hear(&f.overlay);
    // The user puts another block before them, which is nearly alike.
    let more = format!("head\n{}", block.replace("begin", "user"));
    let typed = before.replace("head\n", &more);
    put(f.folder.path(), "a.txt", typed.as_bytes());
    let again = Fixture {
        overlay: f.overlay.another(),
        ..f
    };
    assert_eq!(journal.restore(&again.overlay), Vec::<String>::new());
    assert_eq!(again.accept(&Selection::All), Vec::<String>::new());
    let wanted = after.replace("head\n", &more);
    assert_eq!(
        std::fs::read_to_string(again.folder.path().join("a.txt")).unwrap(),
        wanted
    );

    // A change at the same place conflicts, and takes no other hunk with it.
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n5\n");
    f.write("a.txt", "one\n2\n3\n4\nfive\n");
    let mut journal = Journal::default();
    journal.hear(&f.overlay);
    put(f.folder.path(), "a.txt", b"uno\n2\n3\n4\n5\n");
    let again = f.overlay.another();
    journal.restore(&again);
    let states: Vec<_> = again
        .proposal()
        .remove(0)
        .hunks
        .iter()
        .map(|hunk| hunk.state)
        .collect();
    assert_eq!(states, [HunkState::Conflicted, HunkState::Pending]);
}

/// One step of a session: a tool's operation, or a decision on everything in a file.
#[derive(Debug, Clone)]
enum Step {
    Write(&'static str, String),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Accept(&'static str),
    Reject(&'static str),
    Type(&'static str, String),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(vec!["a", "b", "c", "d/e"]);
    prop_oneof![
        (path(), text()).prop_map(|(path, text)| Step::Write(path, text)),
        path().prop_map(Step::Remove),
        (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        path().prop_map(Step::Accept),
        path().prop_map(Step::Reject),
        (path(), text()).prop_map(|(path, text)| Step::Type(path, text)),
    ]
}

proptest! {
    /// What a journal keeps is what the overlay has.
    #[test]
    fn what_is_journalled_is_the_proposal(steps in prop::collection::vec(step(), 1..12)) {
        let f = Fixture::new("//- a\n1\n2\n//- b\nx\ny\n");
        let mut journal = Journal::default();
        for step in steps {
            let mut call = f.call();
            let done = match &step {
                Step::Write(path, text) => call.write(path, text.clone().into_bytes()).is_ok(),
                Step::Remove(path) => call.remove(path).is_ok(),
                Step::Rename(from, to) => call.rename(from, to).is_ok(),
                _ => false,
            };
            if done {
                call.commit().unwrap();
            }
            match step {
                Step::Accept(path) => {
                    let selection = Selection::Files(vec![path.to_owned()]);
                    for plan in f.overlay.plan(&selection).unwrap_or_default() {
                        if apply_to_disk(&f.overlay, &plan).is_ok() {
                            f.overlay.accepted(&plan);
                        }
                    }
                }
                Step::Reject(path) => {
                    let _ = f.overlay.reject(&Selection::Files(vec![path.to_owned()]));
                }
                Step::Type(path, text) => f.editor.show(path, &text, true),
                _ => {}
            }
            let delta = journal.hear(&f.overlay);
            let again = f.overlay.another();
            prop_assert_eq!(journal.restore(&again), Vec::<String>::new());
            prop_assert_eq!(shown(&again), shown(&f.overlay));
            let hunks: Vec<_> = f.overlay.proposal().into_iter().flat_map(|file| file.hunks).collect();
            let count = |state| hunks.iter().filter(|hunk| hunk.state == state).count() as u64;
            prop_assert_eq!(delta.pending, count(HunkState::Pending));
            prop_assert_eq!(delta.conflicted, count(HunkState::Conflicted));
        }
    }
}
