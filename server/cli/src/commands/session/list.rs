//! `boxagnts session list`: the sessions of a folder, or all.

use crate::exit::{Exit, Failure};
use crate::render;
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::commands::{OriginKind, SessionSummary};
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// List the sessions of a folder, the latest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts session list
  boxagnts session list --search \"order total\"
  boxagnts session list --all --json")]
pub(crate) struct List {
    /// The folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
    /// Sessions of every folder.
    #[arg(long, conflicts_with = "workspace")]
    all: bool,
    /// Only sessions in whose title, prompts and answers all of these words are.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Print one JSON array; `waiting` are hunks that wait for a decision.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let folder = match self.all {
            true => None,
            false => Some(setup::workspace(&self.workspace)?.display().to_string()),
        };
        let journal = setup::journal()?;
        let sessions = match &self.search {
            Some(text) => journal.search_sessions(folder.as_deref(), text)?,
            None => journal.sessions(folder.as_deref())?,
        };
        if self.json {
            terminal::print(&format!("{}\n", serde_json::to_string(&sessions)?))?;
            return Ok(Exit::Done);
        }
        if sessions.is_empty() {
            let place = folder
                .map(|folder| format!(" in {folder}"))
                .unwrap_or_default();
            let all = if self.all {
                ""
            } else {
                "; --all shows those of other folders"
            };
            let found = match self.search {
                Some(_) => "no session has all of these words",
                None => "no sessions",
            };
            terminal::say(&format!("{found}{place}{all}\n"));
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        terminal::print(&table(&sessions, self.all, now_ms, Theme::stdout()))?;
        Ok(Exit::Done)
    }
}

fn table(sessions: &[SessionSummary], with_folder: bool, now_ms: u64, theme: Theme) -> String {
    let mut table = String::new();
    for session in sessions {
        let age = age(now_ms.saturating_sub(session.updated_ms));
        let title = visible(&session.title);
        let title = if title.is_empty() {
            "(no prompt)"
        } else {
            &title
        };
        let _ = write!(
            table,
            "{}  {age:>8}  {}  {}  {}",
            paint(theme.bold, &session.session),
            paint(theme.yellow, waiting(session.waiting)),
            render::cut(title, 80),
            paint(theme.dim, visible(&session.model))
        );
        if with_folder {
            let _ = write!(table, "  {}", paint(theme.dim, visible(&session.workspace)));
        }
        if let Some(origin) = &session.origin {
            let how = match origin.kind {
                OriginKind::Fork => "fork of",
                OriginKind::Import => "import of",
                OriginKind::Executor => "executor of",
            };
            let how = format!("({how} {})", visible(&origin.session));
            let _ = write!(table, "  {}", paint(theme.dim, how));
        }
        table.push('\n');
        if let Some(found) = &session.found {
            let found = paint(theme.dim, visible(found));
            let _ = writeln!(table, "{:26}{found}", "");
        }
    }
    table
}

/// Hunks that wait, as wide for every session.
fn waiting(hunks: u64) -> String {
    let told = match hunks {
        0 => String::new(),
        hunks => format!("{} waiting", render::rounded(hunks)),
    };
    format!("{told:11}")
}

fn age(ms: u64) -> String {
    match ms / 1000 {
        s if s < 60 => "now".to_owned(),
        s if s < 3600 => format!("{} min", s / 60),
        s if s < 2 * 86_400 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxagnts_protocol::commands::SessionOrigin;

    #[test]
    fn sessions_are_told_with_their_age() {
        let session = SessionSummary {
            session: "abcdefghijkm".into(),
            title: "rename \u{1b}[2J a to b".into(),
            workspace: "/w".into(),
            model: "builtin".into(),
            created_ms: 0,
            updated_ms: 1_000,
            waiting: 3,
            ..SessionSummary::default()
        };
        assert_eq!(
            table(&[session], true, 121_000, Theme::plain()),
            "abcdefghijkm     2 min  3 waiting    rename ␛[2J a to b  builtin  /w\n"
        );
        let found = SessionSummary {
            session: "abcdefghijkm".into(),
            found: Some("…of \u{1b}[2J the total…".into()),
            origin: Some(SessionOrigin {
                kind: OriginKind::Fork,
                session: "mnopqrstuvwx".into(),
                events: 3,
            }),
            ..SessionSummary::default()
        };
        assert_eq!(
            table(&[found], false, 0, Theme::plain()),
            "abcdefghijkm       now               (no prompt)    (fork of mnopqrstuvwx)\n                          \
             …of ␛[2J the total…\n"
        );
        assert_eq!(age(59_000), "now");
        assert_eq!(age(47 * 3_600_000), "47 h");
        assert_eq!(age(72 * 3_600_000), "3 days");
    }
}
