//! Embeds the built tools, so that the binary needs nothing beside it.
//!
//! `BOXAGNTS_TOOLS_DIST` names another folder than `tools-wasm/dist`: freshly built tools are
//! tested that way before they are committed.

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-env-changed=BOXAGNTS_TOOLS_DIST");
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let dist = match std::env::var_os("BOXAGNTS_TOOLS_DIST") {
        Some(other) => PathBuf::from(other),
        None => here.join("../../tools-wasm/dist"),
    }
    .canonicalize()?;
    println!("cargo::rerun-if-changed={}", dist.display());
    let manifest = dist.join("manifest.json");
    println!("cargo::rerun-if-changed={}", manifest.display());

    let parsed: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest)?)?;
    let tools = parsed["tools"]
        .as_array()
        .ok_or("manifest.json has no list `tools`")?;
    let mut code = format!("pub(crate) const MANIFEST: &str = include_str!({manifest:?});\n");
    code.push_str("pub(crate) const COMPONENTS: &[(&str, &[u8])] = &[\n");
    for tool in tools {
        let (name, file) = (tool["name"].as_str(), tool["file"].as_str());
        let (Some(name), Some(file)) = (name, file) else {
            return Err("a tool in manifest.json has no name or no file".into());
        };
        let path = dist.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(code, "    ({name:?}, include_bytes!({path:?})),")?;
    }
    code.push_str("];\n");
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("embedded.rs");
    std::fs::write(out, code)?;
    Ok(())
}
