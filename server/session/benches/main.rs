//! `cargo bench -p boxagnts-session`: what the loop and its journal cost by themselves, in sessions that
//! become long.
// A bench that cannot measure fails.
#![allow(clippy::expect_used)]

mod executors;
mod steps;
#[path = "../../../tests/benches/table.rs"]
mod table;
mod turns;

use criterion::Criterion;
use std::time::Duration;
use table::Table;

fn main() {
    let mut criterion = Criterion::default()
        // Short: each of some thousand turns begins with a copy of the conversation, which takes longer
        // than what is measured.
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(200))
        .sample_size(20)
        .configure_from_args();
    let mut table = Table::default();
    // `cargo bench -p boxagnts-session -- executors` measures those alone.
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only));
    if wanted("steps") {
        steps::of_one_turn(&mut criterion, &mut table);
    }
    if wanted("turns") {
        turns::of_a_long_session(&mut table);
    }
    if wanted("executors") {
        executors::many(&mut table);
    }
    criterion.final_summary();
    table.print();
}
