//! The registry of tools, and the way of every call through the gate.

use crate::approval::Approver;
use crate::describe::arguments::{Invocation, arguments};
use crate::describe::{DescribedBy, Description, describe};
use crate::embedded::{self, Embedded};
use crate::files::ToolFiles;
use crate::input::InputSchema;
use crate::transaction::{self, Callee};
use boxagnts_policy::config::Config;
use boxagnts_policy::limits::Limits;
use boxagnts_policy::permission::Level;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{FailureKind, ToolReport, ToolSpec};
use boxagnts_sandbox::{Input, LoadError, Sandbox, Tool, ToolKind};
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
    /// Mode, rules, limits and network of the session.
    pub config: &'a Config,
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
    pub(crate) invocation: Invocation,
    /// What it says of itself, or what is said of it.
    pub spec: ToolSpec,
    /// The level that it asks for.
    pub level: Level,
    /// Hosts that it asks to talk to.
    pub hosts: Vec<String>,
    /// Who described it.
    pub described_by: DescribedBy,
    /// SHA-256 of its file and of the description beside it, in hexadecimal.
    pub sha256: String,
    /// Host interfaces that it imports, by name.
    pub imports: Vec<&'static str>,
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
        let limits = request.config.limits_of(name);
        let loaded = match self.load(tool, &limits).await {
            Ok(loaded) => loaded,
            Err(message) => return ToolReport::refused(FailureKind::Internal, message),
        };
        let callee = Callee {
            tool: &loaded,
            sha256: &tool.sha256,
            level: tool.level,
            input: Input::Json(input.to_string()),
        };
        transaction::run(callee, request).await
    }

    /// Reads a component of the user's and asks it what it is.
    ///
    /// # Errors
    /// The file cannot be read, is no component that can run here, or fails to describe itself.
    pub async fn open_file(&self, path: &Path, limits: &Limits) -> Result<ForeignTool, ToolsError> {
        let shown = path.display().to_string();
        let wrong = |reason| ToolsError::Describe {
            path: shown.clone(),
            reason,
        };
        let (sandbox, name, given) = (Arc::clone(&self.sandbox), shown.clone(), limits.clone());
        let file = path.to_owned();
        let load = tokio::task::spawn_blocking(move || {
            let read = |error| ToolsError::Read {
                path: name.clone(),
                error,
            };
            let files = ToolFiles::read(&file).map_err(read)?;
            let tool = sandbox.load(&name, &files.wasm, &given)?;
            Ok::<_, ToolsError>((tool, files))
        });
        let (tool, files) = load.await.map_err(|error| wrong(error.to_string()))??;
        let declared = files.declared().map_err(wrong)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let described = describe(&tool, &stem, declared, limits).await;
        let Description {
            spec,
            level,
            hosts,
            invocation,
            by,
        } = described.map_err(wrong)?;
        Ok(ForeignTool {
            sha256: files.sha256(),
            imports: tool.imports().names(),
            tool,
            invocation,
            spec,
            level,
            hosts,
            described_by: by,
        })
    }

    /// Runs a component of the user's, through the same gate as every tool.
    pub async fn run_file(&self, foreign: &ForeignTool, request: ToolRequest<'_>) -> ToolReport {
        let spec = &foreign.spec;
        let checked =
            InputSchema::default().check(&spec.name, &spec.input_schema, &request.call.input);
        if let Err(message) = checked {
            return ToolReport::refused(FailureKind::InvalidInput, message);
        }
        let callee = Callee {
            tool: &foreign.tool,
            sha256: &foreign.sha256,
            level: foreign.level,
            input: match foreign.tool.kind() {
                ToolKind::World => Input::Json(request.call.input.to_string()),
                ToolKind::WasiCommand => {
                    Input::Arguments(arguments(&request.call.input, &foreign.invocation))
                }
            },
        };
        transaction::run(callee, request).await
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
