//! The network of one call: what the configuration says of the tool, and through what it goes.

use boxagnts_policy::config::{Config, Proxy};
use boxagnts_sandbox::{Network, SystemResolver};
use std::sync::Arc;
use url::Url;

/// Variables that name a proxy, the first that is set counts; as curl has them.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The network of a tool that was granted one.
///
/// # Errors
/// As [`proxy`].
pub(crate) fn of(config: &Config, tool: &str) -> Result<Network, String> {
    let policy = config.network_of(tool);
    Ok(Network::new(
        policy,
        proxy(config)?,
        Arc::new(SystemResolver),
    ))
}

/// The HTTP proxy that connections go through, for tools and for models alike.
///
/// # Errors
/// The environment is asked and names a proxy that cannot be used; going around it could be what
/// nobody wants.
pub fn proxy(config: &Config) -> Result<Option<Url>, String> {
    match config.proxy() {
        Proxy::None => Ok(None),
        Proxy::Url(url) => Ok(Some(url.clone())),
        Proxy::Environment => from_environment(|name| std::env::var(name).ok()),
    }
}

fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Url>, String> {
    let set = VARIABLES
        .iter()
        .find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)));
    let Some((name, value)) = set else {
        return Ok(None);
    };
    // A bare host and port is common.
    let text = match value.contains("://") {
        true => value,
        false => format!("http://{value}"),
    };
    match Url::parse(&text) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(Some(url)),
        _ => Err(format!(
            "the variable {name} names no HTTP proxy; set `proxy` to none or to \
             http://host:port"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expect: Result<Option<&str>, &str>) {
        let got = from_environment(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        match (got, expect) {
            (Ok(url), Ok(expect)) => assert_eq!(url.as_ref().map(Url::as_str), expect),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (got, _) => panic!("{variables:?}: {got:?}"),
        }
    }

    #[test]
    fn a_proxy_of_the_environment_is_one_or_an_error() {
        check(&[], Ok(None));
        check(&[("HTTPS_PROXY", "")], Ok(None));
        check(&[("https_proxy", "p:8080")], Ok(Some("http://p:8080/")));
        let both = [("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://b:2")];
        check(&both, Ok(Some("http://b:2/")));
        check(&[("HTTPS_PROXY", "socks5://p:1")], Err("HTTPS_PROXY"));
        check(&[("HTTPS_PROXY", "http://")], Err("no HTTP proxy"));
    }
}
