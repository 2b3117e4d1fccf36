//! End-to-end: the real binary over real stdio, and real editors.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

mod docs;
mod neovim;
mod stdio;
