//! The declaration of every knob: from it come parser, display, JSON Schema and documentation.

use super::commits::{self, Author};
use super::executors::ExecutorField;
use super::hooks::{self, Hook};
use super::models::{KnownField, known_field};
use super::nets::Net;
use super::providers::{Field, provider_field};
use super::proxy::Proxy;
use super::switches::Switch;
use super::telemetry;
use super::tools::ToolSetting;
use super::{Config, Layer};
use crate::limits::{self, Limit, Unit};
use crate::mounts::{self, Mount};
use crate::path::WorkspacePath;
use crate::permission::Mode;
use crate::rules::{self, Rule, Verdict};
use serde_json::{Value, json};
use url::Url;

/// Rules that one layer may have of a kind: each of them is prepared at every start, and a
/// repository may bring some.
const MAX_RULES: usize = 500;

/// A top-level knob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knob {
    Model,
    Mode,
    MaxOutputTokens,
    SessionRetentionDays,
    Switch(Switch),
    Net(Net),
    WorkDir,
    MapDirs,
    Rules(Verdict),
    Hooks,
    Proxy,
    OtlpEndpoint,
    CommitAuthor,
    Limit(Limit),
}

/// A knob with a value that was checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Setting {
    Limit(Limit, f64),
    Mode(Mode),
    Model(String),
    MaxOutputTokens(u64),
    SessionRetentionDays(u64),
    Switch(Switch, bool),
    Net(Net, Vec<String>),
    WorkDir(WorkspacePath),
    MapDirs(Vec<Mount>),
    Rules(Verdict, Vec<Rule>),
    Hooks(Vec<Hook>),
    Proxy(Proxy),
    OtlpEndpoint(Option<Url>),
    CommitAuthor(Option<Author>),
    Provider(String, Field),
    Known(String, KnownField),
    Tool(String, ToolSetting),
    Executor(String, ExecutorField),
}

impl Knob {
    pub(super) fn all() -> Vec<Knob> {
        let mut all = vec![
            Knob::Model,
            Knob::Mode,
            Knob::MaxOutputTokens,
            Knob::SessionRetentionDays,
        ];
        all.extend(Switch::ALL.map(Knob::Switch));
        all.extend(Net::ALL.map(Knob::Net));
        all.extend([Knob::WorkDir, Knob::MapDirs]);
        all.extend([Verdict::Allow, Verdict::Ask, Verdict::Deny].map(Knob::Rules));
        all.extend([
            Knob::Hooks,
            Knob::Proxy,
            Knob::OtlpEndpoint,
            Knob::CommitAuthor,
        ]);
        all.extend(Limit::ALL.iter().copied().map(Knob::Limit));
        all
    }

    pub(super) fn name(self) -> String {
        match self {
            Knob::Model => "model",
            Knob::Mode => "mode",
            Knob::MaxOutputTokens => "max_output_tokens",
            Knob::SessionRetentionDays => "session_retention_days",
            Knob::Switch(switch) => switch.name(),
            Knob::Net(net) => net.name(),
            Knob::WorkDir => "work_dir",
            Knob::MapDirs => "map_dirs",
            Knob::Rules(verdict) => verdict.knob(),
            Knob::Hooks => "hooks",
            Knob::Proxy => "proxy",
            Knob::OtlpEndpoint => "otlp_endpoint",
            Knob::CommitAuthor => "commit_author",
            Knob::Limit(limit) => limit.name(),
        }
        .to_owned()
    }

    pub(super) fn doc(self) -> String {
        match self {
            Knob::Model => {
                "Model as `provider:model`: `builtin`, `anthropic:…`, `openai:…`, `gemini:…`, \
                 `ollama:…`, a service such as `groq:…` or `openrouter:…`, `scripted:FILE`, \
                 `replay:FILE`, or `NAME:…` of a provider in `[providers.NAME]`."
            }
            Knob::Mode => {
                "`plan` only reads, `review` proposes hunks, `auto` also accepts them at the end \
                 of a turn (never those in dangerous files)."
            }
            Knob::MaxOutputTokens => "Tokens that one answer of the model may have.",
            Knob::SessionRetentionDays => {
                "Days after which a session of the folder is removed from the journal, when the \
                 folder is next worked in: nothing happened in it since, no hunk of it waits, and \
                 nobody has it open. 0 keeps all."
            }
            Knob::Switch(switch) => switch.doc(),
            Knob::Net(net) => net.doc(),
            Knob::WorkDir => "Folder of the workspace that tools begin in.",
            Knob::MapDirs => {
                "Folders of the machine that tools also see, as `HOST:GUEST`, with `:ro` (as \
                 without) or `:rw` (changes are proposed) at the end. HOST is absolute or begins \
                 with `~/`, GUEST is a folder in the workspace."
            }
            Knob::Rules(Verdict::Allow) => {
                "Calls that need no question, as `TOOL` or `TOOL(ARGUMENT=GLOB, …)`; a value with \
                 a comma or a parenthesis is put into double quotes. TOOL is a glob, too: `*` is \
                 every tool. The argument `path` is also `from` and `to` of what has no `path`. A \
                 shell command that is several is allowed only by a rule that is its very text."
            }
            Knob::Rules(Verdict::Ask) => {
                "Calls that are asked about whatever their level, written as in `allow`, and \
                 stronger. Every layer adds to it."
            }
            Knob::Rules(Verdict::Deny) => {
                "Calls that are never made, written as in `allow`, and stronger than all else. \
                 Every layer adds to it."
            }
            Knob::Hooks => {
                "Tools that run at points of every session, as tables `[[hooks]]` with `event` \
                 (`before_tool`, `after_tool`, `stop`, `accept`), `tool`, and where wanted `matcher` \
                 (a rule as in `ask`), `input` and `timeout`. Every layer adds to it."
            }
            Knob::Proxy => {
                "What connections go through: `none`, `environment` (what `HTTPS_PROXY` and its \
                 like say) or `http://host:port`."
            }
            Knob::OtlpEndpoint => {
                "Where traces of turns are sent by OTLP over HTTP: `none`, or the base URL of a \
                 collector, such as `http://localhost:4318`. They have names, times, counts and \
                 costs, and nothing that was said or read. Keys and the format are taken from \
                 `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_EXPORTER_OTLP_PROTOCOL` \
                 (`http/protobuf` or `http/json`). Works in programs that are built with the \
                 feature `otlp`."
            }
            Knob::CommitAuthor => {
                "Who made the change, in commits to a branch: `git` (the user of the repository, who \
                 commits in any case) or `Name <address>`."
            }
            Knob::Limit(limit) => limit.doc(),
        }
        .to_owned()
    }

    pub(super) fn value(self, config: &Config) -> String {
        match self {
            Knob::Model => config.model.clone(),
            Knob::Mode => config.mode.name().to_owned(),
            Knob::MaxOutputTokens => config.max_output_tokens.to_string(),
            Knob::SessionRetentionDays => config.session_retention_days.to_string(),
            Knob::Switch(switch) => switch.get(config).to_string(),
            Knob::Net(_) | Knob::MapDirs | Knob::Rules(_) | Knob::Hooks => {
                shown_list(&self.list(config))
            }
            Knob::WorkDir => config.mounts.work_dir.to_string(),
            Knob::Proxy => config.proxy.to_string(),
            Knob::OtlpEndpoint => telemetry::shown(config.otlp_endpoint.as_ref()),
            Knob::CommitAuthor => commits::shown(config.commit_author.as_ref()),
            Knob::Limit(limit) => written(limit, config.limits.get(limit)),
        }
    }

    /// The entries of what is a list.
    fn list(self, config: &Config) -> Vec<String> {
        match self {
            Knob::Net(net) => config.nets.get(net).to_vec(),
            Knob::MapDirs => config.mounts.dirs.iter().map(Mount::to_string).collect(),
            Knob::Rules(verdict) => {
                let rules = config.rules.of(verdict).iter();
                rules.map(Rule::to_string).collect()
            }
            Knob::Hooks => config.hooks.iter().map(Hook::shown).collect(),
            _ => Vec::new(),
        }
    }

    fn is_list(self) -> bool {
        matches!(self, Knob::Net(_) | Knob::MapDirs | Knob::Rules(_))
    }

    pub(super) fn schema(self) -> Value {
        let default = self.value(&Config::builtin());
        let mut schema = match self {
            Knob::Model => json!({"type": "string"}),
            Knob::Mode => json!({"enum": ["plan", "review", "auto"]}),
            Knob::MaxOutputTokens => json!({"type": "integer", "minimum": 1}),
            Knob::SessionRetentionDays => json!({"type": "integer", "minimum": 0}),
            Knob::Switch(_) => json!({"type": "boolean"}),
            Knob::Net(_) | Knob::MapDirs | Knob::Rules(_) => list_schema(),
            Knob::Hooks => hooks::schema(),
            Knob::WorkDir | Knob::Proxy | Knob::OtlpEndpoint | Knob::CommitAuthor => {
                json!({"type": "string"})
            }
            Knob::Limit(limit) => limit_schema(limit),
        };
        schema["description"] = json!(self.doc());
        if let Knob::Switch(switch) = self {
            schema["default"] = json!(switch.get(&Config::builtin()));
            return schema;
        }
        if self.is_list() || self == Knob::Hooks {
            schema["default"] = json!(self.list(&Config::builtin()));
            return schema;
        }
        schema["default"] = default.parse::<u64>().map_or(json!(default), |n| json!(n));
        schema
    }
}

pub(super) fn list_schema() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

pub(super) fn limit_schema(limit: Limit) -> Value {
    if limit.unit() != Unit::Count {
        return json!({"type": ["string", "number"]});
    }
    let (min, max) = limit.bounds();
    json!({"type": "integer", "minimum": min, "maximum": max})
}

/// A list as it would be written in a file.
pub(super) fn shown_list(entries: &[String]) -> String {
    let quoted: Vec<String> = entries
        .iter()
        .map(|entry| json!(entry).to_string())
        .collect();
    format!("[{}]", quoted.join(", "))
}

/// A limit's value as it would be written in a file.
pub(super) fn written(limit: Limit, value: f64) -> String {
    match limit.unit() {
        Unit::Milliseconds => format!("{value:.0}ms"),
        Unit::UsDollars if value.is_finite() => format!("{value}"),
        Unit::UsDollars => "none".to_owned(),
        Unit::Count | Unit::Bytes => format!("{value:.0}"),
    }
}

impl Setting {
    pub(super) fn name(&self) -> String {
        match self {
            Setting::Limit(limit, _) => limit.name().to_owned(),
            Setting::Mode(_) => Knob::Mode.name(),
            Setting::Model(_) => Knob::Model.name(),
            Setting::MaxOutputTokens(_) => Knob::MaxOutputTokens.name(),
            Setting::SessionRetentionDays(_) => Knob::SessionRetentionDays.name(),
            Setting::Switch(switch, _) => switch.name().to_owned(),
            Setting::Net(net, _) => Knob::Net(*net).name(),
            Setting::WorkDir(_) => Knob::WorkDir.name(),
            Setting::MapDirs(_) => Knob::MapDirs.name(),
            Setting::Rules(verdict, _) => Knob::Rules(*verdict).name(),
            Setting::Hooks(_) => Knob::Hooks.name(),
            Setting::Proxy(_) => Knob::Proxy.name(),
            Setting::OtlpEndpoint(_) => Knob::OtlpEndpoint.name(),
            Setting::CommitAuthor(_) => Knob::CommitAuthor.name(),
            Setting::Provider(name, field) => format!("providers.{name}.{}", field.name()),
            Setting::Known(pattern, field) => format!("models.{pattern}.{}", field.name()),
            Setting::Tool(name, setting) => format!("tools.{name}.{}", setting.field()),
            Setting::Executor(name, field) => format!("executors.{name}.{}", field.name()),
        }
    }

    /// Whether it is added to what earlier layers say, instead of in its place.
    pub(super) fn accumulates(&self, layer: Layer) -> bool {
        match self {
            Setting::Rules(verdict, _) => *verdict != Verdict::Allow,
            Setting::Hooks(_) => true,
            Setting::Net(net, _) | Setting::Tool(_, ToolSetting::Net(net, _)) => {
                *net == Net::BlockUrl || (*net == Net::BlockNetworks && layer == Layer::Project)
            }
            _ => false,
        }
    }

    /// Whether it is a list of nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Setting::Rules(_, rules) => rules.is_empty(),
            Setting::Hooks(hooks) => hooks.is_empty(),
            Setting::MapDirs(dirs) => dirs.is_empty(),
            Setting::Net(_, entries) | Setting::Tool(_, ToolSetting::Net(_, entries)) => {
                entries.is_empty()
            }
            _ => false,
        }
    }
}

/// The value that a text means for this key: lists are separated by commas.
pub(super) fn value_of_text(key: &str, text: &str) -> Value {
    let name = match key.strip_prefix("tools.") {
        Some(rest) => rest.rsplit('.').next().unwrap_or_default(),
        None => key,
    };
    let entries: Vec<&str> = match Knob::all().into_iter().find(|knob| knob.name() == name) {
        Some(knob) if knob.is_list() && text.trim().is_empty() => Vec::new(),
        Some(Knob::Rules(_)) => rules::split_list(text),
        Some(knob) if knob.is_list() => text.split(',').collect(),
        _ => return json!(text),
    };
    entries.into_iter().map(str::trim).collect()
}

/// Whether a key could pass for other lines, or move the cursor, where it is shown.
pub(super) fn breaks_lines(key: &str) -> bool {
    key.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Checks one key and its value.
pub(super) fn setting(key: &str, value: &Value) -> Result<Setting, String> {
    if breaks_lines(key) {
        return Err(format!(
            "`{}`: a key has no control characters and no line breaks",
            key.escape_debug()
        ));
    }
    if let Some(rest) = key.strip_prefix("providers.") {
        // Names may have dots, fields have none.
        let Some((name, field)) = rest.rsplit_once('.') else {
            return Err(format!(
                "`{key}` needs a field: providers.NAME.base_url, say"
            ));
        };
        if name.is_empty() || name.contains(':') {
            return Err(format!(
                "`{key}`: a provider's name is not empty and has no `:`"
            ));
        }
        return Ok(Setting::Provider(
            name.to_owned(),
            provider_field(key, field, value)?,
        ));
    }
    if let Some(rest) = key.strip_prefix("models.") {
        // Patterns may have dots, fields have none.
        let Some((pattern, field)) = rest.rsplit_once('.') else {
            return Err(format!(
                "`{key}` needs a field: models.\"provider:model\".price, say"
            ));
        };
        if !pattern.contains([':', '*']) {
            return Err(format!(
                "`{key}`: `{pattern}` stands for no model; write `provider:model`, with `*` for \
                 anything"
            ));
        }
        let field = known_field(key, field, value)?;
        return Ok(Setting::Known(pattern.to_owned(), field));
    }
    if let Some(rest) = key.strip_prefix("executors.") {
        let Some((name, field)) = rest.rsplit_once('.') else {
            return Err(format!("`{key}` needs a field: executors.NAME.model, say"));
        };
        if name.trim().is_empty() {
            return Err(format!("`{key}`: a kind of executor has a name"));
        }
        let field = ExecutorField::parse(key, field, value)?;
        return Ok(Setting::Executor(name.to_owned(), field));
    }
    if let Some(rest) = key.strip_prefix("tools.") {
        let Some((name, field)) = rest.rsplit_once('.') else {
            return Err(format!("`{key}` needs a key: tools.NAME.wasm_timeout, say"));
        };
        if name.trim().is_empty() {
            return Err(format!("`{key}`: a tool's name is not empty"));
        }
        let setting = ToolSetting::parse(key, field, value)?;
        return Ok(Setting::Tool(name.to_owned(), setting));
    }
    match Knob::all().into_iter().find(|knob| knob.name() == key) {
        Some(Knob::Model) => {
            let model = text(key, value)?;
            if model.trim().is_empty() {
                return Err("`model` is empty; leave it out for the built-in planner".to_owned());
            }
            Ok(Setting::Model(model))
        }
        Some(Knob::Mode) => match text(key, value)?.as_str() {
            "plan" => Ok(Setting::Mode(Mode::Plan)),
            "review" => Ok(Setting::Mode(Mode::Review)),
            "auto" => Ok(Setting::Mode(Mode::Auto)),
            other => Err(format!(
                "`mode` is `{other}`; expected plan, review or auto"
            )),
        },
        Some(Knob::MaxOutputTokens) => {
            let given = scalar(key, value)?;
            match given.parse() {
                Ok(tokens) if tokens > 0 => Ok(Setting::MaxOutputTokens(tokens)),
                _ => Err(format!(
                    "`{key}` is `{given}`; expected a whole number from 1"
                )),
            }
        }
        Some(Knob::SessionRetentionDays) => {
            let given = scalar(key, value)?;
            given
                .parse()
                .map(Setting::SessionRetentionDays)
                .map_err(|_| format!("`{key}` is `{given}`; expected a whole number of days, or 0"))
        }
        Some(Knob::Switch(switch)) => Ok(Setting::Switch(switch, switch.parse(value)?)),
        Some(Knob::Net(net)) => {
            let entries = list(key, value)?;
            net.check(&entries)?;
            Ok(Setting::Net(net, entries))
        }
        Some(Knob::WorkDir) => {
            let folder = text(key, value)?;
            mounts::parse_work_dir(&folder)
                .map(Setting::WorkDir)
                .map_err(|reason| format!("`{key}`: `{folder}` {reason}"))
        }
        Some(Knob::MapDirs) => Mount::parse_all(&list(key, value)?)
            .map(Setting::MapDirs)
            .map_err(|reason| format!("`{key}`: {reason}")),
        Some(Knob::Rules(verdict)) => {
            let rules = list(key, value)?;
            if rules.len() > MAX_RULES {
                let count = rules.len();
                return Err(format!(
                    "`{key}` has {count} rules; at most {MAX_RULES} can be"
                ));
            }
            let rules = rules.iter().map(|rule| {
                Rule::parse(rule).map_err(|reason| format!("`{key}`: `{rule}` {reason}"))
            });
            Ok(Setting::Rules(verdict, rules.collect::<Result<_, _>>()?))
        }
        Some(Knob::Hooks) => Hook::parse_all(key, value).map(Setting::Hooks),
        Some(Knob::Proxy) => Proxy::parse(&text(key, value)?).map(Setting::Proxy),
        Some(Knob::OtlpEndpoint) => telemetry::parse(&text(key, value)?).map(Setting::OtlpEndpoint),
        Some(Knob::CommitAuthor) => {
            commits::parse(key, &text(key, value)?).map(Setting::CommitAuthor)
        }
        Some(Knob::Limit(limit)) => limits::parse(limit, scalar(key, value)?.trim())
            .map(|value| Setting::Limit(limit, value))
            .map_err(|error| error.to_string()),
        None => {
            let names: Vec<String> = Knob::all().into_iter().map(Knob::name).collect();
            Err(did_you_mean(
                key,
                key,
                &names,
                ", providers, models, tools, executors",
            ))
        }
    }
}

pub(super) fn text(key: &str, value: &Value) -> Result<String, String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| format!("`{key}` is {value}; expected a text in quotes"))
}

/// Entries of a list.
pub(super) fn list(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let entries = value.as_array().and_then(|entries| {
        let texts = entries
            .iter()
            .map(|entry| entry.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<String>>>()
    });
    entries.ok_or_else(|| {
        format!("`{key}` is {value}; expected a list of texts in quotes, as in [\"…\", \"…\"]")
    })
}

pub(super) fn scalar(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("`{key}` is {other}; expected a number or a text")),
    }
}

/// Says that there is no such key, and which is close to it.
pub(super) fn did_you_mean(key: &str, name: &str, known: &[String], also: &str) -> String {
    let close = known.iter().min_by_key(|other| distance(other, name));
    match close.filter(|other| distance(other, name) <= 3) {
        Some(other) => format!("unknown key `{key}`; did you mean `{other}`?"),
        None => format!(
            "unknown key `{key}`; known keys: {}{also}",
            known.join(", ")
        ),
    }
}

/// Levenshtein distance in bytes; keys are short.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Proves that every limit can be written and read back.
#[cfg(test)]
pub(super) fn round_trips(limits: &limits::Limits) -> bool {
    Limit::ALL.iter().all(|&limit| {
        limits::parse(limit, &written(limit, limits.get(limit))) == Ok(limits.get(limit))
    })
}
