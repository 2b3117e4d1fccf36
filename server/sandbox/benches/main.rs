//! `cargo bench -p boxagnts-sandbox`: what the sandbox costs by itself, on files in memory: calls,
//! limits, two processors, and what starting a process would cost instead.
// A bench that cannot measure fails.
#![allow(clippy::expect_used)]

mod bare;
mod calls;
mod files;
mod limits;
#[path = "../../../tests/benches/table.rs"]
mod table;

use criterion::Criterion;
use std::time::Duration;
use table::Table;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut table = Table::default();
    calls::tools(&mut criterion, &runtime, &mut table);
    calls::program(&mut criterion, &runtime, &mut table);
    calls::at_once(&runtime, &mut table);
    limits::file_tools(&runtime, &mut table);
    limits::computing(&runtime, &mut table);
    criterion.final_summary();
    table.print();
}
