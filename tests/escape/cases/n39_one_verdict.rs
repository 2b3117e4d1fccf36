//! Whether a request is encrypted changes nothing of who may be asked.

use crate::guests::fetching;
use crate::harness::{Attack, Case};
use crate::servers::{DEFAULT, Server, fetch, fetch_with, ok};

pub(crate) const CASE: Case = Case {
    id: "N39",
    attack: "Plain HTTP, HTTPS and CONNECT to the same forbidden host",
    expect: &["denied", "failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let server = Server::start(|_, _| ok("reached"));
    let (hosts, port) = (&["https://*.example.com"], server.port);
    for scheme in ["http", "https"] {
        for (host, reason) in [
            (
                format!("other.example.net:{port}"),
                "allowed_outbound_hosts",
            ),
            (format!("127.0.0.1:{port}"), "block_networks"),
        ] {
            let call = fetch(attack, &format!("{scheme}://{host}/"), hosts, DEFAULT);
            let outcome = attack.attempt(call);
            assert_eq!(outcome.label, "denied");
            assert!(outcome.message().contains(reason), "{outcome:#?}");
        }
        let any = &[format!("{scheme}://*:*")];
        let any: Vec<&str> = any.iter().map(String::as_str).collect();
        let url = format!("{scheme}://127.0.0.1:{port}/");
        let call = fetch(attack, &url, &any, DEFAULT);
        assert_eq!(attack.attempt(call).label, "denied");
    }
    let connect = fetching("CONNECT", None);
    let url = server.url("127.0.0.1", "/");
    let call = fetch_with(attack, &connect, &url, &["http://*:*"], "metadata");
    assert_eq!(attack.attempt(call).label, "failed");
    assert_eq!(server.asked(), 0);
}
