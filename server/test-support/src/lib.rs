//! Fixtures and fakes for tests.

mod editor;

pub use editor::{Applies, Editor, Units};
