//! The knobs that say where tools may connect to, as texts, and the policy that they make.

use crate::network::{
    ALLOWED_OUTBOUND_HOSTS, BLOCK_NETWORKS, BLOCK_URL, DEFAULT_BLOCK_NETWORKS, NetworkPolicy,
};

/// One of the knobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Net {
    AllowedOutboundHosts,
    BlockNetworks,
    BlockUrl,
}

impl Net {
    pub(super) const ALL: [Net; 3] = [Net::AllowedOutboundHosts, Net::BlockNetworks, Net::BlockUrl];

    pub(super) fn name(self) -> &'static str {
        match self {
            Net::AllowedOutboundHosts => ALLOWED_OUTBOUND_HOSTS,
            Net::BlockNetworks => BLOCK_NETWORKS,
            Net::BlockUrl => BLOCK_URL,
        }
    }

    pub(super) fn doc(self) -> &'static str {
        match self {
            Net::AllowedOutboundHosts => {
                "Hosts that tools may connect to, as `scheme://host[:port]`: scheme `http`, \
                 `https`, `tcp` or `*`; host a name, `*.example.com` for the names below it, an \
                 address, a network such as `10.0.0.0/8` for addresses that are written out, or \
                 `*`; port a number or `*`. Empty is none."
            }
            Net::BlockNetworks => {
                "Networks that tools never connect to, whatever is allowed and whatever the name: \
                 `private`, `loopback`, `link-local`, `metadata`, an address, or a network such as \
                 `10.0.0.0/8`."
            }
            Net::BlockUrl => {
                "Beginnings of URLs that tools never request, as `https://host/path`, or \
                 `//host/path` for `http` and `https`; `*.` before the host for the names below \
                 it. Every layer adds to it."
            }
        }
    }

    /// Proves that the entries can be enforced.
    pub(super) fn check(self, entries: &[String]) -> Result<(), String> {
        let of = |net: Net| if net == self { entries } else { &[] };
        NetworkPolicy::parse(
            of(Net::AllowedOutboundHosts),
            of(Net::BlockNetworks),
            of(Net::BlockUrl),
        )
        .map(drop)
    }
}

/// The entries of each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nets {
    allowed: Vec<String>,
    networks: Vec<String>,
    urls: Vec<String>,
}

impl Nets {
    pub(super) fn builtin() -> Nets {
        Nets {
            allowed: Vec::new(),
            networks: DEFAULT_BLOCK_NETWORKS
                .iter()
                .map(|s| (*s).to_owned())
                .collect(),
            urls: Vec::new(),
        }
    }

    pub(super) fn get(&self, net: Net) -> &[String] {
        match net {
            Net::AllowedOutboundHosts => &self.allowed,
            Net::BlockNetworks => &self.networks,
            Net::BlockUrl => &self.urls,
        }
    }

    pub(super) fn get_mut(&mut self, net: Net) -> &mut Vec<String> {
        match net {
            Net::AllowedOutboundHosts => &mut self.allowed,
            Net::BlockNetworks => &mut self.networks,
            Net::BlockUrl => &mut self.urls,
        }
    }

    pub(super) fn policy(&self) -> NetworkPolicy {
        // Every entry was checked; if one could not be read after all, nothing is allowed.
        NetworkPolicy::parse(&self.allowed, &self.networks, &self.urls)
            .unwrap_or_else(|_| NetworkPolicy::closed())
    }
}

/// Adds what is not there yet.
pub(super) fn add<T: PartialEq + Clone>(entries: &mut Vec<T>, more: &[T]) {
    for entry in more {
        if !entries.contains(entry) {
            entries.push(entry.clone());
        }
    }
}
