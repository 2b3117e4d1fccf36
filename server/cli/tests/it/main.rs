//! The real binary, run as a user or a script runs it.
//!
//! `cfg(test)` says to clippy what cargo knows already.

#[cfg(test)]
mod interrupts;
#[cfg(test)]
mod others;
#[cfg(test)]
mod questions;
mod report;
#[cfg(test)]
mod review;
#[cfg(test)]
mod run;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
mod terminal;
#[cfg(test)]
mod tool;
#[cfg(test)]
mod tools_of_users;
mod undo;
