use super::*;
use boxagnts_protocol::commands::{HunkStatus, UndoResult};
use boxagnts_protocol::conversation::{StopReason, TokenUsage, ToolCall};
use boxagnts_protocol::proposal::{ChangeKind, Hunk, HunkState, Position, Range};
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_protocol::update::{NamedHunk, ProposedDiff, TurnOutcome};
use expect_test::{Expect, expect, expect_file};
use proptest::prelude::*;
use serde_json::json;

fn summary() -> SessionSummary {
    SessionSummary {
        session: "abcdefghijkm".into(),
        title: "rename <script>alert(1)</script>".into(),
        workspace: "/nowhere".into(),
        model: "builtin".into(),
        created_ms: 0,
        updated_ms: 61_000,
        ..SessionSummary::default()
    }
}

fn page(events: Vec<SessionEvent>, proposal: Option<&[FileProposal]>) -> String {
    let entries: Vec<Entry> = (1..)
        .zip(events)
        .map(|(seq, event)| Entry {
            seq,
            at_ms: seq * 1000,
            event: Recorded::Known(Box::new(event)),
        })
        .collect();
    write(&summary(), &entries, proposal, &TimeZone::UTC)
}

/// The page in lines, without its head.
fn body(page: &str) -> String {
    let (_, body) = page.split_once("<body>").unwrap();
    let mut text = body.to_owned();
    for tag in [
        "<tr", "<section", "<article", "<header", "<h1", "<h2", "<h3", "<p", "<div", "<details",
        "<table", "<dt", "<li", "</body",
    ] {
        text = text.replace(tag, &format!("\n{tag}"));
    }
    text
}

fn started(turn: u64, prompt: &str) -> SessionEvent {
    SessionEvent::TurnStarted {
        turn,
        prompt: prompt.into(),
        context: None,
        model: "builtin".into(),
    }
}

fn ended(turn: u64, outcome: TurnOutcome) -> SessionEvent {
    SessionEvent::TurnEnded {
        turn,
        outcome,
        usage: TokenUsage::default(),
        cost_usd: None,
    }
}

fn answered(turn: u64, cost_usd: Option<f64>) -> SessionEvent {
    SessionEvent::ModelAnswered {
        turn,
        stop: StopReason::EndTurn,
        usage: TokenUsage {
            input_tokens: 1200,
            ..TokenUsage::default()
        },
        cost_usd,
    }
}

fn called(turn: u64, id: &str, report: ToolReport) -> [SessionEvent; 2] {
    let call = ToolCall {
        id: id.into(),
        name: "edit".into(),
        input: json!({"path": "a\u{202e}.rs", "edits": [1]}),
    };
    let finished = SessionEvent::ToolFinished {
        turn,
        id: id.into(),
        name: "edit".into(),
        report,
    };
    [SessionEvent::ToolStarted { turn, call }, finished]
}

/// A hunk's id, and its lines; none for one of the whole file.
type Named<'a> = (&'a str, Option<[u64; 4]>);

fn changed(files: &[(&str, &str, Option<&str>, &[Named<'_>])]) -> SessionEvent {
    let named = |(id, lines): &Named<'_>| NamedHunk {
        id: (*id).to_owned(),
        group: Some("c1".into()),
        lines: *lines,
    };
    let file =
        |(path, diff, base, hunks): &(&str, &str, Option<&str>, &[Named<'_>])| ProposedDiff {
            path: (*path).into(),
            diff: (*diff).into(),
            base: base.map(str::to_owned),
            hunks: hunks.iter().map(named).collect(),
        };
    SessionEvent::ProposalChanged {
        files: files.len() as u64,
        pending: 1,
        conflicted: 0,
        changed: files.iter().map(file).collect(),
        rivals: None,
        last_hunk: 1,
    }
}

fn decided(hunks: &[(&str, HunkState)], comment: Option<&str>) -> SessionEvent {
    let status = |(id, state): &(&str, HunkState)| HunkStatus {
        id: (*id).into(),
        state: *state,
        reason: None,
    };
    SessionEvent::Decided {
        hunks: hunks.iter().map(status).collect(),
        comment: comment.map(str::to_owned),
        checkpoint: None,
    }
}

fn hunk(id: &str, state: HunkState, lines: (u32, u32), old: &str, new: &str) -> Hunk {
    let at = |line| Position { line, character: 0 };
    Hunk {
        id: id.into(),
        state,
        range: Range {
            start: at(lines.0),
            end: at(lines.1),
        },
        old_text: old.into(),
        new_text: new.into(),
        live_text: None,
        note: None,
        group: None,
        executor: None,
    }
}

fn file(path: &str, kind: ChangeKind, hunks: Vec<Hunk>) -> FileProposal {
    FileProposal {
        uri: String::new(),
        path: path.into(),
        from: None,
        kind,
        hunks,
    }
}

const BASE: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";
const BOTH: &str = "diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -1,7 +1,7 @@\n one\n-two\n\
                    +TWO\n three\n four\n five\n-six\n+SIX\n seven\n";
const ONE: &str = "diff --git a/a.rs b/a.rs\n--- a/a.rs\n+++ b/a.rs\n@@ -3,5 +3,5 @@\n three\n four\n \
                   five\n-six\n+SIX\n seven\n";

const NAMED: &[Named<'_>] = &[("h1", Some([1, 2, 1, 2])), ("h2", Some([5, 6, 5, 6]))];

#[test]
fn a_session_is_one_page() {
    let ok = ToolReport {
        ok: true,
        error: None,
        output: "done & <b>dusted</b>".into(),
        ..ToolReport::refused(FailureKind::Failed, "")
    };
    let mut events = vec![started(1, "rename <script>alert(1)</script>\nplease")];
    events.extend(called(1, "c1", ok));
    events.push(changed(&[("a.rs", BOTH, Some(BASE), NAMED)]));
    events.push(answered(1, Some(0.25)));
    events.push(SessionEvent::TextDelta {
        turn: 1,
        text: "I renamed \u{1b}[2J it.".into(),
    });
    events.push(ended(1, TurnOutcome::Done));
    events.push(decided(
        &[("h1", HunkState::Rejected)],
        Some("no <shouting>"),
    ));
    events.push(changed(&[("a.rs", ONE, None, &NAMED[1..])]));
    events.push(started(2, "and?"));
    events.extend(called(
        2,
        "c2",
        ToolReport::refused(FailureKind::Denied, "no"),
    ));

    let mut dangerous = hunk(
        "h4",
        HunkState::Pending,
        (0, 0),
        "",
        "all:\n\trm -rf \u{202e}x\n",
    );
    dangerous.note = Some("creates the file (20 bytes); dangerous: it runs".into());
    dangerous.group = Some("c1".into());
    let mut conflicted = hunk("h3", HunkState::Conflicted, (8, 9), "9\n", "nine\n");
    conflicted.live_text = Some("IX\n".into());
    let proposal = [
        file(
            ".github/workflows/<b>.yml",
            ChangeKind::Create,
            vec![dangerous],
        ),
        file(
            "a.rs",
            ChangeKind::Modify,
            vec![
                hunk(
                    "h2",
                    HunkState::Pending,
                    (5, 6),
                    "six = f(1)\n",
                    "six = g(1)",
                ),
                conflicted,
            ],
        ),
    ];
    let page = page(events, Some(&proposal));
    expect_file!["page.html"].assert_eq(&body(&page));
    for forbidden in [
        "<script",
        "<img",
        "javascript:",
        "http://",
        "https://",
        "\u{202e}",
        "\u{1b}",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"));
}

#[test]
fn nothing_is_a_page_too() {
    let page = page(Vec::new(), Some(&[]));
    assert!(page.contains("Nothing was asked.") && page.contains("Nothing was proposed."));
}

/// What the journal alone tells of hunks.
fn check(events: Vec<SessionEvent>, expect: Expect) {
    let mut replay = Replay::default();
    for event in &events {
        replay.event(event);
    }
    let (decided, waiting) = replay.end();
    let mut text = String::new();
    for it in decided.iter().chain(&waiting) {
        let hunk = &it.hunk;
        let line = format!(
            "{} {:?} {:?} line {} {:?} → {:?} {:?} {:?}",
            it.path,
            hunk.id,
            hunk.state,
            hunk.range.start.line + 1,
            hunk.old_text,
            hunk.new_text,
            hunk.note,
            it.comment,
        );
        let line = if it.is_undone { line + " undone" } else { line };
        text.push_str(&line.replace(" None", ""));
        text.push('\n');
    }
    expect.assert_eq(&text);
}

#[test]
fn decided_hunks_have_the_text_that_they_had() {
    let taken = BASE.replace("two", "TWO");
    check(
        vec![
            changed(&[("a.rs", BOTH, Some(BASE), NAMED)]),
            decided(
                &[("h1", HunkState::Accepted), ("h2", HunkState::Pending)],
                None,
            ),
            changed(&[("a.rs", ONE, Some(&taken), &NAMED[1..])]),
            decided(&[("h2", HunkState::Rejected)], Some("no")),
            changed(&[("a.rs", "", None, &[])]),
        ],
        expect![[r#"
            a.rs "h1" Accepted line 2 "two\n" → "TWO\n"
            a.rs "h2" Rejected line 6 "six\n" → "SIX\n" Some("no")
        "#]],
    );
    let create =
        "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n";
    let moved = "diff --git a/a.rs b/b.rs\nrename from a.rs\nrename to b.rs\n--- a/a.rs\n+++ b/b.rs\n\
                 @@ -1,4 +1,4 @@\n one\n-two\n+TWO\n three\n four\n";
    check(
        vec![
            changed(&[
                (
                    "b.rs",
                    moved,
                    Some(BASE),
                    &[("h1", None), ("h2", Some([1, 2, 1, 2]))],
                ),
                ("n", create, None, &[("h3", None)]),
                ("x", "no diff at all", None, &[("h4", None)]),
            ]),
            decided(
                &[("h3", HunkState::Rejected), ("h9", HunkState::Rejected)],
                None,
            ),
            changed(&[("n", "", None, &[])]),
        ],
        expect![[r#"
            n "h3" Rejected line 1 "" → "x\n" Some("creates the file (2 bytes)")
            b.rs "h1" Pending line 1 "" → "" Some("moves the file here from `a.rs`")
            b.rs "h2" Pending line 2 "two\n" → "TWO\n"
            x "h4" Pending line 1 "" → "" Some("replaces it; it is binary")
        "#]],
    );
}

#[test]
fn what_was_proposed_again_waits() {
    check(
        vec![
            changed(&[("a.rs", BOTH, Some(BASE), NAMED)]),
            decided(&[("h1", HunkState::Rejected)], Some("no")),
            changed(&[("a.rs", ONE, None, &NAMED[1..])]),
            changed(&[("a.rs", BOTH, None, NAMED)]),
        ],
        expect![[r#"
            a.rs "h1" Pending line 2 "two\n" → "TWO\n"
            a.rs "h2" Pending line 6 "six\n" → "SIX\n"
        "#]],
    );
    // The user changed their mind, and no proposal came between.
    check(
        vec![
            changed(&[("a.rs", ONE, Some(BASE), &NAMED[1..])]),
            decided(&[("h2", HunkState::Rejected)], Some("no")),
            changed(&[("a.rs", "", None, &[])]),
            decided(&[("h2", HunkState::Accepted)], None),
        ],
        expect![[r#"
            a.rs "h2" Accepted line 6 "six\n" → "SIX\n"
        "#]],
    );
}

#[test]
fn what_was_taken_back_says_so() {
    let undone = |checkpoints: &[u64], made: u64, files: &[&str]| SessionEvent::Undone {
        checkpoints: checkpoints.to_vec(),
        result: UndoResult {
            checkpoint: Some(made),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            refused: Vec::new(),
            hunks: Vec::new(),
        },
    };
    let mut accepted = decided(
        &[("h1", HunkState::Accepted), ("h2", HunkState::Accepted)],
        None,
    );
    if let SessionEvent::Decided { checkpoint, .. } = &mut accepted {
        *checkpoint = Some(7);
    }
    let mut events = vec![
        changed(&[("a.rs", BOTH, Some(BASE), NAMED)]),
        accepted,
        changed(&[("a.rs", "", None, &[])]),
        undone(&[7], 8, &["b.rs", "a.rs"]),
    ];
    let expect_undone = expect![[r#"
        a.rs "h1" Accepted line 2 "two\n" → "TWO\n" undone
        a.rs "h2" Accepted line 6 "six\n" → "SIX\n" undone
    "#]];
    check(events.clone(), expect_undone);
    assert!(page(events.clone(), None).contains("taken back: b.rs, a.rs"));
    // And that was taken back too.
    events.push(undone(&[8], 9, &["a.rs"]));
    check(
        events,
        expect![[r#"
        a.rs "h1" Accepted line 2 "two\n" → "TWO\n"
        a.rs "h2" Accepted line 6 "six\n" → "SIX\n"
    "#]],
    );
}

#[test]
fn lines_of_the_journal_are_taken_as_they_are() {
    // Lines that are not there, and a diff that does not fit its base.
    check(
        vec![changed(&[
            ("a.rs", BOTH, Some(BASE), &[("h1", Some([90, 95, 3, 1]))]),
            (
                "b.rs",
                BOTH,
                Some("else\r"),
                &[("h2", Some([0, 1, 0, u64::MAX]))],
            ),
        ])],
        expect![[r#"
            a.rs "h1" Pending line 91 "" → ""
            b.rs "h2" Pending line 1 "else\r" → ""
        "#]],
    );
}

#[test]
fn a_huge_hunk_is_cut_and_says_how_to_see_it() {
    let huge = "x".repeat(5_000_000);
    let lines = "line\n".repeat(1_000_000);
    let hunks = vec![
        hunk("h1", HunkState::Pending, (0, 0), "", &lines),
        hunk("h2", HunkState::Accepted, (1, 2), "y\n", &huge),
    ];
    let page = page(Vec::new(), Some(&[file("a", ChangeKind::Modify, hunks)]));
    assert!(page.len() < 200_000, "{}", page.len());
    for part in [
        "999,500 more new",
        "<code>boxagnts session show abcdefghijkm --json</code> has all of it.",
        "(4,998,000 more characters)",
        "+1000001 −1",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn very_many_hunks_make_no_endless_page() {
    let hunks = (0..500).map(|at| {
        let text = "line\n".repeat(400);
        hunk(&format!("h{at}"), HunkState::Accepted, (at, at), "", &text)
    });
    let proposal = [file("a", ChangeKind::Modify, hunks.collect())];
    let page = page(Vec::new(), Some(&proposal));
    assert!(page.len() < 10_000_000, "{}", page.len());
    assert!(page.contains("id=\"hunk-h499\"") && page.contains("This page is long enough"));
}

/// A page in which everything that others wrote is this text.
fn page_of(text: &str) -> String {
    let report = ToolReport {
        output: text.into(),
        ..ToolReport::refused(FailureKind::Failed, text)
    };
    let mut events = vec![started(1, text)];
    events.extend(called(1, text, report));
    events.push(ended(
        1,
        TurnOutcome::Failed {
            message: text.into(),
            may_pass: false,
        },
    ));
    events.push(decided(&[("h1", HunkState::Rejected)], Some(text)));
    let mut it = hunk("h2", HunkState::Pending, (0, 0), "", &format!("{text}\n"));
    it.note = Some(text.into());
    it.group = Some(text.into());
    page(events, Some(&[file(text, ChangeKind::Rename, vec![it])]))
}

proptest! {
    #[test]
    fn text_is_never_markup(text in "[a<>&\"'=/\u{202e}\u{1b}\u{2028} -]{1,12}") {
        let text = format!("x{text}x");
        let (given, plain) = (page_of(&text), page_of("x"));
        for mark in ['<', '>', '"'] {
            prop_assert_eq!(given.matches(mark).count(), plain.matches(mark).count(), "{}", mark);
        }
        let sly = given.contains(['\u{202e}', '\u{1b}', '\u{2028}']);
        prop_assert!(!sly);
    }
}
