//! `boxagnts lsp`: the language server over standard input and output.

use crate::args::SettingArgs;
use crate::exit::{Exit, Failure};
use crate::exports::Exports;
use crate::settings::{self, Overrides};
use crate::setup;
use boxagnts_lsp::Connector;
use boxagnts_session::Environment;
use boxagnts_session::model::Recording;
use boxagnts_session::tools::Toolbox;
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
        let overrides = self.settings.overrides();
        // Found out now, and told where an editor shows it; later it would only fail a request.
        settings::load(Path::new("."), None, &overrides)?;
        let connector = Arc::new(Connections {
            toolbox: setup::toolbox()?,
            overrides,
            recording: setup::recording(self.record.as_deref())?,
            exports: Exports::default(),
        });
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            "language server starts"
        );
        let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
        let served = Arc::clone(&connector);
        boxagnts_lsp::serve(stdin, stdout, served).await;
        connector.exports.finish().await;
        tracing::info!("language server ends");
        Ok(Exit::Done)
    }
}

/// Makes the environment of each workspace folder; the folders share what is compiled.
struct Connections {
    toolbox: Arc<Toolbox>,
    overrides: Overrides,
    recording: Option<Arc<Recording>>,
    exports: Exports,
}

impl Connector for Connections {
    fn connect(
        &self,
        root: &Path,
        settings: &serde_json::Value,
    ) -> Result<Arc<Environment>, String> {
        let loaded = settings::load(root, Some(settings), &self.overrides);
        let loaded = loaded.map_err(|failure| failure.message)?;
        for problem in &loaded.problems {
            tracing::warn!("{problem}");
        }
        let environment = setup::environment(loaded.config, Arc::clone(&self.toolbox), root)
            .map_err(|failure| failure.message)?;
        if let Some(recording) = &self.recording {
            environment.record(Arc::clone(recording));
        }
        if let Err(reason) = self.exports.export(&environment) {
            tracing::warn!("{reason}");
        }
        setup::prewarm(environment.toolbox(), environment.config().limits());
        Ok(environment)
    }
}
