//! `.git` as any file system may see it: without case, without what it drops from names, by its
//! short name, in another form of Unicode.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F13",
    attack: "`.GIT/hooks`, `.Git/config`, `git~1`, `.git.`, ignorable and decomposed characters",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/.git/config", "[core]\n");
    attack.attempts_at(&[
        ".GIT/hooks/pre-commit",
        ".Git/config",
        ".gIt",
        "git~1/config",
        "GIT~1",
        ".git./config",
        ".git /config",
        ".git::$INDEX_ALLOCATION/config",
        ".g\u{200c}it/config",
        ".gi\u{301}t/config",
        ".\u{ff47}it/config",
        "\u{feff}.git/config",
        "sub/.git/config",
    ]);
    attack.controls(&[
        ("write", json!({"path": ".gitignore", "content": "x\n"})),
        ("write", json!({"path": "git/config", "content": "x\n"})),
    ]);
}
