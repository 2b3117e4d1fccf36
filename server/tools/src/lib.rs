//! The tool registry and the gate that every tool call passes.
