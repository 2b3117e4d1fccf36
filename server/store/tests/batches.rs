//! Batches over the public interface: what comes back, who may have a hunk, who recovers what a
//! killed process left, and what pruning keeps.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used)]

use boxagnts_protocol::proposal::ChangeKind;
use boxagnts_store::{
    BatchFile, BatchId, BatchKind, BatchState, Claim, NewBatch, Pruned, Store, StoreError,
};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Barrier;

/// A journal with one session in `/w`.
struct Journal {
    path: PathBuf,
    session: String,
    folder: tempfile::TempDir,
}

impl Journal {
    fn new() -> (Journal, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).unwrap();
        let session = store.create_session("/w", "m").unwrap();
        let journal = Journal {
            path,
            session,
            folder,
        };
        (journal, store)
    }

    fn open(&self) -> Store {
        Store::open(&self.path).unwrap()
    }

    /// What another program sees in the file.
    fn look(&self, sql: &str) -> i64 {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn change(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// How many stores have shown others that they live.
    fn owners(&self) -> usize {
        let folder = self.folder.path().join("journal.db-owners");
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

fn file<'a>(
    path: &str,
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    hunks: &[&str],
) -> BatchFile<'a> {
    BatchFile {
        path: path.to_owned(),
        before: before.map(Cow::Borrowed),
        after: after.map(Cow::Borrowed),
        hunks: hunks.iter().map(|hunk| (*hunk).to_owned()).collect(),
        ..BatchFile::default()
    }
}

fn begin(store: &Store, session: &str, files: &[BatchFile<'_>]) -> Result<BatchId, StoreError> {
    store.begin_batch(&NewBatch {
        session,
        kind: BatchKind::Accept,
        label: "2 hunks",
        files,
    })
}

/// A batch over one file for each hunk, with the hunk's name in it.
fn begin_hunks(store: &Store, session: &str, hunks: &[&str]) -> Result<BatchId, StoreError> {
    let files: Vec<_> = hunks
        .iter()
        .map(|hunk| file(hunk, None, Some(hunk.as_bytes()), &[*hunk]))
        .collect();
    begin(store, session, &files)
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_batch_comes_back_as_it_was_recorded() {
    let (journal, store) = Journal::new();
    let large = b"fn main() {}\n".repeat(10_000);
    let binary: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let mut moved = file("z/new.rs", Some(&large), Some(&large), &["h1", "h2"]);
    moved.moved_from = Some("z/old.rs".to_owned());
    moved.mode = Some(0o100_755);
    let files = [
        moved,
        file("a.bin", Some(&binary), Some(b""), &["h3"]),
        file("made", None, Some(b"\xff\x00"), &["h4"]),
        file("gone \u{fc}", Some(b""), None, &["h5"]),
    ];
    let id = begin(&store, &journal.session, &files).unwrap();
    // Four contents: `large` and nothing come twice.
    assert_eq!(journal.look("SELECT count(*) FROM blobs"), 4);
    let small = "SELECT max(length(body)) FROM blobs WHERE size > 100000";
    assert!(journal.look(small) < 2000);

    let batch = journal.open().batch(id).unwrap();
    assert_eq!(batch.files, files);
    let summary = &batch.summary;
    assert_eq!(
        (summary.id, summary.session.as_str()),
        (id, &*journal.session)
    );
    assert_eq!(
        (summary.kind, summary.label.as_str(), summary.state),
        (BatchKind::Accept, "2 hunks", BatchState::Applying)
    );
    assert_eq!(summary.claimed, ["h1", "h2", "h3", "h4", "h5"]);
    let kinds: Vec<_> = summary.files.iter().map(|file| file.kind).collect();
    let expect = [
        ChangeKind::Rename,
        ChangeKind::Modify,
        ChangeKind::Create,
        ChangeKind::Delete,
    ];
    assert_eq!(kinds, expect);

    // What a file really became takes the place of what was planned.
    store.file_applied(id, "made", Ok(Some(b"made"))).unwrap();
    store.file_applied(id, "a.bin", Err("it changed")).unwrap();
    store.file_applied(id, "z/new.rs", Ok(None)).unwrap();
    let unknown = store.file_applied(id, "other", Ok(None));
    assert!(matches!(unknown, Err(StoreError::UnknownBatchFile { .. })));
    assert_eq!(store.finish_batch(id).unwrap(), BatchState::Applied);
    let batch = store.batch(id).unwrap();
    assert_eq!(batch.files[2].after.as_deref(), Some(&b"made"[..]));
    assert_eq!(batch.files[1], files[1]);
    let told: Vec<_> = batch
        .summary
        .files
        .iter()
        .map(|file| (file.applied, file.reason.as_deref()))
        .collect();
    let expect = [
        (true, None),
        (false, Some("it changed")),
        (true, None),
        (false, None),
    ];
    assert_eq!(told, expect);
    // Files without it leave their hunks to others.
    assert_eq!(batch.summary.claimed, ["h1", "h2", "h4"]);

    // It is closed.
    for result in [
        store.file_applied(id, "made", Ok(None)),
        store.finish_batch(id).map(drop),
        store.finish_batch(BatchId(99)).map(drop),
    ] {
        assert!(matches!(result, Err(StoreError::NotApplying { .. })));
    }
    let unknown = store.batch(BatchId(99)).unwrap_err();
    assert!(matches!(unknown, StoreError::UnknownBatch { .. }));
}

#[test]
fn lists_are_of_a_workspace_or_a_session_and_the_newest_first() {
    let (journal, store) = Journal::new();
    let second = store.create_session("/w", "m").unwrap();
    let other = store.create_session("/v", "m").unwrap();
    let first = &journal.session;
    // Hunks of different sessions have the same names.
    let ids = [first, &second, &other, first]
        .map(|session| begin(&store, session, &[file("f", None, None, &[])]).unwrap());
    let check = |workspace: &str, session: Option<&str>, limit: usize, expect: &[BatchId]| {
        let found = store.batches(workspace, session, limit).unwrap();
        let found: Vec<_> = found.iter().map(|batch| batch.id).collect();
        assert_eq!(found, expect, "{workspace} {session:?} {limit}");
    };
    check("/w", None, usize::MAX, &[ids[3], ids[1], ids[0]]);
    check("/w", None, 2, &[ids[3], ids[1]]);
    check("/w", Some(first), 9, &[ids[3], ids[0]]);
    check("/v", None, 9, &[ids[2]]);
    check("/v", Some(first), 9, &[]);
    check("/", None, 9, &[]);
    let unknown = begin_hunks(&store, "nope", &["h1"]);
    assert!(matches!(unknown, Err(StoreError::UnknownSession { .. })));
}

#[test]
fn a_hunk_is_accepted_once_until_it_is_undone() {
    let (journal, store) = Journal::new();
    let session = &journal.session;
    let other = journal.open();
    let check = |hunks: &[&str], expect: Option<(&str, BatchId, Claim)>| {
        let before = store.batches("/w", None, 99).unwrap();
        match (begin_hunks(&other, session, hunks), expect) {
            (Ok(id), None) => id,
            (Err(StoreError::Claimed { hunk, batch, claim }), Some(expect)) => {
                assert_eq!((hunk.as_str(), batch, claim), expect);
                // Nothing is left of a refused batch.
                assert_eq!(store.batches("/w", None, 99).unwrap(), before);
                batch
            }
            (got, expect) => panic!("{hunks:?}: {got:?} instead of {expect:?}"),
        }
    };
    let first = begin_hunks(&store, session, &["h1", "h2", "h3"]).unwrap();
    check(&["h4", "h2"], Some(("h2", first, Claim::Applying)));
    store.file_applied(first, "h1", Ok(None)).unwrap();
    store.file_applied(first, "h2", Ok(None)).unwrap();
    store.file_applied(first, "h3", Err("it changed")).unwrap();
    assert_eq!(store.finish_batch(first).unwrap(), BatchState::Applied);
    check(&["h1"], Some(("h1", first, Claim::Applied)));
    let second = check(&["h3", "h4"], None);
    check(&["h4"], Some(("h4", second, Claim::Applying)));

    // A batch that reached no file frees everything and is no checkpoint.
    assert_eq!(other.finish_batch(second).unwrap(), BatchState::Failed);
    let third = check(&["h3", "h4"], None);

    // Undoing wants hunks that are claimed, and claims none.
    let files = [file("h1", Some(b"h1"), None, &["h1", "h5"])];
    let undo = NewBatch {
        session,
        kind: BatchKind::Undo,
        label: "",
        files: &files,
    };
    let undo = store.begin_batch(&undo).unwrap();
    assert_eq!(store.batch(undo).unwrap().summary.claimed, [""; 0]);
    check(&["h1"], Some(("h1", first, Claim::Applied)));
    let released = store.release_hunks(first, &strings(&["h1", "h4", "nope"]));
    assert_eq!(released.unwrap(), 1);
    check(&["h1", "h5"], None);
    check(&["h4"], Some(("h4", third, Claim::Applying)));
    check(&["h2"], Some(("h2", first, Claim::Applied)));

    // Another session has its own hunks; the same hunk twice is no dispute.
    let elsewhere = store.create_session("/w", "m").unwrap();
    let files = [
        file("a", None, None, &["h2"]),
        file("b", None, None, &["h2"]),
    ];
    begin(&store, &elsewhere, &files).unwrap();
    let twice = [file("a", None, None, &[]), file("a", None, None, &[])];
    assert!(begin(&store, &elsewhere, &twice).is_err());
}

#[test]
fn of_two_who_want_a_hunk_at_the_same_time_one_gets_it() {
    let (journal, _store) = Journal::new();
    let rounds = 50;
    let barrier = Barrier::new(2);
    let race = || {
        let store = journal.open();
        let mut won = 0;
        for round in 0..rounds {
            let hunk = format!("h{round}");
            barrier.wait();
            match begin_hunks(&store, &journal.session, &[&hunk]) {
                Ok(_) => won += 1,
                Err(StoreError::Claimed { claim, .. }) => assert_eq!(claim, Claim::Applying),
                Err(error) => panic!("{error}"),
            }
        }
        // Who is done may not look dead to the other.
        barrier.wait();
        won
    };
    let won: usize = std::thread::scope(|scope| {
        let threads = [scope.spawn(race), scope.spawn(race)];
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(won, rounds);
}

#[test]
fn what_a_store_left_behind_is_taken_over_once() {
    let (journal, store) = Journal::new();
    let session = &journal.session;
    assert_eq!(journal.owners(), 0, "who applies nothing writes nothing");
    let elsewhere = store.create_session("/v", "m").unwrap();
    let first = begin_hunks(&store, session, &["h1"]).unwrap();
    let closed = begin_hunks(&store, session, &["h2"]).unwrap();
    store.finish_batch(closed).unwrap();
    let second = begin_hunks(&store, session, &["h3"]).unwrap();
    let other = begin_hunks(&store, &elsewhere, &["h1"]).unwrap();
    let heirs = [journal.open(), journal.open()];
    for store in heirs.iter().chain([&store]) {
        assert_eq!(store.abandoned_batches("/w").unwrap(), []);
    }
    assert_eq!(journal.owners(), 1);
    drop(store);

    let barrier = Barrier::new(heirs.len());
    let take = |store: &Store| {
        barrier.wait();
        let taken = store.abandoned_batches("/w").unwrap();
        taken.iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    let taken = std::thread::scope(|scope| {
        let threads = heirs
            .each_ref()
            .map(|store| scope.spawn(move || take(store)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(taken.concat(), [first, second]);
    let heir = usize::from(taken[0].is_empty());
    let [heir, outsider] = [&heirs[heir], &heirs[1 - heir]];
    let denied = outsider.finish_batch(first);
    assert!(matches!(denied, Err(StoreError::NotApplying { .. })));
    for hunk in ["h1", "h3"] {
        let claimed = begin_hunks(outsider, session, &[hunk]).unwrap_err();
        assert!(claimed.to_string().contains("is being applied"));
    }
    heir.file_applied(first, "h1", Ok(None)).unwrap();
    assert_eq!(heir.finish_batch(first).unwrap(), BatchState::Applied);
    // The other workspace is still to be recovered, by anybody, though the lock file is gone.
    let claimed = begin_hunks(outsider, &elsewhere, &["h1"]).unwrap_err();
    assert!(matches!(
        claimed,
        StoreError::Claimed { claim: Claim::Abandoned, batch, .. } if batch == other
    ));
    assert_eq!(outsider.abandoned_batches("/v").unwrap()[0].id, other);
    drop(heirs);
    assert_eq!(journal.owners(), 0);
}

#[test]
fn an_owner_of_whom_nothing_is_known_may_live() {
    let (journal, store) = Journal::new();
    begin_hunks(&store, &journal.session, &["h1"]).unwrap();
    drop(store);
    let victim = journal.folder.path().join("victim");
    std::fs::write(&victim, "").unwrap();
    for owner in ["../victim", "", "a/b"] {
        journal.change(&format!("UPDATE batches SET owner = '{owner}'"));
        assert_eq!(journal.open().abandoned_batches("/w").unwrap(), []);
    }
    assert!(victim.exists());
}

const WORK: &str = "BOXAGNTS_STORE_TEST_WORK";
const JOURNAL: &str = "BOXAGNTS_STORE_TEST_JOURNAL";
const SESSION: &str = "BOXAGNTS_STORE_TEST_SESSION";

/// No test of its own: what another process does in the tests below.
#[test]
fn process() {
    let Ok(work) = std::env::var(WORK) else {
        return;
    };
    let store = Store::open(Path::new(&std::env::var_os(JOURNAL).unwrap())).unwrap();
    let mut stdin = std::io::stdin().lock();
    match work.as_str() {
        "apply" => {
            let session = std::env::var(SESSION).unwrap();
            let id = begin_hunks(&store, &session, &["h1", "h2"]).unwrap();
            store.file_applied(id, "h1", Ok(None)).unwrap();
            println!("@{id}");
        }
        "recover" => {
            println!("@ready");
            let mut line = String::new();
            stdin.read_line(&mut line).unwrap();
            println!("@{}", store.abandoned_batches("/w").unwrap().len());
        }
        other => panic!("{other}"),
    }
    // Until it is killed or let go.
    stdin.read_to_end(&mut Vec::new()).unwrap();
}

struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(journal: &Journal, work: &str) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process", "--nocapture"])
            .env(WORK, work)
            .env(JOURNAL, &journal.path)
            .env(SESSION, &journal.session)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Process { child, stdout }
    }

    /// What it says next.
    fn says(&mut self) -> String {
        let mut line = String::new();
        while self.stdout.read_line(&mut line).unwrap() > 0 {
            if let Some((_, said)) = line.trim_end().split_once('@') {
                return said.to_owned();
            }
            line.clear();
        }
        panic!("the process ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn of_two_processes_one_recovers_what_a_killed_one_was_applying() {
    for _ in 0..5 {
        let (journal, store) = Journal::new();
        let mut killed = Process::start(&journal, "apply");
        let id = BatchId(killed.says().parse().unwrap());
        assert_eq!(store.abandoned_batches("/w").unwrap(), []);
        let claimed = begin_hunks(&store, &journal.session, &["h2"]).unwrap_err();
        assert!(matches!(
            claimed,
            StoreError::Claimed { claim: Claim::Applying, batch, .. } if batch == id
        ));
        drop(killed);

        let mut heirs = [(); 2].map(|()| Process::start(&journal, "recover"));
        for heir in &mut heirs {
            assert_eq!(heir.says(), "ready");
        }
        for heir in &mut heirs {
            heir.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        }
        let took: BTreeSet<String> = heirs.iter_mut().map(Process::says).collect();
        assert_eq!(took, BTreeSet::from(["0".to_owned(), "1".to_owned()]));
        assert_eq!(store.abandoned_batches("/w").unwrap(), []);

        // The heir is killed too, and nothing is lost.
        drop(heirs);
        let taken = store.abandoned_batches("/w").unwrap();
        assert_eq!((taken.len(), taken[0].id), (1, id));
        let files: Vec<_> = taken[0].files.iter().map(|file| file.applied).collect();
        assert_eq!(files, [true, false]);
        assert_eq!(store.batch(id).unwrap().files.len(), 2);
        assert_eq!(journal.owners(), 1, "lock files of the dead are removed");
        assert_eq!(store.finish_batch(id).unwrap(), BatchState::Applied);
        begin_hunks(&store, &journal.session, &["h2"]).unwrap();
    }
}

#[test]
fn a_damaged_content_spoils_one_batch_and_no_other() {
    let (journal, store) = Journal::new();
    let [first, second] =
        ["h1", "h2"].map(|hunk| begin_hunks(&store, &journal.session, &[hunk]).unwrap());
    journal.change("UPDATE blobs SET body = x'00' WHERE body = CAST('h1' AS BLOB)");
    let message = store.batch(first).unwrap_err().to_string();
    assert!(
        message.contains(&blake3::hash(b"h1").to_hex()[..]),
        "{message}"
    );
    store.batch(second).unwrap();
    assert_eq!(store.batches("/w", None, 9).unwrap().len(), 2);
    // It is of no use, but it can be closed.
    assert_eq!(store.finish_batch(first).unwrap(), BatchState::Failed);
}

#[test]
fn pruning_takes_the_oldest_and_never_what_is_being_applied() {
    let (journal, store) = Journal::new();
    // Bytes that do not pack: each content takes what it has.
    let content = |n: u8| -> Vec<u8> {
        let mut bytes = vec![0; 100];
        blake3::Hasher::new()
            .update(&[n])
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    };
    let contents: Vec<Vec<u8>> = (0..6).map(content).collect();
    let add = |n: usize| {
        let hunk = format!("h{n}");
        let (before, after) = (&contents[n - 1], &contents[n]);
        let files = [file("f", Some(before), Some(after), &[&hunk])];
        begin(&store, &journal.session, &files).unwrap()
    };
    let close = |id: BatchId| {
        store.file_applied(id, "f", Ok(None)).unwrap();
        store.finish_batch(id).unwrap();
    };
    let check = |keep_bytes: u64, keep_ms: u64, batches: usize, blobs: usize, left: &[BatchId]| {
        let bytes = blobs as u64 * 100;
        let pruned = store.prune_batches(keep_bytes, keep_ms).unwrap();
        let expect = Pruned {
            batches,
            blobs,
            bytes,
        };
        assert_eq!(pruned, expect, "{keep_bytes} {keep_ms}");
        let found = store.batches("/w", None, 99).unwrap();
        assert_eq!(found.iter().map(|b| b.id).collect::<Vec<_>>(), left);
        for batch in left {
            store.batch(*batch).unwrap();
        }
    };
    let applying = add(1);
    let ids = [2, 3, 4, 5].map(add);
    ids.into_iter().for_each(close);
    let [a, b, c, d] = ids;
    check(600, u64::MAX, 0, 0, &[d, c, b, a, applying]);
    // Content 1 is of `applying`, too; content 2 of the batch behind: the first costs two batches.
    check(599, u64::MAX, 2, 1, &[d, c, applying]);
    journal.change(&format!(
        "UPDATE batches SET at_ms = 5 WHERE id IN ({c}, {applying})"
    ));
    check(u64::MAX, 1 << 40, 1, 1, &[d, applying]);
    // Both of `applying`, both of `d`.
    check(400, u64::MAX, 0, 0, &[d, applying]);
    check(0, 0, 1, 2, &[applying]);
    // What was accepted stays so, though its checkpoint is gone.
    let claimed = begin_hunks(&store, &journal.session, &["h3"]).unwrap_err();
    assert!(matches!(
        claimed,
        StoreError::Claimed { claim: Claim::Applied, batch, .. } if batch == b
    ));
    close(applying);
    // Nothing is as old as the clock: its own millisecond is kept.
    check(0, u64::MAX, 1, 2, &[]);
    let next = begin_hunks(&store, &journal.session, &["h9"]).unwrap();
    assert!(next > d, "numbers are not used twice");
}
