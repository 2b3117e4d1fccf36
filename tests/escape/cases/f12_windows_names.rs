//! Names that are a device or a stream on Windows are refused everywhere: a repository travels.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F12",
    attack: "Windows devices and streams: `NUL`, `sub/con`, `COM1`, `a.txt::$DATA`",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.attempts_at(&[
        "NUL",
        "nul ",
        "sub/con",
        "COM1",
        "lpt9",
        "conin$",
        "a.txt::$DATA",
        "dir::$INDEX_ALLOCATION",
        "aux",
    ]);
    // Other names only look like them.
    attack.controls(&[
        ("write", json!({"path": "console", "content": "x"})),
        ("write", json!({"path": "aux.rs", "content": "x"})),
    ]);
}
