//! WASI for foreign commands: files from the overlay, coarse clocks, and programs of preview 1.

pub(crate) mod clocks;
pub(crate) mod files;
pub(crate) mod fuzz;
pub(crate) mod host;
pub(crate) mod preview1;
pub(crate) mod streams;
