//! `boxagnts acp`: an agent for editors that speak the Agent Client Protocol, over standard input and
//! output.

use crate::args::SettingArgs;
use crate::exit::{Exit, Failure};
use crate::setup::{self, Serving};
use boxagnts_acp::Connector;
use boxagnts_session::Environment;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Serve an editor that speaks the Agent Client Protocol (Zed, JetBrains, agent-shell, CodeCompanion).
///
/// Editors start this themselves; what they need is this command line. Settings come from your
/// configuration file, the workspace and the flags here, a later one before an earlier.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts acp
  boxagnts acp --model anthropic:MODEL --limit total_budget_usd=5

Zed, settings.json:
  \"agent_servers\": {
    \"BoxAgnts\": { \"type\": \"custom\", \"command\": \"boxagnts\", \"args\": [\"acp\"] }
  }")]
pub(crate) struct Acp {
    #[command(flatten)]
    settings: SettingArgs,
    /// Write what models are asked and answer to a file, without keys; `replay:FILE` is a model that
    /// answers from it.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Acp {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let serving = Serving::new(self.settings.overrides(), self.record.as_deref())?;
        let connector = Arc::new(Folders(serving));
        setup::prune_worktrees();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "agent starts");
        let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
        let served = Arc::clone(&connector);
        boxagnts_acp::serve(stdin, stdout, served).await;
        connector.0.finish().await;
        tracing::info!("agent ends");
        Ok(Exit::Done)
    }
}

struct Folders(Serving);

impl Connector for Folders {
    fn connect(&self, root: &Path) -> Result<Arc<Environment>, String> {
        self.0.environment(root, None)
    }
}
