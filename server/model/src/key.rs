//! Where keys come from: the environment or a command, when the first request needs one.

use crate::error::ModelError;
use crate::secrets;
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A password manager may ask its user.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// How to get a provider's key.
#[derive(Debug)]
pub(crate) struct KeySource {
    pub(crate) provider: String,
    /// The first one that is set counts.
    pub(crate) env: Vec<String>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) required: bool,
}

/// A key that is fetched once. Never printed.
pub(crate) struct Key {
    source: KeySource,
    value: OnceCell<Option<String>>,
}

impl Key {
    pub(crate) fn new(source: KeySource) -> Key {
        Key {
            source,
            value: OnceCell::new(),
        }
    }

    /// The key; `None` where the provider works without one.
    pub(crate) async fn get(&self) -> Result<Option<&str>, ModelError> {
        let value = self.value.get_or_try_init(|| self.fetch()).await?;
        if let Some(key) = value {
            secrets::remember(key);
        }
        Ok(value.as_deref())
    }

    /// The key, if it was fetched.
    pub(crate) fn known(&self) -> Option<&str> {
        self.value.get()?.as_deref()
    }

    /// What is said when there is no key that can be used; `reason` tells more.
    pub(crate) fn missing(&self, reason: &str) -> ModelError {
        ModelError::NoKey {
            provider: self.source.provider.clone(),
            env: self.source.env.first().cloned().unwrap_or_default(),
            reason: reason.to_owned(),
        }
    }

    async fn fetch(&self) -> Result<Option<String>, ModelError> {
        let KeySource {
            env,
            command,
            required,
            ..
        } = &self.source;
        if let Some(command) = command {
            let key = run(command)
                .await
                .map_err(|reason| self.missing(&format!(" ({reason})")))?;
            return Ok(Some(key));
        }
        let found = env.iter().find_map(|name| {
            let key = std::env::var(name).ok()?.trim().to_owned();
            Some(key).filter(|key| !key.is_empty())
        });
        match found {
            None if *required => Err(self.missing("")),
            found => Ok(found),
        }
    }
}

async fn run(command: &[String]) -> Result<String, String> {
    let [program, arguments @ ..] = command else {
        return Err("api_key_command is empty".into());
    };
    let running = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(COMMAND_TIMEOUT, running)
        .await
        .map_err(|_| {
            format!(
                "`{program}` did not end within {} s",
                COMMAND_TIMEOUT.as_secs()
            )
        })?
        .map_err(|error| format!("`{program}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{program}` ended with {}", output.status));
    }
    let key =
        String::from_utf8(output.stdout).map_err(|_| format!("`{program}` printed no text"))?;
    match key.trim() {
        "" => Err(format!("`{program}` printed nothing")),
        key => Ok(key.to_owned()),
    }
}
