//! No tool follows a symbolic link, not even one that stays inside.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F03",
    attack: "Symbolic links: absolute, relative, chained, to a folder, dangling, in a circle",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let outside = attack.place("outside");
    attack.link(outside.join("secret"), "workspace/absolute");
    attack.link("../outside/secret", "workspace/relative");
    attack.link("relative", "workspace/chained");
    attack.link(&outside, "workspace/folder");
    attack.link("folder", "workspace/folder2");
    attack.link("a.txt", "workspace/inside");
    attack.link("../outside/none", "workspace/dangling");
    attack.link("circle", "workspace/circle");
    attack.link("..", "workspace/deep/up");
    attack.attempts_at(&[
        "absolute",
        "relative",
        "chained",
        "folder",
        "folder/secret",
        "folder/new/file",
        "folder2/secret",
        "inside",
        "dangling",
        "dangling/x",
        "circle",
        "deep/up/a.txt",
        "deep/up/folder/secret",
    ]);
    // What looks at everything goes around them.
    let found = attack.controls(&[
        ("glob", json!({"pattern": "**"})),
        ("grep", json!({"pattern": ""})),
        ("list", json!({"path": "."})),
    ]);
    assert_eq!(found[0].output(), "a.txt\n");
    assert_eq!(found[1].output(), "a.txt:1:one\na.txt:2:two\n");
    assert!(found[2].output().contains("absolute\t[link, not followed]"));
}
