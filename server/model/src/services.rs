//! Services that speak Chat Completions, by name: where they are and which variable has their key.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Where its API is; `None` for one that cannot be used by its name alone.
    pub base_url: Option<String>,
    /// The environment variable that has its key; `None` for one on this machine.
    pub key_env: Option<String>,
    /// Why it cannot be used by its name alone, and what to do.
    pub instead: Option<String>,
}

static SERVICES: LazyLock<BTreeMap<String, Service>> = LazyLock::new(|| {
    // A test reads it too: it has no mistakes.
    toml::from_str(include_str!("../data/services.toml")).unwrap_or_default()
});

/// All services by name.
pub fn services() -> &'static BTreeMap<String, Service> {
    &SERVICES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_can_be_reached_or_says_what_to_do() {
        let parsed: BTreeMap<String, Service> =
            toml::from_str(include_str!("../data/services.toml")).expect("the table");
        assert!(parsed.len() > 15, "{} services", parsed.len());
        for (name, service) in &parsed {
            let local = |url: &str| url.starts_with("http://localhost:");
            match (&service.base_url, &service.key_env, &service.instead) {
                (Some(url), None, None) => assert!(local(url), "{name}"),
                (Some(url), Some(_), None) => {
                    assert!(url.starts_with("https://") || local(url), "{name}");
                }
                (None, None, Some(instead)) => assert!(!instead.is_empty(), "{name}"),
                _ => panic!("{name}: {service:?}"),
            }
        }
    }
}
