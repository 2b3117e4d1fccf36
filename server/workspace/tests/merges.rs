//! Merges of real histories against `git merge-file`: how often the two agree, and that every
//! difference has an explanation. `MERGES.md` tells of the classes.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../examples/merges/classify.rs"]
mod classify;
#[path = "../examples/merges/compare.rs"]
mod compare;
#[path = "../examples/merges/corpus.rs"]
mod corpus;
#[path = "../examples/merges/table.rs"]
mod table;

use classify::Verdict;
use compare::Comparison;
use corpus::Case;
use std::path::Path;
use table::Table;

const LIMIT: usize = 2000;
/// A history with fewer merges is a shallow clone's, or none.
const ENOUGH: usize = 500;

fn check(cases: &[Case], least: f64) {
    let comparison = Comparison::new().unwrap();
    let mut table = Table::default();
    let mut unexplained = Vec::new();
    for case in cases {
        let verdict = classify::verdict(&comparison, case).unwrap();
        table.count(case.kind, verdict);
        if verdict == Verdict::Unexplained {
            unexplained.push(format!("{}: {}", case.place, case.kind.name()));
        }
    }
    println!("{table}");
    assert_eq!(unexplained, Vec::<String>::new(), "\n{table}");
    let aligned = [
        Verdict::GitAligned,
        Verdict::OursAligned,
        Verdict::BothAligned,
    ];
    let other = table.sum(|_, verdict| aligned.contains(&verdict)) as f64 / cases.len() as f64;
    assert!(
        other <= 0.01,
        "{other} of the merges have other edits\n{table}"
    );
    let agreed = table.sum(|_, verdict| verdict.agrees()) as f64 / cases.len() as f64;
    assert!(agreed >= least, "{agreed} of the merges agree\n{table}");
}

#[test]
fn we_merge_as_git_does() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    match corpus::of_repository(own, LIMIT) {
        Ok(cases) if cases.len() >= ENOUGH => check(&cases, 0.93),
        other => {
            let found = other.map_or_else(|error| error.to_string(), |c| format!("{}", c.len()));
            println!("own history: {found}; the registry's crates take its place");
            let cases = corpus::of_registry(LIMIT).unwrap();
            assert!(
                cases.len() >= ENOUGH,
                "{} merges in the registry",
                cases.len()
            );
            check(&cases, 0.90);
        }
    }
}
