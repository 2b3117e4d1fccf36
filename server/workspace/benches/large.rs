//! One text of 50 MB, and a million lines.

use crate::folder::Folder;
use crate::table::{Table, percentile};
use boxagnts_workspace::{PageQuery, Selection};
use std::time::{Duration, Instant};

const FILE: &str = "big.log";
const LINES: usize = 1_000_000;

/// A tool makes three edits; the user looks at them, types, and accepts.
pub fn one_file(table: &mut Table) {
    let line = |n: usize| format!("2026-01-01 00:00:00 line {n:>8} of a very large file\n");
    let mut typed: Vec<String> = (0..LINES).map(line).collect();
    let base = typed.concat();
    let mut changed = typed.clone();
    for at in [1_000, LINES / 2, LINES - 1_000] {
        changed[at] = "changed\n".to_owned();
    }
    let changed = changed.concat();
    let folder = Folder::new([(FILE.to_owned(), base.clone())]);
    let bytes = base.len();
    drop(base);
    let resident = memory("VmRSS");
    // Makes the kernel forget the peak so far.
    let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();

    let start = Instant::now();
    folder.write([(FILE.to_owned(), changed)]);
    let written = start.elapsed();
    let start = Instant::now();
    let pending = folder.overlay.page(&PageQuery::default()).pending;
    let shown = start.elapsed();
    let mut keystrokes = Vec::new();
    for n in 0..20 {
        // Not on the lines of hunks.
        typed[n * LINES / 20 + 7].insert(3, 'x');
        folder.editor.show(FILE, &typed.concat());
        let start = Instant::now();
        folder.overlay.look(0);
        keystrokes.push(start.elapsed());
    }
    let start = Instant::now();
    let plans = folder.overlay.plan(&Selection::All).expect("planned");
    let planned = start.elapsed();
    let edits = plans[0].edits.len();
    let peak = memory("VmHWM").saturating_sub(resident);

    let what = |what: &str| format!("{what} a file of 50 MB, 1000000 lines");
    let (second, half) = (Duration::from_secs(1), Duration::from_millis(500));
    table.time(&what("writing, with three edits,"), written, second);
    table.time(&what("the page of"), shown, half);
    table.ratio(format!("{pending} hunks for 3 edits"));
    table.time(
        &what("a keystroke in"),
        percentile(&mut keystrokes, 0.5),
        half,
    );
    table.time(&what("the plan of"), planned, half);
    table.ratio(format!("{edits} of 3 edits fit"));
    if reset {
        let figure = format!("{} MB", peak >> 20);
        let target = bytes * 10;
        let within = peak <= target;
        table.row(
            &what("peak memory of"),
            figure,
            &format!("≤ {} MB", target >> 20),
            within,
        );
        table.ratio(format!("{:.1} × its text", peak as f64 / bytes as f64));
    }
}

/// What the kernel counts of this process, in bytes.
fn memory(what: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.unwrap_or(0) << 10
}
