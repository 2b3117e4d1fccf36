//! Bringing accepted hunks into the user's text: by the client where it writes files, so that what is
//! open in it changes, else on disk. Either way the text that is read back decides.

use crate::files::ClientFiles;
use crate::peer::Unanswered;
use async_trait::async_trait;
use boxagnts_protocol::proposal::HunkState;
use boxagnts_session::workspace::{Buffers, Content, FilePlan, Live, Overlay};
use boxagnts_session::{Applier, DiskApplier};
use std::sync::Arc;

/// Typing makes a plan stale: another is made, so often.
const ATTEMPTS: usize = 3;

/// Writes through the client.
pub(crate) struct ClientApplier {
    pub(crate) files: Arc<ClientFiles>,
}

#[async_trait]
impl Applier for ClientApplier {
    /// Texts first, one after the other; only when all of them have arrived, files are moved and
    /// deleted.
    async fn apply(&self, overlay: &Arc<Overlay>, plans: &[FilePlan]) -> Vec<Result<(), String>> {
        let mut results: Vec<Result<(), String>> = vec![Ok(()); plans.len()];
        let is_text = |plan: &FilePlan| self.goes_by_client(plan);
        let mut failed = None;
        for (plan, result) in plans
            .iter()
            .zip(&mut results)
            .filter(|(plan, _)| is_text(plan))
        {
            *result = self.text(overlay, plan).await;
            if result.is_err() {
                failed = Some(plan.path.clone());
            }
        }
        for (plan, result) in plans
            .iter()
            .zip(&mut results)
            .filter(|(plan, _)| !is_text(plan))
        {
            *result = match &failed {
                None => self.file(overlay, plan).await,
                Some(path) => Err(format!(
                    "`{path}` could not be changed, and this belongs to the same batch"
                )),
            };
        }
        results
    }
}

/// Why a text did not arrive.
enum Failure {
    /// It is another one by now.
    Stale,
    /// The client knows no such file.
    NotTheClients,
    Other(String),
}

impl ClientApplier {
    /// Whether the client can write what is planned: text that stays where it is, under a name by which
    /// the client means the same file. A client that shows a file which is gone has nothing to write.
    fn goes_by_client(&self, plan: &FilePlan) -> bool {
        let is_plain = match &plan.after {
            Some(Content::Text { bom, .. }) => !bom || matches!(plan.live, Live::Buffer { .. }),
            _ => false,
        };
        let stays = plan.from.is_none() && plan.mode.is_none();
        let shows_gone = plan.before.is_none() && self.files.get(&plan.path).is_some();
        let is_shared = || self.files.is_shared(&plan.path);
        self.files.peer().writes && is_plain && stays && !shows_gone && is_shared()
    }

    /// Moves, deletions, binary content, and everything where the client does not write.
    async fn file(&self, overlay: &Arc<Overlay>, plan: &FilePlan) -> Result<(), String> {
        if matches!(plan.live, Live::Buffer { .. }) {
            let source = plan.from.as_ref().unwrap_or(&plan.path);
            return Err(format!(
                "`{source}` has unsaved changes; save it and accept again"
            ));
        }
        let shown = self.files.get(&plan.path);
        let is_new_place = plan.from.is_some() || plan.before.is_none();
        if let (Some(shown), Some(after), true) = (&shown, &plan.after, is_new_place)
            && !after.is_shown_as(&shown.text)
        {
            let path = &plan.path;
            return Err(format!(
                "`{path}` is open with other text; save or close it first"
            ));
        }
        let mut results = DiskApplier.apply(overlay, std::slice::from_ref(plan)).await;
        if shown.is_some() {
            // What it shows is saved by now.
            let _ = self.files.ask(&plan.path).await;
        }
        let nothing = || Err("nothing was written".to_owned());
        results.pop().unwrap_or_else(nothing)
    }

    async fn text(&self, overlay: &Arc<Overlay>, plan: &FilePlan) -> Result<(), String> {
        let mut plan = plan.clone();
        for _ in 0..ATTEMPTS {
            match self.write(&plan).await {
                Ok(()) => return Ok(()),
                Err(Failure::Other(reason)) => return Err(reason),
                Err(Failure::NotTheClients) => return self.file(overlay, &plan).await,
                Err(Failure::Stale) => {}
            }
            // A way back is planned anew by who wanted it.
            if plan.hunks.is_empty() {
                break;
            }
            let (again, gone) = overlay.plan_waiting(&plan.hunks);
            if let Some(gone) = gone.into_iter().next() {
                return Err(gone.reason.unwrap_or_else(changed));
            }
            let rejected = |id: &String| overlay.decision(id) == Some(HunkState::Rejected);
            if plan.hunks.iter().any(rejected) {
                return Err("it was rejected meanwhile".to_owned());
            }
            // No plan: the text has the hunks already.
            let Some(again) = again.into_iter().find(|other| other.path == plan.path) else {
                return Ok(());
            };
            if let Some(refused) = again.refused.first() {
                return Err(refused.reason.clone().unwrap_or_else(changed));
            }
            if !self.goes_by_client(&again) {
                return self.file(overlay, &again).await;
            }
            plan = again;
        }
        Err(changed())
    }

    /// Has the client write, right behind a look at what it has, and proves it by another.
    async fn write(&self, plan: &FilePlan) -> Result<(), Failure> {
        let before = plan.before.as_ref().and_then(Content::text);
        let after = plan
            .after
            .as_ref()
            .and_then(Content::text)
            .unwrap_or_default();
        let hides_returns = self.check(plan, before).await?;
        let content = match hides_returns {
            true => after.replace("\r\n", "\n"),
            false => after.to_owned(),
        };
        let (session, path) = (self.files.session(), self.files.absolute(&plan.path));
        let written = self.files.peer().write(&session, &path, content).await;
        // Whatever it says: the text tells.
        let now = self.now(plan).await;
        if now.as_deref() == Some(after) {
            // A text that only the client has is no file.
            if before.is_none() && self.read(plan).await.is_none() {
                return Err(Failure::NotTheClients);
            }
            return Ok(());
        }
        Err(Failure::Other(match written {
            Ok(()) => {
                "the client says that it wrote the file, and its text does not show it".into()
            }
            Err(Unanswered::Refused(reason)) => format!("the client did not write it: {reason}"),
            Err(Unanswered::Silent) => "the client did not answer".into(),
        }))
    }

    /// Fails when the text is no longer the one that the plan is for. Tells whether the client hides
    /// carriage returns.
    async fn check(&self, plan: &FilePlan, before: Option<&str>) -> Result<bool, Failure> {
        let mut hides_returns = false;
        if self.files.peer().reads {
            match self.files.ask(&plan.path).await {
                Ok(heard) => hides_returns = heard.hides_returns,
                Err(Unanswered::Silent) => {
                    return Err(Failure::Other("the client did not answer".into()));
                }
                Err(Unanswered::Refused(_)) if before.is_some() => {
                    return Err(Failure::NotTheClients);
                }
                // Many clients know no file before it is there.
                Err(Unanswered::Refused(_)) => {}
            }
        }
        let live = self.live(plan).await;
        if live.as_deref() == before {
            return Ok(hides_returns);
        }
        let shown = live.filter(|_| before.is_none());
        let shows = |after: &Content| shown.is_some_and(|shown| after.is_shown_as(&shown));
        // The client shows the text still, or already, and no file is there.
        match plan.after.as_ref().is_some_and(shows) && self.read(plan).await.is_none() {
            true => Err(Failure::NotTheClients),
            false => Err(Failure::Stale),
        }
    }

    /// The text after the client was asked again.
    async fn now(&self, plan: &FilePlan) -> Option<String> {
        if self.files.peer().reads
            && let Err(error) = self.files.ask(&plan.path).await
        {
            tracing::debug!(path = %plan.path, ?error, "the client does not read what it wrote");
        }
        self.live(plan).await
    }

    /// The client's unsaved text as far as it is known, else the disk's.
    async fn live(&self, plan: &FilePlan) -> Option<String> {
        if let Some(buffer) = self.files.get(&plan.path) {
            return Some(buffer.text.to_string());
        }
        self.read(plan).await
    }

    /// The text on disk.
    async fn read(&self, plan: &FilePlan) -> Option<String> {
        let path = self.files.on_disk(&plan.path);
        let read = tokio::task::spawn_blocking(move || std::fs::read(path));
        let bytes = read.await.ok()?.ok()?;
        Content::from_bytes(bytes).text().map(str::to_owned)
    }
}

fn changed() -> String {
    "the file changed meanwhile; accept again".to_owned()
}
