//! The language server face.
