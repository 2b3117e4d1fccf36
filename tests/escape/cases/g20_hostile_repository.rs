//! A repository can name programs that git runs: hooks, a monitor, filters, pagers. Whatever we do
//! in one runs none of them.

use crate::harness::{Attack, Case, script};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) const CASE: Case = Case {
    id: "G20",
    attack: "`core.fsmonitor`, `core.hooksPath`, hooks, filters, `.gitmodules`, a planted bare repository",
    expect: &["nothing is run"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let marker = attack.place("outside/pwned");
    attack.user(|host| plant(&host.join("workspace"), &marker));
    // The traps are real: git itself walks into them, in a copy.
    let copy = attack.aside().join("copy");
    plant(&copy, &attack.aside().join("pwned"));
    git(&copy, &["status"]);
    assert!(attack.aside().join("pwned").exists(), "no trap was sprung");

    let calls = [
        ("list", json!({"path": "."})),
        ("glob", json!({"pattern": "**"})),
        ("grep", json!({"pattern": "one"})),
        ("read", json!({"path": "a.txt"})),
        ("write", json!({"path": "a.txt", "content": "changed\n"})),
        ("write", json!({"path": "bare.git/x", "content": "x\n"})),
        ("rename", json!({"from": "b.txt", "to": "c.txt"})),
    ];
    attack.controls(&calls);
    // Accepting writes into it, and asks git for nothing either.
    let paths = ["a.txt", "b.txt", "c.txt", "bare.git/x"];
    let turn = attack.turn(script(&calls), |call| {
        paths.iter().fold(call.mode("auto"), |call, path| {
            call.may_change(&format!("workspace/{path}"))
        })
    });
    assert_eq!(turn.result["applied"], true, "{}", turn.result);
    attack.command(&["session", "list"], 0);
    attack.command(&["config", "show"], 0);
    attack.saw("nothing is run");
}

/// A repository whose every trap makes the marker.
fn plant(folder: &Path, marker: &Path) {
    fs::create_dir_all(folder).unwrap();
    let touch = format!("touch {}", marker.display());
    git(folder, &["init", "--quiet"]);
    for name in ["a.txt", "b.txt"] {
        fs::write(folder.join(name), "one\n").unwrap();
    }
    let hook = format!("#!/bin/sh\n{touch}\n");
    let hooks = folder.join(".hooks");
    fs::create_dir_all(&hooks).unwrap();
    for place in [folder.join(".git/hooks"), hooks] {
        for name in [
            "pre-commit",
            "post-checkout",
            "post-index-change",
            "fsmonitor-watchman",
        ] {
            let path = place.join(name);
            fs::write(&path, &hook).unwrap();
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(path, all).unwrap();
        }
    }
    let config = format!(
        "[core]\n\tfsmonitor = \"{touch}; true\"\n\thooksPath = .hooks\n\tpager = \"{touch}\"\n\
         \teditor = \"{touch}\"\n\tsshCommand = \"{touch}\"\n\
         [filter \"x\"]\n\tclean = \"{touch}; cat\"\n\tsmudge = \"{touch}; cat\"\n\
         \tprocess = \"{touch}\"\n[diff]\n\texternal = \"{touch}\"\n\
         [diff \"x\"]\n\ttextconv = \"{touch}\"\n[merge \"x\"]\n\tdriver = \"{touch}\"\n"
    );
    let file = folder.join(".git/config");
    let text = fs::read_to_string(&file).unwrap() + &config;
    fs::write(file, text).unwrap();
    fs::write(folder.join(".gitattributes"), "* filter=x diff=x merge=x\n").unwrap();
    let modules = format!(
        "[submodule \"x\"]\n\tpath = sub\n\turl = \"ext::sh -c {touch}\"\n\tupdate = \"!{touch}\"\n"
    );
    fs::write(folder.join(".gitmodules"), modules).unwrap();
    // A folder that is a repository without being called `.git`.
    let bare = folder.join("bare.git");
    fs::create_dir_all(bare.join("objects")).unwrap();
    fs::create_dir_all(bare.join("refs")).unwrap();
    fs::write(bare.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(
        bare.join("config"),
        config + "[core]\n\tbare = true\n\tworktree = ..\n",
    )
    .unwrap();
}

/// git by hand, without the configuration of whoever runs the tests.
fn git(folder: &Path, arguments: &[&str]) {
    let ran = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output();
    assert!(ran.is_ok(), "the suite needs git: {ran:?}");
}
