//! `cargo bench`: what BoxAgnts costs, with peers measured in the same run, as one table.
//!
//! What runs in this process is measured by criterion; what is a matter of processes (start,
//! memory, processor time) is measured here over the real binary.
// A bench that cannot measure fails.
#![allow(clippy::expect_used)]

mod process;
mod table;
mod tools;

use criterion::Criterion;
use table::Table;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut criterion = Criterion::default().configure_from_args();
    let mut table = Table::default();
    tools::calls(&mut criterion, &runtime, &mut table);
    tools::sessions(&mut criterion, &runtime, &mut table);
    tools::grep(&mut criterion, &runtime, &mut table);
    runtime.block_on(process::editor(&mut table));
    process::harness(&mut table);
    process::binary(&mut table);
    criterion.final_summary();
    table.print();
}
