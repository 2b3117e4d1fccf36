//! Changes reach the user's files in batches: written down before, with what each file was, and
//! closed behind. From that come undo, and the way back after the process was killed in between.

use crate::applier::Applier;
use crate::environment::Environment;
use crate::error::SessionError;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_store::{BatchFile, BatchId, BatchKind, NewBatch};
use boxagnts_workspace::{Content, FilePlan, Overlay, Step, mode_on_disk};
use futures::FutureExt;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::task::JoinError;

/// Contents that checkpoints keep in the journal, in bytes, and how long, in milliseconds.
const KEEP_BYTES: u64 = 512 << 20;
const KEEP_MS: u64 = 60 * 24 * 60 * 60 * 1000;

/// Old checkpoints are looked for after so many batches: that reads all of what is kept.
const PRUNE_EVERY: u64 = 50;

/// Whose files a batch changes, in whose name, and how.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) session: String,
    pub(crate) environment: Arc<Environment>,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) applier: Arc<dyn Applier>,
}

/// Writes a batch down. It is on the disk when this returns.
pub(crate) async fn begin(
    ground: &Ground,
    kind: BatchKind,
    label: &str,
    plans: &[FilePlan],
) -> Result<BatchId, SessionError> {
    let (ground, label, plans) = (ground.clone(), label.to_owned(), plans.to_vec());
    // Packs contents and waits for the disk.
    let begun = tokio::task::spawn_blocking(move || {
        let files: Vec<BatchFile<'_>> = plans
            .iter()
            .map(|plan| BatchFile {
                path: plan.path.to_string(),
                moved_from: plan.from.as_ref().map(ToString::to_string),
                before: plan.before.as_ref().map(Content::bytes),
                after: plan.after.as_ref().map(Content::bytes),
                mode: mode_on_disk(&ground.overlay, plan.from.as_ref().unwrap_or(&plan.path)),
                hunks: plan.hunks.clone(),
            })
            .collect();
        ground.environment.store().begin_batch(&NewBatch {
            session: &ground.session,
            kind,
            label: &label,
            files: &files,
        })
    });
    let stopped = |error: JoinError| SessionError::Stopped {
        reason: error.to_string(),
    };
    Ok(begun.await.map_err(stopped)??)
}

/// Applies plans of a batch; one result for each.
pub(crate) async fn apply(
    ground: &Ground,
    batch: BatchId,
    plans: &[FilePlan],
) -> Vec<Result<(), String>> {
    let applied = ground.applier.apply(&ground.overlay, plans);
    // A batch that is never closed would keep its hunks for ever.
    let applied = AssertUnwindSafe(applied).catch_unwind().await;
    let mut results = applied.unwrap_or_else(|_| {
        let reason = "an internal error; the log has the details".to_owned();
        vec![Err(reason); plans.len()]
    });
    results.resize_with(plans.len(), || {
        Err("the editor gave no answer for this file".to_owned())
    });
    let store = ground.environment.store();
    for (plan, result) in plans.iter().zip(&results) {
        let path = plan.path.as_str();
        // What the user typed meanwhile is no part of the batch: what it did is what was planned.
        let applied = result.as_ref().map(|()| None).map_err(String::as_str);
        if let Err(error) = store.file_applied(batch, path, applied) {
            tracing::error!(%batch, path, %error, "cannot journal what became of a file");
        }
    }
    results
}

/// Closes a batch: nothing of it is applied any more.
pub(crate) fn close(ground: &Ground, batch: BatchId) {
    if let Err(error) = ground.environment.store().finish_batch(batch) {
        tracing::error!(%batch, %error, "cannot close a batch");
    }
    if !batch.0.is_multiple_of(PRUNE_EVERY) {
        return;
    }
    let environment = Arc::clone(&ground.environment);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = environment.store().prune_batches(KEEP_BYTES, KEEP_MS) {
            tracing::warn!(%error, "cannot forget old checkpoints");
        }
    });
}

/// What a batch did to a file, as the workspace takes it back.
pub(crate) fn step(file: &BatchFile<'_>) -> Option<Step> {
    let content = |bytes: &Option<Cow<'_, [u8]>>| {
        bytes
            .as_ref()
            .map(|bytes| Content::from_bytes(bytes.to_vec()))
    };
    let path = |path: &str| WorkspacePath::parse(path).ok();
    Some(Step {
        path: path(&file.path)?,
        from: match &file.moved_from {
            Some(from) => Some(path(from)?),
            None => None,
        },
        before: content(&file.before),
        after: content(&file.after),
        mode: file.mode,
    })
}
