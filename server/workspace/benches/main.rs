//! `cargo bench -p boxagnts-workspace`: what the overlay costs by itself: hunks that follow typing,
//! diffs, proposals of many files, one very large file; and what worktrees cost beside git's.
// A bench that cannot measure fails.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod diffs;
mod folder;
mod keystrokes;
mod large;
mod proposals;
#[path = "../../../tests/benches/table.rs"]
mod table;
mod worktrees;

use criterion::Criterion;
use std::time::Duration;
use table::Table;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut table = Table::default();
    // `cargo bench -p boxagnts-workspace -- worktrees` measures those alone.
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only));
    if wanted("keystrokes") {
        keystrokes::in_one_file(&mut table);
        keystrokes::beside_a_conflict(&mut table);
        keystrokes::in_one_of_many(&mut table);
    }
    if wanted("diffs") {
        diffs::of_two_files(&mut criterion, &mut table);
    }
    if wanted("proposals") {
        proposals::of_many_files(&mut table);
    }
    if wanted("large") {
        large::one_file(&mut table);
    }
    if wanted("worktrees") {
        worktrees::of_trees(&mut table);
    }
    criterion.final_summary();
    table.print();
}
