//! The overlay from a tool's call to the user's file, over real folders.

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

#[test]
fn nothing_is_written_before_it_is_accepted() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n5\n");
    f.write("a.txt", "one\n2\n3\n4\nfive\n");
    f.write("new/b.txt", "b\n");
    assert_eq!(f.read("a.txt").unwrap(), "one\n2\n3\n4\nfive\n");
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\n2\n3\n4\n5\n");
    assert_eq!(f.on_disk("new/b.txt"), None);
    assert_eq!(
        f.hunks(),
        [
            "a.txt:0 h1 pending 1/>one/",
            "a.txt:4 h2 pending 5/>five/",
            "new/b.txt:0 h3 pending >b/"
        ]
    );

    assert_eq!(f.accept(&ids(&["h2"])), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\n2\n3\n4\nfive\n");
    assert_eq!(f.read("a.txt").unwrap(), "one\n2\n3\n4\nfive\n");

    f.overlay.reject(&ids(&["h1"])).unwrap();
    assert_eq!(f.read("a.txt").unwrap(), "1\n2\n3\n4\nfive\n");
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("new/b.txt").unwrap(), "b\n");
    assert_eq!(
        f.hunks(),
        [
            "a.txt:0 h1 rejected 1/>one/",
            "a.txt:4 h2 accepted 5/>five/",
            "new/b.txt:0 h3 accepted >b/"
        ]
    );
    assert!(f.overlay.reject(&ids(&["h1"])).is_err(), "decided once");
}

#[test]
fn a_dropped_call_leaves_nothing() {
    let f = Fixture::new("//- a.txt\na\n");
    let mut call = f.call();
    call.write("a.txt", b"b\n".to_vec()).unwrap();
    call.remove("a.txt").unwrap();
    drop(call);
    assert_eq!(f.read("a.txt").unwrap(), "a\n");
    assert!(f.hunks().is_empty());
}

#[test]
fn dirty_documents_win_over_disk_and_clean_ones_do_not() {
    let f = Fixture::new("//- a.txt\ndisk\n");
    f.editor.show("a.txt", "document\n", false);
    assert_eq!(f.read("a.txt").unwrap(), "disk\n");
    f.editor.show("a.txt", "document\n", true);
    assert_eq!(f.read("a.txt").unwrap(), "document\n");
    f.editor.show("unsaved.txt", "new\n", true);
    assert_eq!(f.read("unsaved.txt").unwrap(), "new\n");
    assert_eq!(f.walk(), ["a.txt", "unsaved.txt"]);
}

#[test]
fn what_the_user_types_is_kept_and_moves_the_hunks() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    f.editor.show("a.txt", "1\n2\n3\n", false);
    f.write("a.txt", "1\nTWO\n3\nend\n");
    f.editor.show("a.txt", "typed\n1\n2\n3\n", true);
    assert_eq!(
        f.hunks(),
        ["a.txt:2 h1 pending 2/>TWO/", "a.txt:4 h2 pending >end/"]
    );
    assert_eq!(f.read("a.txt").unwrap(), "typed\n1\nTWO\n3\nend\n");

    let plans = f.overlay.plan(&ids(&["h1"])).unwrap();
    assert_eq!(plans.len(), 1);
    assert_eq!(plans[0].live, Live::Buffer { version: 2 });
    assert_eq!(plans[0].edits.len(), 1);
    assert_eq!(plans[0].edits[0].new_text, "TWO\n");
    assert_eq!(plans[0].edits[0].range.start.line, 2);
    assert_eq!(
        plans[0].after.as_ref().unwrap().text(),
        Some("typed\n1\nTWO\n3\n")
    );
}

#[test]
fn a_change_at_the_same_place_conflicts_and_loses_nothing() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n5\n");
    f.write("a.txt", "1\nTWO\n3\n4\nFIVE\n");
    put(f.folder.path(), "a.txt", b"1\nmine\n3\n4\n5\n");
    assert_eq!(
        f.hunks(),
        [
            "a.txt:1 h1 conflicted 2/>TWO/",
            "a.txt:4 h2 pending 5/>FIVE/"
        ]
    );
    let problems = f.accept(&Selection::All);
    assert_eq!(problems, ["your text changed at the same place"]);
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\nmine\n3\n4\nFIVE\n");
    f.overlay.reject(&ids(&["h1"])).unwrap();
    assert_eq!(f.read("a.txt").unwrap(), "1\nmine\n3\n4\nFIVE\n");
}

#[test]
fn the_same_change_by_the_user_counts_as_accepted() {
    let f = Fixture::new("//- a.txt\n1\n2\n");
    f.write("a.txt", "1\nTWO\n");
    put(f.folder.path(), "a.txt", b"1\nTWO\n");
    assert_eq!(f.hunks(), ["a.txt:1 h1 accepted 2/>TWO/"]);
}

#[test]
fn a_file_written_without_reading_again_keeps_what_was_typed_since_it_was_read() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    let mut call = f.call();
    call.read("a.txt", 100).unwrap();
    call.commit().unwrap();
    put(f.folder.path(), "a.txt", b"typed\n1\n2\n3\n");
    f.write("a.txt", "1\n2\nTHREE\n");
    assert_eq!(f.read("a.txt").unwrap(), "typed\n1\n2\nTHREE\n");
    assert_eq!(f.hunks(), ["a.txt:3 h1 pending 3/>THREE/"]);
}

#[test]
fn a_tool_that_reads_for_itself_does_not_change_what_the_model_knew() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    let mut call = f.call();
    call.read("a.txt", 100).unwrap();
    call.commit().unwrap();
    put(f.folder.path(), "a.txt", b"typed\n1\n2\n3\n");
    let mut call = f.call();
    call.read("a.txt", 100).unwrap();
    call.write("a.txt", b"1\n2\nTHREE\n".to_vec()).unwrap();
    call.commit().unwrap();
    assert_eq!(f.read("a.txt").unwrap(), "typed\n1\n2\nTHREE\n");
    // It is still what the model knew after the proposal is rejected.
    f.overlay.reject(&Selection::All).unwrap();
    f.write("a.txt", "ONE\n2\n3\n");
    assert_eq!(f.read("a.txt").unwrap(), "typed\nONE\n2\n3\n");
}

#[test]
fn a_call_changes_a_bounded_number_of_files() {
    let f = Fixture::new("//- a.txt\n1\n");
    let mut call = f.call();
    for n in 0..20_000 {
        call.write(&n.to_string(), Vec::new()).unwrap();
    }
    let refused = call.write("one more", Vec::new()).unwrap_err();
    assert_eq!(refused.code, FsErrorCode::TooLarge);
    assert_eq!(
        call.remove("a.txt").unwrap_err().code,
        FsErrorCode::TooLarge
    );
    call.write("7", b"again".to_vec()).unwrap();
}

#[test]
fn hunks_keep_their_ids_while_they_say_the_same() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n5\n");
    f.write("a.txt", "one\n2\n3\n4\n5\n");
    f.write("a.txt", "one\n2\nthree\n4\n5\n");
    f.write("a.txt", "ONE\n2\nthree\n4\n5\n");
    assert_eq!(
        f.hunks(),
        ["a.txt:0 h3 pending 1/>ONE/", "a.txt:2 h2 pending 3/>three/"]
    );
}

#[test]
fn hidden_files_are_denied_by_name_whether_they_exist_or_not() {
    let f = Fixture::new(
        "//- .gitignore\ntarget/\n*.log\n//- .boxagntsignore\nprivate\n!keep.log\n//- target/x\nx\n\
         //- a.log\nx\n//- keep.log\nx\n//- .env\nKEY=1\n//- private/x\nx\n//- sub/.ignore\nlocal\n\
         //- sub/local\nx\n//- sub/seen\nx\n//- .git/config\nx\n",
    );
    let check = |path: &str, expect: Result<&str, FsErrorCode>| {
        assert_eq!(
            f.read(path).as_deref().map_err(|code| *code),
            expect,
            "{path}"
        );
    };
    check("target/x", Err(FsErrorCode::Denied));
    check("target/none", Err(FsErrorCode::Denied));
    check("a.log", Err(FsErrorCode::Denied));
    check("none.log", Err(FsErrorCode::Denied));
    check("keep.log", Ok("x\n"));
    check(".env", Err(FsErrorCode::Denied));
    check("private/x", Err(FsErrorCode::Denied));
    check("sub/local", Err(FsErrorCode::Denied));
    check("sub/seen", Ok("x\n"));
    check(".git/config", Err(FsErrorCode::Denied));
    assert_eq!(
        f.walk(),
        [
            ".boxagntsignore",
            ".gitignore",
            "keep.log",
            "sub/.ignore",
            "sub/seen"
        ]
    );
    let names: Vec<String> = f
        .call()
        .list(".")
        .unwrap()
        .into_iter()
        .map(|(entry, _)| entry.name)
        .collect();
    assert_eq!(names, [".boxagntsignore", ".gitignore", "keep.log", "sub"]);

    // A proposed ignore file changes nothing; a saved one does at once.
    f.write(".gitignore", "");
    check("a.log", Err(FsErrorCode::Denied));
    put(f.folder.path(), ".gitignore", b"sub\n");
    check("a.log", Ok("x\n"));
    check("sub/seen", Err(FsErrorCode::Denied));
}

#[test]
fn writes_are_held_to_the_same_policy() {
    let f = Fixture::new("//- .gitignore\n*.log\n//- file\nx\n//- dir/x\nx\n");
    let check = |path: &str, expect: FsErrorCode| {
        let mut call = f.call();
        assert_eq!(
            call.write(path, Vec::new()).unwrap_err().code,
            expect,
            "{path}"
        );
    };
    check("../x", FsErrorCode::Denied);
    check("/etc/x", FsErrorCode::Denied);
    check(".git/hooks/pre-commit", FsErrorCode::Denied);
    check(".env", FsErrorCode::Denied);
    check("a.log", FsErrorCode::Denied);
    check(".boxagnts/config.toml", FsErrorCode::Denied);
    check(".boxagntsignore", FsErrorCode::Denied);
    check("dir", FsErrorCode::IsDirectory);
    check("file/below", FsErrorCode::NotDirectory);
    check(".", FsErrorCode::IsDirectory);
    let mut call = f.call();
    assert_eq!(call.remove("none").unwrap_err().code, FsErrorCode::NotFound);
    assert_eq!(
        call.remove("dir").unwrap_err().code,
        FsErrorCode::IsDirectory
    );
    assert_eq!(
        call.rename("file", "dir/x").unwrap_err().code,
        FsErrorCode::Exists
    );
    assert_eq!(
        call.rename("file", "../x").unwrap_err().code,
        FsErrorCode::Denied
    );
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "secret", b"secret\n");
    let f = Fixture::new("//- real/a\na\n");
    let at = |name: &str| f.folder.path().join(name);
    symlink(outside.path().join("secret"), at("absolute")).unwrap();
    symlink(outside.path(), at("folder")).unwrap();
    symlink("real/a", at("inside")).unwrap();
    symlink("inside", at("chained")).unwrap();
    symlink("/proc/self", at("magic")).unwrap();
    for path in [
        "absolute",
        "folder/secret",
        "inside",
        "chained",
        "magic/environ",
    ] {
        assert_eq!(f.read(path), Err(FsErrorCode::Denied), "{path}");
    }
    for path in ["absolute", "folder/new", "inside", "magic/x"] {
        let code = f.call().write(path, Vec::new()).unwrap_err().code;
        assert_eq!(code, FsErrorCode::Denied, "{path}");
    }
    assert_eq!(f.walk(), ["real/a"]);
}

#[cfg(unix)]
#[test]
fn a_fifo_is_an_error_at_once() {
    let f = Fixture::new("//- a\na\n");
    let fifo = f.folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(f.read("fifo"), Err(FsErrorCode::NotRegular));
    assert_eq!(f.walk(), ["a"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_becomes_a_link_takes_no_write() {
    let outside = tempfile::tempdir().unwrap();
    let f = Fixture::new("//- sub/a\na\n");
    f.write("sub/new", "x\n");
    std::fs::rename(f.folder.path().join("sub"), f.folder.path().join("old")).unwrap();
    std::os::unix::fs::symlink(outside.path(), f.folder.path().join("sub")).unwrap();
    assert_eq!(f.accept(&Selection::All).len(), 1);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn moves_and_removals_are_shown_and_carried_out() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n//- dir/x\nx\n//- dir/y\ny\n");
    let mut call = f.call();
    call.rename("a.txt", "b.txt").unwrap();
    call.write("b.txt", b"1\n2\nthree\n".to_vec()).unwrap();
    call.rename("dir", "moved").unwrap();
    call.remove("moved/y").unwrap();
    assert!(call.diff().contains("rename from a.txt"), "{}", call.diff());
    call.commit().unwrap();
    assert_eq!(f.read("a.txt"), Err(FsErrorCode::NotFound));
    assert_eq!(f.walk(), ["b.txt", "moved/x"]);

    // The lines cannot come before the file has moved.
    let lines: Vec<String> = f
        .hunks()
        .into_iter()
        .filter(|hunk| hunk.contains("three"))
        .collect();
    let id = lines[0].split(' ').nth(1).unwrap();
    assert_eq!(f.accept(&ids(&[id])).len(), 1);
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("b.txt").unwrap(), "1\n2\nthree\n");
    assert_eq!(f.on_disk("moved/x").unwrap(), "x\n");
    assert_eq!(
        (f.on_disk("a.txt"), f.on_disk("dir/y"), f.on_disk("dir/x")),
        (None, None, None)
    );
}

#[test]
fn a_rejected_move_leaves_its_lines_at_the_old_place() {
    let f = Fixture::new("//- a.txt\n1\n2\n");
    let mut call = f.call();
    call.rename("a.txt", "b.txt").unwrap();
    call.write("b.txt", b"1\ntwo\n".to_vec()).unwrap();
    call.commit().unwrap();
    let whole = f
        .hunks()
        .into_iter()
        .find(|hunk| hunk.ends_with(" >"))
        .unwrap();
    f.overlay
        .reject(&ids(&[whole.split(' ').nth(1).unwrap()]))
        .unwrap();
    assert_eq!(f.read("a.txt").unwrap(), "1\ntwo\n");
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\ntwo\n");
}

#[test]
fn encodings_and_line_endings_survive() {
    let check = |before: &[u8], after: &[u8]| {
        let f = Fixture::new("//- other\nx\n");
        put(f.folder.path(), "f", before);
        let mut call = f.call();
        call.read("f", 100).unwrap();
        call.write("f", after.to_vec()).unwrap();
        call.commit().unwrap();
        assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
        assert_eq!(std::fs::read(f.folder.path().join("f")).unwrap(), after);
    };
    check(b"a\r\nb\r\n", b"a\r\nB\r\n");
    check(b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n");
    check(b"a\nb", b"a\nb\nc");
    check(b"a\nb\n", b"a\nb");
    check(b"\0\xff", b"\0\xfe");
    check(b"text\n", b"\0\xfe");
}

#[cfg(unix)]
#[test]
fn the_mode_of_a_file_survives() {
    use std::os::unix::fs::PermissionsExt;
    let f = Fixture::new("//- run.sh\n#!/bin/sh\n");
    let script = f.folder.path().join("run.sh");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o750)).unwrap();
    f.write("run.sh", "#!/bin/sh\ntrue\n");
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(
        std::fs::metadata(&script).unwrap().permissions().mode() & 0o777,
        0o750
    );
}

/// What a journal of the deltas would hold.
#[derive(Default)]
struct Journal {
    version: u64,
    files: BTreeMap<WorkspacePath, (String, Option<String>)>,
    last_hunk: u64,
}

impl Journal {
    fn hear(&mut self, overlay: &Overlay) -> ProposalDelta {
        let delta = overlay.delta(self.version);
        (self.version, self.last_hunk) = (delta.version, delta.last_hunk);
        for file in &delta.changed {
            let (diff, base) = self.files.entry(file.path.clone()).or_default();
            diff.clone_from(&file.diff);
            *base = file.base.clone().or(base.take());
        }
        delta
    }

    fn restore(&self, overlay: &Overlay) -> Vec<String> {
        let files = self.files.values().filter(|(diff, _)| !diff.is_empty());
        let files = files.map(|(diff, base)| (diff.as_str(), base.as_deref()));
        overlay.restore(files, self.last_hunk)
    }
}

/// Files with what is proposed for them, without ids.
fn shown(overlay: &Overlay) -> Vec<String> {
    let mut shown = Vec::new();
    for file in overlay.proposal() {
        for hunk in file.hunks {
            if matches!(hunk.state, HunkState::Pending | HunkState::Conflicted) {
                let (state, range) = (hunk.state, hunk.range.start.line);
                let texts = (&hunk.old_text, &hunk.new_text, &hunk.note);
                shown.push(format!(
                    "{} {:?} {state:?} {range} {texts:?}",
                    file.path, file.from
                ));
            }
        }
    }
    shown
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
    let hunk = again.proposal().remove(0).hunks.remove(0);
    assert_eq!(hunk.id, format!("h{}", journal.last_hunk + 1));
    let empty = f.overlay.another();
    assert_eq!(empty.restore([], 7), Vec::<String>::new());
    assert_eq!(empty.delta(0).last_hunk, 7);
    // Binary content must still be what it was.
    put(f.folder.path(), "bin", b"\0six");
    let third = f.overlay.another();
    assert_eq!(journal.restore(&third).len(), 1);
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

#[test]
fn binary_content_that_moves_takes_its_new_content_along() {
    let f = Fixture::new("");
    put(f.folder.path(), "a.bin", b"\0\x01");
    let mut call = f.call();
    call.rename("a.bin", "b.bin").unwrap();
    call.write("b.bin", b"text\n".to_vec()).unwrap();
    call.commit().unwrap();
    let note = f.overlay.proposal()[0].hunks[0].note.clone();
    assert!(note.unwrap().contains("and replaces its content"));
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(
        std::fs::read(f.folder.path().join("b.bin")).unwrap(),
        b"text\n"
    );
    assert!(!f.folder.path().join("a.bin").exists());
    assert_eq!(shown(&f.overlay), Vec::<String>::new());
}

#[test]
fn folders_that_hold_nothing_any_more_go_with_their_last_file() {
    let f = Fixture::new("//- d/e/x\nx\n//- keep/x\nx\n//- keep/y\ny\n");
    let mut call = f.call();
    call.rename("d/e/x", "z").unwrap();
    call.remove("keep/x").unwrap();
    call.commit().unwrap();
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert!(!f.folder.path().join("d").exists());
    assert!(f.folder.path().join("keep/y").exists());
}

#[test]
fn a_decision_during_a_call_is_not_undone_by_it() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    f.write("a.txt", "one\n2\n3\n");
    let mut call = f.call();
    call.write("a.txt", b"one\n2\nthree\n".to_vec()).unwrap();
    f.overlay.reject(&Selection::All).unwrap();
    assert!(call.commit().is_err());
    assert_eq!(f.read("a.txt").unwrap(), "1\n2\n3\n");
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{0,2}\n", 0..8).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Accepting everything, one hunk at a time and in any order, gives the proposed text.
    #[test]
    fn accepting_every_hunk_gives_the_proposal(before in text(), after in text(), order in any::<u64>()) {
        let f = Fixture::new("//- other\nx\n");
        put(f.folder.path(), "f", before.as_bytes());
        f.write("f", &after);
        let mut left: Vec<String> =
            f.overlay.proposal().into_iter().flat_map(|file| file.hunks).map(|hunk| hunk.id).collect();
        let mut order = order;
        while !left.is_empty() {
            let id = left.remove(usize::try_from(order).unwrap_or(0) % left.len());
            order = order.rotate_left(7);
            prop_assert_eq!(f.accept(&ids(&[&id])), Vec::<String>::new());
        }
        prop_assert_eq!(f.on_disk("f").unwrap(), after);
    }

    /// Rejecting some and accepting the rest gives the same as undoing the rejected ones.
    #[test]
    fn any_mix_of_decisions_is_consistent(before in text(), after in text(), mask in any::<u8>()) {
        let f = Fixture::new("//- other\nx\n");
        put(f.folder.path(), "f", before.as_bytes());
        f.write("f", &after);
        let hunks: Vec<_> = f.overlay.proposal().into_iter().flat_map(|file| file.hunks).collect();
        let lines: Vec<&str> = before.split_inclusive('\n').collect();
        let mut expect = String::new();
        let mut at = 0;
        for (index, hunk) in hunks.iter().enumerate() {
            let (start, end) = (hunk.range.start.line as usize, hunk.range.end.line as usize);
            expect.extend(lines[at..start].iter().copied());
            if mask >> (index % 8) & 1 == 1 {
                prop_assert_eq!(f.accept(&ids(&[&hunk.id])), Vec::<String>::new());
                expect.push_str(&hunk.new_text);
            } else {
                f.overlay.reject(&ids(&[&hunk.id])).unwrap();
                expect.push_str(&hunk.old_text);
            }
            at = end;
        }
        expect.extend(lines[at..].iter().copied());
        prop_assert_eq!(f.on_disk("f").unwrap(), expect.clone());
        prop_assert_eq!(f.read("f").unwrap(), expect);
    }

    /// Whatever the user types while hunks wait, every line of it is still there afterwards.
    #[test]
    fn typing_survives_accepting(before in text(), after in text(), at in 0usize..9) {
        let f = Fixture::new("//- other\nx\n");
        put(f.folder.path(), "f", before.as_bytes());
        f.write("f", &after);
        let mut lines: Vec<&str> = before.split_inclusive('\n').collect();
        lines.insert(at.min(lines.len()), "typed by the user\n");
        put(f.folder.path(), "f", lines.concat().as_bytes());
        f.accept(&Selection::All);
        prop_assert!(f.on_disk("f").unwrap().contains("typed by the user\n"));
    }
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
            // The texts; where two diffs of them are as short, hunks may be cut differently.
            let texts = |overlay: &Overlay| -> Vec<_> {
                let state = overlay.lock();
                let changes = state.changes.iter();
                let text = |(path, change): (&WorkspacePath, &Arc<crate::change::FileChange>)| {
                    let (base, current) = (change.base.clone(), change.current.clone());
                    (path.clone(), change.from.clone(), base, current)
                };
                changes.map(text).collect()
            };
            prop_assert_eq!(texts(&again), texts(&f.overlay));
            let hunks: Vec<_> = f.overlay.proposal().into_iter().flat_map(|file| file.hunks).collect();
            let count = |state| hunks.iter().filter(|hunk| hunk.state == state).count() as u64;
            prop_assert_eq!(delta.pending, count(HunkState::Pending));
            prop_assert_eq!(delta.conflicted, count(HunkState::Conflicted));
        }
    }
}
