//! The sandbox: WebAssembly components with every limit set, exactly the granted capabilities
//! linked, and nothing of the host in reach.
//!
//! One engine serves all tools; a call gets a fresh store, so nothing lives on from one call to
//! the next. The host's files are whatever implements [`GuestFs`].

mod cache;
mod call;
mod command;
mod engine;
mod files;
mod help;
mod meter;
mod network;
mod tool;
mod wasi;
mod world;

#[cfg(test)]
mod tests;

pub use cache::default_cache_dir;
pub use call::{
    CallFailure, CallReport, CallRequest, Capabilities, Description, Input, Progress, ToolOutput,
    Usage,
};
pub use engine::{LoadError, Sandbox};
pub use files::{Entry, FileKind, FsError, FsErrorCode, GuestFs, Metadata};
pub use help::HelpText;
pub use network::{Contact, Contacts, Network, Resolver, SystemResolver};
pub use tool::{Tool, ToolKind};
#[doc(hidden)]
pub use wasi::fuzz::{FuzzCall, fuzz_files};
