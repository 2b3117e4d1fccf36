//! A rule that denies is stronger than any that allows, whoever wrote which, and however the call is
//! written.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "T55",
    attack: "`deny` and `allow` for the same call; a project's `allow`; a denied path in another spelling",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/dir/plain", "plain\n");
    attack.file("workspace/dir/kept", "kept\n");
    attack.file(
        "home/config/boxagnts/config.toml",
        "allow = ['write', 'read(path=\"dir/**\")']\ndeny = ['read(path=\"dir/kept\")', 'delete']\n",
    );
    attack.file(
        "workspace/.boxagnts/config.toml",
        "allow = ['delete', 'read(path=\"dir/kept\")']\ndeny = ['write(path=\"dir/**\")']\n",
    );
    for path in [
        "dir/kept",
        "./dir/kept",
        "dir//kept",
        "dir/./kept",
        "DIR/KEPT",
    ] {
        attack.attempts(&[("read", json!({"path": path}))]);
    }
    attack.attempts(&[
        ("delete", json!({"path": "a.txt"})),
        ("write", json!({"path": "dir/new", "content": "x"})),
        ("write", json!({"path": "./dir/new", "content": "x"})),
    ]);
    attack.controls(&[
        ("read", json!({"path": "dir/plain"})),
        ("write", json!({"path": "b.txt", "content": "x"})),
    ]);
}
