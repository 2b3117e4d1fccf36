//! Opening with `O_TRUNC` changes a file without a single write: it needs the right to write.

use crate::harness::{Attack, Case};
use crate::preview1::{Step, module};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F09",
    attack: "A WASI program truncates files that it may only read, without writing to them",
    expect: &["denied", "EINVAL", "waits for the user"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.attempt_steps(&[Step::Truncate("a.txt")]);
    let truncate = module(&[Step::Write("a.txt", "")]);
    // In mode `plan` it may not write at all.
    let call = attack.guest(&truncate, json!({})).mode("plan");
    attack.attempt(call);
    // Where it may, it is a proposal like any other.
    let call = attack.guest(&truncate, json!({}));
    let outcome = attack.control(call);
    assert!(outcome.diff().contains("-one"), "{outcome:#?}");
    attack.saw("waits for the user");
    let call = attack
        .tool("write", json!({"path": "a.txt", "content": ""}))
        .mode("plan");
    attack.attempt(call);
}
