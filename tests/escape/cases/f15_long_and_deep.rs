//! Longer than a system takes, deeper than anyone goes: an error, and the rest is found.

use crate::harness::{Attack, Case};
use serde_json::json;
use std::fs;

pub(crate) const CASE: Case = Case {
    id: "F15",
    attack: "Names of 300 bytes, paths of 5,000 folders, a tree of 400",
    expect: &["failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.user(|host| {
        let deep = host.join("workspace").join("d/".repeat(400));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("bottom"), "bottom\n").unwrap();
    });
    let long = "n".repeat(300);
    let wide = "ü".repeat(128);
    let deep = "d/".repeat(5000) + "f";
    let nested = "d/".repeat(300) + "f";
    attack.attempts_at(&[&long, &wide, &deep, &nested]);
    let found = attack.controls(&[
        ("glob", json!({"pattern": "**"})),
        ("grep", json!({"pattern": ""})),
    ]);
    assert_eq!(found[0].output(), "a.txt\n");
    assert_eq!(found[1].output(), "a.txt:1:one\na.txt:2:two\n");
}
