//! The page itself: plain HTML and one style sheet. Every text in it may be hostile: the template
//! escapes, and what cannot be seen is shown as on a terminal.

use super::hunks::{File, Piece};
use super::turns::{Called, Decision, Turn};
use crate::render;
use crate::terminal::visible;
use crate::word_diff::{self, Bounds, Line, Shown, Sign};
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::proposal::{ChangeKind, HunkState};
use boxagnts_protocol::update::TurnOutcome;
use boxagnts_session::policy::path::WorkspacePath;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::borrow::Cow;
use std::collections::HashSet;

const STYLE: &str = include_str!("page.css");
/// Nothing is loaded, nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// What is shown of one hunk: more would make a page that no browser opens.
const HUNK: Bounds = Bounds {
    lines: 500,
    chars: 2_000,
};
/// Lines of all hunks together.
const MAX_LINES: usize = 50_000;
/// Characters of a prompt, of what a model or a tool said.
const MAX_CHARS: usize = 20_000;

const STATES: [HunkState; 4] = [
    HunkState::Pending,
    HunkState::Conflicted,
    HunkState::Accepted,
    HunkState::Rejected,
];

/// Everything that a page shows.
pub(super) struct Report<'a> {
    pub(super) session: &'a SessionSummary,
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) files: Vec<File>,
    pub(super) decisions: Vec<Decision<'a>>,
    pub(super) zone: &'a TimeZone,
}

impl Report<'_> {
    /// Turn and tool of a call.
    fn call(&self, id: &str) -> Option<(u64, &str)> {
        let calls = self
            .turns
            .iter()
            .flat_map(|turn| turn.calls.iter().map(move |call| (turn, call)));
        let mut found = calls.filter(|(_, called)| called.call.id == id);
        let (turn, called) = found.next()?;
        // Some models count their calls anew in each turn.
        found
            .next()
            .is_none()
            .then_some((turn.number, &called.call.name))
    }
}

pub(super) fn write(report: &Report<'_>) -> String {
    let title = name(&report.session.title);
    let title = if title.is_empty() {
        "(no prompt)"
    } else {
        &title
    };
    let mut left = MAX_LINES;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) " – boxagnts " (name(&report.session.session)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { bdi { (title) } }
                    (facts(report))
                }
                main {
                    (summary(report))
                    section id="asked" {
                        h2 { "What was asked" }
                        @for turn in &report.turns { (one_turn(turn, report.zone)) }
                        @if report.turns.is_empty() { p { "Nothing was asked." } }
                    }
                    @for (at, file) in report.files.iter().enumerate() {
                        (one_file(at, file, report, &mut left))
                    }
                    (decisions(report))
                }
            }
        }
    };
    let mut text = page.into_string();
    text.push('\n');
    text
}

fn facts(report: &Report<'_>) -> Markup {
    let session = report.session;
    let time = |ms| render::time(ms, report.zone, "%Y-%m-%d %H:%M:%S %Z");
    let cost = cost(report.turns.iter().map(|turn| turn.cost_usd));
    let tokens: u64 = report.turns.iter().map(|turn| turn.usage.total()).sum();
    html! {
        dl.facts {
            dt { "Session" } dd { code { (name(&session.session)) } }
            dt { "Folder" } dd { bdi { code { (name(&session.workspace)) } } }
            dt { "Model" } dd { bdi { (name(&session.model)) } }
            dt { "Begun" } dd { (time(session.created_ms)) }
            dt { "Last event" } dd { (time(session.updated_ms)) }
            dt { "Used" } dd { (render::count(tokens, "token")) ", " (cost) }
        }
    }
}

fn summary(report: &Report<'_>) -> Markup {
    let total = |state| -> usize { report.files.iter().map(|file| file.count(state)).sum() };
    html! {
        section id="summary" {
            h2 { "Summary" }
            @if report.files.is_empty() {
                p { "Nothing was proposed." }
            } @else {
                table.summary {
                    thead { tr {
                        th scope="col" { "File" }
                        th scope="col" { "Change" }
                        th scope="col" { "Lines" }
                        @for state in STATES { th scope="col" { (state_word(state)) } }
                    } }
                    tbody {
                        @for (at, file) in report.files.iter().enumerate() {
                            tr {
                                td { a href={ "#file-" (at + 1) } { bdi { code { (name(&file.path)) } } } }
                                td { (kind_word(file.kind)) }
                                @let (added, removed) = file.lines();
                                td { "+" (added) " −" (removed) }
                                @for state in STATES { td { (number(file.count(state))) } }
                            }
                        }
                    }
                    tfoot { tr {
                        th scope="row" { (render::count(report.files.len() as u64, "file")) }
                        td {} td {}
                        @for state in STATES { td { (number(total(state))) } }
                    } }
                }
            }
        }
    }
}

fn number(count: usize) -> Cow<'static, str> {
    match count {
        0 => Cow::Borrowed("–"),
        n => Cow::Owned(render::thousands(n as u64)),
    }
}

fn one_turn(turn: &Turn<'_>, zone: &TimeZone) -> Markup {
    let time = render::time(turn.at_ms, zone, "%Y-%m-%d %H:%M:%S");
    let said = turn.said.iter().map(|said| said.trim());
    let said: Vec<&str> = said.filter(|said| !said.is_empty()).collect();
    let context = turn.context.map(str::trim).unwrap_or_default();
    html! {
        article id={ "turn-" (turn.number) } {
            h3 { "Turn " (turn.number) " " span.quiet { (time) " · " bdi { (name(turn.model)) } } }
            div.prompt { (block(turn.prompt)) }
            @if !context.is_empty() {
                details { summary { "What the model was told along with it" } (block(context)) }
            }
            p { (outcome(turn)) }
            @if let Some((last, before)) = said.split_last() {
                (block(last))
                @if !before.is_empty() {
                    details {
                        summary { "What the model said before" }
                        @for said in before { (block(said)) }
                    }
                }
            }
            @if !turn.steps.is_empty() {
                details { summary { "Its steps" } (block(&render::steps(turn.steps))) }
            }
            @if !turn.calls.is_empty() {
                details {
                    summary { (render::count(turn.calls.len() as u64, "tool call")) }
                    div { @for called in &turn.calls { (one_call(called)) } }
                }
            }
        }
    }
}

fn outcome(turn: &Turn<'_>) -> Markup {
    let (word, class) = match turn.outcome {
        None => ("interrupted, or still running".to_owned(), "conflicted"),
        Some(TurnOutcome::Done) => ("done".to_owned(), "accepted"),
        Some(outcome) => (render::ended(outcome), "rejected"),
    };
    html! {
        "Outcome: " span class={ "state " (class) } { (visible(&word)) }
        @if turn.usage.total() > 0 {
            " · " (render::count(turn.usage.total(), "token")) " · " (cost([turn.cost_usd]))
        }
    }
}

/// US dollars, in words.
fn cost(costs: impl IntoIterator<Item = Option<f64>>) -> String {
    let sum = costs.into_iter().sum::<Option<f64>>();
    match sum {
        None => "at an unknown price".to_owned(),
        Some(sum) if sum > 0.0 => format!("${sum:.4}"),
        Some(_) => "no cost".to_owned(),
    }
}

fn one_call(called: &Called<'_>) -> Markup {
    let input = serde_json::to_string_pretty(&called.call.input).unwrap_or_default();
    let (mark, outcome) = match called.report {
        None => ("…", "no end".to_owned()),
        Some(report) if report.ok => ("✓ done", render::outcome(report)),
        Some(report) => ("✗ failed", render::outcome(report)),
    };
    html! {
        details {
            summary {
                (mark) " " bdi { b { (name(&called.call.name)) } }
                " " bdi { code { (render::input(&called.call.input)) } }
                " " span.quiet { bdi { (outcome) } }
            }
            (block(&input))
            @if let Some(report) = called.report {
                @if let Some(decision) = &report.decision {
                    p.quiet { bdi { (name(&decision.reason)) } }
                }
                @if !report.output.is_empty() { (block(&report.output)) }
            }
        }
    }
}

fn one_file(at: usize, file: &File, report: &Report<'_>, left: &mut usize) -> Markup {
    let danger = WorkspacePath::parse(&file.path)
        .ok()
        .and_then(|path| path.dangerous());
    // Where the lines of a hunk are once everything before it is accepted.
    let mut shift = 0i64;
    html! {
        section id={ "file-" (at + 1) } {
            h2 { bdi { code { (name(&file.path)) } } }
            p {
                (kind_word(file.kind))
                @if let Some(from) = &file.from { " from " bdi { code { (name(from)) } } }
                @if let Some(danger) = danger { " · " span.danger { "dangerous: " (danger) } }
            }
            @for piece in &file.hunks {
                (one_hunk(piece, &mut shift, report, left))
            }
        }
    }
}

fn one_hunk(piece: &Piece, shift: &mut i64, report: &Report<'_>, left: &mut usize) -> Markup {
    let hunk = &piece.hunk;
    let word = state_word(hunk.state);
    let shown = word_diff::lines(&hunk.old_text, &hunk.new_text, HUNK);
    let yours = hunk.live_text.as_deref();
    let yours = yours.map(|yours| word_diff::lines(&hunk.old_text, yours, HUNK));
    let lines = shown.lines.len() + yours.as_ref().map_or(0, |yours| yours.lines.len());
    let fits = lines <= *left;
    *left = left.saturating_sub(lines + piece.before.len() + piece.after.len());
    let shift_here = *shift;
    if render::is_waiting(hunk) {
        let count = |text: &str| i64::try_from(text.split_inclusive('\n').count()).unwrap_or(0);
        *shift += count(&hunk.new_text) - count(&hunk.old_text);
    }
    html! {
        article id={ "hunk-" (hunk.id) } class={ "hunk " (word) } {
            header {
                b { (name(&hunk.id)) } " · "
                span class={ "state " (word) } { (word) }
                " · " (render::place(hunk))
                @if let Some((turn, tool)) = hunk.group.as_deref().and_then(|id| report.call(id)) {
                    " · by " a href={ "#turn-" (turn) } { bdi { (name(tool)) } " in turn " (turn) }
                }
            }
            @if piece.is_undone { p.note { "taken back since" } }
            @if let Some(note) = &hunk.note { p.note { bdi { (name(note)) } } }
            @if let Some(comment) = &piece.comment {
                div.comment { b { "The user says:" } (block(comment)) }
            }
            @if let (true, Some(yours)) = (fits, &yours) {
                p.note { "The user changed this place:" }
                (rows(piece, yours, 0))
                p.note { "The proposal changes it:" }
            }
            @if fits { (rows(piece, &shown, shift_here)) }
            @if !fits {
                p.note { "This page is long enough; " (how_to_see(report)) }
            } @else if shown.left_out != (0, 0) {
                @let (old, new) = shown.left_out;
                p.note {
                    (render::thousands(new as u64)) " more new and "
                    (render::thousands(old as u64)) " more old lines are not shown; "
                    (how_to_see(report))
                }
            }
        }
    }
}

fn how_to_see(report: &Report<'_>) -> Markup {
    html! { code { "boxagnts session show " (name(&report.session.session)) " --json" } " has all of it." }
}

fn rows(piece: &Piece, shown: &Shown, shift: i64) -> Markup {
    let start = i64::from(piece.hunk.range.start.line);
    let above = i64::try_from(piece.before.len()).unwrap_or(0);
    let (mut old, mut new) = (start - above + 1, start - above + 1 + shift);
    let around = |text: &String| Line {
        sign: Sign::Both,
        pieces: vec![(false, render::cut(text, HUNK.chars))],
        cut: 0,
        unended: false,
    };
    let before: Vec<Line> = piece.before.iter().map(around).collect();
    let after: Vec<Line> = match shown.left_out {
        (0, 0) => piece.after.iter().map(around).collect(),
        // They would seem to follow what is shown.
        _ => Vec::new(),
    };
    let rows = before.iter().chain(&shown.lines).chain(&after);
    let rows: Vec<(Option<i64>, Option<i64>, &Line)> = rows
        .map(|line| {
            let (in_old, in_new) = (line.sign != Sign::New, line.sign != Sign::Old);
            let numbers = (in_old.then_some(old), in_new.then_some(new));
            (old, new) = (old + i64::from(in_old), new + i64::from(in_new));
            (numbers.0, numbers.1, line)
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            table.diff {
                @for (old, new, line) in rows {
                    tr class=[class(line.sign)] {
                        td.number { @if let Some(old) = old { (old) } }
                        td.number { @if let Some(new) = new { (new) } }
                        td.sign { (line.sign.char()) }
                        td { (content(line)) }
                    }
                }
            }
        }
    }
}

fn class(sign: Sign) -> Option<&'static str> {
    match sign {
        Sign::Both => None,
        Sign::Old => Some("old"),
        Sign::New => Some("new"),
    }
}

fn content(line: &Line) -> Markup {
    html! {
        @for (changed, text) in &line.pieces {
            @match (changed, line.sign) {
                (true, Sign::Old) => del { (visible(text)) },
                (true, Sign::New) => ins { (visible(text)) },
                _ => (visible(text)),
            }
        }
        @if line.cut > 0 {
            span.quiet { "… (" (render::count(line.cut as u64, "more character")) ")" }
        }
        @if line.unended { span.quiet { " (no newline at end of file)" } }
    }
}

fn decisions(report: &Report<'_>) -> Markup {
    let shown: HashSet<&str> = report
        .files
        .iter()
        .flat_map(|file| &file.hunks)
        .map(|piece| piece.hunk.id.as_str())
        .collect();
    let ids = |ids: &[&str]| {
        html! {
            @for id in ids {
                " "
                @if shown.contains(id) { a href={ "#hunk-" (id) } { (name(id)) } }
                @else { (name(id)) }
            }
        }
    };
    html! {
        @if !report.decisions.is_empty() {
            section id="decisions" {
                h2 { "Decisions" }
                ul {
                    @for decision in &report.decisions {
                        li {
                            span.quiet {
                                (render::time(decision.at_ms, report.zone, "%Y-%m-%d %H:%M:%S"))
                            }
                            @if !decision.accepted.is_empty() {
                                " " span.state.accepted { "accepted" } (ids(&decision.accepted))
                            }
                            @if !decision.rejected.is_empty() {
                                " " span.state.rejected { "rejected" } (ids(&decision.rejected))
                            }
                            @if let Some(told) = &decision.told { " " bdi { (name(told)) } }
                            @if let Some(comment) = decision.comment {
                                div.comment { (block(comment)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A text of several lines.
fn block(text: &str) -> Markup {
    let shown = match text.char_indices().nth(MAX_CHARS) {
        None => text,
        Some((at, _)) => &text[..at],
    };
    let more = text[shown.len()..].chars().count() as u64;
    html! {
        pre dir="auto" { (visible(shown)) }
        @if more > 0 { p.note { "… " (render::count(more, "more character")) } }
    }
}

/// A text of one line, which cannot seem to be two.
fn name(text: &str) -> Cow<'_, str> {
    match visible(text) {
        shown if shown.contains(['\n', '\t']) => {
            Cow::Owned(shown.replace('\n', "␊").replace('\t', "␉"))
        }
        shown => shown,
    }
}

fn state_word(state: HunkState) -> &'static str {
    match state {
        HunkState::Pending => "pending",
        HunkState::Accepted => "accepted",
        HunkState::Rejected => "rejected",
        HunkState::Conflicted => "conflicted",
    }
}

fn kind_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create => "new file",
        ChangeKind::Modify => "changed",
        ChangeKind::Delete => "deleted",
        ChangeKind::Rename => "moved",
    }
}
