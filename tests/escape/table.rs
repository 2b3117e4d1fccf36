//! The table of cases in README.md, which is compared with the cases.

use crate::CASES;
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
    let mut text = format!(
        "{before}{MARK}\n\n| | attack | how it ends | time limit |\n|---|---|---|---|\n"
    );
    for case in CASES {
        let (id, attack) = (case.id, case.attack);
        let (ends, ms) = (case.expect.join(", "), case.within_ms);
        let _ = writeln!(text, "| {id} | {attack} | {ends} | {ms} ms |");
    }
    let _ = write!(text, "\n{MARK}{after}");
    expect_file!["../../README.md"].assert_eq(&text);
}

#[test]
fn cases_are_numbered_and_files_are_named_after_them() {
    let ids: BTreeSet<&str> = CASES.iter().map(|case| case.id).collect();
    assert_eq!(ids.len(), CASES.len(), "two cases have one number");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/escape/cases");
    let files = std::fs::read_dir(folder).expect("the cases");
    let named: BTreeSet<String> = files
        .map(|file| file.expect("a case").file_name().to_string_lossy()[..3].to_uppercase())
        .collect();
    let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(named, ids);
}
