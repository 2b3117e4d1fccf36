//! `boxagnts worktree`: the copies of repositories that commands work in.

use crate::exit::{Exit, Failure};
use crate::render::{count, cut, thousands, time};
use crate::setup;
use crate::terminal::{self, visible};
use boxagnts_session::workspace::worktree::{IDLE_KEPT, WorktreeInfo, WorktreeState, list, prune};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// Longest name of what a worktree was taken for, in characters.
const NAME_CHARS: usize = 40;

/// See and remove the worktrees that are kept for repositories.
///
/// They lie where BoxAgnts keeps its state, never in your folders, and your repositories have nothing
/// registered of them. One that nobody works in is filled again for the next who needs one.
#[derive(Debug, Subcommand)]
pub(crate) enum Worktree {
    List(List),
    Prune(Prune),
}

/// Show every worktree, with who works in it and how many files it has.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  boxagnts worktree list --json")]
pub(crate) struct List {
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

/// Remove worktrees that killed processes left, idle ones beyond a number, and those of repositories
/// that are gone.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  boxagnts worktree prune --keep 0")]
pub(crate) struct Prune {
    /// Idle worktrees to keep of each repository.
    #[arg(long, value_name = "N", default_value_t = IDLE_KEPT)]
    keep: usize,
}

impl Worktree {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Worktree::List(args) => args.run(),
            Worktree::Prune(args) => args.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<Exit, Failure> {
        let all = list(&setup::worktrees()?);
        if self.json {
            let all: Vec<_> = all.iter().map(json).collect();
            terminal::print(&format!("{}\n", serde_json::to_string(&all)?))?;
        } else if all.is_empty() {
            terminal::say("there are no worktrees\n");
        } else {
            terminal::print(&lines(&all, &TimeZone::system()))?;
        }
        Ok(Exit::Done)
    }
}

impl Prune {
    fn run(self) -> Result<Exit, Failure> {
        let state = setup::worktrees()?;
        let report =
            prune(&state, self.keep).map_err(|error| Failure::failed(error.to_string()))?;
        for path in &report.removed {
            let line = format!("removed {}\n", visible(&path.display().to_string()));
            terminal::print(&line)?;
        }
        terminal::say(&format!(
            "{} removed, {} kept\n",
            count(report.removed.len() as u64, "worktree"),
            report.kept
        ));
        for (path, reason) in &report.failed {
            terminal::complain(&format!("{} cannot be removed: {reason}", path.display()));
        }
        match report.failed.is_empty() {
            true => Ok(Exit::Done),
            false => Ok(Exit::Failed),
        }
    }
}

fn milliseconds(info: &WorktreeInfo) -> u64 {
    let since = info.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn json(info: &WorktreeInfo) -> serde_json::Value {
    let (state, pid, name) = match &info.state {
        WorktreeState::InUse { pid, name } => ("in_use", Some(*pid), Some(name)),
        WorktreeState::Idle => ("idle", None, None),
        WorktreeState::Left { pid, name } => ("left", Some(*pid), Some(name)),
    };
    serde_json::json!({
        "path": info.path,
        "workspace": info.workspace,
        "state": state,
        "pid": pid,
        "name": name,
        "files": info.files,
        "since_ms": milliseconds(info),
    })
}

fn lines(all: &[WorktreeInfo], zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut workspace: Option<&PathBuf> = None;
    for info in all {
        if workspace != Some(&info.workspace) {
            let _ = writeln!(text, "{}", visible(&info.workspace.display().to_string()));
            workspace = Some(&info.workspace);
        }
        let state = match &info.state {
            WorktreeState::InUse { pid, name } => {
                format!("in use by {pid}, for {}", cut(&visible(name), NAME_CHARS))
            }
            WorktreeState::Idle => "idle".to_owned(),
            WorktreeState::Left { pid, name } => {
                let name = cut(&visible(name), NAME_CHARS);
                format!("left by {pid}, which is gone, for {name}")
            }
        };
        let since = time(milliseconds(info), zone, "%Y-%m-%d %H:%M");
        let files = thousands(info.files);
        let path = info.path.display().to_string();
        let _ = writeln!(text, "  {state}, since {since}, {files} files");
        let _ = writeln!(text, "    {}", visible(&path));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::time::Duration;

    #[test]
    fn worktrees_are_shown_by_repository() {
        let info = |state| WorktreeInfo {
            path: "/state/tree-1/1/tree/tree".into(),
            workspace: "/home/jo/tree".into(),
            state,
            files: 1234,
            since: UNIX_EPOCH + Duration::from_secs(60),
        };
        let (pid, name) = (7, "tests\u{1b}[2J".to_owned());
        let all = [
            info(WorktreeState::InUse {
                pid,
                name: name.clone(),
            }),
            info(WorktreeState::Idle),
            info(WorktreeState::Left { pid, name }),
        ];
        expect![[r#"
            /home/jo/tree
              in use by 7, for tests␛[2J, since 1970-01-01 00:01, 1,234 files
                /state/tree-1/1/tree/tree
              idle, since 1970-01-01 00:01, 1,234 files
                /state/tree-1/1/tree/tree
              left by 7, which is gone, for tests␛[2J, since 1970-01-01 00:01, 1,234 files
                /state/tree-1/1/tree/tree
        "#]]
        .assert_eq(&lines(&all, &TimeZone::UTC));
    }
}
