//! Why a model cannot be used. No message ever has a key in it.

use std::path::PathBuf;
use std::time::Duration;

/// Errors of providers.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The model's name means nothing.
    #[error(
        "unknown model `{spec}`; use builtin, anthropic:MODEL, openai:MODEL, gemini:MODEL, \
         ollama:MODEL, or a service as SERVICE:MODEL ({}), scripted:FILE, replay:FILE{configured}",
        service_names()
    )]
    UnknownModel {
        /// As given.
        spec: String,
        /// Providers of the configuration, for the message.
        configured: String,
    },
    /// A provider of the configuration cannot be used as it is.
    #[error("providers.{provider}: {reason}")]
    Settings {
        /// Its name.
        provider: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A service that cannot be used by its name alone.
    #[error("{provider} is not built in: {remedy}")]
    NotBuiltIn {
        /// Its name.
        provider: String,
        /// Why, and what to do.
        remedy: String,
    },
    /// The conversation has pictures, and the model takes none.
    #[error(
        "{model} takes no pictures; use a model that does, or set images = true for it under \
         [models] if it does after all"
    )]
    NoImages {
        /// The model.
        model: String,
    },
    /// The answer is larger than any answer may be.
    #[error("{provider} sent too much: {reason}")]
    TooLarge {
        /// The provider.
        provider: String,
        /// The limit.
        reason: String,
    },
    /// The proxy of the configuration cannot be used.
    #[error("proxy: {reason}")]
    Proxy {
        /// What is wrong and what to do.
        reason: String,
    },
    /// There is no key.
    #[error("no key for {provider}: {}{reason}", key_remedy(provider, env))]
    NoKey {
        /// The provider.
        provider: String,
        /// The variable that was looked for.
        env: String,
        /// What the command said, when there is one.
        reason: String,
    },
    /// A script cannot be used.
    #[error("script {}: {reason}", path.display())]
    Script {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A recording cannot be written or read, or has another answer than the one that is asked for.
    #[error("recording {}: {reason}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A failure that was recorded.
    #[error("{message}")]
    Recorded {
        /// What was said then.
        message: String,
    },
    /// The provider refused the request.
    #[error("{provider} answered {status}: {message}")]
    Refused {
        /// The provider.
        provider: String,
        /// HTTP status.
        status: u16,
        /// What it said, cut.
        message: String,
    },
    /// The provider sends us elsewhere. Nobody goes there: the key would go along.
    #[error(
        "{provider} answered {status}, a redirect to {place}, which is not followed; if that is the \
         right place, set providers.{provider}.base_url to it"
    )]
    Redirected {
        /// The provider.
        provider: String,
        /// HTTP status.
        status: u16,
        /// Where to.
        place: String,
    },
    /// The provider cannot be reached, or the connection was lost in the middle of an answer.
    #[error("{provider} at {place}: {reason}")]
    Connection {
        /// The provider.
        provider: String,
        /// Scheme, host and port.
        place: String,
        /// What happened.
        reason: String,
    },
    /// Nothing listens where the provider should be on this machine. Waiting would start no program.
    #[error(
        "{provider} at {place}: nothing answers there; is it running? \
         providers.{provider}.base_url in your configuration is for another address"
    )]
    NotRunning {
        /// The provider.
        provider: String,
        /// Scheme, host and port.
        place: String,
    },
    /// The provider asks for more patience than we have.
    #[error("{provider} asks to wait {} s before the next request; try again then", wait.as_secs())]
    WaitTooLong {
        /// The provider.
        provider: String,
        /// What it asks for.
        wait: Duration,
    },
    /// The answer breaks the provider's own format.
    #[error("{provider} sent an answer that cannot be read: {reason}")]
    Malformed {
        /// The provider.
        provider: String,
        /// What is wrong.
        reason: String,
    },
    /// The provider reported an error in the middle of an answer.
    #[error("{provider} failed: {message}")]
    Provider {
        /// The provider.
        provider: String,
        /// What it said.
        message: String,
    },
}

/// What providers say of a conversation that is too long: OpenAI and those like it, Anthropic, Gemini,
/// llama.cpp, vLLM, xAI, Groq.
const CONTEXT_FULL: [&str; 9] = [
    "context_length_exceeded",
    "prompt is too long",
    "maximum context length",
    "context window",
    "exceed context limit",
    "available context size",
    "exceeds the maximum number of tokens",
    "maximum prompt length",
    "reduce the length of the messages",
];

impl ModelError {
    /// Whether the provider says that the conversation is too long for the model.
    pub fn is_context_full(&self) -> bool {
        let message = match self {
            ModelError::Refused {
                status: 400 | 413 | 422,
                message,
                ..
            } => message,
            ModelError::Provider { message, .. } | ModelError::Recorded { message } => message,
            _ => return false,
        };
        let message = message.to_lowercase();
        CONTEXT_FULL.iter().any(|says| message.contains(says))
    }

    /// Whether the same request may work later: the provider could not be reached, was busy, or broke
    /// off.
    pub fn may_pass(&self) -> bool {
        match self {
            ModelError::Refused { status, .. } => {
                matches!(status, 408 | 409 | 425 | 429 | 500..=599)
            }
            ModelError::Connection { .. }
            | ModelError::NotRunning { .. }
            | ModelError::WaitTooLong { .. }
            | ModelError::Provider { .. } => !self.is_context_full(),
            _ => false,
        }
    }
}

fn service_names() -> String {
    let usable = crate::services()
        .iter()
        .filter(|(_, service)| service.base_url.is_some());
    let names: Vec<&str> = usable.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}

fn key_remedy(provider: &str, env: &str) -> String {
    let variable = match env {
        "" => format!("set providers.{provider}.api_key_env"),
        env => format!("set the environment variable {env}"),
    };
    format!("{variable}, or providers.{provider}.api_key_command in your configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_that_is_too_long_is_known_by_what_providers_say() {
        let check = |status: u16, message: &str, expect: bool| {
            let refused = ModelError::Refused {
                provider: "p".to_owned(),
                status,
                message: message.to_owned(),
            };
            assert_eq!(refused.is_context_full(), expect, "{status} {message}");
        };
        check(
            400,
            "This model's maximum context length is 128000 tokens.",
            true,
        );
        check(
            400,
            "prompt is too long: 210000 tokens > 200000 maximum",
            true,
        );
        check(
            400,
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            true,
        );
        check(
            400,
            "Your input exceeds the context window of this model.",
            true,
        );
        check(
            400,
            "The input token count (9) exceeds the maximum number of tokens allowed (8)",
            true,
        );
        check(400, "the request exceeds the available context size", true);
        check(400, "tools.0.name: too long", false);
        check(429, "maximum context length", false);
        let lost = ModelError::Connection {
            provider: "p".to_owned(),
            place: "context window".to_owned(),
            reason: "context window".to_owned(),
        };
        assert!(!lost.is_context_full());
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        let check = |error: ModelError, expect: bool| {
            assert_eq!(error.may_pass(), expect, "{error}");
        };
        let provider = || "p".to_owned();
        for (status, expect) in [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (409, true),
            (425, true),
            (429, true),
            (500, true),
            (529, true),
        ] {
            let refused = ModelError::Refused {
                provider: provider(),
                status,
                message: "no".to_owned(),
            };
            check(refused, expect);
        }
        let broke_off = |message: &str| ModelError::Provider {
            provider: provider(),
            message: message.to_owned(),
        };
        check(broke_off("overloaded"), true);
        check(broke_off("prompt is too long"), false);
        let lost = ModelError::Connection {
            provider: provider(),
            place: "http://localhost:1".to_owned(),
            reason: "refused".to_owned(),
        };
        check(lost, true);
        let wait = Duration::from_secs(3600);
        let provider = provider();
        check(ModelError::WaitTooLong { provider, wait }, true);
        let wrong = ModelError::Script {
            path: "a".into(),
            reason: "no".to_owned(),
        };
        check(wrong, false);
    }
}
