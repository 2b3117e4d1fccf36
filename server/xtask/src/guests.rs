//! Building the tools: Rust for `wasm32-unknown-unknown`, made components in process.

use crate::manifest::{Manifest, Spec, Tool, sha256};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's compiler, which has no wasm target but can build the standard library for one.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const REMEDY: &str = "no compiler for the tools: `rustup target add wasm32-unknown-unknown`, or \
                      on Debian `tests/setup tools`";

/// A way to compile for WebAssembly.
enum Toolchain {
    /// The compiler at hand has the target.
    Target,
    /// Debian's compiler builds the standard library along.
    BuildStd,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    #[serde(flatten)]
    spec: Spec,
}

/// Builds every tool to `out`.
pub(crate) fn build(root: &Path, out: &Path) -> anyhow::Result<Manifest> {
    let workspace = root.join("tools-wasm");
    let toolchain = Toolchain::find()?;
    let target = target_dir(root)?.join("tools-wasm");
    toolchain.compile(root, &workspace, &target)?;
    let declared = declared(&workspace, &target)?;

    std::fs::create_dir_all(out)?;
    let mut manifest = Manifest {
        compiler: toolchain.describe()?,
        tools: Vec::new(),
    };
    for Declared { name, spec } in declared {
        let module = target
            .join(TARGET)
            .join("release")
            .join(format!("boxagnts_tool_{name}.wasm"));
        let module =
            std::fs::read(&module).with_context(|| format!("reading {}", module.display()))?;
        let component =
            component(&module).with_context(|| format!("making `{name}` a component"))?;
        let imports = imports(&component).with_context(|| format!("imports of `{name}`"))?;
        let wanted: BTreeSet<String> = spec.capabilities.iter().cloned().collect();
        ensure!(
            imports == wanted,
            "`{name}` declares the capabilities {wanted:?} and imports {imports:?}: make them agree"
        );
        let file = format!("{name}.wasm");
        std::fs::write(out.join(&file), &component)?;
        let (sha256, bytes) = (sha256(&component), component.len());
        eprintln!("{name:8} {bytes:>9} bytes  {}", &sha256[..16]);
        manifest.tools.push(Tool {
            name,
            file,
            sha256,
            bytes,
            spec,
        });
    }
    manifest.write(out)?;
    Ok(manifest)
}

/// Whether `tools-wasm/dist` is what the sources make.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let dist = root.join("tools-wasm/dist");
    let committed = Manifest::read(&dist)?;
    for tool in &committed.tools {
        let bytes = std::fs::read(dist.join(&tool.file))
            .with_context(|| format!("reading tools-wasm/dist/{}", tool.file))?;
        ensure!(
            sha256(&bytes) == tool.sha256,
            "tools-wasm/dist/{} is not what manifest.json says; run `cargo xtask tools`",
            tool.file
        );
    }
    let fresh_dist = target_dir(root)?.join("tools-wasm/fresh-dist");
    if fresh_dist.exists() {
        std::fs::remove_dir_all(&fresh_dist)?;
    }
    let fresh = build(root, &fresh_dist)?;
    if fresh.compiler == committed.compiler {
        for (a, b) in fresh.tools.iter().zip(&committed.tools) {
            ensure!(
                a == b,
                "`{}` of tools-wasm/dist is not what the sources make; run `cargo xtask tools` and \
                 commit the result",
                b.name
            );
        }
        ensure!(
            fresh == committed,
            "tools-wasm/dist has other tools than the sources; run `cargo xtask tools`"
        );
        eprintln!("tools-wasm/dist is what the sources make, byte for byte");
        return Ok(());
    }
    eprintln!(
        "tools-wasm/dist was made by {}, here is {}: testing what was built here instead",
        committed.compiler, fresh.compiler
    );
    let specs = |manifest: &Manifest| -> Vec<(String, String)> {
        let spec = |tool: &Tool| (tool.name.clone(), format!("{:?}", tool.spec));
        manifest.tools.iter().map(spec).collect()
    };
    ensure!(
        specs(&fresh) == specs(&committed),
        "the sources describe the tools otherwise than manifest.json; run `cargo xtask tools`"
    );
    let mut tests = cargo();
    tests
        .current_dir(root)
        .args(["test", "--locked", "--package", "boxagnts-tools"]);
    run(tests.env("BOXAGNTS_TOOLS_DIST", &fresh_dist))
}

impl Toolchain {
    fn find() -> anyhow::Result<Toolchain> {
        let libdir = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", TARGET])
            .output();
        if let Ok(output) = libdir
            && output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
        {
            return Ok(Toolchain::Target);
        }
        let sources =
            sysroot(DEBIAN_RUSTC).map(|sysroot| sysroot.join("lib/rustlib/src/rust/library"));
        if sources.is_ok_and(|sources| sources.is_dir()) {
            return Ok(Toolchain::BuildStd);
        }
        bail!(REMEDY)
    }

    fn rustc(&self) -> &'static str {
        match self {
            Toolchain::Target => "rustc",
            Toolchain::BuildStd => DEBIAN_RUSTC,
        }
    }

    fn describe(&self) -> anyhow::Result<String> {
        let version = Command::new(self.rustc()).arg("--version").output()?;
        let how = match self {
            Toolchain::Target => "its own standard library",
            Toolchain::BuildStd => "standard library built along",
        };
        Ok(format!(
            "{} ({how})",
            String::from_utf8_lossy(&version.stdout).trim()
        ))
    }

    fn compile(&self, root: &Path, workspace: &Path, target: &Path) -> anyhow::Result<()> {
        // Paths of this machine must not be in what is committed.
        let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home =
            home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
        let mut remap = |from: &Path, to: &str| {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        };
        remap(root, "/boxagnts");
        if let Some(home) = home {
            for registry in std::fs::read_dir(home.join("registry/src"))
                .into_iter()
                .flatten()
            {
                remap(&registry?.path(), "/crates");
            }
        }
        let sysroot = sysroot(self.rustc())?;
        let sources = sysroot.join("lib/rustlib/src/rust");
        remap(&sources, "/rust");
        if let Ok(real) = sources.canonicalize() {
            remap(&real, "/rust");
        }
        let mut command = cargo();
        command
            .current_dir(workspace)
            .args([
                "build",
                "--release",
                "--locked",
                "--lib",
                "--target",
                TARGET,
            ])
            .args(["--workspace", "--exclude", "boxagnts-tool-specs"])
            .env("CARGO_TARGET_DIR", target);
        if let Toolchain::BuildStd = self {
            flags.push("-Clinker=wasm-ld-19".to_owned());
            command
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                // Not through a proxy that knows another compiler.
                .env_remove("RUSTC_WRAPPER");
        }
        run(command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))
    }
}

/// What the tools say of themselves, told by their own code compiled for this machine.
fn declared(workspace: &Path, target: &Path) -> anyhow::Result<Vec<Declared>> {
    let mut command = cargo();
    command
        .current_dir(workspace)
        .args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "boxagnts-tool-specs",
        ])
        .env("CARGO_TARGET_DIR", target);
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "the tools cannot describe themselves:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn component(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)?
        .encode()
}

/// The capabilities that a component imports.
fn imports(component: &[u8]) -> anyhow::Result<BTreeSet<String>> {
    let wit_component::DecodedWasm::Component(resolve, world) = wit_component::decode(component)?
    else {
        bail!("not a component");
    };
    let mut found = BTreeSet::new();
    for (key, item) in &resolve.worlds[world].imports {
        // Types that the world's own functions name bring nothing of the host.
        if matches!(item, wit_parser::WorldItem::Type { .. }) {
            continue;
        }
        let name = resolve.name_world_key(key);
        let interface = name
            .strip_prefix("boxagnts:tool/")
            .and_then(|name| name.strip_suffix("@0.1.0"))
            .with_context(|| format!("it imports `{name}`, which no tool may"))?;
        if interface != "types" {
            found.insert(interface.to_owned());
        }
    }
    Ok(found)
}

fn sysroot(rustc: &str) -> anyhow::Result<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output()?;
    ensure!(output.status.success(), "{rustc} does not work");
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn target_dir(root: &Path) -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(std::path::absolute(folder)?),
        None => Ok(root.join("target")),
    }
}

/// The cargo that runs us; its own environment must not leak into other workspaces.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in [
        "CARGO_MANIFEST_DIR",
        "CARGO_PKG_NAME",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    command
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
