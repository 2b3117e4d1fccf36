//! Fixtures and fakes for tests.
