//! Components from a few lines of core WebAssembly: the canonical ABI is written here once.

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

const READ: &str = "boxagnts:tool/workspace-read@0.1.0";
const WRITE: &str = "boxagnts:tool/workspace-write@0.1.0";

/// Host functions by the name that a guest's body calls them by. Only what is called is imported.
const HOST: &[(&str, &str, &str, &str)] = &[
    ("$read", READ, "read", "(param i32 i32 i64 i32)"),
    ("$stat", READ, "stat", "(param i32 i32 i32)"),
    ("$walk", READ, "[static]walk.open", "(param i32 i32 i32)"),
    ("$next", READ, "[method]walk.next", "(param i32 i32 i32)"),
    ("$unwalk", READ, "[resource-drop]walk", "(param i32)"),
    ("$write", WRITE, "write", "(param i32 i32 i32 i32 i32)"),
    ("$rename", WRITE, "rename", "(param i32 i32 i32 i32 i32)"),
    (
        "$fetch",
        "boxagnts:tool/http@0.1.0",
        "fetch",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
    ),
    (
        "$report",
        "boxagnts:tool/progress@0.1.0",
        "report",
        "(param i32 i32)",
    ),
    (
        "$arguments",
        "wasi:cli/environment@0.2.0",
        "get-arguments",
        "(param i32)",
    ),
    (
        "$environment",
        "wasi:cli/environment@0.2.0",
        "get-environment",
        "(param i32)",
    ),
    ("$exit", "wasi:cli/exit@0.2.0", "exit", "(param i32)"),
    (
        "$stdin",
        "wasi:cli/stdin@0.2.0",
        "get-stdin",
        "(result i32)",
    ),
    (
        "$stdout",
        "wasi:cli/stdout@0.2.0",
        "get-stdout",
        "(result i32)",
    ),
    (
        "$stderr",
        "wasi:cli/stderr@0.2.0",
        "get-stderr",
        "(result i32)",
    ),
    (
        "$in",
        STREAMS,
        "[method]input-stream.blocking-read",
        "(param i32 i64 i32)",
    ),
    (
        "$out",
        STREAMS,
        "[method]output-stream.blocking-write-and-flush",
        "(param i32 i32 i32 i32)",
    ),
    (
        "$folders",
        "wasi:filesystem/preopens@0.2.0",
        "get-directories",
        "(param i32)",
    ),
    (
        "$tcp",
        "wasi:sockets/tcp-create-socket@0.2.0",
        "create-tcp-socket",
        "(param i32 i32)",
    ),
    (
        "$udp",
        "wasi:sockets/udp-create-socket@0.2.0",
        "create-udp-socket",
        "(param i32 i32)",
    ),
    (
        "$network",
        "wasi:sockets/instance-network@0.2.0",
        "instance-network",
        "(result i32)",
    ),
    (
        "$resolve",
        LOOKUP,
        "resolve-addresses",
        "(param i32 i32 i32 i32)",
    ),
    (
        "$random",
        "wasi:random/random@0.2.0",
        "get-random-bytes",
        "(param i64 i32)",
    ),
    (
        "$after",
        CLOCK,
        "subscribe-duration",
        "(param i64) (result i32)",
    ),
    (
        "$block",
        "wasi:io/poll@0.2.0",
        "[method]pollable.block",
        "(param i32)",
    ),
    (
        "$bind",
        TCP,
        "[method]tcp-socket.start-bind",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
    ),
    (
        "$bound",
        TCP,
        "[method]tcp-socket.finish-bind",
        "(param i32 i32)",
    ),
    (
        "$listen",
        TCP,
        "[method]tcp-socket.start-listen",
        "(param i32 i32)",
    ),
    (
        "$connect",
        TCP,
        "[method]tcp-socket.start-connect",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
    ),
    (
        "$connected",
        TCP,
        "[method]tcp-socket.finish-connect",
        "(param i32 i32)",
    ),
    (
        "$socket_ready",
        TCP,
        "[method]tcp-socket.subscribe",
        "(param i32) (result i32)",
    ),
    (
        "$found",
        LOOKUP,
        "[method]resolve-address-stream.resolve-next-address",
        "(param i32 i32)",
    ),
    (
        "$found_ready",
        LOOKUP,
        "[method]resolve-address-stream.subscribe",
        "(param i32) (result i32)",
    ),
    ("$fields", HTTP, "[constructor]fields", "(result i32)"),
    (
        "$field",
        HTTP,
        "[method]fields.append",
        "(param i32 i32 i32 i32 i32 i32)",
    ),
    (
        "$request",
        HTTP,
        "[constructor]outgoing-request",
        "(param i32) (result i32)",
    ),
    (
        "$path",
        HTTP,
        "[method]outgoing-request.set-path-with-query",
        "(param i32 i32 i32 i32) (result i32)",
    ),
    (
        "$scheme",
        HTTP,
        "[method]outgoing-request.set-scheme",
        "(param i32 i32 i32 i32 i32) (result i32)",
    ),
    (
        "$authority",
        HTTP,
        "[method]outgoing-request.set-authority",
        "(param i32 i32 i32 i32) (result i32)",
    ),
    (
        "$handle",
        "wasi:http/outgoing-handler@0.2.0",
        "handle",
        "(param i32 i32 i32 i32)",
    ),
    (
        "$future_ready",
        HTTP,
        "[method]future-incoming-response.subscribe",
        "(param i32) (result i32)",
    ),
    (
        "$future",
        HTTP,
        "[method]future-incoming-response.get",
        "(param i32 i32)",
    ),
    (
        "$consume",
        HTTP,
        "[method]incoming-response.consume",
        "(param i32 i32)",
    ),
    (
        "$stream",
        HTTP,
        "[method]incoming-body.stream",
        "(param i32 i32)",
    ),
];
const STREAMS: &str = "wasi:io/streams@0.2.0";
const LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.0";
const TCP: &str = "wasi:sockets/tcp@0.2.0";
const HTTP: &str = "wasi:http/types@0.2.0";
const CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.0";

/// Memory and an allocator that never frees. Static data lies below 32 KiB, results of host calls
/// at 16.
const PRELUDE: &str = r#"
  (global $heap (mut i32) (i32.const 32768))
  (func $alloc (export "cabi_realloc") (param i32 i32 i32) (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $len)))
    (block $fits
      (loop $more
        (br_if $fits
          (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (drop (memory.grow (i32.const 1)))
        (br $more)))
    (local.get $at))
"#;

/// What the tool world's guests are written with: `$say` makes an answer, `$fail` an error of the
/// kind given (0: invalid input, 1: failed).
const TOOL: &str = r#"
  (func $say (param $at i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $at))
    (i32.store (i32.const 72) (local.get $len))
    (i32.store8 (i32.const 76) (i32.const 0))
    (i32.const 64))
  (func $fail (param $kind i32) (param $at i32) (param $len i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 1))
    (i32.store8 (i32.const 68) (local.get $kind))
    (i32.store (i32.const 72) (local.get $at))
    (i32.store (i32.const 76) (local.get $len))
    (i32.const 64))
"#;

const DESCRIBE: &str = r#"
  (data (i32.const 1024) "guest{}")
  (func (export "describe") (result i32)
    (i32.store (i32.const 128) (i32.const 1024))
    (i32.store (i32.const 132) (i32.const 5))
    (i32.store (i32.const 144) (i32.const 1029))
    (i32.store (i32.const 148) (i32.const 2))
    (i32.store8 (i32.const 152) (i32.const LEVEL))
    (i32.const 128))
"#;

/// A tool of our ABI, named `guest`, that asks for a level by its number in the ABI. The body is what
/// `run` does, behind `---` when there are fields of a module before it; host functions are called as
/// the ABI has them.
pub fn component(level: u8, body: &str) -> Vec<u8> {
    let mut fields = format!(
        "{TOOL}{}",
        as_export(body, "run", "(param i32 i32) (result i32)")
    );
    if !body.contains(r#"(export "describe")"#) {
        fields.push_str(&describe(level));
    }
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools-wasm/wit");
    let (package, _) = resolve.push_dir(wit).expect("a guest that is one");
    let world = resolve
        .select_world(&[package], None)
        .expect("a guest that is one");
    encode(&fields, &resolve, world)
}

/// A description of nothing but a name and a level.
pub fn describe(level: u8) -> String {
    DESCRIBE.replace("LEVEL", &level.to_string())
}

/// A WASI command. `$print` writes to the stream that is its first argument.
pub fn command(body: &str) -> Vec<u8> {
    let run = as_export(body, "wasi:cli/run@0.2.0#run", "(result i32)");
    let print = r#"
  (func $print (param i32 i32 i32)
    (call $out (local.get 0) (local.get 1) (local.get 2) (i32.const 16)))"#;
    let print = if body.contains("$print") { print } else { "" };
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("wasi.wit", WASI)
        .expect("a guest that is one");
    let world = resolve
        .select_world(&[package], None)
        .expect("a guest that is one");
    encode(&format!("{print}{run}"), &resolve, world)
}

fn as_export(body: &str, name: &str, kind: &str) -> String {
    let (fields, run) = body.split_once("---").unwrap_or(("", body));
    format!("{fields}(func (export \"{name}\") {kind} (local $n i32) (local $x i64) {run})")
}

fn encode(fields: &str, resolve: &Resolve, world: wit_parser::WorldId) -> Vec<u8> {
    let mut text = "(module\n".to_owned();
    for (called, interface, name, kind) in HOST {
        if fields.contains(&format!("call {called} "))
            || fields.contains(&format!("(call {called})"))
        {
            text.push_str(&format!(
                "  (import \"{interface}\" \"{name}\" (func {called} {kind}))\n"
            ));
        }
    }
    if !fields.contains(r#"(export "memory")"#) {
        text.push_str("  (memory (export \"memory\") 1)");
    }
    text.push_str(PRELUDE);
    text.push_str(fields);
    text.push(')');
    let mut module = wat::parse_str(&text).expect("a guest that is one");
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, resolve, world, encoding, false)
        .expect("a guest that is one");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .expect("a guest that is one")
        .encode()
        .expect("a guest that is one")
}

/// As much of WASI 0.2 as the tests use.
const WASI: &str = r#"
package test:command;

world command {
  import wasi:cli/environment@0.2.0;
  import wasi:cli/exit@0.2.0;
  import wasi:cli/stdin@0.2.0;
  import wasi:cli/stdout@0.2.0;
  import wasi:cli/stderr@0.2.0;
  import wasi:clocks/monotonic-clock@0.2.0;
  import wasi:filesystem/preopens@0.2.0;
  import wasi:http/outgoing-handler@0.2.0;
  import wasi:sockets/tcp@0.2.0;
  import wasi:sockets/tcp-create-socket@0.2.0;
  import wasi:sockets/udp-create-socket@0.2.0;
  import wasi:sockets/instance-network@0.2.0;
  import wasi:sockets/ip-name-lookup@0.2.0;
  import wasi:random/random@0.2.0;
  export wasi:cli/run@0.2.0;
}

package wasi:cli@0.2.0 {
  interface environment {
    get-environment: func() -> list<tuple<string, string>>;
    get-arguments: func() -> list<string>;
  }
  interface exit { exit: func(status: result); }
  interface run { run: func() -> result; }
  interface stdin {
    use wasi:io/streams@0.2.0.{input-stream};
    get-stdin: func() -> input-stream;
  }
  interface stdout {
    use wasi:io/streams@0.2.0.{output-stream};
    get-stdout: func() -> output-stream;
  }
  interface stderr {
    use wasi:io/streams@0.2.0.{output-stream};
    get-stderr: func() -> output-stream;
  }
}

package wasi:io@0.2.0 {
  interface error { resource error; }
  interface poll { resource pollable { block: func(); } }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource input-stream {
      blocking-read: func(len: u64) -> result<list<u8>, stream-error>;
    }
    resource output-stream {
      blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
    }
  }
}

package wasi:clocks@0.2.0 {
  interface monotonic-clock {
    use wasi:io/poll@0.2.0.{pollable};
    subscribe-duration: func(when: u64) -> pollable;
  }
}

package wasi:random@0.2.0 {
  interface random { get-random-bytes: func(len: u64) -> list<u8>; }
}

package wasi:filesystem@0.2.0 {
  interface types { resource descriptor; }
  interface preopens {
    use types.{descriptor};
    get-directories: func() -> list<tuple<descriptor, string>>;
  }
}

package wasi:sockets@0.2.0 {
  interface network {
    resource network;
    enum error-code {
      unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
      concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit,
      address-not-bindable, address-in-use, remote-unreachable, connection-refused,
      connection-reset, connection-aborted, datagram-too-large, name-unresolvable,
      temporary-resolver-failure, permanent-resolver-failure,
    }
    enum ip-address-family { ipv4, ipv6 }
    type ipv4-address = tuple<u8, u8, u8, u8>;
    type ipv6-address = tuple<u16, u16, u16, u16, u16, u16, u16, u16>;
    variant ip-address { ipv4(ipv4-address), ipv6(ipv6-address) }
    record ipv4-socket-address { port: u16, address: ipv4-address }
    record ipv6-socket-address {
      port: u16, flow-info: u32, address: ipv6-address, scope-id: u32,
    }
    variant ip-socket-address { ipv4(ipv4-socket-address), ipv6(ipv6-socket-address) }
  }
  interface instance-network {
    use network.{network};
    instance-network: func() -> network;
  }
  interface tcp {
    use network.{error-code, network, ip-socket-address};
    use wasi:io/poll@0.2.0.{pollable};
    use wasi:io/streams@0.2.0.{input-stream, output-stream};
    resource tcp-socket {
      start-bind: func(network: borrow<network>, local-address: ip-socket-address)
        -> result<_, error-code>;
      finish-bind: func() -> result<_, error-code>;
      start-connect: func(network: borrow<network>, remote-address: ip-socket-address)
        -> result<_, error-code>;
      finish-connect: func() -> result<tuple<input-stream, output-stream>, error-code>;
      start-listen: func() -> result<_, error-code>;
      subscribe: func() -> pollable;
    }
  }
  interface udp { resource udp-socket; }
  interface tcp-create-socket {
    use network.{error-code, ip-address-family};
    use tcp.{tcp-socket};
    create-tcp-socket: func(address-family: ip-address-family)
      -> result<tcp-socket, error-code>;
  }
  interface udp-create-socket {
    use network.{error-code, ip-address-family};
    use udp.{udp-socket};
    create-udp-socket: func(address-family: ip-address-family)
      -> result<udp-socket, error-code>;
  }
  interface ip-name-lookup {
    use network.{network, error-code, ip-address};
    use wasi:io/poll@0.2.0.{pollable};
    resource resolve-address-stream {
      resolve-next-address: func() -> result<option<ip-address>, error-code>;
      subscribe: func() -> pollable;
    }
    resolve-addresses: func(network: borrow<network>, name: string)
      -> result<resolve-address-stream, error-code>;
  }
}

package wasi:http@0.2.0 {
  interface types {
    use wasi:io/poll@0.2.0.{pollable};
    use wasi:io/streams@0.2.0.{input-stream};
    record DNS-error-payload { rcode: option<string>, info-code: option<u16> }
    record TLS-alert-received-payload { alert-id: option<u8>, alert-message: option<string> }
    record field-size-payload { field-name: option<string>, field-size: option<u32> }
    variant error-code {
      DNS-timeout, DNS-error(DNS-error-payload), destination-not-found, destination-unavailable,
      destination-IP-prohibited, destination-IP-unroutable, connection-refused,
      connection-terminated, connection-timeout, connection-read-timeout,
      connection-write-timeout, connection-limit-reached, TLS-protocol-error,
      TLS-certificate-error, TLS-alert-received(TLS-alert-received-payload), HTTP-request-denied,
      HTTP-request-length-required, HTTP-request-body-size(option<u64>),
      HTTP-request-method-invalid, HTTP-request-URI-invalid, HTTP-request-URI-too-long,
      HTTP-request-header-section-size(option<u32>),
      HTTP-request-header-size(option<field-size-payload>),
      HTTP-request-trailer-section-size(option<u32>),
      HTTP-request-trailer-size(field-size-payload), HTTP-response-incomplete,
      HTTP-response-header-section-size(option<u32>),
      HTTP-response-header-size(field-size-payload), HTTP-response-body-size(option<u64>),
      HTTP-response-trailer-section-size(option<u32>),
      HTTP-response-trailer-size(field-size-payload),
      HTTP-response-transfer-coding(option<string>),
      HTTP-response-content-coding(option<string>), HTTP-response-timeout, HTTP-upgrade-failed,
      HTTP-protocol-error, loop-detected, configuration-error, internal-error(option<string>),
    }
    variant header-error { invalid-syntax, forbidden, immutable }
    variant scheme { HTTP, HTTPS, other(string) }
    resource fields {
      constructor();
      append: func(name: string, value: list<u8>) -> result<_, header-error>;
    }
    resource outgoing-request {
      constructor(headers: fields);
      set-path-with-query: func(path-with-query: option<string>) -> result;
      set-scheme: func(scheme: option<scheme>) -> result;
      set-authority: func(authority: option<string>) -> result;
    }
    resource request-options;
    resource future-incoming-response {
      subscribe: func() -> pollable;
      get: func() -> option<result<result<incoming-response, error-code>>>;
    }
    resource incoming-response { consume: func() -> result<incoming-body>; }
    resource incoming-body { %stream: func() -> result<input-stream>; }
  }
  interface outgoing-handler {
    use types.{outgoing-request, request-options, future-incoming-response, error-code};
    handle: func(request: outgoing-request, options: option<request-options>)
      -> result<future-incoming-response, error-code>;
  }
}
"#;
