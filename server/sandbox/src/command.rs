//! WASI commands as tools: arguments in, standard output out, files from the overlay, and nothing of
//! the host: no environment, no input, no terminal.

use crate::call::{CallFailure, ToolOutput, Usage};
use crate::files::AnyFs;
use crate::meter::{Meter, Metered, bounded, cut, govern};
use crate::network::{self, Contacts, Gate, HeldHttp, HttpHooks, Networked};
use crate::tool::Given;
use crate::wasi::clocks::{MonotonicClock, WallClock};
use crate::wasi::files::Files;
use crate::wasi::host;
use crate::wasi::streams::{SharedFiles, lock};
use boxagnts_policy::limits::Limit;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Resources that a command may hold.
const MAX_RESOURCES: usize = 10_000;
/// Random bytes that one request may ask for.
const MAX_RANDOM: u64 = 1 << 20;
/// Standard error that is kept.
const MAX_STDERR: usize = 64 << 10;
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

/// One call of a command.
pub(crate) struct CommandCall {
    /// The program's name and its arguments.
    pub(crate) arguments: Vec<String>,
    pub(crate) given: Given,
}

/// What came of a call of a command.
pub(crate) struct CommandEnd {
    pub(crate) outcome: Result<ToolOutput, CallFailure>,
    pub(crate) partial: String,
    pub(crate) stderr: String,
    pub(crate) usage: Usage,
    pub(crate) contacts: Contacts,
    pub(crate) refused: Vec<String>,
    /// `None` when a stream of the guest's outlived it.
    pub(crate) fs: Option<Box<dyn AnyFs>>,
}

/// Runs a command to its end. Call it on a thread that may block.
pub(crate) fn run(
    pre: &CommandPre<CommandHost>,
    call: CommandCall,
    runtime: &tokio::runtime::Handle,
) -> CommandEnd {
    let CommandCall { arguments, given } = call;
    let Given {
        grants,
        limits,
        cancel,
        fs,
        network,
        progress: _,
    } = given;
    let stdout = Capture::new(
        usize::try_from(limits.max_output_bytes).unwrap_or(usize::MAX),
        true,
    );
    let stderr = Capture::new(MAX_STDERR, false);
    let files = Files::new(fs, limits.clone(), grants.workspace_write);
    let files: SharedFiles = Arc::new(Mutex::new(files));
    let timeout = std::time::Duration::from_millis(limits.wasm_timeout);
    let meter = Meter::new(limits, cancel.clone());
    let gate = Gate::new(network, &meter);
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_RESOURCES);
    let host = CommandHost {
        meter,
        ctx: context(&arguments, &stdout, &stderr, &gate),
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
    let ended: Result<Result<(), ()>, CallFailure> = match governed {
        Err(error) => Err(CallFailure::Internal(error.to_string())),
        Ok(()) => {
            let called = runtime.block_on(async {
                let call = async {
                    let command = pre.instantiate_async(&mut store).await?;
                    command.wasi_cli_run().call_run(&mut store).await
                };
                // A command that sleeps runs no code that the epoch could stop.
                tokio::select! {
                    called = call => Some(called),
                    () = tokio::time::sleep(timeout) => None,
                    () = cancel.cancelled() => None,
                }
            });
            let meter = &store.data().meter;
            match called {
                // Even when the guest was faster than the tick that tells it.
                _ if let Some(stop) = meter.stop() => Err(meter.stopped(stop)),
                None => Err(match meter.check_time() {
                    Err(stop) => meter.stopped(stop),
                    Ok(()) => CallFailure::Internal("the call ended too early".to_owned()),
                }),
                Some(Ok(result)) => Ok(result),
                Some(Err(error)) => match error.downcast_ref::<I32Exit>() {
                    Some(I32Exit(0)) => Ok(Ok(())),
                    Some(I32Exit(_)) => Ok(Err(())),
                    None => Err(meter.explain(&error)),
                },
            }
        }
    };
    let fuel_left = store.get_fuel().unwrap_or(0);
    let mut usage = store.data().meter.usage(fuel_left);
    // With it go its descriptors and streams, which close their files.
    drop(store);
    let (denied, refused_paths) = {
        let files = lock(&files);
        (usage.host_bytes, usage.files_opened) = files.used();
        (files.denied().map(str::to_owned), files.refused())
    };
    let (fs, written) = match Arc::try_unwrap(files) {
        Ok(files) => {
            let files = files.into_inner().unwrap_or_else(PoisonError::into_inner);
            let (fs, written) = files.finish();
            (Some(fs), written)
        }
        Err(_) => (None, Err("its files are still in use".to_owned())),
    };
    let contacts = gate.contacts();
    let (said, truncated) = stdout.text();
    // The guest may have said no more than that it could not connect.
    let refusal = gate.refusal();
    let refused = |message: String| match (&refusal, &denied) {
        (Some(refusal), _) => CallFailure::Denied(format!("{}\n{refusal}", message.trim_end())),
        (None, Some(_)) => CallFailure::Denied(message),
        (None, None) => CallFailure::Failed(message),
    };
    let (outcome, partial) = match (ended, written) {
        (Ok(Ok(())), Ok(())) => (
            Ok(ToolOutput {
                // Compilers and their like tell on standard error alone what they found.
                text: match said.trim().is_empty() {
                    true => stderr.text().0,
                    false => said,
                },
                truncated,
            }),
            String::new(),
        ),
        (Ok(Ok(())), Err(lost)) => (Err(refused(lost)), said),
        (Ok(Err(())), _) => {
            let reason = bounded(stderr.text().0);
            let reason = match (reason.trim().is_empty(), &denied) {
                (false, _) => reason,
                (true, Some(denied)) => denied.clone(),
                (true, None) if said.trim().is_empty() => {
                    "the command failed and said nothing".to_owned()
                }
                (true, None) => "the command failed; its output says why".to_owned(),
            };
            (Err(refused(reason)), said)
        }
        // What a runtime says before it gives up is the reason.
        (Err(CallFailure::Trap(trap)), _) => {
            let reason = bounded(stderr.text().0);
            let trap = match reason.trim() {
                "" => trap,
                reason => format!("{trap}\n{reason}"),
            };
            (Err(CallFailure::Trap(trap)), said)
        }
        (Err(failure), _) => (Err(failure), said),
    };
    CommandEnd {
        outcome,
        partial,
        stderr: stderr.text().0,
        usage,
        contacts,
        refused: refused_paths,
        fs,
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

/// `{"file_path": "a", "all": true, "n": [1, 2]}` as `--file-path=a --all --n=1 --n=2`.
pub fn flags(input: &str) -> Vec<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(input) else {
        return Vec::new();
    };
    let mut flags = Vec::new();
    for (key, value) in fields {
        let name = format!("--{}", key.replace('_', "-"));
        let values = match value {
            Value::Array(values) => values,
            single => vec![single],
        };
        for value in values {
            match value {
                Value::Null | Value::Bool(false) => {}
                Value::Bool(true) => flags.push(name.clone()),
                Value::String(text) => flags.push(format!("{name}={text}")),
                other => flags.push(format!("{name}={other}")),
            }
        }
    }
    flags
}

/// Keeps what is written, up to a size; beyond it, stops the call or drops the rest.
#[derive(Clone)]
struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    max: usize,
    stops: bool,
}

impl Capture {
    fn new(max: usize, stops: bool) -> Capture {
        Capture {
            kept: Arc::default(),
            max,
            stops,
        }
    }

    /// What was written, and whether it had to be cut: what stands for bytes that are no UTF-8 is
    /// longer than they are.
    fn text(&self) -> (String, bool) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let shown = cut(&text, self.max);
        (shown.to_owned(), shown.len() < text.len())
    }

    fn take(&self, bytes: &[u8]) -> StreamResult<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.max - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room && self.stops {
            let used = (self.max + bytes.len() - room) as u64;
            let stop = crate::meter::Stop::Limit {
                limit: Limit::max_output_bytes,
                used,
            };
            return Err(StreamError::Trap(stop.into()));
        }
        Ok(())
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and nothing of it is linked.
        Box::new(tokio::io::sink())
    }
}

#[async_trait::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}
