//! What git runs lies in `.git`: no tool writes there, of whichever repository.

use crate::harness::{Attack, Case};

pub(crate) const CASE: Case = Case {
    id: "G19",
    attack: "Hooks and configuration written into `.git`, of this repository and of ones below it",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    attack.file("workspace/.git/config", "[core]\n");
    attack.file("workspace/.git/hooks/pre-commit.sample", "#!/bin/sh\n");
    attack.file("workspace/sub/.git", "gitdir: ../.git/modules/sub\n");
    attack.attempts_at(&[
        ".git",
        ".git/hooks/pre-commit",
        ".git/hooks/pre-commit.sample",
        ".git/config",
        ".git/config.worktree",
        ".git/info/attributes",
        ".git/modules/sub/hooks/post-checkout",
        ".git/worktrees/x/gitdir",
        "sub/.git",
        "new/.git/hooks/post-checkout",
    ]);
}
