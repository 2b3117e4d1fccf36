//! What cannot be a tool is refused when it is loaded, with the reason.

use super::*;

/// The kind of the refusal, and a part of what it says.
#[track_caller]
fn check(wasm: &[u8], kind: &str, says: &str) {
    let Err(error) = load(wasm, &Limits::builtin()) else {
        panic!("it was loaded, expected {kind}: {says}");
    };
    let got = match &error {
        LoadError::Invalid { .. } => "invalid",
        LoadError::CoreModule { .. } => "core module",
        LoadError::Imports { .. } => "imports",
        LoadError::Exports { .. } => "exports",
        LoadError::TooSlow { .. } => "too slow",
        LoadError::Setup(_) => "setup",
    };
    let message = error.to_string();
    assert_eq!(got, kind, "{message}");
    assert!(message.contains(says) && message.len() < 2000, "{message}");
}

#[test]
fn what_is_no_component() {
    check(b"", "invalid", "does not begin");
    check(b"hello", "invalid", "does not begin");
    check(b"(component)", "invalid", "does not begin");
    let module = |text: &str| wat::parse_str(text).unwrap();
    check(&module("(module)"), "core module", "exports no `_start`");
    let beyond = r#"(module (import "env" "system" (func)) (memory (export "memory") 1)
        (func (export "_start")))"#;
    check(&module(beyond), "core module", "env");
    let threads = r#"(module (import "wasi" "thread-spawn" (func (param i32) (result i32)))
        (memory (export "memory") 1) (func (export "_start")))"#;
    check(&module(threads), "core module", "thread-spawn");
    let reactor = r#"(module (memory (export "memory") 1) (func (export "_initialize")))"#;
    check(
        &module(reactor),
        "core module",
        "it is a library and no program",
    );
    check(b"\0asm\xff\0\x01\0", "invalid", "version");
    let read = built_in("read");
    for part in [9, 100, read.len() / 2, read.len() - 1] {
        check(
            &read[..part],
            "invalid",
            "guest is no valid WebAssembly component",
        );
    }
    let mut damaged = read.clone();
    damaged[read.len() / 2..].fill(0x80);
    check(&damaged, "invalid", "");
    let mut huge = wat::parse_str("(component)").unwrap();
    huge.resize((64 << 20) + 1, 0);
    check(&huge, "invalid", "more than 67108864 bytes");
    // Compiled code from anyone would run as it is.
    let engine = wasmtime::Engine::default();
    let compiled = engine.precompile_component(&wat::parse_str("(component)").unwrap());
    check(&compiled.unwrap(), "invalid", "does not begin");
}

#[test]
fn what_wants_more_than_tools_can_have() {
    let check = |import: &str, is_tool: bool, says: &str| {
        let exports = if is_tool {
            r#"(core module $m (func (export "f")))
               (core instance $i (instantiate $m))
               (func $f (canon lift (core func $i "f")))
               (export "describe" (func $f)) (export "run" (func $f))"#
        } else {
            ""
        };
        let text = format!("(component (import \"{import}\" (instance)) {exports})");
        check(&wat::parse_str(text).unwrap(), "imports", says);
    };
    for is_tool in [true, false] {
        let http = "wasi:http/incoming-handler@0.2.0";
        check(http, is_tool, http);
        check("made:up/thing@1.0.0", is_tool, "made:up/thing");
        check("boxagnts:tool/http@0.2.0", is_tool, "boxagnts:tool/http");
        check(
            "boxagnts:tool/workspace-read@0.2.0",
            is_tool,
            "workspace-read@0.2.0",
        );
        check("boxagnts:tool/workspace-read", is_tool, "workspace-read");
        check("wasi:cli/environment@0.3.0", is_tool, "environment@0.3.0");
        check("wasi:nn/graph@0.2.0", is_tool, "wasi:nn");
    }
    check("wasi:sockets/tcp@0.2.0", true, "wasi:sockets/tcp@0.2.0");
    check(
        "wasi:http/outgoing-handler@0.2.0",
        true,
        "wasi:http/outgoing-handler@0.2.0",
    );
    check(
        "wasi:filesystem/preopens@0.2.0",
        true,
        "wasi:filesystem/preopens@0.2.0",
    );
    // A function that no interface holds.
    let bare = wat::parse_str(r#"(component (import "open" (func)))"#).unwrap();
    super::loading::check(&bare, "imports", "open");
}

#[test]
fn what_is_neither_tool_nor_command() {
    check(
        &wat::parse_str("(component)").unwrap(),
        "exports",
        "neither",
    );
    // It has the names, not the functions: found out when it is linked.
    let text = r#"(component (core module $m (func (export "f")))
        (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))
        (export "describe" (func $f)) (export "run" (func $f)))"#;
    let limits = Limits::builtin();
    let loaded = load(&wat::parse_str(text).unwrap(), &limits).unwrap();
    let report = runtime().block_on(call(&loaded, "{}", &limits, Files::default()));
    assert!(show(&report.outcome).starts_with("failed `guest` is no tool of this ABI"));
}

/// Deeply nested code: 60 kB that keep a compiler busy for much longer than they are long.
#[test]
fn what_takes_too_long_to_compile() {
    let deep = 20_000;
    let text = format!(
        r#"(module (memory (export "memory") 1) (func (export "_start") {} {}))"#,
        "block ".repeat(deep),
        "end ".repeat(deep)
    );
    let wasm = wat::parse_str(text).unwrap();
    let Err(error) = load(&wasm, &limits("wasm_compile_timeout=1ms")) else {
        panic!("it was compiled in a millisecond");
    };
    let message = error.to_string();
    assert!(
        matches!(error, LoadError::TooSlow { limit_ms: 1, .. }),
        "{message}"
    );
    assert!(message.contains("wasm_compile_timeout"), "{message}");
}
