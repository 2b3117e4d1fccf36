//! WASI 0.2 commands as tools: arguments in, standard output out, and nothing of the host: no
//! files, no environment, no network, no input.

use crate::call::{CallFailure, ToolOutput, Usage};
use crate::meter::{Meter, Metered, bounded, cut, govern};
use crate::network::{self, Contacts, Gate, HttpHooks, Network, Networked};
use boxagnts_policy::limits::{Limit, Limits};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
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

/// Data of a command's store.
pub(crate) struct CommandHost {
    meter: Meter,
    ctx: WasiCtx,
    table: ResourceTable,
    gate: Arc<Gate>,
    http: WasiHttpCtx,
    hooks: HttpHooks,
}

impl Networked for CommandHost {
    fn gate(&self) -> &Arc<Gate> {
        &self.gate
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

/// A linker with WASI 0.2. Its files are there to be named, and every use is refused.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CommandHost>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    network::link(&mut linker)?;
    Ok(linker)
}

/// Runs a command to its end. Call it on a thread that may block.
pub(crate) fn run(
    pre: &CommandPre<CommandHost>,
    name: &str,
    input: &str,
    limits: Limits,
    network: Network,
    cancel: CancellationToken,
    runtime: &tokio::runtime::Handle,
) -> (Result<ToolOutput, CallFailure>, String, Usage, Contacts) {
    let stdout = Capture::new(
        usize::try_from(limits.max_output_bytes).unwrap_or(usize::MAX),
        true,
    );
    let stderr = Capture::new(MAX_STDERR, false);
    let mut arguments = vec![name.to_owned()];
    arguments.extend(flags(input));
    let timeout = std::time::Duration::from_millis(limits.wasm_timeout);
    let meter = Meter::new(limits, cancel.clone());
    let gate = Gate::new(network, &meter);
    let mut builder = WasiCtx::builder();
    builder
        .args(&arguments)
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .allow_blocking_current_thread(false)
        .max_random_size(MAX_RANDOM);
    network::configure(&mut builder, &gate);
    let ctx = builder.build();
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_RESOURCES);
    let host = CommandHost {
        meter,
        ctx,
        table,
        gate: Arc::clone(&gate),
        http: HttpHooks::context(),
        hooks: HttpHooks::new(Arc::clone(&gate)),
    };
    let mut store = Store::new(pre.engine(), host);

    let ended: Result<Result<(), ()>, CallFailure> = match govern(&mut store) {
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
    let usage = store.data().meter.usage(fuel_left);
    drop(store);
    let contacts = gate.contacts();
    let (said, truncated) = stdout.text();
    match ended {
        Ok(Ok(())) => (
            Ok(ToolOutput {
                text: said,
                truncated,
            }),
            String::new(),
            usage,
            contacts,
        ),
        Ok(Err(())) => {
            let reason = bounded(stderr.text().0);
            let reason = if reason.trim().is_empty() {
                "the command failed and said nothing".to_owned()
            } else {
                reason
            };
            let failure = match gate.refusal() {
                // The guest may have said no more than that it could not connect.
                Some(refusal) => CallFailure::Denied(format!("{}\n{refusal}", reason.trim_end())),
                None => CallFailure::Failed(reason),
            };
            (Err(failure), said, usage, contacts)
        }
        Err(failure) => (Err(failure), said, usage, contacts),
    }
}

/// `{"file_path": "a", "all": true, "n": [1, 2]}` as `--file-path=a --all --n=1 --n=2`.
pub(crate) fn flags(input: &str) -> Vec<String> {
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
