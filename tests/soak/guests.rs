//! The calls of the soak: what runs, on which input, and how it must end.

use boxagnts_test_support::guests::{program, tool};
use serde_json::{Value, json};

/// Each task's workspace.
pub const FILES: &str = "
    //- /src/lib.rs
    fn first() {}
    fn second() {}
    //- /README.md
    first and second
    //- /.git/config
    [core]
";

/// What is called.
pub enum Which {
    /// A tool that comes with the program.
    BuiltIn(&'static str),
    /// A component and its description.
    Foreign { wasm: Vec<u8>, toml: &'static str },
}

/// One kind of call.
pub struct Case {
    /// What it is, and the name of a foreign tool.
    pub name: &'static str,
    pub tool: Which,
    input: fn(usize) -> Value,
    /// `ok`, a limit, a kind of failure, or `dropped`: whoever called lost interest.
    pub ends: &'static str,
    /// Only some of its turns are taken, and without a limit on fuel.
    pub rare: bool,
}

impl Case {
    /// What the tool is told in a round.
    pub fn input(&self, round: usize) -> Value {
        (self.input)(round)
    }
}

const WRITE: u8 = 2;
const READS: &str = "description = \"x\"\nlevel = \"read\"\ninput_schema = {}";
const WRITES: &str = "description = \"x\"\nlevel = \"write\"\ninput_schema = {}";
const SPIN: &str = "(loop $on (br $on))";

fn nothing(_: usize) -> Value {
    json!({})
}

/// Renames a function to and fro, so that every round finds what it replaces.
fn swap(round: usize) -> Value {
    let names = ["fn first", "fn uno"];
    let (old, new) = (names[round % 2], names[(round + 1) % 2]);
    json!({"path": "src/lib.rs", "edits": [{"old_text": old, "new_text": new}]})
}

fn built_in(name: &'static str, input: fn(usize) -> Value, ends: &'static str) -> Case {
    Case {
        name,
        tool: Which::BuiltIn(name),
        input,
        ends,
        rare: false,
    }
}

fn foreign(name: &'static str, body: &str, ends: &'static str) -> Case {
    let wasm = tool(WRITE, body);
    Case {
        name,
        tool: Which::Foreign { wasm, toml: "" },
        input: nothing,
        ends,
        rare: false,
    }
}

fn command(name: &'static str, body: &str, toml: &'static str, ends: &'static str) -> Case {
    let wasm = program(body);
    Case {
        name,
        tool: Which::Foreign { wasm, toml },
        input: nothing,
        ends,
        rare: false,
    }
}

fn rare(case: Case) -> Case {
    Case { rare: true, ..case }
}

/// All of them, half good and half hostile.
pub fn cases() -> Vec<Case> {
    let mut cases = tools();
    cases.extend(commands());
    cases
}

/// Tools of our ABI.
fn tools() -> Vec<Case> {
    let spin = format!("{SPIN} (i32.const 0)");
    vec![
        built_in("read", |_| json!({"path": "src/lib.rs"}), "ok"),
        built_in("edit", swap, "ok"),
        built_in("grep", |_| json!({"pattern": "fn (first|uno)"}), "ok"),
        built_in("read", |_| json!({"path": "README.md"}), "ok"),
        built_in("list", |_| json!({"path": "."}), "ok"),
        built_in("read", |_| json!({"path": "../../etc/passwd"}), "denied"),
        built_in("read", |_| json!({"path": "/etc/passwd"}), "denied"),
        built_in(
            "write",
            |_| json!({"path": ".git/config", "content": "x"}),
            "denied",
        ),
        built_in("read", |_| json!({"path": 1}), "invalid_input"),
        foreign("spin", &spin, "wasm_fuel"),
        foreign(
            "grow",
            "(loop $on (drop (memory.grow (i32.const 16))) (br $on)) (i32.const 0)",
            "wasm_max_memory_size",
        ),
        foreign(
            "recurse",
            "(func $f (param i32) (result i32)
              (i32.add (call $f (local.get 0)) (i32.const 1))) --- (call $f (i32.const 0))",
            "wasm_max_wasm_stack",
        ),
        foreign(
            "flood",
            "(call $say (i32.const 65536) (i32.const 1000000))",
            "max_output_bytes",
        ),
        foreign(
            "walks",
            "(loop $on (call $walk_path (i32.const 0) (i32.const 0)) (br $on)) (i32.const 0)",
            "max_open_files",
        ),
        foreign(
            "fill",
            "(loop $on (call $write_path (i32.const 1024) (i32.const 5)) (br $on)) (i32.const 0)",
            "max_host_bytes",
        ),
        foreign("trap", "(unreachable)", "trap"),
        rare(foreign("forever", &spin, "wasm_timeout")),
        rare(foreign("forgotten", &spin, "dropped")),
    ]
}

/// Programs of WASI preview 1.
fn commands() -> Vec<Case> {
    let text = r#"(data (i32.const 8192) "src/lib.rs") (data (i32.const 8256) "made")
        (data (i32.const 8320) "../../etc/passwd")"#;
    let lib = "(i32.const 8192) (i32.const 10) (i32.const 0) (i64.const 2)";
    let made = "(i32.const 8256) (i32.const 4) (i32.const 1) (i64.const 64)";
    let read = format!(
        "{text} --- (call $write (i32.const 1) (i32.const 16384)
           (call $read (call $open {lib}) (i32.const 16384) (i32.const 2048)))"
    );
    // Left open: what was written is written all the same.
    let leaves = format!(
        "{text} ---
         (call $write (call $open {made}) (i32.const 8192) (i32.const 10))
         (drop (call $open {lib})) (drop (call $open {lib}))"
    );
    let opens = format!(
        "{text} --- (loop $on (br_if $on (i32.gt_s (call $open {lib}) (i32.const 0))))
         (unreachable)"
    );
    let outside = format!(
        "{text} --- (br_if 0 (i32.gt_s (call $open (i32.const 8320) (i32.const 16)
           (i32.const 0) (i64.const 2)) (i32.const 0)))
         (unreachable)"
    );
    let floods =
        "(loop $on (call $write (i32.const 1) (i32.const 8192) (i32.const 4096)) (br $on))";
    let trailing = format!("{text} --- (drop (call $open {made})) (unreachable)");
    vec![
        command("cat", &read, READS, "ok"),
        command("leaves", &leaves, WRITES, "ok"),
        command("spins", SPIN, READS, "wasm_fuel"),
        command("opens", &opens, READS, "max_open_files"),
        command("outside", &outside, READS, "trap"),
        command("floods", floods, READS, "max_output_bytes"),
        command("breaks", &trailing, WRITES, "trap"),
        rare(command("lasts", SPIN, READS, "wasm_timeout")),
        rare(command("lost", SPIN, READS, "dropped")),
    ]
}
