//! `..` is refused wherever it stands: nothing is resolved, so nothing can be resolved wrongly.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F01",
    attack: "`../x`, `a/../../x`, in every tool that takes a path",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/dir/inside", "inside\n");
    attack.attempts_at(&[
        "..",
        "../outside/secret",
        "../../../../../../../../etc/passwd",
        "dir/../../outside/secret",
        "dir/../a.txt",
        "./../outside/secret",
        "dir/..",
        "nowhere/../../outside/secret",
        "..//outside/secret",
    ]);
    attack.controls(&[
        ("read", json!({"path": "./a.txt"})),
        ("read", json!({"path": "dir/./inside"})),
        ("read", json!({"path": "dir//inside"})),
    ]);
}
