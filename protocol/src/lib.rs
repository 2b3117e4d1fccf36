//! The vocabulary that BoxAgnts' layers share with each other and with their clients.
//!
//! Only data lives here: no behaviour, no I/O. Everything serialises with serde and has a JSON
//! schema, so that the journal, `--json` output, the `boxagnts/*` notifications and the editor
//! extensions all speak of the same things.

pub mod canonical;
pub mod catalog;
pub mod commands;
pub mod conversation;
pub mod hook;
pub mod proposal;
pub mod question;
pub mod schedule;
pub mod tool;
pub mod update;
