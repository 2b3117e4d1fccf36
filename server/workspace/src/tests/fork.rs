//! What executors change beside each other, and how it comes together.

use super::*;

/// Writes in a fork and merges it under its name.
fn work(f: &Fixture, fork: &Fork, name: &str, files: &[(&str, &str)]) -> Merged {
    let mut call = fork.overlay.begin("call");
    for (path, text) in files {
        match *text {
            "-" => call.remove(path).unwrap(),
            text => match text.strip_prefix("< ") {
                Some(from) => call.rename(from, path).unwrap(),
                None => call.write(path, text.as_bytes().to_vec()).unwrap(),
            },
        }
    }
    call.commit().unwrap();
    f.overlay.merge(fork, name)
}

/// Two forks from the same moment; `expect` is what is proposed afterwards.
#[track_caller]
fn check(
    fixture: &str,
    before: &[(&str, &str)],
    one: &[(&str, &str)],
    two: &[(&str, &str)],
    expect: &[&str],
) -> Fixture {
    let f = Fixture::new(fixture);
    for (path, text) in before {
        f.write(path, text);
    }
    let (a, b) = (f.overlay.fork(), f.overlay.fork());
    work(&f, &a, "one", one);
    work(&f, &b, "two", two);
    assert_eq!(f.hunks(), expect);
    f
}

const FIVE: &str = "//- a.txt\n1\n2\n3\n4\n5\n";

#[test]
fn what_does_not_touch_comes_together() {
    let f = check(
        FIVE,
        &[],
        &[("a.txt", "one\n2\n3\n4\n5\n"), ("b.txt", "b\n")],
        &[("a.txt", "1\n2\n3\n4\nfive\n"), ("c.txt", "c\n")],
        &[
            "a.txt:0 h1 pending 1/>one/",
            "a.txt:4 h3 pending 5/>five/",
            "b.txt:0 h2 pending >b/",
            "c.txt:0 h5 pending >c/",
        ],
    );
    let groups = f.overlay.group_sizes();
    assert_eq!((groups["one"], groups["two"]), (2, 2));
    assert_eq!(
        f.accept(&Selection::Groups(vec!["two".into()])),
        Vec::<String>::new()
    );
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\n2\n3\n4\nfive\n");
}

#[test]
fn the_same_is_proposed_once() {
    check(
        FIVE,
        &[],
        &[("a.txt", "one\n2\n3\n4\n5\n"), ("b.txt", "b\n")],
        &[("a.txt", "one\n2\n3\n4\n5\n"), ("b.txt", "b\n")],
        &["a.txt:0 h1 pending 1/>one/", "b.txt:0 h2 pending >b/"],
    );
}

#[test]
fn what_does_not_fit_waits_beside_it_until_the_other_is_decided_on() {
    let new = || {
        let one = [("a.txt", "1\n2\ndrei\n4\n5\n")];
        check(
            FIVE,
            &[],
            &one,
            &[("a.txt", "1\n2\ntres\n4\nfive\n")],
            &[
                "a.txt:2 h1 pending 3/>drei/",
                "a.txt:2 h2 conflicted 3/>tres/",
                "a.txt:4 h3 pending 5/>five/",
            ],
        )
    };
    // It cannot be taken, and everything else can.
    let f = new();
    let problems = f.accept(&Selection::All);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\n2\ndrei\n4\nfive\n");
    assert_eq!(
        f.hunks(),
        [
            "a.txt:2 h2 conflicted 3/>tres/",
            "a.txt:2 h1 accepted 3/>drei/",
            "a.txt:4 h3 accepted 5/>five/",
        ]
    );
    // What was in its way is gone.
    put(f.folder.path(), "a.txt", b"1\n2\n3\n4\nfive\n");
    assert_eq!(f.hunks()[0], "a.txt:2 h2 pending 3/>tres/");

    let f = new();
    f.overlay.reject(&ids(&["h1"])).unwrap();
    let fits = f
        .hunks()
        .contains(&"a.txt:2 h2 pending 3/>tres/".to_owned());
    assert!(fits, "{:?}", f.hunks());
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\n2\ntres\n4\nfive\n");

    let f = new();
    f.overlay.reject(&ids(&["h2"])).unwrap();
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\n2\ndrei\n4\nfive\n");

    let f = new();
    f.overlay.amend("h2", "both\n").unwrap();
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("a.txt").unwrap(), "1\n2\nboth\n4\nfive\n");

    // A tool that writes there decides it; one that writes elsewhere does not.
    let f = new();
    f.write("a.txt", "0\n1\n2\ndrei\n4\nfive\n");
    assert!(
        f.hunks().iter().any(|h| h.contains("conflicted")),
        "{:?}",
        f.hunks()
    );
    f.write("a.txt", "0\n1\n2\nthree\n4\nfive\n");
    assert!(
        !f.hunks().iter().any(|h| h.contains("conflicted")),
        "{:?}",
        f.hunks()
    );
}

#[test]
fn files_that_come_go_and_move_come_together_or_wait() {
    check(
        "//- a.txt\n1\n2\n//- b.txt\n1\n2\n3\n",
        &[],
        &[("a.txt", "-"), ("c.txt", "< b.txt")],
        &[("a.txt", "1\ntwo\n")],
        &[
            "a.txt:0 h1 pending 1/2/>",
            "a.txt:0 h3 conflicted 1/2/>1/two/",
            "c.txt:0 h2 pending >",
        ],
    );
    let f = check(
        "//- z.txt\nz\n",
        &[],
        &[("new.txt", "mine\n")],
        &[("new.txt", "yours\n")],
        &[
            "new.txt:0 h1 pending >mine/",
            "new.txt:0 h2 conflicted >yours/",
        ],
    );
    f.overlay.reject(&ids(&["h1"])).unwrap();
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("new.txt").unwrap(), "yours\n");
}

#[test]
fn what_conflicts_with_a_deletion_or_a_move_fits_when_that_is_rejected() {
    let f = check(
        "//- a.txt\n1\n2\n",
        &[],
        &[("a.txt", "-")],
        &[("a.txt", "1\ntwo\n")],
        &[
            "a.txt:0 h1 pending 1/2/>",
            "a.txt:0 h2 conflicted 1/2/>1/two/",
        ],
    );
    f.overlay.reject(&ids(&["h1"])).unwrap();
    assert!(
        f.hunks().contains(&"a.txt:1 h2 pending 2/>two/".to_owned()),
        "{:?}",
        f.hunks()
    );

    // One edits, the other moves; before both was a proposal of their manager.
    for before in [&[][..], &[("a.txt", "1\n2\nend\n")][..]] {
        let last = before.first().map_or("1\n2\n", |(_, text)| *text);
        let f = Fixture::new("//- a.txt\n1\n2\n");
        for (path, text) in before {
            f.write(path, text);
        }
        let (a, b) = (f.overlay.fork(), f.overlay.fork());
        work(&f, &a, "one", &[("a.txt", &last.replace('1', "one"))]);
        let merged = work(&f, &b, "two", &[("b.txt", "< a.txt")]);
        assert_eq!(merged.conflicts.len(), 1, "{:?}", f.hunks());
        let waiting = f.hunks();
        let edits = waiting.iter().filter(|hunk| hunk.contains(">one/"));
        let edit: Vec<&str> = edits.map(|hunk| hunk.split(' ').nth(1).unwrap()).collect();
        f.overlay.reject(&ids(&edit)).unwrap();
        let pending = f
            .hunks()
            .iter()
            .any(|h| h.starts_with("b.txt") && h.contains("pending"));
        assert!(pending, "{:?}", f.hunks());
        assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
        assert_eq!(
            (f.on_disk("a.txt"), f.on_disk("b.txt")),
            (None, Some(last.to_owned()))
        );
    }
    // Nobody else changed it: it moves with what was proposed for it.
    let f = Fixture::new("//- a.txt\n1\n2\n");
    f.write("a.txt", "1\n2\nend\n");
    let fork = f.overlay.fork();
    work(&f, &fork, "two", &[("b.txt", "< a.txt")]);
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(
        (f.on_disk("a.txt"), f.on_disk("b.txt").as_deref()),
        (None, Some("1\n2\nend\n"))
    );
}

#[test]
fn a_conflict_is_amended_with_the_lines_of_its_file() {
    for end in ["\n", "\r\n"] {
        let text = |lines: &str| lines.replace('\n', end);
        let f = Fixture::new("//- z.txt\n");
        put(f.folder.path(), "a.txt", text("1\n2\n3\n4\n").as_bytes());
        let (a, b) = (f.overlay.fork(), f.overlay.fork());
        work(&f, &a, "one", &[("a.txt", &text("1\nzwei\n3\n4\n"))]);
        work(&f, &b, "two", &[("a.txt", &text("1\ndos\n3\n4\n"))]);
        f.overlay.amend("h2", "both\nof them").unwrap();
        assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
        assert_eq!(
            f.on_disk("a.txt").unwrap(),
            text("1\nboth\nof them\n3\n4\n")
        );
    }
}

#[test]
fn files_of_others_are_proposed_only_where_tools_could_write_them() {
    let f = Fixture::new("//- a.txt\na\n//- dir/b.txt\nb\n");
    let text = |text: &str| Some(Content::from_text(text.into()));
    let path = |path: &str| WorkspacePath::parse(path).unwrap();
    let merged = f.overlay.merge_files(
        vec![
            (path("empty.txt"), None, text("")),
            (path(".env"), None, text("secret")),
            (path("dir"), None, text("a file where a folder is")),
            (path("gone.txt"), text("x"), None),
        ],
        "other",
    );
    assert_eq!(merged.left_out.len(), 2, "{merged:?}");
    assert_eq!(f.hunks(), ["empty.txt:0 h1 pending >"]);
    assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(f.on_disk("empty.txt").as_deref(), Some(""));
}

#[test]
fn forks_begin_with_what_is_proposed_and_change_it() {
    check(
        FIVE,
        &[("a.txt", "one\n2\n3\n4\n5\n")],
        &[("a.txt", "one\n2\n3\n4\nfive\n")],
        &[("a.txt", "ONE\n2\n3\n4\n5\n")],
        &["a.txt:0 h3 pending 1/>ONE/", "a.txt:4 h2 pending 5/>five/"],
    );
}

#[test]
fn files_of_others_come_together_too() {
    let f = Fixture::new("//- a.txt\n1\n2\n3\n//- b.txt\nb\n");
    f.write("a.txt", "1\n2\ndrei\n");
    f.write("c.txt", "mine\n");
    let text = |text: &str| (text != "-").then(|| Content::from_text(text.into()));
    let file = |path: &str, was: &str, is: &str| {
        (WorkspacePath::parse(path).unwrap(), text(was), text(is))
    };
    let merged = f.overlay.merge_files(
        vec![
            file("a.txt", "1\n2\n3\n", "eins\n2\ntres\n"),
            file("b.txt", "b\n", "-"),
            file("c.txt", "-", "yours\n"),
            file("d/e.txt", "-", "new\n"),
            file("same.txt", "x", "x"),
        ],
        "other",
    );
    assert_eq!(merged.files, ["a.txt", "b.txt", "c.txt", "d/e.txt"]);
    assert_eq!((merged.hunks, merged.conflicts.len()), (3, 2));
    assert_eq!(merged.conflicts[0].with, ["h1"]);
    assert_eq!(
        f.hunks(),
        [
            "a.txt:0 h3 pending 1/>eins/",
            "a.txt:2 h1 pending 3/>drei/",
            "a.txt:2 h4 conflicted 3/>tres/",
            "b.txt:0 h6 pending b/>",
            "c.txt:0 h2 pending >mine/",
            "c.txt:0 h8 conflicted >yours/",
            "d/e.txt:0 h9 pending >new/",
        ]
    );
}

#[test]
fn conflicts_come_back_from_the_journal() {
    let f = check(
        FIVE,
        &[],
        &[("a.txt", "1\n2\ndrei\n4\n5\n")],
        &[("a.txt", "1\n2\ntres\n4\nfive\n")],
        &[
            "a.txt:2 h1 pending 3/>drei/",
            "a.txt:2 h2 conflicted 3/>tres/",
            "a.txt:4 h3 pending 5/>five/",
        ],
    );
    let delta = f.overlay.delta(0);
    assert_eq!((delta.pending, delta.conflicted), (2, 1));
    assert_eq!(f.overlay.delta(delta.version).rivals, None);
    let back = f.overlay.another();
    assert_eq!(
        back.restore(&delta.changed, delta.last_hunk),
        Vec::<String>::new()
    );
    assert_eq!(
        back.restore_rivals(delta.rivals.iter().flatten()),
        Vec::<String>::new()
    );
    assert_eq!(back.proposal(), f.overlay.proposal());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever two forks write: each line of theirs is proposed, or waits as a conflict; and when all
    /// conflicts are rejected, what is left can be accepted.
    #[test]
    fn nothing_of_any_fork_is_lost(
        one in prop::collection::vec(0..4usize, 8),
        two in prop::collection::vec(0..4usize, 8),
    ) {
        let base: String = (0..8).map(|line| format!("line {line}\n")).collect();
        let f = Fixture::new(&format!("//- a.txt\n{base}"));
        let text = |who: &str, edits: &[usize]| -> String {
            let line = |(at, edit): (usize, &usize)| match edit {
                0 | 1 => format!("line {at}\n"),
                2 => format!("{who} has {at}\n"),
                _ => format!("line {at}\n{who} adds {at}\n"),
            };
            edits.iter().enumerate().map(line).collect()
        };
        let (a, b) = (f.overlay.fork(), f.overlay.fork());
        let texts = [text("one", &one), text("two", &two)];
        work(&f, &a, "one", &[("a.txt", &texts[0])]);
        work(&f, &b, "two", &[("a.txt", &texts[1])]);
        let shown: String = f.overlay.proposal().iter().flat_map(|file| &file.hunks)
            .map(|hunk| hunk.new_text.clone()).collect();
        for line in texts.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with("line")) {
            prop_assert!(shown.contains(line), "{line} is lost in {shown}");
        }
        let conflicts: Vec<String> = f.overlay.proposal().into_iter().flat_map(|file| file.hunks)
            .filter(|hunk| hunk.state == HunkState::Conflicted).map(|hunk| hunk.id).collect();
        if !conflicts.is_empty() {
            f.overlay.reject(&Selection::Hunks(conflicts)).unwrap();
        }
        prop_assert_eq!(f.accept(&Selection::All), Vec::<String>::new());
        let on_disk = f.on_disk("a.txt").unwrap();
        for line in texts[0].lines().filter(|line| !line.starts_with("line")) {
            prop_assert!(on_disk.contains(line), "{} is not in {}", line, on_disk);
        }
    }
}

/// Where many files are proposed not each merge looks at all of the user's.
#[test]
fn what_the_user_types_beside_a_fork_is_not_the_forks() {
    let f = Fixture::new(FIVE);
    f.write("a.txt", "1\n2\ndrei\n4\n5\n");
    let fork = f.overlay.fork();
    f.overlay.look_later();
    put(f.folder.path(), "a.txt", b"typed\n2\n3\n4\n5\n");
    let merged = work(&f, &fork, "one", &[("b.txt", "b\n")]);
    assert_eq!(merged.files, ["b.txt"]);
    assert_eq!(
        f.hunks(),
        ["a.txt:2 h1 pending 3/>drei/", "b.txt:0 h2 pending >b/"]
    );
}
