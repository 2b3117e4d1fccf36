//! A `.git` file can name any folder as the repository, and a link in `.git` any file as its
//! excludes: neither is believed, and neither holds anyone up.

use crate::harness::{Attack, Case};
use serde_json::json;
use std::fs;

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

    attack.remove("workspace/.git");
    attack.link("../../../outside/rules", "workspace/.git/info/exclude");
    attack.controls(std::slice::from_ref(&read));
    attack.remove("workspace/.git/info/exclude");
    attack.fifo("workspace/.git/info/exclude");
    attack.controls(std::slice::from_ref(&read));
    attack.user(|host| fs::remove_dir_all(host.join("workspace/.git")).unwrap());

    for name in [".gitignore", ".ignore", ".boxagntsignore"] {
        let path = format!("workspace/{name}");
        attack.link("../outside/rules", &path);
        attack.controls(std::slice::from_ref(&read));
        attack.remove(&path);
        attack.fifo(&path);
        attack.controls(std::slice::from_ref(&read));
        attack.remove(&path);
        // The same rules in a file of its own do hide it: so it was not followed before.
        attack.file(&path, "a.*\n");
        attack.attempts(std::slice::from_ref(&read));
        attack.remove(&path);
    }
    attack.saw("not followed");
}
