//! The links of `/proc` lead where no path does: to open files, to the root, to the environment.

use crate::harness::{Attack, Case};

pub(crate) const CASE: Case = Case {
    id: "F04",
    attack: "`/proc/self` by its path, and by links to it: root, cwd, fd, environ",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    for name in ["root", "cwd", "fd", "environ", "exe"] {
        attack.link(format!("/proc/self/{name}"), &format!("workspace/{name}"));
    }
    attack.link("/proc/self", "workspace/self");
    attack.link("/dev/fd", "workspace/dev");
    attack.link("/dev/stdin", "workspace/stdin");
    attack.attempts_at(&[
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/dev/fd/0",
        "root/etc/passwd",
        "cwd/a.txt",
        "fd/0",
        "environ",
        "exe",
        "self/environ",
        "self/root/etc/passwd",
        "self/task/self/environ",
        "dev/0",
        "stdin",
    ]);
}
