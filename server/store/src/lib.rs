//! The journal: every session and every event of it, in one SQLite file. An event that was
//! appended survives the death of the process at any later point.

mod error;
mod location;
mod permissions;
mod store;

pub use error::StoreError;
pub use location::default_path;
pub use permissions::Permission;
pub use store::{Entry, Recorded, Store};
