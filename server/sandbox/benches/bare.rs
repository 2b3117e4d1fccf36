//! A small embedding of wasmtime whose limits can be left out one by one: the host code around them
//! is the same, so that what is measured is the limits.

use crate::files::Files;
use boxagnts_sandbox::{FileKind, FsError, FsErrorCode, GuestFs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wasmtime::component::{Component, HasSelf, Linker, Resource};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    ResourceLimiter, Store, StoreContextMut, UpdateDeadline,
};

#[allow(missing_docs)]
mod abi {
    wasmtime::component::bindgen!({
        path: "../../tools-wasm/wit",
        world: "tool",
        imports: { default: trappable },
        exports: { default: async },
        with: { "boxagnts:tool/workspace-read.walk": super::Walk },
    });
}

use abi::boxagnts::tool::{http, progress, types, workspace_read, workspace_write};

/// Memory, fuel and time that no bench uses up.
const PLENTY: u64 = 1 << 62;
const MEMORY: usize = 256 << 20;
const TICK: Duration = Duration::from_millis(5);

/// Which limits are on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limited {
    /// Counting instructions.
    pub fuel: bool,
    /// Asking for the time every few milliseconds.
    pub epochs: bool,
    /// One sum over memories and tables, and one over what is copied between guest and host.
    pub memory: bool,
}

impl Limited {
    /// No limit at all.
    pub const NONE: Limited = Limited {
        fuel: false,
        epochs: false,
        memory: false,
    };
    /// As in the product.
    pub const ALL: Limited = Limited {
        fuel: true,
        epochs: true,
        memory: true,
    };
}

/// A component with the limits it runs under.
pub struct Bare {
    limited: Limited,
    pre: abi::ToolPre<Host>,
    over: Arc<AtomicBool>,
}

impl Bare {
    /// Compiles a tool of our ABI.
    pub fn new(wasm: &[u8], limited: Limited) -> Bare {
        let mut config = Config::new();
        config
            .consume_fuel(limited.fuel)
            .epoch_interruption(limited.epochs)
            .wasm_component_model(true)
            .concurrency_support(false)
            .max_wasm_stack(1 << 20)
            .async_stack_size(2 << 20)
            .cranelift_opt_level(OptLevel::Speed)
            .memory_init_cow(true)
            .wasm_backtrace_max_frames(None)
            .allocation_strategy(pool());
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, wasm).expect("a component");
        let mut linker = Linker::new(&engine);
        abi::Tool::add_to_linker::<Host, HasSelf<Host>>(&mut linker, |host| host).expect("linked");
        let pre = linker.instantiate_pre(&component).expect("it fits");
        let over = Arc::new(AtomicBool::new(false));
        if limited.epochs {
            let (engine, over) = (engine.clone(), Arc::clone(&over));
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    engine.increment_epoch();
                    std::thread::sleep(TICK);
                }
            });
        }
        Bare {
            limited,
            pre: abi::ToolPre::new(pre).expect("a tool"),
            over,
        }
    }

    /// One call in a fresh store.
    pub async fn call(&self, input: &str, files: Files) -> Files {
        let Limited {
            fuel,
            epochs,
            memory,
        } = self.limited;
        let host = Host {
            files,
            walks: Vec::new(),
            memory: Memory(0),
            started: Instant::now(),
        };
        let mut store = Store::new(self.pre.engine(), host);
        if fuel {
            store.set_fuel(PLENTY).expect("fuel is on");
        }
        if epochs {
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(|store: StoreContextMut<'_, Host>| {
                if store.data().started.elapsed() > Duration::from_secs(3600) {
                    return Err(wasmtime::Error::msg("too late"));
                }
                Ok(UpdateDeadline::Continue(1))
            });
        }
        store.set_hostcall_fuel(if memory { MEMORY } else { usize::MAX });
        if memory {
            store.limiter(|host| &mut host.memory);
        }
        let tool = self.pre.instantiate_async(&mut store).await;
        let tool = tool.expect("an instance");
        let ran = tool.call_run(&mut store, input).await.expect("no trap");
        assert!(ran.is_ok(), "{ran:?}");
        store.into_data().files
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The sandbox's own pool.
fn pool() -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(128)
        .total_component_instances(128)
        .total_memories(512)
        .total_core_instances(1024)
        .total_tables(1024)
        .max_memories_per_module(100)
        .max_tables_per_module(100)
        .table_elements(16 << 20)
        .max_memory_size(4 << 30)
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(512 << 10)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}

/// What is in use.
struct Memory(usize);

impl Memory {
    fn grow(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        self.0 += desired.saturating_sub(current);
        Ok(self.0 <= MEMORY)
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current * 16, desired * 16)
    }
}

/// A walk that the guest holds.
pub struct Walk;

/// Data of a call's store.
struct Host {
    files: Files,
    walks: Vec<Vec<String>>,
    memory: Memory,
    started: Instant,
}

type Answer<T> = wasmtime::Result<Result<T, workspace_read::Error>>;

fn answer<T>(result: Result<T, FsError>) -> Answer<T> {
    Ok(result.map_err(|error| workspace_read::Error {
        code: match error.code {
            FsErrorCode::NotFound => workspace_read::ErrorCode::NotFound,
            _ => workspace_read::ErrorCode::Io,
        },
        message: error.message,
    }))
}

fn kind(kind: FileKind) -> workspace_read::Kind {
    match kind {
        FileKind::File => workspace_read::Kind::File,
        _ => workspace_read::Kind::Directory,
    }
}

impl types::Host for Host {}

impl workspace_read::Host for Host {
    fn read(&mut self, path: String, max: u64) -> Answer<Vec<u8>> {
        answer(self.files.read(&path, max))
    }

    fn stat(&mut self, path: String) -> Answer<workspace_read::Metadata> {
        answer(
            self.files
                .stat(&path)
                .map(|found| workspace_read::Metadata {
                    kind: kind(found.kind),
                    size: found.size,
                }),
        )
    }

    fn list(&mut self, path: String) -> Answer<Vec<workspace_read::Entry>> {
        let listed = self.files.list(&path).map(|entries| {
            let entry = |entry: boxagnts_sandbox::Entry| workspace_read::Entry {
                name: entry.name,
                kind: kind(entry.kind),
                size: entry.size,
            };
            entries.into_iter().map(entry).collect()
        });
        answer(listed)
    }
}

impl workspace_read::HostWalk for Host {
    fn open(&mut self, path: String) -> Answer<Resource<Walk>> {
        let walk = self.files.walk(&path);
        answer(walk.map(|walk| {
            self.walks.push(walk);
            Resource::new_own(self.walks.len() as u32 - 1)
        }))
    }

    fn next(&mut self, walk: Resource<Walk>, max: u32) -> Answer<Vec<String>> {
        let walk = &mut self.walks[walk.rep() as usize];
        answer(self.files.walk_next(walk, max))
    }

    fn drop(&mut self, _: Resource<Walk>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl workspace_write::Host for Host {
    fn write(&mut self, path: String, content: Vec<u8>) -> Answer<()> {
        answer(self.files.write(&path, content))
    }

    fn remove(&mut self, path: String) -> Answer<()> {
        answer(self.files.remove(&path))
    }

    fn rename(&mut self, from: String, to: String) -> Answer<()> {
        answer(self.files.rename(&from, &to))
    }
}

impl http::Host for Host {
    fn fetch(
        &mut self,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::Error>> {
        Ok(Err(http::Error {
            code: http::ErrorCode::Denied,
            message: request.url,
        }))
    }
}

impl progress::Host for Host {
    fn report(&mut self, _: String) -> wasmtime::Result<()> {
        Ok(())
    }
}
