//! The Agent Client Protocol face, version 1: the only place that knows ACP types. It converts and
//! forwards, and never decides.
//!
//! No handler waits for the client: what must wait runs in a task, and every wait for the client ends
//! with the turn, with a time-out, or with the connection.

mod applier;
mod asker;
mod chat;
mod commands;
mod convert;
mod files;
mod folder;
mod fragments;
mod history;
mod observer;
mod options;
mod peer;
mod prompt;
mod review;
mod server;
mod transport;
mod turn;

pub use server::{Connector, serve};
