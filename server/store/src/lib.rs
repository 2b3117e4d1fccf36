//! The journal: every session and every event of it, the batches of accepted hunks with what files
//! were before, the tools that the user approved, and scheduled tasks, in one SQLite file. An event that was appended
//! survives the death of the process at any later point, a batch that was begun even a power cut.

mod approved;
mod batches;
mod blobs;
mod checkpoints;
mod error;
mod location;
mod manage;
mod owner;
mod permissions;
mod running;
mod schedules;
mod search;
mod spent;
mod store;
mod transaction;

pub use approved::ApprovedTool;
pub use batches::{
    Batch, BatchFile, BatchFileSummary, BatchId, BatchKind, BatchState, BatchSummary, Claim,
    NewBatch,
};
pub use checkpoints::Pruned;
pub use error::StoreError;
pub use location::default_path;
pub use manage::NewPast;
pub use permissions::Permission;
pub use schedules::{
    Begun, Claimed, Firing, FiringKind, Jobs, RunEnd, SessionFacts, StoredJob, UnreadableJob,
};
pub use spent::ModelCall;
pub use store::{Entry, Recorded, Store};
