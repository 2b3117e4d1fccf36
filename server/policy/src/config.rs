//! Every knob with its value and where the value comes from. Layers of settings are put over each
//! other here; reading files and environment is the caller's.

mod builder;
mod commits;
mod docs;
mod executors;
mod hooks;
mod knobs;
mod misspelt;
mod models;
mod nets;
mod project;
mod providers;
mod proxy;
mod reading;
mod switches;
mod telemetry;
mod tools;

#[cfg(test)]
mod tests;

use crate::limits::Limits;
use crate::mounts::Mounts;
use crate::network::NetworkPolicy;
use crate::permission::Mode;
use crate::rules::{Rules, Verdict};
pub(crate) use knobs::distance;
use knobs::{Knob, Setting};
use nets::{Net, Nets, add};
use std::collections::BTreeMap;
use std::fmt;
use tools::Own;
use url::Url;

pub use builder::Builder;
pub use commits::Author;
pub use docs::{docs_markdown, schema};
pub use executors::{ExecutorBudget, ExecutorKind};
pub use hooks::{Hook, HookEvent};
pub use models::{KnownModel, ThinkingStyle};
pub use providers::{Effort, Price, Provider, ProviderKind};
pub use proxy::Proxy;

/// Where settings come from; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Built into the program.
    Builtin,
    /// The user's own file.
    User,
    /// The workspace's `.boxagnts/config.toml`. Whoever wrote the repository wrote it: it may
    /// only tighten.
    Project,
    /// The editor's settings.
    Editor,
    /// The command line.
    CommandLine,
    /// What was asked for one session.
    Session,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Builtin => "built-in",
            Layer::User => "user",
            Layer::Project => "project",
            Layer::Editor => "editor",
            Layer::CommandLine => "command line",
            Layer::Session => "session",
        })
    }
}

/// Every knob with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    limits: Limits,
    mode: Mode,
    /// The widest mode that the session may be switched to.
    widest_mode: Mode,
    model: String,
    max_output_tokens: u64,
    session_retention_days: u64,
    context_git: bool,
    project_instructions: bool,
    nets: Nets,
    mounts: Mounts,
    rules: Rules,
    proxy: Proxy,
    otlp_endpoint: Option<Url>,
    commit_author: Option<Author>,
    commit_sign_off: bool,
    providers: BTreeMap<String, Provider>,
    models: BTreeMap<String, KnownModel>,
    executors: BTreeMap<String, ExecutorKind>,
    tools: BTreeMap<String, Own>,
    hooks: Vec<Hook>,
    /// What `nets` make.
    network: NetworkPolicy,
    /// What they make with what single tools set.
    tool_networks: BTreeMap<String, NetworkPolicy>,
    /// By the knob's full name.
    origins: BTreeMap<String, String>,
    ignored: Vec<Ignored>,
    /// What it was made of, to put another layer over it.
    layers: Builder,
}

/// One line of `boxagnts config show`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// Full name of the knob.
    pub name: String,
    /// Its value, as it would be written.
    pub value: String,
    /// Layer and place that the value comes from.
    pub origin: String,
    /// What it means.
    pub doc: String,
}

/// A setting that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Ignored {
    /// Full name of the knob.
    pub name: String,
    /// Where it was set.
    pub origin: String,
    /// Why it was not taken.
    pub reason: String,
}

/// Why settings cannot be used. Nothing of their layer is taken then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {message}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ConfigError {
    /// File, or what stands for it.
    pub origin: String,
    /// Line in it, from 1.
    pub line: Option<usize>,
    /// Key, what is wrong, and what would be right.
    pub message: String,
}

/// A mode is wider than the configuration allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "mode `{}` is wider than the project's configuration allows, which is `{}`; set `mode` in the \
     editor's settings or on the command line",
    mode.name(),
    widest.name()
)]
pub struct ModeError {
    /// What was asked for.
    pub mode: Mode,
    /// What is allowed.
    pub widest: Mode,
}

impl Config {
    /// The built-in values.
    pub fn builtin() -> Config {
        Config {
            limits: Limits::builtin(),
            mode: Mode::Review,
            widest_mode: Mode::Auto,
            model: "builtin".to_owned(),
            max_output_tokens: 8192,
            session_retention_days: 0,
            context_git: true,
            project_instructions: true,
            nets: Nets::builtin(),
            mounts: Mounts::none(),
            rules: Rules::default(),
            proxy: Proxy::None,
            otlp_endpoint: None,
            commit_author: None,
            commit_sign_off: false,
            providers: BTreeMap::new(),
            models: BTreeMap::new(),
            executors: BTreeMap::new(),
            tools: BTreeMap::new(),
            hooks: Vec::new(),
            network: NetworkPolicy::closed(),
            tool_networks: BTreeMap::new(),
            origins: BTreeMap::new(),
            ignored: Vec::new(),
            layers: Builder::new(),
        }
    }

    /// The same with the settings of one session over it: an object with the same keys.
    ///
    /// # Errors
    /// A value that cannot be used, or an unknown key.
    pub fn for_session(&self, settings: &serde_json::Value) -> Result<Config, ConfigError> {
        let mut layers = self.layers.clone();
        layers.add_json(Layer::Session, "settings of the session", settings)?;
        Ok(layers.build())
    }

    /// Starts from the built-in values.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The limits, where a tool has none of its own ([`Config::limits_of`]).
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How sessions treat what their tools want.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The widest mode that its user may switch a session to: what a project tightened stays so until a
    /// later layer says otherwise.
    pub fn widest_mode(&self) -> Mode {
        self.widest_mode
    }

    /// The same in another mode, which the user chose while a session runs.
    ///
    /// # Errors
    /// The mode is wider than [`Config::widest_mode`].
    pub fn with_mode(&self, mode: Mode) -> Result<Config, ModeError> {
        if mode.wider(self.widest_mode) != self.widest_mode {
            return Err(ModeError {
                mode,
                widest: self.widest_mode,
            });
        }
        let mut config = self.clone();
        config.mode = mode;
        Ok(config)
    }

    /// `provider:model`.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Tokens that one answer of a model may have.
    pub fn max_output_tokens(&self) -> u64 {
        self.max_output_tokens
    }

    /// Days after which sessions in which nothing waits are removed; 0 keeps them.
    pub fn session_retention_days(&self) -> u64 {
        self.session_retention_days
    }

    /// Whether the model is told of the repository's state.
    pub fn context_git(&self) -> bool {
        self.context_git
    }

    /// Whether the model is told what the workspace says to agents.
    pub fn project_instructions(&self) -> bool {
        self.project_instructions
    }

    /// How to reach providers, by name.
    pub fn providers(&self) -> &BTreeMap<String, Provider> {
        &self.providers
    }

    /// What the user knows of models, by patterns over `provider:model`.
    pub fn models(&self) -> &BTreeMap<String, KnownModel> {
        &self.models
    }

    /// The kinds of executors that a model may have, by name.
    pub fn executors(&self) -> &BTreeMap<String, ExecutorKind> {
        &self.executors
    }

    /// Where tools may connect to, where a tool has no rule of its own ([`Config::network_of`]).
    pub fn network(&self) -> &NetworkPolicy {
        &self.network
    }

    /// Which calls are allowed, asked about and denied.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where tools begin, and which folders of the machine they also see.
    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// What connections go through.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Base URL of the OTLP collector that traces of turns are sent to; `None` sends nothing.
    pub fn otlp_endpoint(&self) -> Option<&Url> {
        self.otlp_endpoint.as_ref()
    }

    /// Who made the changes in commits to a branch; `None` is git's user.
    pub fn commit_author(&self) -> Option<&Author> {
        self.commit_author.as_ref()
    }

    /// Whether git's user signs off commits to a branch.
    pub fn commit_sign_off(&self) -> bool {
        self.commit_sign_off
    }

    /// The limits of one tool.
    pub fn limits_of(&self, tool: &str) -> Limits {
        match self.tools.get(tool) {
            Some(own) => own.limits(&self.limits),
            None => self.limits.clone(),
        }
    }

    /// Where one tool may connect to.
    pub fn network_of(&self, tool: &str) -> NetworkPolicy {
        let network = self.tool_networks.get(tool);
        network.unwrap_or(&self.network).clone()
    }

    /// Settings that were not taken, and why.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// Every knob with value and origin. Keys of providers are not among them, only the names of
    /// the variables and commands that give the keys.
    pub fn shown(&self) -> Vec<Shown> {
        let knobs = Knob::all()
            .into_iter()
            .map(|knob| (knob.name(), knob.value(self), knob.doc()));
        let providers = self.providers.iter().flat_map(|(name, provider)| {
            provider
                .shown()
                .into_iter()
                .map(move |(field, value, doc)| {
                    (format!("providers.{name}.{field}"), value, doc.to_owned())
                })
        });
        let models = self.models.iter().flat_map(|(pattern, known)| {
            let shown = known.shown().into_iter();
            shown.map(move |(field, value, doc)| {
                (format!("models.{pattern}.{field}"), value, doc.to_owned())
            })
        });
        let executors = self.executors.iter().flat_map(|(name, kind)| {
            let shown = kind.shown().into_iter();
            shown.map(move |(field, value, doc)| {
                (format!("executors.{name}.{field}"), value, doc.to_owned())
            })
        });
        let tools = self
            .tools
            .iter()
            .flat_map(|(name, own)| self.shown_of(name, own));
        knobs
            .chain(providers)
            .chain(models)
            .chain(executors)
            .map(|(name, value, doc)| {
                let origin = self.origin(&name);
                Shown {
                    name,
                    value,
                    origin,
                    doc,
                }
            })
            .chain(tools)
            .collect()
    }

    /// Layer and place that a knob's value comes from.
    pub fn origin(&self, name: &str) -> String {
        let origin = self.origins.get(name).cloned();
        origin.unwrap_or_else(|| Layer::Builtin.to_string())
    }

    /// What is set for one tool, with the values that it comes to.
    fn shown_of(&self, tool: &str, own: &Own) -> Vec<Shown> {
        let limits = own.limits(&self.limits);
        let nets = own.nets(&self.nets);
        let shown = |key: &str, value: String, with_all: bool| {
            let name = format!("tools.{tool}.{key}");
            let mut origin = self.origin(&name);
            if with_all {
                origin = format!("{} + {origin}", self.origin(key));
            }
            Shown {
                name,
                value,
                origin,
                doc: format!("As `{key}`, for this tool alone."),
            }
        };
        let set_nets = own.set_nets().into_iter().map(|(net, with_all)| {
            let with_all = with_all && !self.nets.get(net).is_empty();
            shown(net.name(), knobs::shown_list(nets.get(net)), with_all)
        });
        let set_limits = own.set_limits().map(|limit| {
            let value = knobs::written(limit, limits.get(limit));
            shown(limit.name(), value, false)
        });
        set_nets.chain(set_limits).collect()
    }

    fn nets_of(&self, tool: &str) -> Nets {
        match self.tools.get(tool) {
            Some(own) => own.nets(&self.nets),
            None => self.nets.clone(),
        }
    }

    fn apply(&mut self, layer: Layer, setting: &Setting) {
        let accumulates = setting.accumulates(layer);
        match setting {
            Setting::Limit(limit, value) => self.limits.put(*limit, *value),
            Setting::Mode(mode) => {
                self.mode = *mode;
                // A project holds until its user says otherwise.
                self.widest_mode = match layer {
                    Layer::Project => *mode,
                    _ => self.widest_mode.wider(*mode),
                };
            }
            Setting::Model(model) => self.model.clone_from(model),
            Setting::MaxOutputTokens(tokens) => self.max_output_tokens = *tokens,
            Setting::SessionRetentionDays(days) => self.session_retention_days = *days,
            Setting::Switch(switch, on) => switch.put(self, *on),
            Setting::Net(net, entries) if accumulates => add(self.nets.get_mut(*net), entries),
            Setting::Net(net, entries) => self.nets.get_mut(*net).clone_from(entries),
            Setting::WorkDir(path) => self.mounts.work_dir = path.clone(),
            Setting::MapDirs(dirs) => self.mounts.dirs.clone_from(dirs),
            Setting::Rules(Verdict::Allow, rules) => self.rules.allow.clone_from(rules),
            Setting::Rules(Verdict::Ask, rules) => add(&mut self.rules.ask, rules),
            Setting::Rules(Verdict::Deny, rules) => add(&mut self.rules.deny, rules),
            Setting::Proxy(proxy) => self.proxy = proxy.clone(),
            Setting::OtlpEndpoint(endpoint) => self.otlp_endpoint.clone_from(endpoint),
            Setting::CommitAuthor(author) => self.commit_author.clone_from(author),
            Setting::Hooks(hooks) => self.add_hooks(layer, hooks),
            Setting::Provider(name, field) => {
                field.put(self.providers.entry(name.clone()).or_default());
            }
            Setting::Known(pattern, field) => {
                field.put(self.models.entry(pattern.clone()).or_default());
            }
            Setting::Executor(name, field) => {
                field.put(self.executors.entry(name.clone()).or_default());
            }
            Setting::Tool(name, setting) => {
                let own = self.tools.entry(name.clone()).or_default();
                own.apply(layer == Layer::Project, setting);
            }
        }
    }

    /// Notes one more origin of a list that layers add to.
    fn add_origin(&mut self, name: String, origin: String) {
        let has_builtin = Net::ALL
            .into_iter()
            .any(|net| net.name() == name && !Nets::builtin().get(net).is_empty());
        let now = match self.origins.get(&name) {
            Some(now) => Some(now.clone()),
            None => has_builtin.then(|| Layer::Builtin.to_string()),
        };
        let origin = match now {
            Some(now) => format!("{now} + {origin}"),
            None => origin,
        };
        self.origins.insert(name, origin);
    }

    /// Makes of the texts what is asked.
    fn compile(&mut self) {
        self.network = self.nets.policy();
        let tools = self.tools.iter();
        self.tool_networks = tools
            .map(|(name, own)| (name.clone(), own.nets(&self.nets).policy()))
            .collect();
    }
}
