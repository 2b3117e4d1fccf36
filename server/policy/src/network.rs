//! Which hosts tools may talk to: before a name is resolved by what it is called, and afterwards by
//! the address that it has. What no entry allows is refused, and what is blocked is refused whatever
//! allows it.

mod blocks;
mod hosts;
mod urls;

#[cfg(test)]
mod tests;

use blocks::Block;
use hosts::HostPattern;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use url::{Host, Url};
use urls::UrlPrefix;

/// Names the knob of [`NetworkPolicy`] that says which hosts may be reached.
pub const ALLOWED_OUTBOUND_HOSTS: &str = "allowed_outbound_hosts";
/// Names the knob of [`NetworkPolicy`] that says which addresses may not be reached.
pub const BLOCK_NETWORKS: &str = "block_networks";
/// Names the knob of [`NetworkPolicy`] that says which URLs may not be requested.
pub const BLOCK_URL: &str = "block_url";
/// What `block_networks` has unless it is configured.
pub const DEFAULT_BLOCK_NETWORKS: &[&str] = &["private", "loopback", "link-local", "metadata"];
/// Longest URL that can be asked for, in bytes.
pub const MAX_URL_BYTES: usize = 65_536;

/// How a connection talks. There is no datagram: UDP is never allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP without encryption.
    Http,
    /// HTTP over TLS.
    Https,
    /// A bare stream of bytes.
    Tcp,
}

impl Scheme {
    fn from_name(name: &str) -> Option<Scheme> {
        match name.to_ascii_lowercase().as_str() {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            "tcp" => Some(Scheme::Tcp),
            _ => None,
        }
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Http => Some(80),
            Scheme::Https => Some(443),
            Scheme::Tcp => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Tcp => "tcp",
        })
    }
}

/// Where a connection wants to go, normalised: two spellings of one host are one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
    url: Option<Url>,
    /// An address with a zone means another machine on each link.
    zone: bool,
}

impl Target {
    /// Reads the URL of a request. Only [`Target::url`] may be requested afterwards, never the
    /// text: other programs read some texts otherwise.
    ///
    /// # Errors
    /// What is no `http` or `https` URL, names a user, has control characters, a backslash, or a
    /// host that is none.
    pub fn parse_url(text: &str) -> Result<Target, NetworkRefusal> {
        let refuse = |reason: &str| Err(NetworkRefusal::unusable(text, reason));
        if text.len() > MAX_URL_BYTES {
            return refuse("it is longer than 65536 bytes");
        }
        if text.chars().any(char::is_control) {
            return refuse("it contains a control character; percent-encode it");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("it is no URL; begin it with `https://`");
        };
        let scheme = match Scheme::from_name(scheme) {
            Some(scheme @ (Scheme::Http | Scheme::Https)) => scheme,
            _ => return refuse("only `http://` and `https://` can be requested"),
        };
        let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..authority_ends];
        if authority.is_empty() {
            return refuse("it names no host");
        }
        if authority.contains('@') {
            return refuse("it names a user before the host; leave out what is before the `@`");
        }
        let path_ends = rest.find(['?', '#']).unwrap_or(rest.len());
        if rest[..path_ends].contains('\\') {
            return refuse("it contains a backslash, which some take for `/`; write `/` or `%5C`");
        }
        if authority.contains('%') && authority.starts_with('[') {
            return refuse(ZONE);
        }
        let mut url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return refuse(&format!("it cannot be read: {error}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it names a user before the host");
        }
        let Some(host) = url.host() else {
            return refuse("it names no host");
        };
        let host = match tidy(host.to_owned()) {
            Ok(host) => host,
            Err(reason) => return refuse(reason),
        };
        // So that nobody resolves, sends or remembers the host under its other name.
        if url.set_host(Some(&host.to_string())).is_err() || url.host() != Some(borrowed(&host)) {
            return refuse("its host cannot be read");
        }
        // It is never sent.
        url.set_fragment(None);
        let port = match url.port_or_known_default() {
            Some(port) if port > 0 => port,
            _ => return refuse("port 0 names nothing"),
        };
        Ok(Target {
            scheme,
            host,
            port,
            url: Some(url),
            zone: false,
        })
    }

    /// A stream to a host that is still to be resolved, or to an address that is written out.
    ///
    /// # Errors
    /// What is no host, and port 0.
    pub fn tcp_name(host: &str, port: u16) -> Result<Target, NetworkRefusal> {
        let shown = || format!("tcp://{}:{port}", excerpt(host));
        if port == 0 {
            return Err(NetworkRefusal::unusable(&shown(), "port 0 names nothing"));
        }
        let host = parse_host(host).map_err(|reason| NetworkRefusal::unusable(&shown(), reason))?;
        Ok(Target {
            scheme: Scheme::Tcp,
            host,
            port,
            url: None,
            zone: false,
        })
    }

    /// A stream to an address.
    pub fn tcp_address(address: SocketAddr) -> Target {
        let (host, zone) = match address {
            SocketAddr::V4(v4) => (Host::Ipv4(*v4.ip()), false),
            SocketAddr::V6(v6) => (Host::Ipv6(*v6.ip()), v6.scope_id() != 0),
        };
        Target {
            scheme: Scheme::Tcp,
            host,
            port: address.port(),
            url: None,
            zone,
        }
    }

    /// How it talks.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its host: lower case, in ASCII, without a trailing dot; every spelling of an IPv4 address
    /// is [`Host::Ipv4`].
    pub fn host(&self) -> &Host<String> {
        &self.host
    }

    /// Its port, written or not.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is to be requested, without a fragment; `None` for a stream.
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// Which targets may be reached.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPolicy {
    allowed: Vec<HostPattern>,
    blocked: Vec<Block>,
    urls: Vec<UrlPrefix>,
}

impl NetworkPolicy {
    /// Allows nothing, and blocks what is blocked unless configured.
    pub fn closed() -> NetworkPolicy {
        NetworkPolicy {
            allowed: Vec::new(),
            blocked: Block::defaults(),
            urls: Vec::new(),
        }
    }

    /// Reads entries as they are configured: `allowed_outbound_hosts`, `block_networks` (in place
    /// of the default) and `block_url`.
    ///
    /// # Errors
    /// The first entry that cannot be enforced, with what would be right.
    pub fn parse<T: AsRef<str>>(
        allowed_outbound_hosts: &[T],
        block_networks: &[T],
        block_url: &[T],
    ) -> Result<NetworkPolicy, String> {
        fn all<T: AsRef<str>, E>(
            knob: &str,
            entries: &[T],
            parse: impl Fn(&str) -> Result<E, String>,
        ) -> Result<Vec<E>, String> {
            entries
                .iter()
                .map(|entry| {
                    let entry = entry.as_ref();
                    parse(entry)
                        .map_err(|reason| format!("`{knob}`: `{}` {reason}", excerpt(entry)))
                })
                .collect()
        }
        Ok(NetworkPolicy {
            allowed: all(
                ALLOWED_OUTBOUND_HOSTS,
                allowed_outbound_hosts,
                HostPattern::parse,
            )?,
            blocked: all(BLOCK_NETWORKS, block_networks, Block::parse)?,
            urls: all(BLOCK_URL, block_url, UrlPrefix::parse)?,
        })
    }

    /// Whether no host is allowed at all.
    pub fn is_closed(&self) -> bool {
        self.allowed.is_empty()
    }

    /// Decides before the host is resolved. A host that is a name needs
    /// [`NetworkPolicy::check_address`] afterwards, for the very address that is then connected to.
    ///
    /// # Errors
    /// What is not allowed, or is blocked by name, by address or by URL.
    pub fn check(&self, target: &Target) -> Result<(), NetworkRefusal> {
        match &target.host {
            Host::Domain(name) => {
                if let Some(block) = self.blocked.iter().find(|block| block.has_name(name)) {
                    return Err(self.blocked_by(target, &format!("`{name}`"), block));
                }
            }
            Host::Ipv4(address) => self.check_address(target, IpAddr::V4(*address))?,
            Host::Ipv6(address) => self.check_address(target, IpAddr::V6(*address))?,
        }
        if let Some(prefix) = self.urls.iter().find(|prefix| prefix.matches(target)) {
            return Err(NetworkRefusal {
                target: target.to_string(),
                knob: BLOCK_URL,
                reason: format!("`{prefix}` is blocked; take that entry out to allow it"),
            });
        }
        if !self.allowed.iter().any(|pattern| pattern.matches(target)) {
            let what = if self.is_closed() {
                "no host is allowed"
            } else {
                "no entry matches"
            };
            return Err(NetworkRefusal {
                target: target.to_string(),
                knob: ALLOWED_OUTBOUND_HOSTS,
                reason: format!("{what}; add `{target}` to it to allow this one"),
            });
        }
        Ok(())
    }

    /// Whether a stream to a name is allowed with some port: whether it may be looked up when the
    /// port is not known yet.
    pub fn allows_name(&self, name: &str) -> bool {
        let Ok(target) = Target::tcp_name(name, 1) else {
            return false;
        };
        let Host::Domain(name) = &target.host else {
            return false;
        };
        !self.blocked.iter().any(|block| block.has_name(name))
            && self
                .allowed
                .iter()
                .any(|pattern| pattern.matches_stream(&target.host))
    }

    /// Decides after the host is resolved. Only addresses that pass may be connected to, and every
    /// one of them is asked for, as well as those of each redirect.
    ///
    /// # Errors
    /// An address in a blocked network, or that embeds one.
    pub fn check_address(&self, target: &Target, address: IpAddr) -> Result<(), NetworkRefusal> {
        let refuse = |reason: String| {
            Err(NetworkRefusal {
                target: target.to_string(),
                knob: BLOCK_NETWORKS,
                reason,
            })
        };
        if target.zone {
            return refuse(ZONE.to_owned());
        }
        for seen in blocks::views(address) {
            let of = if seen == address {
                format!("`{address}`")
            } else {
                format!("`{address}`, which stands for `{seen}`,")
            };
            if let Some(what) = blocks::never(seen) {
                return refuse(format!("{of} is {what}, which is never allowed"));
            }
            if let Some(block) = self.blocked.iter().find(|block| block.contains(seen)) {
                return Err(self.blocked_by(target, &of, block));
            }
        }
        Ok(())
    }

    fn blocked_by(&self, target: &Target, of: &str, block: &Block) -> NetworkRefusal {
        NetworkRefusal {
            target: target.to_string(),
            knob: BLOCK_NETWORKS,
            reason: format!("{of} is in `{block}`; configure it without that entry to allow it"),
        }
    }
}

/// Why a connection is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{target}` is refused{}: {reason}", by(knob))]
pub struct NetworkRefusal {
    target: String,
    knob: &'static str,
    reason: String,
}

fn by(knob: &str) -> String {
    if knob.is_empty() {
        return String::new();
    }
    format!(" by `{knob}`")
}

impl NetworkRefusal {
    fn unusable(target: &str, reason: &str) -> NetworkRefusal {
        NetworkRefusal {
            target: excerpt(target),
            knob: "",
            reason: reason.to_owned(),
        }
    }

    /// The knob that refused; empty when none did, as the text names nothing that can be reached.
    pub fn knob(&self) -> &'static str {
        self.knob
    }

    /// What was asked for.
    pub fn target(&self) -> &str {
        &self.target
    }
}

const ZONE: &str = "an address with a zone (`%`) means another machine on each link; leave the \
                    zone out";

/// A host as URLs write it, or an address without brackets.
fn parse_host(text: &str) -> Result<Host<String>, &'static str> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(match address {
            IpAddr::V4(v4) => Host::Ipv4(v4),
            IpAddr::V6(v6) => Host::Ipv6(v6),
        });
    }
    if text.contains(':') && text.contains('%') {
        return Err(ZONE);
    }
    if text.len() > 1024 || text.chars().any(char::is_control) {
        return Err("its host is no name and no address");
    }
    tidy(Host::parse(text).map_err(|_| "its host is no name and no address")?)
}

/// Removes the trailing dot, and refuses what no resolver should be asked for.
fn tidy(host: Host<String>) -> Result<Host<String>, &'static str> {
    let Host::Domain(name) = host else {
        return Ok(host);
    };
    let name = name.strip_suffix('.').unwrap_or(&name);
    if name.len() > 253 {
        return Err("its host is longer than 253 bytes");
    }
    let is_label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    if !name.split('.').all(is_label) {
        return Err("its host is no name: labels of letters, digits and `-` between single dots");
    }
    // Without its dot it may be an address to others.
    match Host::parse(name) {
        Ok(Host::Domain(again)) if again == name => Ok(Host::Domain(again)),
        _ => Err("its host is no name"),
    }
}

fn borrowed(host: &Host<String>) -> Host<&str> {
    match host {
        Host::Domain(name) => Host::Domain(name),
        Host::Ipv4(v4) => Host::Ipv4(*v4),
        Host::Ipv6(v6) => Host::Ipv6(*v6),
    }
}

fn excerpt(text: &str) -> String {
    if text.chars().count() <= 120 {
        return text.escape_debug().to_string();
    }
    let head: String = text.chars().take(120).collect();
    format!("{}…", head.escape_debug())
}
