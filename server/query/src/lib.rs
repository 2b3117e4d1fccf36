//! The query loop as a pure state machine.
