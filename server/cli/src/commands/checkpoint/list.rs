//! `boxagnts checkpoint list`: what was applied to a folder, and can be taken back.

use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::commands::Checkpoint;
use clap::Args;
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::path::PathBuf;

/// List what was applied to a folder, the latest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts checkpoint list
  boxagnts checkpoint list --json")]
pub(crate) struct List {
    /// The workspace folder; the current one by default.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// Show at most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let sessions = setup::sessions_of(&self.workspace).await?;
        let checkpoints = sessions.checkpoints(None, self.limit)?;
        if self.json {
            terminal::print(&format!("{}\n", serde_json::to_string(&checkpoints)?))?;
            return Ok(Exit::Done);
        }
        if checkpoints.is_empty() {
            let folder = sessions.root().display().to_string();
            terminal::say(&format!("nothing was applied in {}\n", visible(&folder)));
        }
        let theme = Theme::stdout();
        terminal::print(&table(&checkpoints, &TimeZone::system(), theme))?;
        Ok(Exit::Done)
    }
}

fn table(checkpoints: &[Checkpoint], zone: &TimeZone, theme: Theme) -> String {
    let mut table = String::new();
    for checkpoint in checkpoints {
        let at = render::time(checkpoint.at_ms, zone, "%F %R");
        let undone = if checkpoint.undone {
            "  (taken back)"
        } else {
            ""
        };
        let _ = writeln!(
            table,
            "{}  {}  {}{}",
            paint(theme.bold, format!("{:>4}", checkpoint.checkpoint)),
            at,
            visible(&checkpoint.label),
            paint(theme.dim, undone)
        );
        for file in &checkpoint.files {
            let _ = writeln!(table, "      {}", paint(theme.dim, visible(file)));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::commands::CheckpointKind;

    #[test]
    fn checkpoints_are_told_with_their_files() {
        let checkpoint = Checkpoint {
            checkpoint: 7,
            session: "s".into(),
            kind: CheckpointKind::Accept,
            label: "accept 3 hunks in 2 files".into(),
            at_ms: 1_000,
            undone: true,
            files: vec!["a.rs".into(), "b\u{1b}.rs".into()],
        };
        assert_eq!(
            table(&[checkpoint], &TimeZone::UTC, Theme::plain()),
            "   7  1970-01-01 00:00  accept 3 hunks in 2 files  (taken back)\n      a.rs\n      b␛.rs\n"
        );
    }
}
