//! Hunks that the user makes anew: amended, split, brought back; and words that merge.

use super::*;

/// Applies decisions to what the tools made of `before`, then accepts all: what the file is.
fn check(before: &str, after: &str, decide: impl FnOnce(&Fixture), expect: &str) {
    let f = Fixture::new(&format!("//- a.txt\n{before}"));
    f.write("a.txt", after);
    decide(&f);
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt").as_deref(), Some(expect));
}

#[test]
fn a_hunk_can_be_amended() {
    let amend = |id: &'static str, text: &'static str| {
        move |f: &Fixture| {
            f.overlay.amend(id, text).unwrap();
        }
    };
    check(
        "1\n2\n3\n4\n",
        "one\n2\n3\nfour\n",
        amend("h1", "ONE"),
        "ONE\n2\n3\nfour\n",
    );
    check(
        "1\n2\n3\n",
        "1\n2\n3\n4",
        amend("h1", "4\n5"),
        "1\n2\n3\n4\n5",
    );
    check("1\n2\n3\n", "1\n3\n", amend("h1", "two\n"), "1\ntwo\n3\n");
    // What the user has already is no change.
    check("1\n2\n3\n", "1\ntwo\n3\n", amend("h1", "2\n"), "1\n2\n3\n");
    check(
        "1\r\n2\r\n",
        "1\r\ntwo\r\n",
        amend("h1", "zwei\nx\n"),
        "1\r\nzwei\r\nx\r\n",
    );
}

#[test]
fn an_amended_hunk_stays_one_whatever_tools_do_elsewhere() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n5\n");
    f.write("a.txt", "1\ntwo\ndrei\nfour\n5\n");
    f.overlay.amend("h1", "two\n3\nfour\n").unwrap();
    assert_eq!(f.hunks(), ["a.txt:1 h1 pending 2/3/4/>two/3/four/"]);
    f.write("a.txt", "1\ntwo\n3\nfour\n5\n6\n");
    assert_eq!(
        f.hunks(),
        [
            "a.txt:1 h1 pending 2/3/4/>two/3/four/",
            "a.txt:5 h2 pending >6/"
        ]
    );
}

#[test]
fn amending_solves_a_conflict() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n5\n");
    f.write("a.txt", "1\ntwo\nthree\n4\nfive\n");
    f.editor.show("a.txt", "0\n1\n2\ndrei\n4\n5\n", true);
    let hunks = f.overlay.proposal().remove(0).hunks;
    assert_eq!(hunks[0].state, HunkState::Conflicted);
    assert_eq!(hunks[0].live_text.as_deref(), Some("2\ndrei\n"));
    assert_eq!((hunks[0].range.start.line, hunks[0].range.end.line), (2, 4));
    f.overlay.amend("h1", "two\ndrei!\n").unwrap();
    let hunks = f.overlay.proposal().remove(0).hunks;
    assert!(
        hunks.iter().all(|hunk| hunk.state == HunkState::Pending),
        "{hunks:?}"
    );
    let plan = f.overlay.plan(&Selection::All).unwrap().remove(0);
    assert_eq!(
        plan.after.unwrap().text(),
        Some("0\n1\ntwo\ndrei!\n4\nfive\n")
    );
}

#[test]
fn what_takes_no_text_says_so() {
    let f = Fixture::new("//- gone\nx\n//- old\nx\n");
    let mut call = f.call();
    call.remove("gone").unwrap();
    call.rename("old", "moved").unwrap();
    call.write("new", b"n\n".to_vec()).unwrap();
    call.write("bin", b"\0".to_vec()).unwrap();
    call.commit().unwrap();
    for file in f.overlay.proposal() {
        let id = &file.hunks[0].id;
        let amended = f.overlay.amend(id, "text\n");
        assert_eq!(amended.is_ok(), file.path == "new", "{amended:?}");
        assert!(f.overlay.split(id).is_err());
    }
    assert!(f.overlay.amend("h99", "").is_err());
    f.accept(&Selection::Files(vec!["new".to_owned()]));
    assert_eq!(f.on_disk("new").as_deref(), Some("text\n"));
}

#[test]
fn a_hunk_can_be_split_and_stays_so() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n");
    f.write("a.txt", "one\ntwo\nthree\n4\n");
    let parts: Vec<String> = f
        .overlay
        .split("h1")
        .unwrap()
        .into_iter()
        .map(|hunk| hunk.id)
        .collect();
    assert_eq!(parts, ["h2", "h3", "h4"]);
    f.write("a.txt", "one\ntwo\nthree\n4\n5\n");
    f.editor.show("a.txt", "0\n1\n2\n3\n4\n", true);
    assert_eq!(
        f.hunks(),
        [
            "a.txt:1 h2 pending 1/>one/",
            "a.txt:2 h3 pending 2/>two/",
            "a.txt:3 h4 pending 3/>three/",
            "a.txt:5 h5 pending >5/",
        ]
    );
    f.overlay.reject(&ids(&["h2"])).unwrap();
    let plan = f.overlay.plan(&ids(&["h4"])).unwrap().remove(0);
    assert_eq!(plan.after.unwrap().text(), Some("0\n1\n2\nthree\n4\n"));
    assert!(f.overlay.split("h1").is_err(), "it is gone");
    assert!(f.overlay.split("h3").is_err(), "it is a single change");
}

#[test]
fn what_was_rejected_can_be_proposed_again() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n4\n5\n//- gone\nx\n");
    f.write("a.txt", "one\n2\nthree\n4\nfive\n");
    let mut call = f.call();
    call.remove("gone").unwrap();
    call.write("new", b"n\n".to_vec()).unwrap();
    call.commit().unwrap();
    let before = f.hunks();
    f.overlay.reject(&Selection::All).unwrap();
    assert_eq!(f.read("a.txt").unwrap(), "1\n2\n3\n4\n5\n");
    let all: Vec<String> = (1..=5).map(|n| format!("h{n}")).collect();
    f.overlay.repropose(&all).unwrap();
    assert_eq!(f.hunks(), before);
    assert_eq!(f.read("a.txt").unwrap(), "one\n2\nthree\n4\nfive\n");
    assert!(f.overlay.repropose(&all).is_err(), "it waits");

    // The user and the model went on meanwhile.
    f.overlay.reject(&ids(&["h1", "h2"])).unwrap();
    f.editor.show("a.txt", "0\n1\n2\n3\n4 and\n5\n", true);
    f.write("a.txt", "0\nuno\n2\n3\n4 and\nfive\n");
    assert!(
        f.overlay.repropose(&["h1".to_owned()]).is_err(),
        "another one is there"
    );
    f.overlay.repropose(&["h2".to_owned()]).unwrap();
    let plan = f
        .overlay
        .plan(&Selection::Files(vec!["a.txt".to_owned()]))
        .unwrap()
        .remove(0);
    assert_eq!(
        plan.after.unwrap().text(),
        Some("0\nuno\n2\nthree\n4 and\nfive\n")
    );
}

#[test]
fn hunks_of_a_tool_call_are_a_group() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n//- b.txt\nx\n");
    for (group, files) in [
        ("call-1", [("a.txt", "one\n2\n3\n"), ("b.txt", "y\n")]),
        ("call-2", [("a.txt", "one\n2\nthree\n"), ("c", "")]),
    ] {
        let mut call = f.overlay.begin(group);
        for (path, text) in files {
            call.write(path, text.as_bytes().to_vec()).unwrap();
        }
        call.commit().unwrap();
    }
    f.accept(&Selection::Groups(vec!["call-1".to_owned()]));
    assert_eq!(f.on_disk("a.txt").as_deref(), Some("one\n2\n3\n"));
    assert_eq!(f.on_disk("b.txt").as_deref(), Some("y\n"));
    let error = f
        .overlay
        .plan(&Selection::Groups(vec!["call-1".to_owned()]))
        .unwrap_err();
    assert!(error.to_string().contains("waiting: call-2"), "{error}");
}

#[test]
fn pages_have_all_files_once() {
    let f = Fixture::new("//- other\nx\n");
    let mut call = f.call();
    for n in 0..25 {
        call.write(&format!("d/{n}"), b"x\n".to_vec()).unwrap();
    }
    call.commit().unwrap();
    f.overlay
        .reject(&Selection::Files(vec!["d/3".to_owned()]))
        .unwrap();
    let mut query = PageQuery {
        limit: Some(10),
        ..PageQuery::default()
    };
    let mut paths = Vec::new();
    loop {
        let page = f.overlay.page(&query);
        assert_eq!((page.waiting_files, page.pending), (24, 24));
        paths.extend(page.files.into_iter().map(|file| file.path));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let all: Vec<String> = f
        .overlay
        .proposal()
        .into_iter()
        .map(|file| file.path)
        .collect();
    assert_eq!(paths, all);
    assert_eq!(paths.len(), 25);
    query.waiting = true;
    query.files = Some(vec!["d/3".to_owned(), "d/4".to_owned()]);
    assert_eq!(f.overlay.page(&query).files.len(), 1);
}

#[test]
fn states_are_told_when_they_change_and_only_then() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    f.write("a.txt", "1\ntwo\n3\n");
    let seen = f.overlay.look(0).unwrap();
    assert_eq!(f.overlay.look(seen), None);
    f.editor.show("a.txt", "0\n1\n2\n3\n", true);
    assert_eq!(f.overlay.look(seen), None, "it moved, and waits as before");
    f.editor.show("a.txt", "0\n1\nzwei\n3\n", true);
    let conflicted = f.overlay.look(seen).unwrap();
    assert_eq!(f.overlay.delta(0).conflicted, 1);
    f.editor.show("a.txt", "0\n1\n2\n3\n", true);
    assert!(f.overlay.look(conflicted).is_some());
    assert_eq!(f.hunks(), ["a.txt:2 h1 pending 2/>two/"]);
}

#[test]
fn amending_takes_nothing_but_what_the_hunk_shows() {
    // Another hunk conflicts, so the base stays; the user typed around the line that is put in.
    let f = Fixture::new("//- a.txt\nhead\n1\n2\n\nfoo\nend\n");
    f.write("a.txt", "HEAD\n1\n2\n\nnew\nfoo\nend\n");
    let typed = "Kopf\n1\n2\ntyped\nfoo!\nend\n";
    f.editor.show("a.txt", typed, true);
    let hunks = f.overlay.proposal().remove(0).hunks;
    assert_eq!(hunks[0].state, HunkState::Conflicted);
    assert_eq!(hunks[1].state, HunkState::Pending, "{hunks:?}");
    let shown = hunks[1].old_text.clone();
    f.overlay.amend("h2", &format!("{shown}mine\n")).unwrap();
    let plan = f.overlay.plan(&ids(&["h2"])).unwrap().remove(0);
    let after = plan.after.unwrap();
    let after = after.text().unwrap();
    assert_eq!(after.replace("mine\n", ""), typed, "{after:?}");

    // A line behind it that only the proposal has is not glued to text without an end.
    let f = Fixture::new("//- a.txt\nhead\n1\n2\nend\n");
    f.write("a.txt", "HEAD\n1\ntwo\nend\n");
    f.editor.show("a.txt", "Kopf\n1\n2\n", true);
    f.overlay.amend("h2", "zwei").unwrap();
    assert_eq!(f.read("a.txt").unwrap(), "HEAD\n1\nzwei\nend\n");
}

#[test]
fn reproposed_lines_wait_where_a_pending_move_takes_the_file() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n");
    f.write("a.txt", "1\ntwo\n3\n");
    f.overlay.reject(&ids(&["h1"])).unwrap();
    let mut call = f.call();
    call.rename("a.txt", "b.txt").unwrap();
    call.commit().unwrap();
    f.overlay.repropose(&["h1".to_owned()]).unwrap();
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt"), None);
    assert_eq!(f.on_disk("b.txt").as_deref(), Some("1\ntwo\n3\n"));
}
