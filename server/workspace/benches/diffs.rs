//! The diff of two files, against git's.

use crate::folder::{Numbers, lines};
use crate::table::{Table, median, percentile, shown};
use boxagnts_policy::path::WorkspacePath;
use boxagnts_workspace::Content;
use boxagnts_workspace::diff::{FileDiff, unified};
use criterion::Criterion;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// 10,000 lines, in another order, and of which few, some or all differ.
pub fn of_two_files(criterion: &mut Criterion, table: &mut Table) {
    let old = lines(10_000);
    let mut shuffled = old.clone();
    let mut numbers = Numbers::new();
    for at in 0..shuffled.len() {
        shuffled.swap(at, numbers.below(old.len()));
    }
    compare(criterion, table, "in another order", &old, &shuffled);
    for percent in [1, 20, 100] {
        let mut numbers = Numbers::new();
        let edit = |line: &String| match numbers.below(100) < percent {
            true => line.replace("compute", "compute_with_care"),
            false => line.clone(),
        };
        let new: Vec<String> = old.iter().map(edit).collect();
        let what = format!("{percent} % of them different");
        compare(criterion, table, &what, &old, &new);
    }
}

fn compare(
    criterion: &mut Criterion,
    table: &mut Table,
    name: &str,
    old: &[String],
    new: &[String],
) {
    let (old, new) = (old.concat(), new.concat());
    let git = git(&old, &new);
    let content = |text: &str| Some(Content::from_text(text.into()));
    let file = FileDiff {
        path: WorkspacePath::parse("file.rs").expect("a path"),
        from: None,
        before: content(&old),
        after: content(&new),
    };
    let id = name.replace([' ', '%'], "_");
    let mut group = criterion.benchmark_group("diff");
    group.bench_function(&id, |b| {
        b.iter(|| unified(black_box(std::slice::from_ref(&file))))
    });
    group.finish();
    let ours = median("diff", &id);
    let what = format!("diff of two files of 10000 lines, {name}");
    // What is in another order is as hard for anybody.
    let target = Duration::from_millis(10).max(git * 2);
    table.time(&what, ours, target);
    let ratio = ours.as_secs_f64() / git.as_secs_f64();
    table.ratio(format!(
        "{ratio:.2} × `git diff --no-index` ({})",
        shown(git)
    ));
}

/// Git's median.
fn git(old: &str, new: &str) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("old"), old).expect("written");
    std::fs::write(folder.path().join("new"), new).expect("written");
    let run = || {
        let start = Instant::now();
        let output = Command::new("git")
            .args(["diff", "--no-index", "old", "new"])
            .current_dir(folder.path())
            .output();
        assert_eq!(output.expect("git runs").status.code(), Some(1));
        start.elapsed()
    };
    let mut samples: Vec<Duration> = (0..30).map(|_| run()).collect();
    percentile(&mut samples, 0.5)
}
