//! Bringing accepted hunks into the user's text: open documents through the editor, with their
//! version and proof that the text arrived; files that no document holds on disk.

use crate::capabilities::ClientCan;
use crate::convert;
use crate::documents::Documents;
use crate::folder::FolderNames;
use async_trait::async_trait;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_session::workspace::{Content, FilePlan, Live, Overlay};
use boxagnts_session::{Applier, DiskApplier};
use futures::future::join_all;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tower_lsp::Client;
use tower_lsp::ls_types::{
    AnnotatedTextEdit, DocumentChanges, OneOf, OptionalVersionedTextDocumentIdentifier,
    TextDocumentEdit, TextEdit, WorkspaceEdit,
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

/// How long an editor may take to tell of a text for which it refused an edit.
const NEWS: Duration = Duration::from_secs(1);

/// Applies through the editor where it holds the text.
pub(crate) struct EditorApplier {
    pub(crate) client: Client,
    pub(crate) documents: Arc<Documents>,
    pub(crate) names: Arc<FolderNames>,
    pub(crate) can: ClientCan,
}

#[async_trait]
impl Applier for EditorApplier {
    /// What documents hold goes to the editor as one edit, so that it is one step for whoever takes
    /// it back there. Only when all of that has arrived, files are written.
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        let (texts, files): (Vec<usize>, Vec<usize>) =
            (0..plans.len()).partition(|&at| is_edit(&plans[at]));
        let mut results: Vec<Result<(), String>> = vec![Ok(()); plans.len()];
        let edited: Vec<&FilePlan> = texts.iter().map(|&at| &plans[at]).collect();
        for (&at, result) in texts.iter().zip(self.edit(&edited).await) {
            results[at] = match result {
                Ok(()) => Ok(()),
                Err(failure) => self.again(overlay, &plans[at], failure).await,
            };
        }
        let failed = texts.iter().find(|&&at| results[at].is_err());
        let failed = failed.map(|&at| plans[at].path.clone());
        for at in files {
            results[at] = match &failed {
                None => self.write(overlay, &plans[at]).await,
                Some(path) => Err(format!(
                    "`{path}` could not be changed, and this belongs to the same batch"
                )),
            };
        }
        results
    }
}

/// Whether a plan changes text that a document holds.
fn is_edit(plan: &FilePlan) -> bool {
    let stays = plan.from.is_none() && matches!(plan.after, Some(Content::Text { .. }));
    stays && matches!(plan.live, Live::Buffer { .. })
}

/// Whether a plan puts a file where none is.
fn is_new_place(plan: &FilePlan) -> bool {
    plan.from.is_some() || plan.before.is_none()
}

/// An edit that is on its way: its document, the text that it was made for, and the news that the
/// text which has it was seen.
struct Sent {
    edit: TextDocumentEdit,
    seen: watch::Receiver<bool>,
}

/// Why an edit is not in the text.
#[derive(Clone)]
struct Failure {
    reason: String,
    /// The editor has changed nothing.
    untouched: bool,
}

impl Failure {
    fn untouched(reason: impl Into<String>) -> Failure {
        Failure {
            reason: reason.into(),
            untouched: true,
        }
    }

    fn unsure(reason: impl Into<String>) -> Failure {
        Failure {
            reason: reason.into(),
            untouched: false,
        }
    }
}

impl EditorApplier {
    /// Tries an edit again that failed, on the text as it is by then.
    async fn again(
        &self,
        overlay: &Arc<Overlay>,
        plan: &FilePlan,
        mut failure: Failure,
    ) -> Result<(), String> {
        let mut plan = plan.clone();
        let begun = Instant::now();
        for attempt in 1.. {
            // A way back is planned anew by who wanted it.
            let last = plan.hunks.is_empty() || begun.elapsed() > PATIENCE;
            if last || attempt >= AT_ONCE {
                let key = self.names.open_uri(&self.documents, plan.path.as_str());
                let _ = tokio::time::timeout(TYPING, self.documents.pause(&key, PAUSE)).await;
            }
            if last {
                break;
            }
            // The text tells, whatever the editor said.
            let (again, gone) = overlay.plan_waiting(&plan.hunks);
            if let Some(gone) = gone.into_iter().next() {
                return Err(gone.reason.unwrap_or(failure.reason));
            }
            let rejected = |id: &String| overlay.decision(id) == Some(HunkState::Rejected);
            if plan.hunks.iter().any(rejected) {
                return Err("it was rejected meanwhile".to_owned());
            }
            let same = again.into_iter().find(|other| other.path == plan.path);
            let Some(again) = same else { return Ok(()) };
            if let Some(refused) = again.refused.first() {
                return Err(refused.reason.clone().unwrap_or(failure.reason));
            }
            if again.edits.is_empty() {
                return Ok(());
            }
            // Only a text that moved on is worth another try; one that the edit may have changed is
            // so a few times.
            let tired = !failure.untouched && attempt >= AT_ONCE;
            if tired || again.live == plan.live && !self.moves_on(&again, &failure).await {
                break;
            }
            if again.live == plan.live {
                continue;
            }
            plan = again;
            if !is_edit(&plan) {
                return self.write(overlay, &plan).await;
            }
            match self.edit(&[&plan]).await.pop() {
                Some(Err(next)) => failure = next,
                _ => return Ok(()),
            }
        }
        Err(failure.reason)
    }

    /// Whether news of another text come behind the refusal: VS Code refuses what is too late for the
    /// text that it shows before it tells of that text.
    async fn moves_on(&self, plan: &FilePlan, failure: &Failure) -> bool {
        let Live::Buffer { version } = plan.live else {
            return false;
        };
        let key = self.names.open_uri(&self.documents, plan.path.as_str());
        let news = self.documents.leaves(&key, version);
        failure.untouched && tokio::time::timeout(NEWS, news).await.is_ok()
    }

    async fn write(&self, overlay: &Arc<Overlay>, plan: &FilePlan) -> Result<(), String> {
        self.check_new_place(plan)?;
        match plan.live {
            Live::Buffer { .. } => self.apply_whole(overlay, plan).await,
            _ => on_disk(overlay, plan).await,
        }
    }

    /// Refuses to put a file where a document has other text that is not saved.
    fn check_new_place(&self, plan: &FilePlan) -> Result<(), String> {
        let Some(after) = plan.after.as_ref().filter(|_| is_new_place(plan)) else {
            return Ok(());
        };
        let path = &plan.path;
        let key = self.names.open_uri(&self.documents, path.as_str());
        match self.documents.get(&key) {
            Some(document) if document.unsaved && !after.is_shown_as(&document.text) => Err(
                format!("`{path}` is open with other text; save or close it first"),
            ),
            _ => Ok(()),
        }
    }

    /// Moves, deletions and binary content of a file that a document holds: by the editor where it can,
    /// else on disk, unless that would lose unsaved text.
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
        if self.by_editor(overlay, plan).await {
            return Ok(());
        }
        on_disk(overlay, plan).await
    }

    /// Sends the edits of all documents at once and waits until the text of each proves them.
    async fn edit(&self, plans: &[&FilePlan]) -> Vec<Result<(), Failure>> {
        let prepared: Vec<Result<Sent, Failure>> =
            plans.iter().map(|plan| self.prepare(plan)).collect();
        let edits: Vec<TextDocumentEdit> = prepared
            .iter()
            .flatten()
            .map(|sent| sent.edit.clone())
            .collect();
        if edits.is_empty() {
            return prepared.into_iter().map(|sent| sent.map(drop)).collect();
        }
        let arrival = join_all(prepared.iter().flatten().map(|sent| {
            let mut seen = sent.seen.clone();
            async move { arrived(&mut seen).await }
        }));
        let edit = self.workspace_edit(edits);
        let failure = tokio::select! {
            answer = self.client.apply_edit(edit) => match answer {
                Err(error) => {
                    let reason = format!("the editor refused the edit: {}", error.message);
                    Some(Failure::unsure(reason))
                }
                Ok(answer) if !answer.applied => {
                    let reason = answer.failure_reason;
                    let reason = reason.unwrap_or_else(|| "it gave no reason".to_owned());
                    let reason = format!("the editor did not apply the edit: {reason}");
                    Some(Failure::untouched(reason))
                }
                Ok(_) => None,
            },
            // Some editors tell of the change first, and some never answer.
            _ = arrival => None,
            () = tokio::time::sleep(PATIENCE) => {
                Some(Failure::unsure("the editor did not answer"))
            }
        };
        let failure = &failure;
        let prove = |sent: Result<Sent, Failure>| async move {
            let mut seen = sent?.seen;
            if *seen.borrow() {
                return Ok(());
            }
            if let Some(failure) = failure {
                return Err(failure.clone());
            }
            tokio::select! {
                () = arrived(&mut seen) => Ok(()),
                () = tokio::time::sleep(ECHO) => Err(Failure::unsure(
                    "the editor says that it applied the edit, and its text does not show it",
                )),
            }
        };
        join_all(prepared.into_iter().map(prove)).await
    }

    fn prepare(&self, plan: &FilePlan) -> Result<Sent, Failure> {
        let key = self.names.open_uri(&self.documents, plan.path.as_str());
        let closed = || Failure::untouched("the document was closed");
        let Live::Buffer { version } = plan.live else {
            return Err(closed());
        };
        let before = self
            .documents
            .get(&key)
            .filter(|now| now.version == version);
        let before = before.ok_or_else(|| Failure::untouched("the document changed meanwhile"))?;
        let uri = convert::uri(&key).ok_or_else(|| Failure::unsure(format!("{key} is no URI")))?;
        let after = plan.after.as_ref().and_then(Content::text);
        let after = after.ok_or_else(|| Failure::unsure("a deletion is no edit"))?;
        let seen = self.documents.expect(&key, Arc::from(after));
        let seen = seen.ok_or_else(closed)?;
        let encoding = self.documents.encoding();
        let edits = plan.edits.iter().map(|edit| TextEdit {
            range: encoding.encode_range(&before.rope, convert::range(edit.range)),
            new_text: edit.new_text.clone(),
        });
        Ok(Sent {
            edit: TextDocumentEdit {
                text_document: OptionalVersionedTextDocumentIdentifier {
                    uri,
                    version: Some(version),
                },
                edits: edits.map(OneOf::Left).collect(),
            },
            seen,
        })
    }

    fn workspace_edit(&self, edits: Vec<TextDocumentEdit>) -> WorkspaceEdit {
        if self.can.document_changes {
            return WorkspaceEdit {
                document_changes: Some(DocumentChanges::Edits(edits)),
                ..WorkspaceEdit::default()
            };
        }
        // Without versions: the echo alone shows whether the edit met the text it was made for.
        let plain = |edit: OneOf<TextEdit, AnnotatedTextEdit>| match edit {
            OneOf::Left(edit) => edit,
            OneOf::Right(edit) => edit.text_edit,
        };
        let changes = edits.into_iter().map(|edit| {
            let edits = edit.edits.into_iter().map(plain).collect();
            (edit.text_document.uri, edits)
        });
        WorkspaceEdit {
            changes: Some(changes.collect()),
            ..WorkspaceEdit::default()
        }
    }
}

async fn on_disk(overlay: &Arc<Overlay>, plan: &FilePlan) -> Result<(), String> {
    let mut results = DiskApplier.apply(overlay, std::slice::from_ref(plan)).await;
    let nothing = || Err("nothing was written".to_owned());
    results.pop().unwrap_or_else(nothing)
}

/// Ends when the expected text was seen; never when the document is closed first.
async fn arrived(seen: &mut watch::Receiver<bool>) {
    if seen.wait_for(|seen| *seen).await.is_err() {
        std::future::pending::<()>().await;
    }
}
