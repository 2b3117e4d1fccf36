//! Commands of WASI 0.2: components, served by the crates of the wasmtime project, with files, clocks
//! and network of ours.

use super::{Capture, Given, Ran, in_time};
use crate::meter::{Meter, Metered, govern};
use crate::network::{self, Gate, HeldHttp, HttpHooks, Networked};
use crate::wasi::clocks::{MonotonicClock, WallClock};
use crate::wasi::files::Files;
use crate::wasi::host;
use crate::wasi::streams::SharedFiles;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Resources that a command may hold.
const MAX_RESOURCES: usize = 10_000;
/// Random bytes that one request may ask for.
const MAX_RANDOM: u64 = 1 << 20;
/// What one host call of a command may bring: nothing of WASI keeps more of it than a buffer.
const MAX_TRANSFER: usize = 64 << 20;

/// Data of a command's store.
pub(crate) struct CommandHost {
    meter: Meter,
    ctx: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) files: SharedFiles,
    pub(crate) sees_files: bool,
    pub(crate) changes_files: bool,
    gate: Arc<Gate>,
    http: WasiHttpCtx,
    hooks: HttpHooks,
    held_http: HeldHttp,
}

impl Networked for CommandHost {
    fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    fn held_http(&mut self) -> &mut HeldHttp {
        &mut self.held_http
    }
}

impl WasiHttpView for CommandHost {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl Metered for CommandHost {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl WasiView for CommandHost {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.ctx,
            table: &mut self.table,
        }
    }
}

/// A linker with WASI 0.2: our files, our clocks, our network.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CommandHost>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    host::link(&mut linker)?;
    network::link(&mut linker)?;
    Ok(linker)
}

/// Runs a command as far as it goes.
pub(super) fn run(
    pre: &CommandPre<CommandHost>,
    arguments: &[String],
    given: Given,
    (stdout, stderr): (&Capture, &Capture),
    runtime: &Handle,
) -> Ran {
    let Given {
        grants,
        limits,
        cancel,
        fs,
        network,
        progress: _,
    } = given;
    let files = Files::new(fs, limits.clone(), grants.workspace_write);
    let files: SharedFiles = Arc::new(Mutex::new(files));
    let meter = Meter::new(limits, cancel);
    let gate = Gate::new(network, &meter);
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_RESOURCES);
    let host = CommandHost {
        meter,
        ctx: context(arguments, stdout, stderr, &gate),
        table,
        files: Arc::clone(&files),
        sees_files: grants.workspace_read,
        changes_files: grants.workspace_write,
        gate: Arc::clone(&gate),
        http: HttpHooks::context(),
        hooks: HttpHooks::new(Arc::clone(&gate)),
        held_http: HeldHttp::default(),
    };
    let mut store = Store::new(pre.engine(), host);
    let governed = govern(&mut store);
    let transfer = store.hostcall_fuel().min(MAX_TRANSFER);
    store.set_hostcall_fuel(transfer);
    let ended = match governed {
        Err(error) => Some(Err(error)),
        Ok(()) => in_time(runtime, store.data().meter.deadline(), async {
            let command = pre.instantiate_async(&mut store).await?;
            match command.wasi_cli_run().call_run(&mut store).await {
                Ok(Ok(())) => Ok(0),
                Ok(Err(())) => Ok(1),
                Err(error) => match error.downcast_ref::<I32Exit>() {
                    Some(I32Exit(status)) => Ok(*status),
                    None => Err(error),
                },
            }
        }),
    };
    let fuel_left = store.get_fuel().unwrap_or(0);
    let ended = store.data().meter.ended(ended);
    let usage = store.data().meter.usage(fuel_left);
    // With it go its descriptors and streams, which close their files.
    drop(store);
    Ran {
        ended,
        usage,
        files: Arc::try_unwrap(files)
            .ok()
            .map(|files| files.into_inner().unwrap_or_else(PoisonError::into_inner)),
        gate: Some(gate),
    }
}

/// What a command has of the world besides files.
fn context(arguments: &[String], stdout: &Capture, stderr: &Capture, gate: &Arc<Gate>) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .args(arguments)
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .wall_clock(WallClock)
        .monotonic_clock(MonotonicClock::new())
        .allow_blocking_current_thread(false)
        .max_random_size(MAX_RANDOM);
    network::configure(&mut builder, gate);
    builder.build()
}
