//! Hostile modules of WASI preview 1, the interface that most compilers still speak: a list of
//! steps, each of which says the error number that it got.

use std::fmt::Write;

/// What a module does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    /// Opens for reading and says what is there.
    Read(&'a str),
    /// Opens for writing, creating and truncating, and writes.
    Write(&'a str, &'a str),
    /// Opens with `O_TRUNC` and with the right to read alone.
    Truncate(&'a str),
    /// Says the names in a folder.
    List(&'a str),
    Stat(&'a str),
    Mkdir(&'a str),
    Unlink(&'a str),
    Rename(&'a str, &'a str),
    /// What it points at, and its name.
    Symlink(&'a str, &'a str),
    /// A hard link of what is there, and its name.
    Link(&'a str, &'a str),
    Readlink(&'a str),
    /// Reads from a descriptor that nobody gave it.
    Descriptor(u32),
    /// How many variables there are, as the error number.
    Environment,
    /// Any code that leaves an error number.
    Code(&'a str),
}

/// The folder that is open from the start.
const ROOT: &str = "(i32.const 3)";

const IMPORTS: &[(&str, &str)] = &[
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    ("fd_read", "i32 i32 i32 i32"),
    ("fd_write", "i32 i32 i32 i32"),
    ("fd_close", "i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32"),
    ("path_create_directory", "i32 i32 i32"),
    ("path_unlink_file", "i32 i32 i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32"),
    ("path_symlink", "i32 i32 i32 i32 i32"),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32"),
    ("path_readlink", "i32 i32 i32 i32 i32 i32"),
    ("environ_sizes_get", "i32 i32"),
    ("poll_oneoff", "i32 i32 i32 i32"),
    ("random_get", "i32 i32"),
    ("clock_time_get", "i32 i64 i32"),
    ("fd_fdstat_get", "i32 i32"),
    ("proc_raise", "i32"),
    ("sock_accept", "i32 i32 i32"),
];

/// Below 1024 lie results: a descriptor or a length at 0, an I/O vector at 8, a number as text at
/// 32. What is read comes to 65536. Texts of the steps begin at 4096.
const PRELUDE: &str = r##"
  (memory (export "memory") 3)
  (func $say (param $at i32) (param $len i32)
    (i32.store (i32.const 8) (local.get $at)) (i32.store (i32.const 12) (local.get $len))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func $number (param $n i32)
    (i32.store8 (i32.const 32) (i32.const 10))
    (i32.store8 (i32.const 33) (i32.const 35))
    (i32.store8 (i32.const 34) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 100))))
    (i32.store8 (i32.const 35) (i32.add (i32.const 48)
      (i32.rem_u (i32.div_u (local.get $n) (i32.const 10)) (i32.const 10))))
    (i32.store8 (i32.const 36) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (i32.store8 (i32.const 37) (i32.const 10))
    (call $say (i32.const 32) (i32.const 6)))
  (func $open (param $path i32) (param $len i32) (param $how i32) (param $rights i64) (result i32)
    (call $path_open (i32.const 3) (i32.const 1) (local.get $path) (local.get $len)
      (local.get $how) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 0)))
  (func $read_from (param $fd i32) (result i32) (local $error i32)
    (i32.store (i32.const 8) (i32.const 65536)) (i32.store (i32.const 12) (i32.const 65536))
    (local.set $error
      (call $fd_read (local.get $fd) (i32.const 8) (i32.const 1) (i32.const 4)))
    (if (i32.eqz (local.get $error))
      (then (call $say (i32.const 65536) (i32.load (i32.const 4)))))
    (local.get $error))
  (func $read (param $path i32) (param $len i32) (result i32) (local $error i32)
    (local.set $error
      (call $open (local.get $path) (local.get $len) (i32.const 0) (i64.const 2)))
    (if (result i32) (local.get $error)
      (then (local.get $error))
      (else (call $read_from (i32.load (i32.const 0))))))
  (func $write (param $path i32) (param $len i32) (param $text i32) (param $size i32) (result i32)
    (local $error i32)
    (local.set $error
      (call $open (local.get $path) (local.get $len) (i32.const 9) (i64.const 64)))
    (if (i32.eqz (local.get $error)) (then
      (i32.store (i32.const 8) (local.get $text)) (i32.store (i32.const 12) (local.get $size))
      (local.set $error
        (call $fd_write (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 4)))
      (drop (call $fd_close (i32.load (i32.const 0))))))
    (local.get $error))
  (func $list (param $path i32) (param $len i32) (result i32) (local $error i32)
    (local.set $error
      (call $open (local.get $path) (local.get $len) (i32.const 2) (i64.const 0x4000)))
    (if (i32.eqz (local.get $error)) (then
      (local.set $error (call $fd_readdir (i32.load (i32.const 0)) (i32.const 65536)
        (i32.const 65536) (i64.const 0) (i32.const 4)))
      (if (i32.eqz (local.get $error))
        (then (call $say (i32.const 65536) (i32.load (i32.const 4)))))))
    (local.get $error))
"##;

/// A module that takes these steps.
pub(crate) fn module(steps: &[Step<'_>]) -> Vec<u8> {
    let mut texts = Texts::default();
    let mut body = String::new();
    for step in steps {
        let code = match *step {
            Step::Read(path) => format!("(call $read {})", texts.add(path)),
            Step::Write(path, text) => {
                format!("(call $write {} {})", texts.add(path), texts.add(text))
            }
            Step::Truncate(path) => {
                format!(
                    "(call $open {} (i32.const 8) (i64.const 2))",
                    texts.add(path)
                )
            }
            Step::List(path) => format!("(call $list {})", texts.add(path)),
            Step::Stat(path) => format!(
                "(call $path_filestat_get {ROOT} (i32.const 1) {} (i32.const 512))",
                texts.add(path)
            ),
            Step::Mkdir(path) => {
                format!("(call $path_create_directory {ROOT} {})", texts.add(path))
            }
            Step::Unlink(path) => format!("(call $path_unlink_file {ROOT} {})", texts.add(path)),
            Step::Rename(from, to) => format!(
                "(call $path_rename {ROOT} {} {ROOT} {})",
                texts.add(from),
                texts.add(to)
            ),
            Step::Symlink(target, name) => format!(
                "(call $path_symlink {} {ROOT} {})",
                texts.add(target),
                texts.add(name)
            ),
            Step::Link(from, name) => format!(
                "(call $path_link {ROOT} (i32.const 1) {} {ROOT} {})",
                texts.add(from),
                texts.add(name)
            ),
            Step::Readlink(path) => format!(
                "(call $path_readlink {ROOT} {} (i32.const 65536) (i32.const 4096) (i32.const 4))",
                texts.add(path)
            ),
            Step::Descriptor(fd) => format!("(call $read_from (i32.const {fd}))"),
            Step::Environment => "(drop (call $environ_sizes_get (i32.const 0) (i32.const 4)))
                (i32.load (i32.const 0))"
                .to_owned(),
            Step::Code(code) => code.to_owned(),
        };
        let _ = writeln!(body, "(call $number {code})");
    }
    let code = format!("{PRELUDE}(func (export \"_start\")\n{body})");
    let mut text = "(module\n".to_owned();
    for (name, parameters) in IMPORTS {
        if code.contains(&format!("call ${name} ")) {
            let _ = writeln!(
                text,
                "(import \"wasi_snapshot_preview1\" \"{name}\"
                   (func ${name} (param {parameters}) (result i32)))"
            );
        }
    }
    wat::parse_str(format!("{text}{code}{})", texts.data)).expect("a module")
}

/// The names of the error numbers that a module said, in the order of its steps.
pub(crate) fn errors(output: &str) -> Vec<&'static str> {
    let lines = output.lines().filter_map(|line| line.strip_prefix('#'));
    let numbers = lines.filter_map(|number| number.parse::<u32>().ok());
    let name = |number| {
        let found = ERRORS.iter().find(|(known, _)| *known == number);
        found.map_or_else(
            || panic!("error {number} has no name here"),
            |(_, name)| *name,
        )
    };
    numbers.map(name).collect()
}

const ERRORS: &[(u32, &str)] = &[
    (0, "ok"),
    (2, "EACCES"),
    (8, "EBADF"),
    (20, "EEXIST"),
    (28, "EINVAL"),
    (29, "EIO"),
    (31, "EISDIR"),
    (32, "ELOOP"),
    (33, "EMFILE"),
    (37, "ENAMETOOLONG"),
    (44, "ENOENT"),
    (52, "ENOSYS"),
    (54, "ENOTDIR"),
    (57, "ENOTSOCK"),
    (58, "ENOTSUP"),
    (63, "EPERM"),
    (69, "EROFS"),
    (76, "ENOTCAPABLE"),
];

#[derive(Default)]
struct Texts {
    used: usize,
    data: String,
}

impl Texts {
    /// Where a text lies, and its length.
    fn add(&mut self, text: &str) -> String {
        let at = 4096 + self.used;
        self.used += text.len();
        assert!(at + text.len() < 65_536, "too many texts");
        let bytes: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let _ = writeln!(self.data, "(data (i32.const {at}) \"{bytes}\")");
        format!("(i32.const {at}) (i32.const {})", text.len())
    }
}
