//! Puts together what commands work with: journal, sandbox, tools, workspace.

use crate::asking::TerminalAsker;
use crate::exit::Failure;
use crate::exports::Exports;
use crate::settings::{self, Overrides};
use crate::terminal;
use boxagnts_protocol::commands::SessionSummary;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_schedule::Workplaces;
use boxagnts_session::model::Recording;
use boxagnts_session::policy::config::Config;
use boxagnts_session::policy::limits::Limits;
use boxagnts_session::policy::mounts::Mounts;
use boxagnts_session::store::{self, Store};
use boxagnts_session::tools::{
    Approvals, MemoryApprovals, Registry, Sandbox, ToolFolders, Toolbox, default_cache_dir,
};
use boxagnts_session::workspace::{NoBuffers, Overlay, worktree};
use boxagnts_session::{DiskApplier, Environment, EnvironmentParts, JournalApprovals, Sessions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The journal's file.
pub(crate) fn journal_path() -> Result<PathBuf, Failure> {
    store::default_path().ok_or_else(|| {
        Failure::failed("cannot tell where to keep the journal; set BOXAGNTS_STATE_DIR to a folder")
    })
}

/// Where worktrees are kept: beside the journal, where no workspace may be.
pub(crate) fn worktrees() -> Result<PathBuf, Failure> {
    Ok(journal_path()?.with_file_name("worktrees"))
}

/// The journal, made when it is not there.
pub(crate) fn journal() -> Result<Store, Failure> {
    Ok(Store::open(&journal_path()?)?)
}

/// The tools that come with the program; nothing is compiled yet.
pub(crate) fn toolbox() -> Result<Arc<Toolbox>, Failure> {
    Ok(Toolbox::new(Sandbox::new(default_cache_dir()))?)
}

/// The tools of a workspace and its user, for looking at and for calling. Without a journal nothing
/// was approved, and none is made.
pub(crate) fn tools_of(workspace: &Path) -> Result<Arc<Toolbox>, Failure> {
    let is_there = journal_path().is_ok_and(|path| path.exists());
    let approvals: Arc<dyn Approvals> = match is_there {
        true => Arc::new(JournalApprovals::new(Arc::new(journal()?))),
        false => Arc::new(MemoryApprovals::default()),
    };
    let folders = ToolFolders::of(workspace);
    Ok(Toolbox::for_workspace(&toolbox()?, folders, approvals))
}

/// The tools of a workspace and its user, for changing which are approved.
pub(crate) fn tools_to_change(workspace: &Path) -> Result<Arc<Toolbox>, Failure> {
    let approvals = Arc::new(JournalApprovals::new(Arc::new(journal()?)));
    let folders = ToolFolders::of(workspace);
    Ok(Toolbox::for_workspace(&toolbox()?, folders, approvals))
}

/// The registered tools of a toolbox that was made for a workspace.
pub(crate) fn registry(toolbox: &Toolbox) -> Result<&Registry, Failure> {
    let none = || Failure::failed("there is no workspace to have tools");
    toolbox.registry().ok_or_else(none)
}

/// Loads the tools in the background, so that neither the start nor a first call waits for a
/// compiler.
pub(crate) fn prewarm(toolbox: &Arc<Toolbox>, limits: &Limits) {
    let (toolbox, limits) = (Arc::clone(toolbox), limits.clone());
    let loading = std::thread::Builder::new().name("prewarm".to_owned());
    if let Err(error) = loading.spawn(move || toolbox.prewarm(&limits)) {
        tracing::warn!(%error, "tools are loaded when they are first called");
    }
}

/// Removes worktrees in the background that nobody needs any more: neither the start nor the end waits
/// for it.
pub(crate) fn prune_worktrees() {
    let prune = || {
        let state = match worktrees() {
            Ok(state) => state,
            Err(failure) => return tracing::warn!("{}", failure.message),
        };
        match worktree::prune(&state, worktree::IDLE_KEPT) {
            Ok(report) => {
                let (removed, kept) = (report.removed.len(), report.kept);
                tracing::info!(removed, kept, "worktrees are pruned");
                for (path, reason) in &report.failed {
                    tracing::warn!(path = %path.display(), %reason, "a worktree cannot be removed");
                }
            }
            Err(error) => tracing::warn!(%error, "worktrees cannot be pruned"),
        }
    };
    let pruning = std::thread::Builder::new().name("prune".to_owned());
    if let Err(error) = pruning.spawn(prune) {
        tracing::warn!(%error, "worktrees are not pruned");
    }
}

/// Says that the first call will take its time, where it has to wait for a compiler.
pub(crate) fn tell_of_preparing() {
    let cold = default_cache_dir().is_some_and(|folder| compiled(&folder).is_ok_and(|n| n == 0));
    if cold {
        terminal::say("preparing tools (once) …\n");
    }
}

/// How many tools are compiled in a folder.
pub(crate) fn compiled(cache: &Path) -> std::io::Result<usize> {
    let entries = match std::fs::read_dir(cache) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let is_compiled = |entry: &std::io::Result<std::fs::DirEntry>| {
        let path = entry.as_ref().map(std::fs::DirEntry::path);
        path.is_ok_and(|path| path.extension().is_some_and(|suffix| suffix == "aot"))
    };
    Ok(entries.filter(is_compiled).count())
}

/// What sessions of a workspace share, over the user's journal.
pub(crate) fn environment(
    config: Config,
    toolbox: Arc<Toolbox>,
    workspace: &Path,
) -> Result<Arc<Environment>, Failure> {
    let parts = EnvironmentParts {
        config,
        store: journal()?,
        toolbox,
    };
    let folders = ToolFolders::of(workspace);
    let environment = Environment::of_user(parts, folders, settings::user_folder());
    environment.keep_worktrees(worktrees()?);
    Ok(environment)
}

/// What faces that serve an editor make the environments of workspace folders of; the folders share
/// what is compiled.
pub(crate) struct Serving {
    toolbox: Arc<Toolbox>,
    overrides: Overrides,
    recording: Option<Arc<Recording>>,
    exports: Exports,
}

impl Serving {
    /// What the command line says.
    pub(crate) fn new(overrides: Overrides, record: Option<&Path>) -> Result<Serving, Failure> {
        // Found out now, and told where an editor shows it; later it would only fail a request.
        settings::load(Path::new("."), None, &overrides)?;
        Ok(Serving {
            toolbox: toolbox()?,
            overrides,
            recording: recording(record)?,
            exports: Exports::default(),
        })
    }

    /// The environment of a folder, with the editor's settings. Loads tools in the background.
    ///
    /// # Errors
    /// Settings that cannot be used, in words.
    pub(crate) fn environment(
        &self,
        root: &Path,
        settings: Option<&serde_json::Value>,
    ) -> Result<Arc<Environment>, String> {
        let loaded = settings::load(root, settings, &self.overrides);
        let loaded = loaded.map_err(|failure| failure.message)?;
        for problem in &loaded.problems {
            tracing::warn!("{problem}");
        }
        let environment = environment(loaded.config, Arc::clone(&self.toolbox), root)
            .map_err(|failure| failure.message)?;
        for problem in environment.misspelt().into_problems() {
            tracing::warn!("{problem}");
        }
        environment.keep_problems(loaded.problems);
        if let Some(recording) = &self.recording {
            environment.record(Arc::clone(recording));
        }
        if let Err(reason) = self.exports.export(&environment) {
            tracing::warn!("{reason}");
        }
        prewarm(environment.toolbox(), environment.config().limits());
        Ok(environment)
    }

    /// Sends what is to be exported still.
    pub(crate) async fn finish(&self) {
        self.exports.finish().await;
    }
}

/// The folders of scheduled tasks.
pub(crate) struct Folders(pub(crate) Serving);

impl Workplaces for Folders {
    fn environment(&self, root: &Path) -> Result<Arc<Environment>, String> {
        self.0.environment(root, None)
    }
}

/// The recording that the command line asks for.
pub(crate) fn recording(path: Option<&Path>) -> Result<Option<Arc<Recording>>, Failure> {
    Ok(match path {
        Some(path) => Some(Recording::create(path)?),
        None => None,
    })
}

/// The latest session of a workspace.
pub(crate) fn latest(journal: &Store, root: &Path) -> Result<SessionSummary, Failure> {
    let folder = root.display().to_string();
    let latest = journal.sessions(Some(&folder))?.into_iter().next();
    latest.ok_or_else(|| {
        Failure::usage(format!(
            "no sessions in {folder}; `boxagnts session list --all` shows those of other folders"
        ))
    })
}

/// The sessions of a workspace whose files are on disk alone.
pub(crate) fn sessions(config: Config, root: &Path) -> Result<Arc<Sessions>, Failure> {
    let environment = environment(config, toolbox()?, root)?;
    let (buffers, applier) = (Arc::new(NoBuffers), Arc::new(DiskApplier));
    let asker = Arc::new(TerminalAsker { questions: true });
    Ok(Sessions::open(environment, root, buffers, applier, asker)?)
}

/// The sessions of a folder as it is configured, with batches at an end that a killed process left.
pub(crate) async fn sessions_of(folder: &Path) -> Result<Arc<Sessions>, Failure> {
    let root = workspace(folder)?;
    let config = settings::load_and_warn(&root, &Overrides::default())?;
    recovered(config, &root).await
}

async fn recovered(config: Config, root: &Path) -> Result<Arc<Sessions>, Failure> {
    let sessions = sessions(config, root)?;
    recover(&sessions).await?;
    Ok(sessions)
}

/// As [`sessions_of`], also where the user's configuration cannot be read: files of the folder itself
/// can be taken back without it.
pub(crate) async fn sessions_to_undo(folder: &Path) -> Result<Arc<Sessions>, Failure> {
    let root = workspace(folder)?;
    let reason = match settings::load_and_warn(&root, &Overrides::default()) {
        Ok(config) => return recovered(config, &root).await,
        Err(failure) => failure.message,
    };
    terminal::warn(&format!("{reason}; nothing of it is used"));
    let sessions = sessions(Config::builtin(), &root)?;
    // Interrupted batches stay as they are, too: their files may be elsewhere.
    sessions.environment().lacks_configuration(reason);
    Ok(sessions)
}

/// Brings batches to an end that a killed process left, and says what became of them.
pub(crate) async fn recover(sessions: &Arc<Sessions>) -> Result<(), Failure> {
    for event in sessions.recover().await? {
        if let SessionEvent::Recovered {
            applied,
            files,
            refused,
            ..
        } = event
        {
            let text = boxagnts_session::recovered(applied, &files, &refused);
            terminal::warn(&terminal::visible(&text));
        }
    }
    Ok(())
}

/// A workspace folder without an editor, and with what the configuration mounts in it.
pub(crate) fn overlay(folder: &Path, mounts: &Mounts) -> Result<Arc<Overlay>, Failure> {
    Ok(Overlay::open(folder, mounts, Arc::new(NoBuffers))?)
}

/// The real path of a workspace folder.
pub(crate) fn workspace(folder: &Path) -> Result<PathBuf, Failure> {
    Ok(overlay(folder, &Mounts::none())?.root().to_path_buf())
}
