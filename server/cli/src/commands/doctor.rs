//! `boxagnts doctor`: is everything in place? What is not comes with the remedy.

use crate::exit::{Exit, Failure};
use crate::log;
use crate::render;
use crate::settings::{self, Overrides};
use crate::setup;
use crate::terminal::{self, Theme, paint, visible};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::policy::limits::{Limit, Limits};
use boxagnts_session::policy::mounts::Mounts;
use boxagnts_session::store::Store;
use boxagnts_session::tools::{DenyAll, ToolRequest, Toolbox, default_cache_dir};
use boxagnts_session::workspace::Overlay;
use boxagnts_session::{Environment, EnvironmentParts, Misspelt};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Check that everything is in place, and say what to do where it is not.
///
/// Nothing is sent anywhere: the model is not asked, only its key is looked for.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  boxagnts doctor")]
pub(crate) struct Doctor {
    /// The folder whose project file is checked.
    #[arg(long, value_name = "DIR", default_value = ".")]
    workspace: PathBuf,
}

/// What came of one check.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Good(String),
    /// Works, and may not be what the user wants.
    Odd(String),
    /// Does not work: what, and the remedy.
    Bad(String),
}

use Found::{Bad, Good, Odd};

impl Doctor {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut checks = vec![("program", program())];
        let root = setup::workspace(&self.workspace)?;
        let config = configuration(&root, &mut checks);
        names(&config, &root, &mut checks);
        checks.push(("journal", journal()));
        checks.push(("log", Good(shown(log::folder().as_deref()))));
        tools(config.limits(), &mut checks).await;
        checks.push(("model", model(config).await));

        let theme = Theme::stdout();
        let mut all_good = true;
        for (name, found) in &checks {
            let (mark, text) = match found {
                Good(text) => (paint(theme.green, "✓"), text),
                Odd(text) => (paint(theme.yellow, "!"), text),
                Bad(text) => (paint(theme.red, "✗"), text),
            };
            all_good &= !matches!(found, Bad(_));
            let name = paint(theme.bold, format!("{name:8}"));
            terminal::print(&format!("{mark} {name} {}\n", visible(text)))?;
        }
        Ok(if all_good { Exit::Done } else { Exit::Failed })
    }
}

type Checks = Vec<(&'static str, Found)>;

fn program() -> Found {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    Good(format!(
        "boxagnts {} on {os} {arch}",
        env!("CARGO_PKG_VERSION")
    ))
}

/// The configuration; the built-in one when it cannot be used.
fn configuration(root: &Path, checks: &mut Checks) -> Config {
    match settings::load(root, None, &Overrides::default()) {
        Err(failure) => {
            checks.push(("config", Bad(format!("{}; mend it there", failure.message))));
            Config::builtin()
        }
        Ok(loaded) => {
            for file in &loaded.files {
                let found = if file.found {
                    ""
                } else {
                    " (not there, which is fine)"
                };
                let path = file.path.display();
                checks.push(("config", Good(format!("{} file {path}{found}", file.layer))));
            }
            checks.extend(
                loaded
                    .problems
                    .into_iter()
                    .map(|problem| ("config", Odd(problem))),
            );
            loaded.config
        }
    }
}

/// Whether the tools that the configuration names are there.
fn names(config: &Config, root: &Path, checks: &mut Checks) {
    // Why there are none is told by another check.
    let Ok(toolbox) = setup::tools_of(root) else {
        return;
    };
    let Misspelt { hooks, names } = Misspelt::of(config, &toolbox);
    checks.extend(hooks.into_iter().map(|hook| ("config", Bad(hook))));
    checks.extend(names.into_iter().map(|name| ("config", Odd(name))));
}

fn journal() -> Found {
    let opened = setup::journal_path().and_then(|path| {
        let count = Store::open(&path)?.sessions(None)?.len();
        Ok((path, count))
    });
    match opened {
        Err(failure) => Bad(failure.message),
        Ok((path, count)) => match not_private(&path) {
            Some(remedy) => Bad(remedy),
            None => {
                let count = render::count(count as u64, "session");
                Good(format!("{} ({count}, for you alone)", path.display()))
            }
        },
    }
}

/// What makes a file or folder readable for others, with the remedy.
fn not_private(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::symlink_metadata(path).ok()?;
        let shown = path.display();
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Some(format!(
                "{shown} belongs to somebody else; remove it or choose another"
            ));
        }
        if metadata.mode() & 0o077 != 0 {
            return Some(format!("others can get at {shown}; chmod go= '{shown}'"));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    None
}

/// Runs real calls in a folder of its own: one that works, one too long, one that wants out.
async fn tools(limits: &Limits, checks: &mut Checks) {
    let ready = tempfile::tempdir().map_err(|error| Failure::failed(error.to_string()));
    let ready = ready.and_then(|folder| {
        std::fs::write(folder.path().join("hello.txt"), "hello\n")
            .map_err(|error| Failure::failed(error.to_string()))?;
        Ok((
            setup::overlay(folder.path(), &Mounts::none())?,
            setup::toolbox()?,
            folder,
        ))
    });
    let (overlay, toolbox, _folder) = match ready {
        Ok(ready) => ready,
        Err(failure) => return checks.push(("sandbox", Bad(failure.message))),
    };
    let works = call(&toolbox, &overlay, limits, "hello.txt").await;
    checks.push((
        "sandbox",
        match &works.error {
            Some(error) => Bad(format!(
                "`read` failed: {}; reinstall boxagnts",
                error.message
            )),
            None => Good(format!(
                "{}; `read` took {} and {} fuel",
                render::count(toolbox.specs().len() as u64, "tool"),
                render::milliseconds(works.usage.wall_ms),
                render::rounded(works.usage.fuel)
            )),
        },
    ));
    let mut tight = limits.clone();
    tight.wasm_fuel = 1;
    let kinds = [
        call(&toolbox, &overlay, &tight, "hello.txt")
            .await
            .error
            .map(|error| error.kind),
        call(&toolbox, &overlay, limits, "../hello.txt")
            .await
            .error
            .map(|error| error.kind),
    ];
    checks.push((
        "limits",
        match kinds {
            [Some(FailureKind::Limit), Some(FailureKind::Denied)] => {
                Good("a call without fuel is stopped, a way out of the folder is denied".to_owned())
            }
            _ => Bad(
                "the sandbox does not stop what it must stop; do not use it, report it".to_owned(),
            ),
        },
    ));
    checks.push(("cache", cache()));
}

async fn call(
    toolbox: &Arc<Toolbox>,
    overlay: &Arc<Overlay>,
    limits: &Limits,
    path: &str,
) -> ToolReport {
    let input = json!({ "path": path });
    let call = ToolCall {
        id: "doctor".to_owned(),
        name: "read".to_owned(),
        input,
    };
    // The user's limits and nothing else of the user's: rules could refuse the call.
    let mut config = Config::builder();
    for &limit in Limit::ALL {
        config.limit(Layer::CommandLine, limit, limits.get(limit));
    }
    let config = config.build();
    let request = ToolRequest {
        ask: None,
        call: &call,
        config: &config,
        overlay,
        approver: &DenyAll,
        cancel: CancellationToken::new(),
        progress: None,
        natives: None,
    };
    Box::pin(toolbox.run(request)).await
}

/// The folder of compiled tools, after one was used.
fn cache() -> Found {
    let Some(folder) = default_cache_dir() else {
        return Odd(
            "no folder for compiled tools, every start compiles; set BOXAGNTS_CACHE_DIR".into(),
        );
    };
    if let Some(remedy) = not_private(&folder) {
        return Bad(format!(
            "{remedy}; until then every start compiles its tools"
        ));
    }
    let shown = folder.display();
    match setup::compiled(&folder) {
        Ok(0) => Bad(format!(
            "nothing can be kept in {shown}; is there space on the disk?"
        )),
        Ok(n) => Good(format!(
            "{shown} ({}, for you alone)",
            render::count(n as u64, "compiled tool")
        )),
        Err(error) => Bad(format!(
            "{shown}: {error}; set BOXAGNTS_CACHE_DIR to another folder"
        )),
    }
}

async fn model(config: Config) -> Found {
    let name = config.model().to_owned();
    let parts = Store::in_memory().map_err(Failure::from).and_then(|store| {
        Ok(EnvironmentParts {
            config,
            store,
            toolbox: setup::toolbox()?,
        })
    });
    let environment = match parts {
        Ok(parts) => Environment::new(parts),
        Err(failure) => return Bad(failure.message),
    };
    match environment.check_model().await {
        Err(error) => Bad(error.to_string()),
        Ok(()) if name == "builtin" => Odd(
            "builtin, which understands a few imperatives only; choose another with --model or \
             `model = \"PROVIDER:MODEL\"`"
                .to_owned(),
        ),
        Ok(()) => Good(format!("{name}; everything that it needs is there")),
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_else(|| "nowhere".to_owned())
}
