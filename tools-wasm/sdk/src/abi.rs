//! The component's side of `tools-wasm/wit`.

#![allow(missing_docs, unsafe_code)]

wit_bindgen::generate!({
    path: "../wit",
    world: "tool",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "boxagnts_tool_sdk::abi",
});

use boxagnts::tool::types;

/// A tool's description in the ABI's terms.
pub fn spec(spec: crate::Spec) -> Spec {
    Spec {
        name: spec.name.to_owned(),
        description: spec.description.to_owned(),
        input_schema: spec.input_schema.to_string(),
        level: match spec.level {
            crate::Level::Read => types::Level::Read,
            crate::Level::Write => types::Level::Write,
            crate::Level::Network => types::Level::Network,
        },
        capabilities: spec
            .capabilities
            .into_iter()
            .filter_map(|capability| match capability {
                crate::Capability::WorkspaceRead => Some(types::Capability::WorkspaceRead),
                crate::Capability::WorkspaceWrite => Some(types::Capability::WorkspaceWrite),
                crate::Capability::Progress => Some(types::Capability::Progress),
                // The ABI has no word for it: its import says it.
                crate::Capability::Http => None,
            })
            .collect(),
    }
}

/// A tool's answer in the ABI's terms.
pub fn result(result: Result<crate::Output, crate::Error>) -> Result<Output, ToolError> {
    match result {
        Ok(output) => Ok(Output {
            text: output.text,
            truncated: output.truncated,
        }),
        Err(crate::Error::InvalidInput(why)) => Err(ToolError::InvalidInput(why)),
        Err(crate::Error::Failed(why)) => Err(ToolError::Failed(why)),
    }
}
