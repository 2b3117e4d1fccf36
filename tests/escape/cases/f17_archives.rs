//! No tool takes an archive apart: what is in one stays there, whatever its names say.

use crate::harness::{Attack, Case};
use serde_json::json;

pub(crate) const CASE: Case = Case {
    id: "F17",
    attack: "Archives with `../` names, links and bombs in the workspace, read and searched",
    expect: &["failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file(
        "workspace/slip.zip",
        zip("../outside/planted", b"planted needle\n"),
    );
    attack.file("workspace/link.tar", tar_link("link", "../outside/secret"));
    // A member that says that it has four gigabytes.
    let mut bomb = zip("bomb", b"needle\n");
    bomb[22..26].copy_from_slice(&[0xff; 4]);
    attack.file("workspace/bomb.zip", bomb);
    for archive in ["slip.zip", "link.tar", "bomb.zip"] {
        attack.attempts(&[
            ("read", json!({"path": archive})),
            ("list", json!({"path": archive})),
            ("read", json!({"path": format!("{archive}/planted")})),
        ]);
    }
    let found = attack.controls(&[
        ("glob", json!({"pattern": "**"})),
        ("grep", json!({"pattern": "needle|one"})),
    ]);
    assert_eq!(found[0].output(), "a.txt\nbomb.zip\nlink.tar\nslip.zip\n");
    assert_eq!(found[1].output(), "a.txt:1:one\n");
}

/// One member, stored.
fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend([0; 4]);
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(name.as_bytes());
    bytes.extend(content);
    bytes
}

/// One member, a symbolic link.
fn tar_link(name: &str, target: &str) -> Vec<u8> {
    let mut bytes = vec![0; 1536];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[156] = b'2';
    bytes[157..157 + target.len()].copy_from_slice(target.as_bytes());
    bytes[257..262].copy_from_slice(b"ustar");
    bytes
}
