//! From `provider:model` to a provider.

use crate::error::ModelError;
use crate::http::{Endpoint, RetryPolicy};
use crate::key::KeySource;
use crate::models::{ModelInfo, ModelTable};
use crate::remote::{Remote, RemoteParts};
use crate::untrusted::shown_url;
use crate::{Provider, Reach, builtin, replay, scripted, services};
use boxagnts_protocol::conversation::Price;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// Messages.
    Anthropic,
    /// OpenAI's Responses.
    OpenAiResponses,
    /// Chat Completions, of OpenAI and many others.
    OpenAiChat,
    /// Gemini's `streamGenerateContent`.
    Gemini,
    /// Ollama's own `/api/chat`.
    Ollama,
}

impl ProviderKind {
    /// All of them.
    pub const ALL: [ProviderKind; 5] = [
        ProviderKind::Anthropic,
        ProviderKind::OpenAiResponses,
        ProviderKind::OpenAiChat,
        ProviderKind::Gemini,
        ProviderKind::Ollama,
    ];

    /// As in a configuration: `kind = "…"`.
    pub fn name(self) -> &'static str {
        match self {
            ProviderKind::Anthropic => "anthropic",
            ProviderKind::OpenAiResponses => "openai-responses",
            ProviderKind::OpenAiChat => "openai-chat",
            ProviderKind::Gemini => "gemini",
            ProviderKind::Ollama => "ollama",
        }
    }
}

/// How much a model that can think is to think. Nothing is asked for unless one is set: then the
/// provider decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A little.
    Low,
    /// Some.
    Medium,
    /// A lot.
    High,
}

impl Effort {
    /// As providers call it.
    pub fn name(self) -> &'static str {
        match self {
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
        }
    }
}

/// How to reach a provider. What is not set has the provider's default.
#[derive(Debug, Clone, Default)]
pub struct ProviderSettings {
    /// Its wire format.
    pub kind: Option<ProviderKind>,
    /// Where its API lives.
    pub base_url: Option<String>,
    /// Environment variable that has the key.
    pub api_key_env: Option<String>,
    /// Program and arguments that print the key.
    pub api_key_command: Option<Vec<String>>,
    /// What it costs; stands above what is known of its models.
    pub price: Option<Price>,
    /// How much its models are to think.
    pub effort: Option<Effort>,
}

/// What connecting needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Providers by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// Tokens to ask for in one answer.
    pub max_output_tokens: u64,
    /// What the user knows of models, by pattern; see [`ModelTable::with`].
    pub models: BTreeMap<String, ModelInfo>,
    /// Where relative paths of scripts begin.
    pub base_dir: PathBuf,
    /// How patient to be.
    pub retry: RetryPolicy,
    /// An HTTP proxy for providers that are not on this machine.
    pub proxy: Option<url::Url>,
}

/// What a provider is unless the configuration says otherwise.
struct Known {
    /// `None` for what its host decides.
    kind: Option<ProviderKind>,
    base_url: Option<String>,
    /// Those that are looked at, the first that is set counts; without any none is needed.
    key_env: Vec<String>,
}

/// What is known of a provider of this name; `None` when nothing is.
fn known(name: &str) -> Option<Known> {
    // An empty variable is as good as none.
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let base = |variable: &str, usual: &str| Some(env(variable).unwrap_or_else(|| usual.into()));
    let known = |kind, base_url, keys: &[&str]| {
        Some(Known {
            kind,
            base_url,
            key_env: keys.iter().map(ToString::to_string).collect(),
        })
    };
    match name {
        "openai" => known(
            None,
            base("OPENAI_BASE_URL", "https://api.openai.com/v1"),
            &["OPENAI_API_KEY"],
        ),
        "anthropic" => known(
            Some(ProviderKind::Anthropic),
            base("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
            &["ANTHROPIC_API_KEY"],
        ),
        "gemini" => known(
            Some(ProviderKind::Gemini),
            base(
                "GEMINI_BASE_URL",
                "https://generativelanguage.googleapis.com",
            ),
            &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        ),
        "ollama" => known(
            Some(ProviderKind::Ollama),
            Some("http://localhost:11434".into()),
            &[],
        ),
        _ => services().get(name).map(|service| Known {
            kind: Some(ProviderKind::OpenAiChat),
            base_url: service.base_url.clone(),
            key_env: service.key_env.iter().cloned().collect(),
        }),
    }
}

/// Makes a model ready to be asked. Speaks to nobody, and reads no key: that is for the first
/// request.
///
/// # Errors
/// Unknown provider, unusable settings, unusable script.
pub fn connect(spec: &str, settings: &Settings) -> Result<Arc<dyn Provider>, ModelError> {
    if spec == "builtin" {
        return Ok(Arc::new(builtin::Builtin));
    }
    let configured = || {
        let names: Vec<String> = settings
            .providers
            .keys()
            .map(|name| format!(", {name}:MODEL"))
            .collect();
        names.concat()
    };
    let unknown = || ModelError::UnknownModel {
        spec: spec.to_owned(),
        configured: configured(),
    };
    let (name, model) = spec.split_once(':').ok_or_else(unknown)?;
    if model.is_empty() {
        return Err(unknown());
    }
    if name == "scripted" {
        let table = ModelTable::default().with(settings.models.clone());
        let path = settings.base_dir.join(model);
        let scripted = scripted::Scripted::open(spec, &path, table.get(spec))?;
        return Ok(Arc::new(scripted));
    }
    if name == "replay" {
        let replay = replay::Replay::open(spec, &settings.base_dir, model)?;
        return Ok(Arc::new(replay));
    }
    let own = settings.providers.get(name);
    let known = match known(name) {
        Some(known) => known,
        None if own.is_some() => Known {
            kind: Some(ProviderKind::OpenAiChat),
            base_url: None,
            key_env: Vec::new(),
        },
        None => return Err(unknown()),
    };
    let own = own.cloned().unwrap_or_default();
    let wrong = |reason: String| ModelError::Settings {
        provider: name.to_owned(),
        reason,
    };
    let base = own.base_url.or(known.base_url).ok_or_else(|| {
        let instead = services().get(name).and_then(|known| known.instead.clone());
        match instead {
            Some(remedy) => ModelError::NotBuiltIn {
                provider: name.to_owned(),
                remedy,
            },
            None => wrong("base_url is missing".to_owned()),
        }
    })?;
    let shown = shown_url(&base);
    let base =
        url::Url::parse(&base).map_err(|error| wrong(format!("base_url `{shown}`: {error}")))?;
    if base.host().is_none() {
        return Err(wrong(format!("base_url `{shown}` has no host")));
    }
    let loopback = is_loopback(&base);
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong(format!(
            "base_url `{shown}` begins with neither http:// nor https://"
        )));
    }
    let needs_key = !known.key_env.is_empty();
    let has_key = needs_key || own.api_key_env.is_some() || own.api_key_command.is_some();
    if base.scheme() == "http" && !loopback && has_key {
        return Err(wrong(format!(
            "base_url `{shown}` would send the key unencrypted; use https"
        )));
    }
    let key = KeySource {
        provider: name.to_owned(),
        env: own
            .api_key_env
            .clone()
            .map_or(known.key_env, |variable| vec![variable]),
        command: own.api_key_command,
        required: (needs_key || own.api_key_env.is_some()) && !loopback,
    };
    let proxy = settings.proxy.clone().filter(|_| !loopback);
    // OpenAI itself; others that go by the name of `openai` speak what they know of it.
    let is_openai = base.host_str().is_some_and(is_openai);
    let kind = own.kind.or(known.kind).unwrap_or(match is_openai {
        true => ProviderKind::OpenAiResponses,
        false => ProviderKind::OpenAiChat,
    });
    let endpoint = Endpoint::new(name, base, key, settings.retry.clone(), proxy);
    let table = ModelTable::built_in().with(settings.models.clone());
    let mut info = table.get(spec);
    // What is said of this model comes before what is said of all that its provider has.
    if let Some(price) = own.price.filter(|_| table.own_price(spec).is_none()) {
        info.get_or_insert_default().price = Some(price);
    }
    Ok(Arc::new(Remote::new(RemoteParts {
        id: spec,
        model,
        kind,
        endpoint,
        info,
        reach: match loopback {
            true => Reach::Machine,
            false => Reach::Network,
        },
        max_output_tokens: settings.max_output_tokens,
        effort: own.effort,
        is_openai,
    })))
}

/// Whether it is an address of this machine.
pub(crate) fn is_loopback(base: &url::Url) -> bool {
    match base.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// OpenAI itself, in whatever region.
fn is_openai(host: &str) -> bool {
    host == "api.openai.com" || host.ends_with(".api.openai.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_itself_is_told_from_what_is_like_it() {
        let check = |host: &str, expect: bool| assert_eq!(is_openai(host), expect, "{host}");
        check("api.openai.com", true);
        check("eu.api.openai.com", true);
        check("evilapi.openai.com", false);
        check("api.openai.com.example", false);
        check("localhost", false);
    }
}
