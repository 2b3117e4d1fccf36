//! `boxagnts lsp`: the language server over standard input and output.

use crate::args::SettingArgs;
use crate::exit::{Exit, Failure};
use crate::setup::{self, Serving};
use boxagnts_lsp::Connector;
use boxagnts_session::Environment;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Serve an editor over standard input and output.
///
/// Editors start this themselves; what they need is this command line. Settings come from your
/// configuration file, the workspace, the editor and the flags here, a later one before an earlier.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boxagnts lsp
  boxagnts lsp --model anthropic:MODEL --limit total_budget_usd=5

Helix, languages.toml:
  [language-server.boxagnts]
  command = \"boxagnts\"
  args = [\"lsp\"]")]
pub(crate) struct Lsp {
    /// Accepted for editors that append it; there is no other way.
    #[arg(long)]
    stdio: bool,
    #[command(flatten)]
    settings: SettingArgs,
    /// Write what models are asked and answer to a file, without keys; `replay:FILE` is a model that
    /// answers from it.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl Lsp {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let serving = Serving::new(self.settings.overrides(), self.record.as_deref())?;
        let connector = Arc::new(Folders(serving));
        setup::prune_worktrees();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            "language server starts"
        );
        let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
        let served = Arc::clone(&connector);
        boxagnts_lsp::serve(stdin, stdout, served).await;
        connector.0.finish().await;
        tracing::info!("language server ends");
        Ok(Exit::Done)
    }
}

struct Folders(Serving);

impl Connector for Folders {
    fn connect(
        &self,
        root: &Path,
        settings: &serde_json::Value,
    ) -> Result<Arc<Environment>, String> {
        self.0.environment(root, Some(settings))
    }
}
