//! The real binary, run as a user or a script runs it.
//!
//! `cfg(test)` says to clippy what cargo knows already.

#[cfg(test)]
mod interrupts;
#[cfg(test)]
mod others;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod report;
#[cfg(test)]
mod review;
#[cfg(test)]
mod run;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tool;
#[cfg(test)]
mod tools_of_users;
mod undo;
