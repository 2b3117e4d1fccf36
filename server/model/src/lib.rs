//! Model providers behind one streaming trait.
