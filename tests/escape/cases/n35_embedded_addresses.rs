//! An IPv4 address within an IPv6 one leads where the IPv4 one does.

use crate::harness::{Attack, Case};
use crate::servers::{ANY, DEFAULT, Server, fetch, ok};

pub(crate) const CASE: Case = Case {
    id: "N35",
    attack: "Addresses in addresses: `::ffff:127.0.0.1`, 6to4, NAT64, Teredo, and `::1`",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let server = Server::start(|_, _| ok("reached"));
    for host in [
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[2002:7f00:1::]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::169.254.169.254]",
        "[2001:0:0:0:0:0:80ff:fffe]",
        "[fd00::1]",
    ] {
        let call = fetch(attack, &server.url(host, "/"), ANY, DEFAULT);
        attack.attempt(call);
    }
    assert_eq!(server.asked(), 0);
}
