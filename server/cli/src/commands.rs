//! The commands, one file each.

pub(crate) mod acp;
pub(crate) mod checkpoint;
pub(crate) mod config;
pub(crate) mod daemon;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod lsp;
pub(crate) mod permission;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod tool;
pub(crate) mod undo;
pub(crate) mod usage;
pub(crate) mod worktree;
