//! Sessions over real folders and a real journal, without a face.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

mod context;
mod costs;
mod harness;
mod interrupted;
mod managed;
mod native;
mod nested;
mod plan;
mod races;
