//! From `provider:model` to a provider.

use crate::error::ModelError;
use crate::http::{Endpoint, RetryPolicy};
use crate::key::KeySource;
use crate::{Provider, anthropic, builtin, openai, replay, scripted};
use boxagnts_protocol::conversation::Price;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// Chat Completions.
    OpenAi,
    /// Messages.
    Anthropic,
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
    /// What it costs.
    pub price: Option<Price>,
}

/// What connecting needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Providers by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// Tokens to ask for in one answer.
    pub max_output_tokens: u64,
    /// Where relative paths of scripts begin.
    pub base_dir: PathBuf,
    /// How patient to be.
    pub retry: RetryPolicy,
    /// An HTTP proxy for providers that are not on this machine.
    pub proxy: Option<url::Url>,
}

struct Known {
    kind: ProviderKind,
    base_url: Option<String>,
    key_env: &'static str,
    needs_key: bool,
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
        return Ok(Arc::new(scripted::Scripted::open(
            spec,
            &settings.base_dir.join(model),
        )?));
    }
    if name == "replay" {
        let replay = replay::Replay::open(spec, &settings.base_dir, model)?;
        return Ok(Arc::new(replay));
    }
    let own = settings.providers.get(name);
    // An empty variable is as good as none.
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let known = match name {
        "openai" => Known {
            kind: ProviderKind::OpenAi,
            base_url: env("OPENAI_BASE_URL").or_else(|| Some("https://api.openai.com/v1".into())),
            key_env: "OPENAI_API_KEY",
            needs_key: true,
        },
        "anthropic" => Known {
            kind: ProviderKind::Anthropic,
            base_url: env("ANTHROPIC_BASE_URL")
                .or_else(|| Some("https://api.anthropic.com".into())),
            key_env: "ANTHROPIC_API_KEY",
            needs_key: true,
        },
        "ollama" => Known {
            kind: ProviderKind::OpenAi,
            base_url: Some("http://localhost:11434/v1".into()),
            key_env: "",
            needs_key: false,
        },
        _ if own.is_some() => Known {
            kind: ProviderKind::OpenAi,
            base_url: None,
            key_env: "",
            needs_key: false,
        },
        _ => return Err(unknown()),
    };
    let own = own.cloned().unwrap_or_default();
    let wrong = |reason: String| ModelError::Settings {
        provider: name.to_owned(),
        reason,
    };
    let base = own
        .base_url
        .or(known.base_url)
        .ok_or_else(|| wrong("base_url is missing".to_owned()))?;
    let base =
        url::Url::parse(&base).map_err(|error| wrong(format!("base_url `{base}`: {error}")))?;
    let loopback = match base.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(wrong(format!("base_url `{base}` has no host"))),
    };
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong(format!(
            "base_url `{base}` begins with neither http:// nor https://"
        )));
    }
    let has_key = known.needs_key || own.api_key_env.is_some() || own.api_key_command.is_some();
    if base.scheme() == "http" && !loopback && has_key {
        return Err(wrong(format!(
            "base_url `{base}` would send the key unencrypted; use https"
        )));
    }
    let key = KeySource {
        provider: name.to_owned(),
        env: own
            .api_key_env
            .clone()
            .unwrap_or_else(|| known.key_env.to_owned()),
        command: own.api_key_command,
        required: (known.needs_key || own.api_key_env.is_some()) && !loopback,
    };
    let proxy = settings.proxy.clone().filter(|_| !loopback);
    let endpoint = Endpoint::new(name, base, key, settings.retry.clone(), proxy);
    let free = Price {
        input: 0.0,
        output: 0.0,
        cache_read: 0.0,
        cache_write: 0.0,
    };
    let price = own.price.or((name == "ollama").then_some(free));
    let max_output_tokens = settings.max_output_tokens;
    let (id, model) = (spec.to_owned(), model.to_owned());
    Ok(match own.kind.unwrap_or(known.kind) {
        ProviderKind::OpenAi => Arc::new(openai::OpenAi {
            id,
            model,
            endpoint,
            price,
            max_output_tokens,
        }),
        ProviderKind::Anthropic => Arc::new(anthropic::Anthropic {
            id,
            model,
            endpoint,
            price,
            max_output_tokens,
        }),
    })
}
