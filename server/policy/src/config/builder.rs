//! Layers of settings, gathered and put over each other.

use super::knobs::{self, Setting};
use super::{Config, ConfigError, Ignored, Layer, reading};
use crate::limits::Limit;
use crate::rules::Verdict;
use serde_json::Value;

/// Text that the rules of a project may have together: preparing them takes time and memory at
/// every start, and anyone can write a project file.
const MAX_PROJECT_RULE_BYTES: usize = 64 * 1024;

/// Gathers layers of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Builder {
    settings: Vec<(Layer, String, Setting)>,
    ignored: Vec<Ignored>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            settings: Vec::new(),
            ignored: Vec::new(),
        }
    }

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
    /// `providers.NAME.FIELD`, those of models `models.PATTERN.FIELD`, those of one tool `tools.NAME.KEY`; lists are separated by commas, and
    /// empty text is an empty list.
    ///
    /// # Errors
    /// Unknown key, or a value that cannot be used.
    pub fn set(&mut self, layer: Layer, key: &str, text: &str) -> Result<(), ConfigError> {
        let setting = knobs::setting(key, &knobs::value_of_text(key, text)).map_err(|message| {
            ConfigError {
                origin: layer.to_string(),
                line: None,
                message,
            }
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
        let mut bytes_left = MAX_PROJECT_RULE_BYTES;
        for (key, mut value) in leaves {
            if layer == Layer::Project
                && let Some(reason) = cap_rules(&key, &mut value, &mut bytes_left)
            {
                self.ignored.push(Ignored {
                    name: key.clone(),
                    origin: origin.to_owned(),
                    reason,
                });
            }
            match knobs::setting(&key, &value) {
                Ok(setting) => settings.push((layer, format!("{layer} ({origin})"), setting)),
                // Anyone can write a project file: it must not be able to stop the program.
                Err(reason) if layer == Layer::Project => {
                    let name = match knobs::breaks_lines(&key) {
                        true => key.escape_debug().to_string(),
                        false => key,
                    };
                    self.ignored.push(Ignored {
                        name,
                        origin: origin.to_owned(),
                        reason,
                    });
                }
                Err(message) => {
                    return Err(ConfigError {
                        origin: origin.to_owned(),
                        line: line(&key),
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
        config.layers = self.clone();
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
                    if setting.accumulates(layer) {
                        if setting.is_empty() {
                            continue;
                        }
                        config.add_origin(name, origin);
                    } else {
                        config.origins.insert(name, origin);
                    }
                    config.apply(layer, &setting);
                }
            }
        }
        config.compile();
        config
    }
}

/// Cuts off the rules that do not fit any more, and says so.
fn cap_rules(key: &str, value: &mut Value, bytes_left: &mut usize) -> Option<String> {
    let kinds = [Verdict::Allow, Verdict::Ask, Verdict::Deny];
    if !kinds.iter().any(|verdict| verdict.knob() == key) {
        return None;
    }
    let rules = value.as_array_mut()?;
    let fitting = rules.iter().take_while(|rule| {
        let left = bytes_left.checked_sub(rule.as_str().map_or(0, str::len));
        // What comes after the first that does not fit is cut off, too.
        *bytes_left = left.unwrap_or(0);
        left.is_some()
    });
    let fitting = fitting.count();
    let cut = rules.len() - fitting;
    rules.truncate(fitting);
    (cut > 0).then(|| {
        format!(
            "the last {cut} rules are left out: those of a project have at most \
             {MAX_PROJECT_RULE_BYTES} bytes together"
        )
    })
}
