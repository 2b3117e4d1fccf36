//! `tools-wasm/dist/manifest.json`: what the built tools are and what made them.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// First line of `rustc --version`, and how it was used.
    pub(crate) compiler: String,
    /// In the order in which a model is told of them.
    pub(crate) tools: Vec<Tool>,
}

/// One tool.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) sha256: String,
    pub(crate) bytes: usize,
    #[serde(flatten)]
    pub(crate) spec: Spec,
}

/// What the tool says of itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) description: String,
    pub(crate) input_schema: serde_json::Value,
    pub(crate) level: String,
    pub(crate) capabilities: Vec<String>,
}

impl Manifest {
    pub(crate) fn read(dist: &Path) -> anyhow::Result<Manifest> {
        let path = dist.join("manifest.json");
        let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))
    }

    pub(crate) fn write(&self, dist: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(std::fs::write(dist.join("manifest.json"), text)?)
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
