//! Entries of `block_networks`, and what an address stands for: IPv6 has many ways to write an IPv4
//! address, and a block of it holds for all of them.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Set(&'static Set),
    Net(IpNet),
}

/// Networks, and names that stand for addresses in them, under one name.
#[derive(Debug, PartialEq)]
pub(super) struct Set {
    name: &'static str,
    nets: &'static [IpNet],
    /// Refused before they are resolved: through a proxy nobody here sees the address.
    names: &'static [&'static str],
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(high: u16, second: u16, low: u16, length: u8) -> IpNet {
    let address = Ipv6Addr::new(high, second, 0, 0, 0, 0, 0, low);
    IpNet::V6(Ipv6Net::new_assert(address, length))
}

/// Translators of a network of one's own: where in the address the IPv4 address lies is theirs to
/// choose, so the whole of it may lead to what any set has.
const LOCAL_NAT64: IpNet = IpNet::V6(Ipv6Net::new_assert(
    Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0),
    48,
));

static SETS: [Set; 4] = [
    Set {
        name: "private",
        nets: &[
            v4(10, 0, 0, 0, 8),
            v4(172, 16, 0, 0, 12),
            v4(192, 168, 0, 0, 16),
            v4(100, 64, 0, 0, 10),
            v6(0xfc00, 0, 0, 7),
            v6(0xfec0, 0, 0, 10),
            LOCAL_NAT64,
        ],
        names: &[],
    },
    Set {
        name: "loopback",
        nets: &[v4(127, 0, 0, 0, 8), v6(0, 0, 1, 128), LOCAL_NAT64],
        names: &["localhost"],
    },
    Set {
        name: "link-local",
        nets: &[v4(169, 254, 0, 0, 16), v6(0xfe80, 0, 0, 10), LOCAL_NAT64],
        names: &[],
    },
    Set {
        name: "metadata",
        nets: &[
            v4(169, 254, 169, 254, 32),
            v4(100, 100, 100, 200, 32),
            v4(168, 63, 129, 16, 32),
            v4(192, 0, 0, 192, 32),
            v6(0xfd00, 0x0ec2, 0x0254, 128),
            LOCAL_NAT64,
        ],
        names: &[
            "metadata",
            "metadata.google.internal",
            "metadata.goog",
            "instance-data",
            "instance-data.ec2.internal",
        ],
    },
];

impl Block {
    pub(super) fn defaults() -> Vec<Block> {
        SETS.iter().map(Block::Set).collect()
    }

    /// Reads one entry; an error continues "`entry` …".
    pub(super) fn parse(text: &str) -> Result<Block, String> {
        if let Some(set) = SETS.iter().find(|set| set.name == text) {
            return Ok(Block::Set(set));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Block::Net(unmapped(IpNet::from(address))));
        }
        if !text.contains('/') {
            let names: Vec<&str> = SETS.iter().map(|set| set.name).collect();
            return Err(format!(
                "is no network; expected {}, an address, or a network such as 10.0.0.0/8",
                names.join(", ")
            ));
        }
        network(text).map(|net| Block::Net(unmapped(net)))
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match self {
            Block::Set(set) => set.nets.iter().any(|net| net.contains(&address)),
            Block::Net(net) => net.contains(&address),
        }
    }

    /// Whether `name` is known to stand for an address in it.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let Block::Set(set) = self else { return false };
        set.names.contains(&name) || (set.name == "loopback" && name.ends_with(".localhost"))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Block::Set(set) => f.write_str(set.name),
            Block::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{}", net.addr())
            }
            Block::Net(net) => write!(f, "{net}"),
        }
    }
}

/// `address/length` without bits beyond the length: whoever writes them means something else.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let net: IpNet = text
        .parse()
        .map_err(|_| "is no network; expected one such as 10.0.0.0/8 or [fd00::/8]".to_owned())?;
    if net.addr() != net.network() {
        return Err(format!(
            "has bits beyond its length; write `{}`",
            net.trunc()
        ));
    }
    Ok(net)
}

/// `::ffff:10.0.0.0/104` is 10.0.0.0/8: addresses are looked at as what they stand for.
fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    match (
        six.addr().to_ipv4_mapped(),
        six.prefix_len().checked_sub(96),
    ) {
        (Some(four), Some(length)) => Ipv4Net::new(four, length).map_or(net, IpNet::V4),
        _ => net,
    }
}

/// What no configuration allows.
pub(super) fn never(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => match v4.octets()[0] {
            0 => Some("unspecified"),
            224..=239 => Some("multicast"),
            _ if v4.is_broadcast() => Some("broadcast"),
            240.. => Some("reserved"),
            _ => None,
        },
        IpAddr::V6(v6) if v6.is_unspecified() => Some("unspecified"),
        IpAddr::V6(v6) if v6.is_multicast() => Some("multicast"),
        IpAddr::V6(_) => None,
    }
}

/// The address, and every IPv4 address that it may be translated or tunnelled to.
pub(super) fn views(address: IpAddr) -> Vec<IpAddr> {
    let mut views = vec![address];
    if let IpAddr::V6(v6) = address {
        views.extend(embedded(v6).into_iter().map(IpAddr::V4));
    }
    views
}

pub(super) fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let s = address.segments();
    let four = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let last = four(s[6], s[7]);
    let mut found = Vec::new();
    // `::` and `::1` are what they are; the rest of ::/96 is IPv4-compatible.
    let compatible = s[..6] == [0; 6] && !address.is_unspecified() && !address.is_loopback();
    let mapped = s[..6] == [0, 0, 0, 0, 0, 0xffff];
    let translated = s[..6] == [0, 0, 0, 0, 0xffff, 0];
    let nat64 = s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] || s[..3] == [0x64, 0xff9b, 1];
    let isatap = matches!(s[4], 0 | 0x0200) && s[5] == 0x5efe;
    if compatible || mapped || translated || nat64 || isatap {
        found.push(last);
    }
    if s[0] == 0x2002 {
        found.push(four(s[1], s[2]));
    }
    if s[..2] == [0x2001, 0] {
        found.push(four(s[2], s[3]));
        found.push(four(!s[6], !s[7]));
    }
    found
}
