//! A call that changes two thousand files.

use crate::folder::{Folder, lines};
use crate::table::{Table, percentile};
use boxagnts_workspace::PageQuery;
use std::time::{Duration, Instant};

/// From the call to the first page, to all of it, and what looking again costs.
pub fn of_many_files(table: &mut Table) {
    let base = lines(200);
    let files = |text: String| {
        (0..2000).map(move |n| (format!("src/part{}/file{n}.rs", n % 20), text.clone()))
    };
    let mut changed = base.clone();
    for at in [20, 90, 150] {
        changed[at] = "    let changed = true;\n".to_owned();
    }
    let page = PageQuery {
        limit: Some(50),
        ..PageQuery::default()
    };
    let (mut first, mut all, mut looks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let folder = Folder::new(files(base.concat()));
        let start = Instant::now();
        folder.write(files(changed.concat()));
        let shown = folder.overlay.page(&page);
        first.push(start.elapsed());
        assert_eq!((shown.files.len(), shown.pending), (50, 6000));
        let start = Instant::now();
        assert_eq!(folder.overlay.proposal().len(), 2000);
        all.push(start.elapsed());
        let version = folder.overlay.look(0).unwrap_or(0);
        for _ in 0..20 {
            let start = Instant::now();
            folder.overlay.look(version);
            looks.push(start.elapsed());
        }
    }
    let median = |mut samples: Vec<Duration>| percentile(&mut samples, 0.5);
    let second = Duration::from_secs(1);
    table.time(
        "2000 files written in a call, to the first page of 50",
        median(first),
        second,
    );
    table.time("the whole proposal of 2000 files", median(all), second);
    let target = Duration::from_millis(10);
    table.time("looking whether 2000 files changed", median(looks), target);
}
