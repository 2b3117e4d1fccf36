//! Sessions over real folders and a real journal, without a face.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

mod cached;
mod compacted;
mod context;
mod costs;
mod executors;
mod governed;
mod harness;
mod hooks;
mod images;
mod interrupted;
mod managed;
mod native;
mod nested;
mod plan;
mod races;
mod steered;
