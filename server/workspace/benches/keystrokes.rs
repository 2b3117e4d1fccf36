//! A thousand hunks wait, and the user types a character.

use crate::folder::{Folder, Numbers, lines};
use crate::table::{Table, percentile, shown};
use boxagnts_workspace::PageQuery;
use std::time::{Duration, Instant};

const KEYSTROKES: usize = 500;
const TARGET: Duration = Duration::from_millis(5);
const FILE: &str = "src/file.rs";

/// `lines`, with every twentieth another one.
fn proposed(lines: &[String]) -> String {
    let line = |(n, line): (usize, &String)| match n % 20 {
        10 => line.replace("compute", "compute_with_care"),
        _ => line.clone(),
    };
    lines.iter().enumerate().map(line).collect()
}

fn row(table: &mut Table, what: &str, mut samples: Vec<Duration>) {
    let median = percentile(&mut samples, 0.5);
    let slow = percentile(&mut samples, 0.99);
    table.time(&format!("{what}, p99"), slow, TARGET);
    table.ratio(format!("median {}", shown(median)));
}

/// Types at varying places of `typed`, which is shown as `path`, and times what follows: that the
/// hunks are placed, and that and a page of `query`.
fn type_in(
    folder: &Folder,
    path: &str,
    mut typed: Vec<String>,
    query: &PageQuery,
) -> (Vec<Duration>, Vec<Duration>) {
    let mut numbers = Numbers::new();
    let (mut placed, mut shown) = (Vec::new(), Vec::new());
    let mut version = folder.overlay.look(0).unwrap_or(0);
    for _ in 0..KEYSTROKES {
        // Not on the lines of hunks: those would merge or conflict.
        let at = numbers.below(typed.len() / 20) * 20 + numbers.below(9);
        let column = numbers.below(typed[at].len());
        typed[at].insert(column, 'x');
        folder.editor.show(path, &typed.concat());
        let start = Instant::now();
        version = folder.overlay.look(version).unwrap_or(version);
        placed.push(start.elapsed());
        let page = folder.overlay.page(query);
        shown.push(start.elapsed());
        assert!(page.pending >= 999, "{} pending", page.pending);
    }
    (placed, shown)
}

/// One file of 20,000 lines has all of them.
pub fn in_one_file(table: &mut Table) {
    let base = lines(20_000);
    let folder = Folder::new([(FILE.to_owned(), base.concat())]);
    folder.write([(FILE.to_owned(), proposed(&base))]);
    folder.editor.show(FILE, &base.concat());
    let (placed, shown) = type_in(&folder, FILE, base, &PageQuery::default());
    row(
        table,
        "a keystroke in a file of 20000 lines with 1000 hunks",
        placed,
    );
    row(table, "the same, and the page of all hunks", shown);
}

/// The same where one hunk conflicts, so that no other can be moved for good.
pub fn beside_a_conflict(table: &mut Table) {
    let base = lines(20_000);
    let folder = Folder::new([(FILE.to_owned(), base.concat())]);
    folder.write([(FILE.to_owned(), proposed(&base))]);
    let mut typed = base;
    typed[10_010] = "something else\n".to_owned();
    folder.editor.show(FILE, &typed.concat());
    let (placed, shown) = type_in(&folder, FILE, typed, &PageQuery::default());
    row(
        table,
        "the same keystroke, while one hunk conflicts",
        placed,
    );
    row(table, "the same, and the page of all hunks", shown);
}

/// A thousand files have one each.
pub fn in_one_of_many(table: &mut Table) {
    let base = lines(100);
    let name = |n: usize| format!("src/part{}/file{n}.rs", n % 10);
    let files = |text: String| (0..1000).map(move |n| (name(n), text.clone()));
    let folder = Folder::new(files(base.concat()));
    let mut changed = base.clone();
    changed[50] = "    let changed = true;\n".to_owned();
    folder.write(files(changed.concat()));
    let query = PageQuery {
        limit: Some(50),
        ..PageQuery::default()
    };
    let (placed, shown) = type_in(&folder, &name(500), base, &query);
    row(
        table,
        "a keystroke in one of 1000 files with one hunk each",
        placed,
    );
    row(table, "the same, and a page of 50 files", shown);
}
