//! Moves and deletions of files that the editor shows, by the editor: its document follows.
//!
//! What the editor says is not believed: the files show what was done. Where they are as before,
//! whoever asks does it on disk.

use crate::applier::EditorApplier;
use crate::convert;
use boxagnts_session::workspace::{FilePlan, Overlay, is_carried_out, make_ready_on_disk};
use std::sync::Arc;
use std::time::Duration;
use tower_lsp::ls_types::{
    DeleteFile, DocumentChangeOperation, DocumentChanges, RenameFile, RenameFileOptions,
    ResourceOp, WorkspaceEdit,
};

/// How long the editor may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the files may take to show what the editor said, and how often they are looked at.
const SHOWN: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

impl EditorApplier {
    /// Lets the editor move or delete the file of a plan, which it shows; `false` when it cannot, or
    /// the plan does more, or the files do not show that it was done.
    pub(crate) async fn by_editor(&self, overlay: &Arc<Overlay>, plan: &FilePlan) -> bool {
        let Some(operation) = self.operation(plan) else {
            return false;
        };
        let ready = on_disk(overlay, plan, |overlay, plan| {
            let source = plan.from.as_ref().unwrap_or(&plan.path);
            overlay.live(source) == (plan.live, plan.before.clone())
                && make_ready_on_disk(overlay, plan).is_ok()
        });
        if !ready.await {
            return false;
        }
        let edit = WorkspaceEdit {
            document_changes: Some(DocumentChanges::Operations(vec![
                DocumentChangeOperation::Op(operation),
            ])),
            ..WorkspaceEdit::default()
        };
        let answer = tokio::time::timeout(PATIENCE, self.client.apply_edit(edit)).await;
        match answer {
            Ok(Ok(answer)) if answer.applied => {}
            Ok(Ok(answer)) => {
                tracing::info!(path = %plan.path, reason = ?answer.failure_reason, "the editor moves no file");
                return false;
            }
            Ok(Err(error)) => {
                tracing::info!(path = %plan.path, %error, "the editor moves no file");
                return false;
            }
            Err(_) => tracing::warn!(path = %plan.path, "the editor did not answer"),
        }
        let shown = async {
            while !on_disk(overlay, plan, is_carried_out).await {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(SHOWN, shown).await.is_ok()
    }

    /// What the editor is asked for; `None` when it cannot, or that is not all that the plan does.
    fn operation(&self, plan: &FilePlan) -> Option<ResourceOp> {
        let uri = |path: &str| convert::uri(&self.names.open_uri(&self.documents, path));
        match (&plan.from, &plan.after) {
            (Some(from), after) if *after == plan.before && self.can.moves_files => {
                Some(ResourceOp::Rename(RenameFile {
                    old_uri: uri(from.as_str())?,
                    new_uri: uri(plan.path.as_str())?,
                    options: Some(RenameFileOptions {
                        overwrite: Some(false),
                        ignore_if_exists: Some(false),
                    }),
                    annotation_id: None,
                }))
            }
            (None, None) if self.can.deletes_files => Some(ResourceOp::Delete(DeleteFile {
                uri: uri(plan.path.as_str())?,
                options: None,
                annotation_id: None,
            })),
            _ => None,
        }
    }
}

/// Asks the workspace, where that holds up nobody.
async fn on_disk(
    overlay: &Arc<Overlay>,
    plan: &FilePlan,
    ask: fn(&Overlay, &FilePlan) -> bool,
) -> bool {
    let (overlay, plan) = (Arc::clone(overlay), plan.clone());
    let answer = tokio::task::spawn_blocking(move || ask(&overlay, &plan));
    answer.await.unwrap_or(false)
}
