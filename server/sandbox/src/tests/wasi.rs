//! Programs of WASI preview 1: core modules, served through the adapter, with files from the
//! overlay.

use super::*;
use std::fmt::Write;

/// Where a program's texts lie, and its scratch memory behind 4096.
const TEXTS: usize = 8192;

/// A program: each operation prints its error number and, where it reads, what it read.
#[derive(Default)]
struct Program {
    body: String,
    texts: String,
    at: usize,
}

impl Program {
    /// A text of the program, as its address and length.
    fn text(&mut self, text: &str) -> String {
        let at = TEXTS + self.at;
        let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let _ = writeln!(self.texts, "(data (i32.const {at}) \"{escaped}\")");
        self.at += text.len();
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    fn step(mut self, code: &str) -> Program {
        let _ = writeln!(self.body, "(call $number {code})");
        self
    }

    /// Opens into descriptor 4, 5, … in order. `flags`: 1 create, 2 folder, 4 exclusive, 8 truncate.
    fn open(mut self, path: &str, flags: u32, rights: u64) -> Program {
        let path = self.text(path);
        self.step(&format!(
            "(call $path_open (i32.const 3) (i32.const 1) {path} (i32.const {flags})
               (i64.const {rights}) (i64.const {rights}) (i32.const 0) (i32.const 4096))"
        ))
    }

    fn write(mut self, fd: u32, bytes: &str) -> Program {
        let bytes = self.text(bytes);
        self.step(&format!("(call $write (i32.const {fd}) {bytes})"))
    }

    /// Reads at most 100 bytes and prints them.
    fn read(self, fd: u32) -> Program {
        self.step(&format!("(call $read (i32.const {fd}))"))
    }

    fn close(self, fd: u32) -> Program {
        self.step(&format!("(call $fd_close (i32.const {fd}))"))
    }

    fn at_path(mut self, function: &str, path: &str) -> Program {
        let path = self.text(path);
        self.step(&format!("(call ${function} (i32.const 3) {path})"))
    }

    fn rename(mut self, from: &str, to: &str) -> Program {
        let (from, to) = (self.text(from), self.text(to));
        self.step(&format!(
            "(call $path_rename (i32.const 3) {from} (i32.const 3) {to})"
        ))
    }

    fn link(mut self, from: &str, to: &str) -> Program {
        let (from, to) = (self.text(from), self.text(to));
        self.step(&format!(
            "(call $path_link (i32.const 3) (i32.const 0) {from} (i32.const 3) {to})"
        ))
    }

    fn symlink(mut self, from: &str, to: &str) -> Program {
        let (from, to) = (self.text(from), self.text(to));
        self.step(&format!("(call $path_symlink {from} (i32.const 3) {to})"))
    }

    fn wasm(&self) -> Vec<u8> {
        wat::parse_str(format!(
            r#"(module
            (import "wasi_snapshot_preview1" "path_open" (func $path_open
              (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write
              (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read
              (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_create_directory" (func $make
              (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_remove_directory" (func $unmake
              (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink
              (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_rename" (func $path_rename
              (param i32 i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_link" (func $path_link
              (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink
              (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 4)
            {}
            (func $write (param i32 i32 i32) (result i32)
              (i32.store (i32.const 4104) (local.get 1))
              (i32.store (i32.const 4108) (local.get 2))
              (call $fd_write (local.get 0) (i32.const 4104) (i32.const 1) (i32.const 4112)))
            (func $read (param i32) (result i32) (local $errno i32)
              (i32.store (i32.const 4104) (i32.const 4200))
              (i32.store (i32.const 4108) (i32.const 100))
              (local.set $errno
                (call $fd_read (local.get 0) (i32.const 4104) (i32.const 1) (i32.const 4116)))
              (if (i32.eqz (local.get $errno)) (then
                (drop (call $write (i32.const 1) (i32.const 4200) (i32.load (i32.const 4116))))))
              (local.get $errno))
            (func $number (param i32)
              (i32.store8 (i32.const 4120)
                (i32.add (i32.const 48) (i32.div_u (local.get 0) (i32.const 10))))
              (i32.store8 (i32.const 4121)
                (i32.add (i32.const 48) (i32.rem_u (local.get 0) (i32.const 10))))
              (i32.store8 (i32.const 4122) (i32.const 32))
              (drop (call $write (i32.const 1) (i32.const 4120) (i32.const 3))))
            (func (export "_start") {}))"#,
            self.texts, self.body
        ))
        .unwrap()
    }
}

const READ: u64 = 2;
const WRITE: u64 = 64;
const CREATE: u32 = 1;
const FOLDER: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;

fn files(given: &[(&str, &str)]) -> Files {
    let files = given.iter().map(|(p, c)| ((*p).to_owned(), (*c).into()));
    Files {
        files: files.collect(),
        ..Files::default()
    }
}

/// Runs a program on files, and compares what it said and what became of the files.
#[track_caller]
fn check(program: Program, grants: Capabilities, expect: &str, after: &[(&str, &str)]) {
    let limits = limits("");
    let loaded = load(&program.wasm(), &limits).unwrap();
    assert_eq!(loaded.kind(), ToolKind::WasiCommand);
    let request = CallRequest {
        input: Input::Arguments(Vec::new()),
        limits,
        grants,
        fs: files(&[("a", "alpha"), ("d/b", "beta"), ("protected", "p")]),
        network: Network::closed(),
        cancel: CancellationToken::new(),
        progress: None,
    };
    let report = runtime().block_on(loaded.call(request));
    assert_eq!(show(&report.outcome), expect);
    let fs = report.fs.unwrap().files;
    let got: Vec<(&str, String)> = fs
        .iter()
        .map(|(path, content)| (path.as_str(), String::from_utf8_lossy(content).into_owned()))
        .collect();
    let after: Vec<(&str, String)> = after.iter().map(|(p, c)| (*p, (*c).to_owned())).collect();
    assert_eq!(got, after);
}

const SAME: &[(&str, &str)] = &[("a", "alpha"), ("d/b", "beta"), ("protected", "p")];

#[test]
fn a_program_reads_and_writes_the_overlay() {
    let program = Program::default()
        .open("a", 0, READ)
        .read(4)
        .close(4)
        .open("d/b", TRUNCATE, WRITE)
        .write(4, "new")
        .close(4)
        .at_path("make", "n")
        .open("n/c", CREATE | EXCLUSIVE, READ | WRITE)
        .write(4, "made");
    // Left open: what was written is written all the same.
    let expect = "ok 00 alpha00 00 00 00 00 00 00 00 ";
    let after = [
        ("a", "alpha"),
        ("d/b", "new"),
        ("n/c", "made"),
        ("protected", "p"),
    ];
    check(program, ALL, expect, &after);
    let program = Program::default()
        .rename("a", "d/b")
        .at_path("make", "n")
        .rename("d", "n/d")
        .at_path("unlink", "n/d/b")
        .at_path("unmake", "n/d")
        .at_path("unmake", "n")
        .open("d/b", 0, READ)
        .open("d", FOLDER, READ);
    let expect = "ok 00 00 00 00 00 00 44 44 ";
    check(program, ALL, expect, &[("protected", "p")]);
}

#[test]
fn ways_out_lead_nowhere() {
    let program = Program::default()
        .open("../x", 0, READ)
        .open("d/../../x", 0, READ)
        .open("/etc/passwd", 0, READ)
        .open("x/../../../etc/passwd", CREATE, WRITE)
        .link("a", "l")
        .symlink("../../etc/passwd", "l")
        .symlink("a", "l")
        .rename("a", "../a")
        .rename("../a", "a")
        .at_path("unlink", "../a")
        .at_path("make", "..")
        .at_path("unmake", ".")
        .open("protected", TRUNCATE, WRITE)
        .open("protected", 0, WRITE)
        .at_path("make", "protected2")
        .open("d/../a", 0, READ)
        .read(4);
    // 63: not permitted, 2: access denied.
    let expect = "ok 63 63 63 63 63 63 63 63 63 63 63 63 02 02 02 00 alpha00 ";
    check(program, ALL, expect, SAME);
}

#[test]
fn who_may_only_read_changes_nothing() {
    let reads = Capabilities {
        workspace_write: false,
        ..ALL
    };
    let program = Program::default()
        .open("a", 0, READ)
        .write(4, "x")
        .open("a", 0, READ | WRITE)
        .open("a", TRUNCATE, READ)
        .open("n", CREATE, READ)
        .rename("a", "b")
        .at_path("unlink", "a")
        .at_path("make", "n")
        .at_path("unmake", "d")
        .read(4);
    // 8: bad descriptor, 69: read-only.
    let expect = "ok 00 08 69 69 69 69 69 69 69 alpha00 ";
    check(program, reads, expect, SAME);
    let nothing = Capabilities::default();
    let program = Program::default().open("a", 0, READ);
    check(program, nothing, "ok 08 ", SAME);
}

#[test]
fn a_folder_is_no_file_and_the_other_way_round() {
    let program = Program::default()
        .open("d", 0, READ | WRITE)
        .open("a", FOLDER, READ)
        .open("a/b", 0, READ)
        .open("a", CREATE | EXCLUSIVE, WRITE)
        .open("n/x", CREATE, WRITE)
        .at_path("unlink", "d")
        .at_path("unmake", "a")
        .at_path("unmake", "d")
        .rename("d", "d/e")
        .rename("a", "d")
        .rename("d", "a");
    // 31: a folder, 54: no folder, 20: exists, 44: not there, 55: not empty, 28: invalid.
    let expect = "ok 31 54 44 20 44 31 54 55 28 31 54 ";
    check(program, ALL, expect, SAME);
}

/// Programs that are written out, for what the steps above do not have.
#[track_caller]
fn check_module(text: &str, expect: &str) {
    let limits = limits("");
    let loaded = load(&wat::parse_str(text).unwrap(), &limits).unwrap();
    let report = runtime().block_on(call(&loaded, "[]", &limits, Files::default()));
    assert_eq!(show(&report.outcome), expect);
}

#[test]
fn the_exit_status_is_told() {
    let exits = |status: u32| {
        format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const {status}))))"#
        )
    };
    check_module(&exits(0), "ok ");
    let nothing = "failed the command failed and said nothing";
    check_module(&exits(1), nothing);
    check_module(&exits(10), &format!("{nothing} (exit status 10)"));
}

/// Allocators of Go and of older C libraries take all of their memory for their own.
#[test]
fn a_programs_memory_is_its_own() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32)
          (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32)
          (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
          (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 8)))
          (if (i32.ne (memory.size) (i32.const 1)) (then unreachable))
          (if (i32.ne (memory.grow (i32.const 3)) (i32.const 1)) (then unreachable))
          (memory.fill (i32.const 65536) (i32.const 255) (i32.const 196608))
          (if (i64.eqz (i64.load (i32.const 8))) (then unreachable))
          (i32.store (i32.const 16) (i32.const 24))
          (i32.store (i32.const 20) (i32.const 2))
          (i32.store16 (i32.const 24) (i32.const 0x6b6f))
          (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))))"#;
    check_module(text, "ok ok");
}

/// Whatever addresses a program says, it gets an error number and the host is well.
#[test]
fn addresses_that_lie_nowhere_are_errors() {
    let text = |call: &str| {
        format!(
            r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32)
              (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32)
              (result i32)))
            (import "wasi_snapshot_preview1" "path_open" (func $open
              (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32)
              (result i32)))
            (import "wasi_snapshot_preview1" "fd_readdir" (func $list
              (param i32 i32 i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit {call})))"#
        )
    };
    for (call, errno) in [
        (
            "(call $write (i32.const 1) (i32.const -8) (i32.const 9) (i32.const 0))",
            21,
        ),
        (
            "(call $write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const -1))",
            21,
        ),
        ("(call $random (i32.const 65530) (i32.const 100))", 21),
        ("(call $random (i32.const -1) (i32.const -1))", 21),
        (
            "(call $open (i32.const 3) (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 0)
               (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0))",
            21,
        ),
        (
            "(call $poll (i32.const 65500) (i32.const 0) (i32.const 4) (i32.const 0))",
            21,
        ),
        (
            "(call $poll (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
            28,
        ),
        (
            "(call $poll (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0))",
            28,
        ),
        (
            "(call $list (i32.const 3) (i32.const 65000) (i32.const 1000) (i64.const -1)
               (i32.const 0))",
            21,
        ),
        (
            "(call $list (i32.const 9) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0))",
            8,
        ),
    ] {
        let expect = format!("failed the command failed and said nothing (exit status {errno})");
        check_module(&text(call), &expect);
    }
}
