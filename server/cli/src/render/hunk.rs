//! Hunks and diffs for a terminal, coloured line by line; inside a changed line the words that changed
//! are inverted.

use crate::terminal::{Theme, paint, visible};
use crate::word_diff::{self, Bounds, Line, Shown, Sign};
use anstyle::Style;
use boxagnts_protocol::proposal::Hunk;
use std::fmt::Write;

/// Lines shown around a hunk.
const CONTEXT_LINES: usize = 3;
/// A unified diff, coloured line by line, for a terminal.
pub(crate) fn diff(diff: &str, theme: Theme) -> String {
    let mut shown = String::with_capacity(diff.len() + diff.len() / 4);
    // Inside a hunk every line has its sign; only outside of one is `---` the name of a file.
    let mut in_hunk = false;
    for line in diff.lines() {
        let header = line.starts_with("diff --git ");
        in_hunk = (in_hunk || line.starts_with("@@ ")) && !header;
        let style = match line.as_bytes().first() {
            _ if header || !in_hunk => theme.bold,
            Some(b'@') => theme.cyan,
            Some(b'+') => theme.green,
            Some(b'-') => theme.red,
            _ => anstyle::Style::new(),
        };
        let _ = writeln!(
            shown,
            "{}",
            paint(style, visible(line.trim_end_matches('\r')))
        );
    }
    shown
}

/// The lines that a hunk replaces, counted from zero, without the last.
pub(crate) fn lines_of(hunk: &Hunk) -> (usize, usize) {
    // A last line without a line break ends within itself.
    let end = hunk.range.end;
    let last = end.line.saturating_add(u32::from(end.character > 0));
    (hunk.range.start.line as usize, last as usize)
}

/// Where a hunk is, in words.
pub(crate) fn place(hunk: &Hunk) -> String {
    let (start, last) = lines_of(hunk);
    match (start + 1, last) {
        (first, last) if first > last => format!("before line {first}"),
        (first, last) if first == last => format!("line {first}"),
        (first, last) => format!("lines {first}-{last}"),
    }
}

/// What is shown of a hunk. More would scroll away unseen.
const BOUNDS: Bounds = Bounds {
    lines: 1_000,
    chars: 4_000,
};

/// One hunk as a reviewer sees it. `live` is the user's text of the file, for the lines around.
pub(crate) fn hunk(hunk: &Hunk, live: Option<&str>, theme: Theme) -> String {
    let mut shown = head(hunk, theme);
    let (start, end) = lines_of(hunk);
    let lines: Vec<&str> = live.map(|text| text.lines().collect()).unwrap_or_default();
    let first = start.saturating_sub(CONTEXT_LINES).min(lines.len());
    for line in &lines[first..start.min(lines.len())] {
        let _ = writeln!(shown, " {}", visible(line));
    }
    let changed = word_diff::lines(&hunk.old_text, &hunk.new_text, BOUNDS);
    put_lines(&mut shown, &changed, theme);
    for line in lines.iter().skip(end).take(CONTEXT_LINES) {
        let _ = writeln!(shown, " {}", visible(line));
    }
    shown
}

/// A hunk that the user's text came in the way of, both ways.
pub(crate) fn conflict(hunk: &Hunk, theme: Theme) -> String {
    let mut shown = head(hunk, theme);
    let mut part = |title: &str, new: &str| {
        let _ = writeln!(shown, "{}", paint(theme.yellow, title));
        let lines = word_diff::lines(&hunk.old_text, new, BOUNDS);
        put_lines(&mut shown, &lines, theme);
    };
    match &hunk.live_text {
        Some(yours) => {
            // What is said of the hunk is that another one is in its way.
            let there = match hunk.note {
                Some(_) => "what is proposed there, or was accepted:",
                None => "you changed this place:",
            };
            part(there, yours);
            part("the proposal changes it:", &hunk.new_text);
        }
        None => part(
            "your text changed here; this is what the proposal was made on:",
            &hunk.new_text,
        ),
    }
    shown
}

fn head(hunk: &Hunk, theme: Theme) -> String {
    let place = match hunk.old_text.is_empty() && hunk.new_text.is_empty() {
        true => String::new(),
        false => place(hunk),
    };
    let note = hunk.note.as_deref().map(visible).unwrap_or_default();
    let gap = if place.is_empty() || note.is_empty() {
        ""
    } else {
        ", "
    };
    let by = hunk.executor.as_deref().map_or_else(String::new, |task| {
        let task = task.lines().next().unwrap_or_default();
        format!(" (executor: {})", visible(task))
    });
    let head = format!("@@ {} @@ {place}{gap}{note}{by}", hunk.id);
    format!("{}\n", paint(theme.cyan, head.trim_end()))
}

fn put_lines(shown: &mut String, lines: &Shown, theme: Theme) {
    for line in &lines.lines {
        let style = match line.sign {
            Sign::Both => Style::new(),
            Sign::Old => theme.red,
            Sign::New => theme.green,
        };
        put_line(shown, line, style, theme);
    }
    if let (old, new @ 1..) | (old @ 1.., new) = lines.left_out {
        let hint = match new {
            0 => "",
            _ => "; `e` opens the proposed text",
        };
        let more = format!("… {old} more old and {new} more new lines are not shown{hint}");
        let _ = writeln!(shown, "{}", paint(theme.yellow, more));
    }
}

fn put_line(shown: &mut String, line: &Line, style: Style, theme: Theme) {
    let changed = if theme.is_coloured() {
        style.invert()
    } else {
        style
    };
    // In one go as long as the style is the same.
    let mut run = (style, line.sign.char().to_string());
    for (is_changed, text) in &line.pieces {
        let wanted = if *is_changed { changed } else { style };
        if wanted != run.0 {
            let _ = write!(shown, "{}", paint(run.0, &run.1));
            run = (wanted, String::new());
        }
        run.1.push_str(&visible(text));
    }
    let _ = write!(shown, "{}", paint(run.0, &run.1));
    if line.cut > 0 {
        let more = format!("… ({} more characters)", line.cut);
        let _ = write!(shown, "{}", paint(theme.yellow, more));
    }
    shown.push('\n');
    if line.unended {
        shown.push_str("\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::proposal::{HunkState, Position, Range};
    use expect_test::{Expect, expect};

    fn a_hunk(lines: (u32, u32), old: &str, new: &str) -> Hunk {
        let at = |line| Position { line, character: 0 };
        Hunk {
            id: "h1".into(),
            state: HunkState::Pending,
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

    fn check_hunk(given: &Hunk, live: Option<&str>, expect: Expect) {
        expect.assert_eq(&hunk(given, live, Theme::plain()));
    }

    #[test]
    fn a_hunk_is_shown_with_the_lines_around_it() {
        let live = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        check_hunk(
            &a_hunk((4, 5), "five\n", "5\n"),
            Some(live),
            expect![[r#"
                @@ h1 @@ line 5
                 2
                 3
                 4
                -five
                +5
                 6
                 7
                 8
            "#]],
        );
        check_hunk(
            &a_hunk((9, 9), "", "10\n11"),
            Some(live),
            expect![[r#"
                @@ h1 @@ before line 10
                 7
                 8
                 9
                +10
                +11
                \ No newline at end of file
            "#]],
        );
    }

    #[test]
    fn line_endings_are_shown_only_when_they_change() {
        check_hunk(
            &a_hunk((0, 2), "a\r\nb\r\n", "A\r\nb\r\n"),
            None,
            expect![[r#"
                @@ h1 @@ lines 1-2
                -a
                +A
                 b
            "#]],
        );
        check_hunk(
            &a_hunk((0, 1), "a\r\n", "a\n"),
            None,
            expect![[r#"
                @@ h1 @@ line 1
                -a␍
                +a
            "#]],
        );
    }

    #[test]
    fn a_whole_file_hunk_says_what_it_does() {
        let mut moved = a_hunk((0, 0), "", "");
        moved.note = Some("move from a.txt".into());
        check_hunk(
            &moved,
            Some("x\n"),
            expect![[r#"
            @@ h1 @@ move from a.txt
             x
        "#]],
        );
    }

    #[test]
    fn a_range_behind_the_end_of_the_file_is_survived() {
        check_hunk(
            &a_hunk((7, 9), "x\n", ""),
            Some("1\n"),
            expect![[r#"
            @@ h1 @@ lines 8-9
            -x
        "#]],
        );
    }

    #[test]
    fn diffs_are_coloured_by_what_lines_mean() {
        let text = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- old\n+++ new\n";
        expect![[r#"
            <b>diff --git a/x b/x</b>
            <b>--- a/x</b>
            <b>+++ b/x</b>
            <c>@@ -1 +1 @@</c>
            <r>--- old</r>
            <g>+++ new</g>
        "#]]
        .assert_eq(&tags(&diff(text, Theme::coloured())));
    }

    fn tags(text: &str) -> String {
        let mut open = "";
        let mut shown = String::new();
        // An inverted colour is two codes.
        let text = text.replace("\x1b[7m\x1b[3", "\x1b[73");
        for piece in text.split('\x1b') {
            let Some((code, rest)) = piece.split_once('m').filter(|_| piece.starts_with('['))
            else {
                shown.push_str(piece);
                continue;
            };
            let tag = match code {
                "[1" => "b",
                "[36" => "c",
                "[31" => "r",
                "[32" => "g",
                "[731" => "R",
                "[732" => "G",
                _ => "",
            };
            let _ = match tag {
                "" => write!(shown, "</{open}>{rest}"),
                tag => write!(shown, "<{tag}>{rest}"),
            };
            open = tag;
        }
        shown
    }

    #[test]
    fn words_that_changed_stand_out() {
        let given = a_hunk((0, 1), "a = f(b)\n", "a = g(b)\n");
        expect![[r#"
            <c>@@ h1 @@ line 1</c>
            <r>-a = </r><R>f</R><r>(b)</r>
            <g>+a = </g><G>g</G><g>(b)</g>
        "#]]
        .assert_eq(&tags(&hunk(&given, None, Theme::coloured())));
    }

    #[test]
    fn a_conflict_of_executors_says_whose_it_is() {
        let mut given = a_hunk((4, 5), "a\n", "b\n");
        given.live_text = Some("c\n".into());
        given.note = Some("h1 has something else here".into());
        given.executor = Some("tidy up\nall of it".into());
        expect![[r#"
            @@ h1 @@ line 5, h1 has something else here (executor: tidy up)
            what is proposed there, or was accepted:
            -a
            +c
            the proposal changes it:
            -a
            +b
        "#]]
        .assert_eq(&conflict(&given, Theme::plain()));
    }

    #[test]
    fn a_conflict_is_shown_both_ways() {
        let check = |yours: Option<&str>, expect: Expect| {
            let mut given = a_hunk((4, 5), "a\n", "b\n");
            given.live_text = yours.map(str::to_owned);
            expect.assert_eq(&conflict(&given, Theme::plain()));
        };
        check(
            Some("c\n"),
            expect![[r#"
            @@ h1 @@ line 5
            you changed this place:
            -a
            +c
            the proposal changes it:
            -a
            +b
        "#]],
        );
        check(
            None,
            expect![[r#"
                @@ h1 @@ line 5
                your text changed here; this is what the proposal was made on:
                -a
                +b
            "#]],
        );
    }

    #[test]
    fn a_huge_hunk_does_not_fill_the_terminal() {
        let given = a_hunk((0, 1), &"x".repeat(5_000_000), &"line\n".repeat(100_000));
        let shown = hunk(&given, None, Theme::plain());
        assert!(shown.len() < 20_000);
        assert!(shown.contains("… (4996000 more characters)"));
        let end =
            "… 0 more old and 99000 more new lines are not shown; `e` opens the proposed text\n";
        assert!(shown.ends_with(end));
    }
}
