//! A name is decided by the addresses that it has at that moment, and the one that was decided is the
//! one that is used. (Names that change their address in between are in the sandbox's own tests,
//! which have a resolver to do so.)

use crate::harness::{Attack, Case};
use crate::servers::{DEFAULT, Server, fetch, ok};

pub(crate) const CASE: Case = Case {
    id: "N36",
    attack: "An allowed name that has a blocked address",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let server = Server::start(|_, _| ok("reached"));
    let url = server.url("localhost", "/");
    let call = fetch(attack, &url, &["http://localhost:*"], DEFAULT);
    attack.attempt(call);
    assert_eq!(server.asked(), 0);
    let call = fetch(attack, &url, &["http://localhost:*"], "metadata");
    assert_eq!(attack.control(call).output(), "reached");
}
