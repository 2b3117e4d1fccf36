//! The knob `proxy`: through what connections go.

use crate::network::{Scheme, Target};
use std::fmt;
use url::Url;

/// Through what connections go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// Straight to their target.
    None,
    /// What the environment says (`HTTPS_PROXY` and its like).
    Environment,
    /// Through the HTTP proxy there.
    Url(Url),
}

impl Proxy {
    pub(super) fn parse(text: &str) -> Result<Proxy, String> {
        match text {
            "none" => return Ok(Proxy::None),
            "environment" => return Ok(Proxy::Environment),
            _ => {}
        }
        let expected = "expected none, environment or http://host:port";
        let target =
            Target::parse_url(text).map_err(|refusal| format!("`proxy`: {refusal}; {expected}"))?;
        match target.url() {
            Some(url)
                if target.scheme() == Scheme::Http
                    && url.path() == "/"
                    && url.query().is_none() =>
            {
                Ok(Proxy::Url(url.clone()))
            }
            _ => Err(format!("`proxy` is `{text}`; {expected}")),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proxy::None => f.write_str("none"),
            Proxy::Environment => f.write_str("environment"),
            Proxy::Url(url) => f.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}
