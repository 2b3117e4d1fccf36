//! Spellings of hosts, addresses and URLs, and what is decided about them.

use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const NONE: &[&str] = &[];

fn policy(allowed: &[&str], networks: &[&str], urls: &[&str]) -> NetworkPolicy {
    NetworkPolicy::parse(allowed, networks, urls).unwrap()
}

fn target(text: &str) -> Result<Target, NetworkRefusal> {
    let Some(rest) = text.strip_prefix("tcp://") else {
        return Target::parse_url(text);
    };
    let (host, port) = rest.rsplit_once(':').unwrap();
    Target::tcp_name(host, port.parse().unwrap())
}

fn verdict(policy: &NetworkPolicy, text: &str) -> &'static str {
    match target(text).and_then(|target| policy.check(&target)) {
        Ok(()) => "ok",
        Err(refusal) if refusal.knob().is_empty() => "unusable",
        Err(refusal) => refusal.knob(),
    }
}

fn check_normal(text: &str, expect: &str) {
    let got = match target(text) {
        Ok(target) => target.to_string(),
        Err(refusal) => {
            assert_eq!(refusal.knob(), "");
            refusal.to_string()
        }
    };
    assert!(
        got == expect || got.ends_with(&format!(": {expect}")),
        "{text:?}: {got}"
    );
}

/// Of each target whether one entry allows it; nothing is blocked that can be unblocked.
fn check_allowed(entry: &str, targets: &[(&str, bool)]) {
    let policy = policy(&[entry], NONE, NONE);
    for (text, expect) in targets {
        let expect = if *expect {
            "ok"
        } else {
            ALLOWED_OUTBOUND_HOSTS
        };
        assert_eq!(verdict(&policy, text), expect, "{entry} on {text}");
    }
}

fn check_entry(knob: &str, entry: &str, expect: &str) {
    let of = |name: &str| if name == knob { vec![entry] } else { vec![] };
    let got = NetworkPolicy::parse(
        &of(ALLOWED_OUTBOUND_HOSTS),
        &of(BLOCK_NETWORKS),
        &of(BLOCK_URL),
    );
    let message = got.unwrap_err();
    assert!(
        message.starts_with(&format!("`{knob}`: `{entry}` ")),
        "{message}"
    );
    assert!(message.contains(expect), "{message}");
}

#[test]
fn spellings_of_one_host_are_one_target() {
    for (text, expect) in [
        ("HTTPS://Example.COM", "https://example.com:443"),
        ("http://example.com.:8080/x#y", "http://example.com:8080"),
        ("http://ex%61mple.com/", "http://example.com:80"),
        (
            "http://B\u{fc}cher.example",
            "http://xn--bcher-kva.example:80",
        ),
        (
            "http://xn--bcher-kva.example",
            "http://xn--bcher-kva.example:80",
        ),
        ("http://\u{ff45}xample.com", "http://example.com:80"),
        ("http://2130706433/", "http://127.0.0.1:80"),
        ("http://0x7f.1/", "http://127.0.0.1:80"),
        ("http://0177.0.0.1/", "http://127.0.0.1:80"),
        ("http://127.1/", "http://127.0.0.1:80"),
        ("http://127.0.0.1./", "http://127.0.0.1:80"),
        ("http://0/", "http://0.0.0.0:80"),
        ("http://%31%32%37.1/", "http://127.0.0.1:80"),
        ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]:80"),
        ("tcp://Example.com.:22", "tcp://example.com:22"),
        ("tcp://127.1:22", "tcp://127.0.0.1:22"),
        ("tcp://::1:22", "tcp://[::1]:22"),
        ("tcp://[::1]:22", "tcp://[::1]:22"),
    ] {
        check_normal(text, expect);
    }
}

#[test]
fn what_names_no_host_is_refused() {
    let no_name = "its host is no name: labels of letters, digits and `-` between single dots";
    for (text, expect) in [
        ("example.com", "it is no URL; begin it with `https://`"),
        ("http:example.com", "it is no URL; begin it with `https://`"),
        (
            "ftp://example.com",
            "only `http://` and `https://` can be requested",
        ),
        (
            "udp://example.com",
            "only `http://` and `https://` can be requested",
        ),
        (
            "file:///etc/passwd",
            "only `http://` and `https://` can be requested",
        ),
        ("http://", "it names no host"),
        ("http:///example.com", "it names no host"),
        (
            "http://ok.com@evil.com/",
            "it names a user before the host; leave out what is before the `@`",
        ),
        (
            "http://@evil.com/",
            "it names a user before the host; leave out what is before the `@`",
        ),
        (
            "http://ok.com\\@evil.com/",
            "it names a user before the host; leave out what is before the `@`",
        ),
        (
            "http://ok.com\\.evil.com/",
            "it contains a backslash, which some take for `/`; write `/` or `%5C`",
        ),
        (
            "http://ok\t.com/",
            "it contains a control character; percent-encode it",
        ),
        ("http://example.com../", no_name),
        ("http://a..example.com/", no_name),
        ("http://*.example.com/", no_name),
        ("http://example.com:0/", "port 0 names nothing"),
        ("tcp://example.com:0", "port 0 names nothing"),
        ("tcp://a b:1", "its host is no name and no address"),
        (
            "tcp://u@example.com:1",
            "its host is no name and no address",
        ),
        ("http://[fe80::1%25eth0]/", ZONE),
        ("tcp://fe80::1%eth0:1", ZONE),
    ] {
        check_normal(text, expect);
    }
    assert!(Target::parse_url(&format!("http://a/{}", "x".repeat(70_000))).is_err());
}

#[test]
fn a_url_is_requested_as_it_was_decided() {
    let target = Target::parse_url("HTTP://Ok.com.:80/a/../b?c#d").unwrap();
    assert_eq!(target.url().unwrap().as_str(), "http://ok.com/b?c");
    assert_eq!(target.host(), &Host::Domain("ok.com".to_owned()));
    assert_eq!((target.scheme(), target.port()), (Scheme::Http, 80));
}

#[test]
fn hosts_match_as_a_whole() {
    check_allowed(
        "https://ok.com",
        &[
            ("https://ok.com/x", true),
            ("https://OK.com.:443", true),
            ("https://ok.com:444", false),
            ("http://ok.com", false),
            ("tcp://ok.com:443", false),
            ("https://ok.com.evil.com", false),
            ("https://evilok.com", false),
            ("https://www.ok.com", false),
            ("https://1.2.3.4", false),
        ],
    );
    check_allowed(
        "http://*.ok.com:*",
        &[
            ("http://a.ok.com", true),
            ("http://a.b.ok.com:81", true),
            ("http://ok.com", false),
            ("http://evilok.com", false),
            ("http://a.ok.com.evil.com", false),
            ("https://a.ok.com", false),
        ],
    );
    check_allowed(
        "*://*:*",
        &[
            ("http://a", true),
            ("https://1.2.3.4:9", true),
            ("tcp://[2600::1]:22", true),
        ],
    );
    check_allowed(
        "tcp://db:5432",
        &[("tcp://db:5432", true), ("tcp://db:22", false)],
    );
    check_allowed(
        "http://B\u{fc}cher.example.",
        &[("http://xn--bcher-kva.example", true)],
    );
    check_allowed(
        "http://10.0.0.0/8:*",
        &[
            ("http://10.1.2.3", true),
            ("http://0xa.1", true),
            ("http://11.0.0.1", false),
            ("http://internal.example", false),
            ("http://[::ffff:10.0.0.1]", false),
        ],
    );
    check_allowed(
        "http://[fd00::/8]",
        &[("http://[fd00::1]", true), ("http://[fe00::1]", false)],
    );
    check_allowed(
        "http://127.1:80",
        &[("http://127.0.0.1", true), ("http://127.0.0.2", false)],
    );
}

#[test]
fn entries_that_cannot_be_enforced_are_errors() {
    for (entry, expect) in [
        (
            "example.com",
            "write `https://example.com`, or `*://example.com:*`",
        ),
        ("udp://example.com", "unknown scheme"),
        ("https://", "names no host"),
        ("https://example.com/", "paths cannot be allowed"),
        ("https://example.com:443/x", "paths cannot be allowed"),
        ("https://example.com?x", "paths cannot be allowed"),
        ("https://u@example.com", "names a user"),
        ("tcp://example.com", "needs a port"),
        ("*://example.com", "needs a port"),
        ("https://example.com:0", "1 to 65535"),
        ("https://example.com:+1", "1 to 65535"),
        ("https://example.com:", "1 to 65535"),
        ("https://fe80::1", "brackets"),
        ("https://[fe80::1", "without `]`"),
        ("https://[fe80::1]x", "between the host and the port"),
        ("https://[fe80::1%eth0]", "cannot be read"),
        ("https://a.*.com", "whole first label"),
        ("https://*.1.2.3.4", "followed by a name"),
        ("https://*.*.com", "followed by a name"),
        ("https://10.0.0.1/8", "write `10.0.0.0/8`"),
        ("https://10.0.0.0/33", "is no network"),
    ] {
        check_entry(ALLOWED_OUTBOUND_HOSTS, entry, expect);
    }
    for (entry, expect) in [
        ("privat", "expected private, loopback, link-local, metadata"),
        ("10.0.0.0/99", "is no network"),
        ("10.0.0.1/8", "write `10.0.0.0/8`"),
        ("example.com", "is no network"),
    ] {
        check_entry(BLOCK_NETWORKS, entry, expect);
    }
    for (entry, expect) in [
        ("example.com/x", "is no URL to block"),
        ("tcp://example.com", "is no URL to block"),
        ("http://a@b/", "names a user"),
        ("http://a/#b", "fragment"),
        ("http://*.1.2.3.4/", "followed by a name"),
        ("http://*/", "labels of letters"),
        ("http:///x", "names no host"),
    ] {
        check_entry(BLOCK_URL, entry, expect);
    }
}

/// By which entry an address is refused when everything is allowed.
fn check_address(networks: &[&str], address: &str, expect: &str) {
    let policy = policy(&["*://*:*"], networks, NONE);
    let ip: IpAddr = address.parse().unwrap();
    let name = Target::parse_url("http://some.example/").unwrap();
    let got = match policy.check_address(&name, ip) {
        Ok(()) => "ok".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    assert!(
        got == expect || (expect != "ok" && got.contains(expect)),
        "{address}: {got}"
    );
    // Written out it is the same.
    let literal = Target::tcp_address(SocketAddr::new(ip, 80));
    assert_eq!(policy.check(&literal).is_ok(), expect == "ok", "{address}");
}

#[test]
fn addresses_are_blocked_whatever_they_are_written_as() {
    for (address, expect) in [
        ("93.184.216.34", "ok"),
        ("2600:1406::1", "ok"),
        ("10.0.0.1", "`private`"),
        ("172.16.0.1", "`private`"),
        ("172.32.0.1", "ok"),
        ("192.168.1.1", "`private`"),
        ("100.64.0.1", "`private`"),
        ("fc00::1", "`private`"),
        ("fec0::1", "`private`"),
        ("127.8.8.8", "`loopback`"),
        ("::1", "`loopback`"),
        ("169.254.1.1", "`link-local`"),
        ("fe80::1", "`link-local`"),
        ("100.100.100.200", "`private`"),
        ("168.63.129.16", "`metadata`"),
        ("192.0.0.192", "`metadata`"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("::ffff:127.0.0.1", "stands for `127.0.0.1`"),
        ("::127.0.0.1", "stands for `127.0.0.1`"),
        ("::ffff:0:127.0.0.1", "stands for `127.0.0.1`"),
        ("2002:7f00:1::", "stands for `127.0.0.1`"),
        ("64:ff9b::7f00:1", "stands for `127.0.0.1`"),
        ("64:ff9b:1:2:3:4:7f00:1", "`private`"),
        ("2001:0:7f00:1::", "stands for `127.0.0.1`"),
        ("2001:0:102:304::80ff:fffe", "stands for `127.0.0.1`"),
        ("2600::5efe:127.0.0.1", "stands for `127.0.0.1`"),
        ("2600::200:5efe:127.0.0.1", "stands for `127.0.0.1`"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("64:ff9b::5db8:d822", "ok"),
    ] {
        check_address(DEFAULT_BLOCK_NETWORKS, address, expect);
    }
    for (address, expect) in [
        ("10.0.0.1", "ok"),
        ("::1", "ok"),
        ("fd00:ec2::254", "ok"),
        ("0.0.0.0", "never allowed"),
        ("::ffff:255.255.255.255", "never allowed"),
    ] {
        check_address(NONE, address, expect);
    }
    // Where the IPv4 address lies in it is a translator's to choose.
    for set in DEFAULT_BLOCK_NETWORKS {
        check_address(
            &[set],
            "64:ff9b:1:a9fe:a9:fe00:808:808",
            &format!("`{set}`"),
        );
    }
    check_address(NONE, "64:ff9b:1:a9fe:a9:fe00:808:808", "ok");
    for address in ["fd00:ec2::254", "169.254.169.254", "100.100.100.200"] {
        check_address(&["metadata"], address, "`metadata`");
    }
    check_address(&["8.8.8.8"], "8.8.8.8", "`8.8.8.8`");
    check_address(&["8.8.8.8"], "8.8.8.9", "ok");
    check_address(&["::ffff:8.0.0.0/104"], "8.1.1.1", "`8.0.0.0/8`");
    check_address(&["::/0"], "8.1.1.1", "ok");
    check_address(&["2002::/16"], "2002:808:808::", "`2002::/16`");
}

#[test]
fn names_of_blocked_addresses_are_refused_unresolved() {
    let all = policy(&["*://*:*"], DEFAULT_BLOCK_NETWORKS, NONE);
    for name in [
        "metadata",
        "METADATA.google.internal.",
        "instance-data",
        "localhost",
        "a.localhost",
    ] {
        assert_eq!(
            verdict(&all, &format!("http://{name}/")),
            BLOCK_NETWORKS,
            "{name}"
        );
        assert_eq!(
            verdict(
                &policy(&["*://*:*"], NONE, NONE),
                &format!("http://{name}/")
            ),
            "ok"
        );
    }
    assert_eq!(verdict(&all, "http://metadata.example/"), "ok");
}

#[test]
fn zones_are_refused() {
    let v6 = std::net::SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 3);
    let refusal = policy(&["*://*:*"], NONE, NONE)
        .check(&Target::tcp_address(v6.into()))
        .unwrap_err();
    assert!(refusal.to_string().contains("zone"), "{refusal}");
}

fn check_blocked(entry: &str, targets: &[(&str, bool)]) {
    let policy = policy(&["*://*:*"], NONE, &[entry]);
    for (text, blocked) in targets {
        let expect = if *blocked { BLOCK_URL } else { "ok" };
        assert_eq!(verdict(&policy, text), expect, "{entry} on {text}");
    }
}

#[test]
fn blocked_urls_are_blocked_in_any_spelling() {
    check_blocked(
        "http://ok.com/admin",
        &[
            ("http://ok.com/admin", true),
            ("http://ok.com/admin/x?y", true),
            ("http://ok.com/administrator", true),
            ("HTTP://OK.com.:80/admin", true),
            ("http://ok.com//admin", true),
            ("http://ok.com/./x/../admin", true),
            ("http://ok.com/%61dmin", true),
            ("http://ok.com/%2561dmin", true),
            ("http://ok.com/%25252561dmin", true),
            ("http://ok.com/%2fadmin", true),
            ("http://ok.com/x%2f..%2fadmin", true),
            ("http://ok.com/admin%2f%2f..", true),
            ("http://ok.com/x/%252e%252e/admin", true),
            ("http://ok.com/x%5C..%5Cadmin", true),
            ("http://ok.com/%2525252525252525252525252525", true),
            ("http://ok.com/", false),
            ("http://ok.com/Admin", false),
            ("http://ok.com/x?/admin", false),
            ("http://ok.com/user/admin", false),
            ("http://ok.com:81/admin", false),
            ("https://ok.com/admin", false),
            ("http://ok.com.evil.com/admin", false),
            ("http://a.ok.com/admin", false),
            ("tcp://ok.com:80", true),
            ("tcp://ok.com:443", false),
        ],
    );
    check_blocked(
        "http://ok.com",
        &[
            ("http://ok.com/x", true),
            ("http://ok.com.evil.com/", false),
            ("http://okkcom/", false),
        ],
    );
    check_blocked(
        "//*.ok.com/%7Ejo/",
        &[
            ("http://a.ok.com/~jo/x", true),
            ("https://a.b.ok.com/%7ejo/", true),
            ("https://a.ok.com/~jo", false),
            ("https://ok.com/~jo/", false),
            ("https://evilok.com/~jo/", false),
        ],
    );
    check_blocked(
        "//ok.com:8080/x",
        &[
            ("http://ok.com:8080/x", true),
            ("https://ok.com:8080/x", true),
            ("http://ok.com/x", false),
        ],
    );
    check_blocked(
        "https://ok.com/a?key=",
        &[
            ("https://ok.com/a?key=1", true),
            ("https://ok.com/a?%6bey=1", true),
            ("https://ok.com/a?b", false),
        ],
    );
    check_blocked(
        "http://1.2.3.4/",
        &[
            ("http://0x01020304/", true),
            ("http://[::ffff:1.2.3.4]/", true),
        ],
    );
}

#[test]
fn refusals_name_target_knob_and_remedy() {
    let check = |policy: &NetworkPolicy, text: &str, expect: &str| {
        let refusal = policy.check(&target(text).unwrap()).unwrap_err();
        assert_eq!(refusal.to_string(), expect);
    };
    let closed = NetworkPolicy::closed();
    assert!(closed.is_closed());
    check(
        &closed,
        "https://Ok.com/x",
        "`https://ok.com:443` is refused by `allowed_outbound_hosts`: no host is allowed; add \
         `https://ok.com:443` to it to allow this one",
    );
    check(
        &closed,
        "http://2130706433",
        "`http://127.0.0.1:80` is refused by `block_networks`: `127.0.0.1` is in `loopback`; \
         configure it without that entry to allow it",
    );
    let refusal = Target::parse_url("gopher://x").unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "`gopher://x` is refused: only `http://` and `https://` can be requested"
    );
}

proptest! {
    #[test]
    fn what_a_target_shows_is_the_entry_that_allows_it(text in "(https?://)?[a-cA-C.0x7%6-]{0,12}(:[0-9]{1,5})?[/?#.%2e]{0,6}|\\PC{0,20}") {
        if let Ok(target) = Target::parse_url(&text) {
            let shown = target.to_string();
            let policy = policy(&[&shown], NONE, NONE);
            // Only what is never allowed is refused.
            let refusal = policy.check(&target).err().map(|refusal| refusal.knob());
            prop_assert!(matches!(refusal, None | Some(BLOCK_NETWORKS)), "{text} {shown}");
            let again = Target::parse_url(target.url().unwrap().as_str());
            prop_assert_eq!(again, Ok(target));
        }
    }

    #[test]
    fn an_embedded_address_is_decided_as_itself(bits: u32, other: u64, way in 0..9) {
        let four = Ipv4Addr::from(bits);
        let (high, low) = ((bits >> 16) as u16, bits as u16);
        let (a, b) = (other as u16, (other >> 16) as u16);
        let six = match way {
            0 => Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            1 => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            2 => Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            3 => Ipv6Addr::new(0x2002, high, low, a, b, a, b, a),
            4 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            5 => Ipv6Addr::new(0x64, 0xff9b, 1, a, b, a, high, low),
            6 => Ipv6Addr::new(0x2001, 0, a, b, a, b, !high, !low),
            7 => Ipv6Addr::new(0x2001, 0, high, low, a, b, a, b),
            _ => Ipv6Addr::new(0x2600, a, b, a, 0x200, 0x5efe, high, low),
        };
        // `::` and `::1` are not IPv4-compatible addresses.
        prop_assume!(way != 1 || bits > 1);
        let policy = policy(&["*://*:*"], DEFAULT_BLOCK_NETWORKS, NONE);
        let target = Target::parse_url("http://some.example/").unwrap();
        if policy.check_address(&target, four.into()).is_err() {
            prop_assert!(policy.check_address(&target, six.into()).is_err(), "{six}");
        }
    }

    // Dots and slashes all or none: some of them would change what is resolved before it is sent.
    #[test]
    fn encoding_a_blocked_path_does_not_unblock_it(
        path in "([.c]{0,2}/){0,3}a[a-c/.~]{0,5}",
        twice: bool,
        dots: bool,
        slashes: bool,
        others: u16,
    ) {
        let policy = policy(&["*://*:*"], NONE, &["http://ok.com/a"]);
        if verdict(&policy, &format!("http://ok.com/{path}")) != BLOCK_URL {
            return Ok(());
        }
        let mut text = "http://ok.com/".to_owned();
        for (at, byte) in path.bytes().enumerate() {
            let encode = match byte {
                b'.' => dots,
                b'/' => slashes,
                _ => others >> (at % 16) & 1 == 1,
            };
            match (encode, twice) {
                (false, _) => text.push(char::from(byte)),
                (true, false) => text.push_str(&format!("%{byte:02x}")),
                (true, true) => text.push_str(&format!("%25{byte:02X}")),
            }
        }
        prop_assert_eq!(verdict(&policy, &text), BLOCK_URL, "{}", text);
    }
}

#[test]
fn a_name_is_allowed_before_its_port_is_known() {
    let check = |entry: &str, name: &str, expect: bool| {
        let policy = policy(&[entry], DEFAULT_BLOCK_NETWORKS, NONE);
        assert_eq!(policy.allows_name(name), expect, "{entry} on {name}");
    };
    check("tcp://db.example.com:5432", "db.example.com", true);
    check("tcp://db.example.com:5432", "DB.example.com.", true);
    check("*://*.example.com:443", "db.example.com", true);
    check("tcp://*:*", "db.example.com", true);
    check("tcp://db.example.com:5432", "example.com", false);
    check("https://db.example.com", "db.example.com", false);
    // Nothing that is looked up; and what is blocked by name.
    check("tcp://*:*", "192.0.2.1", false);
    check("tcp://*:*", "a b", false);
    check("tcp://*:*", "metadata.google.internal", false);
}
