//! The tools and the one gate in front of them: name, input, permission, sandbox, overlay.
//!
//! [`Toolbox::run`] is the only way to run a tool. A call is a transaction: what it wrote reaches
//! the overlay only when it succeeded.

mod approval;
mod approvals;
mod describe;
mod embedded;
mod files;
mod gate;
mod host_fs;
mod input;
mod native;
mod network;
mod registry;
mod report;
mod toolbox;
mod transaction;

#[cfg(test)]
mod tests;

pub use approval::{Approval, ApprovalRequest, Approver, DenyAll};
pub use approvals::{Approvals, Approved, MemoryApprovals};
pub use boxagnts_sandbox::{Sandbox, default_cache_dir};
pub use describe::DescribedBy;
#[doc(hidden)]
pub use describe::fuzz_help;
pub use native::{
    ASK_USER, AskUser, NativeOutcome, Natives, PROPOSE_PLAN, ProposePlan, QUESTION, SPAWN_EXECUTOR,
    SpawnBudget, SpawnExecutor, SubQuestion, TODO, Todo,
};
pub use network::proxy;
pub use registry::{Candidate, Place, Registry, RegistryError, Removed, Standing, ToolFolders};
pub use toolbox::{ForeignTool, ToolRequest, Toolbox, ToolsError};
