//! What the host does with a proposal, it does after the guest has ended: comparing two texts must
//! not take for ever either.

use crate::harness::{Attack, Case};
use serde_json::json;
use std::fmt::Write;

pub(crate) const CASE: Case = Case {
    id: "R60",
    attack: "Texts of 100,000 lines that a diff finds hard to compare; a line of 4 MB",
    expect: &["ok"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    // Few different lines in no order, so that everything could match everything.
    let hard = |mut state: u64| {
        let mut text = String::new();
        for _ in 0..100_000 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let _ = writeln!(text, "{}", state >> 62);
        }
        text
    };
    attack.file("workspace/hard", hard(1));
    attack.file("workspace/line", "ab".repeat(2 << 20));
    for (path, content) in [("hard", hard(2)), ("line", "ba".repeat(2 << 20))] {
        // The harness kills what takes longer than the limit and what it grants besides.
        let call = attack.tool("write", json!({"path": path, "content": content}));
        let outcome = attack.attempt(call);
        assert!(!outcome.diff().is_empty());
    }
}
