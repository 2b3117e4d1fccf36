//! The registry of tools, and the way of every call through the gate.

use crate::approval::Approver;
use crate::embedded::{self, Embedded};
use crate::host_fs::HostFs;
use crate::input::{InputSchema, MAX_REFERENCES, references};
use crate::{gate, report};
use boxagnts_policy::limits::Limits;
use boxagnts_policy::permission::{Level, Mode};
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{FailureKind, ToolReport, ToolSpec};
use boxagnts_sandbox::{CallRequest, Input, LoadError, Sandbox, Tool, ToolKind, flags};
use boxagnts_workspace::Overlay;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Called with each progress message of a tool.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// Components from this size on take much longer to load than others, in bytes.
const LARGE: usize = 256 << 10;

/// All tools of a process.
pub struct Toolbox {
    sandbox: Arc<Sandbox>,
    tools: Vec<Registered>,
    specs: Arc<[ToolSpec]>,
    /// Components that are ready to run, by tool and guest stack (an engine's own setting).
    loaded: Mutex<HashMap<(String, u64), Slot>>,
}

type Slot = Arc<Mutex<Option<Arc<Tool>>>>;

struct Registered {
    tool: Embedded,
    schema: InputSchema,
}

/// One call on its way.
pub struct ToolRequest<'a> {
    /// What the model wants.
    pub call: &'a ToolCall,
    /// The session's mode.
    pub mode: Mode,
    /// What the call may use.
    pub limits: &'a Limits,
    /// Where it reads and writes.
    pub overlay: &'a Arc<Overlay>,
    /// Whom to ask when the tool leaves the sandbox.
    pub approver: &'a dyn Approver,
    /// Ends the call.
    pub cancel: CancellationToken,
    /// Hears the tool's progress.
    pub progress: Option<Progress>,
}

/// A component from a file of the user's.
#[derive(Clone)]
pub struct ForeignTool {
    tool: Arc<Tool>,
    /// What it says of itself; `None` for a WASI command.
    pub spec: Option<ToolSpec>,
    /// The level that it asks for.
    pub level: Level,
}

/// Why tools cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolsError {
    /// The embedded manifest cannot be read.
    #[error("the embedded tools are damaged, reinstall boxagnts: {0}")]
    Manifest(#[from] serde_json::Error),
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file is no component that can run here.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A component cannot say what it is.
    #[error("{path} cannot describe itself: {reason}")]
    Describe {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl Toolbox {
    /// Knows every embedded tool and has loaded none.
    ///
    /// # Errors
    /// The binary is damaged.
    pub fn new(sandbox: Arc<Sandbox>) -> Result<Arc<Toolbox>, ToolsError> {
        let tools: Vec<Registered> = embedded::all()?
            .into_iter()
            .map(|tool| Registered {
                tool,
                schema: InputSchema::default(),
            })
            .collect();
        let specs = tools
            .iter()
            .map(|registered| registered.tool.spec.clone())
            .collect();
        Ok(Arc::new(Toolbox {
            sandbox,
            tools,
            specs,
            loaded: Mutex::default(),
        }))
    }

    /// What the model is told, in a fixed order.
    pub fn specs(&self) -> Arc<[ToolSpec]> {
        Arc::clone(&self.specs)
    }

    /// The level of a tool; `None` when there is no such tool.
    pub fn level(&self, name: &str) -> Option<Level> {
        self.find(name).map(|registered| registered.tool.level)
    }

    fn find(&self, name: &str) -> Option<&Registered> {
        self.tools
            .iter()
            .find(|registered| registered.tool.spec.name == name)
    }

    /// Loads every tool, one after the other, so that first calls do not wait for a compiler.
    /// Blocks; failures are logged and met again by the call that needs the tool.
    pub fn prewarm(&self, limits: &Limits) {
        let mut tools: Vec<&Registered> = self.tools.iter().collect();
        // In the order in which they are wanted, but nothing waits behind the large ones.
        tools.sort_by_key(|registered| registered.tool.wasm.len() > LARGE);
        for registered in tools {
            let Registered { tool, schema } = registered;
            schema.compile(&tool.spec.input_schema);
            if let Err(error) = self.loading(tool, limits).load() {
                tracing::warn!(tool = %tool.spec.name, %error, "cannot load");
            }
        }
    }

    /// Runs one call. Everything that can go wrong is in the report.
    pub async fn run(&self, request: ToolRequest<'_>) -> ToolReport {
        let ToolCall { name, input, .. } = request.call;
        let Some(Registered { tool, schema }) = self.find(name) else {
            let names: Vec<&str> = self.specs.iter().map(|spec| spec.name.as_str()).collect();
            let message = format!(
                "there is no tool `{name}`; the tools are: {}",
                names.join(", ")
            );
            return ToolReport::refused(FailureKind::UnknownTool, message);
        };
        if let Err(message) = schema.check(name, &tool.spec.input_schema, input) {
            return ToolReport::refused(FailureKind::InvalidInput, message);
        }
        let loaded = match self.load(tool, request.limits).await {
            Ok(loaded) => loaded,
            Err(message) => return ToolReport::refused(FailureKind::Internal, message),
        };
        call(&loaded, tool.level, request).await
    }

    /// Reads a component of the user's and asks it what it is.
    ///
    /// # Errors
    /// The file cannot be read, is no component that can run here, or fails to describe itself.
    pub async fn open_file(&self, path: &Path, limits: &Limits) -> Result<ForeignTool, ToolsError> {
        let shown = path.display().to_string();
        let (sandbox, name, given) = (Arc::clone(&self.sandbox), shown.clone(), limits.clone());
        let file = path.to_owned();
        let load = tokio::task::spawn_blocking(move || {
            let wasm = read_regular(&file).map_err(|error| ToolsError::Read {
                path: name.clone(),
                error,
            })?;
            Ok::<_, ToolsError>(sandbox.load(&name, &wasm, &given)?)
        });
        let tool = load.await.map_err(|error| ToolsError::Describe {
            path: shown.clone(),
            reason: error.to_string(),
        })??;
        if tool.kind() == ToolKind::WasiCommand {
            return Ok(ForeignTool {
                tool,
                spec: None,
                level: Level::Write,
            });
        }
        let described = tool
            .describe(limits)
            .await
            .map_err(|failure| ToolsError::Describe {
                path: shown.clone(),
                reason: failure.to_string(),
            })?;
        let wrong = |reason| ToolsError::Describe {
            path: shown.clone(),
            reason,
        };
        let input_schema = serde_json::from_str(&described.input_schema)
            .map_err(|error| wrong(format!("its input schema: {error}")))?;
        let references = references(&input_schema);
        if references > MAX_REFERENCES {
            let reason =
                format!("its input schema has {references} references, more than {MAX_REFERENCES}");
            return Err(wrong(reason));
        }
        let spec = ToolSpec {
            name: described.name,
            description: described.description,
            input_schema,
        };
        Ok(ForeignTool {
            tool,
            spec: Some(spec),
            level: described.level,
        })
    }

    /// Runs a component of the user's, through the same gate as every tool.
    pub async fn run_file(&self, foreign: &ForeignTool, request: ToolRequest<'_>) -> ToolReport {
        if let Some(spec) = &foreign.spec {
            let checked =
                InputSchema::default().check(&spec.name, &spec.input_schema, &request.call.input);
            if let Err(message) = checked {
                return ToolReport::refused(FailureKind::InvalidInput, message);
            }
        }
        call(&foreign.tool, foreign.level, request).await
    }

    fn loading(&self, tool: &Embedded, limits: &Limits) -> Loading {
        let name = tool.spec.name.clone();
        let key = (name.clone(), limits.wasm_max_wasm_stack);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        Loading {
            slot: Arc::clone(loaded.entry(key).or_default()),
            sandbox: Arc::clone(&self.sandbox),
            name,
            wasm: tool.wasm,
            limits: limits.clone(),
        }
    }

    async fn load(&self, tool: &Embedded, limits: &Limits) -> Result<Arc<Tool>, String> {
        let loading = self.loading(tool, limits);
        if let Ok(slot) = loading.slot.try_lock()
            && let Some(tool) = &*slot
        {
            return Ok(Arc::clone(tool));
        }
        // Compiling takes up to a second when the cache is cold.
        let loaded = tokio::task::spawn_blocking(move || loading.load()).await;
        loaded
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())
    }
}

/// A tool on its way from bytes.
struct Loading {
    slot: Slot,
    sandbox: Arc<Sandbox>,
    name: String,
    wasm: &'static [u8],
    limits: Limits,
}

impl Loading {
    /// Loads it, or waits for whoever does so already. Blocks.
    fn load(&self) -> Result<Arc<Tool>, LoadError> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tool) = &*slot {
            return Ok(Arc::clone(tool));
        }
        let tool = self.sandbox.load(&self.name, self.wasm, &self.limits)?;
        *slot = Some(Arc::clone(&tool));
        Ok(tool)
    }
}

/// A FIFO would hold us up for ever, a device never end.
fn read_regular(path: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    std::fs::read(path)
}

/// The gate, the sandbox, and the end of the transaction.
async fn call(tool: &Arc<Tool>, level: Level, request: ToolRequest<'_>) -> ToolReport {
    let ToolCall { id, name, input } = request.call;
    let grants = match gate::pass(name, level, request.mode, request.approver).await {
        Ok(grants) => grants,
        Err(reason) => return ToolReport::refused(FailureKind::Denied, reason),
    };
    let called = tool
        .call(CallRequest {
            input: match tool.kind() {
                ToolKind::World => Input::Json(input.to_string()),
                ToolKind::WasiCommand => Input::Arguments(flags(&input.to_string())),
            },
            limits: request.limits.clone(),
            grants,
            fs: HostFs(request.overlay.begin(id)),
            cancel: request.cancel,
            progress: request.progress,
        })
        .await;
    let output = match called.outcome {
        Ok(output) => output,
        // The staged changes go with `called.fs`.
        Err(failure) => return report::failed(called.partial, failure, &called.usage),
    };
    let usage = report::used(&called.usage);
    let Some(HostFs(staged)) = called.fs else {
        return ToolReport {
            ok: true,
            output: output.text,
            error: None,
            usage,
            diff: String::new(),
        };
    };
    let committed = if grants.workspace_write {
        // Merging and diffing many files takes its time.
        let commit = move || {
            let diff = staged.diff();
            staged.commit().map(|()| diff)
        };
        tokio::task::spawn_blocking(commit).await
    } else {
        // Nothing was changed; the overlay remembers what the model has seen.
        Ok(staged.commit().map(|()| String::new()))
    };
    match committed {
        Ok(Ok(diff)) => ToolReport {
            ok: true,
            output: output.text,
            error: None,
            usage,
            diff,
        },
        Ok(Err(conflict)) => {
            let refused = ToolReport::refused(FailureKind::Failed, conflict.to_string());
            ToolReport { usage, ..refused }
        }
        Err(error) => ToolReport {
            usage,
            ..ToolReport::refused(FailureKind::Internal, format!("cannot commit: {error}"))
        },
    }
}
