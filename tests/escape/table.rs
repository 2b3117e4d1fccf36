//! The table of cases in README.md, which is compared with the cases.

use crate::{CASES, GAPS};
use expect_test::expect_file;
use std::collections::BTreeSet;
use std::fmt::Write;

const MARK: &str = "<!-- escape suite -->";

/// `UPDATE_EXPECT=1 cargo test -p boxagnts-tests --test escape` writes the file anew.
#[test]
fn the_readme_has_the_table() {
    let readme = include_str!("../../README.md");
    let parts: Vec<&str> = readme.split(MARK).collect();
    let [before, _, after] = parts[..] else {
        panic!("README.md has `{MARK}` before and behind the table");
    };
    let mut text =
        format!("{before}{MARK}\n\n| | attack | how it ends | time limit |\n|---|---|---|---|\n");
    for case in CASES {
        let (id, attack) = (case.id, case.attack);
        let (ends, ms) = (case.expect.join(", "), case.within_ms);
        let _ = writeln!(text, "| {id} | {attack} | {ends} | {ms} ms |");
    }
    for (case, missing) in GAPS {
        let (id, attack) = (case.id, case.attack);
        let _ = writeln!(
            text,
            "| {id} | {attack} | **not stopped yet: {missing}** | |"
        );
    }
    let _ = write!(text, "\n{MARK}{after}");
    expect_file!["../../README.md"].assert_eq(&text);
}

#[test]
fn cases_are_numbered_and_files_are_named_after_them() {
    let all = || CASES.iter().chain(GAPS.iter().map(|(case, _)| case));
    let ids: BTreeSet<&str> = all().map(|case| case.id).collect();
    assert_eq!(ids.len(), all().count(), "two cases have one number");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/escape/cases");
    let files = std::fs::read_dir(folder).expect("the cases");
    let named: BTreeSet<String> = files
        .map(|file| file.expect("a case").file_name().to_string_lossy()[..3].to_uppercase())
        .collect();
    let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(named, ids);
}
