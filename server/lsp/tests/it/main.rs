//! The language server in memory, with a client that behaves as told.

mod harness;
mod protocol;
mod review;
mod turns;
