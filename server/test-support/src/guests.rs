//! Guests in a few lines of WebAssembly text, for tests and benches that need one which does exactly
//! this: tools of our ABI, and programs of WASI preview 1.

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// A tool of our ABI, named `guest`, that asks for a level by its number in the ABI. The body is
/// what `run` does, behind `---` when there are fields of a module before it.
///
/// `(call $say AT LEN)` makes an answer. `(call $read AT LEN)`, `(call $write AT LEN)` and
/// `(call $walk AT LEN)` call the workspace about the path there; what is not called is not imported.
pub fn tool(level: u8, body: &str) -> Vec<u8> {
    let (fields, run) = body.split_once("---").unwrap_or(("", body));
    // Imports come first in a module.
    let (mut imports, mut functions) = (String::new(), String::new());
    for (called, import, function) in HOST {
        if body.contains(called) {
            imports.push_str(import);
            functions.push_str(function);
        }
    }
    let text = format!(
        r#"(module {imports} {functions} {fields}
        (memory (export "memory") 32)
        (data (i32.const 1024) "guest{{}}")
        (global $heap (mut i32) (i32.const 32768))
        (func (export "cabi_realloc") (param i32 i32 i32) (param $len i32) (result i32)
          (local $at i32)
          (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
          (global.set $heap (i32.add (local.get $at) (local.get $len)))
          (local.get $at))
        (func $say (param $at i32) (param $len i32) (result i32)
          (i32.store8 (i32.const 64) (i32.const 0))
          (i32.store (i32.const 68) (local.get $at))
          (i32.store (i32.const 72) (local.get $len))
          (i32.store8 (i32.const 76) (i32.const 0))
          (i32.const 64))
        (func (export "describe") (result i32)
          (i32.store (i32.const 128) (i32.const 1024)) (i32.store (i32.const 132) (i32.const 5))
          (i32.store (i32.const 144) (i32.const 1029)) (i32.store (i32.const 148) (i32.const 2))
          (i32.store8 (i32.const 152) (i32.const {level}))
          (i32.const 128))
        (func (export "run") (param i32 i32) (result i32) (local $n i32) (local $x i64) {run}))"#
    );
    let mut module = wat::parse_str(text).expect("a module");
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools-wasm/wit");
    let (package, _) = resolve.push_dir(wit).expect("the ABI");
    let world = resolve
        .select_world(&[package], None)
        .expect("its one world");
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false)
        .expect("a module for a component");
    let mut encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(&module)
        .expect("a module of the ABI");
    encoder.encode().expect("a component")
}

/// What a tool may call: its name, what that imports, and the function. Results of the host lie at 16.
const HOST: &[(&str, &str, &str)] = &[
    (
        "$read",
        r#"(import "boxagnts:tool/workspace-read@0.1.0" "read"
             (func $host_read (param i32 i32 i64 i32)))"#,
        r#"(func $read (param i32 i32)
             (call $host_read (local.get 0) (local.get 1) (i64.const 65536) (i32.const 16)))"#,
    ),
    (
        "$walk",
        r#"(import "boxagnts:tool/workspace-read@0.1.0" "[static]walk.open"
             (func $host_walk (param i32 i32 i32)))"#,
        r#"(func $walk (param i32 i32)
             (call $host_walk (local.get 0) (local.get 1) (i32.const 16)))"#,
    ),
    (
        "$write",
        r#"(import "boxagnts:tool/workspace-write@0.1.0" "write"
             (func $host_write (param i32 i32 i32 i32 i32)))"#,
        r#"(func $write (param i32 i32)
             (call $host_write (local.get 0) (local.get 1) (local.get 0) (local.get 1)
               (i32.const 16)))"#,
    ),
];

/// A program of WASI preview 1. The body is what `_start` does, behind `---` when there are fields of
/// a module before it; memory from 8192 on is the program's own.
///
/// `(call $open AT LEN FLAGS RIGHTS)` gives a descriptor, or a negative error number. `(call $write
/// FD AT LEN)` writes, `(call $read FD AT LEN)` gives how much it read.
pub fn program(body: &str) -> Vec<u8> {
    let (fields, start) = body.split_once("---").unwrap_or(("", body));
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "path_open" (func $path_open
          (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write
          (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read
          (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 4)
        {fields}
        (func $open (param $at i32) (param $len i32) (param $flags i32) (param $rights i64)
          (result i32) (local $errno i32)
          (local.set $errno (call $path_open (i32.const 3) (i32.const 1) (local.get $at)
            (local.get $len) (local.get $flags) (local.get $rights) (local.get $rights)
            (i32.const 0) (i32.const 4096)))
          (select (i32.load (i32.const 4096)) (i32.sub (i32.const 0) (local.get $errno))
            (i32.eqz (local.get $errno))))
        (func $write (param $fd i32) (param $at i32) (param $len i32)
          (i32.store (i32.const 4104) (local.get $at))
          (i32.store (i32.const 4108) (local.get $len))
          (drop (call $fd_write (local.get $fd) (i32.const 4104) (i32.const 1) (i32.const 4112))))
        (func $read (param $fd i32) (param $at i32) (param $len i32) (result i32)
          (i32.store (i32.const 4104) (local.get $at))
          (i32.store (i32.const 4108) (local.get $len))
          (i32.store (i32.const 4116) (i32.const 0))
          (drop (call $fd_read (local.get $fd) (i32.const 4104) (i32.const 1) (i32.const 4116)))
          (i32.load (i32.const 4116)))
        (func (export "_start") (local $n i32) {start}))"#
    );
    wat::parse_str(text).expect("a module")
}
