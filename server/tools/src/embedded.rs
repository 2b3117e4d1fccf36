//! The tools that come with the binary, as `tools-wasm/dist` has them.

use boxagnts_policy::permission::Level;
use boxagnts_protocol::tool::ToolSpec;
use serde::Deserialize;

#[allow(missing_docs)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// A tool of the manifest with its component.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) spec: ToolSpec,
    pub(crate) level: Level,
    /// Of the component, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) wasm: &'static [u8],
}

#[derive(Deserialize)]
struct Manifest {
    tools: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    description: String,
    input_schema: serde_json::Value,
    level: Level,
    sha256: String,
}

/// All of them, in the manifest's order: that in which the model is told of them.
pub(crate) fn all() -> Result<Vec<Embedded>, serde_json::Error> {
    let manifest: Manifest = serde_json::from_str(generated::MANIFEST)?;
    let with_component = |entry: Entry| {
        let (_, wasm) = generated::COMPONENTS
            .iter()
            .find(|(name, _)| *name == entry.name)?;
        let Entry {
            name,
            description,
            input_schema,
            level,
            sha256,
        } = entry;
        Some(Embedded {
            spec: ToolSpec {
                name,
                description,
                input_schema,
            },
            level,
            sha256,
            wasm,
        })
    };
    Ok(manifest
        .tools
        .into_iter()
        .filter_map(with_component)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn what_is_embedded_is_what_the_manifest_says() {
        let manifest: Manifest = serde_json::from_str(generated::MANIFEST).unwrap();
        assert_eq!(manifest.tools.len(), all().unwrap().len());
        for entry in &manifest.tools {
            let component = generated::COMPONENTS
                .iter()
                .find(|(name, _)| *name == entry.name);
            let digest = Sha256::digest(component.unwrap().1);
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, entry.sha256, "{}", entry.name);
        }
    }
}
