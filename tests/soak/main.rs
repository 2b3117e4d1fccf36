//! Ten thousand calls, good and hostile, on two processors: what they hold while they run, they let
//! go. A binary of its own, because other tests in the process would disturb the figures.
#![cfg(target_os = "linux")]
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

mod guests;

use boxagnts_session::policy::config::{Config, Layer};
use boxagnts_session::policy::mounts::Mounts;
use boxagnts_session::tools::{DenyAll, ForeignTool, Sandbox, ToolRequest, Toolbox};
use boxagnts_session::workspace::{NoBuffers, Overlay};
use boxagnts_test_support::Fixture;
use guests::{Case, Which};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Calls until every pool and cache has what it keeps.
const WARM_UP: usize = 1_000;
const CALLS: usize = 10_000;
/// Calls at a time.
const TASKS: usize = 8;
/// A thread that has not ended by then never will.
const STUCK: Duration = Duration::from_secs(60);
/// What allocators and pools may keep more of, in KiB.
const MORE_MEMORY: u64 = 32 << 10;

/// What a call may use: little, so that hostile guests end soon.
const LIMITS: &[(&str, &str)] = &[
    ("wasm_fuel", "3000000"),
    ("wasm_max_memory_size", "16MiB"),
    ("wasm_max_wasm_stack", "64KiB"),
    ("max_output_bytes", "64KiB"),
    ("max_open_files", "8"),
    ("max_host_bytes", "64KiB"),
];

/// What a process holds of its machine.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Resident memory, in KiB.
    memory: u64,
    descriptors: usize,
    threads: usize,
}

impl Held {
    fn now() -> Held {
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|line| line.trim().strip_suffix(" kB"));
        let count = |folder| {
            std::fs::read_dir(folder)
                .expect("a folder of /proc")
                .count()
        };
        Held {
            memory: memory.expect("in KiB").parse().expect("a number"),
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
        }
    }
}

/// Everything that outlives a round of calls.
struct Soak {
    toolbox: Arc<Toolbox>,
    foreign: HashMap<&'static str, ForeignTool>,
    /// For guests that their fuel, or some other limit, stops.
    config: Config,
    /// For guests that only the clock, or whoever waits, stops.
    without_fuel: Config,
    cases: Vec<Case>,
    /// One for each task: their edits do not meet.
    workspaces: Vec<(Fixture, Arc<Overlay>)>,
}

fn config(more: &[(&str, &str)]) -> Config {
    let mut builder = Config::builder();
    for (name, value) in LIMITS.iter().chain(more) {
        builder
            .set(Layer::CommandLine, name, value)
            .expect("a limit");
    }
    builder.build()
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(2).enable_all();
    builder.build().expect("a runtime")
}

impl Soak {
    fn new() -> Arc<Soak> {
        // Shared with other tests: compiling is not what is soaked.
        let cache = std::env::temp_dir().join("boxagnts-tests-cache/aot");
        let toolbox = Toolbox::new(Sandbox::new(Some(cache))).expect("tools");
        let (cases, folder) = (guests::cases(), TempDir::new().expect("a folder"));
        let config = config(&[]);
        let mut foreign = HashMap::new();
        for case in &cases {
            let Which::Foreign { wasm, toml } = &case.tool else {
                continue;
            };
            let file = folder.path().join(case.name).with_extension("wasm");
            std::fs::write(&file, wasm).expect("written");
            if !toml.is_empty() {
                std::fs::write(file.with_extension("toml"), toml).expect("written");
            }
            let opened = runtime().block_on(toolbox.open_file(&file, config.limits()));
            foreign.insert(case.name, opened.expect("a tool"));
        }
        let workspace = |_| {
            let fixture = Fixture::new(guests::FILES);
            let overlay = Overlay::open(fixture.path(), &Mounts::none(), Arc::new(NoBuffers));
            (fixture, overlay.expect("a workspace"))
        };
        Arc::new(Soak {
            toolbox,
            foreign,
            config,
            without_fuel: self::config(&[
                ("wasm_fuel", "9000000000000000000"),
                ("wasm_timeout", "20ms"),
            ]),
            cases,
            workspaces: (0..TASKS).map(workspace).collect(),
        })
    }

    /// One call, which must end as its case says.
    async fn call(&self, task: usize, number: usize) {
        let round = number / self.cases.len();
        let case = match &self.cases[number % self.cases.len()] {
            // Guests that wait for the clock take far longer than the others.
            case if case.rare && !round.is_multiple_of(16) => &self.cases[0],
            case => case,
        };
        let input: Value = case.input(round);
        let tool = match case.tool {
            Which::BuiltIn(tool) => tool,
            Which::Foreign { .. } => case.name,
        };
        let call = json!({"id": "c", "name": tool, "input": input});
        let call = serde_json::from_value(call).expect("a call");
        let request = ToolRequest {
            ask: None,
            call: &call,
            config: match case.rare {
                true => &self.without_fuel,
                false => &self.config,
            },
            overlay: &self.workspaces[task].1,
            approver: &DenyAll,
            cancel: Default::default(),
            progress: None,
            natives: None,
        };
        let run = async {
            match self.foreign.get(case.name) {
                Some(foreign) => self.toolbox.run_file(foreign, request).await,
                None => self.toolbox.run(request).await,
            }
        };
        if case.ends == "dropped" {
            // It begins, and nobody waits for it.
            tokio::select! {
                biased;
                report = run => panic!("{}: {report:?}", case.name),
                () = std::future::ready(()) => {}
            }
            return;
        }
        let report = run.await;
        let ended = match &report.error {
            None => "ok".to_owned(),
            Some(error) => {
                let kind = serde_json::to_value(error.kind).expect("a kind");
                let kind = kind.as_str().unwrap_or_default().to_owned();
                error.limit.clone().unwrap_or(kind)
            }
        };
        assert_eq!(ended, case.ends, "{}: {report:?}", case.name);
    }

    /// These calls of each task, on a runtime of their own. What is held in the end, and once all threads of the
    /// runtime, and with them every guest that nobody waits for, have ended.
    fn round(self: &Arc<Soak>, calls: Range<usize>) -> (Held, Held) {
        let runtime = runtime();
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..TASKS {
                let (soak, calls) = (Arc::clone(self), calls.clone());
                tasks.spawn(async move {
                    for number in calls {
                        soak.call(task, number).await;
                    }
                });
            }
            tasks.join_all().await;
        });
        let running = Held::now();
        runtime.shutdown_timeout(STUCK);
        (running, Held::now())
    }
}

#[test]
fn ten_thousand_calls_leave_nothing_behind() {
    let soak = Soak::new();
    let before: Vec<_> = soak.workspaces.iter().map(|(f, _)| f.snapshot()).collect();
    let (first, rest) = (WARM_UP / TASKS, CALLS / TASKS);
    let (_, warm) = soak.round(0..first);
    let (running, after) = soak.round(first..first + rest);
    let held = format!("{warm:?} after {WARM_UP} calls, then {running:?}, at the end {after:?}");
    eprintln!("{held}");
    assert!(after.descriptors <= warm.descriptors, "{held}");
    assert!(after.threads <= warm.threads, "{held}");
    assert!(after.memory <= warm.memory + MORE_MEMORY, "{held}");
    // A task has one call at a time; threads of those before, and of guests that nobody waits for,
    // may be on their way out. One that stays for each such guest would be hundreds.
    assert!(running.threads <= warm.threads + 16 * TASKS, "{held}");
    for ((fixture, _), before) in soak.workspaces.iter().zip(before) {
        before.assert_same(&fixture.snapshot());
    }
}
