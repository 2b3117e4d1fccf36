//! An address is what it means, not what it looks like: every spelling of the loopback is blocked.

use crate::harness::{Attack, Case};
use crate::servers::{ANY, DEFAULT, Server, fetch, ok};

pub(crate) const CASE: Case = Case {
    id: "N34",
    attack: "Decimal, hexadecimal, octal and short addresses: `2130706433`, `0x7f000001`, `127.1`, `0`",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let server = Server::start(|_, _| ok("reached"));
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "127.255.255.254",
        "127.0.0.1.",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    ] {
        let call = fetch(attack, &server.url(host, "/"), ANY, DEFAULT);
        attack.attempt(call);
    }
    assert_eq!(server.asked(), 0);
    let call = fetch(attack, &server.url("127.0.0.1", "/"), ANY, "metadata");
    assert_eq!(attack.control(call).output(), "reached");
    assert_eq!(server.asked(), 1);
}
