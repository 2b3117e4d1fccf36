//! A `.git` file can name any folder as the repository, and a link in `.git` any file as its
//! excludes: neither is believed, and neither holds anyone up.

use crate::harness::{Attack, Case};
use serde_json::json;
use std::fs;
use std::process::Command;

pub(crate) const CASE: Case = Case {
    id: "G21",
    attack: "A `.git` file with a forged `gitdir:`; excludes and ignore files that are links or FIFOs",
    expect: &["denied", "not followed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    // Were it read as rules, what it hides would tell what is in it.
    attack.file("outside/repository/info/exclude", "a.*\n");
    attack.file("outside/rules", "a.*\n");
    attack.file("outside/repository/config", "[core]\n\tworktree = ../..\n");
    let gitdir = attack.place("outside/repository").display().to_string();
    attack.file("workspace/.git", format!("gitdir: {gitdir}\n"));
    let read = ("read", json!({"path": "a.txt"}));
    attack.controls(std::slice::from_ref(&read));
    attack.attempts(&[
        ("read", json!({"path": ".git"})),
        ("read", json!({"path": ".git/config"})),
        ("write", json!({"path": ".git", "content": "gitdir: ..\n"})),
    ]);

    let remove = |attack: &mut Attack, path: &str| {
        attack.user(|host| fs::remove_file(host.join(path)).unwrap());
    };
    remove(attack, "workspace/.git");
    attack.link("../../../outside/rules", "workspace/.git/info/exclude");
    attack.controls(std::slice::from_ref(&read));
    remove(attack, "workspace/.git/info/exclude");
    let fifo = |path: &str| move |host: &std::path::Path| {
        let made = Command::new("mkfifo").arg(host.join(path)).status();
        assert!(made.unwrap().success());
    };
    attack.user(fifo("workspace/.git/info/exclude"));
    attack.controls(std::slice::from_ref(&read));
    attack.user(|host| fs::remove_dir_all(host.join("workspace/.git")).unwrap());
    attack.link("../outside/repository", "workspace/.git");
    attack.controls(std::slice::from_ref(&read));

    for name in [".gitignore", ".ignore", ".boxagntsignore"] {
        let path = format!("workspace/{name}");
        attack.link("../outside/rules", &path);
        attack.controls(std::slice::from_ref(&read));
        remove(attack, &path);
        attack.user(fifo(&path));
        attack.controls(std::slice::from_ref(&read));
        remove(attack, &path);
        // The same rules in a file of its own do hide it: so it was not followed before.
        attack.file(&path, "a.*\n");
        attack.attempts(std::slice::from_ref(&read));
        remove(attack, &path);
    }
    attack.saw("not followed");
}
