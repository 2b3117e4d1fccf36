//! What is sent is what was decided on: a guest sets neither host nor length, and a server that
//! contradicts itself is not believed.

use crate::guests::fetching;
use crate::harness::{Attack, Case};
use crate::servers::{ANY, Reply, Server, fetch, fetch_with, ok};

pub(crate) const CASE: Case = Case {
    id: "N40",
    attack: "CONNECT, `Host`, `Transfer-Encoding`, line ends in headers; answers with two lengths",
    expect: &["failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let server = Server::start(|path, _| {
        let with = |rest: &str| Reply::Say(format!("HTTP/1.1 200 OK\r\n{rest}"));
        match path {
            "/other" => with("content-length: 2\r\ncontent-length: 3\r\n\r\nxxx"),
            "/both" => with("content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            "/switch" => Reply::Say("HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n".to_owned()),
            "/short" => with("content-length: 9\r\n\r\nxx"),
            "/ssh" => Reply::Say("SSH-2.0-x\r\n\r\n".to_owned()),
            _ => ok("reached"),
        }
    });
    let url = server.url("127.0.0.1", "/");
    for (method, header) in [
        ("CONNECT", None),
        ("GET / HTTP/1.1\r\nx: y\r\n\r\nGET", None),
        ("GET", Some(("host", "evil.example"))),
        ("GET", Some(("Transfer-Encoding", "chunked"))),
        ("GET", Some(("connection", "upgrade"))),
        ("GET", Some(("proxy-authorization", "x"))),
        ("GET", Some(("a\r\nb", "x"))),
        ("GET", Some(("a", "x\r\nhost: evil.example"))),
    ] {
        let call = fetch_with(attack, &fetching(method, header), &url, ANY, "metadata");
        attack.attempt(call);
    }
    assert_eq!(server.asked(), 0);
    for path in ["/other", "/both", "/switch", "/short", "/ssh"] {
        let call = fetch(attack, &server.url("127.0.0.1", path), ANY, "metadata");
        attack.attempt(call);
    }
    let header = fetching("GET", Some(("accept", "text/html")));
    let call = fetch_with(attack, &header, &url, ANY, "metadata");
    assert_eq!(attack.control(call).output(), "reached");
}
