//! The agent in memory, with the client side of the same crate that behaves as told.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

mod commands;
mod conversation;
mod files;
mod harness;
mod notices;
mod protocol;
mod questions;
mod sessions;
