//! `boxagnts tool add`: a tool of the user's, shown and approved.

use super::list::level_name;
use crate::args::GovernanceArgs;
use crate::asking::confirm;
use crate::exit::{Exit, Failure};
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_session::policy::permission::Level;
use boxagnts_session::tools::{Approved, ForeignTool, Place};
use clap::{Args, ValueEnum};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Add a WebAssembly tool to a workspace, after a look at what it asks for.
///
/// A tool of our ABI, a WASI 0.2 command or a WASI preview-1 program; FILE.toml beside it may
/// describe it. It is copied to .boxagnts/tools, unless it is there, and may be called as it is now:
/// when its file changes it must be added again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts tool add ./wc.wasm
  boxagnts tool add ./wc.wasm --name count-words --level read --user --yes")]
pub(crate) struct Add {
    /// The component or the program.
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Name under which it is called; otherwise the one that it gives itself.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it may do, instead of what it asks for.
    #[arg(long, value_enum, value_name = "LEVEL")]
    level: Option<LevelArg>,
    /// Add it for you in every workspace.
    #[arg(long)]
    user: bool,
    /// The workspace that gets it.
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "user")]
    workspace: PathBuf,
    /// Approve it without asking.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    governance: GovernanceArgs,
}

/// A level that a user can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LevelArg {
    /// Computes on its input alone.
    None,
    /// Reads the workspace.
    Read,
    /// Proposes changes of the workspace.
    Write,
    /// Runs programs.
    Execute,
    /// Talks to the network; every call asks.
    Network,
    /// May do harm outside of the sandbox; every call asks.
    Dangerous,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Level {
        match level {
            LevelArg::None => Level::None,
            LevelArg::Read => Level::Read,
            LevelArg::Write => Level::Write,
            LevelArg::Execute => Level::Execute,
            LevelArg::Network => Level::Network,
            LevelArg::Dangerous => Level::Dangerous,
        }
    }
}

impl Add {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let place = match self.user {
            true => Place::User,
            false => Place::Workspace,
        };
        let root = setup::workspace(&self.workspace)?;
        let overrides = Overrides {
            governance: self.governance,
            ..Overrides::default()
        };
        let config = settings::load_and_warn(&root, &overrides)?;
        let toolbox = setup::tools_to_change(&root)?;
        let registry = setup::registry(&toolbox)?;
        let tool = toolbox.open_file(&self.file, config.limits()).await?;
        let level = self.level.map(Level::from);
        let proposed = registry.propose(&self.file, &tool, self.name.as_deref(), level, place)?;

        terminal::say(&card(&self.file, &tool, &proposed, Theme::stderr()));
        if !self.yes {
            if !terminal::can_ask() {
                return Err(Failure::new(
                    Exit::Denied,
                    "there is no terminal to ask on; --yes approves the tool",
                ));
            }
            if !confirm("Add it? [y/N] ".to_owned()).await {
                terminal::say("nothing was added\n");
                return Ok(Exit::Denied);
            }
        }
        let added = registry.add(&self.file, &proposed, place)?;
        let name = visible(&proposed.name);
        let path = added.display().to_string();
        terminal::print(&format!("added {name}: {}\n", visible(&path)))?;
        Ok(Exit::Done)
    }
}

/// What the user decides on.
fn card(file: &Path, tool: &ForeignTool, proposed: &Approved, theme: Theme) -> String {
    let mut text = super::describe::describe(&proposed.spec, proposed.level, theme);
    text.push('\n');
    let mut line = |label: &str, value: &str| {
        let label = paint(theme.dim, format!("{label:12}"));
        let _ = writeln!(text, "{label} {}", visible(value));
    };
    line("file", &file.display().to_string());
    line("SHA-256", &proposed.sha256);
    let level = match tool.level == proposed.level {
        true => level_name(proposed.level),
        false => format!(
            "{} (it asks for {})",
            level_name(proposed.level),
            level_name(tool.level)
        ),
    };
    line("level", &level);
    line("imports", &or_none(&tool.imports.join(", ")));
    line("hosts", &or_none(&proposed.hosts.join(", ")));
    line(
        "described by",
        super::describe::described_by(proposed.described_by),
    );
    text
}

fn or_none(text: &str) -> String {
    match text.is_empty() {
        true => "none".to_owned(),
        false => text.to_owned(),
    }
}
