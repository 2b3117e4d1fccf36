//! Every knob with its value and where the value comes from. Layers of settings are put over each
//! other here; reading files and environment is the caller's.

mod knobs;
mod reading;

#[cfg(test)]
mod tests;

use crate::limits::{Limit, Limits};
use crate::permission::Mode;
use knobs::{Knob, Setting};
use std::collections::BTreeMap;
use std::fmt;

pub use knobs::{docs_markdown, schema};

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
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Builtin => "built-in",
            Layer::User => "user",
            Layer::Project => "project",
            Layer::Editor => "editor",
            Layer::CommandLine => "command line",
        })
    }
}

/// Wire formats of model providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// Chat Completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Input tokens.
    pub input: f64,
    /// Output tokens.
    pub output: f64,
    /// Cached input tokens, read; as `input` when not set.
    pub cache_read: f64,
    /// Cached input tokens, written; as `input` when not set.
    pub cache_write: f64,
}

/// How to reach a model provider. A field that is not set has the provider's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provider {
    /// Its wire format.
    pub kind: Option<ProviderKind>,
    /// Where its API lives.
    pub base_url: Option<String>,
    /// Environment variable that has the key.
    pub api_key_env: Option<String>,
    /// Program and arguments that print the key.
    pub api_key_command: Option<Vec<String>>,
    /// What it costs.
    pub price: Option<Price>,
}

/// Every knob with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    limits: Limits,
    mode: Mode,
    model: String,
    max_output_tokens: u64,
    providers: BTreeMap<String, Provider>,
    /// By the knob's full name.
    origins: BTreeMap<String, String>,
    ignored: Vec<Ignored>,
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

impl Config {
    /// The built-in values.
    pub fn builtin() -> Config {
        Config {
            limits: Limits::builtin(),
            mode: Mode::Review,
            model: "builtin".to_owned(),
            max_output_tokens: 8192,
            providers: BTreeMap::new(),
            origins: BTreeMap::new(),
            ignored: Vec::new(),
        }
    }

    /// Starts from the built-in values.
    pub fn builder() -> Builder {
        Builder {
            settings: Vec::new(),
            ignored: Vec::new(),
        }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How sessions treat what their tools want.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// `provider:model`.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Tokens that one answer of a model may have.
    pub fn max_output_tokens(&self) -> u64 {
        self.max_output_tokens
    }

    /// How to reach providers, by name.
    pub fn providers(&self) -> &BTreeMap<String, Provider> {
        &self.providers
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
        knobs
            .chain(providers)
            .map(|(name, value, doc)| {
                let origin = self.origins.get(&name);
                let origin = origin
                    .cloned()
                    .unwrap_or_else(|| Layer::Builtin.to_string());
                Shown {
                    name,
                    value,
                    origin,
                    doc,
                }
            })
            .collect()
    }

    fn apply(&mut self, setting: &Setting) {
        match setting {
            Setting::Limit(limit, value) => self.limits.put(*limit, *value),
            Setting::Mode(mode) => self.mode = *mode,
            Setting::Model(model) => self.model.clone_from(model),
            Setting::MaxOutputTokens(tokens) => self.max_output_tokens = *tokens,
            Setting::Provider(name, field) => {
                field.put(self.providers.entry(name.clone()).or_default());
            }
        }
    }

    /// Why a project may not set this over what is set already.
    fn loosens(&self, setting: &Setting) -> Option<String> {
        match setting {
            Setting::Limit(limit, value) => {
                let now = self.limits.get(*limit);
                (*value > now).then(|| {
                    format!(
                        "a project may only tighten: {} is more than {}",
                        limit.display(*value),
                        limit.display(now)
                    )
                })
            }
            Setting::Mode(mode) => (strictness(*mode) < strictness(self.mode))
                .then(|| "a project may only choose a stricter mode".to_owned()),
            Setting::MaxOutputTokens(tokens) => (*tokens > self.max_output_tokens)
                .then(|| format!("a project may only tighten: now {}", self.max_output_tokens)),
            Setting::Model(_) | Setting::Provider(..) => Some(
                "a project may not choose where your code is sent; set it in your own \
                 configuration"
                    .to_owned(),
            ),
        }
    }
}

fn strictness(mode: Mode) -> u8 {
    match mode {
        Mode::Auto => 0,
        Mode::Review => 1,
        Mode::Plan => 2,
    }
}

/// Gathers layers of settings.
#[derive(Debug)]
pub struct Builder {
    settings: Vec<(Layer, String, Setting)>,
    ignored: Vec<Ignored>,
}

impl Builder {
    /// Adds a TOML text. `origin` is its path, for messages.
    ///
    /// # Errors
    /// Text that is no TOML, a value that cannot be used, an unknown key. For the project layer
    /// only the first is an error; what cannot be used is reported by [`Config::ignored`].
    pub fn add_toml(&mut self, layer: Layer, origin: &str, text: &str) -> Result<(), ConfigError> {
        let value = reading::parse_toml(origin, text)?;
        self.add(layer, origin, &value, |key| reading::line_of(text, key))
    }

    /// Adds settings of an editor: an object with the same keys; `null` is as good as absent.
    ///
    /// # Errors
    /// As [`Builder::add_toml`].
    pub fn add_json(
        &mut self,
        layer: Layer,
        origin: &str,
        value: &serde_json::Value,
    ) -> Result<(), ConfigError> {
        self.add(layer, origin, value, |_| None)
    }

    /// Sets one knob from text, as in `--limit wasm_timeout=5s`. Knobs of providers are named
    /// `providers.NAME.FIELD`.
    ///
    /// # Errors
    /// Unknown key, or a value that cannot be used.
    pub fn set(&mut self, layer: Layer, key: &str, text: &str) -> Result<(), ConfigError> {
        let value = serde_json::Value::String(text.to_owned());
        let setting = knobs::setting(key, &value).map_err(|message| ConfigError {
            origin: layer.to_string(),
            line: None,
            message,
        })?;
        self.settings.push((layer, layer.to_string(), setting));
        Ok(())
    }

    /// Sets a limit that is known to be one.
    pub fn limit(&mut self, layer: Layer, limit: Limit, value: f64) {
        self.settings
            .push((layer, layer.to_string(), Setting::Limit(limit, value)));
    }

    fn add(
        &mut self,
        layer: Layer,
        origin: &str,
        value: &serde_json::Value,
        line: impl Fn(&str) -> Option<usize>,
    ) -> Result<(), ConfigError> {
        let leaves = reading::leaves(value).map_err(|message| ConfigError {
            origin: origin.to_owned(),
            line: None,
            message,
        })?;
        let mut settings = Vec::new();
        for (key, value) in leaves {
            match knobs::setting(&key, &value) {
                Ok(setting) => settings.push((layer, format!("{layer} ({origin})"), setting)),
                // Anyone can write a project file: it must not be able to stop the program.
                Err(reason) if layer == Layer::Project => {
                    self.ignored.push(Ignored {
                        name: key,
                        origin: origin.to_owned(),
                        reason,
                    });
                }
                Err(message) => {
                    let line = line(key.rsplit('.').next().unwrap_or(&key));
                    return Err(ConfigError {
                        origin: origin.to_owned(),
                        line,
                        message,
                    });
                }
            }
        }
        self.settings.extend(settings);
        Ok(())
    }

    /// Puts the layers over each other, whatever the order in which they were added.
    pub fn build(mut self) -> Config {
        let mut config = Config::builtin();
        config.ignored = self.ignored;
        self.settings.sort_by_key(|(layer, ..)| *layer);
        for (layer, origin, setting) in self.settings {
            let name = setting.name();
            let refusal = if layer == Layer::Project {
                config.loosens(&setting)
            } else {
                None
            };
            match refusal {
                Some(reason) => config.ignored.push(Ignored {
                    name,
                    origin,
                    reason,
                }),
                None => {
                    config.apply(&setting);
                    config.origins.insert(name, origin);
                }
            }
        }
        config
    }
}
