//! The language server face: the only place that knows LSP types. It converts and forwards, and
//! never decides.
//!
//! No handler awaits the client; whatever must wait for the editor runs in a spawned task.

mod actions;
mod applier;
mod asker;
mod capabilities;
mod commands;
mod convert;
mod documents;
mod folder;
mod managing;
mod observer;
mod params;
mod patch;
mod positions;
mod resources;
mod review;
mod schedules;
mod server;
mod transport;

pub use server::{Connector, serve};
