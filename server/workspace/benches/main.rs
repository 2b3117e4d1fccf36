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
    keystrokes::in_one_file(&mut table);
    keystrokes::beside_a_conflict(&mut table);
    keystrokes::in_one_of_many(&mut table);
    diffs::of_two_files(&mut criterion, &mut table);
    proposals::of_many_files(&mut table);
    large::one_file(&mut table);
    worktrees::of_trees(&mut table);
    criterion.final_summary();
    table.print();
}
