//! A name that is no UTF-8, or has control characters, is not shown to tools, and hides no other.

use crate::harness::{Attack, Case};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

pub(crate) const CASE: Case = Case {
    id: "F14",
    attack: "File names that are no UTF-8, or have line ends and escape sequences in them",
    expect: &["failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/sub/b.txt", "b\n");
    attack.user(|host| {
        let root = host.join("workspace");
        let names: [&[u8]; 5] = [
            b"not\xfftext",
            b"new\nline",
            b"\x1b[31mred",
            b"back\\slash",
            b"\xf0\x80\x80\xaf",
        ];
        for name in names {
            fs::write(root.join(OsStr::from_bytes(name)), "x\n").unwrap();
        }
        let folder = root.join(OsStr::from_bytes(b"folder\xfe"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("below"), "x\n").unwrap();
    });
    attack.attempts(&[
        ("read", json!({"path": "not\u{fffd}text"})),
        ("read", json!({"path": "new\nline"})),
        ("read", json!({"path": "\u{1b}[31mred"})),
        ("write", json!({"path": "bell\u{7}", "content": "x"})),
        ("write", json!({"path": "nul\0byte", "content": "x"})),
    ]);
    let found = attack.controls(&[
        ("list", json!({"path": "."})),
        ("glob", json!({"pattern": "**"})),
        ("grep", json!({"pattern": ""})),
    ]);
    assert_eq!(found[0].output(), "a.txt\t8\nsub/\n");
    assert_eq!(found[1].output(), "a.txt\nsub/b.txt\n");
    assert_eq!(
        found[2].output(),
        "a.txt:1:one\na.txt:2:two\nsub/b.txt:1:b\n"
    );
}
