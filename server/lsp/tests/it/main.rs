//! The language server in memory, with a client that behaves as told.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

mod context;
mod decisions;
mod executors;
mod harness;
mod managing;
mod permissions;
mod protocol;
mod questions;
mod review;
mod together;
mod turns;
