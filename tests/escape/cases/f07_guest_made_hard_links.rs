//! A second name for a file that may only be read would be a way to write it.

use crate::harness::{Attack, Case};
use crate::preview1::Step::{Link, Read, Rename, Write};

pub(crate) const CASE: Case = Case {
    id: "F07",
    attack: "A WASI program makes hard links to protected files and to ones outside, then writes them",
    expect: &["EPERM", "EACCES", "ENOENT"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let canary = attack.canary();
    attack.file("workspace/.git/config", "[core]\n");
    attack.file("workspace/.boxagntsignore", "private\n");
    attack.file("workspace/private", canary);
    attack.attempt_steps(&[
        Link("../outside/secret", "outside"),
        Read("outside"),
        Link(".git/config", "config"),
        Read("config"),
        Link(".boxagntsignore", "rules"),
        Read("rules"),
        Link("private", "public"),
        Read("public"),
        Link("a.txt", "second"),
        Rename(".git/config", "config"),
        Rename("private", "public"),
        Rename("a.txt", ".git/config"),
    ]);
    attack.control_steps(&[Rename("a.txt", "b.txt"), Write("b.txt", "x")]);
}
