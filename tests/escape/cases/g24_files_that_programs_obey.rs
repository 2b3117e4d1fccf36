//! Start files of shells, tasks of editors, hooks of build tools: proposed like any file, and never
//! accepted without a user.

use super::g22_new_configuration::waits;
use crate::harness::{Attack, Case};

pub(crate) const CASE: Case = Case {
    id: "G24",
    attack: "`.bashrc`, `.vscode/tasks.json`, `.github/workflows` in mode `auto`; `.envrc`",
    expect: &["waits for the user", "denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/.vscode/settings.json", "{}\n");
    // It holds secrets as often as commands, and is not there at all.
    attack.attempts_at(&[".envrc", "sub/.envrc"]);
    waits(
        attack,
        &[
            ".bashrc",
            "home/.zshrc",
            ".PROFILE",
            ".vscode/tasks.json",
            ".vscode/settings.json",
            "sub/.VSCode/launch.json",
            ".idea/workspace.xml",
            ".devcontainer/devcontainer.json",
            ".gitattributes",
            ".gitmodules",
            ".husky/pre-commit",
            ".pre-commit-config.yaml",
            ".github/workflows/ci.yml",
            ".cargo/config.toml",
            ".nvim.lua",
            ".\u{ff56}scode/tasks.json",
        ],
    );
}
