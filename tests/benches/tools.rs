//! Tool calls, sessions and searching, in this process.

use crate::table::{Table, median, shown};
use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::policy::mounts::Mounts;
use boxagnts_session::store::Store;
use boxagnts_session::tools::{DenyAll, Sandbox, ToolRequest, Toolbox};
use boxagnts_session::workspace::{NoBuffers, Overlay};
use boxagnts_session::{Ask, DiskApplier, Environment, EnvironmentParts, NoAsker, Sessions};
use boxagnts_test_support::script;
use criterion::{BatchSize, Criterion};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// One call of a tool; fails the bench when the tool fails.
async fn call(
    toolbox: &Toolbox,
    overlay: &Arc<Overlay>,
    config: &Config,
    name: &str,
    input: &Value,
) {
    let call = serde_json::from_value(json!({"id": "c", "name": name, "input": input}));
    let call = call.expect("a call");
    let report = toolbox
        .run(ToolRequest {
            ask: None,
            call: &call,
            config,
            overlay,
            approver: &DenyAll,
            cancel: Default::default(),
            progress: None,
            natives: None,
        })
        .await;
    assert!(report.ok, "{:?}", report.error);
}

fn overlay(folder: &Path) -> Arc<Overlay> {
    Overlay::open(folder, &Mounts::none(), Arc::new(NoBuffers)).expect("a workspace")
}

/// A warm call of `read`, and the first call of a process whose cache is warm.
pub fn calls(criterion: &mut Criterion, runtime: &Runtime, table: &mut Table) {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("a.txt"), "0123456789abcde\n".repeat(64)).expect("a file");
    let cache = folder.path().join("cache");
    let (overlay, config) = (overlay(folder.path()), Config::builtin());
    let input = json!({"path": "a.txt"});
    let toolbox = Toolbox::new(Sandbox::new(Some(cache.clone()))).expect("tools");
    runtime.block_on(call(&toolbox, &overlay, &config, "read", &input));

    let mut group = criterion.benchmark_group("call");
    group.bench_function("warm", |b| {
        b.iter(|| runtime.block_on(call(&toolbox, &overlay, &config, "read", &input)));
    });
    group.sample_size(20).bench_function("first", |b| {
        b.iter_batched(
            || Toolbox::new(Sandbox::new(Some(cache.clone()))).expect("tools"),
            |fresh| {
                runtime.block_on(call(&fresh, &overlay, &config, "read", &input));
                fresh
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    let warm = median("call", "warm");
    table.time(
        "`read` of 1 KiB, warm, median",
        warm,
        Duration::from_micros(100),
    );
    let process = spawn_time();
    table.ratio(format!(
        "{:.3} × starting `true` ({})",
        ratio(warm, process),
        shown(process)
    ));
    let first = median("call", "first");
    table.time(
        "first `read` of a process, warm cache",
        first,
        Duration::from_millis(10),
    );
}

/// What a sandbox made of processes could not beat.
fn spawn_time() -> Duration {
    let mut samples: Vec<Duration> = (0..200)
        .map(|_| {
            let started = Instant::now();
            let _ = Command::new("true").status();
            started.elapsed()
        })
        .collect();
    crate::table::percentile(&mut samples, 0.5)
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

/// Opening a workspace and starting a session in it, against `git worktree add`.
pub fn sessions(criterion: &mut Criterion, runtime: &Runtime, table: &mut Table) {
    for files in [10, 10_000, 100_000] {
        let folder = TempDir::new().expect("a folder");
        let repository = folder.path().join("r");
        make_tree(&repository, files, "fn f() {}\n");
        let script = script(json!([]));
        let mut builder = Config::builder();
        builder
            .set(Layer::CommandLine, "model", &script.model())
            .expect("a model");
        let environment = Environment::new(EnvironmentParts {
            config: builder.build(),
            store: Store::open(&folder.path().join("journal.db")).expect("a journal"),
            toolbox: Toolbox::new(Sandbox::new(None)).expect("tools"),
        });
        let start = || {
            let _inside = runtime.enter();
            let (environment, buffers) = (Arc::clone(&environment), Arc::new(NoBuffers));
            let (applier, asker) = (Arc::new(DiskApplier), Arc::new(NoAsker));
            let sessions = Sessions::open(environment, &repository, buffers, applier, asker);
            let ask = Ask {
                prompt: "x".to_owned(),
                ..Ask::default()
            };
            sessions.expect("a workspace").ask(ask).expect("a session")
        };
        let name = format!("{files} files");
        let mut group = criterion.benchmark_group("session");
        // Each one leaves a turn that ends by itself; a pause lets it, outside of the measurement.
        group.sample_size(50).bench_function(&name, |b| {
            b.iter_custom(|rounds| {
                let mut took = Duration::ZERO;
                for _ in 0..rounds {
                    let started = Instant::now();
                    start();
                    took += started.elapsed();
                    std::thread::sleep(Duration::from_micros(500));
                }
                took
            });
        });
        group.finish();
        let ours = median("session", &name);
        table.time(
            &format!("a session in {name}"),
            ours,
            Duration::from_millis(1),
        );
        let git = worktree_time(&repository, &folder.path().join("w"));
        table.ratio(format!(
            "{:.5} × `git worktree add` ({})",
            ratio(ours, git),
            shown(git)
        ));
    }
}

fn make_tree(root: &Path, files: usize, text: &str) {
    for n in 0..files {
        let folder = root.join(format!("d{}/e{}", n / 1000, n / 50 % 20));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("f{n}.rs")), text).expect("a file");
    }
}

fn worktree_time(repository: &Path, worktree: &Path) -> Duration {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(repository)
            .args(["-c", "user.name=b", "-c", "user.email=b@localhost"]);
        let output = git.args(arguments).output().expect("git");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "all"]);
    let worktree = worktree.to_str().expect("a path");
    let started = Instant::now();
    git(&["worktree", "add", "--quiet", "--detach", worktree]);
    started.elapsed()
}

/// `grep` over a large tree, against ripgrep with one thread.
pub fn grep(criterion: &mut Criterion, runtime: &Runtime, table: &mut Table) {
    const FILES: usize = 5000;
    let folder = TempDir::new().expect("a folder");
    let line = "    let total = values.iter().map(|value| value.count * 7).sum::<u64>();\n";
    let text = format!(
        "{}fn needle_here() {{}}\n{}",
        line.repeat(100),
        line.repeat(100)
    );
    make_tree(folder.path(), FILES, &text);
    let cache = TempDir::new().expect("a folder");
    let toolbox = Toolbox::new(Sandbox::new(Some(cache.path().join("c")))).expect("tools");
    let (overlay, config) = (overlay(folder.path()), Config::builtin());
    let pattern = r"fn need\w+_here";
    let input = json!({"pattern": pattern, "output": "count", "limit": 100_000});
    runtime.block_on(call(&toolbox, &overlay, &config, "grep", &input));

    let mut group = criterion.benchmark_group("grep");
    group.sample_size(10);
    group.bench_function("boxagnts", |b| {
        b.iter(|| runtime.block_on(call(&toolbox, &overlay, &config, "grep", &input)));
    });
    group.bench_function("rg", |b| {
        b.iter(|| {
            let mut rg = Command::new("rg");
            rg.args(["-j1", "--count", pattern])
                .current_dir(folder.path());
            let output = rg
                .output()
                .expect("skipped: rg not found, run tests/setup rg");
            assert!(output.status.success());
        });
    });
    group.finish();
    let (ours, theirs) = (median("grep", "boxagnts"), median("grep", "rg"));
    let megabytes = (FILES * text.len()) as f64 / 1e6;
    let what = format!("`grep` of {FILES} files, {megabytes:.0} MB");
    table.row(
        &what,
        shown(ours),
        "≤ 2 × `rg -j1`",
        ratio(ours, theirs) <= 2.0,
    );
    table.ratio(format!(
        "{:.2} × `rg -j1` ({})",
        ratio(ours, theirs),
        shown(theirs)
    ));
}
