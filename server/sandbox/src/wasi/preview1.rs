//! Programs of WASI preview 1, run as the core modules that they are. The adapter that makes
//! components of them keeps its state in the program's own memory, where the allocators of Go and of
//! older C libraries overwrite it; and it loses the exit status.
//!
//! Functions, layouts and numbers are those of
//! <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md>.

// Their parameters are those of the specification.
#[expect(clippy::too_many_arguments)]
mod files;
mod memory;
#[expect(clippy::too_many_arguments)]
mod system;

use super::clocks::{MonotonicClock, WallClock};
use super::files::{Errno, Failure, Files};
use crate::command::{Capture, Ran, in_time};
use crate::files::FileKind;
use crate::meter::{Meter, Metered, Stop, govern};
use crate::tool::Given;
use memory::Memory;
use std::collections::BTreeMap;
use tokio::runtime::Handle;
use wasmtime::{Caller, Engine, Extern, InstancePre, Linker, Module, Store};
use wasmtime_wasi::I32Exit;

/// What programs import.
const MODULE: &str = "wasi_snapshot_preview1";
/// The workspace's descriptor.
const ROOT: u32 = 3;
/// Buffers that one call reads or writes; what is behind them is for the next call.
const MAX_BUFFERS: u32 = 1_024;

/// Data of a program's store.
pub(crate) struct Preview1 {
    meter: Meter,
    files: Files,
    arguments: Vec<String>,
    descriptors: BTreeMap<u32, Descriptor>,
    wall: WallClock,
    monotonic: MonotonicClock,
}

/// What an open descriptor stands for.
enum Descriptor {
    /// Standard input: closed.
    Input,
    Output(Capture),
    File(OpenFile),
    Folder {
        /// Empty for the root.
        path: String,
        /// What is left of a listing, by the place in it.
        listing: Option<Listing>,
    },
}

/// A file with a place in it.
#[derive(Debug, Clone, Copy)]
struct OpenFile {
    number: u64,
    offset: u64,
    append: bool,
    read: bool,
    write: bool,
}

struct Listing {
    entries: Vec<(String, FileKind)>,
    /// What it is counted with.
    bytes: u64,
}

/// Why a function has no result.
#[derive(Debug)]
enum Fault {
    /// An error number, for the program.
    Number(u32),
    /// Ends the call.
    Stopped(wasmtime::Error),
}

type Answer = Result<(), Fault>;

/// Error numbers that are not among those of [`Errno`].
mod number {
    pub(super) const BAD_DESCRIPTOR: u32 = 8;
    pub(super) const FAULT: u32 = 21;
    pub(super) const ILLEGAL_SEQUENCE: u32 = 25;
    pub(super) const INVALID: u32 = 28;
    pub(super) const NOT_SUPPORTED: u32 = 58;
    pub(super) const NOT_DIRECTORY: u32 = 54;
    pub(super) const RANGE: u32 = 68;
    pub(super) const SEEK_PIPE: u32 = 70;
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Fault {
        let errno = match failure {
            Failure::Stopped(stop) => return stop.into(),
            Failure::Refused(errno) => errno,
        };
        Fault::Number(match errno {
            Errno::Access => 2,
            Errno::BadDescriptor => number::BAD_DESCRIPTOR,
            Errno::Exist => 20,
            Errno::FileTooLarge => 22,
            Errno::InsufficientMemory => 48,
            Errno::Invalid => number::INVALID,
            Errno::Io => 29,
            Errno::IsDirectory => 31,
            Errno::Loop => 32,
            Errno::NameTooLong => 37,
            Errno::NoEntry => 44,
            Errno::NotDirectory => number::NOT_DIRECTORY,
            Errno::NotEmpty => 55,
            Errno::NotPermitted => 63,
            Errno::ReadOnly => 69,
            Errno::Unsupported => number::NOT_SUPPORTED,
        })
    }
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Fault {
        Fault::Stopped(stop.into())
    }
}

impl Metered for Preview1 {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

/// Links a program's imports.
///
/// # Errors
/// It imports what preview 1 does not have, or is a library and no program.
pub(crate) fn link(engine: &Engine, module: &Module) -> Result<InstancePre<Preview1>, String> {
    let exports = |name: &str| module.get_export(name).is_some();
    if !exports("_start") {
        return Err("it exports no `_start`: it is a library and no program".to_owned());
    }
    if !exports("memory") {
        return Err("it exports no `memory`".to_owned());
    }
    let mut linker = Linker::new(engine);
    add_functions(&mut linker)
        .and_then(|()| linker.instantiate_pre(module))
        .map_err(|error| format!("{error:#}"))
}

/// Each function that takes numbers alone and does not wait: checks the time, finds the program's
/// memory, and calls the method of that name.
macro_rules! functions {
    ($linker:ident: $($name:ident($($argument:ident: $type:ty),*);)*) => {
        $($linker.func_wrap(
            MODULE,
            stringify!($name),
            |mut caller: Caller<'_, Preview1>, $($argument: $type),*| -> wasmtime::Result<u32> {
                let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                    return Ok(number::FAULT);
                };
                let (bytes, host) = memory.data_and_store_mut(&mut caller);
                // A program that only makes cheap calls is stopped, too.
                host.meter.check_time()?;
                told(host.$name(Memory(bytes), $($argument),*))
            },
        )?;)*
    };
}

fn told(answer: Answer) -> wasmtime::Result<u32> {
    match answer {
        Ok(()) => Ok(0),
        Err(Fault::Number(number)) => Ok(number),
        Err(Fault::Stopped(error)) => Err(error),
    }
}

fn add_functions(linker: &mut Linker<Preview1>) -> wasmtime::Result<()> {
    functions!(linker:
        args_get(argv: u32, buffer: u32);
        args_sizes_get(count: u32, size: u32);
        environ_get(environ: u32, buffer: u32);
        environ_sizes_get(count: u32, size: u32);
        clock_res_get(clock: u32, resolution: u32);
        clock_time_get(clock: u32, precision: u64, time: u32);
        fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
        fd_allocate(fd: u32, offset: u64, len: u64);
        fd_close(fd: u32);
        fd_datasync(fd: u32);
        fd_fdstat_get(fd: u32, stat: u32);
        fd_fdstat_set_flags(fd: u32, flags: u32);
        fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        fd_filestat_get(fd: u32, stat: u32);
        fd_filestat_set_size(fd: u32, size: u64);
        fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32);
        fd_pread(fd: u32, buffers: u32, count: u32, offset: u64, read: u32);
        fd_prestat_get(fd: u32, prestat: u32);
        fd_prestat_dir_name(fd: u32, name: u32, len: u32);
        fd_pwrite(fd: u32, buffers: u32, count: u32, offset: u64, written: u32);
        fd_read(fd: u32, buffers: u32, count: u32, read: u32);
        fd_readdir(fd: u32, buffer: u32, len: u32, cookie: u64, used: u32);
        fd_renumber(from: u32, to: u32);
        fd_seek(fd: u32, delta: i64, whence: u32, offset: u32);
        fd_sync(fd: u32);
        fd_tell(fd: u32, offset: u32);
        fd_write(fd: u32, buffers: u32, count: u32, written: u32);
        path_create_directory(fd: u32, path: u32, len: u32);
        path_filestat_get(fd: u32, follow: u32, path: u32, len: u32, stat: u32);
        path_filestat_set_times(
            fd: u32, follow: u32, path: u32, len: u32, accessed: u64, modified: u64, flags: u32
        );
        path_link(
            fd: u32, follow: u32, path: u32, len: u32, to_fd: u32, to_path: u32, to_len: u32
        );
        path_open(
            fd: u32, follow: u32, path: u32, len: u32, how: u32, rights: u64, inheriting: u64,
            flags: u32, opened: u32
        );
        path_readlink(fd: u32, path: u32, len: u32, buffer: u32, buffer_len: u32, used: u32);
        path_remove_directory(fd: u32, path: u32, len: u32);
        path_rename(fd: u32, path: u32, len: u32, to_fd: u32, to_path: u32, to_len: u32);
        path_symlink(target: u32, target_len: u32, fd: u32, path: u32, len: u32);
        path_unlink_file(fd: u32, path: u32, len: u32);
        proc_raise(signal: u32);
        random_get(buffer: u32, len: u32);
        sched_yield();
        sock_accept(fd: u32, flags: u32, accepted: u32);
        sock_recv(fd: u32, buffers: u32, count: u32, flags: u32, read: u32, told: u32);
        sock_send(fd: u32, buffers: u32, count: u32, flags: u32, written: u32);
        sock_shutdown(fd: u32, how: u32);
    );
    linker.func_wrap(MODULE, "proc_exit", |status: i32| -> wasmtime::Result<()> {
        Err(I32Exit(status).into())
    })?;
    linker.func_wrap_async(MODULE, "poll_oneoff", system::poll_oneoff)?;
    Ok(())
}

/// Runs a program as far as it goes.
pub(crate) fn run(
    pre: &InstancePre<Preview1>,
    arguments: Vec<String>,
    given: Given,
    (stdout, stderr): (&Capture, &Capture),
    runtime: &Handle,
) -> Ran {
    let Given {
        grants,
        limits,
        cancel,
        fs,
        network: _,
        progress: _,
    } = given;
    let mut descriptors = BTreeMap::from([
        (0, Descriptor::Input),
        (1, Descriptor::Output(stdout.clone())),
        (2, Descriptor::Output(stderr.clone())),
    ]);
    let mut files = Files::new(fs, limits.clone(), grants.workspace_write);
    let opened = match grants.workspace_read {
        true => files.open_folder().map(|()| {
            let root = Descriptor::Folder {
                path: String::new(),
                listing: None,
            };
            descriptors.insert(ROOT, root);
        }),
        false => Ok(()),
    };
    let host = Preview1 {
        meter: Meter::new(limits, cancel),
        files,
        arguments,
        descriptors,
        wall: WallClock,
        monotonic: MonotonicClock::new(),
    };
    let mut store = Store::new(pre.module().engine(), host);
    let ready = match opened.map_err(Fault::from) {
        Err(Fault::Stopped(error)) => Err(error),
        _ => govern(&mut store),
    };
    let ended = match ready {
        Err(error) => Some(Err(error)),
        Ok(()) => in_time(runtime, store.data().meter.deadline(), async {
            let started = async {
                let instance = pre.instantiate_async(&mut store).await?;
                let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
                start.call_async(&mut store, ()).await
            };
            match started.await {
                Ok(()) => Ok(0),
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
    Ran {
        ended,
        usage,
        files: Some(store.into_data().files),
        gate: None,
    }
}
