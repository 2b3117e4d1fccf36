//! Start files of shells, tasks of editors, hooks of build tools: proposed like any file, and never
//! accepted without a user.

use super::g22_new_configuration::waits;
use crate::harness::{Attack, Case};

pub(crate) const CASE: Case = Case {
    id: "G24",
    attack: "`.bashrc`, `.vscode/tasks.json`, `.envrc`, `.github/workflows`, in mode `auto`",
    expect: &["waits for the user"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/.vscode/settings.json", "{}\n");
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
