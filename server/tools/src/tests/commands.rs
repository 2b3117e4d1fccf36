//! Programs of other people: what they are described as, and how their input becomes arguments.

use super::*;
use boxagnts_policy::permission::Level;

/// How a program ends.
const TRAP: &str = "(unreachable)";
const FAIL: &str = "(call $exit (i32.const 1))";
pub(super) const OK: &str = "";

/// A program that says `help` on stream `to` and ends as said when it is called with `--help`, and
/// that prints its arguments, each behind a NUL byte, when it is called otherwise.
pub(super) fn program(help: &str, to: u32, end: &str) -> Vec<u8> {
    let text: String = help.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let length = help.len();
    let module = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
          (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get"
          (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 4)
        (data (i32.const 131072) "{text}")
        (func $say (param $to i32) (param $from i32) (param $length i32)
          (i32.store (i32.const 0) (local.get $from))
          (i32.store (i32.const 4) (local.get $length))
          (drop (call $write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 8))))
        (func (export "_start")
          (drop (call $sizes (i32.const 16) (i32.const 20)))
          (drop (call $args (i32.const 1024) (i32.const 8192)))
          (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 1))
            (then (if (i32.eq (i32.load (i32.load (i32.const 1028))) (i32.const 0x65682d2d))
              (then (call $say (i32.const {to}) (i32.const 131072) (i32.const {length})) {end}
                (return)))))
          (call $say (i32.const 1) (i32.const 8192) (i32.load (i32.const 20)))))"#
    );
    wat::parse_str(module).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn open(&self, wasm: &[u8], toml: Option<&str>) -> Result<ForeignTool, ToolsError> {
        let path = self.0.path().join("My Tool.wasm");
        fs::write(&path, wasm).unwrap();
        if let Some(toml) = toml {
            fs::write(path.with_extension("toml"), toml).unwrap();
        }
        runtime().block_on(toolbox().open_file(&path, &limits("")))
    }
}

fn open(help: &str, to: u32, end: &str, toml: Option<&str>) -> Result<ForeignTool, ToolsError> {
    Folder::new().open(&program(help, to, end), toml)
}

pub(super) const HELP: &str = "\
Counts things. [level: read]

Usage: count [OPTIONS] <FILE>...

Options:
  -m, --max-count <N>  Stop there
      --all            Everything
";

#[test]
fn help_is_read_wherever_it_is_said_and_however_the_program_ends() {
    for to in [1, 2] {
        for end in [OK, FAIL, TRAP] {
            let tool = open(HELP, to, end, None).unwrap();
            assert_eq!(tool.described_by, DescribedBy::Help, "{to} {end}");
            assert_eq!(
                (tool.spec.name.as_str(), tool.level),
                ("count", Level::Read)
            );
            assert_eq!(tool.spec.description, "Counts things. [level: read]");
            assert_eq!(
                tool.spec.input_schema["required"],
                serde_json::json!(["file"])
            );
        }
    }
}

#[test]
fn a_program_that_says_nothing_takes_anything() {
    for (help, end) in [("", TRAP), ("{}", OK), ("unknown flag --help", FAIL)] {
        let tool = open(help, 1, end, None).unwrap();
        assert_eq!(tool.described_by, DescribedBy::Nobody);
        assert_eq!(
            (tool.spec.name.as_str(), tool.level),
            ("my-tool", Level::Write)
        );
        assert!(tool.spec.description.contains("does not describe itself"));
    }
}

#[test]
fn a_file_beside_it_knows_better() {
    let tool = open(
        HELP,
        1,
        OK,
        Some("level = 'none'\nname = 'tally'\nhosts = ['x.example']"),
    );
    let tool = tool.unwrap();
    assert_eq!(
        (tool.spec.name.as_str(), tool.level),
        ("tally", Level::None)
    );
    assert_eq!(tool.hosts, ["x.example"]);
    assert_eq!(tool.described_by, DescribedBy::File);
    assert_eq!(tool.spec.description, "Counts things. [level: read]");
    let toml = "description = 'Mine.'\n[[flag]]\nname = 'only'";
    let tool = open(HELP, 1, OK, Some(toml)).unwrap();
    assert_eq!(
        (tool.spec.description.as_str(), tool.spec.name.as_str()),
        ("Mine.", "my-tool")
    );
    assert!(tool.spec.input_schema["properties"].get("all").is_none());
    let check = |toml: &str, says: &str| {
        let Err(error) = open(HELP, 1, OK, Some(toml)) else {
            panic!("{toml} was taken")
        };
        assert!(error.to_string().contains(says), "{error}");
    };
    check("positional = ['nothing']", "`positional` names \"nothing\"");
    check("levle = 'read'", "My Tool.toml:1: unknown field `levle`");
    check("level = 'root'", "`level = \"root\"` is no level");
}

#[test]
fn a_level_that_there_is_not_is_refused() {
    let Err(error) = open("Usage: x\n\nPermission level: root\n", 1, OK, None) else {
        panic!("it was taken")
    };
    assert!(
        error.to_string().contains("asks for the level \"root\""),
        "{error}"
    );
}

#[test]
fn input_reaches_a_program_as_it_wants_it() {
    let f = Fixture::new("//- a\na\n", |_| {});
    let check = |tool: &ForeignTool, input: &str, kind: &str, says: &str| {
        let call = request("count", input);
        let given = limits("");
        let given = governed(Mode::Review, &given);
        let request = f.request(&call, &given);
        let report = runtime().block_on(toolbox().run_file(tool, request));
        let said = report.for_model().replace('\0', " ");
        assert!(said.contains(says), "{said:?}");
        expect(&report, kind, "");
    };
    let tool = open(HELP, 1, FAIL, None).unwrap();
    check(
        &tool,
        r#"{"file": ["a", "b"], "all": true, "max_count": 3}"#,
        "ok",
        "My Tool --all --max-count=3 a b ",
    );
    check(&tool, r#"{"file": ["--rm"]}"#, "ok", "My Tool -- --rm ");
    check(
        &tool,
        r#"{"all": true}"#,
        "invalid input",
        "\"file\" is a required property",
    );
    // A help text leaves things out; what is no flag at all is no input.
    let beyond = r#"{"file": ["a"], "hidden": true}"#;
    check(&tool, beyond, "ok", "My Tool --hidden a ");
    check(
        &tool,
        r#"{"file": [], "r m": true}"#,
        "invalid input",
        "r m",
    );
    let tool = open("", 1, OK, None).unwrap();
    check(
        &tool,
        r#"{"file_path": "a", "n": 1}"#,
        "ok",
        "My Tool --file-path=a -n 1 ",
    );
    check(&tool, r#"{"": 1, "a b": 2}"#, "invalid input", "");
}

#[test]
fn a_sum_is_of_everything_that_was_read() {
    let folder = Folder::new();
    let wasm = program(HELP, 1, OK);
    let plain = folder.open(&wasm, None).unwrap().sha256;
    let described = folder.open(&wasm, Some("")).unwrap().sha256;
    let otherwise = folder.open(&wasm, Some("level = 'read'")).unwrap().sha256;
    let sum: String = <sha2::Sha256 as sha2::Digest>::digest(&wasm)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(plain, sum);
    assert!(plain != described && described != otherwise);
}
