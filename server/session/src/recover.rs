//! After the process was killed while accepted hunks were being applied: the batch is brought to an
//! end, whole or not there.

use crate::batch;
use crate::error::SessionError;
use crate::sessions::Sessions;
use crate::undo;
use boxagnts_protocol::commands::RefusedFile;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::{BatchFile, BatchId, BatchKind, BatchSummary, StoreError};
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
            let event = self.bring_to_end(&batch).await.unwrap_or_else(|error| {
                // It is still ours: the next process tries again.
                tracing::error!(batch = %batch.id, %error, "an interrupted batch stays open");
                stays(&batch, &error.to_string())
            });
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
        let files = match store.batch(batch.id) {
            Ok(batch) => batch.files,
            Err(error @ StoreError::Damaged { .. }) => {
                // Without what the files were, nothing can be brought back; the hunks are free.
                store.finish_batch(batch.id)?;
                return Ok(stays(batch, &error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let turnstile = self.applying().lock().await;
        let steps: Vec<(&BatchFile<'_>, Step)> = files
            .iter()
            .filter_map(|file| Some((file, batch::step(file)?)))
            .collect();
        let overlay = self.overlay()?;
        remove_leftovers(&overlay, steps.iter().map(|(_, step)| &step.path));
        let arrived = |(_, step): &(_, Step)| overlay.arrived(step);
        let applied = steps.iter().all(arrived);
        let mut refused = Vec::new();
        let mut back = Vec::new();
        if applied {
            for (_, step) in &steps {
                store.file_applied(batch.id, step.path.as_str(), Ok(None))?;
            }
        } else {
            let begun = |step: &Step| overlay.arrived(step) || overlay.half_arrived(step);
            let begun = steps.into_iter().filter(|(_, step)| begun(step));
            let (files, steps): (Vec<_>, Vec<_>) = begun.unzip();
            refused = self.roll_back(batch.id, &overlay, &steps).await;
            back = files;
        }
        store.finish_batch(batch.id)?;
        drop(turnstile);
        back.retain(|file| refused.iter().all(|stays| stays.path != file.path));
        // A session that was looked at before now has seen these hunks in the files.
        if batch.kind == BatchKind::Accept
            && !back.is_empty()
            && let Ok(session) = self.get(&batch.session)
        {
            undo::propose_again(&session, back);
        }
        Ok(SessionEvent::Recovered {
            checkpoint: batch.id.0,
            applied,
            files: paths(batch),
            refused,
        })
    }

    /// Brings back the files of a batch that are changed; gives those that stay as they are.
    async fn roll_back(
        &self,
        batch: BatchId,
        overlay: &Arc<Overlay>,
        steps: &[Step],
    ) -> Vec<RefusedFile> {
        let store = self.environment().store();
        let way = overlay.way_back(steps);
        let results = self.applier().apply(overlay, &way.plans).await;
        let mut refused = way.refused;
        for (plan, result) in way.plans.into_iter().zip(results) {
            if let Err(reason) = result {
                // The batch knows a file that moves back by the name that it has now.
                refused.push((plan.from.unwrap_or(plan.path), reason));
            }
        }
        // What could not be brought back is there: it counts as applied, and can be undone later.
        for (path, _) in &refused {
            if let Err(error) = store.file_applied(batch, path.as_str(), Ok(None)) {
                tracing::warn!(%batch, %path, %error, "cannot journal a file");
            }
        }
        let refused = refused.into_iter().map(|(path, reason)| RefusedFile {
            path: path.to_string(),
            reason,
        });
        refused.collect()
    }
}

fn paths(batch: &BatchSummary) -> Vec<String> {
    batch.files.iter().map(|file| file.path.clone()).collect()
}

/// A batch of which every file stays as it is.
fn stays(batch: &BatchSummary, reason: &str) -> SessionEvent {
    let refused = batch.files.iter().map(|file| RefusedFile {
        path: file.path.clone(),
        reason: reason.to_owned(),
    });
    SessionEvent::Recovered {
        checkpoint: batch.id.0,
        applied: false,
        files: paths(batch),
        refused: refused.collect(),
    }
}

/// What became of a batch that a killed process left, in words.
pub fn recovered(applied: bool, files: &[String], refused: &[RefusedFile]) -> String {
    let stays = |file: &String| refused.iter().any(|other| other.path == *file);
    let back: Vec<&str> = files
        .iter()
        .filter(|file| !stays(file))
        .map(String::as_str)
        .collect();
    let mut text = "accepted changes were interrupted".to_owned();
    if !back.is_empty() {
        text.push_str(match applied {
            true => ", and are whole: ",
            false => " and taken back; they wait again: ",
        });
        text.push_str(&back.join(", "));
    }
    for RefusedFile { path, reason } in refused {
        text.push_str(&format!("; `{path}` stays as it is: {reason}"));
    }
    text
}
