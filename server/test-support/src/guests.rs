//! Guests in a few lines of WebAssembly text, for tests and benches that need one which does exactly
//! this: tools of our ABI, commands of WASI 0.2, and programs of WASI preview 1.

mod components;

pub use components::{command, component, describe};

/// A [`component`] with memory enough and short ways to call the workspace: `(call $read_path AT LEN)`,
/// `(call $write_path AT LEN)` and `(call $walk_path AT LEN)` do so about the path there. What is not
/// called is not imported.
pub fn tool(level: u8, body: &str) -> Vec<u8> {
    let (fields, run) = body.split_once("---").unwrap_or(("", body));
    let used = SHORT.iter().filter(|(name, _)| body.contains(name));
    let functions: String = used.map(|(_, function)| *function).collect();
    let memory = r#"(memory (export "memory") 32)"#;
    component(level, &format!("{memory} {functions} {fields} --- {run}"))
}

/// Ways to call the host; its results lie at 16.
const SHORT: &[(&str, &str)] = &[
    (
        "$read_path",
        "(func $read_path (param i32 i32)
           (call $read (local.get 0) (local.get 1) (i64.const 65536) (i32.const 16)))",
    ),
    (
        "$walk_path",
        "(func $walk_path (param i32 i32)
           (call $walk (local.get 0) (local.get 1) (i32.const 16)))",
    ),
    (
        "$write_path",
        "(func $write_path (param i32 i32)
           (call $write (local.get 0) (local.get 1) (local.get 0) (local.get 1)
             (i32.const 16)))",
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
