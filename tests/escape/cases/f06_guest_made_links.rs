//! A guest cannot make a link, so no code of the host can be led by one.

use crate::harness::{Attack, Case};
use crate::preview1::Step::{Mkdir, Read, Readlink, Symlink, Write};

pub(crate) const CASE: Case = Case {
    id: "F06",
    attack: "A WASI program makes links, relative and absolute, for the host to follow",
    expect: &["EPERM", "ENOENT"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let secret = attack.place("outside/secret").display().to_string();
    attack.attempt_steps(&[
        Symlink("../outside/secret", "link"),
        Read("link"),
        Symlink(&secret, "absolute"),
        Read("absolute"),
        Symlink("a.txt", "inside"),
        Readlink("inside"),
        Symlink("../..", "up"),
        Read("up/outside/secret"),
    ]);
    attack.control_steps(&[Mkdir("dir"), Write("dir/file", "x"), Read("dir/file")]);
}
