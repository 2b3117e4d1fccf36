//! End-to-end: the real binary over real stdio, and real editors.

mod docs;
mod neovim;
mod stdio;
