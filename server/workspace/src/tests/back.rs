//! The way back of steps: all of it or nothing of a file, under whatever names it was.

use super::*;

fn text(text: &str) -> Option<Content> {
    Some(Content::from_text(text.into()))
}

fn path(path: &str) -> WorkspacePath {
    WorkspacePath::parse(path).unwrap()
}

fn step(path_: &str, before: Option<Content>, after: Option<Content>) -> Step {
    Step {
        path: path(path_),
        from: None,
        before,
        after,
        mode: None,
    }
}

fn moved(from: &str, to: &str, before: &str, after: &str) -> Step {
    Step {
        from: Some(path(from)),
        ..step(to, text(before), text(after))
    }
}

/// Takes steps back, the newest first, in a tree; gives what is refused.
fn check(tree: &str, steps: &[Step], expect: &[(&str, &str)]) -> Vec<String> {
    let fixture = Fixture::new(tree);
    let way = fixture.overlay.way_back(steps);
    for plan in &way.plans {
        apply_to_disk(&fixture.overlay, plan).unwrap();
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        found.push((entry.file_name().into_string().unwrap(), text));
    }
    found.sort();
    let expect: Vec<_> = expect
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    assert_eq!(found, expect, "{:?}", way.refused);
    let refused = way.refused.iter();
    refused.map(|(path, _)| path.to_string()).collect()
}

#[test]
fn a_file_that_moved_stays_whole_when_an_older_step_cannot_be_taken_back() {
    let steps = [
        moved("b", "c", "new\n", "new\n"),
        step("b", text("old\n"), text("new\n")),
    ];
    let refused = check("//- c\nmine\n", &steps, &[("c", "mine\n")]);
    assert_eq!(refused, ["b", "c"]);
    // Nor is what came to the old place since.
    let steps = [
        step("a", None, text("other\n")),
        moved("a", "b", "x\n", "y\n"),
    ];
    let refused = check(
        "//- a\nother\n//- b\nmine\n",
        &steps,
        &[("a", "other\n"), ("b", "mine\n")],
    );
    assert_eq!(refused, ["a", "b"]);
}

#[test]
fn a_move_goes_back_in_one_plan() {
    let fixture = Fixture::new("//- b\nnew\nmine\n");
    let way = fixture.overlay.way_back(&[
        moved("a", "b", "old\n", "new\n"),
        moved("z", "a", "old\n", "old\n"),
    ]);
    let [plan] = &way.plans[..] else {
        panic!("{way:?}");
    };
    assert_eq!(
        (plan.path.as_str(), plan.from.as_ref().unwrap().as_str()),
        ("z", "b")
    );
    apply_to_disk(&fixture.overlay, plan).unwrap();
    let read = |name: &str| std::fs::read_to_string(fixture.folder.path().join(name)).ok();
    assert_eq!(
        (read("z"), read("a"), read("b")),
        (Some("old\nmine\n".into()), None, None)
    );
}

#[test]
fn a_move_that_was_interrupted_leaves_the_old_place() {
    let half = moved("a", "b", "x\n", "y\n");
    let fixture = Fixture::new("//- a\nx\n//- b\ny\n");
    assert!(fixture.overlay.half_arrived(&half) && !fixture.overlay.arrived(&half));
    check(
        "//- a\nx\n//- b\ny\n",
        std::slice::from_ref(&half),
        &[("a", "x\n")],
    );
    let fixture = Fixture::new("//- b\ny\n");
    assert!(fixture.overlay.arrived(&half) && !fixture.overlay.half_arrived(&half));
    // Two files of the user are no half of a move.
    let both = [("a", "mine\n"), ("b", "y\n")];
    assert_eq!(check("//- a\nmine\n//- b\ny\n", &[half], &both), ["b"]);
}

proptest! {
    #[test]
    fn the_way_back_leads_back(does in prop::collection::vec((0u8..4, 0usize..4, 0usize..4, "[ab]{0,2}\n"), 1..12)) {
        let names = ["a", "b", "c", "d"];
        let mut files = BTreeMap::from([("a", "one\n".to_owned()), ("b", "two\n".to_owned())]);
        let begun = files.clone();
        let mut steps = Vec::new();
        for (what, one, other, new) in does {
            let (one, other) = (names[one], names[other]);
            let old = files.get(one).cloned();
            match (what, old) {
                (0, old) => {
                    files.insert(one, new.clone());
                    steps.push(step(one, old.as_deref().and_then(text), text(&new)));
                }
                (1, Some(old)) => {
                    files.remove(one);
                    steps.push(step(one, text(&old), None));
                }
                (_, Some(old)) if !files.contains_key(other) => {
                    let new = if what == 2 { old.clone() } else { new };
                    files.remove(one);
                    files.insert(other, new.clone());
                    steps.push(moved(one, other, &old, &new));
                }
                _ => {}
            }
        }
        steps.reverse();
        let tree: String = files.iter().map(|(name, text)| format!("//- {name}\n{text}")).collect();
        let expect: Vec<_> = begun.iter().map(|(name, text)| (*name, text.as_str())).collect();
        prop_assert_eq!(check(&tree, &steps, &expect), Vec::<String>::new());
    }
}

/// Takes `steps` back where documents, with or without unsaved text, are open that have no file; gives
/// what is on disk afterwards at `a` and at `b`, and what is refused.
fn check_fileless(
    tree: &str,
    open: &[(&str, &str, bool)],
    steps: &[Step],
    expect: [Option<&str>; 2],
    refused: &[&str],
) {
    let fixture = Fixture::new(tree);
    for (path, text, dirty) in open {
        fixture.editor.show(path, text, *dirty);
    }
    let way = fixture.overlay.way_back(steps);
    for plan in &way.plans {
        apply_to_disk(&fixture.overlay, plan).unwrap();
    }
    let found = ["a", "b"].map(|name| fixture.on_disk(name));
    assert_eq!(
        found.each_ref().map(|text| text.as_deref()),
        expect,
        "{open:?} {way:?}"
    );
    let reasons: Vec<&str> = way.refused.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(reasons, refused, "{open:?}");
}

#[test]
fn a_document_without_a_file_is_no_file_that_came_back() {
    let deleted = step("a", text("x\n"), None);
    let deleted = std::slice::from_ref(&deleted);
    for dirty in [false, true] {
        let open = [("a", "x\n", dirty)];
        check_fileless("", &open, deleted, [Some("x\n"), None], &[]);
        for after in ["x\n", "y\n"] {
            let tree = format!("//- b\n{after}");
            let moved = [moved("a", "b", "x\n", after)];
            check_fileless(&tree, &open, &moved, [Some("x\n"), None], &[]);
            // The place that it leaves may be shown too.
            let both = [open[0], ("b", after, false)];
            check_fileless(&tree, &both, &moved, [Some("x\n"), None], &[]);
        }
    }
    // What an editor shows without carriage returns.
    let returns = [step("a", text("x\r\ny\r\n"), None)];
    let open = [("a", "x\ny\n", true)];
    check_fileless("", &open, &returns, [Some("x\r\ny\r\n"), None], &[]);
    // What the user typed is no copy of it, and stays.
    let typed = [("a", "x\nmine\n", true)];
    check_fileless("", &typed, deleted, [None, None], &["a"]);
    let moved = [moved("a", "b", "x\n", "x\n")];
    let tree = "//- b\nx\n";
    check_fileless(tree, &typed, &moved, [None, Some("x\n")], &["a", "b"]);
}

#[test]
fn what_a_killed_process_did_is_seen_on_disk() {
    let fixture = Fixture::new("//- b\nx\n");
    let (deleted, created) = (step("a", text("x\n"), None), step("a", None, text("x\n")));
    let moved = moved("a", "b", "x\n", "x\n");
    for dirty in [false, true] {
        fixture.editor.show("a", "x\n", dirty);
        assert!(fixture.overlay.arrived(&deleted) && fixture.overlay.arrived(&moved));
        assert!(!fixture.overlay.arrived(&created) && !fixture.overlay.half_arrived(&moved));
    }
}

#[test]
fn a_new_file_is_there_when_it_is_on_disk() {
    let fixture = Fixture::new("");
    fixture.write("a", "x\n");
    fixture.editor.show("a", "x\n", false);
    assert_eq!(fixture.hunks(), ["a:0 h1 pending >x/"]);
    assert_eq!(fixture.accept(&Selection::All), Vec::<String>::new());
    assert_eq!(fixture.on_disk("a").as_deref(), Some("x\n"));
    // It is not put where the user writes something else.
    let fixture = Fixture::new("");
    fixture.write("a", "x\n");
    fixture.editor.show("a", "mine\n", true);
    assert_eq!(fixture.accept(&Selection::All), ["a file is there by now"]);
    assert_eq!(fixture.on_disk("a"), None);
    // One that a document shows, and that is gone, is gone.
    let fixture = Fixture::new("//- a\nx\n");
    fixture.editor.show("a", "x\n", false);
    fixture.write("a", "y\n");
    std::fs::remove_file(fixture.folder.path().join("a")).unwrap();
    assert_eq!(fixture.accept(&Selection::All).len(), 1);
    assert_eq!(fixture.on_disk("a"), None);
}
