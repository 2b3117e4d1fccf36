//! How accepted hunks reach the user's files.

use async_trait::async_trait;
use boxagnts_workspace::{FilePlan, Overlay, apply_to_disk};
use std::sync::Arc;

/// Carries accepted hunks to where the user's text lives. A face provides it: an editor edits its
/// buffers, the command line writes files.
#[async_trait]
pub trait Applier: Send + Sync {
    /// Applies a batch of plans; one result per plan, in order. `Ok` means that the text was found
    /// in place afterwards; `Err` says, for the user, why it was not.
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>>;
}

/// Writes files itself: atomically, keeping mode, refusing when the file changed meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct DiskApplier;

#[async_trait]
impl Applier for DiskApplier {
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        let overlay = Arc::clone(overlay);
        let count = plans.len();
        let plans = plans.to_vec();
        let write = move || {
            plans
                .iter()
                .map(|plan| apply_to_disk(&overlay, plan).map_err(|error| error.to_string()))
                .collect()
        };
        // fsync may take long; the caller's worker thread must not wait for it.
        tokio::task::spawn_blocking(write)
            .await
            .unwrap_or_else(|error| vec![Err(format!("writing stopped: {error}")); count])
    }
}
