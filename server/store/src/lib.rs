//! The journal: every session and every event of it, in one SQLite file, and the tools that the
//! user approved. An event that was appended survives the death of the process at any later point.

mod approved;
mod error;
mod location;
mod permissions;
mod store;

pub use approved::ApprovedTool;
pub use error::StoreError;
pub use location::default_path;
pub use permissions::Permission;
pub use store::{Entry, Recorded, Store};
