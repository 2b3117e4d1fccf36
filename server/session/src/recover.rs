//! After the process was killed while accepted hunks were being applied: the batch is brought to an
//! end, whole or not there.

use crate::batch;
use crate::error::SessionError;
use crate::sessions::Sessions;
use boxagnts_protocol::commands::RefusedFile;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::{BatchId, BatchSummary};
use boxagnts_workspace::{Overlay, Step, remove_leftovers};
use std::sync::Arc;

impl Sessions {
    /// Brings every batch to an end that a killed process left. Where all files of it are changed it
    /// stays, else those that are changed are brought back. Tells each as an update, and gives them.
    ///
    /// Call it when the editor's documents are known: what they hold is part of the answer.
    ///
    /// # Errors
    /// The journal cannot be used.
    pub async fn recover(self: &Arc<Self>) -> Result<Vec<SessionEvent>, SessionError> {
        let store = self.environment().store();
        let abandoned = store.abandoned_batches(&self.workspace())?;
        let mut events = Vec::new();
        for batch in abandoned {
            let event = self.bring_to_end(&batch).await?;
            let _ = self.publish(&batch.session, event.clone());
            events.push(event);
        }
        Ok(events)
    }

    async fn bring_to_end(
        self: &Arc<Self>,
        batch: &BatchSummary,
    ) -> Result<SessionEvent, SessionError> {
        let store = self.environment().store();
        let paths = || batch.files.iter().map(|file| file.path.clone()).collect();
        let refused = |reason: &str| SessionEvent::Recovered {
            checkpoint: batch.id.0,
            applied: false,
            files: paths(),
            refused: vec![RefusedFile {
                path: String::new(),
                reason: reason.to_owned(),
            }],
        };
        let files = match store.batch(batch.id) {
            Ok(batch) => batch.files,
            Err(error) => {
                // Without what the files were, nothing can be brought back; the hunks are free.
                store.finish_batch(batch.id)?;
                return Ok(refused(&error.to_string()));
            }
        };
        let steps: Vec<Step> = files.iter().filter_map(batch::step).collect();
        let overlay = self.overlay()?;
        remove_leftovers(&overlay, steps.iter().map(|step| &step.path));
        let found: Vec<(Step, bool)> = steps
            .into_iter()
            .map(|step| {
                let arrived = overlay.arrived(&step);
                (step, arrived)
            })
            .collect();
        let applied = found.iter().all(|(_, arrived)| *arrived);
        let mut refused = Vec::new();
        if applied {
            for (step, _) in &found {
                store.file_applied(batch.id, step.path.as_str(), Ok(None))?;
            }
        } else {
            refused = self.roll_back(batch.id, &overlay, found).await?;
        }
        store.finish_batch(batch.id)?;
        Ok(SessionEvent::Recovered {
            checkpoint: batch.id.0,
            applied,
            files: paths(),
            refused,
        })
    }

    /// Brings back the files of a batch that are changed; gives those that stay as they are.
    async fn roll_back(
        self: &Arc<Self>,
        batch: BatchId,
        overlay: &Arc<Overlay>,
        found: Vec<(Step, bool)>,
    ) -> Result<Vec<RefusedFile>, SessionError> {
        let store = self.environment().store();
        let changed = found.into_iter().filter(|(_, arrived)| *arrived);
        let steps: Vec<Step> = changed.map(|(step, _)| step).collect();
        let way = overlay.way_back(&steps);
        let results = self.applier().apply(overlay, &way.plans).await;
        let mut refused: Vec<RefusedFile> = way
            .refused
            .into_iter()
            .map(|(path, reason)| RefusedFile {
                path: path.to_string(),
                reason,
            })
            .collect();
        for (plan, result) in way.plans.iter().zip(results) {
            if let Err(reason) = result {
                let path = plan.path.to_string();
                refused.push(RefusedFile { path, reason });
            }
        }
        // What could not be brought back is there: it counts as applied, and can be undone later.
        for file in &refused {
            if let Err(error) = store.file_applied(batch, &file.path, Ok(None)) {
                tracing::warn!(%batch, path = file.path, %error, "cannot journal a file");
            }
        }
        Ok(refused)
    }
}
