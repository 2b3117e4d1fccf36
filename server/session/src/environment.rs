//! What all sessions of a process share: configuration, journal, tools.

use crate::approvals::JournalApprovals;
use crate::ended::{EndedTurn, EndedTurns};
use crate::misspelt::Misspelt;
use boxagnts_managed::Slots;
use boxagnts_model::{
    Effort, ModelError, ModelInfo, Provider, ProviderKind, ProviderSettings, Reach, Recording,
    RetryPolicy, Settings, ThinkingStyle,
};
use boxagnts_policy::config::{self, Config};
use boxagnts_protocol::conversation::Price;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::{Store, StoreError};
use boxagnts_tools::{ToolFolders, Toolbox};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Problems of a configuration that an editor shows.
const MOST_PROBLEMS: usize = 5;

/// The parts of an [`Environment`].
pub struct EnvironmentParts {
    /// Every knob with its value.
    pub config: Config,
    /// The journal.
    pub store: Store,
    /// The tools and the gate in front of them.
    pub toolbox: Arc<Toolbox>,
}

/// What all sessions of a process share.
pub struct Environment {
    config: Config,
    store: Arc<Store>,
    toolbox: Arc<Toolbox>,
    recording: OnceLock<Arc<Recording>>,
    ended: OnceLock<EndedTurns>,
    /// Where executors run, those of all sessions.
    slots: Arc<Slots>,
    worktrees: OnceLock<PathBuf>,
    user_folder: Option<PathBuf>,
    /// What was wrong when the configuration was read.
    problems: OnceLock<Vec<String>>,
    /// Why the user's configuration is not the one here.
    unconfigured: OnceLock<String>,
    /// Models without a price of which the user was told.
    unpriced: Mutex<BTreeSet<String>>,
}

impl Environment {
    /// Puts the parts together; does no I/O.
    pub fn new(parts: EnvironmentParts) -> Arc<Environment> {
        let slots = Slots::new(parts.config.limits().max_concurrent_executors);
        Arc::new(Environment {
            slots,
            worktrees: OnceLock::new(),
            config: parts.config,
            store: Arc::new(parts.store),
            toolbox: parts.toolbox,
            recording: OnceLock::new(),
            ended: OnceLock::new(),
            user_folder: None,
            problems: OnceLock::new(),
            unconfigured: OnceLock::new(),
            unpriced: Mutex::default(),
        })
    }

    /// As [`Environment::new`], with the tools of these folders that the journal says are approved, and
    /// with the folder that has instructions, commands and skills of the user.
    pub fn of_user(
        parts: EnvironmentParts,
        folders: ToolFolders,
        user_folder: Option<PathBuf>,
    ) -> Arc<Environment> {
        let store = Arc::new(parts.store);
        let approvals = Arc::new(JournalApprovals::new(Arc::clone(&store)));
        let slots = Slots::new(parts.config.limits().max_concurrent_executors);
        Arc::new(Environment {
            slots,
            worktrees: OnceLock::new(),
            config: parts.config,
            store,
            toolbox: Toolbox::for_workspace(&parts.toolbox, folders, approvals),
            recording: OnceLock::new(),
            ended: OnceLock::new(),
            user_folder,
            problems: OnceLock::new(),
            unconfigured: OnceLock::new(),
            unpriced: Mutex::default(),
        })
    }

    /// Where the user keeps instructions, commands and skills of their own.
    pub(crate) fn user_folder(&self) -> Option<&Path> {
        self.user_folder.as_deref()
    }

    /// Says that the user's configuration cannot be read, and why: nothing is taken back that may need it.
    /// The first reason stays.
    pub fn lacks_configuration(&self, reason: String) {
        let _ = self.unconfigured.set(reason);
    }

    /// Why the user's configuration is not the one here; `None` when it is.
    pub(crate) fn unconfigured(&self) -> Option<&str> {
        self.unconfigured.get().map(String::as_str)
    }

    /// Says where worktrees are kept, a folder outside of all workspaces. The first one stays.
    pub fn keep_worktrees(&self, folder: PathBuf) {
        let _ = self.worktrees.set(folder);
    }

    /// Where worktrees are kept; without such a folder there are none.
    pub(crate) fn worktrees(&self) -> Option<&Path> {
        self.worktrees.get().map(PathBuf::as_path)
    }

    /// Where executors run.
    pub(crate) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Every knob with its value.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Keeps what was wrong when the configuration was read, for [`Environment::problems`]. The first
    /// stays.
    pub fn keep_problems(&self, problems: Vec<String>) {
        let _ = self.problems.set(problems);
    }

    /// What is wrong with the configuration and stops nothing, in words for the user of an editor; of very
    /// much the beginning.
    pub fn problems(&self) -> Vec<String> {
        let read = self.problems.get().into_iter().flatten().cloned();
        let mut all: Vec<String> = read.chain(self.misspelt().into_problems()).collect();
        if let Some(more) = all
            .len()
            .checked_sub(MOST_PROBLEMS)
            .filter(|more| *more > 0)
        {
            all.truncate(MOST_PROBLEMS);
            all.push(format!(
                "{more} more problems of the configuration: `boxagnts doctor`"
            ));
        }
        all
    }

    /// What the configuration says of tools that there are not.
    pub fn misspelt(&self) -> Misspelt {
        Misspelt::of(&self.config, &self.toolbox)
    }

    /// The journal.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The journal, for whoever outlives a borrow of the environment.
    pub fn shared_store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// Writes down what models are asked and answer in sessions that are opened from now on. The
    /// first recording stays.
    pub fn record(&self, recording: Arc<Recording>) {
        let _ = self.recording.set(recording);
    }

    /// Tells of every turn that ends from now on. The first listener stays.
    pub fn tell_ended_turns(&self, listener: Sender<EndedTurn>) {
        let _ = self.ended.set(EndedTurns::new(listener));
    }

    /// Appends an event to the journal. Gives its number there.
    pub(crate) fn journal(&self, session: &str, event: &SessionEvent) -> Result<u64, StoreError> {
        let seq = self.store.append(session, event)?;
        if let Some(ended) = self.ended.get() {
            ended.journalled(&self.store, session, seq, event);
        }
        Ok(seq)
    }

    /// Makes a model ready to be asked; speaks to nobody yet.
    pub(crate) fn connect(
        &self,
        config: &Config,
        model: &str,
    ) -> Result<Arc<dyn Provider>, ModelError> {
        let providers = config.providers().iter();
        let settings = Settings {
            providers: providers
                .map(|(name, p)| (name.clone(), provider(p)))
                .collect(),
            max_output_tokens: config.max_output_tokens(),
            models: config
                .models()
                .iter()
                .map(|(pattern, known)| (pattern.clone(), model_info(known)))
                .collect(),
            // Relative paths of scripts are the process's own.
            base_dir: PathBuf::new(),
            retry: RetryPolicy::within(Duration::from_millis(config.limits().model_timeout)),
            proxy: boxagnts_tools::proxy(config).map_err(|reason| ModelError::Proxy { reason })?,
        };
        let provider = boxagnts_model::connect(model, &settings)?;
        Ok(match self.recording.get() {
            Some(recording) => recording.wrap(provider),
            None => provider,
        })
    }

    /// What the user should know of a model without a known price; once for each.
    pub(crate) fn unpriced(&self, config: &Config, provider: &dyn Provider) -> Option<String> {
        let budget = config.limits().total_budget_usd;
        let may_cost = match provider.reach() {
            Reach::Process => false,
            // What runs on this machine is free, unless the user thinks that it is not.
            Reach::Machine => budget.is_finite(),
            Reach::Network => true,
        };
        if !may_cost || provider.price().is_some() {
            return None;
        }
        let model = provider.id();
        let mut told = self.unpriced.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.insert(model.to_owned()) {
            return None;
        }
        let tokens = config.limits().max_tokens_total;
        let budget = match budget.is_finite() {
            true => format!("total_budget_usd = {budget} cannot be kept, and "),
            false => String::new(),
        };
        Some(format!(
            "no price is known for {model}: {budget}max_tokens_total = {tokens} is what limits it; set \
             models.\"{model}\".price in your configuration"
        ))
    }

    /// Whether the configured model could be asked: its name means something and its key can be
    /// had. Asks no model.
    ///
    /// # Errors
    /// What is missing, with the remedy.
    pub async fn check_model(&self) -> Result<(), ModelError> {
        self.connect(self.config(), self.config().model())?
            .check_key()
            .await
    }

    /// As [`Environment::check_model`], for any model, and no command is run that prints its key: it may
    /// ask its user, which is for the request to do.
    ///
    /// # Errors
    /// What is missing, with the remedy.
    pub async fn check_key(&self, model: &str) -> Result<(), ModelError> {
        let provider = model.split(':').next().unwrap_or_default();
        let settings = self.config().providers().get(provider);
        if settings.is_some_and(|settings| settings.api_key_command.is_some()) {
            return Ok(());
        }
        self.connect(self.config(), model)?.check_key().await
    }

    /// The tools and the gate in front of them.
    pub fn toolbox(&self) -> &Arc<Toolbox> {
        &self.toolbox
    }
}

fn price(price: config::Price) -> Price {
    Price {
        input: price.input,
        output: price.output,
        cache_read: price.cache_read,
        cache_write: price.cache_write,
    }
}

fn model_info(known: &config::KnownModel) -> ModelInfo {
    ModelInfo {
        context_window: known.context_window,
        max_output: known.max_output,
        price: known.price.map(price),
        images: known.images,
        thinking: known.thinking.map(|style| match style {
            config::ThinkingStyle::None => ThinkingStyle::None,
            config::ThinkingStyle::Budget => ThinkingStyle::Budget,
            config::ThinkingStyle::Level => ThinkingStyle::Level,
        }),
    }
}

fn provider(provider: &config::Provider) -> ProviderSettings {
    ProviderSettings {
        kind: provider.kind.map(|kind| match kind {
            config::ProviderKind::OpenAiChat => ProviderKind::OpenAiChat,
            config::ProviderKind::OpenAiResponses => ProviderKind::OpenAiResponses,
            config::ProviderKind::Anthropic => ProviderKind::Anthropic,
            config::ProviderKind::Gemini => ProviderKind::Gemini,
            config::ProviderKind::Ollama => ProviderKind::Ollama,
        }),
        base_url: provider.base_url.clone(),
        api_key_env: provider.api_key_env.clone(),
        api_key_command: provider.api_key_command.clone(),
        price: provider.price.map(price),
        effort: provider.effort.map(|effort| match effort {
            config::Effort::Low => Effort::Low,
            config::Effort::Medium => Effort::Medium,
            config::Effort::High => Effort::High,
        }),
    }
}
