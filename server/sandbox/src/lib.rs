//! The wasmtime sandbox: limits, capabilities, AOT cache.
