//! The escape suite: what a runaway or hostile tool, model or repository tries, and where the real
//! binary stops it.
//!
//! A new case is one file in `cases/`, its `mod` line in `cases.rs`, and its name in the list below;
//! `UPDATE_EXPECT=1 cargo test -p boxagnts-tests --test escape` puts it into the table of README.md.
#![cfg(unix)]
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod cases;
mod guests;
mod harness;

mod preview1;
mod process;
mod servers;
mod table;
mod tree;

use harness::Case;

/// Makes each case a test of its own, and all of them a list.
macro_rules! cases {
    ($($case:ident)*) => {
        $(#[test]
        fn $case() {
            cases::$case::CASE.check();
        })*

        /// In the order of the table.
        const CASES: &[&Case] = &[$(&cases::$case::CASE),*];
    };
}

/// Cases that are not stopped yet, each with what is missing. They run with `--ignored`.
macro_rules! gaps {
    ($($case:ident: $missing:literal)*) => {
        $(#[test]
        #[ignore = $missing]
        fn $case() {
            cases::$case::CASE.check();
        })*

        /// At the end of the table.
        const GAPS: &[(&Case, &str)] = &[$((&cases::$case::CASE, $missing)),*];
    };
}

gaps! {}

// Of what is tried against native commands, which there are not: setuid (27), terminal injection
// (28), io_uring (31) and a missing sandbox helper (32) have no case. 26, 29 and 30 show what there
// is of them for guests.

cases! {
    f01_dot_dot
    f02_absolute
    f03_links
    f04_proc
    f05_race
    f06_guest_made_links
    f07_guest_made_hard_links
    f08_rename_out_of_protection
    f09_truncate
    f10_hard_links
    f11_special_files
    f12_windows_names
    f13_disguised_git
    f14_names_that_are_no_text
    f15_long_and_deep
    f16_floods
    f17_archives
    f18_overlay
    f59_link_before_accepting
    f60_wasi_paths
    f61_mounted_folders
    g19_git_folder
    g20_hostile_repository
    g21_forged_gitdir
    g22_new_configuration
    g23_linked_configuration
    g24_files_that_programs_obey
    e25_environment
    e26_processes
    e29_nothing_left_running
    e30_sockets
    n33_metadata
    n34_spellings_of_addresses
    n35_embedded_addresses
    n36_names_of_blocked_addresses
    n37_redirects
    n38_names_that_look_allowed
    n39_one_verdict
    n40_requests_that_lie
    n41_names_and_datagrams
    n51_servers_that_never_end
    r42_endless_loops
    r43_memory
    r44_floods_of_handles
    r45_recursion
    r46_waiting
    r47_bulk_memory
    r48_huge_arguments
    r49_output
    r50_open_files
    r60_diff_bombs
    r61_describing
    r62_no_end_of_turns
    r63_compiling
    t52_tampered_code
    t53_words_are_only_words
    t54_false_names
    t55_deny_beats_allow
    t56_loosening_project
    t57_changed_tools
    t58_secrets
    t59_terminal
    t60_floods_of_rules
}
