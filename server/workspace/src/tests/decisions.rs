//! What the user decides, and what becomes of the files.

use super::*;

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

#[test]
fn other_ends_of_lines_are_accepted_though_the_user_types_meanwhile() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    f.editor.show("a.txt", "1\n2\n3\n", false);
    f.write("a.txt", "1\r\n2\r\n3\r\n");
    let (plans, _) = f.overlay.plan_to_apply(&Selection::All).unwrap();
    let after = plans[0].after.as_ref().and_then(Content::text).unwrap();
    f.editor.show("a.txt", &format!("{after}typed\r\n"), true);
    // Somebody looks before the editor's answer comes.
    drop(f.overlay.proposal());
    f.overlay.accepted(&plans[0]);
    assert_eq!(f.overlay.decision("h1"), Some(HunkState::Accepted));
}

#[test]
fn a_line_that_is_moved_over_what_the_user_takes_out_is_where_it_should_be() {
    let f = Fixture::new("//- a.txt\na\nx\nb\n");
    f.write("a.txt", "a\nb\nx\n");
    let since = f.overlay.look(0).unwrap();
    put(f.folder.path(), "a.txt", b"a\nx\n");
    assert!(f.overlay.look(since).is_some(), "nothing waits any more");
    let states = f.overlay.proposal().remove(0).hunks;
    assert!(
        states.iter().all(|hunk| hunk.state == HunkState::Accepted),
        "{states:?}"
    );
}

#[test]
fn the_source_of_a_move_that_came_back_meanwhile_takes_no_write() {
    let f = Fixture::new("//- a.txt\n1\n");
    let mut call = f.call();
    call.rename("a.txt", "b.txt").unwrap();
    call.commit().unwrap();
    f.overlay.reject(&Selection::All).unwrap();
    let mut call = f.call();
    call.write("a.txt", b"one\n".to_vec()).unwrap();
    f.overlay.repropose(&["h1".to_owned()]).unwrap();
    assert!(call.commit().is_err(), "the file is to be moved by now");
}

#[cfg(unix)]
#[test]
fn what_a_killed_process_left_beside_files_goes() {
    let f = Fixture::new("//- a.txt\n1\n//- sub/b.txt\n2\n");
    // Of one process it is known how it ended, of the other nobody has asked yet.
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let [mut known, mut zombie] =
        [(); 2].map(|()| std::process::Command::new("true").spawn().unwrap());
    known.wait().unwrap();
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(&zombie)), ended).unwrap();
    let own = std::process::id();
    let dead = match cfg!(target_os = "linux") {
        true => vec![known.id(), zombie.id()],
        false => vec![known.id()],
    };
    let names = |process| format!(".boxagnts-{process}-x.tmp");
    for folder in ["", "sub/"] {
        for process in dead.iter().chain([&own]) {
            put(
                f.folder.path(),
                &format!("{folder}{}", names(*process)),
                b"half",
            );
        }
    }
    put(f.folder.path(), ".boxagnts-other.tmp", b"the user's");
    let path = |path| WorkspacePath::parse(path).unwrap();
    remove_leftovers(&f.overlay, [&path("a.txt"), &path("sub/b.txt")]);
    for folder in ["", "sub/"] {
        for process in &dead {
            assert_eq!(f.on_disk(&format!("{folder}{}", names(*process))), None);
        }
        assert!(f.on_disk(&format!("{folder}{}", names(own))).is_some());
    }
    assert!(f.on_disk(".boxagnts-other.tmp").is_some());
    zombie.wait().unwrap();
}
