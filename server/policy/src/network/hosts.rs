//! Entries of `allowed_outbound_hosts`: `scheme://host[:port]`, matched as a whole after both sides
//! are normalised.

use super::{Scheme, Target, blocks, parse_host};
use ipnet::IpNet;
use std::net::IpAddr;
use url::Host;

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HostPattern {
    /// `None` is any.
    scheme: Option<Scheme>,
    host: HostMatch,
    /// `None` is any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq)]
enum HostMatch {
    Any,
    Exact(Host<String>),
    /// Names that end so; begins with a dot.
    Below(String),
    /// Addresses that are written out, never what a name resolves to.
    Net(IpNet),
}

impl HostPattern {
    /// Reads one entry; an error continues "`entry` …".
    pub(super) fn parse(text: &str) -> Result<HostPattern, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!(
                "has no scheme; write `https://{0}`, or `*://{0}:*` for every scheme and port",
                text.trim_matches('/')
            ));
        };
        let scheme = match scheme {
            "*" => None,
            name => Some(
                Scheme::from_name(name)
                    .ok_or("has an unknown scheme; use http, https, tcp or `*`")?,
            ),
        };
        if rest.contains('@') {
            return Err("names a user; only scheme, host and port can be allowed".to_owned());
        }
        if rest.contains(['?', '#', '\\']) {
            return Err(PATH.to_owned());
        }
        let (host, port) = split_port(rest)?;
        let port = match port {
            None => Some(
                scheme
                    .and_then(Scheme::default_port)
                    .ok_or("needs a port, or `:*` for every port")?,
            ),
            Some("*") => None,
            Some(digits) => Some(read_port(digits)?),
        };
        Ok(HostPattern {
            scheme,
            host: HostMatch::parse(host)?,
            port,
        })
    }

    pub(super) fn matches(&self, target: &Target) -> bool {
        self.scheme.is_none_or(|scheme| scheme == target.scheme)
            && self.port.is_none_or(|port| port == target.port)
            && self.host.matches(&target.host)
    }

    /// Whether streams to the host match, with whatever port.
    pub(super) fn matches_stream(&self, host: &Host<String>) -> bool {
        self.scheme.is_none_or(|scheme| scheme == Scheme::Tcp) && self.host.matches(host)
    }
}

const PATH: &str = "has more than scheme, host and port; paths cannot be allowed one by one, so \
                    leave them out (`block_url` can block them)";

/// Host and port; a network has its slash in the host.
fn split_port(rest: &str) -> Result<(&str, Option<&str>), String> {
    let host_ends = match rest.strip_prefix('[') {
        Some(inner) => inner
            .find(']')
            .map(|at| at + 2)
            .ok_or("has a `[` without `]`")?,
        None => rest.find(':').unwrap_or(rest.len()),
    };
    let (host, port) = rest.split_at(host_ends);
    if port.is_empty() {
        return Ok((host, None));
    }
    match port.strip_prefix(':') {
        Some(port) if port.contains('/') => Err(PATH.to_owned()),
        // `fe80::1` without brackets.
        Some(port) if port.contains(':') => {
            Err("has several `:`; put an IPv6 address into brackets".to_owned())
        }
        Some(port) => Ok((host, Some(port))),
        None if port.starts_with('/') => Err(PATH.to_owned()),
        None => Err("has something between the host and the port".to_owned()),
    }
}

/// Digits alone: `parse` would also take a sign.
fn read_port(digits: &str) -> Result<u16, String> {
    let port = digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse::<u16>().ok())
        .flatten();
    match port {
        Some(port) if port > 0 => Ok(port),
        _ => Err("has a port that is none; use 1 to 65535, or `*`".to_owned()),
    }
}

impl HostMatch {
    fn parse(host: &str) -> Result<HostMatch, String> {
        if host == "*" {
            return Ok(HostMatch::Any);
        }
        if host.is_empty() {
            return Err("names no host".to_owned());
        }
        if let Some((address, _)) = host.split_once('/') {
            let inner = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
                Some(inner) => inner,
                // Anything but an address before the slash is a host with a path.
                None if address.parse::<std::net::Ipv4Addr>().is_err() => {
                    return Err(PATH.to_owned());
                }
                None => host,
            };
            return blocks::network(inner).map(HostMatch::Net);
        }
        if let Some(name) = host.strip_prefix("*.") {
            return match parse_host(name) {
                Ok(Host::Domain(name)) if !name.contains('*') => {
                    Ok(HostMatch::Below(format!(".{name}")))
                }
                _ => Err("has a `*.` that is not followed by a name".to_owned()),
            };
        }
        if host.contains('*') {
            return Err(
                "has a `*` in the host; it can be the whole host or the whole first label, as in \
                 `*.example.com`"
                    .to_owned(),
            );
        }
        parse_host(host)
            .map(HostMatch::Exact)
            .map_err(|reason| format!("cannot be read: {reason}"))
    }

    fn matches(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (HostMatch::Any, _) => true,
            (HostMatch::Exact(exact), host) => exact == host,
            (HostMatch::Below(tail), Host::Domain(name)) => {
                name.len() > tail.len() && name.ends_with(tail.as_str())
            }
            (HostMatch::Net(net), Host::Ipv4(v4)) => net.contains(&IpAddr::V4(*v4)),
            (HostMatch::Net(net), Host::Ipv6(v6)) => net.contains(&IpAddr::V6(*v6)),
            _ => false,
        }
    }
}
