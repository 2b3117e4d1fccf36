//! Commands with the network of WASI: what reaches a server, and what is refused.

use super::servers::{ANY, HostsResolver, LOCAL, Reply, Server, network, policy, say};
use super::*;
use boxagnts_test_support::guests::command;
use std::net::{IpAddr, Ipv4Addr};

fn run(guest: &str, set: &str, network: Network) -> (String, Contacts) {
    let limits = limits(set);
    let tool = load(&command(guest), &limits).unwrap();
    let request = CallRequest {
        input: Input::Arguments(Vec::new()),
        limits,
        grants: ALL,
        fs: Files::default(),
        network,
        cancel: CancellationToken::new(),
        progress: None,
    };
    let report = runtime().block_on(tool.call(request));
    (show(&report.outcome), report.contacts)
}

#[track_caller]
fn check(guest: &str, network: Network, expect: &str) -> Contacts {
    let (told, contacts) = run(guest, "", network);
    assert_eq!(told, expect);
    contacts
}

/// Notes digits, and letters for what is larger; says them at the end.
const NOTE: &str = r#"(func $note (param i32)
  (i32.store8 (i32.load (i32.const 1024)) (i32.add (local.get 0) (i32.const 48)))
  (i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1))))
(func $notes (param i32)
  (call $note (i32.load8_u (local.get 0)))
  (call $note (i32.load8_u (i32.add (local.get 0) (i32.const 1)))))"#;
const BEGIN: &str = "(i32.store (i32.const 1024) (i32.const 3072))";
const END: &str = r#"(call $print (call $stdout) (i32.const 3072)
  (i32.sub (i32.load (i32.const 1024)) (i32.const 3072))) (i32.const 0)"#;

/// An address as the canonical ABI flattens it.
fn flat(address: IpAddr, port: u16) -> String {
    let mut numbers = match address {
        IpAddr::V4(v4) => {
            let octets = v4.octets().map(u32::from);
            [&[0, u32::from(port)], octets.as_slice()].concat()
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments().map(u32::from);
            [&[1, u32::from(port), 0], segments.as_slice(), &[0]].concat()
        }
    };
    numbers.resize(12, 0);
    let constant = |number: &u32| format!("(i32.const {number}) ");
    numbers.iter().map(constant).collect()
}

/// Makes a socket of the family, connects, and notes how both ended: `0` alone when all went well.
fn connecting(address: IpAddr, port: u16) -> String {
    let family = u32::from(address.is_ipv6());
    format!(
        r#"(call $tcp (i32.const {family}) (i32.const 128))
        (if (i32.load8_u (i32.const 128))
          (then (call $notes (i32.const 128)) (call $note (i32.load8_u (i32.const 132))))
          (else
            (call $connect (i32.load (i32.const 132)) (call $network) {} (i32.const 144))
            (if (i32.load8_u (i32.const 144))
              (then (call $notes (i32.const 144)))
              (else
                (call $block (call $socket_ready (i32.load (i32.const 132))))
                (call $connected (i32.load (i32.const 132)) (i32.const 160))
                (call $note (i32.load8_u (i32.const 160)))
                (if (i32.load8_u (i32.const 160))
                  (then (call $note (i32.load8_u (i32.const 164)))))))))"#,
        flat(address, port)
    )
}

fn noting(body: &str) -> String {
    format!("{NOTE} --- {BEGIN} {body} {END}")
}

#[test]
fn sockets_go_where_policy_lets_them() {
    let server = runtime().block_on(Server::start(|_, _| Reply::Hold(Vec::new())));
    let to = |address: IpAddr| noting(&connecting(address, server.port));
    let entry = format!("tcp://127.0.0.1:{}", server.port);
    let contacts = check(&to(LOCAL), network(&[&entry], &[]), "ok 0");
    assert!(contacts.list[0].allowed && contacts.list[0].address == Some(LOCAL));
    // 1 is access-denied, 3 invalid-argument.
    let contacts = check(&to(LOCAL), network(&[&entry], &["loopback"]), "ok 11");
    assert!(
        contacts.list[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("loopback")
    );
    check(
        &to(LOCAL),
        network(&["tcp://127.0.0.1:1", "http://*"], &[]),
        "ok 11",
    );
    let closed = check(&to(LOCAL), Network::closed(), "ok 101");
    assert_eq!(closed, Contacts::default());
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    check(&to(mapped), network(ANY, &[]), "ok 13");
    let nat64: IpAddr = "64:ff9b::7f00:1".parse().unwrap();
    check(&to(nat64), network(ANY, &["loopback"]), "ok 11");
    // Only the first came.
    assert!(server.asked().len() <= 1);
}

#[test]
fn nothing_is_bound_that_matters_and_nobody_listens() {
    let at = |address: Ipv4Addr, port: u16| {
        noting(&format!(
            r#"(call $udp (i32.const 0) (i32.const 128))
            (call $note (i32.load8_u (i32.const 128))) (call $note (i32.load8_u (i32.const 132)))
            (call $tcp (i32.const 0) (i32.const 128))
            (call $bind (i32.load (i32.const 132)) (call $network) {} (i32.const 144))
            (call $notes (i32.const 144))
            (call $bound (i32.load (i32.const 132)) (i32.const 144))
            (call $note (i32.load8_u (i32.const 144)))
            (call $listen (i32.load (i32.const 132)) (i32.const 144))
            (call $notes (i32.const 144))"#,
            flat(IpAddr::V4(address), port)
        ))
    };
    let open = || network(ANY, &[]);
    // UDP is denied. A port of the system's choice can be had, and not listened on.
    check(&at(Ipv4Addr::UNSPECIFIED, 0), open(), "ok 1100011");
    // Denied; then it is not bound, which to listen is an invalid state.
    check(&at(Ipv4Addr::UNSPECIFIED, 8080), open(), "ok 1111119");
    check(&at(Ipv4Addr::LOCALHOST, 0), open(), "ok 1111119");
}

#[test]
fn descriptors_of_ours_do_not_run_out() {
    let many = noting(
        r#"(loop $more
          (call $tcp (i32.const 0) (i32.const 128))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $more (i32.eqz (i32.load8_u (i32.const 128)))))
        (call $note (local.get $n)) (call $note (i32.load8_u (i32.const 132)))"#,
    );
    // 65 (and 48) is `q`; 10 is new-socket-limit.
    check(&many, network(ANY, &[]), "ok q:");
}

/// Looks a name up and connects to what was found first; notes as [`connecting`] does.
fn looking(name: &str, port: u16) -> String {
    let connect = connecting(LOCAL, port);
    noting(&format!(
        r#"(call $resolve (call $network) (i32.const 2048) (i32.const {}) (i32.const 128))
        (if (i32.load8_u (i32.const 128))
          (then (call $note (i32.load8_u (i32.const 132))) (call $note (i32.const 42)))
          (else
            (call $block (call $found_ready (i32.load (i32.const 132))))
            (call $found (i32.load (i32.const 132)) (i32.const 144))
            (call $note (i32.load8_u (i32.const 144)))
            (call $note (i32.load8_u (i32.const 146)))
            (if (i32.eqz (i32.load8_u (i32.const 144))) (then {connect}))))"#,
        name.len()
    ))
    .replace("---", &format!(r#"(data (i32.const 2048) "{name}") ---"#))
}

#[test]
fn names_are_looked_up_for_those_who_may_connect() {
    let server = runtime().block_on(Server::start(|_, _| Reply::Hold(Vec::new())));
    let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let check = |name: &str, allowed: &[&str], blocked: &[&str], expect: &str, asked: &[&str]| {
        let answers: &[&[IpAddr]] = &[&[LOCAL]];
        let hosts = HostsResolver::new(&[("site.test", answers), ("far.test", &[&[other]])]);
        let resolver: Arc<dyn Resolver> = Arc::clone(&hosts) as _;
        let network = Network::new(policy(allowed, blocked, &[]), None, resolver);
        let contacts = check(&looking(name, server.port), network, expect);
        assert_eq!(hosts.asked(), asked, "{name}");
        contacts
    };
    let entry = format!("tcp://site.test:{}", server.port);
    // The address is not allowed as such, but is what the name stands for.
    let contacts = check("site.test", &[&entry], &[], "ok 010", &["site.test"]);
    let allowed: Vec<_> = contacts.list.iter().map(|c| c.allowed).collect();
    assert_eq!(allowed, [true, true]);
    check("SITE.test.", &[&entry], &[], "ok 010", &["site.test"]);
    // With another port, or for another name, it is not.
    check(
        "site.test",
        &["tcp://site.test:1"],
        &[],
        "ok 0111",
        &["site.test"],
    );
    let far = ["tcp://far.test:*", "tcp://site.test:*"];
    check("far.test", &far, &[], "ok 0111", &["far.test"]);
    check(
        "site.test",
        &[&entry],
        &["loopback"],
        "ok 11",
        &["site.test"],
    );
    // `Z` follows what was refused at once: neither name is told to anybody.
    check("secret.far.test", &[&entry], &[], "ok 1Z", &[]);
    check("site.test", &["http://site.test:*"], &[], "ok 1Z", &[]);
    check("bad name", &["tcp://*:*"], &[], "ok 3Z", &[]);
    check(
        "metadata.google.internal",
        &["tcp://*:*"],
        &["metadata"],
        "ok 1Z",
        &[],
    );
}

/// Asks for a path of an authority by `wasi:http`, and says the body, or a letter for the error.
fn asking(authority: &str, path: &str, field: &str) -> String {
    let (path_at, field_at) = (2048 + authority.len(), 2048 + authority.len() + path.len());
    format!(
        r#"(data (i32.const 2048) "{authority}{path}{field}") {NOTE} --- {BEGIN}
        (local $at i32) (local $fields i32)
        (local.set $fields (call $fields))
        (call $field (local.get $fields) (i32.const {field_at}) (i32.const {})
          (i32.const 2048) (i32.const 1) (i32.const 128))
        (if (i32.load8_u (i32.const 128)) (then (call $note (i32.const 54))))
        (local.set $at (call $request (local.get $fields)))
        (drop (call $scheme (local.get $at) (i32.const 1) (i32.const 0) (i32.const 0)
          (i32.const 0)))
        (if (call $authority (local.get $at) (i32.const 1) (i32.const 2048) (i32.const {}))
          (then (call $note (i32.const 49))))
        (if (call $path (local.get $at) (i32.const 1) (i32.const {path_at}) (i32.const {}))
          (then (call $note (i32.const 64))))
        (call $handle (local.get $at) (i32.const 0) (i32.const 0) (i32.const 128))
        (if (i32.load8_u (i32.const 128))
          (then (call $note (i32.add (i32.load8_u (i32.const 136)) (i32.const 17))))
          (else
            (local.set $at (i32.load (i32.const 136)))
            (call $block (call $future_ready (local.get $at)))
            (call $future (local.get $at) (i32.const 192))
            (if (i32.load8_u (i32.const 208))
              (then (call $note (i32.add (i32.load8_u (i32.const 216)) (i32.const 17))))
              (else
                (call $consume (i32.load (i32.const 216)) (i32.const 128))
                (call $stream (i32.load (i32.const 132)) (i32.const 136))
                (loop $more
                  (call $in (i32.load (i32.const 140)) (i64.const 4096) (i32.const 144))
                  (if (i32.eqz (i32.load8_u (i32.const 144)))
                    (then
                      (call $print (call $stdout) (i32.load (i32.const 148))
                        (i32.load (i32.const 152)))
                      (br $more))))))))
        {END}"#,
        field.len(),
        authority.len(),
        path.len()
    )
    .replacen(BEGIN, "", 1)
    .replacen(
        "(local.set $fields",
        &format!("{BEGIN} (local.set $fields"),
        1,
    )
}

#[test]
fn requests_of_commands_are_decided_like_others() {
    let server = runtime().block_on(Server::start(|head, _| {
        match head.split(' ').nth(1).unwrap_or_default() {
            "/long" => Reply::Forever(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 4096]),
            "/drip" => Reply::Hold(b"HTTP/1.1 200 OK\r\n\r\nx".to_vec()),
            "/away" => say("302 X\r\nlocation: http://127.0.0.2/", "moved"),
            _ => say("200 OK", "hello"),
        }
    }));
    let local = format!("127.0.0.1:{}", server.port);
    let ask = |path: &str| asking(&local, path, "x");
    let open = || network(&["http://127.0.0.1:*"], &[]);
    let contacts = check(&ask("/a/../b?c"), open(), "ok hello");
    assert_eq!(contacts.list[0].target, format!("http://{local}/b"));
    assert_eq!(server.asked(), ["GET /b?c HTTP/1.1"]);
    // `P` is HTTP-request-denied. A redirect is for the guest to follow.
    check(&ask("/"), Network::closed(), "ok P");
    let contacts = check(&ask("/"), network(ANY, &["loopback"]), "ok P");
    assert!(
        contacts.list[0]
            .reason
            .as_ref()
            .unwrap()
            .contains("loopback")
    );
    check(&ask("/away"), open(), "ok moved");
    // `p` is a path, `f` a header that is refused; `d` is HTTP-protocol-error, as there is no path.
    check(&ask("http://127.0.0.2/"), open(), "ok pd");
    check(&asking("127.0.0.1:1@evil", "/", "x"), open(), "ok T");
    for field in [
        "host",
        "connection",
        "transfer-encoding",
        "proxy-authorization",
        "te",
    ] {
        check(&asking(&local, "/", field), open(), "ok hellof");
    }
    let (told, _) = run(&ask("/long"), "max_response_bytes=256KiB", open());
    assert_eq!(told, "limit max_response_bytes 262144");
    let (told, _) = run(&ask("/drip"), "wasm_timeout=300ms", open());
    assert_eq!(told, "limit wasm_timeout 300");
}

#[test]
fn requests_hold_little_of_the_host() {
    // 8 KiB are taken and more are not, by the very functions that were linked over.
    let texts = |len: usize| {
        noting(&format!(
            r#"(local $at i32)
            (memory.fill (i32.const 32768) (i32.const 97) (i32.const 8193))
            (i32.store8 (i32.const 32768) (i32.const 47))
            (local.set $at (call $request (call $fields)))
            (call $note (call $path (local.get $at) (i32.const 1) (i32.const 32768)
              (i32.const {len})))
            (call $note (call $authority (local.get $at) (i32.const 1) (i32.const 32769)
              (i32.const {len})))"#
        ))
        .replacen(BEGIN, "", 1)
        .replacen("(local $at i32)", &format!("(local $at i32) {BEGIN}"), 1)
    };
    let closed = Network::closed;
    check(&texts(8192), closed(), "ok 00");
    check(&texts(8193), closed(), "ok 11");
    let many = |what: &str, number: u32| {
        noting(&format!(
            r#"(loop $more {what}
              (local.set $n (i32.add (local.get $n) (i32.const 1)))
              (br_if $more (i32.lt_u (local.get $n) (i32.const {number}))))"#
        ))
    };
    let request = "(drop (call $request (call $fields)))";
    check(&many(request, 64), closed(), "ok ");
    let held = "trap one call may hold 64 of these of `wasi:http`; drop others first";
    check(&many(request, 65), closed(), held);
    check(&many("(drop (call $fields))", 512), closed(), "ok ");
    let held = "trap one call may hold 512 of these of `wasi:http`; drop others first";
    check(&many("(drop (call $fields))", 513), closed(), held);
}
