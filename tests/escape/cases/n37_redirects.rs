//! Each hop of a redirect is decided as if it were the first.

use crate::harness::{Attack, Case};
use crate::servers::{Reply, Server, fetch, ok};

pub(crate) const CASE: Case = Case {
    id: "N37",
    attack: "Redirects to a blocked host, another port, a file, a user, in a circle",
    expect: &["denied", "failed"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    let inner = Server::start(|_, _| ok("inner"));
    let (port, to) = (inner.port, |target: String| {
        Reply::Say(format!(
            "HTTP/1.1 302 X\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n"
        ))
    });
    let server = Server::start(move |path, own| match path {
        "/port" => to(format!("http://127.0.0.1:{port}/")),
        "/host" => to(format!("http://127.0.0.2:{own}/")),
        "/metadata" => to("http://169.254.169.254/latest".to_owned()),
        "/file" => to("file:///etc/passwd".to_owned()),
        "/user" => to(format!("http://a@127.0.0.1:{own}/end")),
        "/circle" => to("/circle".to_owned()),
        "/fine" => to("/end".to_owned()),
        _ => ok("end"),
    });
    let allowed = format!("http://127.0.0.1:{}", server.port);
    for path in ["/port", "/host", "/metadata", "/file", "/user", "/circle"] {
        let call = fetch(
            attack,
            &server.url("127.0.0.1", path),
            &[&allowed],
            "metadata",
        );
        attack.attempt(call);
    }
    assert_eq!(inner.asked(), 0);
    let call = fetch(
        attack,
        &server.url("127.0.0.1", "/fine"),
        &[&allowed],
        "metadata",
    );
    assert_eq!(attack.control(call).output(), "end");
}
