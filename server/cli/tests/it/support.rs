//! A home and a workspace for one test, and the binary in them.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary home with a workspace in it.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    /// A workspace with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Fixture { folder };
        std::fs::create_dir(fixture.workspace()).unwrap();
        for (path, text) in files {
            fixture.write(path, text);
        }
        fixture
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes a file of the workspace.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.workspace().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes the user's configuration.
    pub(crate) fn configure(&self, toml: &str) {
        let user = self.home().join("config/boxagnts/config.toml");
        std::fs::create_dir_all(user.parent().unwrap()).unwrap();
        std::fs::write(user, toml).unwrap();
    }

    /// Writes a script for the model and gives the model's name.
    pub(crate) fn script(&self, turns: Value) -> String {
        let path = self.folder.path().join("script.json");
        std::fs::write(&path, turns.to_string()).unwrap();
        format!("scripted:{}", path.display())
    }

    /// Writes a WASI command whose body is this WebAssembly text, and gives its path.
    pub(crate) fn component(&self, body: &str) -> String {
        let text = format!(
            r#"(component
                (core module $m (func (export "run") (result i32) {body}))
                (core instance $i (instantiate $m))
                (func $run (result (result)) (canon lift (core func $i "run")))
                (instance $cli (export "run" (func $run)))
                (export "wasi:cli/run@0.2.0" (instance $cli)))"#
        );
        let path = self.folder.path().join("command.wasm");
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        path.display().to_string()
    }

    /// Writes a WASI preview-1 program beside the workspace that prints this text whatever it is
    /// called with, and gives its path.
    pub(crate) fn program(&self, name: &str, says: &str) -> String {
        let text: String = says.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let module = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "fd_write"
                  (func $write (param i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (data (i32.const 1024) "{text}")
                (func (export "_start")
                  (i32.store (i32.const 0) (i32.const 1024))
                  (i32.store (i32.const 4) (i32.const {}))
                  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
            says.len()
        );
        let path = self.folder.path().join(name);
        std::fs::write(&path, wat::parse_str(module).unwrap()).unwrap();
        path.display().to_string()
    }

    /// The binary with a clean environment, in the workspace.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxagnts"));
        command
            .args(arguments)
            .current_dir(self.workspace())
            .env_clear();
        for kept in ["PATH", "SystemRoot", "TMPDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        let home = self.home();
        command
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("BOXAGNTS_STATE_DIR", home.join("state"))
            // Shared, or every test would compile the tools again.
            .env(
                "BOXAGNTS_CACHE_DIR",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("boxagnts-cache"),
            )
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Every file of the workspace with its bytes.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.workspace()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(tree.insert(path.clone(), std::fs::read(&path).unwrap())),
                }
            }
        }
        tree
    }
}

/// What a run of the binary said.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails with everything that was said unless it ended so.
    #[track_caller]
    pub(crate) fn check(self, code: i32) -> Ended {
        assert_eq!(
            self.code, code,
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        assert!(!self.stderr.contains("internal error"), "{}", self.stderr);
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.trim_end().lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Standard output as JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
