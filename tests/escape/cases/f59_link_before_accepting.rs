//! Between the proposal and the user's yes, a folder of it becomes a link to the outside: what is
//! accepted must not be written there.

use crate::harness::{Attack, Case, script};
use serde_json::json;
use std::fs;

pub(crate) const CASE: Case = Case {
    id: "F59",
    attack: "A folder, or the file itself, becomes a link to the outside before its hunk is accepted",
    expect: &["refused, nothing written"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/dir/secret", "inside\n");
    attack.file("workspace/file", "inside\n");
    attack.file("outside/dir/secret", "inside\n");
    let write = |path: &str| ("write", json!({"path": path, "content": "written\n"}));
    let calls = [
        write("dir/secret"),
        write("dir/new"),
        write("file"),
        write("fresh"),
        ("delete", json!({"path": "dir/secret"})),
    ];
    // What is not there any more, or behind a link, need not be deleted.
    for (some, code) in [(&calls[..4], 1), (&calls[4..], 0)] {
        let turn = attack.turn(script(some), |call| call);
        let session = turn.result["session"].as_str().unwrap().to_owned();
        attack.user(|host| {
            fs::rename(host.join("workspace/dir"), host.join("workspace/kept")).unwrap();
            fs::rename(host.join("workspace/file"), host.join("workspace/kept2")).unwrap();
        });
        // The very same content, so that nothing but the link speaks against it.
        attack.link("../outside/dir", "workspace/dir");
        attack.link("../outside/dir/secret", "workspace/file");
        attack.link("../outside/fresh", "workspace/fresh");
        let accept = attack.plain(&["session", "review", &session, "--accept-all"]);
        // New text is written beside its place first, so the folder's time is another.
        attack.command_with(accept.may_change("workspace/beside"), code);
        attack.user(|host| {
            for link in ["dir", "file", "fresh"] {
                fs::remove_file(host.join("workspace").join(link)).unwrap();
            }
            fs::rename(host.join("workspace/kept"), host.join("workspace/dir")).unwrap();
            fs::rename(host.join("workspace/kept2"), host.join("workspace/file")).unwrap();
        });
    }
    attack.saw("refused, nothing written");
}
