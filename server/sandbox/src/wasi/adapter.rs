//! Makes components of WASI preview-1 programs, which are core modules: with the adapter that the
//! wasmtime project publishes, so that they are served by the same host as WASI 0.2.

use std::panic::AssertUnwindSafe;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wit_component::ComponentEncoder;

/// The component of a preview-1 command.
///
/// # Errors
/// The module is not valid, is no command, or imports what preview 1 does not have.
pub(crate) fn component(module: &[u8]) -> Result<Vec<u8>, String> {
    let encode = || {
        ComponentEncoder::default()
            .validate(true)
            .module(module)?
            .adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            )?
            .encode()
    };
    // The module is anyone's; the encoder was made for compilers.
    match std::panic::catch_unwind(AssertUnwindSafe(encode)) {
        Ok(encoded) => encoded.map_err(|error| format!("{error:#}")),
        Err(_) => Err("it is malformed".to_owned()),
    }
}
