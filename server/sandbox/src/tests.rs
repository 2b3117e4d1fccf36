//! The sandbox against hostile components: each test is a guest in a few lines of core
//! WebAssembly, and the one line that must come of it.

#[cfg(unix)]
mod cache;
mod commands;
mod isolation;
mod limits;
mod loading;
mod model;
mod network;
mod servers;
mod sockets;
mod wasi;

use crate::*;
use boxagnts_policy::limits::Limits;
use boxagnts_test_support::guests;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A call is back this long behind its limit, however busy the machine is.
const LATE: Duration = Duration::from_secs(5);

/// One runtime for all tests; never dropped, because a stuck host call would never let it.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    })
}

fn sandbox() -> &'static Arc<Sandbox> {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(None))
}

/// A tool that reads.
fn tool(body: &str) -> Vec<u8> {
    guests::component(1, body)
}

/// Everything that a guest may be granted.
const ALL: Capabilities = Capabilities {
    workspace_read: true,
    workspace_write: true,
    http: true,
    progress: true,
};

/// The built-in limits with some of them set, as a user would.
fn limits(set: &str) -> Limits {
    let mut limits = Limits::builtin();
    for one in set.split_whitespace() {
        let (name, value) = one.split_once('=').unwrap();
        limits.set(name, value).unwrap();
    }
    limits
}

/// Files in memory. Reading `stuck` blocks until the test lets go.
#[derive(Default)]
struct Files {
    files: BTreeMap<String, Vec<u8>>,
    hold: Option<Mutex<Receiver<()>>>,
    /// Tells that these files are gone, by being dropped with them.
    #[allow(dead_code)]
    gone: Option<Sender<()>>,
}

fn fails<T>(code: FsErrorCode, path: &str) -> Result<T, FsError> {
    let message = format!("`{path}`: {code:?}");
    Err(FsError { code, message })
}

impl GuestFs for Files {
    type Walk = Vec<String>;

    fn read(&mut self, path: &str, max: u64) -> Result<Vec<u8>, FsError> {
        if let ("stuck", Some(hold)) = (path, &self.hold) {
            let _ = hold.lock().unwrap().recv();
        }
        assert!(path != "panic", "a fault of the host");
        match self.files.get(path) {
            Some(content) if content.len() as u64 > max => fails(FsErrorCode::TooLarge, path),
            Some(content) => Ok(content.clone()),
            None if path.starts_with('/') => fails(FsErrorCode::Denied, path),
            None => fails(FsErrorCode::NotFound, path),
        }
    }

    fn stat(&mut self, path: &str) -> Result<Metadata, FsError> {
        let (kind, size) = match self.files.get(path) {
            Some(content) => (FileKind::File, content.len() as u64),
            None if path == "." || self.has_below(path) => (FileKind::Directory, 0),
            None => return fails(FsErrorCode::NotFound, path),
        };
        Ok(Metadata { kind, size })
    }

    fn list(&mut self, path: &str) -> Result<Vec<Entry>, FsError> {
        if path != "." && !self.has_below(path) {
            return fails(FsErrorCode::NotFound, path);
        }
        let mut entries = BTreeMap::new();
        for (file, content) in &self.files {
            let below = match path {
                "." => Some(file.as_str()),
                path => file.strip_prefix(path).and_then(|b| b.strip_prefix('/')),
            };
            let Some(below) = below else { continue };
            let (name, kind, size) = match below.split_once('/') {
                Some((name, _)) => (name, FileKind::Directory, 0),
                None => (below, FileKind::File, content.len() as u64),
            };
            let name = name.to_owned();
            entries.insert(name.clone(), Entry { name, kind, size });
        }
        Ok(entries.into_values().collect())
    }

    fn walk(&mut self, path: &str) -> Result<Vec<String>, FsError> {
        let all = matches!(path, "" | ".");
        let below = |file: &&String| all || is_below(file, path);
        Ok(self.files.keys().filter(below).rev().cloned().collect())
    }

    fn walk_next(&mut self, walk: &mut Vec<String>, max: u32) -> Result<Vec<String>, FsError> {
        let at = walk.len().saturating_sub(max as usize);
        Ok(walk.split_off(at).into_iter().rev().collect())
    }

    fn may_write(&mut self, path: &str) -> Result<(), FsError> {
        if path.starts_with("protected") {
            return fails(FsErrorCode::Denied, path);
        }
        Ok(())
    }

    fn write(&mut self, path: &str, content: Vec<u8>) -> Result<(), FsError> {
        self.may_write(path)?;
        self.files.insert(path.to_owned(), content);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), FsError> {
        match self.files.remove(path) {
            Some(_) => Ok(()),
            None => fails(FsErrorCode::NotFound, path),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), FsError> {
        if self.files.contains_key(to) || self.has_below(to) {
            return fails(FsErrorCode::Exists, to);
        }
        let moved: Vec<String> = self
            .files
            .keys()
            .filter(|file| file.as_str() == from || is_below(file, from))
            .cloned()
            .collect();
        for file in moved {
            let content = self.files.remove(&file).unwrap();
            self.write(&format!("{to}{}", &file[from.len()..]), content)?;
        }
        Ok(())
    }
}

fn is_below(file: &str, folder: &str) -> bool {
    let below = file.strip_prefix(folder);
    below.is_some_and(|below| below.starts_with('/'))
}

impl Files {
    fn has_below(&self, folder: &str) -> bool {
        self.files.keys().any(|file| is_below(file, folder))
    }
}

fn load(wasm: &[u8], limits: &Limits) -> Result<Arc<Tool>, LoadError> {
    sandbox().load("guest", wasm, limits)
}

/// One call on files of the test's, ended by nobody.
async fn call(tool: &Arc<Tool>, input: &str, limits: &Limits, fs: Files) -> CallReport<Files> {
    let input = match tool.kind() {
        ToolKind::World => Input::Json(input.to_owned()),
        ToolKind::WasiCommand => Input::Arguments(serde_json::from_str(input).unwrap()),
    };
    let request = CallRequest {
        input,
        limits: limits.clone(),
        grants: ALL,
        fs,
        network: Network::closed(),
        cancel: CancellationToken::new(),
        progress: None,
    };
    let started = Instant::now();
    let report = tool.call(request).await;
    let limit = Duration::from_millis(limits.wasm_timeout);
    assert!(
        started.elapsed() < limit + LATE,
        "it came back after {:?}",
        started.elapsed()
    );
    report
}

/// What came of a call, in one line.
fn show(outcome: &Result<ToolOutput, CallFailure>) -> String {
    match outcome {
        Ok(output) if output.truncated => format!("cut {}", output.text),
        Ok(output) => format!("ok {}", output.text),
        Err(CallFailure::Limit { limit, value, used }) => {
            assert!(
                used >= value,
                "{} stopped at {used} of {value}",
                limit.name()
            );
            format!("limit {} {value}", limit.name())
        }
        Err(CallFailure::Trap(message)) => format!("trap {message}"),
        Err(CallFailure::Denied(message)) => format!("denied {message}"),
        Err(CallFailure::InvalidInput(message)) => format!("invalid {message}"),
        Err(CallFailure::Failed(message)) => format!("failed {message}"),
        Err(CallFailure::Cancelled) => "cancelled".to_owned(),
        Err(CallFailure::Internal(message)) => format!("internal {message}"),
    }
}

/// Runs a guest under the built-in limits but for those in `set`, and compares what came of it.
#[track_caller]
fn check(guest: &str, set: &str, expect: &str) -> CallReport<Files> {
    let limits = limits(set);
    let loaded = load(&tool(guest), &limits).unwrap();
    let report = runtime().block_on(call(&loaded, "{}", &limits, Files::default()));
    assert_eq!(show(&report.outcome), expect, "{guest}");
    report
}

/// What a guest says of itself, or why it cannot, in one line.
fn describe(guest: &str, set: &str) -> String {
    let limits = limits(set);
    let loaded = load(&tool(guest), &limits).unwrap();
    let started = Instant::now();
    let described = runtime().block_on(loaded.describe(&limits));
    let limit = Duration::from_millis(limits.wasm_timeout);
    assert!(
        started.elapsed() < limit + LATE,
        "it came back after {:?}",
        started.elapsed()
    );
    match described {
        Ok(described) => format!("described {}", described.name),
        Err(failure) => show(&Err(failure)),
    }
}

/// A tool as users get it.
fn built_in(name: &str) -> Vec<u8> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools-wasm/dist");
    std::fs::read(dist.join(format!("{name}.wasm"))).unwrap()
}

/// Whether a folder holds exactly one compiled component, and where.
fn only_entry(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut compiled: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "aot"))
        .collect();
    assert_eq!(compiled.len(), 1, "{compiled:?}");
    compiled.remove(0)
}
