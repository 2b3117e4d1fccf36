//! Moves and deletions of files that the editor shows, by the editor: its document follows.
//!
//! What the editor says is not believed: the files show what was done. Where they are as before,
//! whoever asks does it on disk.

use crate::applier::EditorApplier;
use crate::convert;
use boxagnts_session::workspace::{FilePlan, Live, Overlay};
use std::path::Path;
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
        let (overlay, wanted) = (Arc::clone(overlay), plan.clone());
        let root = overlay.root().to_path_buf();
        let fits = tokio::task::spawn_blocking(move || {
            let source = wanted.from.as_ref().unwrap_or(&wanted.path);
            let (live, content) = overlay.live(source);
            let target = wanted.from.as_ref().map(|_| overlay.live(&wanted.path).0);
            live == wanted.live
                && content == wanted.before
                && target.is_none_or(|target| target == Live::Absent)
        });
        if !fits.await.unwrap_or(false) {
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
        let plan = plan.clone();
        let shown = async move {
            while !done(&root, &plan).await {
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

/// Whether the files show that the plan was carried out.
async fn done(root: &Path, plan: &FilePlan) -> bool {
    let at = |path: &str| root.join(path);
    let is_there = |path: &str| {
        let path = at(path);
        async move { tokio::fs::symlink_metadata(path).await.is_ok() }
    };
    match &plan.from {
        None => !is_there(plan.path.as_str()).await,
        Some(from) => {
            let moved = tokio::fs::read(at(plan.path.as_str())).await;
            let before = plan.before.as_ref().map(|content| content.bytes());
            !is_there(from.as_str()).await
                && moved.is_ok_and(|bytes| before.is_some_and(|before| *before == *bytes))
        }
    }
}
