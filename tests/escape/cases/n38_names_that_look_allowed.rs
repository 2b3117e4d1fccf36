//! An allowed host is that host: not one that begins or ends so, not one behind a user name.

use crate::harness::{Attack, Case};
use crate::servers::{Server, fetch, ok};

pub(crate) const CASE: Case = Case {
    id: "N38",
    attack: "`localhost.evil.example`, `localhost@evil`, other ports, schemes, look-alikes, other letters",
    expect: &["denied", "failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let server = Server::start(|_, _| ok("reached"));
    let port = server.port;
    let allowed = format!("http://localhost:{port}");
    for url in [
        format!("http://localhost.evil.example:{port}/"),
        format!("http://evil-localhost:{port}/"),
        format!("http://localhost:{port}@127.0.0.1:{port}/"),
        format!("http://localhost@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/#@localhost:{port}/"),
        format!("http://127.0.0.1:{port}\\@localhost:{port}/"),
        format!("https://localhost:{port}/"),
        format!("ftp://localhost:{port}/"),
        format!("http://localhost:{}/", port ^ 1),
        format!("http://l\u{43e}calhost:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
    ] {
        let call = fetch(attack, &url, &[&allowed], "metadata");
        attack.attempt(call);
    }
    assert_eq!(server.asked(), 0);
    // With nothing allowed there is nothing.
    let call = fetch(attack, &server.url("localhost", "/"), &[], "metadata");
    attack.attempt(call);
    let call = fetch(
        attack,
        &server.url("localhost", "/"),
        &[&allowed],
        "metadata",
    );
    assert_eq!(attack.control(call).output(), "reached");
}
