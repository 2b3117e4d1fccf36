//! End-to-end: the real binary over real stdio, and real editors.
// Helpers of tests fail as tests do.
#![allow(clippy::expect_used)]

mod acp;
mod docs;
mod emacs;
// What the fuzz targets do, on the inputs that were saved.
#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code)]
mod fuzz;
mod helix;
mod helix_languages;
mod litellm;
mod neovim;
mod otlp;
mod pictures;
mod resume;
mod review;
mod schedules;
mod sdks;
mod stdio;
mod vscode;
