use super::*;
use crate::commands::run::review::testing::{FakeDesk, FakeEditor, a_hunk, file};
use HunkState::{Accepted, Conflicted, Pending};
use boxagnts_protocol::proposal::ChangeKind;
use expect_test::{Expect, expect};
use std::cell::RefCell;

fn plain(id: &str, state: HunkState) -> Hunk {
    a_hunk(id, state, "old\n", "new\n")
}

fn proposal() -> Vec<FileProposal> {
    let many = ["h1", "h2"].map(|id| plain(id, Pending));
    let mut many = Vec::from(many);
    many.extend([plain("h3", Accepted), plain("h4", Pending)]);
    let mut grouped = file("b", vec![plain("h5", Conflicted), plain("h6", Pending)]);
    let mut last = file("c", vec![a_hunk("h7", Pending, "1\n2\n", "one\ntwo\n")]);
    grouped.hunks[0].live_text = Some("yours\n".into());
    grouped.hunks[1].group = Some("call".into());
    grouped.hunks[0].group = Some("call".into());
    last.hunks[0].group = Some("call".into());
    vec![file("a", many), grouped, last]
}

/// Answers are lines.
fn hold(answers: &str, editor: FakeEditor, refuses: Option<&'static str>) -> (Decisions, String) {
    let desk = FakeDesk {
        files: RefCell::new(proposal()),
        refuses,
    };
    let mut out = Vec::new();
    let dialogue = Dialogue {
        desk: &desk,
        editor: &editor,
        root: Path::new("/nowhere"),
        theme: Theme::plain(),
        input: &mut answers.as_bytes(),
        out: &mut out,
    };
    let decisions = dialogue.hold().unwrap();
    (decisions, String::from_utf8(out).unwrap())
}

/// Keys are separated by spaces.
fn check(keys: &str, accept: &[&str], reject: &[&str]) {
    let answers = format!("{}\n", keys.replace(' ', "\n"));
    let (decisions, out) = hold(&answers, FakeEditor(Some("mine\n")), None);
    let rejected = decisions.reject.iter().flat_map(|(_, ids)| ids);
    let rejected: Vec<&String> = rejected.collect();
    assert_eq!(decisions.accept, accept, "{keys}\n{out}");
    assert_eq!(rejected, reject, "{keys}\n{out}");
}

fn check_text(answers: &str, editor: FakeEditor, expect: Expect) {
    expect.assert_eq(&hold(answers, editor, None).1);
}

#[test]
fn answers_reach_as_far_as_they_say() {
    check("y n y n y n", &["h1", "h4", "h6"], &["h2", "h5", "h7"]);
    check("a d y", &["h1", "h2", "h4", "h7"], &["h5", "h6"]);
    check("d n y n", &["h6"], &["h1", "h2", "h4", "h5", "h7"]);
    check("n A n", &["h2", "h4", "h6", "h7"], &["h1", "h5"]);
    check("n A", &["h2", "h4", "h6", "h7"], &["h1"]);
    check("y q", &["h1"], &[]);
    check("q", &[], &[]);
    check("? maybe y q", &["h1"], &[]);
}

#[test]
fn a_group_is_a_tool_call() {
    // Of the hunks before: what conflicts is not accepted along.
    check("j j j j g", &["h6", "h7"], &[]);
    check("j j j G", &[], &["h5", "h6", "h7"]);
    check("j j j j y G q", &["h6"], &["h5", "h7"]);
    check("g n q", &[], &["h1"]);
}

#[test]
fn hunks_can_be_left_and_found_again() {
    check("j y k k n q", &["h2"], &["h1"]);
    check("k y q", &["h1"], &[]);
    check("/two y q", &["h7"], &[]);
    check("/ two n q", &[], &["h7"]);
    check("/nowhere y q", &["h1"], &[]);
    check("/ c y", &["h7"], &[]);
    // Changed its mind.
    check("y k n q", &[], &["h1"]);
}

#[test]
fn the_end_of_the_input_decides_nothing_more() {
    check("n", &[], &["h1"]);
    check("y c", &["h1"], &[]);
    check("y /", &["h1"], &[]);
}

#[test]
fn a_hunk_can_be_split_and_edited() {
    check("/two s y n", &["h7.1"], &["h7.2"]);
    check("s n q", &[], &["h1"]);
    check("e n q", &["h1'"], &["h2"]);
    // A conflict that is edited is one no more.
    check("j j j e q", &["h5'"], &[]);
    check("/two k e q", &["h6'"], &[]);
}

#[test]
fn a_comment_goes_with_its_hunk() {
    let answers = "c\n not so \nc\nnot so\nn\nc\n\nd\nn\n";
    let (decisions, _) = hold(answers, FakeEditor(None), None);
    let not_so = Some("not so".to_owned());
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let expect = vec![
        (not_so, ids(&["h1", "h2"])),
        (None, ids(&["h4", "h5", "h6", "h7"])),
    ];
    assert_eq!(decisions.reject, expect);
}

#[test]
fn the_dialogue_is_that_of_git() {
    check_text(
        "a\nn\nq\n",
        FakeEditor(None),
        expect![[r#"

            a
            @@ h1 @@ line 1
            -old
            +new
            (1/6) Accept this hunk [y,n,a,d,A,e,c,j,/,p,q,?]? 3 hunks accepted

            b
            @@ h5 @@ line 1
            you changed this place:
            -old
            +yours
            the proposal changes it:
            -old
            +new
            (4/6) Your text changed here; what of this hunk [n,d,G,e,c,j,k,/,p,q,?]? @@ h6 @@ line 1
            -old
            +new
            (5/6) Accept this hunk [y,n,a,d,A,g,G,e,c,j,k,/,p,q,?]? "#]],
    );
}

#[test]
fn help_says_what_does_nothing_here() {
    check_text(
        "?\ns\nk\nq\n",
        FakeEditor(None),
        expect![[r#"

        a
        @@ h1 @@ line 1
        -old
        +new
        (1/6) Accept this hunk [y,n,a,d,A,e,c,j,/,p,q,?]? y - accept this hunk
        n - reject this hunk
        a - accept this hunk and the rest of the file
        d - reject this hunk and the rest of the file
        A - accept this hunk and everything behind it
        g - accept this hunk and all others of the same tool call (not here)
        G - reject this hunk and all others of the same tool call (not here)
        s - split this hunk into smaller ones (not here)
        e - edit the proposed text in your editor, and accept it so
        c - reject this hunk and tell the model why
        j - go to the next hunk, leave this one undecided
        k - go to the previous hunk, leave this one undecided (not here)
        / - go to the next hunk that has a text
        p - print this hunk again
        q - quit; what is not decided stays pending
        ? - print help
        (1/6) Accept this hunk [y,n,a,d,A,e,c,j,/,p,q,?]? this hunk cannot be split
        (1/6) Accept this hunk [y,n,a,d,A,e,c,j,/,p,q,?]? this is the first hunk
        (1/6) Accept this hunk [y,n,a,d,A,e,c,j,/,p,q,?]? "#]],
    );
}

#[test]
fn what_an_editor_left_is_told() {
    let check = |answers: &str, text: Option<&'static str>, accept: &[&str], part: &str| {
        let (decisions, out) = hold(answers, FakeEditor(text), None);
        assert_eq!(decisions.accept, accept, "{out}");
        assert!(out.contains(part), "{out}");
    };
    check(
        "e\nq\n",
        None,
        &[],
        "cannot start the editor; set VISUAL or EDITOR",
    );
    check("e\nq\n", Some("new\n"), &[], "nothing is changed");
    check(
        "e\nn\nq\n",
        Some(""),
        &[],
        "nothing is left; reject this hunk? [y,n]",
    );
    check("e\nq\n", Some("old\n"), &[], "nothing is left of this hunk");
    // In a conflict the proposed text, as it is, says something.
    check(
        "j\nj\nj\ne\ny\nq\n",
        Some("new\n"),
        &["h5'"],
        "as it is? [y,n]",
    );
    check(
        "j\nj\nj\ne\nn\nq\n",
        Some("new\n"),
        &[],
        "nothing is changed",
    );
    let (decisions, _) = hold("e\ny\nq\n", FakeEditor(Some("")), None);
    assert_eq!(decisions.reject, [(None, vec!["h1".to_owned()])]);
}

#[test]
fn what_the_session_refuses_is_told_and_asked_again() {
    let (decisions, out) = hold(
        "e\n/two\ns\nq\n",
        FakeEditor(Some("x\n")),
        Some("a turn \u{1b}[2J runs"),
    );
    assert_eq!(decisions, Decisions::default());
    assert_eq!(out.matches("a turn ␛[2J runs\n").count(), 2, "{out}");
}

#[test]
fn a_file_that_goes_away_has_no_text_to_edit() {
    let mut gone = file("a", vec![a_hunk("h1", Pending, "old\n", "")]);
    gone.kind = ChangeKind::Delete;
    let mut board = Board::default();
    board.load(vec![gone]);
    assert!(!board.place(0).can_edit);
    board.load(vec![file("a", vec![a_hunk("h1", Pending, "", "")])]);
    assert!(!board.place(0).can_edit);
    board.load(vec![file("a", vec![a_hunk("h1", Pending, "old\n", "")])]);
    assert!(board.place(0).can_edit);
}
