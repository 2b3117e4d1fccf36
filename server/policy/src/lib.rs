//! Pure decisions: which paths, limits and tools are allowed. No I/O; unknown means denied.
//!
//! Mechanisms (`workspace`, `sandbox`, `tools`) ask here and carry out the answer; they never
//! decide for themselves.

pub mod command;
pub mod config;
pub mod limits;
pub mod mounts;
pub mod network;
pub mod path;
pub mod permission;
pub mod rules;
