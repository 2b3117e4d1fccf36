//! The tools as users get them, over real folders, through the one gate. Whatever a call does, the
//! folders on disk are the same afterwards, byte for byte.

mod calls;
mod commands;
#[cfg(unix)]
mod escapes;
mod foreign;
mod governance;
mod hidden;
mod registry;
mod web;

use crate::*;
use boxagnts_policy::config::{Config, Layer};
use boxagnts_policy::limits::{Limit, Limits};
use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::permission::Mode;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{FailureKind, ToolReport};
use boxagnts_workspace::{NoBuffers, Overlay};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A call is back this long behind its limit, however busy the machine is, and though the first
/// call of a tool compiles it.
const LATE: Duration = Duration::from_secs(30);

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    })
}

/// One for all tests, so that each tool is compiled once.
fn toolbox() -> &'static Arc<Toolbox> {
    static TOOLBOX: OnceLock<Arc<Toolbox>> = OnceLock::new();
    TOOLBOX.get_or_init(|| Toolbox::new(Sandbox::new(None)).unwrap())
}

/// The built-in limits with some of them set, as a user would.
fn limits(set: &str) -> Limits {
    let mut limits = Limits::builtin();
    for one in set.split_whitespace() {
        let (name, value) = one.split_once('=').unwrap();
        limits.set(name, value).unwrap();
    }
    limits
}

/// A configuration with these values.
fn governed(mode: Mode, limits: &Limits) -> Config {
    let mut builder = Config::builder();
    let mode = match mode {
        Mode::Plan => "plan",
        Mode::Review => "review",
        Mode::Auto => "auto",
    };
    builder.set(Layer::CommandLine, "mode", mode).unwrap();
    for &limit in Limit::ALL {
        builder.limit(Layer::CommandLine, limit, limits.get(limit));
    }
    builder.build()
}

/// A workspace, and what lies beside it.
struct Fixture {
    folder: tempfile::TempDir,
    overlay: Arc<Overlay>,
    before: BTreeMap<PathBuf, String>,
}

impl Fixture {
    /// Files from `//- path` sections, those below `outside/` beside the workspace; then `more`.
    fn new(fixture: &str, more: impl FnOnce(&Path)) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspace", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for section in fixture
            .split("//- ")
            .filter(|section| !section.trim().is_empty())
        {
            let (path, text) = section.split_once('\n').unwrap();
            let path = match path.starts_with("outside/") {
                true => folder.path().join(path),
                false => folder.path().join("workspace").join(path),
            };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        more(folder.path());
        let root = folder.path().join("workspace");
        let overlay = Overlay::open(&root, &Mounts::none(), Arc::new(NoBuffers)).unwrap();
        let before = snapshot(folder.path());
        Fixture {
            folder,
            overlay,
            before,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The user changes something.
    fn save(&mut self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
        self.before = snapshot(self.folder.path());
    }

    /// One call with everything as a session has it, but for what a test gives.
    fn call(&self, tool: &str, input: &str, mode: Mode, limits: &Limits) -> ToolReport {
        let call = request(tool, input);
        let config = governed(mode, limits);
        let request = self.request(&call, &config);
        let started = Instant::now();
        let report = runtime().block_on(toolbox().run(request));
        let limit = Duration::from_millis(limits.wasm_timeout);
        assert!(
            started.elapsed() < limit + LATE,
            "it came back after {:?}",
            started.elapsed()
        );
        self.unchanged(tool, input);
        report
    }

    fn request<'a>(&'a self, call: &'a ToolCall, config: &'a Config) -> ToolRequest<'a> {
        ToolRequest {
            ask: None,
            call,
            config,
            overlay: &self.overlay,
            approver: &DenyAll,
            cancel: CancellationToken::new(),
            progress: None,
            natives: None,
        }
    }

    /// Runs a tool, compares the kind of what came of it, and looks for a part of what it says.
    #[track_caller]
    fn check(&self, tool: &str, input: &str, kind: &str, says: &str) -> ToolReport {
        let report = self.call(tool, input, Mode::Review, &limits(""));
        expect(&report, kind, says);
        report
    }

    #[track_caller]
    fn unchanged(&self, tool: &str, input: &str) {
        let after = snapshot(self.folder.path());
        assert!(
            after == self.before,
            "{tool} {input:.200} changed the disk:\n{after:#?}"
        );
    }
}

fn request(tool: &str, input: &str) -> ToolCall {
    let input: Value = serde_json::from_str(input).unwrap();
    ToolCall {
        id: "call_1".to_owned(),
        name: tool.to_owned(),
        input,
    }
}

#[track_caller]
fn expect(report: &ToolReport, kind: &str, says: &str) {
    let got = match report.error.as_ref().map(|error| error.kind) {
        None => "ok",
        Some(FailureKind::InvalidInput) => "invalid input",
        Some(FailureKind::UnknownTool) => "unknown tool",
        Some(FailureKind::Denied) => "denied",
        Some(FailureKind::Limit) => "limit",
        Some(FailureKind::Trap) => "trap",
        Some(FailureKind::Failed) => "failed",
        Some(FailureKind::Cancelled) => "cancelled",
        Some(FailureKind::Internal) => "internal",
    };
    assert_eq!(got, kind, "{report:?}");
    assert_eq!(report.ok, kind == "ok");
    assert!(
        report.for_model().contains(says),
        "expected {says:?} in {report:?}"
    );
}

/// Everything below a folder: kind, mode, and content or target.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let kind = metadata.file_type();
            let content = if kind.is_symlink() {
                format!("{:?}", fs::read_link(&path).unwrap())
            } else if kind.is_file() {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            } else {
                String::new()
            };
            if kind.is_dir() {
                folders.push(path.clone());
            }
            let shown = format!("{kind:?} {:?} {content}", metadata.permissions());
            found.insert(path, shown);
        }
    }
    found
}
