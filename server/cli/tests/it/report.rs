//! `boxagnts session report`: one page for reviewers.

use crate::support::Fixture;

const RENAME: &str = "rename total_cost to order_total";

#[test]
fn the_latest_session_is_reported_to_stdout_or_a_file() {
    let fixture = Fixture::new(&[
        ("<b>a&b.txt", "one\ntotal_cost <script>\nthree\n"),
        ("b.txt", "total_cost\n"),
    ]);
    let before = fixture.tree();
    let ended = fixture.run(&["session", "report"]).check(2);
    assert!(ended.stderr.contains("no sessions in"), "{}", ended.stderr);
    fixture.run(&["run", "find total_cost"]).check(0);
    let run = fixture.run(&["run", "--json", RENAME]).check(0);
    let id = run.lines().pop().unwrap()["session"]
        .as_str()
        .unwrap()
        .to_owned();

    let page = fixture.run(&["session", "report"]).check(0).stdout;
    for part in [
        "<!DOCTYPE html>",
        "Content-Security-Policy",
        RENAME,
        "&lt;b&gt;a&amp;b.txt",
        "<del>total_cost</del> &lt;script&gt;",
        "<ins>order_total</ins> &lt;script&gt;",
        ">three</td>",
        "pending",
        &id,
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("<script"), "{page}");
    let dash = fixture
        .run(&["session", "report", &id[..6], "-o", "-"])
        .check(0);
    assert_eq!(dash.stdout, page);

    let ended = fixture
        .run(&["session", "report", "-o", "../page.html"])
        .check(0);
    assert!(ended.stdout.is_empty() && ended.stderr.contains("page.html"));
    let written = std::fs::read_to_string(fixture.home().parent().unwrap().join("page.html"));
    assert_eq!(written.unwrap(), page);
    let ended = fixture
        .run(&["session", "report", "-o", "no/such/page.html"])
        .check(2);
    assert!(
        ended.stderr.contains("cannot write the report"),
        "{}",
        ended.stderr
    );
    assert_eq!(fixture.tree(), before);
    fixture.run(&["session", "report", "zzz"]).check(2);
}

#[test]
fn what_was_accepted_is_told_and_a_folder_that_is_gone_is_no_obstacle() {
    let fixture = Fixture::new(&[("a.txt", "total_cost\n"), ("b.txt", "b\n")]);
    fixture.run(&["run", "--apply", RENAME]).check(0);
    let page = fixture.run(&["session", "report"]).check(0).stdout;
    for part in [
        "accepted",
        "id=\"hunk-h1\"",
        "<del>total_cost</del>",
        "href=\"#hunk-h1\"",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let run = fixture.run(&["run", "--json", "rename b to c"]).check(0);
    let id = run.lines().pop().unwrap()["session"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::rename(fixture.workspace(), fixture.home().join("elsewhere")).unwrap();
    let mut command = fixture.command(&["session", "report", &id]);
    let ended = command.current_dir(fixture.home()).output().unwrap();
    let ended = crate::support::Ended::of(ended).check(0);
    assert!(
        ended.stderr.contains("as the journal has them"),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.contains("<ins>c</ins>"), "{}", ended.stdout);
}
