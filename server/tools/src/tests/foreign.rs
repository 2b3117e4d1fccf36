//! Components of the user's own: what they ask for, what they get, and what they may break.

use super::*;
use async_trait::async_trait;
use wit_component::{ComponentEncoder, StringEncoding};

const READ: u8 = 1;
const WRITE: u8 = 2;
const NETWORK: u8 = 4;
const FORBIDDEN: u8 = 6;

pub(super) const SAY: &str = "(call $answer (i32.const 0))";
/// Writes the file `f`.
const WRITES: &str =
    "(call $write (i32.const 2048) (i32.const 1) (i32.const 2048) (i32.const 1) (i32.const 16))";

/// A component of the tool world that asks for `level`; `run` is its body. What it does not call it
/// does not import.
pub(super) fn component(level: u8, schema: &str, run: &str) -> Vec<u8> {
    let (read, write) = (
        "boxagnts:tool/workspace-read@0.1.0",
        "boxagnts:tool/workspace-write@0.1.0",
    );
    let mut imports = String::new();
    if run.contains("$stat") {
        imports += &format!(r#"(import "{read}" "stat" (func $stat (param i32 i32 i32)))"#);
    }
    if run.contains("$write") {
        let kind = "(param i32 i32 i32 i32 i32)";
        imports += &format!(r#"(import "{write}" "write" (func $write {kind}))"#);
    }
    let (schema, len) = (schema.replace('"', "\\\""), schema.len());
    let text = format!(
        r#"(module {imports}
        (memory (export "memory") 1)
        (data (i32.const 1024) "foreign") (data (i32.const 2048) "f") (data (i32.const 4096) "{schema}")
        (global $heap (mut i32) (i32.const 32768))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
          (global.set $heap (i32.add (global.get $heap) (i32.const 1024)))
          (global.get $heap))
        (func $answer (param $error i32) (result i32)
          (i32.store8 (i32.const 64) (local.get $error))
          (i32.store8 (i32.const 68) (i32.const 1))
          (if (i32.eqz (local.get $error)) (then (i32.store (i32.const 68) (i32.const 1024))))
          (i32.store (i32.const 72)
            (select (i32.const 1024) (i32.const 7) (local.get $error)))
          (i32.store (i32.const 76) (select (i32.const 7) (i32.const 0) (local.get $error)))
          (i32.const 64))
        (func (export "describe") (result i32)
          (i32.store (i32.const 128) (i32.const 1024)) (i32.store (i32.const 132) (i32.const 7))
          (i32.store (i32.const 144) (i32.const 4096)) (i32.store (i32.const 148) (i32.const {len}))
          (i32.store8 (i32.const 152) (i32.const {level}))
          (i32.const 128))
        (func (export "run") (param i32 i32) (result i32) {run}))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools-wasm/wit");
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

fn open(f: &Fixture, wasm: &[u8]) -> Result<ForeignTool, ToolsError> {
    let folder = tempfile::tempdir_in(f.folder.path().parent().unwrap()).unwrap();
    let file = folder.path().join("foreign.wasm");
    fs::write(&file, wasm).unwrap();
    runtime().block_on(toolbox().open_file(&file, &limits("")))
}

/// Whoever says yes to everything.
struct Yes;

#[async_trait]
impl Approver for Yes {
    async fn approve(&self, request: &ApprovalRequest<'_>) -> Approval {
        assert_eq!(request.tool, "foreign");
        assert_eq!(request.reason, "`foreign` leaves the sandbox");
        Approval {
            approved: true,
            reason: "the test says yes".to_owned(),
        }
    }
}

fn run(
    f: &Fixture,
    tool: &ForeignTool,
    input: &str,
    mode: Mode,
    approver: &dyn Approver,
) -> ToolReport {
    let call = request("foreign", input);
    let given = governed(mode, &limits("wasm_timeout=2s"));
    let request = ToolRequest {
        approver,
        ..f.request(&call, &given)
    };
    let report = runtime().block_on(toolbox().run_file(tool, request));
    f.unchanged("foreign", input);
    report
}

#[test]
fn a_level_grants_what_it_names_and_no_more() {
    let f = Fixture::new("//- a\na\n", |_| {});
    let stats = format!("(call $stat (i32.const 2048) (i32.const 1) (i32.const 16)) {SAY}");
    let writes = format!("{WRITES} {SAY}");
    let check =
        |level: u8, body: &str, mode: Mode, approver: &dyn Approver, kind: &str, says: &str| {
            let foreign = open(&f, &component(level, "{}", body)).unwrap();
            assert_eq!(foreign.spec.name, "foreign");
            let report = run(&f, &foreign, "{}", mode, approver);
            expect(&report, kind, says);
            let wrote = kind == "ok" && body.contains("$write");
            assert_eq!(report.diff.contains("+++ b/f"), wrote, "{}", report.diff);
        };
    let (plan, review) = (Mode::Plan, Mode::Review);
    check(0, SAY, plan, &DenyAll, "ok", "foreign");
    check(
        0,
        &stats,
        review,
        &Yes,
        "denied",
        "imports workspace-read and was not granted it",
    );
    check(READ, &stats, plan, &DenyAll, "ok", "foreign");
    check(
        READ,
        &writes,
        review,
        &Yes,
        "denied",
        "imports workspace-write and was not granted it",
    );
    check(
        WRITE,
        &writes,
        plan,
        &Yes,
        "denied",
        "mode `plan` only reads",
    );
    check(NETWORK, SAY, plan, &Yes, "denied", "mode `plan` only reads");
    check(
        NETWORK,
        SAY,
        review,
        &DenyAll,
        "denied",
        "leaves the sandbox, and it was not approved",
    );
    check(NETWORK, SAY, review, &Yes, "ok", "foreign");
    check(
        FORBIDDEN,
        SAY,
        Mode::Auto,
        &Yes,
        "denied",
        "`foreign` is forbidden",
    );
    assert_eq!(f.overlay.diff(), "");
    check(WRITE, &writes, review, &DenyAll, "ok", "foreign");
    assert!(f.overlay.diff().contains("+++ b/f"));
}

#[test]
fn a_foreign_call_that_fails_leaves_nothing() {
    let f = Fixture::new("//- a\na\n", |_| {});
    let check = |end: &str, kind: &str, says: &str| {
        let foreign = open(&f, &component(WRITE, "{}", &format!("{WRITES} {end}"))).unwrap();
        let report = run(&f, &foreign, "{}", Mode::Review, &DenyAll);
        expect(&report, kind, says);
        assert!(report.diff.is_empty() && report.usage.host_bytes > 0);
        assert_eq!(f.overlay.diff(), "");
    };
    check(
        "(unreachable)",
        "trap",
        "the tool trapped: wasm trap: wasm `unreachable`",
    );
    check("(call $answer (i32.const 1))", "failed", "foreign");
    check(
        "(loop $spin (br $spin)) (unreachable)",
        "limit",
        "stopped by the limit",
    );
    let more = format!("(loop $more {WRITES} (br $more)) (unreachable)");
    check(&more, "limit", "stopped by the limit");
}

#[test]
fn what_a_tool_says_of_its_input_is_checked_and_harmless() {
    let f = Fixture::new("//- a\na\n", |_| {});
    let check = |schema: &str, input: &str, kind: &str, says: &str| {
        let foreign = open(&f, &component(READ, schema, SAY)).unwrap();
        let report = run(&f, &foreign, input, Mode::Review, &DenyAll);
        expect(&report, kind, says);
    };
    let schema = r#"{"type":"object","required":["x"]}"#;
    check(schema, r#"{"x":1}"#, "ok", "foreign");
    check(
        schema,
        "{}",
        "invalid input",
        "\"x\" is a required property",
    );
    check("true", "[]", "ok", "");
    check("false", "{}", "invalid input", "");
    check("[]", "{}", "invalid input", "unusable input schema");
    // What it refers to elsewhere is not fetched.
    for place in [
        "https://example.com/s",
        "file:///etc/passwd",
        "http://127.0.0.1/s",
    ] {
        let schema = format!(r#"{{"$ref":"{place}"}}"#);
        check(&schema, "{}", "invalid input", "unusable input schema");
    }
    // It refers to itself: that asks for nothing.
    check(r##"{"$ref":"#"}"##, "{}", "ok", "foreign");
    let twice = r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##;
    check(twice, "{}", "ok", "foreign");
    let tree = r##"{"type":"object","properties":{"child":{"$ref":"#"}}}"##;
    check(tree, r#"{"child":{"child":{}}}"#, "ok", "foreign");
    check(
        tree,
        r#"{"child":{"child":1}}"#,
        "invalid input",
        "/child/child",
    );
    // A pattern that backtracks without end.
    let pattern = r#"{"properties":{"x":{"pattern":"^(a+)+$"}}}"#;
    let input = format!(r#"{{"x":"{}!"}}"#, "a".repeat(100));
    check(pattern, &input, "invalid input", "");
    let check = |schema: &str, says: &str| {
        let Err(error) = open(&f, &component(READ, schema, SAY)) else {
            panic!("it was opened")
        };
        assert!(error.to_string().contains(says), "{error}");
    };
    check("{not json", "its input schema: key must be a string");
    // Each level doubles the work of checking.
    let level = |n: usize| {
        format!(
            r##""a{n}":{{"allOf":[{{"$ref":"#/$defs/a{0}"}},{{"$ref":"#/$defs/a{0}"}}]}}"##,
            n + 1
        )
    };
    let levels: Vec<String> = (0..60).map(level).collect();
    let bomb = format!(
        r##"{{"$defs":{{{},"a60":{{}}}},"$ref":"#/$defs/a0"}}"##,
        levels.join(",")
    );
    check(&bomb, "its input schema has 121 references, more than 32");
}

#[test]
fn what_is_no_tool_is_refused() {
    let f = Fixture::new("//- a\na\n", |folder| {
        #[cfg(unix)]
        {
            let fifo = folder.join("fifo");
            assert!(
                std::process::Command::new("mkfifo")
                    .arg(fifo)
                    .status()
                    .unwrap()
                    .success()
            );
        }
    });
    let check = |wasm: &[u8], says: &str| {
        let Err(error) = open(&f, wasm) else {
            panic!("it was opened")
        };
        assert!(error.to_string().contains(says), "{error}");
    };
    check(b"#!/bin/sh\n", "is no valid WebAssembly component");
    check(&wat::parse_str("(module)").unwrap(), "is a core module");
    let http = r#"(component (import "wasi:http/incoming-handler@0.2.0" (instance)))"#;
    check(
        &wat::parse_str(http).unwrap(),
        "imports what no tool can have: wasi:http/incoming-handler@0.2.0",
    );
    let check = |path: PathBuf| {
        let opened = runtime().block_on(toolbox().open_file(&path, &limits("")));
        assert!(matches!(opened, Err(ToolsError::Read { .. })), "{path:?}");
    };
    check(f.path("none.wasm"));
    check(f.path("workspace"));
    #[cfg(unix)]
    check(f.path("fifo"));
    #[cfg(unix)]
    check(PathBuf::from("/dev/zero"));
}

#[test]
fn a_command_that_says_nothing_asks_to_write() {
    let f = Fixture::new("//- a\na\n", |_| {});
    let command = r#"(component
        (core module $m (func (export "f") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "f")))
        (instance $cli (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $cli)))"#;
    let foreign = open(&f, &wat::parse_str(command).unwrap()).unwrap();
    assert_eq!(foreign.described_by, DescribedBy::Nobody);
    let check = |mode, kind: &str, says: &str| {
        let report = run(&f, &foreign, r#"{"all":true}"#, mode, &DenyAll);
        expect(&report, kind, says);
    };
    check(Mode::Plan, "denied", "mode `plan` only reads");
    check(Mode::Review, "ok", "");
}

/// Tools of ours are foreign tools too, when they come from a file.
#[test]
fn a_tool_from_a_file_is_the_same_tool() {
    let f = Fixture::new("//- a\na\n", |_| {});
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools-wasm/dist/write.wasm");
    let foreign = open(&f, &fs::read(dist).unwrap()).unwrap();
    let embedded = toolbox()
        .specs()
        .iter()
        .find(|spec| spec.name == "write")
        .cloned();
    assert_eq!(Some(foreign.spec.clone()), embedded);
    let input = r#"{"path":"a","content":"b\n"}"#;
    expect(
        &run(&f, &foreign, input, Mode::Plan, &DenyAll),
        "denied",
        "mode `plan`",
    );
    let report = run(&f, &foreign, input, Mode::Review, &DenyAll);
    expect(&report, "ok", "Replaced `a`: 1 line.");
    assert!(report.diff.contains("-a\n+b\n"));
    let report = run(
        &f,
        &foreign,
        r#"{"path":"../a","content":""}"#,
        Mode::Review,
        &DenyAll,
    );
    expect(&report, "denied", "`..` is not allowed");
}
