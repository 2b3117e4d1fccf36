//! Calls through the sandbox as the product makes them: warm, cold, many at once, and against
//! starting a process.

use crate::files::Files;
use crate::table::{Table, median, percentile, shown};
use boxagnts_policy::limits::Limits;
use boxagnts_sandbox::{CallRequest, Capabilities, Input, Network, Sandbox, Tool, ToolKind};
use boxagnts_test_support::guests;
use criterion::{BatchSize, Criterion};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Tools as users get them, an input that makes each do what it is for, and what that is.
pub const TOOLS: &[(&str, &str, &str)] = &[
    ("read", r#"{"path":"a.txt"}"#, "1 KiB"),
    (
        "edit",
        r#"{"path":"b.txt","edits":[{"old_text":"needle_here","new_text":"found_there"}]}"#,
        "a file of 4 KiB",
    ),
    ("list", r#"{"path":"src"}"#, "a folder of 100 files"),
    (
        "grep",
        r#"{"pattern":"fn need\\w+_here","output":"count"}"#,
        "102 files, 0.4 MB",
    ),
];

const ALL: Capabilities = Capabilities {
    workspace_read: true,
    workspace_write: true,
    http: false,
    progress: true,
};

/// A tool of `tools-wasm/dist`.
pub fn built_in(name: &str) -> Vec<u8> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools-wasm/dist");
    std::fs::read(dist.join(format!("{name}.wasm"))).expect("a built-in tool")
}

/// One call; fails the bench when the tool fails.
pub async fn call(tool: &Arc<Tool>, input: &str, files: Files) -> Files {
    let input = match tool.kind() {
        ToolKind::World => Input::Json(input.to_owned()),
        ToolKind::WasiCommand => Input::Arguments(Vec::new()),
    };
    let request = CallRequest {
        input,
        limits: Limits::builtin(),
        grants: ALL,
        fs: files,
        network: Network::closed(),
        cancel: CancellationToken::new(),
        progress: None,
    };
    let report = tool.call(request).await;
    assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    report.fs.expect("its files")
}

fn load(sandbox: &Sandbox, name: &str, wasm: &[u8]) -> Arc<Tool> {
    let loaded = sandbox.load(name, wasm, &Limits::builtin());
    loaded.expect("a tool")
}

/// Warm calls; first calls of a process with and without compiled components; processes.
pub fn tools(criterion: &mut Criterion, runtime: &Runtime, table: &mut Table) {
    let folder = TempDir::new().expect("a folder");
    let cache = Some(folder.path().join("cache"));
    let sandbox = Sandbox::new(cache.clone());
    for (name, input, what) in TOOLS {
        let wasm = built_in(name);
        let tool = load(&sandbox, name, &wasm);
        warm(criterion, runtime, name, &tool, input);
        let target = Duration::from_micros(100);
        let took = median("sandbox-warm", name);
        match *name {
            "read" => {
                table.time(&format!("`{name}` of {what}, warm"), took, target);
                processes(took, table);
            }
            _ => table.row(&format!("`{name}` of {what}, warm"), shown(took), "", true),
        }

        let mut group = criterion.benchmark_group("sandbox-cold");
        group.sample_size(20).bench_function(*name, |b| {
            b.iter_batched(
                || (Sandbox::new(cache.clone()), Files::new()),
                |(fresh, files)| {
                    let tool = load(&fresh, name, &wasm);
                    let files = runtime.block_on(call(&tool, input, files));
                    (fresh, files, tool)
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
        table.time(
            &format!("`{name}`, first call of a process, compiled before"),
            median("sandbox-cold", name),
            Duration::from_millis(10),
        );
        let mut samples: Vec<Duration> = (0..5)
            .map(|_| {
                let (fresh, files) = (Sandbox::new(None), Files::new());
                let started = Instant::now();
                let tool = load(&fresh, name, &wasm);
                runtime.block_on(call(&tool, input, files));
                started.elapsed()
            })
            .collect();
        table.row(
            &format!("`{name}`, first call of a process, never compiled"),
            shown(percentile(&mut samples, 0.5)),
            "",
            true,
        );
        table.ratio(format!("{} KB of WebAssembly", wasm.len() / 1000));
    }
}

fn warm(criterion: &mut Criterion, runtime: &Runtime, name: &str, tool: &Arc<Tool>, input: &str) {
    let mut group = criterion.benchmark_group("sandbox-warm");
    let mut files = Some(Files::new());
    group.bench_function(name, |b| {
        b.iter(|| {
            let given = files.take().expect("the last call's");
            files = Some(runtime.block_on(call(tool, input, given)));
        });
    });
    group.finish();
}

/// What a sandbox made of processes, or a tool that is a script, could not beat.
fn processes(warm: Duration, table: &mut Table) {
    let peers: [&[&str]; 3] = [
        &["true"],
        &["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"],
        &["node", "-e", "0"],
    ];
    for peer in peers {
        let start = || {
            let mut command = Command::new(peer[0]);
            command.args(&peer[1..]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let line = peer.join(" ");
        if !start() {
            eprintln!("skipped: `{line}` does not run here");
            continue;
        }
        let mut samples: Vec<Duration> = (0..50)
            .map(|_| {
                let started = Instant::now();
                assert!(start(), "{line}");
                started.elapsed()
            })
            .collect();
        let process = percentile(&mut samples, 0.5);
        table.row(&format!("starting `{line}`"), shown(process), "", true);
        let ratio = warm.as_secs_f64() / process.as_secs_f64();
        table.ratio(format!("a warm `read` is {ratio:.4} of it"));
    }
}

/// A program of WASI preview 1 that reads a file and prints it.
pub fn program(criterion: &mut Criterion, runtime: &Runtime, table: &mut Table) {
    let cat = guests::program(
        r#"(data (i32.const 8192) "a.txt") ---
        (call $write (i32.const 1) (i32.const 16384)
          (call $read (call $open (i32.const 8192) (i32.const 5) (i32.const 0) (i64.const 2))
            (i32.const 16384) (i32.const 2048)))"#,
    );
    let tool = load(&Sandbox::new(None), "cat", &cat);
    warm(criterion, runtime, "cat", &tool, "");
    table.row(
        "a WASI preview-1 program that prints 1 KiB of a file, warm",
        shown(median("sandbox-warm", "cat")),
        "",
        true,
    );
}

/// Calls by the second of `read`, from as many tasks as there are.
pub fn at_once(runtime: &Runtime, table: &mut Table) {
    const WINDOWS: usize = 5;
    const WINDOW: Duration = Duration::from_millis(400);
    let (name, input, _) = TOOLS[0];
    let tool = load(&Sandbox::new(None), name, &built_in(name));
    let mut alone = 0.0;
    for tasks in [1, 2, 64] {
        let window = || {
            runtime.block_on(async {
                let started = Instant::now();
                let mut running = tokio::task::JoinSet::new();
                for _ in 0..tasks {
                    let tool = Arc::clone(&tool);
                    running.spawn(async move {
                        let (mut files, mut calls) = (Files::new(), 0u32);
                        while started.elapsed() < WINDOW {
                            files = call(&tool, input, files).await;
                            calls += 1;
                        }
                        calls
                    });
                }
                let calls: u32 = running.join_all().await.into_iter().sum();
                f64::from(calls) / started.elapsed().as_secs_f64()
            })
        };
        // What else the machine does only makes a window worse.
        let best = (0..WINDOWS).map(|_| window()).fold(0.0, f64::max);
        if tasks == 1 {
            alone = best;
        }
        let what = format!("`{name}` on two processors, tasks at once: {tasks}");
        table.row(&what, format!("{best:.0} calls/s"), "", true);
        if tasks > 1 {
            table.ratio(format!("{:.2} × one task", best / alone));
        }
    }
}
