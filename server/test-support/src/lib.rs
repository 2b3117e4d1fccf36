//! Fixtures and fakes for tests.
// A fixture that fails is a test that fails.
#![allow(clippy::expect_used)]

mod editor;
mod fixture;
pub mod guests;
mod model_server;
mod script;

pub use editor::{Applies, Editor, Units};
pub use fixture::{Entry, Fixture, Snapshot};
pub use model_server::{Answer, Fault, ModelServer, Recorded, SIGNATURE};
pub use script::{Script, script};
