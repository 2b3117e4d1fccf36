//! The network's gate, against servers on this machine that misbehave: what is refused, what is
//! pinned, and what stops the call.

use super::servers::{
    ANY, HostsResolver, LOCAL, Reply, Server, answer, network, policy, read_head, say,
};
use super::*;
use crate::meter::Meter;
use crate::network::{Gate, fetch};
use crate::world::abi::boxagnts::tool::http::{Error, Request, Response};
use boxagnts_policy::limits::Limit;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

const DEFAULTS: &[&str] = &["private", "loopback", "link-local", "metadata"];

fn named(allowed: &[&str], blocked: &[&str], resolver: &Arc<HostsResolver>) -> Network {
    let resolver: Arc<dyn Resolver> = Arc::clone(resolver) as _;
    Network::new(policy(allowed, blocked, &[]), None, resolver)
}

fn get(url: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
    }
}

fn gate(network: &Network, set: &str) -> Arc<Gate> {
    let meter = Meter::new(limits(set), CancellationToken::new());
    Gate::new(network.clone(), &meter)
}

/// What came of a fetch, in one line.
fn told(fetched: &wasmtime::Result<Result<Response, Error>>) -> String {
    match fetched {
        Ok(Ok(response)) => format!(
            "{} {}",
            response.status,
            String::from_utf8_lossy(&response.body)
        ),
        Ok(Err(error)) => format!("{:?} {}", error.code, error.message),
        Err(error) => match error.downcast_ref::<crate::meter::Stop>() {
            Some(crate::meter::Stop::Limit { limit, .. }) => format!("limit {}", limit.name()),
            Some(crate::meter::Stop::Cancelled) => "cancelled".to_owned(),
            None => format!("{error:#}"),
        },
    }
}

/// Fetches, and checks how what came of it begins or what it contains.
#[track_caller]
fn check_in(gate: &Arc<Gate>, request: Request, expect: &str) {
    let url = request.url.clone();
    let told = told(&runtime().block_on(fetch(gate, request)));
    assert!(
        told == expect || (expect.len() > 6 && told.contains(expect)),
        "{url}: {told:?}, expected {expect:?}"
    );
}

#[track_caller]
fn check(network: &Network, url: &str, expect: &str) {
    check_in(&gate(network, ""), get(url), expect);
}

fn hello() -> Server {
    runtime().block_on(Server::start(|_, _| say("200 OK", "hello")))
}

#[test]
fn what_is_not_configured_is_refused() {
    let server = hello();
    let url = server.url("127.0.0.1", "/");
    check(&Network::closed(), &url, "ErrorCode::Denied");
    check(&network(ANY, DEFAULTS), &url, "`block_networks`");
    check(
        &network(&["http://example.com"], &[]),
        &url,
        "`allowed_outbound_hosts`",
    );
    assert_eq!(server.asked(), [""; 0]);
    check(&network(&["http://127.0.0.1:*"], &[]), &url, "200 hello");
    // The same verdict for every spelling, and for the address in other clothes.
    for host in [
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::ffff:127.0.0.1]",
        "0",
        "[::ffff:7f00:1]",
    ] {
        check(
            &network(ANY, DEFAULTS),
            &server.url(host, "/"),
            "`block_networks`",
        );
    }
    check(&network(ANY, &[]), "http://me@127.0.0.1/", "InvalidRequest");
    check(&network(ANY, &[]), "ftp://127.0.0.1/", "InvalidRequest");
    check(
        &network(ANY, &[]),
        "http://127.0.0.1\\@evil/",
        "InvalidRequest",
    );
    assert_eq!(server.asked(), ["GET / HTTP/1.1"]);
}

#[test]
fn every_address_of_a_name_is_decided_and_the_one_that_was_is_used() {
    let server = hello();
    let url = server.url("site.test", "/");
    let check = |answers: &[&[IpAddr]], expect: &str| {
        let resolver = HostsResolver::new(&[("site.test", answers)]);
        super::network::check(
            &named(ANY, &["private", "loopback"], &resolver),
            &url,
            expect,
        );
        assert_eq!(resolver.asked(), ["site.test"], "{expect}");
    };
    check(&[&[LOCAL]], "`127.0.0.1` is in `loopback`");
    check(
        &[&["::ffff:127.0.0.1".parse().unwrap()]],
        "`block_networks`",
    );
    check(&[&[]], "NotResolved");
    // Of mixed answers only the allowed ones are tried.
    let net = |blocked: &[&str], answers: &[&[IpAddr]]| {
        let resolver = HostsResolver::new(&[("site.test", answers)]);
        (named(ANY, blocked, &resolver), resolver)
    };
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let (mixed, _) = net(&["127.0.0.2/32"], &[&[other, LOCAL]]);
    let gate = gate(&mixed, "");
    check_in(&gate, get(&url), "200 hello");
    let contacts = gate.contacts().list;
    let seen: Vec<_> = contacts.iter().map(|c| (c.address, c.allowed)).collect();
    assert_eq!(seen, [(Some(other), false), (Some(LOCAL), true)]);
    assert!(
        contacts[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("is in `127.0.0.2")
    );
    // The name moves to a blocked address after it was decided: nobody asks again within a
    // connection, and the next connection is refused.
    let (moving, resolver) = net(&["127.0.0.2/32"], &[&[LOCAL], &[other]]);
    let gate = super::network::gate(&moving, "");
    check_in(&gate, get(&url), "200 hello");
    assert_eq!(resolver.asked().len(), 1);
    check_in(&gate, get(&url), "`127.0.0.2` is in `127.0.0.2");
    assert_eq!(server.asked().len(), 2);
    check_in(&gate, get("http://nowhere.test/"), "no such name");
}

#[test]
fn redirects_are_decided_again() {
    let server = runtime().block_on(Server::start(|head, port| {
        let to = |status: &str, to: &str| {
            say(
                &format!(
                    "{status} X\r\nlocation: {}",
                    to.replace("PORT", &port.to_string())
                ),
                "",
            )
        };
        match head.split(' ').nth(1).unwrap_or_default() {
            "/away" => to("302", "http://127.0.0.2:PORT/"),
            "/meta" => to("307", "http://169.254.169.254/latest"),
            "/file" => to("301", "file:///etc/passwd"),
            "/user" => to("302", "http://a@127.0.0.1:PORT/"),
            "/loop" => to("308", "/loop"),
            "/kept" => to("307", "http://localhost.test:PORT/end"),
            "/seen" => to("303", "http://localhost.test:PORT/end?q#f"),
            _ => say("200 OK", "end"),
        }
    }));
    let local = format!("http://127.0.0.1:{}", server.port);
    let resolver = HostsResolver::new(&[("localhost.test", &[&[LOCAL]])]);
    let net = named(&[&local, "http://localhost.test:*"], &[], &resolver);
    let at = |path: &str| server.url("127.0.0.1", path);
    check(&net, &at("/away"), "`allowed_outbound_hosts`");
    check(
        &network(ANY, &["link-local", "metadata"]),
        &at("/meta"),
        "`block_networks`",
    );
    check(&net, &at("/file"), "only `http://`");
    check(&net, &at("/user"), "names a user");
    let before = server.asked().len();
    check(&net, &at("/loop"), "TooManyRedirects");
    assert_eq!(server.asked().len() - before, 6);
    check_in(
        &gate(&net, "max_redirects=0"),
        get(&at("/loop")),
        "TooManyRedirects",
    );

    // What was for one origin, and what was for one method, stays behind.
    let header = |name: &str| (name.to_owned(), "x".to_owned());
    let request = Request {
        method: "POST".to_owned(),
        headers: [
            "authorization",
            "cookie",
            "content-type",
            "x-api-key",
            "accept",
        ]
        .map(header)
        .to_vec(),
        body: Some(b"body".to_vec()),
        ..get(&at("/seen"))
    };
    let fetched = runtime().block_on(fetch(&gate(&net, ""), request)).unwrap();
    assert_eq!(fetched.unwrap().url, server.url("localhost.test", "/end?q"));
    let heads = server.heads();
    let [.., posted, got] = heads.as_slice() else {
        panic!("{heads:?}")
    };
    assert!(posted.starts_with("POST /seen HTTP/1.1"), "{posted}");
    assert!(posted.contains("authorization: x") && posted.contains("content-length: 4"));
    assert!(got.starts_with("GET /end?q HTTP/1.1"), "{got}");
    let host = format!("host: localhost.test:{}", server.port);
    assert!(got.contains(&host) && got.contains("accept: x"), "{got}");
    for gone in ["authorization", "cookie", "content-", "x-api-key"] {
        assert!(!got.contains(gone), "{got}");
    }
    let request = |body: Option<Vec<u8>>| Request {
        method: "PUT".to_owned(),
        body,
        ..get(&at("/kept"))
    };
    let gate = gate(&net, "");
    check_in(
        &gate,
        request(Some(b"body".to_vec())),
        "a request with a body",
    );
    check_in(&gate, request(None), "200 end");
}

#[test]
fn what_is_sent_is_what_was_decided() {
    let server = hello();
    let local = format!("http://127.0.0.1:{}", server.port);
    let secret = format!("{local}/secret");
    let net = Network::direct(policy(&[&local], &[], &[&secret]));
    for path in ["/secret", "/a/../secret", "/%2e%2E/secret", "/./secret?x"] {
        check(&net, &format!("{local}{path}"), "`block_url`");
    }
    check(
        &net,
        &format!("{local}/a/./b/../c?d=/../secret#e"),
        "200 hello",
    );
    assert_eq!(server.asked(), ["GET /a/c?d=/../secret HTTP/1.1"]);
    let check = |name: &str, value: &str, expect: &str| {
        let request = Request {
            headers: vec![(name.to_owned(), value.to_owned())],
            ..get(&format!("{local}/"))
        };
        check_in(&gate(&net, ""), request, expect);
    };
    for name in [
        "Host",
        "connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "proxy-authorization",
        "Proxy-Connection",
        "proxy-anything",
        "keep-alive",
        "expect",
    ] {
        check(name, "x", "is not for guests");
    }
    check("a\r\nb", "x", "a name that HTTP does not allow");
    check("a", "x\r\nhost: y", "control characters");
    check("a", &"x".repeat(70_000), "TooLarge");
    for (method, expect) in [
        ("CONNECT", "is not for guests"),
        ("GET / HTTP/1.1\r\n", "no word of HTTP"),
        ("", "no word of HTTP"),
    ] {
        let request = Request {
            method: method.to_owned(),
            ..get(&format!("{local}/"))
        };
        check_in(&gate(&net, ""), request, expect);
    }
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn answers_that_misbehave_end() {
    let server = runtime().block_on(Server::start(|head, _| {
        let ok = b"HTTP/1.1 200 OK\r\n".to_vec();
        let with = |rest: &str| [&ok, rest.as_bytes()].concat();
        let chunked = "transfer-encoding: chunked\r\n\r\n";
        match head.split(' ').nth(1).unwrap_or_default() {
            "/headers" => Reply::Forever(ok, b"x: 0123456789012345678901234567890\r\n".to_vec()),
            "/header" => Reply::Forever(with("x: "), vec![b'x'; 4096]),
            "/many" => Reply::Say(with(&format!("{}\r\n", "x: y\r\n".repeat(101)))),
            "/body" => Reply::Forever(with("\r\n"), vec![b'x'; 4096]),
            "/chunks" => Reply::Forever(with(chunked), b"1\r\nx\r\n".to_vec()),
            "/told" => Reply::Hold(with("content-length: 99999999999\r\n\r\n")),
            "/twice" => Reply::Say(with("content-length: 2\r\ncontent-length: 2\r\n\r\nxx")),
            "/other" => Reply::Say(with("content-length: 2\r\ncontent-length: 3\r\n\r\nxxx")),
            "/both" => Reply::Say(with(&format!("content-length: 1\r\n{chunked}0\r\n\r\n"))),
            "/switch" => Reply::Say(b"HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n".to_vec()),
            "/short" => Reply::Say(with("content-length: 9\r\n\r\nxx")),
            "/silent" => Reply::Hold(Vec::new()),
            "/drip" => Reply::Hold(with("content-length: 9\r\n\r\nxx")),
            "/early" => Reply::Forever(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
            _ => Reply::Say(b"SSH-2.0-x\r\n\r\n".to_vec()),
        }
    }));
    let net = network(ANY, &[]);
    for (path, expect) in [
        ("/headers", "TooLarge"),
        ("/header", "TooLarge"),
        ("/many", "TooLarge"),
        ("/body", "limit max_response_bytes"),
        ("/chunks", "limit max_response_bytes"),
        ("/told", "limit max_response_bytes"),
        ("/twice", "Protocol"),
        ("/other", "Protocol"),
        ("/both", "Protocol"),
        ("/switch", "Protocol"),
        ("/short", "broke off"),
        ("/silent", "limit wasm_timeout"),
        ("/drip", "limit wasm_timeout"),
        ("/early", "limit wasm_timeout"),
        ("/ssh", "Protocol"),
    ] {
        let timeout = if expect == "limit wasm_timeout" {
            "300ms"
        } else {
            "30s"
        };
        let gate = gate(
            &net,
            &format!("wasm_timeout={timeout} max_response_bytes=256KiB"),
        );
        check_in(&gate, get(&server.url("127.0.0.1", path)), expect);
    }
}

#[test]
fn a_call_holds_so_many_connections_and_ends_with_its_cancellation() {
    let server = runtime().block_on(Server::start(|_, _| Reply::Hold(Vec::new())));
    let cancel = CancellationToken::new();
    let gate = Gate::new(network(ANY, &[]), &Meter::new(limits(""), cancel.clone()));
    let url = server.url("127.0.0.1", "/");
    runtime().block_on(async {
        let waiting: Vec<_> = (0..64)
            .map(|_| {
                let (gate, url) = (Arc::clone(&gate), url.clone());
                tokio::spawn(async move { told(&fetch(&gate, get(&url)).await) })
            })
            .collect();
        while server.asked().len() < 64 {
            tokio::task::yield_now().await;
        }
        let one_more = told(&fetch(&gate, get(&url)).await);
        assert!(one_more.contains("64 connections"), "{one_more}");
        cancel.cancel();
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), "cancelled");
        }
        assert_eq!(told(&fetch(&gate, get(&url)).await), "cancelled");
    });
}

#[test]
fn the_proxy_is_used_when_it_is_configured() {
    async fn proxy(refuses: bool) -> (Url, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = read_head(&mut stream).await.unwrap();
                heads.lock().unwrap().push(head.clone());
                let to = head.split(' ').nth(1).unwrap().to_owned();
                if refuses {
                    let refusal = b"HTTP/1.1 407 X\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(refusal).await.unwrap();
                    continue;
                }
                let mut other = TcpStream::connect(to).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 X\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut other).await;
            }
        });
        let url = format!("http://me:pass%20word@127.0.0.1:{port}");
        (Url::parse(&url).unwrap(), seen)
    }
    let server = hello();
    let resolver = HostsResolver::new(&[("site.test", &[&[LOCAL]])]);
    let with = |proxy: &Url, allowed: &[&str], blocked: &[&str]| {
        let resolver: Arc<dyn Resolver> = Arc::clone(&resolver) as _;
        Network::new(policy(allowed, blocked, &[]), Some(proxy.clone()), resolver)
    };
    let url = server.url("site.test", "/");
    let (through, seen) = runtime().block_on(proxy(false));
    check(&with(&through, ANY, &[]), &url, "200 hello");
    let heads = std::mem::take(&mut *seen.lock().unwrap());
    let [head] = heads.as_slice() else {
        panic!("{heads:?}")
    };
    // The address and not the name: or the proxy would decide.
    let first = format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n", server.port);
    assert!(head.starts_with(&first), "{head}");
    assert!(
        head.contains("proxy-authorization: Basic bWU6cGFzcyB3b3Jk\r\n"),
        "{head}"
    );
    assert!(!server.heads()[0].contains("proxy"));
    // The proxy itself is where it is; what is behind it is decided.
    let blocked = with(&through, &["http://site.test:*"], &["loopback"]);
    check(&blocked, &url, "`block_networks`");
    check(
        &network(ANY, &[]),
        &server.url("127.0.0.1", "/"),
        "200 hello",
    );
    assert!(seen.lock().unwrap().is_empty());
    let (refusing, _) = runtime().block_on(proxy(true));
    check(&with(&refusing, ANY, &[]), &url, "proxy: it answers 407");
    let tls = Url::parse("https://127.0.0.1:1").unwrap();
    check(
        &with(&tls, ANY, &[]),
        &url,
        "only proxies with an `http:` URL",
    );
}

#[test]
fn tls_checks_whose_certificate_it_is() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["site.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let port = runtime().block_on(async {
        let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let reply = |head: &str| match head.split(' ').nth(1).unwrap_or_default() {
                        "/down" => say("302 X\r\nlocation: http://site.test:1/", ""),
                        _ => say("200 OK", "safe"),
                    };
                    let _ = answer(stream, &Mutex::default(), reply).await;
                });
            }
        });
        port
    });
    let names: &[(&str, &[&[IpAddr]])] = &[("site.test", &[&[LOCAL]]), ("other.test", &[&[LOCAL]])];
    let mut net = named(ANY, &[], &HostsResolver::new(names));
    let site = format!("https://site.test:{port}/");
    check(&net, &site, "ErrorCode::Tls");
    net.roots = vec![cert.der().clone()];
    check(&net, &site, "200 safe");
    check(&net, &format!("{site}down"), "not encrypted");
    check(
        &net,
        &format!("https://other.test:{port}/"),
        "ErrorCode::Tls",
    );
    check(
        &net,
        &format!("https://127.0.0.1:{port}/"),
        "ErrorCode::Tls",
    );
}

/// A tool that fetches a URL and says what came.
fn fetching(url: &str) -> Vec<u8> {
    tool(&format!(
        r#"(data (i32.const 2048) "GET{url}") ---
        (call $fetch (i32.const 2048) (i32.const 3) (i32.const 2051) (i32.const {})
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 160))
        (if (result i32) (i32.load8_u (i32.const 160))
          (then (call $fail (i32.const 1) (i32.load (i32.const 168)) (i32.load (i32.const 172))))
          (else (call $say (i32.load (i32.const 184)) (i32.load (i32.const 188)))))"#,
        url.len()
    ))
}

#[test]
fn tools_have_what_they_are_granted() {
    let server = runtime().block_on(Server::start(|head, _| {
        match head.split(' ').nth(1).unwrap_or_default() {
            "/long" => Reply::Forever(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 4096]),
            _ => say("200 OK", "hello"),
        }
    }));
    let run = |path: &str, granted: bool, network: Network| {
        let limits = limits("");
        let tool = load(&fetching(&server.url("127.0.0.1", path)), &limits).unwrap();
        assert!(tool.imports().http);
        let request = CallRequest {
            input: Input::Json("{}".to_owned()),
            limits,
            grants: Capabilities {
                http: granted,
                ..ALL
            },
            fs: Files::default(),
            network,
            cancel: CancellationToken::new(),
            progress: None,
        };
        let report = runtime().block_on(tool.call(request));
        (show(&report.outcome), report.contacts)
    };
    let open = || network(ANY, &[]);
    let (told, contacts) = run("/?secret", true, open());
    assert_eq!(told, "ok hello");
    let contact = Contact {
        target: server.url("127.0.0.1", "/"),
        address: Some(LOCAL),
        allowed: true,
        reason: None,
    };
    assert_eq!(contacts.list, [contact]);
    let (told, contacts) = run("/", true, Network::closed());
    assert!(told.starts_with("denied `http://127.0.0.1"), "{told}");
    assert!(!contacts.list[0].allowed && contacts.beyond == 0);
    let (told, contacts) = run("/", false, open());
    assert_eq!(told, "denied `guest` imports http and was not granted it");
    assert_eq!(contacts, Contacts::default());
    let limit = limits("").get(Limit::max_response_bytes);
    let (told, _) = run("/long", true, open());
    assert_eq!(told, format!("limit max_response_bytes {limit}"));
}
