//! A WASI program has one folder, which is the overlay: every way out of it gets an error number, and
//! what is hidden from tools is hidden from it.

use crate::harness::{Attack, Case};
use crate::preview1::Step::{List, Mkdir, Read, Rename, Stat, Unlink, Write};

pub(crate) const CASE: Case = Case {
    id: "F60",
    attack: "A WASI program opens, lists, makes, moves: `..`, absolute, links, FIFO, `.git`, secrets",
    expect: &["EPERM", "EACCES", "ENOENT"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let canary = attack.canary();
    let secret = attack.place("outside/secret").display().to_string();
    attack.link("../outside/secret", "workspace/link");
    attack.link("../outside", "workspace/folder");
    attack.file("workspace/.git/config", &canary);
    attack.file("workspace/.env", &canary);
    attack.file("workspace/sub/b.txt", "b\n");
    attack.attempt_steps(&[
        Read("../outside/secret"),
        Read("sub/../../outside/secret"),
        Read(&secret),
        Read("/etc/passwd"),
        Read("/proc/self/environ"),
        List(".."),
        List("/"),
        Stat("../outside/secret"),
        Read("link"),
        Read("folder/secret"),
        List("folder"),
        Read(".git/config"),
        List(".git"),
        Read(".GIT/config"),
        Read(".env"),
        Write("../outside/planted", "x"),
        Write("folder/planted", "x"),
        Write("link", "x"),
        Write(".git/hooks/pre-commit", "x"),
        Write(".boxagnts/config.toml", "mode = \"auto\""),
        Mkdir("../outside/made"),
        Mkdir(".git/made"),
        Unlink("../outside/secret"),
        Unlink("folder/secret"),
        Unlink(".git/config"),
        Rename("a.txt", "../outside/moved"),
        Rename("../outside/secret", "here"),
        Rename("a.txt", "folder/moved"),
        Rename("sub", ".git"),
    ]);
    let listed = attack.control_steps(&[List("."), List("sub"), Read("sub/b.txt")]);
    assert!(!listed.output().contains(".env") && !listed.output().contains(".git"));
}
