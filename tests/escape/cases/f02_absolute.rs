//! A path that does not begin at the workspace is refused, whatever system it is written for.

use crate::harness::{Attack, Case};

pub(crate) const CASE: Case = Case {
    id: "F02",
    attack: "Absolute paths, `~`, drives",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let secret = attack.place("outside/secret").display().to_string();
    // Even a way back into the workspace.
    let inside = attack.place("workspace/a.txt").display().to_string();
    attack.attempts_at(&[
        &secret,
        &inside,
        "/etc/passwd",
        "//etc/passwd",
        "//localhost/etc/passwd",
        "~/.ssh/id_rsa",
        "~root/.bashrc",
        "C:\\Windows\\win.ini",
        "c:windows",
        "\\\\server\\share",
        "..\\outside\\secret",
    ]);
}
