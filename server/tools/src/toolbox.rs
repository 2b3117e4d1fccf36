//! The registry of tools, and the way of every call through the gate.

use crate::approval::Approver;
use crate::approvals::Approvals;
use crate::describe::arguments::{Invocation, arguments};
use crate::describe::{DescribedBy, Description, describe};
use crate::embedded::{self, Embedded};
use crate::files::ToolFiles;
use crate::input::InputSchema;
use crate::native::{self, NativeTool, Natives};
use crate::registry::{Registry, ToolFolders};
use crate::transaction::{self, Callee};
use boxagnts_policy::config::Config;
use boxagnts_policy::limits::{Limit, Limits};
use boxagnts_policy::permission::Level;
use boxagnts_protocol::conversation::ToolCall;
use boxagnts_protocol::tool::{FailureKind, ToolReport, ToolSpec};
use boxagnts_sandbox::{Input, LoadError, Sandbox, Tool, ToolKind};
use boxagnts_workspace::Overlay;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Called with each progress message of a tool.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// Components from this size on take much longer to load than others, in bytes.
const LARGE: usize = 256 << 10;

/// The tools that come with the program, and those that a workspace and its user registered.
pub struct Toolbox {
    sandbox: Arc<Sandbox>,
    tools: Arc<[Arc<Registered>]>,
    native: Arc<[NativeTool]>,
    specs: Arc<[ToolSpec]>,
    /// Components that are ready to run, by tool and guest stack (an engine's own setting).
    loaded: Arc<Mutex<HashMap<(String, u64), Slot>>>,
    registry: Option<Registry>,
}

type Slot = Arc<Mutex<Option<Arc<Tool>>>>;

/// A tool that can be called by its name.
pub(crate) struct Registered {
    pub(crate) spec: ToolSpec,
    pub(crate) sha256: String,
    pub(crate) level: Level,
    pub(crate) invocation: Invocation,
    pub(crate) source: Source,
    pub(crate) schema: InputSchema,
}

impl Registered {
    /// Whether nothing about it differs.
    pub(crate) fn is(&self, other: &Registered) -> bool {
        self.spec == other.spec
            && self.sha256 == other.sha256
            && self.level == other.level
            && self.invocation == other.invocation
            && self.source == other.source
    }
}

/// Where a tool's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the program.
    Embedded(&'static [u8]),
    /// In a file, where they count only when they have the tool's sum.
    File(PathBuf),
}

/// One call on its way.
pub struct ToolRequest<'a> {
    /// What the model wants.
    pub call: &'a ToolCall,
    /// Mode, rules, limits and network of the session.
    pub config: &'a Config,
    /// Where it reads and writes.
    pub overlay: &'a Arc<Overlay>,
    /// Why the user is asked about a call that would be let through; `None` for no reason.
    pub ask: Option<&'a str>,
    /// Whom to ask when the tool leaves the sandbox.
    pub approver: &'a dyn Approver,
    /// Ends the call.
    pub cancel: CancellationToken,
    /// Hears the tool's progress.
    pub progress: Option<Progress>,
    /// Carries out native tools; without one they cannot be called.
    pub natives: Option<&'a dyn Natives>,
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
    /// A registered tool may not be called.
    #[error("`{name}` cannot be called: {reason}")]
    Unusable {
        /// The tool.
        name: String,
        /// Why, and the remedy.
        reason: String,
    },
}

impl ToolsError {
    /// The report of the call that did not come to be.
    pub fn report(&self) -> ToolReport {
        let kind = match self {
            ToolsError::Load(LoadError::TooSlow {
                limit_ms, used_ms, ..
            }) => {
                let mut refused = ToolReport::refused(FailureKind::Limit, self.to_string());
                if let Some(error) = &mut refused.error {
                    error.limit = Some(Limit::wasm_compile_timeout.name().to_owned());
                    error.value = Some(*limit_ms);
                    error.used = Some(*used_ms);
                }
                return refused;
            }
            ToolsError::Unusable { .. } => FailureKind::Denied,
            ToolsError::Manifest(_) | ToolsError::Load(LoadError::Setup(_)) => {
                FailureKind::Internal
            }
            _ => FailureKind::Failed,
        };
        ToolReport::refused(kind, self.to_string())
    }
}

impl Toolbox {
    /// Knows every embedded tool and has loaded none.
    ///
    /// # Errors
    /// The binary is damaged.
    pub fn new(sandbox: Arc<Sandbox>) -> Result<Arc<Toolbox>, ToolsError> {
        let built_in = |tool: Embedded| {
            Arc::new(Registered {
                spec: tool.spec,
                sha256: tool.sha256,
                level: tool.level,
                invocation: Invocation::default(),
                source: Source::Embedded(tool.wasm),
                schema: InputSchema::default(),
            })
        };
        let tools: Arc<[Arc<Registered>]> = embedded::all()?.into_iter().map(built_in).collect();
        let native: Arc<[NativeTool]> = native::all().into();
        let guests = tools.iter().map(|tool| tool.spec.clone());
        let specs = guests.chain(native.iter().map(|tool| tool.spec.clone()));
        Ok(Arc::new(Toolbox {
            sandbox,
            specs: specs.collect(),
            tools,
            native,
            loaded: Arc::default(),
            registry: None,
        }))
    }

    /// The same tools, and those that are registered in these folders. What is compiled is shared.
    pub fn for_workspace(
        shared: &Arc<Toolbox>,
        folders: ToolFolders,
        approvals: Arc<dyn Approvals>,
    ) -> Arc<Toolbox> {
        Arc::new(Toolbox {
            sandbox: Arc::clone(&shared.sandbox),
            tools: Arc::clone(&shared.tools),
            native: Arc::clone(&shared.native),
            specs: Arc::clone(&shared.specs),
            loaded: Arc::clone(&shared.loaded),
            registry: Some(Registry::new(folders, approvals, &shared.specs)),
        })
    }

    /// The registered tools; `None` without a workspace.
    pub fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
    }

    /// What the model is told: the built-in tools in a fixed order, then those that are registered
    /// at this moment. Runs and compiles nothing.
    pub fn specs(&self) -> Arc<[ToolSpec]> {
        match &self.registry {
            Some(registry) => registry.specs(),
            None => Arc::clone(&self.specs),
        }
    }

    /// The level of a tool; `None` when there is no such tool.
    pub fn level(&self, name: &str) -> Option<Level> {
        if let Some(native) = self.native(name) {
            return Some(native.level);
        }
        Some(self.find(name)?.ok()?.level)
    }

    /// Whether the tool is one that sessions carry out themselves, and no guest.
    pub fn is_native(&self, name: &str) -> bool {
        self.native(name).is_some()
    }

    fn native(&self, name: &str) -> Option<&NativeTool> {
        self.native.iter().find(|tool| tool.spec.name == name)
    }

    fn find(&self, name: &str) -> Option<Result<Arc<Registered>, ToolsError>> {
        if let Some(tool) = self.tools.iter().find(|tool| tool.spec.name == name) {
            return Some(Ok(Arc::clone(tool)));
        }
        self.registry.as_ref()?.find(name)
    }

    /// Loads every tool, one after the other, so that first calls do not wait for a compiler.
    /// Blocks; failures are logged and met again by the call that needs the tool.
    pub fn prewarm(&self, limits: &Limits) {
        let mut tools = self.tools.to_vec();
        // In the order in which they are wanted, but nothing waits behind the large ones.
        tools.sort_by_key(|tool| match tool.source {
            Source::Embedded(wasm) => wasm.len() > LARGE,
            Source::File(_) => true,
        });
        tools.extend(self.registry.iter().flat_map(Registry::usable));
        for tool in tools {
            tool.schema.compile(&tool.spec.input_schema);
            if let Err(error) = self.loading(&tool, limits).load() {
                tracing::warn!(tool = %tool.spec.name, %error, "cannot load");
            }
        }
    }

    /// Runs one call. Everything that can go wrong is in the report.
    pub async fn run(&self, request: ToolRequest<'_>) -> ToolReport {
        let ToolCall { name, input, .. } = request.call;
        if let Some(native) = self.native(name) {
            return native.run(request).await;
        }
        let tool = match self.find(name) {
            Some(Ok(tool)) => tool,
            Some(Err(error)) => return ToolReport::refused(FailureKind::Denied, error.to_string()),
            None => {
                let specs = self.specs();
                let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
                let message = format!(
                    "there is no tool `{name}`; the tools are: {}",
                    names.join(", ")
                );
                return ToolReport::refused(FailureKind::UnknownTool, message);
            }
        };
        if let Err(message) = tool.schema.check(name, &tool.spec.input_schema, input) {
            return ToolReport::refused(FailureKind::InvalidInput, message);
        }
        let limits = request.config.limits_of(name);
        let loaded = match self.load(&tool, &limits).await {
            Ok(loaded) => loaded,
            Err(error) => return error.report(),
        };
        let callee = Callee {
            tool: &loaded,
            sha256: &tool.sha256,
            level: tool.level,
            input: told(&loaded, input, &tool.invocation),
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
            input: told(&foreign.tool, &request.call.input, &foreign.invocation),
        };
        transaction::run(callee, request).await
    }

    fn loading(&self, tool: &Registered, limits: &Limits) -> Loading {
        let name = tool.spec.name.clone();
        let key = match &tool.source {
            Source::Embedded(_) => name.clone(),
            Source::File(_) => format!("{name}@{}", tool.sha256),
        };
        let key = (key, limits.wasm_max_wasm_stack);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        Loading {
            slot: Arc::clone(loaded.entry(key).or_default()),
            sandbox: Arc::clone(&self.sandbox),
            name,
            sha256: tool.sha256.clone(),
            source: tool.source.clone(),
            limits: limits.clone(),
        }
    }

    pub(crate) async fn load(
        &self,
        tool: &Registered,
        limits: &Limits,
    ) -> Result<Arc<Tool>, ToolsError> {
        let loading = self.loading(tool, limits);
        if let Ok(slot) = loading.slot.try_lock()
            && let Some(tool) = &*slot
        {
            return Ok(Arc::clone(tool));
        }
        // Compiling takes up to a second when the cache is cold.
        let loaded = tokio::task::spawn_blocking(move || loading.load()).await;
        loaded.map_err(|error| ToolsError::Unusable {
            name: tool.spec.name.clone(),
            reason: error.to_string(),
        })?
    }
}

/// What a tool is told of its input.
fn told(tool: &Tool, input: &Value, invocation: &Invocation) -> Input {
    match tool.kind() {
        ToolKind::World => Input::Json(input.to_string()),
        ToolKind::WasiCommand => Input::Arguments(arguments(input, invocation)),
    }
}

/// A tool on its way from bytes.
struct Loading {
    slot: Slot,
    sandbox: Arc<Sandbox>,
    name: String,
    sha256: String,
    source: Source,
    limits: Limits,
}

impl Loading {
    /// Loads it, or waits for whoever does so already. Blocks.
    fn load(&self) -> Result<Arc<Tool>, ToolsError> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tool) = &*slot {
            return Ok(Arc::clone(tool));
        }
        let tool = match &self.source {
            Source::Embedded(wasm) => self.sandbox.load(&self.name, wasm, &self.limits)?,
            Source::File(path) => {
                let read = |error| ToolsError::Read {
                    path: path.display().to_string(),
                    error,
                };
                // These bytes, not those that were hashed a moment ago.
                let files = ToolFiles::read_no_links(path).map_err(read)?;
                if files.sha256() != self.sha256 {
                    return Err(ToolsError::Unusable {
                        name: self.name.clone(),
                        reason: format!("{} changed since it was approved", path.display()),
                    });
                }
                self.sandbox.load(&self.name, &files.wasm, &self.limits)?
            }
        };
        *slot = Some(Arc::clone(&tool));
        Ok(tool)
    }
}
