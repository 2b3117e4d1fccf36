//! A server that sends for ever, or next to nothing for ever, costs its limit and no more.

use crate::harness::{Attack, Case};
use crate::servers::{ANY, Reply, Server, fetch, ok};

pub(crate) const CASE: Case = Case {
    id: "N51",
    attack: "Bodies that drip or never end, endless headers, a length of 100 GB, silence",
    expect: &["limit: wasm_timeout", "limit: max_response_bytes", "failed"],
    within_ms: 1_000,
    run,
};

fn run(attack: &mut Attack) {
    let server = Server::start(|path, _| {
        let head = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}");
        match path {
            "/drip" => Reply::Drip(head("content-length: 99999\r\n\r\n")),
            "/silent" => Reply::Drip(String::new()),
            "/slow-header" => Reply::Drip(head("x: ")),
            "/early" => Reply::Forever(String::new(), "HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
            "/body" => Reply::Forever(head("\r\n"), "x".repeat(4096)),
            "/chunks" => Reply::Forever(
                head("transfer-encoding: chunked\r\n\r\n"),
                "1\r\nx\r\n".repeat(1000),
            ),
            "/told" => Reply::Drip(head("content-length: 99999999999\r\n\r\n")),
            "/headers" => Reply::Forever(head(""), "x: 0123456789\r\n".repeat(100)),
            "/header" => Reply::Forever(head("x: "), "x".repeat(4096)),
            _ => ok("reached"),
        }
    });
    for path in [
        "/drip",
        "/silent",
        "/slow-header",
        "/early",
        "/body",
        "/chunks",
        "/told",
        "/headers",
        "/header",
    ] {
        let call = fetch(attack, &server.url("127.0.0.1", path), ANY, "metadata");
        attack.attempt(call.limit("max_response_bytes=64KiB"));
    }
    let call = fetch(attack, &server.url("127.0.0.1", "/"), ANY, "metadata");
    attack.control(call.limit("max_response_bytes=64KiB"));
}
