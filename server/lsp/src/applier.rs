//! Bringing accepted hunks into the user's text: open documents through the editor, with their
//! version and proof that the text arrived; files that no document holds on disk.

use crate::convert;
use crate::documents::Documents;
use crate::folder::FolderNames;
use async_trait::async_trait;
use boxagnts_session::workspace::{Content, DecideError, FilePlan, Live, Overlay, Selection};
use boxagnts_session::{Applier, DiskApplier};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tower_lsp::Client;
use tower_lsp::ls_types::{
    DocumentChanges, OneOf, OptionalVersionedTextDocumentIdentifier, TextDocumentEdit, TextEdit,
    WorkspaceEdit,
};

/// How long the editor may take to answer and to tell of the change. A person may stand behind it
/// and be asked.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the change may take after the editor said that it applied it.
const ECHO: Duration = Duration::from_secs(5);
/// Typing makes a plan stale: another is made at once, so often; then when the user pauses.
const AT_ONCE: u32 = 3;
/// Longer than between two letters.
const PAUSE: Duration = Duration::from_millis(150);
/// Longest wait for a pause before the next plan is tried all the same.
const TYPING: Duration = Duration::from_secs(2);

/// Applies through the editor where it holds the text.
pub(crate) struct EditorApplier {
    pub(crate) client: Client,
    pub(crate) documents: Arc<Documents>,
    pub(crate) names: Arc<FolderNames>,
    /// Whether the client takes `documentChanges`.
    pub(crate) document_changes: bool,
}

#[async_trait]
impl Applier for EditorApplier {
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        let mut results = Vec::with_capacity(plans.len());
        for plan in plans {
            results.push(self.apply_one(overlay, plan).await);
        }
        results
    }
}

/// Why an edit is not in the text.
struct Failure {
    reason: String,
    /// The editor has changed nothing.
    untouched: bool,
}

impl Failure {
    fn untouched(reason: impl Into<String>) -> Failure {
        let reason = reason.into();
        Failure {
            reason,
            untouched: true,
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Failure {
        Failure {
            reason,
            untouched: false,
        }
    }
}

impl EditorApplier {
    async fn apply_one(&self, overlay: &Arc<Overlay>, plan: &FilePlan) -> Result<(), String> {
        let mut plan = plan.clone();
        let begun = Instant::now();
        for attempt in 1.. {
            let Live::Buffer { version } = plan.live else {
                let mut results = DiskApplier
                    .apply(overlay, std::slice::from_ref(&plan))
                    .await;
                return results
                    .pop()
                    .unwrap_or_else(|| Err("nothing was written".to_owned()));
            };
            let moves = plan.from.is_some() || plan.after.is_none();
            if moves || !matches!(plan.after, Some(Content::Text { .. })) {
                return self.apply_whole(overlay, &plan).await;
            }
            let failure = match self.edit(&plan, version).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if attempt >= AT_ONCE {
                let key = self.names.open_uri(&self.documents, plan.path.as_str());
                let _ = tokio::time::timeout(TYPING, self.documents.pause(&key, PAUSE)).await;
            }
            // The text tells, whatever the editor said.
            match overlay.plan(&Selection::Hunks(plan.hunks.clone())) {
                Err(DecideError::UnknownHunk { .. }) => return Ok(()),
                Err(error) => return Err(error.to_string()),
                Ok(again) => {
                    let same = again.into_iter().find(|other| other.path == plan.path);
                    let Some(again) = same else { return Ok(()) };
                    if let Some(refused) = again.refused.first() {
                        return Err(refused.reason.clone().unwrap_or(failure.reason));
                    }
                    if again.edits.is_empty() {
                        return Ok(());
                    }
                    // Only a text that moved on is worth another try; one that the edit may have
                    // changed is so a few times.
                    let tired = !failure.untouched && attempt >= AT_ONCE;
                    if again.live == plan.live || tired {
                        return Err(failure.reason);
                    }
                    if begun.elapsed() > PATIENCE {
                        break;
                    }
                    plan = again;
                }
            }
        }
        Err("the document changes faster than hunks can be applied; try again".to_owned())
    }

    /// Moves, deletions and binary content of a file that a document holds: on disk, unless that
    /// would lose unsaved text.
    async fn apply_whole(&self, overlay: &Arc<Overlay>, plan: &FilePlan) -> Result<(), String> {
        let source = plan.from.as_ref().unwrap_or(&plan.path);
        let document = self
            .documents
            .get(&self.names.open_uri(&self.documents, source.as_str()));
        if document.is_some_and(|document| document.unsaved) {
            return Err(format!(
                "`{source}` has unsaved changes; save it and accept again"
            ));
        }
        let mut results = DiskApplier.apply(overlay, std::slice::from_ref(plan)).await;
        results
            .pop()
            .unwrap_or_else(|| Err("nothing was written".to_owned()))
    }

    /// Sends one document's edits and waits until its text proves them.
    async fn edit(&self, plan: &FilePlan, version: i32) -> Result<(), Failure> {
        let key = self.names.open_uri(&self.documents, plan.path.as_str());
        let Some(before) = self
            .documents
            .get(&key)
            .filter(|now| now.version == version)
        else {
            return Err(Failure::untouched("the document changed meanwhile"));
        };
        let uri = convert::uri(&key).ok_or_else(|| Failure::from(format!("{key} is no URI")))?;
        let expected: Arc<str> = match &plan.after {
            Some(content) => Arc::from(content.text().unwrap_or_default()),
            None => return Err("a deletion is no edit".to_owned().into()),
        };
        let seen = self.documents.expect(&key, expected);
        let Some(mut seen) = seen else {
            return Err("the document was closed".to_owned().into());
        };
        let encoding = self.documents.encoding();
        let edits = || {
            plan.edits.iter().map(|edit| TextEdit {
                range: encoding.encode_range(&before.rope, convert::range(edit.range)),
                new_text: edit.new_text.clone(),
            })
        };
        let edit = if self.document_changes {
            WorkspaceEdit {
                document_changes: Some(DocumentChanges::Edits(vec![TextDocumentEdit {
                    text_document: OptionalVersionedTextDocumentIdentifier {
                        uri,
                        version: Some(version),
                    },
                    edits: edits().map(OneOf::Left).collect(),
                }])),
                ..WorkspaceEdit::default()
            }
        } else {
            // Without versions: the echo alone shows whether the edit met the text it was made for.
            WorkspaceEdit {
                changes: Some([(uri, edits().collect())].into_iter().collect()),
                ..WorkspaceEdit::default()
            }
        };
        let answered = tokio::select! {
            answer = self.client.apply_edit(edit) => answer,
            // Some editors tell of the change first, and some never answer.
            () = arrived(&mut seen) => return Ok(()),
            () = tokio::time::sleep(PATIENCE) => return Err("the editor did not answer".to_owned().into()),
        };
        match answered {
            Err(error) => Err(format!("the editor refused the edit: {}", error.message).into()),
            Ok(answer) if !answer.applied => {
                let reason = answer
                    .failure_reason
                    .unwrap_or_else(|| "it gave no reason".to_owned());
                Err(Failure::untouched(format!(
                    "the editor did not apply the edit: {reason}"
                )))
            }
            Ok(_) => tokio::select! {
                () = arrived(&mut seen) => Ok(()),
                () = tokio::time::sleep(ECHO) => Err(
                    "the editor says that it applied the edit, and its text does not show it"
                        .to_owned()
                        .into(),
                ),
            },
        }
    }
}

/// Ends when the expected text was seen; never when the document is closed first.
async fn arrived(seen: &mut watch::Receiver<bool>) {
    if seen.wait_for(|seen| *seen).await.is_err() {
        std::future::pending::<()>().await;
    }
}
