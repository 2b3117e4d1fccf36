//! End-to-end: the real binary over real stdio, and real editors.

mod neovim;
mod stdio;
