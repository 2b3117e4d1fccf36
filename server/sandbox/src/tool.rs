//! A loaded component and the way of a call through it.

use crate::call::{
    CallFailure, CallReport, CallRequest, Capabilities, Description, Input, ToolOutput, Usage,
};
use crate::command::{self, Command, CommandCall};
use crate::engine::{Place, Running, take_place, ticker};
use crate::files::{
    AnyFs, Entry, FsError, FsErrorCode, GuestFs, Metadata as FileMetadata, WithWalks,
};
use crate::meter::{Meter, bounded, cut, govern, milliseconds};
use crate::network::{Contacts, Gate, Network};
use crate::world::{self, Host, ToolError, abi};
use boxagnts_policy::limits::{Limit, Limits};
use boxagnts_policy::permission::Level;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::{Component, Linker};

/// How long behind its limit a call may come back by itself before it is abandoned.
const GRACE: Duration = Duration::from_millis(250);

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolKind {
    /// A tool of our ABI.
    World,
    /// A WASI command: a component of WASI 0.2, or a program of preview 1.
    WasiCommand,
}

pub(crate) enum Program {
    World {
        component: Component,
        imports: Capabilities,
    },
    Command {
        command: Command,
        /// Whether it imports anything of the network.
        network: bool,
    },
}

/// A component that is ready to be called.
pub struct Tool {
    name: String,
    pub(crate) program: Program,
    /// Linked once for each set of grants.
    linked: Mutex<HashMap<Capabilities, abi::ToolPre<Host>>>,
}

/// What a guest is given.
pub(crate) struct Given {
    pub(crate) grants: Capabilities,
    pub(crate) limits: Limits,
    pub(crate) cancel: CancellationToken,
    pub(crate) fs: Box<dyn AnyFs>,
    pub(crate) network: Network,
    pub(crate) progress: Option<crate::call::Progress>,
}

/// What a call on a blocking thread brings back.
struct Ended {
    outcome: Result<ToolOutput, CallFailure>,
    partial: String,
    usage: Usage,
    contacts: Contacts,
    refused: Vec<String>,
    fs: Option<Box<dyn AnyFs>>,
}

impl Ended {
    fn refused(failure: CallFailure) -> Ended {
        Ended {
            outcome: Err(failure),
            partial: String::new(),
            usage: Usage::default(),
            contacts: Contacts::default(),
            refused: Vec::new(),
            fs: None,
        }
    }
}

impl Tool {
    pub(crate) fn new(name: String, program: Program) -> Tool {
        Tool {
            name,
            program,
            linked: Mutex::default(),
        }
    }

    /// What it is.
    pub fn kind(&self) -> ToolKind {
        match self.program {
            Program::World { .. } => ToolKind::World,
            Program::Command { .. } => ToolKind::WasiCommand,
        }
    }

    /// The host interfaces that it imports: all that it could ever use.
    pub fn imports(&self) -> Capabilities {
        match &self.program {
            Program::World { imports, .. } => *imports,
            Program::Command { network, .. } => Capabilities {
                http: *network,
                ..Capabilities::default()
            },
        }
    }

    /// Asks the component what it is. It gets all that it imports and finds an empty workspace.
    ///
    /// # Errors
    /// The same as of a call: describing is the component's own code.
    pub async fn describe(self: &Arc<Self>, limits: &Limits) -> Result<Description, CallFailure> {
        let (tool, limits) = (Arc::clone(self), limits.clone());
        let cancel = CancellationToken::new();
        let _stop = cancel.clone().drop_guard();
        let runtime = Handle::current();
        let run = {
            let (limits, cancel) = (limits.clone(), cancel.clone());
            move || {
                let given = Given {
                    grants: tool.imports(),
                    limits,
                    cancel,
                    fs: WithWalks::new(NoFiles),
                    network: Network::closed(),
                    progress: None,
                };
                runtime.block_on(async {
                    let made = tool.instantiate(given);
                    let (mut store, bindings, _running) = made.await?;
                    bindings
                        .call_describe(&mut store)
                        .await
                        .map_err(|error| store.data().meter.explain(&error))
                })
            }
        };
        let place = place(&limits).await?;
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            run()
        });
        let spec = finish(task, &limits, &cancel).await??;
        let used = spec.name.len() + spec.description.len() + spec.input_schema.len();
        if used as u64 > limits.max_output_bytes {
            return Err(CallFailure::Limit {
                limit: Limit::max_output_bytes,
                value: limits.max_output_bytes,
                used: used as u64,
            });
        }
        Ok(description(spec, self.imports()))
    }

    /// Runs one call in a fresh store, within the limits, whatever the component does.
    pub async fn call<F: GuestFs>(self: &Arc<Self>, call: CallRequest<F>) -> CallReport<F> {
        let CallRequest {
            input,
            limits,
            grants,
            fs,
            network,
            cancel,
            progress,
        } = call;
        // Commands are linked with all of WASI, and refused what they were not granted when they use
        // it: few of them use all that they import.
        let beyond = match self.kind() {
            ToolKind::World => self.imports().beyond(grants),
            ToolKind::WasiCommand => Vec::new(),
        };
        if !beyond.is_empty() {
            let message = format!(
                "`{}` imports {} and was not granted it",
                self.name,
                beyond.join(" and ")
            );
            return CallReport {
                refused: Vec::new(),
                outcome: Err(CallFailure::Denied(message)),
                partial: String::new(),
                usage: Usage::default(),
                contacts: Contacts::default(),
                fs: Some(fs),
            };
        }
        let place = match place(&limits).await {
            Ok(place) => place,
            Err(failure) => {
                return CallReport {
                    refused: Vec::new(),
                    outcome: Err(failure),
                    partial: String::new(),
                    usage: Usage::default(),
                    contacts: Contacts::default(),
                    fs: Some(fs),
                };
            }
        };
        let started = Instant::now();
        let tool = Arc::clone(self);
        let runtime = Handle::current();
        // Whoever drops this future, or is told that the call is stuck, is rid of the guest too.
        let cancel = cancel.child_token();
        let _stop = cancel.clone().drop_guard();
        let task = {
            let (limits, cancel) = (limits.clone(), cancel.clone());
            tokio::task::spawn_blocking(move || {
                let _place = place;
                let fs = WithWalks::new(fs);
                let given = Given {
                    grants,
                    limits,
                    cancel,
                    fs,
                    network,
                    progress,
                };
                match (&tool.program, input) {
                    (Program::World { .. }, Input::Json(input)) => {
                        runtime.block_on(tool.run_world(&input, given))
                    }
                    (Program::Command { command, .. }, Input::Arguments(arguments)) => {
                        let call = CommandCall {
                            arguments: [vec![tool.program_name()], arguments].concat(),
                            given,
                        };
                        run_command(command, call, &runtime)
                    }
                    _ => Ended::refused(CallFailure::Internal(format!(
                        "`{}` was called as what it is not",
                        tool.name
                    ))),
                }
            })
        };
        let ended = match finish(task, &limits, &cancel).await {
            Ok(ended) => ended,
            Err(failure) => {
                let usage = Usage {
                    wall: started.elapsed(),
                    ..Usage::default()
                };
                Ended {
                    usage,
                    ..Ended::refused(failure)
                }
            }
        };
        let mut usage = ended.usage;
        usage.wall = started.elapsed();
        CallReport {
            refused: ended.refused,
            outcome: ended.outcome,
            partial: ended.partial,
            usage,
            contacts: ended.contacts,
            fs: ended.fs.and_then(WithWalks::<F>::unwrap),
        }
    }

    /// What a command finds as its own name.
    pub(crate) fn program_name(&self) -> String {
        let stem = std::path::Path::new(&self.name).file_stem();
        stem.map_or_else(|| self.name.clone(), |s| s.to_string_lossy().into_owned())
    }

    /// Guests run on stacks that wasmtime makes, as large as their limit needs; a thread's own may
    /// be smaller. The future is for a thread that may block.
    async fn run_world(&self, input: &str, given: Given) -> Ended {
        let max_output = given.limits.max_output_bytes;
        let made = self.instantiate(given);
        let (mut store, bindings, running) = match made.await {
            Ok(made) => made,
            Err(failure) => return Ended::refused(failure),
        };
        let called = bindings.call_run(&mut store, input).await;
        let fuel_left = store.get_fuel().unwrap_or(0);
        let host = store.into_data();
        drop(running);
        let mut partial = String::new();
        let outcome = match called {
            _ if let Some(stop) = host.meter.stop() => Err(host.meter.stopped(stop)),
            Ok(Ok(output)) => {
                let used = output.text.len() as u64;
                if used > max_output {
                    let max = usize::try_from(max_output).unwrap_or(usize::MAX);
                    partial = cut(&output.text, max).to_owned();
                    let limit = Limit::max_output_bytes;
                    Err(CallFailure::Limit {
                        limit,
                        value: max_output,
                        used,
                    })
                } else {
                    Ok(ToolOutput {
                        text: output.text,
                        truncated: output.truncated,
                    })
                }
            }
            Ok(Err(ToolError::InvalidInput(why))) => Err(CallFailure::InvalidInput(bounded(why))),
            Ok(Err(ToolError::Failed(why))) => Err(match host.denied {
                Some(_) => CallFailure::Denied(bounded(why)),
                None => CallFailure::Failed(bounded(why)),
            }),
            Err(error) => Err(host.meter.explain(&error)),
        };
        Ended {
            refused: Vec::new(),
            outcome,
            partial,
            usage: host.meter.usage(fuel_left),
            contacts: host.gate.contacts(),
            fs: Some(host.fs),
        }
    }

    async fn instantiate(
        &self,
        given: Given,
    ) -> Result<(Store<Host>, abi::Tool, Running), CallFailure> {
        let pre = self.link(given.grants)?;
        let running = ticker().run().map_err(|error| {
            CallFailure::Internal(format!("no thread for time limits: {error}"))
        })?;
        let meter = Meter::new(given.limits, given.cancel);
        let gate = Gate::new(given.network, &meter);
        let host = Host {
            meter,
            fs: given.fs,
            gate,
            progress: given.progress,
            denied: None,
        };
        let mut store = Store::new(pre.engine(), host);
        govern(&mut store).map_err(|error| CallFailure::Internal(error.to_string()))?;
        match pre.instantiate_async(&mut store).await {
            Ok(bindings) => Ok((store, bindings, running)),
            // Start functions are the component's own code.
            Err(error) => Err(store.data().meter.explain(&error)),
        }
    }

    fn link(&self, grants: Capabilities) -> Result<abi::ToolPre<Host>, CallFailure> {
        let Program::World { component, .. } = &self.program else {
            return Err(CallFailure::Internal(format!(
                "`{}` is a command",
                self.name
            )));
        };
        let mut linked = self.linked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pre) = linked.get(&grants) {
            return Ok(pre.clone());
        }
        let link = || {
            let mut linker = Linker::new(component.engine());
            world::link(&mut linker, grants)?;
            abi::ToolPre::new(linker.instantiate_pre(component)?)
        };
        let pre = link().map_err(|error| {
            CallFailure::Failed(format!("`{}` is no tool of this ABI: {error:#}", self.name))
        })?;
        linked.insert(grants, pre.clone());
        Ok(pre)
    }
}

fn run_command(command: &Command, call: CommandCall, runtime: &Handle) -> Ended {
    let _running = match ticker().run() {
        Ok(running) => running,
        Err(error) => return Ended::refused(CallFailure::Internal(error.to_string())),
    };
    let ended = command::run(command, call, runtime);
    Ended {
        outcome: ended.outcome,
        partial: ended.partial,
        usage: ended.usage,
        contacts: ended.contacts,
        refused: ended.refused,
        fs: ended.fs,
    }
}

/// A place for a call, or why there is none.
pub(crate) async fn place(limits: &Limits) -> Result<Place, CallFailure> {
    let patience = Duration::from_millis(limits.wasm_timeout);
    let place = take_place(patience).await;
    place.ok_or_else(|| {
        let message = "too many tool calls are stuck in the host; restart boxagnts".to_owned();
        CallFailure::Internal(message)
    })
}

/// Waits for a call on a blocking thread, and abandons one that is stuck in the host: the epoch
/// stops guests, nothing stops a system call.
pub(crate) async fn finish<T>(
    task: JoinHandle<T>,
    limits: &Limits,
    cancel: &CancellationToken,
) -> Result<T, CallFailure> {
    let started = Instant::now();
    let timeout = Duration::from_millis(limits.wasm_timeout);
    let overdue = ticker()
        .overdue(timeout)
        .map_err(|error| CallFailure::Internal(format!("no thread for time limits: {error}")))?;
    let mut task = task;
    let stuck = tokio::select! {
        biased;
        ended = &mut task => return ended.map_err(broken),
        () = overdue.wait() => None,
        () = cancel.cancelled() => Some(CallFailure::Cancelled),
    };
    match tokio::time::timeout(GRACE, &mut task).await {
        Ok(ended) => ended.map_err(broken),
        Err(_) => {
            tracing::warn!("a tool call is stuck in the host and was abandoned");
            Err(stuck.unwrap_or_else(|| CallFailure::Limit {
                limit: Limit::wasm_timeout,
                value: limits.wasm_timeout,
                used: milliseconds(started.elapsed()),
            }))
        }
    }
}

fn broken(error: tokio::task::JoinError) -> CallFailure {
    CallFailure::Internal(format!("the call ended unexpectedly: {error}"))
}

fn description(spec: abi::boxagnts::tool::types::Spec, imports: Capabilities) -> Description {
    use abi::boxagnts::tool::types::{Capability, Level as Abi};
    let has = |capability| spec.capabilities.contains(&capability);
    Description {
        level: match spec.level {
            Abi::None => Level::None,
            Abi::Read => Level::Read,
            Abi::Write => Level::Write,
            Abi::Execute => Level::Execute,
            Abi::Network => Level::Network,
            Abi::Dangerous => Level::Dangerous,
            Abi::Forbidden => Level::Forbidden,
        },
        capabilities: Capabilities {
            workspace_read: has(Capability::WorkspaceRead),
            workspace_write: has(Capability::WorkspaceWrite),
            // What it says has no word for it.
            http: imports.http,
            progress: has(Capability::Progress),
        },
        name: bounded(spec.name),
        description: bounded(spec.description),
        input_schema: spec.input_schema,
    }
}

/// What a component finds that is asked to describe itself.
pub(crate) struct NoFiles;

impl NoFiles {
    fn error<T>() -> Result<T, FsError> {
        let message = "there are no files while a tool describes itself".to_owned();
        Err(FsError {
            code: FsErrorCode::Denied,
            message,
        })
    }
}

impl GuestFs for NoFiles {
    type Walk = ();

    fn read(&mut self, _: &str, _: u64) -> Result<Vec<u8>, FsError> {
        NoFiles::error()
    }

    fn stat(&mut self, _: &str) -> Result<FileMetadata, FsError> {
        NoFiles::error()
    }

    fn list(&mut self, _: &str) -> Result<Vec<Entry>, FsError> {
        NoFiles::error()
    }

    fn walk(&mut self, _: &str) -> Result<(), FsError> {
        NoFiles::error()
    }

    fn walk_next(&mut self, (): &mut (), _: u32) -> Result<Vec<String>, FsError> {
        NoFiles::error()
    }

    fn may_write(&mut self, _: &str) -> Result<(), FsError> {
        NoFiles::error()
    }

    fn write(&mut self, _: &str, _: Vec<u8>) -> Result<(), FsError> {
        NoFiles::error()
    }

    fn remove(&mut self, _: &str) -> Result<(), FsError> {
        NoFiles::error()
    }

    fn rename(&mut self, _: &str, _: &str) -> Result<(), FsError> {
        NoFiles::error()
    }
}
