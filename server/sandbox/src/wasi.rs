//! WASI for foreign commands: files from the overlay, coarse clocks, and preview-1 programs through
//! an adapter.

pub(crate) mod adapter;
pub(crate) mod clocks;
pub(crate) mod files;
pub(crate) mod fuzz;
pub(crate) mod host;
pub(crate) mod streams;
