//! What is committed of the protocol is what the crate `protocol` says.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

use std::process::Command;

#[test]
fn what_is_committed_is_what_the_sources_say() {
    let mut check = Command::new(env!("CARGO_BIN_EXE_boxagnts-xtask"));
    let output = check.args(["protocol", "--check"]).output();
    let output = output.expect("it starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
