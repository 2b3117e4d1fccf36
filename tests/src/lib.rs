//! Finds and runs the real binary, in a world of its own: for the end-to-end tests and benches.

use boxagnts_test_support::Editor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The binary of this build's profile, built first when it is not up to date.
///
/// # Panics
/// It cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // Another one than that of this build, such as a release that is measured.
        if let Some(other) = std::env::var_os("BOXAGNTS_TESTS_PROGRAM") {
            return PathBuf::from(other);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // With what the tests of all crates have built: a build of the binary alone would have other
        // features, and begin anew. And with all that users may switch on.
        build.args(["test", "--no-run", "--quiet", "--locked", "--workspace"]);
        build.args(["--test", "cli", "--features", "boxagnts-cli/otlp"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        // What cargo says of this package to its tests would have build scripts of others run again.
        for (name, _) in std::env::vars_os() {
            let of_package = |start: &&str| name.to_string_lossy().starts_with(start);
            if ["CARGO_MANIFEST", "CARGO_PKG", "CARGO_CRATE", "CARGO_BIN"]
                .iter()
                .any(of_package)
            {
                build.env_remove(&name);
            }
        }
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.status().is_ok_and(|status| status.success());
        assert!(built, "cargo builds the binary");
        // …/target/debug/deps/it-0123 → …/target/debug/boxagnts
        let own = std::env::current_exe().unwrap_or_default();
        let folder = own
            .parent()
            .and_then(Path::parent)
            .unwrap_or(Path::new("."));
        folder.join(format!("boxagnts{}", std::env::consts::EXE_SUFFIX))
    })
}

/// Folders for state, configuration and cache that are no one else's. The compiled tools are
/// shared by all worlds.
#[derive(Debug)]
pub struct World {
    home: PathBuf,
}

impl World {
    /// Everything below `home`.
    pub fn new(home: &Path) -> World {
        World {
            home: home.to_path_buf(),
        }
    }

    /// The binary with these arguments, without anything of the user's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear();
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command
    }

    /// The language server as an editor starts it in a folder, and that editor.
    ///
    /// # Panics
    /// It does not start.
    pub fn language_server(&self, folder: &Path) -> (tokio::process::Child, Editor) {
        let mut command = tokio::process::Command::from(self.command(&["lsp", "--stdio"]));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let started = command.spawn();
        let mut child = started.unwrap_or_else(|error| panic!("the binary starts: {error}"));
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            panic!("it has a standard input and output");
        };
        (child, Editor::new(stdout, stdin, folder))
    }

    /// Writes the user's own configuration file.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn configure(&self, toml: &str) {
        let folder = self.home.join("config/boxagnts");
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("config.toml"), toml));
        assert!(written.is_ok(), "{written:?}");
    }

    /// Registers a tool in a workspace, and approves it.
    ///
    /// # Panics
    /// It is not added.
    pub fn add_tool(&self, workspace: &Path, name: &str, wasm: &[u8], toml: &str) {
        let folder = self.home.join("own");
        let file = folder.join(name).with_extension("wasm");
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&file, wasm))
            .and_then(|()| std::fs::write(file.with_extension("toml"), toml));
        assert!(written.is_ok(), "{written:?}");
        let mut add = self.command(&["tool", "add", "--yes", "--workspace"]);
        let added = add.arg(workspace).arg(&file).output();
        let added = added.unwrap_or_else(|error| panic!("the binary starts: {error}"));
        let said = String::from_utf8_lossy(&added.stderr);
        assert!(added.status.success(), "{said}");
    }

    /// The environment that keeps it in its world.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("HOME", self.home.clone()),
            ("BOXAGNTS_STATE_DIR", self.home.join("state")),
            (
                "BOXAGNTS_CACHE_DIR",
                std::env::temp_dir().join("boxagnts-tests-cache"),
            ),
            ("XDG_CONFIG_HOME", self.home.join("config")),
            ("PATH", std::env::var_os("PATH").unwrap_or_default().into()),
        ]
    }
}
