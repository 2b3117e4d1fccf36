//! Engines, the epoch's clock, and turning bytes into tools.

use crate::cache::{Cache, Code};
use crate::call::Capabilities;
use crate::command::{self, Command};
use crate::meter::{MAX_ITEMS, milliseconds};
use crate::tool::{Program, Tool};
use crate::wasi::preview1;
use boxagnts_policy::limits::Limits;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, Module, OptLevel,
    PoolingAllocationConfig,
};
use wasmtime_wasi::p2::bindings::CommandPre;

/// How often running guests are asked whether their time is up.
const TICK: Duration = Duration::from_millis(5);
/// Stack for host calls above the guest's own.
const HOST_STACK: usize = 1 << 20;
/// Calls that may run at a time, with one stack for each; others wait.
const CONCURRENT_CALLS: u32 = 128;
/// Elements of one table.
const MAX_TABLE: usize = 16 << 20;
/// Memory of an ended call that is wiped and kept for the next one, in bytes.
const KEEP_RESIDENT: usize = 512 << 10;
/// Stack of the thread that compiles: nested code is compiled by recursion.
const COMPILER_STACK: usize = 16 << 20;
/// Components larger than this are refused: compiling them takes the host's memory, not theirs.
const MAX_COMPONENT: usize = 64 << 20;

/// Why a component cannot be a tool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Not WebAssembly, or not valid.
    #[error("{name} is no valid WebAssembly component: {reason}")]
    Invalid {
        /// As given.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A core module that is no WASI program.
    #[error("{name} is a core module and no program of WASI preview 1 that can run here: {reason}")]
    CoreModule {
        /// As given.
        name: String,
        /// What is missing or too much.
        reason: String,
    },
    /// It wants more of the host than there is.
    #[error(
        "{name} imports what no tool can have: {imports}; a tool may import workspace-read, \
         workspace-write, http and progress of boxagnts:tool@0.1.0, a command WASI 0.2"
    )]
    Imports {
        /// As given.
        name: String,
        /// What it imports.
        imports: String,
    },
    /// It is neither a tool nor a command.
    #[error(
        "{name} exports neither `describe` and `run` of boxagnts:tool@0.1.0 nor wasi:cli/run: \
         {reason}"
    )]
    Exports {
        /// As given.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// Compiling it takes too long.
    #[error(
        "{name} takes longer to compile than the limit `wasm_compile_timeout` of {limit_ms} ms \
         allows; raise it for a tool that you trust"
    )]
    TooSlow {
        /// As given.
        name: String,
        /// The limit.
        limit_ms: u64,
        /// What was used, in milliseconds.
        used_ms: u64,
    },
    /// A fault of ours.
    #[error("the sandbox cannot be set up: {0}")]
    Setup(String),
}

/// Everything that calls share: engines and the cache of compiled components.
pub struct Sandbox {
    cache: Option<Cache>,
    /// By guest stack, which is a setting of the engine: nearly always one.
    engines: Mutex<HashMap<u64, Engine>>,
}

impl Sandbox {
    /// Does nothing yet. `cache` is the folder for compiled components; without one every process
    /// compiles for itself.
    pub fn new(cache: Option<PathBuf>) -> Arc<Sandbox> {
        Arc::new(Sandbox {
            cache: cache.map(Cache::new),
            engines: Mutex::default(),
        })
    }

    /// Makes a component ready to be called: from the cache, or by compiling it. Blocks, up to
    /// seconds for a large component. `name` is for messages.
    ///
    /// # Errors
    /// The bytes are no component, or one that imports what no tool can have.
    pub fn load(&self, name: &str, wasm: &[u8], limits: &Limits) -> Result<Arc<Tool>, LoadError> {
        let name = name.to_owned();
        let invalid = |reason: String| LoadError::Invalid {
            name: name.clone(),
            reason,
        };
        let is_module = match wasm.get(..8) {
            // Text and precompiled code are not taken from anyone.
            Some([b'\0', b'a', b's', b'm', version @ ..]) => version == [1, 0, 0, 0],
            _ => return Err(invalid("it does not begin as WebAssembly does".to_owned())),
        };
        if wasm.len() > MAX_COMPONENT {
            return Err(invalid(format!("it has more than {MAX_COMPONENT} bytes")));
        }
        let engine = self.engine(limits)?;
        let compile = || compile_in_time(&engine, &name, wasm, is_module, limits);
        let code = match &self.cache {
            None => compile()?,
            Some(cache) => match cache.load(&engine, wasm, is_module) {
                Some(code) => code,
                None => {
                    let code = compile()?;
                    cache.store(&engine, wasm, &code);
                    code
                }
            },
        };
        let program = match code {
            Code::Component(component) => classify(&name, &engine, component)?,
            Code::Module(module) => Program::Command {
                command: preview1::link(&engine, &module)
                    .map(Command::Preview1)
                    .map_err(|reason| LoadError::CoreModule {
                        name: name.clone(),
                        reason,
                    })?,
                network: false,
            },
        };
        Ok(Arc::new(Tool::new(name, program)))
    }

    fn engine(&self, limits: &Limits) -> Result<Engine, LoadError> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&limits.wasm_max_wasm_stack) {
            return Ok(engine.clone());
        }
        let setup = |error: wasmtime::Error| LoadError::Setup(format!("{error:#}"));
        let stack = usize::try_from(limits.wasm_max_wasm_stack).unwrap_or(usize::MAX);
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .epoch_interruption(true)
            .wasm_component_model(true)
            .concurrency_support(false)
            .max_wasm_stack(stack)
            .async_stack_size(stack.saturating_add(HOST_STACK))
            .cranelift_opt_level(OptLevel::Speed)
            .memory_init_cow(true)
            .wasm_backtrace_max_frames(None);
        let engine = match Engine::new(config.allocation_strategy(pool())) {
            Ok(engine) => engine,
            // Where address space is short, memory is mapped for each call: slower, and as safe.
            Err(error) => {
                tracing::info!(%error, "no pool of guest memory");
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                Engine::new(&config).map_err(setup)?
            }
        };
        ticker().watch(&engine);
        engines.insert(limits.wasm_max_wasm_stack, engine.clone());
        Ok(engine)
    }
}

/// Compiles on a thread of its own, which is left alone when it takes too long: a compiler cannot be
/// interrupted, and a small component can keep one busy for hours.
fn compile_in_time(
    engine: &Engine,
    name: &str,
    wasm: &[u8],
    is_module: bool,
    limits: &Limits,
) -> Result<Code, LoadError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let work = {
        let (engine, name, wasm) = (engine.clone(), name.to_owned(), wasm.to_vec());
        // Nobody may be waiting any more.
        move || drop(sender.send(compile(&engine, &name, &wasm, is_module)))
    };
    let started = Instant::now();
    let thread = std::thread::Builder::new().name("compile".to_owned());
    thread
        .stack_size(COMPILER_STACK)
        .spawn(work)
        .map_err(|error| LoadError::Setup(format!("no thread to compile on: {error}")))?;
    match receiver.recv_timeout(Duration::from_millis(limits.wasm_compile_timeout)) {
        Ok(compiled) => compiled,
        Err(RecvTimeoutError::Timeout) => Err(LoadError::TooSlow {
            name: name.to_owned(),
            limit_ms: limits.wasm_compile_timeout,
            used_ms: milliseconds(started.elapsed()),
        }),
        Err(RecvTimeoutError::Disconnected) => Err(LoadError::Invalid {
            name: name.to_owned(),
            reason: "the compiler failed on it".to_owned(),
        }),
    }
}

fn compile(engine: &Engine, name: &str, wasm: &[u8], is_module: bool) -> Result<Code, LoadError> {
    let compiled = match is_module {
        true => Module::new(engine, wasm).map(Code::Module),
        false => Component::new(engine, wasm).map(Code::Component),
    };
    compiled.map_err(|error| LoadError::Invalid {
        name: name.to_owned(),
        reason: format!("{error:#}"),
    })
}

/// Memories and stacks that calls take turns at: mapping and unmapping them for each call would
/// interrupt every processor that runs a thread of ours. Sizes are of address space; what a call may
/// really use is for its limits.
fn pool() -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(CONCURRENT_CALLS)
        .total_component_instances(CONCURRENT_CALLS)
        // A component has a handful of core instances, each with a memory and a table or two.
        .total_memories(4 * CONCURRENT_CALLS)
        .total_core_instances(8 * CONCURRENT_CALLS)
        .total_tables(8 * CONCURRENT_CALLS)
        .max_memories_per_module(MAX_ITEMS)
        .max_tables_per_module(MAX_ITEMS)
        .table_elements(MAX_TABLE)
        .max_memory_size(4 << 30)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Finds out from imports and exports what a component is.
fn classify(name: &str, engine: &Engine, component: Component) -> Result<Program, LoadError> {
    let kind = component.component_type();
    let mut imports = Capabilities::default();
    let (mut foreign, mut wasi, mut network) = (Vec::new(), false, false);
    for (import, _) in kind.imports(engine) {
        match import {
            "boxagnts:tool/types@0.1.0" => {}
            "boxagnts:tool/workspace-read@0.1.0" => imports.workspace_read = true,
            "boxagnts:tool/workspace-write@0.1.0" => imports.workspace_write = true,
            "boxagnts:tool/http@0.1.0" => imports.http = true,
            "boxagnts:tool/progress@0.1.0" => imports.progress = true,
            other if is_wasi_0_2(other) => {
                wasi = true;
                network |= other.starts_with("wasi:http/") || other.starts_with("wasi:sockets/tcp");
            }
            other => foreign.push(other.to_owned()),
        }
    }
    let exports = |wanted: &str| kind.exports(engine).any(|(name, _)| name == wanted);
    let is_tool = exports("describe") && exports("run");
    let touches_workspace = imports != Capabilities::default();
    if is_tool && wasi {
        foreign.extend(
            kind.imports(engine)
                .map(|(name, _)| name.to_owned())
                .filter(|name| is_wasi_0_2(name)),
        );
    }
    if !foreign.is_empty() {
        return Err(LoadError::Imports {
            name: name.to_owned(),
            imports: foreign.join(", "),
        });
    }
    if is_tool || touches_workspace {
        return Ok(Program::World { component, imports });
    }
    let setup = |error: wasmtime::Error| LoadError::Setup(format!("{error:#}"));
    let wrong = |error: wasmtime::Error| LoadError::Exports {
        name: name.to_owned(),
        reason: format!("{error:#}"),
    };
    let linker = command::linker(engine).map_err(setup)?;
    let pre = linker
        .instantiate_pre(&component)
        .map_err(|error| LoadError::Imports {
            name: name.to_owned(),
            imports: format!("{error:#}"),
        })?;
    Ok(Program::Command {
        command: Command::Component(CommandPre::new(pre).map_err(wrong)?),
        network,
    })
}

fn is_wasi_0_2(import: &str) -> bool {
    let packages = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
    let Some((name, version)) = import.strip_prefix("wasi:").and_then(|i| i.split_once('@')) else {
        return false;
    };
    // Of HTTP, commands may ask; nobody asks them.
    let known = match name.split_once('/') {
        Some(("http", interface)) => ["types", "outgoing-handler"].contains(&interface),
        Some((package, _)) => packages.contains(&package),
        None => false,
    };
    known && version.starts_with("0.2.")
}

/// The place of a running call.
pub(crate) type Place = OwnedSemaphorePermit;

/// Takes a place among the calls that run, waiting for one no longer than `patience`. `None` when
/// none became free: then calls are stuck in the host, each of which keeps its place.
pub(crate) async fn take_place(patience: Duration) -> Option<Place> {
    static PLACES: OnceLock<Arc<Semaphore>> = OnceLock::new();
    let places = PLACES.get_or_init(|| Arc::new(Semaphore::new(CONCURRENT_CALLS as usize)));
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    let waiting = Arc::clone(places).acquire_owned();
    tokio::time::timeout(patience, waiting).await.ok()?.ok()
}

/// The thread that moves the epoch of every engine while calls run, and sleeps while none does.
pub(crate) struct Ticker {
    state: Mutex<TickerState>,
    wake: Condvar,
}

#[derive(Default)]
struct TickerState {
    engines: Vec<EngineWeak>,
    running: usize,
    /// By number: who is told when, for those who wait for calls.
    waiting: HashMap<u64, (Instant, Arc<Notify>)>,
    last: u64,
    started: bool,
}

/// While it lives, the epoch moves.
pub(crate) struct Running(&'static Ticker);

/// Tells when a call should long have ended. A timer of the runtime would do the same, and wake its
/// thread for each call.
pub(crate) struct Overdue {
    ticker: &'static Ticker,
    number: u64,
    notify: Arc<Notify>,
}

impl Overdue {
    /// Waits until it is so.
    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Overdue {
    fn drop(&mut self) {
        self.ticker.lock().waiting.remove(&self.number);
    }
}

pub(crate) fn ticker() -> &'static Ticker {
    static TICKER: OnceLock<Ticker> = OnceLock::new();
    TICKER.get_or_init(|| Ticker {
        state: Mutex::default(),
        wake: Condvar::new(),
    })
}

impl Ticker {
    fn lock(&self) -> MutexGuard<'_, TickerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, engine: &Engine) {
        let mut state = self.lock();
        state.engines.retain(|engine| engine.upgrade().is_some());
        state.engines.push(engine.weak());
    }

    /// Counts a call as running.
    ///
    /// # Errors
    /// The thread cannot be started; without it no time limit would hold.
    pub(crate) fn run(&'static self) -> std::io::Result<Running> {
        let mut state = self.start()?;
        state.running += 1;
        Ok(Running(self))
    }

    /// Begins to wait for a call that may take `patience`.
    ///
    /// # Errors
    /// As of [`Ticker::run`].
    pub(crate) fn overdue(&'static self, patience: Duration) -> std::io::Result<Overdue> {
        let mut state = self.start()?;
        state.last += 1;
        let (number, notify) = (state.last, Arc::new(Notify::new()));
        // A time that cannot be told never comes.
        if let Some(at) = Instant::now().checked_add(patience) {
            state.waiting.insert(number, (at, Arc::clone(&notify)));
        }
        Ok(Overdue {
            ticker: self,
            number,
            notify,
        })
    }

    /// Sees to it that the thread runs.
    fn start(&'static self) -> std::io::Result<MutexGuard<'static, TickerState>> {
        let mut state = self.lock();
        if !state.started {
            let thread = std::thread::Builder::new().name("epoch".to_owned());
            thread.stack_size(64 << 10).spawn(move || self.tick())?;
            state.started = true;
        }
        if state.idle() {
            self.wake.notify_one();
        }
        Ok(state)
    }

    fn tick(&self) {
        let mut state = self.lock();
        loop {
            if state.idle() {
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            for engine in state.engines.iter().filter_map(EngineWeak::upgrade) {
                engine.increment_epoch();
            }
            let now = Instant::now();
            for (_, notify) in state.waiting.values().filter(|(at, _)| *at <= now) {
                notify.notify_one();
            }
            drop(state);
            std::thread::sleep(TICK);
            state = self.lock();
        }
    }
}

impl TickerState {
    fn idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}
